import { createHash } from 'node:crypto'
import { hash } from '@node-rs/argon2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NewCard } from '#contract/card'
import { Student } from '#contract/people'
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
const cards = async () => {
  const { students } = Schedule.parse(await (await ask('schedule?room_id=LAB-301')).json())
  return Object.fromEntries(students.flatMap(({ student_id, card }) => (card === null ? [] : [[student_id, card]])))
}
const auditOf = async (subject: string) => (await school.db.sql<{ action: string; actor: string }[]>`SELECT action, actor FROM audit_log WHERE subject = ${subject} ORDER BY seq`).map(({ action, actor }) => `${action} by ${actor}`)

describe('a card', () => {
  it('is made, told once, replaced when it is lost, and ended; each is on record', async () => {
    const response = await ask('students/S001/card', 'PUT', {})
    expect(response.headers.get('cache-control')).toBe('no-store')
    const { token, student } = NewCard.parse(await response.json())
    expect(student).toMatchObject({ student_id: 'S001', card_made_at: '2026-11-23T09:20:00.000Z' })
    expect(await cards()).toEqual({ S001: createHash('sha256').update(token).digest('base64') })
    const second = NewCard.parse(await (await ask('students/S001/card', 'PUT', {})).json())
    expect(second.token).not.toBe(token)
    expect(await cards()).toEqual({ S001: createHash('sha256').update(second.token).digest('base64') })
    for (const path of ['students', 'students/S001', 'schedule?room_id=LAB-301']) {
      const said = await (await ask(path)).text()
      for (const told of [token, second.token]) expect(said).not.toContain(told)
    }
    for (let i = 0; i < 2; i++) expect(Student.parse(await (await ask('students/S001/card', 'DELETE')).json()).card_made_at).toBeNull()
    expect(await cards()).toEqual({})
    expect(await auditOf('student:S001')).toEqual(['card_made by script', 'card_made by script', 'card_removed by script'])
    expect(JSON.stringify([school.events, await school.db.sql`SELECT * FROM audit_log`])).not.toContain(second.token)
  })

  it('is not made for nobody, and not by a device, a teacher or a stranger', async () => {
    expect((await ask('students/S999/card', 'PUT', {})).status).toBe(404)
    expect((await ask('students/S999/card', 'DELETE')).status).toBe(404)
    await saveAccount(school.db, { username: 'ms-teacher', role: 'teacher', password_hash: await hash('a teacher password') })
    const signedIn = await school.app.request('/api/v1/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'ms-teacher', password: 'a teacher password' }) })
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? ''
    for (const [method, body] of [['PUT', {}], ['DELETE', undefined]] as const) {
      expect((await ask('students/S004/card', method, body, school.deviceKey)).status).toBe(403)
      expect((await ask('students/S004/card', method, body, 'nobody')).status).toBe(401)
      const init = asked(undefined, body, method)
      expect((await school.app.request('/api/v1/students/S004/card', { ...init, headers: { ...init.headers, cookie } })).status).toBe(403)
    }
    expect(await auditOf('student:S004')).toEqual([])
  })

  it('leaves marks that say so', async () => {
    const held = Schedule.parse(await (await ask('schedule?room_id=LAB-301')).json()).current_class!
    const record = (student_id: string, method: string, confidence: number) => ({ student_id, course_id: held.course_id, lesson_id: held.lesson_id, held_on: held.held_on, timestamp: NOW.toISOString(), confidence, method })
    const sent = await ask('attendance', 'POST', { device_id: 'pi-lab301', records: [record('S002', 'qr', 1), record('S003', 'face_and_qr', 0.8)] }, school.deviceKey)
    expect(await sent.json()).toMatchObject({ stored: 2, refused: 0 })
    const { entries } = (await (await ask(`lessons/${held.held_on}/${held.lesson_id}`)).json()) as { entries: { student_id: string; mark: { method: string } | null }[] }
    expect(Object.fromEntries(entries.flatMap(({ student_id, mark }) => (mark ? [[student_id, mark.method]] : [])))).toEqual({ S002: 'qr', S003: 'face_and_qr' })
  })
})
