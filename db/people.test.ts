import { verify } from '@node-rs/argon2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIKENESS_LEVELS } from '#contract/look-alike'
import { CURRENT_MODEL } from '#contract/model'
import { Course, Student } from '#contract/people'
import { accountByName, deleteSession, saveAccount, saveSession, sessionByToken } from './accounts.ts'
import type { Database } from './connect.ts'
import { saveConsent, withdrawConsent } from './consents.ts'
import { deviceById, deviceByKey, revokeDevice, saveDevice } from './devices.ts'
import { saveHeartbeat } from './heartbeats.ts'
import { courses, roomTeaches, saveEnrolment, saveStudent, saveTemplates, student, students } from './people.ts'
import { KEYRING, DEVICE_KEY, OFFICE_PASSWORD, openDemoSchool } from './test-school.ts'

const NOW = new Date('2026-03-02T09:20:00Z')
const later = (minutes: number) => new Date(NOW.getTime() + minutes * 60_000)
const AGREED = { statement: 'My face may be used to mark me present', given_by: 'the guardian' }
/** Everybody has a face of their own: along the axis of their number. */
const faceOf = (id: string) => Array.from({ length: 192 }, (_, i) => (i === Number(id.slice(1)) % 192 ? 1 : 0))
const enrol = (id: string, count: number, at = NOW) =>
  saveTemplates(db, KEYRING, id, Array.from({ length: count }, () => ({ model: CURRENT_MODEL, embedding: faceOf(id) })), at, { levels: LIKENESS_LEVELS })

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
})
afterAll(() => close())

async function templateCount(id: string): Promise<number | undefined> {
  const [row] = await db.sql<{ n: number }[]>`SELECT count(*)::integer AS n FROM templates WHERE student_id = ${id}`
  return row?.n
}

describe('no consent, no template', () => {
  test('without consent nothing is saved, by our code or by anybody\'s SQL', async () => {
    expect(await enrol('S001', 1)).toEqual({ outcome: 'consent_missing' })
    await expect(db.sql`
      INSERT INTO templates (student_id, model, sealed, enrolled_at) VALUES ('S001', ${CURRENT_MODEL}, decode(repeat('00', 768 + 29), 'hex'), now())`).rejects.toThrow(/no consent, no template/)
    expect(await templateCount('S001')).toBe(0)
    expect(await enrol('S999', 1)).toEqual({ outcome: 'unknown_student' })
  })

  test('an unsealed embedding, one of another length, or of a model that nobody knows, is refused by the table itself', async () => {
    await saveConsent(db, 'S002', AGREED, NOW)
    for (const [model, bytes] of [[CURRENT_MODEL, 768], [CURRENT_MODEL, 767], [CURRENT_MODEL, 4096], [CURRENT_MODEL, 4096 + 29], ['some-other-model', 768 + 29]] as const) {
      await expect(db.sql`
        INSERT INTO templates (student_id, model, sealed, enrolled_at) VALUES ('S002', ${model}, decode(repeat('00', ${bytes}), 'hex'), now())`).rejects.toThrow(/template_is_sealed/)
    }
  })

  test('saving again replaces the templates of that model', async () => {
    await saveConsent(db, 'S003', AGREED, NOW)
    await enrol('S003', 3)
    await enrol('S003', 2, later(1))
    expect((await student(db, 'S003'))?.templates).toEqual([{ model: CURRENT_MODEL, count: 2, enrolled_at: later(1).toISOString() }])
  })

  test('withdrawing erases every template and keeps the consent with its end', async () => {
    await saveConsent(db, 'S004', AGREED, NOW)
    await enrol('S004', 2)
    expect(await withdrawConsent(db, 'S004', later(5))).toBe('withdrawn')
    expect(await templateCount('S004')).toBe(0)
    expect((await student(db, 'S004'))?.consent).toBeNull()
    expect(await db.sql`SELECT statement, given_by, withdrawn_at = ${later(5).toISOString()}::timestamptz AS ended FROM consents WHERE student_id = 'S004'`)
      .toEqual([{ ...AGREED, ended: true }])
    expect(await withdrawConsent(db, 'S004', later(6))).toBe('none')
    expect(await withdrawConsent(db, 'S999', later(6))).toBe('unknown_student')
  })

  test('whoever withdraws by SQL erases the templates too, in the same transaction', async () => {
    await saveConsent(db, 'S005', AGREED, NOW)
    await enrol('S005', 1)
    await db.sql`UPDATE consents SET withdrawn_at = now() WHERE student_id = 'S005'`
    expect(await templateCount('S005')).toBe(0)
  })

  test('a withdrawal at the same moment as an enrolment leaves no template, whichever comes first', async () => {
    for (let round = 0; round < 20; round += 1) {
      await saveConsent(db, 'S006', { ...AGREED, statement: `round ${round}` }, NOW)
      const both = [() => enrol('S006', 1), () => withdrawConsent(db, 'S006', NOW)]
      await Promise.all((round % 2 ? both : both.toReversed()).map((act) => act()))
      expect(await templateCount('S006')).toBe(0)
    }
  })

  test('the same consent again changes nothing; other words take its place, and the templates stay', async () => {
    await saveConsent(db, 'S007', AGREED, NOW)
    await enrol('S007', 1)
    await saveConsent(db, 'S007', AGREED, later(1))
    expect((await student(db, 'S007'))?.consent).toEqual({ ...AGREED, given_at: NOW.toISOString() })
    await saveConsent(db, 'S007', { ...AGREED, statement: 'The newer text' }, later(2))
    expect((await student(db, 'S007'))?.consent).toEqual({ ...AGREED, statement: 'The newer text', given_at: later(2).toISOString() })
    expect(await templateCount('S007')).toBe(1)
    expect(await saveConsent(db, 'S999', AGREED, NOW)).toBe('unknown_student')
  })

  test('of two savings of templates at once one replaces the other', async () => {
    await saveConsent(db, 'S009', AGREED, NOW)
    await Promise.all(Array.from({ length: 6 }, () => enrol('S009', 2)))
    expect(await templateCount('S009')).toBe(2)
  })

  test('at most one consent is in force, and what was agreed cannot be rewritten, revived or deleted', async () => {
    await Promise.all(Array.from({ length: 6 }, (_, i) => saveConsent(db, 'S008', { ...AGREED, statement: `text ${i}` }, NOW)))
    expect(await db.sql`SELECT count(*)::integer AS n FROM consents WHERE student_id = 'S008' AND withdrawn_at IS NULL`).toEqual([{ n: 1 }])
    await expect(db.sql`UPDATE consents SET statement = 'anything' WHERE student_id = 'S008'`).rejects.toThrow(/withdrawn, once/)
    await expect(db.sql`UPDATE consents SET withdrawn_at = NULL WHERE student_id = 'S008' AND withdrawn_at IS NOT NULL`).rejects.toThrow(/withdrawn, once/)
    await expect(db.sql`DELETE FROM consents WHERE student_id = 'S008'`).rejects.toThrow(/refused/)
  })
})

