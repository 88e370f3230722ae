/** What the routes put on record, and who may read it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AuditLog } from '#contract/audit'
import type { AuditEntry } from '#contract/audit'
import { Problem } from '#contract/problem'
import { saveAccount } from '../db/accounts.ts'
import { auditEntries, checkAudit } from '../db/audit.ts'
import { hashPassword } from '../db/password.ts'
import { actorOf, openAudit } from './audit.ts'
import { asked, startThrowawaySchool } from './throwaway-school.ts'
import type { ThrowawaySchool } from './throwaway-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool
let cookie: string

const ask = (path: string, init: RequestInit = asked(school.apiKey)): Promise<Response> => Promise.resolve(school.app.request(path, init))
const asPrivacy = (path: string): Promise<Response> => ask(path, { headers: { cookie } })
const newest = async (): Promise<AuditEntry | undefined> => (await auditEntries(school.db, { limit: 1 })).entries[0]

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
  await saveAccount(school.db, { username: 'birgit', role: 'privacy', password_hash: await hashPassword('a password for tests') })
  const signedIn = await ask('/api/v1/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'birgit', password: 'a password for tests' }) })
  cookie = signedIn.headers.getSetCookie().map((one) => one.split(';')[0]).join('; ')
})
afterAll(() => school.stop())

describe('the audit log', () => {
  test('is read by the privacy officer alone, newest first, by page and by filter', async () => {
    await ask('/api/v1/students/S001/pin', asked(school.apiKey, { pin: '4711' }, 'PUT'))
    await ask('/api/v1/students/S001/pin', asked(school.apiKey, undefined, 'DELETE'))
    const read = AuditLog.parse(await (await asPrivacy('/api/v1/audit?subject=student:S001&limit=1')).json())
    expect(read).toMatchObject({ time_zone: 'Europe/Stockholm', more: true, entries: [{ actor: 'script', action: 'pin_removed', subject: 'student:S001' }] })
    const older = AuditLog.parse(await (await asPrivacy(`/api/v1/audit?subject=student:S001&before=${read.entries[0]?.seq ?? 0}`)).json())
    expect(older).toMatchObject({ more: false, entries: [{ action: 'pin_set', details: { chosen: true } }] })
    expect((await ask('/api/v1/audit')).status).toBe(403)
    expect((await ask('/api/v1/audit', {})).status).toBe(401)
    for (const [query, field] of [['limit=501', 'limit'], ['before=0', 'before'], ['action=pinned', 'action'], ['actor=me', 'actor'], ['subject=S001', 'subject'], ['from=yesterday', 'from'], ['from=2026-11-23T09:00:00Z&to=2026-11-23T09:00:00Z', 'from'], ['to=9999-12-31T00:00:00Z', 'to']]) {
      const refused = await asPrivacy(`/api/v1/audit?${query ?? ''}`)
      expect(refused.status, query).toBe(422)
      expect(Problem.parse(await refused.json()).errors?.[0]?.field).toBe(field)
    }
  })

  test('holds every change that a route makes, who made it and to whom; what is refused is not in it', async () => {
    const lesson = (await (await ask('/api/v1/lessons')).json() as { lessons: { lesson_id: string; held_on: string; room_id: string; starts_at: string }[] }).lessons.find(({ room_id, starts_at }) => room_id === 'LAB-301' && starts_at === '2026-11-23T09:00:00.000Z')
    if (!lesson) throw new Error('no lesson is on')
    const writes: [string, string, unknown, object][] = [
      ['PUT', '/api/v1/students/S050', { first_name: 'Nia', last_name: 'Adeyemi', email: null }, { action: 'student_saved', subject: 'student:S050', details: {} }],
      ['PUT', '/api/v1/courses/MU140/students', { student_ids: ['S001', 'S050'] }, { action: 'enrolment_changed', subject: 'course:MU140', details: { students: 2 } }],
      ['PUT', '/api/v1/rooms/LAB-301', { liveness: 'require' }, { action: 'room_changed', subject: 'room:LAB-301', details: { liveness: 'require' } }],
      ['POST', '/api/v1/kiosks/pi-lab301/clear-fence', {}, { action: 'fence_cleared', subject: 'device:pi-lab301' }],
      ['POST', `/api/v1/lessons/${lesson.held_on}/${lesson.lesson_id}/corrections`, { student_id: 'S001', status: 'excused', note: 'said her mother, Anna' }, { action: 'correction_made', subject: 'student:S001', details: { held_on: lesson.held_on, lesson_id: lesson.lesson_id, status: 'excused' } }],
      ['POST', '/api/v1/recognition/confirmed-different', { student_ids: ['S001', 'S002'] }, { action: 'look_alike_confirmed', subject: 'school' }],
    ]
    for (const [method, path, body, expected] of writes) {
      const answer = await ask(path, asked(school.apiKey, body, method))
      expect(answer.status, `${method} ${path}: ${await answer.text()}`).toBeLessThan(300)
      expect(await newest(), path).toMatchObject({ actor: 'script', ...expected })
    }
    const before = await newest()
    for (const [method, path, body] of [['PUT', '/api/v1/rooms/NOWHERE', { liveness: 'off' }], ['PUT', '/api/v1/students/S404/pin', { pin: '4711' }], ['PUT', '/api/v1/courses/MU140/students', { student_ids: ['S404'] }], ['POST', '/api/v1/kiosks/pi-9/clear-fence', {}]] as const) {
      expect((await ask(path, asked(school.apiKey, body, method))).status).toBeGreaterThanOrEqual(400)
    }
    expect(await newest()).toEqual(before)
    expect(JSON.stringify(await auditEntries(school.db, { limit: 500 }))).not.toMatch(/Nia|Adeyemi|Anna|mother|4711/)
    expect((await checkAudit(school.db, [school.parts.schoolKey.derive('audit')])).faults).toEqual([])
  })

  test('holds each answer that sends templates, before it is given; where it cannot be written there is no answer', async () => {
    const embedding = Array.from({ length: 192 }, (_, i) => (i === 0 ? 1 : 0))
    const schedule = (headers: Record<string, string> = {}): Promise<Response> => ask('/api/v1/schedule?room_id=LAB-301', { headers: { authorization: `Bearer ${school.deviceKey}`, ...headers } })
    const before = await newest()
    expect((await schedule()).status).toBe(200)
    // No template was in it.
    expect(await newest()).toEqual(before)
    expect((await ask('/api/v1/students/S001/consent', asked(school.apiKey, { statement: 'I agree', given_by: 'the guardian' }, 'PUT'))).status).toBe(200)
    expect((await ask('/api/v1/students/S001/templates', asked(school.apiKey, { templates: [{ model: 'mobilefacenet-192-r1', embedding }] }, 'PUT'))).status).toBe(200)
    expect(await newest()).toMatchObject({ action: 'templates_saved', subject: 'student:S001', details: { templates: 1 } })
    const sent = await schedule()
    expect(sent.status).toBe(200)
    expect(await newest()).toMatchObject({ actor: 'device:pi-lab301', action: 'templates_read', subject: 'room:LAB-301', details: { students: 1, templates: 1 } })
    const read = await newest()
    expect((await schedule({ 'if-none-match': sent.headers.get('etag') ?? '' })).status).toBe(304)
    expect(await newest()).toEqual(read)
    expect((await ask('/api/v1/students/S001/verify', asked(school.apiKey, { model: 'mobilefacenet-192-r1', embedding }))).status).toBe(200)
    expect(await newest()).toMatchObject({ actor: 'script', action: 'templates_verified', subject: 'student:S001', details: { match: true } })

    await school.db.sql`ALTER TABLE audit_log RENAME TO audit_log_away`
    try {
      expect((await schedule()).status).toBe(500)
      expect((await ask('/api/v1/students/S002/pin', asked(school.apiKey, { pin: '4711' }, 'PUT'))).status).toBe(500)
      expect(await school.db.sql`SELECT FROM student_pins WHERE student_id = 'S002'`).toHaveLength(0)
    } finally {
      await school.db.sql`ALTER TABLE audit_log_away RENAME TO audit_log`
    }
  })

  test('gathers what is asked for at once into few transactions, refuses what it could not tell of, and says so to its caller', async () => {
    const audit = openAudit({ db: school.db, key: school.parts.schoolKey.derive('audit'), now: () => NOW })
    const before = (await newest())?.seq ?? 0
    await Promise.all(Array.from({ length: 300 }, (_, n) => audit({ actor: `device:pi-${n}`, action: 'templates_read', subject: 'room:LAB-301', details: { students: n } })))
    expect((await newest())?.seq).toBe(before + 300)
    await expect(audit({ actor: 'somebody', action: 'templates_read', subject: 'school' })).rejects.toThrow(/actor/)
    await expect(audit({ actor: 'script', action: 'pin_set', subject: 'Anna Svensson' })).rejects.toThrow(/subject/)
    await expect(audit({ actor: 'script', action: 'pin_set', subject: 'school', details: { Pin: 1 } })).rejects.toThrow(/details/)
    expect(actorOf({ kind: 'person', account_id: 1, username: 'åsa öberg', role: 'office' })).toBe('account:åsa öberg')
    await audit({ actor: 'account:åsa öberg', action: 'signed_in', subject: 'account:åsa öberg' })
  })
})
