import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AttendanceAnswer } from '#contract/attendance'
import { Problem } from '#contract/problem'
import { Lessons, Register } from '#contract/register'
import type { LessonSummary } from '#contract/register'
import { DismissedAnswer, RecordedAnswer, SetAsideList } from '#contract/set-aside'
import type { SetAside } from '#contract/set-aside'
import { saveAccount, saveSession } from '../../db/accounts.ts'
import { setAside } from '../../db/set-aside.ts'
import { SESSION_COOKIE } from '../identity.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

/** A Monday, 10:20 in Stockholm; LAB-301 has a lesson at any hour. */
const NOW = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
})
afterAll(() => school.stop())
beforeEach(async () => {
  await school.db.sql`DELETE FROM set_aside`
  await school.db.sql`DELETE FROM attendance_logs`
  await school.db.sql`DELETE FROM mark_ids`
})

const ask = (path: string, body?: unknown, key: string = school.apiKey): Promise<Response> => Promise.resolve(school.app.request(`/api/v1/${path}`, asked(key, body)))
const list = async (query = ''): Promise<SetAsideList> => SetAsideList.parse(await (await ask(`set-aside${query}`)).json())
const problem = async (answer: Response): Promise<Problem> => Problem.parse(await answer.json())
const record = (more: object = {}) => ({ student_id: 'S001', course_id: 'CS101', timestamp: '2026-11-23T09:05:00.000Z', confidence: 0.9, ...more })

async function asideOf(sent: unknown, more: { code?: string; reason?: string; device_id?: string | undefined } = {}): Promise<SetAside> {
  await setAside(school.db, [{ record: sent, device_id: 'pi-lab301', code: 'timestamp_out_of_range', field: 'timestamp', reason: 'is more than 366 days ago', ...more }], NOW)
  const [entry] = (await list()).entries
  if (!entry) throw new Error('nothing was set aside')
  return entry
}

async function lessonNow(): Promise<LessonSummary> {
  const { lessons } = Lessons.parse(await (await ask('lessons')).json())
  const lesson = lessons.find(({ room_id, starts_at, ends_at }) => room_id === 'LAB-301' && Date.parse(starts_at) <= NOW.getTime() && NOW.getTime() < Date.parse(ends_at))
  if (!lesson) throw new Error('no lesson is on')
  return lesson
}

async function marks(): Promise<{ student_id: string; held_on: string; lesson_id: string; timestamp: string; device_timestamp: string | null }[]> {
  return school.db.sql`
    SELECT student_id, held_on::text AS held_on, lesson_id, to_char("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI') AS timestamp, to_char(device_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI') AS device_timestamp
    FROM attendance_logs ORDER BY student_id`
}

describe('what a script or a kiosk sent and nobody can take', () => {
  it('appears with its reason and what it says, each once, however often it comes', async () => {
    const absurd = record({ timestamp: '1970-01-01T00:00:10.000Z' })
    const stranger = record({ student_id: 'S999' })
    for (let n = 0; n < 2; n += 1) {
      const answer = AttendanceAnswer.parse(await (await ask('attendance', { device_id: 'pi-lab301', records: [absurd, stranger, record()] }, school.deviceKey)).json())
      expect(answer).toMatchObject({ refused: 2 })
    }
    const { open, entries, time_zone } = await list()
    expect({ open, time_zone }).toEqual({ open: 2, time_zone: 'Europe/Stockholm' })
    expect(entries.map(({ code, times, says, recordable }) => ({ code, times, student: says.student_id, recordable })).toSorted((a, b) => a.code.localeCompare(b.code))).toEqual([
      { code: 'timestamp_out_of_range', times: 2, student: 'S001', recordable: true },
      { code: 'unknown_student', times: 2, student: 'S999', recordable: true },
    ])
    expect(await marks()).toMatchObject([{ student_id: 'S001', timestamp: '2026-11-23T09:05' }])
  })

  it('is told page by page', async () => {
    await setAside(school.db, Array.from({ length: 5 }, (_, n) => ({ record: { n }, device_id: undefined, code: 'invalid_record', field: '', reason: 'no record' })), NOW)
    const first = await list('?limit=3')
    const second = await list(`?limit=3&before=${first.entries.at(-1)?.set_aside_id}`)
    expect([first.entries.length, second.entries.length, first.open, second.open]).toEqual([3, 2, 5, 5])
    expect(first.entries[0]).toMatchObject({ device_id: null, room_id: null, recordable: false })
    expect((await ask('set-aside?limit=0')).status).toBe(422)
    expect((await ask('set-aside?before=soon')).status).toBe(422)
  })
})