describe('students and courses', () => {
  test('a student is added, changed and read in the contract\'s shape', async () => {
    await saveStudent(db, 'S100', { first_name: 'Åsa', last_name: "O'Neill\u0000", email: null })
    await saveStudent(db, 'S100', { first_name: 'Åsa', last_name: "O'Neill", email: 'asa@school.example' })
    expect(Student.parse(await student(db, 'S100'))).toEqual({ student_id: 'S100', first_name: 'Åsa', last_name: "O'Neill", email: 'asa@school.example', course_ids: [], consent: null, guardian_required: false, templates: [], pin_set_at: null, card_made_at: null })
    expect((await students(db)).map((one) => Student.parse(one).student_id)).toContain('S100')
    expect(await student(db, 'S999')).toBeUndefined()
  })

  test('who is enrolled is replaced whole; those who stay keep their beginning, those who leave keep their past, those who return are back', async () => {
    await saveEnrolment(db, 'MU140', ['S001', 'S002', 'S020'], later(10))
    const of = async () => (await courses(db)).map((course) => Course.parse(course)).find((course) => course.course_id === 'MU140')?.student_ids
    expect(await of()).toEqual(['S001', 'S002', 'S020'])
    await saveEnrolment(db, 'MU140', ['S002', 'S002', 'S003'], later(20))
    expect(await of()).toEqual(['S002', 'S003'])
    await saveEnrolment(db, 'MU140', ['S001'], later(20))
    expect(await of()).toEqual(['S001'])
    expect(await db.sql`SELECT enrolled_to IS NULL AS open FROM enrollments WHERE course_id = 'MU140' AND student_id = 'S001' ORDER BY enrolled_from`).toEqual([{ open: false }, { open: true }])
  })

  test('with one unknown student nothing changes and it is named; an unknown course is said so', async () => {
    await saveEnrolment(db, 'MU140', ['S009'], later(30))
    expect(await saveEnrolment(db, 'MU140', ['S001', 'X2', 'X1'], later(40))).toEqual({ unknown: ['X1', 'X2'] })
    expect((await courses(db)).find((course) => course.course_id === 'MU140')?.student_ids).toEqual(['S009'])
    expect(await saveEnrolment(db, 'XX999', ['S001'], NOW)).toBeUndefined()
  })

  test('a room teaches the courses of its timetable and the students of those', async () => {
    await saveStudent(db, 'S101', { first_name: 'No', last_name: 'Course', email: null })
    expect(await roomTeaches(db, 'LAB-301', { course_id: 'CS101' })).toBe(true)
    expect(await roomTeaches(db, 'LAB-301', { course_id: 'MU140' })).toBe(false)
    expect(await roomTeaches(db, 'LAB-301', { student_id: 'S010' })).toBe(true)
    expect(await roomTeaches(db, 'HALL-1', { student_id: 'S010' })).toBe(false)
    expect(await roomTeaches(db, 'LAB-301', { student_id: 'S101' })).toBe(false)
  })
})

