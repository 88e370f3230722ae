import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Lessons, Register } from '#contract/register'
import type { LessonSummary } from '#contract/register'
import { createLiveRegisters } from '../live-registers.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'
import { lessonRoutes } from './lessons.ts'

let now = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool
let lesson: LessonSummary

const ask = (path: string, body?: unknown, key: string | undefined = school.apiKey): Promise<Response> => Promise.resolve(school.app.request(path, asked(key, body)))
const registerPath = (): string => `/api/v1/lessons/${lesson.held_on}/${lesson.lesson_id}`

beforeAll(async () => {
  school = await startThrowawaySchool(() => now)
  const { lessons } = Lessons.parse(await (await ask('/api/v1/lessons')).json())
  const on = lessons.find(({ room_id, starts_at, ends_at }) => room_id === 'LAB-301' && Date.parse(starts_at) <= now.getTime() && now.getTime() < Date.parse(ends_at))
  if (!on) throw new Error('no lesson is on')
  lesson = on
})
afterAll(() => school.stop())

async function mark(student_id: string): Promise<void> {
  const response = await ask('/api/v1/attendance', { device_id: 'pi-lab301', records: [{ student_id, course_id: lesson.course_id, timestamp: now.toISOString(), confidence: 0.9 }] }, school.deviceKey)
  expect(await response.json()).toMatchObject({ stored: 1 })
}

describe('lessons', () => {
  it('of today are the default, and of any date on demand', async () => {
    const today = Lessons.parse(await (await ask('/api/v1/lessons')).json())
    expect(today).toMatchObject({ date: '2026-11-23', time_zone: 'Europe/Stockholm' })
    const other = Lessons.parse(await (await ask('/api/v1/lessons?date=2026-11-24')).json())
    expect(other.lessons.map(({ held_on }) => held_on).every((date) => date === '2026-11-24')).toBe(true)
    expect(await (await ask('/api/v1/lessons?date=tomorrow')).json()).toMatchObject({ errors: [{ field: 'date' }] })
    expect(await (await ask('/api/v1/lessons?date=0000-01-01')).json()).toMatchObject({ errors: [{ field: 'date' }] })
  })

  it('are for staff and scripts', async () => {
    expect((await ask('/api/v1/lessons', undefined, school.deviceKey)).status).toBe(403)
    expect((await ask(registerPath(), undefined, 'wrong')).status).toBe(401)
    expect((await ask(`${registerPath()}/events`, undefined, 'wrong')).status).toBe(401)
  })
})

describe('a register', () => {
  it('lists every enrolled student', async () => {
    const register = Register.parse(await (await ask(registerPath())).json())
    expect(register.entries).toHaveLength(24)
    expect(register.lesson.lesson_id).toBe(lesson.lesson_id)
  })

  it('of no such lesson is not found', async () => {
    expect((await ask('/api/v1/lessons/2026-11-23/999999')).status).toBe(404)
    expect((await ask('/api/v1/lessons/2026-11-23/999999/events')).status).toBe(404)
    expect((await ask('/api/v1/lessons/yesterday/1')).status).toBe(422)
    expect((await ask('/api/v1/lessons/0000-01-01/1')).status).toBeLessThan(500)
  })

  it('keeps a correction beside the mark, with who made it', async () => {
    await mark('S010')
    const response = await ask(`${registerPath()}/corrections`, { student_id: 'S010', status: 'excused', note: 'went home' })
    expect(response.status).toBe(201)
    const entry = Register.parse(await response.json()).entries.find(({ student_id }) => student_id === 'S010')
    expect(entry).toMatchObject({ status: 'excused', mark: { confidence: 0.9 }, corrections: [{ status: 'excused', note: 'went home', corrected_by: 'script' }] })
  })

  it('refuses a correction that makes no sense', async () => {
    const correct = (body: unknown): Promise<Response> => ask(`${registerPath()}/corrections`, body)
    expect((await correct({ student_id: 'S999', status: 'late' })).status).toBe(404)
    expect(await (await correct({ student_id: 'S001', status: 'expected' })).json()).toMatchObject({ errors: [{ field: 'status', message: 'must be one of present, late, absent, excused' }] })
    expect((await ask('/api/v1/lessons/2026-11-23/999999/corrections', { student_id: 'S001', status: 'late' })).status).toBe(404)
    expect((await ask(`${registerPath()}/corrections`, { student_id: 'S001', status: 'late' }, school.deviceKey)).status).toBe(403)
  })
})

