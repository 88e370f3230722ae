import { hash } from '@node-rs/argon2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NewPin, Student } from '#contract/people'
import { Problem } from '#contract/problem'
import { Schedule } from '#contract/schedule'
import { saveAccount } from '../../db/accounts.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
})
afterAll(() => school.stop())

const ask = (path: string, method = 'GET', body?: unknown, key: string | undefined = school.apiKey): Promise<Response> => Promise.resolve(school.app.request(`/api/v1/${path}`, asked(key, body, method)))

describe('a PIN', () => {
  it('is chosen or made, told once, and taken away', async () => {
    const chosen = NewPin.parse(await (await ask('students/S001/pin', 'PUT', { pin: '482913' })).json())
    expect(chosen).toMatchObject({ pin: '482913', student: { student_id: 'S001', pin_set_at: '2026-11-23T09:20:00.000Z' } })
    const response = await ask('students/S002/pin', 'PUT', { generate: true })
    expect(response.headers.get('cache-control')).toBe('no-store')
    const made = NewPin.parse(await response.json())
    expect(made.pin).toMatch(/^\d{4}$/)
    for (const path of ['students', 'students/S001', 'schedule?room_id=LAB-301']) {
      const said = await (await ask(path)).text()
      expect(said).not.toContain('482913')
    }
    expect(Student.parse(await (await ask('students/S001/pin', 'DELETE')).json()).pin_set_at).toBeNull()
    const { students } = Schedule.parse(await (await ask('schedule?room_id=LAB-301')).json())
    expect(students.filter(({ pin }) => pin !== null).map(({ student_id }) => student_id)).toEqual(['S002'])
  })

  it('of another form is refused, and so is one for nobody', async () => {
    for (const body of [{ pin: '123' }, { pin: '1234567' }, { pin: '12a4' }, { pin: '٣٣٣٣' }, { pin: 1234 }, { generate: false }, { pin: '1234', generate: true }, {}, []]) {
      const response = await ask('students/S003/pin', 'PUT', body)
      expect(response.status, JSON.stringify(body)).toBe(422)
      // A PIN that was meant as one is not repeated to whoever reads along.
      expect(Problem.parse(await response.json()).detail).not.toContain('1234567')
    }
    expect((await ask('students/S999/pin', 'PUT', { generate: true })).status).toBe(404)
    expect((await ask('students/S999/pin', 'DELETE')).status).toBe(404)
    expect(Student.parse(await (await ask('students/S003')).json()).pin_set_at).toBeNull()
  })

  it('is no device\'s, no teacher\'s and no stranger\'s business', async () => {
    await saveAccount(school.db, { username: 'ms-teacher', role: 'teacher', password_hash: await hash('a teacher password') })
    const signedIn = await school.app.request('/api/v1/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'ms-teacher', password: 'a teacher password' }) })
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? ''
    for (const [method, body] of [['PUT', { generate: true }], ['DELETE', undefined]] as const) {
      expect((await ask('students/S004/pin', method, body, school.deviceKey)).status).toBe(403)
      expect((await ask('students/S004/pin', method, body, 'nobody')).status).toBe(401)
      const init = asked(undefined, body, method)
      expect((await school.app.request('/api/v1/students/S004/pin', { ...init, headers: { ...init.headers, cookie } })).status).toBe(403)
    }
  })

  it('is in no line of the log', async () => {
    await ask('students/S005/pin', 'PUT', { pin: '775533' })
    await ask('students/S005/pin', 'PUT', { pin: '7755331' })
    expect(JSON.stringify(school.events)).not.toContain('775533')
  })
})