describe('devices', () => {
  test('a device is known by its key, of which only the hash is stored, until it is revoked', async () => {
    expect(await deviceByKey(db, DEVICE_KEY)).toEqual({ device_id: 'pi-lab301', room_id: 'LAB-301', revoked: false })
    expect(await deviceByKey(db, `${DEVICE_KEY}x`)).toBeUndefined()
    const dump = JSON.stringify(await db.sql`SELECT d::text FROM devices d`)
    expect(dump).not.toContain(DEVICE_KEY)
    await saveDevice(db, { device_id: 'pi-hall', room_id: 'HALL-1', key: 'another key' })
    expect(await revokeDevice(db, 'pi-hall', NOW)).toBe(true)
    expect(await deviceById(db, 'pi-hall')).toEqual({ device_id: 'pi-hall', room_id: 'HALL-1', revoked: true })
    await saveDevice(db, { device_id: 'pi-hall', room_id: 'LAB-301', key: 'a new key' })
    expect(await deviceByKey(db, 'another key')).toBeUndefined()
    expect(await deviceByKey(db, 'a new key')).toEqual({ device_id: 'pi-hall', room_id: 'LAB-301', revoked: false })
    expect(await revokeDevice(db, 'pi-nowhere', NOW)).toBe(false)
  })

  test('the newest heartbeat is kept, whatever characters it holds', async () => {
    await saveHeartbeat(db, { device_id: 'pi-lab301', app_version: '1.0\u0000\ud800', unsent_marks: 3 }, NOW)
    expect(await db.sql`SELECT last_heartbeat->>'unsent_marks' AS unsent, last_seen_at = ${NOW.toISOString()}::timestamptz AS seen FROM devices WHERE device_id = 'pi-lab301'`)
      .toEqual([{ unsent: '3', seen: true }])
    await saveHeartbeat(db, { device_id: 'nobody' }, NOW)
  })
})

describe('accounts', () => {
  test('the office\'s password is kept as argon2id', async () => {
    const account = await accountByName(db, 'office')
    expect(account?.role).toBe('office')
    expect(account?.password_hash).toMatch(/^\$argon2id\$/)
    expect(await verify(account?.password_hash ?? '', OFFICE_PASSWORD)).toBe(true)
    expect(await accountByName(db, 'off\u0000ice')).toBeUndefined()
  })

  test('a session is found by its token until it expires or is ended; the token itself is not stored', async () => {
    const account = await accountByName(db, 'office')
    const { account_id, password_hash } = { account_id: account?.account_id ?? 0, password_hash: account?.password_hash ?? '' }
    await saveSession(db, { token: 'a random token', account_id, expires_at: later(60) })
    expect(await sessionByToken(db, 'a random token', later(59))).toEqual({ account_id, username: 'office', role: 'office', student_id: null })
    expect(await sessionByToken(db, 'a random token', later(60))).toBeUndefined()
    expect(await sessionByToken(db, 'another token', NOW)).toBeUndefined()
    expect(JSON.stringify(await db.sql`SELECT s::text FROM sessions s`)).not.toContain('a random token')
    await deleteSession(db, 'a random token')
    expect(await sessionByToken(db, 'a random token', NOW)).toBeUndefined()
    await saveSession(db, { token: 'a third', account_id, expires_at: later(60) })
    await saveAccount(db, { username: 'office', role: 'office', password_hash })
    expect(await sessionByToken(db, 'a third', NOW)).toBeUndefined()
  })
})