/** Reads server-sent events one by one. */
class Events {
  private text = ''
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>

  constructor(response: Response) {
    if (!response.body) throw new Error('no stream')
    this.reader = response.body.getReader()
  }

  /** @returns the next register, or undefined at the stream's end. Comments are passed over. */
  async next(): Promise<Register | undefined> {
    for (;;) {
      const end = this.text.indexOf('\n\n')
      if (end >= 0) {
        const event = this.text.slice(0, end)
        this.text = this.text.slice(end + 2)
        const data = /^event: register\ndata: (.*)$/.exec(event)?.[1]
        if (data !== undefined) return Register.parse(JSON.parse(data))
        continue
      }
      const { done, value } = await this.reader.read()
      if (done) return undefined
      this.text += Buffer.from(value).toString()
    }
  }

  cancel(): Promise<void> {
    return this.reader.cancel()
  }
}

describe('a register\'s events', () => {
  const here = (register: Register | undefined): string[] => (register?.entries ?? []).filter(({ mark: seen }) => seen !== null).map(({ student_id }) => student_id)

  it('begin with the register and follow every change, from marks and from people', async () => {
    const response = await ask(`${registerPath()}/events`)
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    expect(response.headers.get('content-encoding')).toBeNull()
    const events = new Events(response)
    expect(here(await events.next())).not.toContain('S011')
    await mark('S011')
    expect(here(await events.next())).toContain('S011')
    await ask(`${registerPath()}/corrections`, { student_id: 'S012', status: 'absent' })
    expect((await events.next())?.entries.find(({ student_id }) => student_id === 'S012')?.status).toBe('absent')
    await events.cancel()
  })

  it('miss nothing of many changes at once, though they may come together', async () => {
    const events = new Events(await ask(`${registerPath()}/events`))
    await events.next()
    const students = ['S013', 'S014', 'S015', 'S016', 'S017', 'S018']
    await Promise.all(students.map(mark))
    let last: Register | undefined
    while (!students.every((student) => here(last).includes(student))) last = await events.next()
    await events.cancel()
  })

  it('leave no watcher behind when the reader goes', async () => {
    const live = createLiveRegisters(school.db)
    const routes = lessonRoutes(school.parts, live)
    const events = new Events(await routes.request(`${registerPath()}/events`, asked(school.apiKey)))
    await events.next()
    expect(live.watchers).toBe(1)
    await events.cancel()
    await vi.waitFor(() => expect(live.watchers).toBe(0))
    await live.close()
  })

  it('end when the server stops', async () => {
    const stopping = new AbortController()
    const routes = lessonRoutes({ ...school.parts, stopping: stopping.signal })
    const events = new Events(await routes.request(`${registerPath()}/events`, asked(school.apiKey)))
    await events.next()
    stopping.abort()
    expect(await events.next()).toBeUndefined()
  })

  it('end when the person signs out', async () => {
    const signedIn = await ask('/api/v1/session', { username: 'office', password: school.officePassword }, undefined)
    const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? ''
    const events = new Events(await school.app.request(`${registerPath()}/events`, { headers: { cookie } }))
    await events.next()
    await school.app.request('/api/v1/session', { method: 'DELETE', headers: { cookie } })
    await mark('S020')
    expect(await events.next()).toBeUndefined()
  })
})