describe('recorded after all', () => {
  it('into the lesson that a person names, as it began; what the device said of the time stays known, and the register shows it', async () => {
    const { lesson_id, held_on, course_id, starts_at } = await lessonNow()
    const { set_aside_id } = await asideOf(record({ course_id, timestamp: '1970-01-01T00:00:10.000Z' }))
    const answer = await ask(`set-aside/${set_aside_id}/record`, { held_on, lesson_id })
    expect(RecordedAnswer.parse(await answer.json())).toEqual({ set_aside_id, outcome: 'stored' })
    expect(await marks()).toEqual([{ student_id: 'S001', held_on, lesson_id, timestamp: starts_at.slice(0, 16), device_timestamp: '1970-01-01T00:00' }])
    const { entries } = Register.parse(await (await ask(`lessons/${held_on}/${lesson_id}`)).json())
    expect(entries.find(({ student_id }) => student_id === 'S001')?.status).toBe('present')
    expect(await list()).toMatchObject({ open: 0, entries: [] })
  })

  it('into a lesson in which its own time lies, it keeps its time', async () => {
    const { lesson_id, held_on, course_id } = await lessonNow()
    const { set_aside_id } = await asideOf(record({ course_id, timestamp: NOW.toISOString(), lesson_id: 'gone', held_on, clock_offset_ms: 60_000 }), { code: 'unknown_lesson' })
    expect((await ask(`set-aside/${set_aside_id}/record`, { held_on, lesson_id })).status).toBe(200)
    expect(await marks()).toMatchObject([{ lesson_id, timestamp: '2026-11-23T09:20', device_timestamp: '2026-11-23T09:19' }])
  })

  it('at a time that a person names, in the lesson that the timetable has for it', async () => {
    const { set_aside_id } = await asideOf(record({ timestamp: '1970-01-01T00:00:10.000Z', clock_offset_ms: 3_600_000, lesson_id: '12', held_on: '1970-01-01' }))
    expect((await ask(`set-aside/${set_aside_id}/record`, { timestamp: '2026-11-23T09:06:00Z' })).status).toBe(200)
    expect(await marks()).toMatchObject([{ held_on: '2026-11-23', timestamp: '2026-11-23T09:06', device_timestamp: '1969-12-31T23:00' }])
  })

  it('is a duplicate where the student has a mark in that lesson, which is as good', async () => {
    await ask('attendance', { device_id: 'pi-lab301', records: [record()] })
    const { set_aside_id } = await asideOf(record({ confidence: 0.8 }), { code: 'unknown_student' })
    expect(RecordedAnswer.parse(await (await ask(`set-aside/${set_aside_id}/record`, {})).json()).outcome).toBe('duplicate')
    expect(await marks()).toHaveLength(1)
  })

  it('is refused while the reason holds, and the record waits on, once', async () => {
    const { set_aside_id } = await asideOf(record({ student_id: 'S999' }), { code: 'unknown_student' })
    const answer = await ask(`set-aside/${set_aside_id}/record`, { timestamp: '2026-11-23T09:06:00Z' })
    expect(answer.status).toBe(409)
    expect(await problem(answer)).toMatchObject({ code: 'conflict', detail: 'it still cannot be recorded: there is no student S999' })
    const old = await ask(`set-aside/${set_aside_id}/record`, { timestamp: '2020-11-23T09:06:00Z' })
    expect((await problem(old)).detail).toBe('it still cannot be recorded: its timestamp is more than 366 days ago')
    expect(await list()).toMatchObject({ open: 1, entries: [{ set_aside_id, times: 1 }] })
  })

  it('takes nothing that is no mark of a known device, no lesson that there is not, and no two ways at once', async () => {
    const { set_aside_id: stranger } = await asideOf(record(), { device_id: 'pi-elsewhere' })
    expect((await ask(`set-aside/${stranger}/record`, {})).status).toBe(409)
    await school.db.sql`DELETE FROM set_aside`
    const { set_aside_id: noRecord } = await asideOf('no record')
    expect((await ask(`set-aside/${noRecord}/record`, {})).status).toBe(409)
    await school.db.sql`DELETE FROM set_aside`
    const { set_aside_id: id } = await asideOf(record({ timestamp: '1970-01-01T00:00:10.000Z' }))
    for (const [change, field] of [
      [{ held_on: '2026-11-23', lesson_id: 'nothing' }, 'lesson_id'],
      [{ held_on: '2026-11-23' }, 'held_on'],
      [{ held_on: '0000-11-23', lesson_id: '1' }, 'held_on'],
      [{ timestamp: '2026-11-23T09:06:00Z', held_on: '2026-11-23', lesson_id: '1' }, 'timestamp'],
      [{ timestamp: 'now' }, 'timestamp'],
    ] as const) {
      const answer = await ask(`set-aside/${id}/record`, change)
      expect(answer.status).toBe(422)
      expect((await problem(answer)).errors?.map((fault) => fault.field)).toContain(field)
    }
    expect((await ask(`set-aside/${id + 1}/record`, {})).status).toBe(404)
    expect((await ask('set-aside/soon/record', {})).status).toBe(422)
    expect(await marks()).toEqual([])
  })
})

describe('dismissed', () => {
  it('it is off the list and stays so; whoever comes second is told who was first', async () => {
    const { set_aside_id } = await asideOf(record({ timestamp: '1970-01-01T00:00:10.000Z' }))
    expect(DismissedAnswer.parse(await (await ask(`set-aside/${set_aside_id}/dismiss`, {})).json())).toEqual({ set_aside_id, outcome: 'dismissed' })
    expect(await list()).toMatchObject({ open: 0, entries: [] })
    for (const again of ['record', 'dismiss']) {
      const answer = await ask(`set-aside/${set_aside_id}/${again}`, {})
      expect(answer.status).toBe(409)
      expect((await problem(answer)).detail).toContain('dismissed before, by script')
    }
    expect((await ask(`set-aside/${set_aside_id + 1}/dismiss`, {})).status).toBe(404)
  })
})

it('teachers and kiosks read and decide nothing here', async () => {
  const { set_aside_id } = await asideOf(record())
  await saveAccount(school.db, { username: 'maria', role: 'teacher', password_hash: '$argon2id$none' })
  const [account] = await school.db.sql<{ account_id: number }[]>`SELECT account_id FROM accounts WHERE username = 'maria'`
  await saveSession(school.db, { token: 't'.repeat(43), account_id: account?.account_id ?? 0, expires_at: new Date(NOW.getTime() + 3_600_000) })
  for (const path of ['set-aside', 'kiosks', 'operations', `set-aside/${set_aside_id}/record`, `set-aside/${set_aside_id}/dismiss`, 'kiosks/pi-lab301/clear-fence', 'kiosks/pi-lab301/alarms/1/close']) {
    const posts = path.includes('/')
    expect((await ask(path, posts ? {} : undefined, school.deviceKey)).status).toBe(403)
    const asTeacher = await school.app.request(`/api/v1/${path}`, { ...asked(undefined, posts ? {} : undefined), headers: { cookie: `${SESSION_COOKIE}=${'t'.repeat(43)}`, 'content-type': 'application/json' } })
    expect(asTeacher.status).toBe(403)
    expect((await ask(path, posts ? {} : undefined, 'nobody')).status).toBe(401)
  }
  expect((await list()).open).toBe(1)
})
