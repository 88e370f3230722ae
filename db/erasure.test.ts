import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIKENESS_LEVELS } from '#contract/look-alike'
import { CURRENT_MODEL } from '#contract/model'
import { appendAudit } from './audit.ts'
import { saveCard } from './cards.ts'
import type { Database } from './connect.ts'
import { addConsentText, consentsOf, consentTexts, saveConsent, saveConsentSettings, saveGuardianRequired, withdrawConsent } from './consents.ts'
import { revokeDevice, saveDevice } from './devices.ts'
import { certificates, erase, HELD } from './erasure.ts'
import { exportOf } from './export.ts'
import { forgettings } from './forgettings.ts'
import { saveHeartbeat } from './heartbeats.ts'
import { insertMarks } from './marks.ts'
import { saveTemplates, student, students } from './people.ts'
import { savePin } from './pins.ts'
import { lessonsOn, register, saveCorrection } from './registers.ts'
import { refreshReports } from './reports.ts'
import { rosterVersion } from './roster.ts'
import { KEYRING, openDemoSchool } from './test-school.ts'

/** A Monday, 10:20 in Stockholm. */
const NOW = new Date('2026-03-02T09:20:00Z')
const later = (minutes: number): Date => new Date(NOW.getTime() + minutes * 60_000)
const DAY = 24 * 60
const AGREED = { statement: 'The face may be used', given_by: 'A mother', giver: 'guardian', relationship: 'mother', way: 'paper' } as const
const faceOf = (id: string): number[] => Array.from({ length: 192 }, (_, i) => (i === Number(id.slice(1)) % 192 ? 1 : 0))

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
})
afterAll(() => close())

const enrol = (id: string, at = NOW) => saveTemplates(db, KEYRING, id, [{ model: CURRENT_MODEL, embedding: faceOf(id) }], at, { levels: LIKENESS_LEVELS })
const markIn = (id: string, minutes = 0) => insertMarks(db, [{ student_id: id, course_id: 'CS205', timestamp: later(minutes).toISOString(), confidence: 0.8, device_id: 'pi-lab301' }], later(minutes))
const rows = async (table: string, id: string): Promise<number> => (await db.sql<{ n: number }[]>`SELECT count(*)::integer AS n FROM ${db.sql(table)} t WHERE t::text LIKE ${`%${id}%`}`)[0]?.n ?? -1

async function everyTable(): Promise<{ table: string; columns: string[] }[]> {
  return db.sql<{ table: string; columns: string[] }[]>`
    SELECT CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS table, json_agg(a.attname ORDER BY a.attname) AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema') GROUP BY 1 ORDER BY 1`
}

describe('the ledger', () => {
  test('says who agreed to which words, how and when, and who wrote it down; the same again changes nothing', async () => {
    const { texts } = await consentTexts(db)
    const en = texts.find(({ language }) => language === 'en')
    const { text_id, version, language } = en!
    const given = { text: { text_id, version, language }, given_by: 'Amina Yusuf', giver: 'student', way: 'screen', given_at: later(-DAY).toISOString() } as const
    expect(await saveConsent(db, 'S001', given, NOW, 'account:office')).toBe('recorded')
    expect(await saveConsent(db, 'S001', given, later(5), 'account:office')).toBe('unchanged')
    expect((await consentsOf(db, 'S001'))?.consents).toMatchObject([
      { text: { text_id, version, language }, statement: en?.words, giver: 'student', given_by: 'Amina Yusuf', way: 'screen', given_at: later(-DAY).toISOString(), recorded_at: NOW.toISOString(), recorded_by: 'account:office', withdrawn_at: null },
    ])
    expect(await withdrawConsent(db, 'S001', later(6), 'account:privacy')).toBe('withdrawn')
    expect((await consentsOf(db, 'S001'))?.consents).toMatchObject([{ withdrawn_at: later(6).toISOString(), withdrawn_by: 'account:privacy' }])
  })

  test('words that come without a text make one of their own, once; a text is never changed, and other words are its next version', async () => {
    for (const id of ['S010', 'S011']) await saveConsent(db, id, { statement: 'Words of an older app', given_by: 'a guardian' }, NOW)
    const [own, again] = await Promise.all(['S010', 'S011'].map(async (id) => (await consentsOf(db, id))?.consents[0]?.text))
    expect(own).toEqual(again)
    expect(own).toMatchObject({ text_id: 'own-words', language: 'und' })
    expect((await consentTexts(db)).texts.map(({ text_id }) => text_id)).not.toContain('own-words')
    expect(await addConsentText(db, { text_id: 'school', language: 'en', words: 'New words' }, NOW, 'account:privacy')).toEqual({ text: { text_id: 'school', version: 2, language: 'en' }, added: true })
    expect(await addConsentText(db, { text_id: 'school', language: 'en', words: 'New words' }, NOW, 'account:privacy')).toMatchObject({ added: false })
    await expect(db.sql`UPDATE consent_texts SET words = 'x'`).rejects.toThrow(/new version/)
    await expect(db.sql`DELETE FROM consent_texts`).rejects.toThrow(/new version/)
    expect(await saveConsent(db, 'S010', { text: { text_id: 'school', version: 9, language: 'en' }, given_by: 'x' }, NOW)).toBe('unknown_text')
  })

  test('where a guardian is needed nobody else can consent: of one student, or of the school', async () => {
    const alone = { statement: 'I agree', given_by: 'Mei', giver: 'student' } as const
    await saveGuardianRequired(db, 'S012', true)
    expect(await saveConsent(db, 'S012', alone, NOW)).toBe('guardian_required')
    expect(await saveConsent(db, 'S012', { statement: 'I agree', given_by: 'Mei' }, NOW)).toBe('guardian_required')
    expect(await saveConsent(db, 'S012', { ...alone, giver: 'guardian', relationship: 'aunt' }, NOW)).toBe('recorded')
    await saveConsentSettings(db, true)
    expect(await saveConsent(db, 'S013', alone, NOW)).toBe('guardian_required')
    await saveGuardianRequired(db, 'S013', false)
    expect(await saveConsent(db, 'S013', alone, NOW)).toBe('recorded')
    expect((await student(db, 'S014'))?.guardian_required).toBe(true)
    await saveConsentSettings(db, false)
  })

  test('a consent is kept as it was given, but for being withdrawn, once', async () => {
    await saveConsent(db, 'S015', AGREED, NOW)
    for (const change of ["given_by = 'x'", "statement = 'x'", "giver = 'student'", "recorded_by = 'x'", "student_id = 'S016'", 'given_at = now()']) {
      await expect(db.sql.unsafe(`UPDATE consents SET ${change} WHERE student_id = 'S015'`)).rejects.toThrow(/kept as it was given/)
    }
    await expect(db.sql`DELETE FROM consents WHERE student_id = 'S015'`).rejects.toThrow(/kept as they were written/)
  })
})

describe('kiosks that must forget', () => {
  const beat = (device_id: string, roster_version: string | null | undefined, minutes: number) => saveHeartbeat(db, { device_id, ...(roster_version === undefined ? {} : { roster_version }) }, later(minutes))
  const newest = async (minutes: number) => (await forgettings(db, later(minutes)))[0]

  test('n of m: those paired at that time, of which one confirms by a roster that is new enough, one by holding none, one by being revoked, and a silent one by its lapse', async () => {
    for (const n of [1, 2, 3, 4]) await saveDevice(db, { device_id: `kiosk-${n}`, room_id: 'HALL-1', key: String(n).repeat(43) })
    await saveConsent(db, 'S002', AGREED, NOW)
    await enrol('S002')
    const before = await rosterVersion(db)
    await withdrawConsent(db, 'S002', later(10), 'account:office')
    const after = await rosterVersion(db)
    await saveDevice(db, { device_id: 'paired-later', room_id: 'HALL-1', key: 'l'.repeat(43) })
    expect(await newest(10)).toMatchObject({ kind: 'withdrawal', student_id: 'S002', asked_by: 'account:office', confirmed: 0 })
    expect((await newest(10))?.kiosks.map(({ device_id }) => device_id)).toEqual(['kiosk-1', 'kiosk-2', 'kiosk-3', 'kiosk-4', 'pi-lab301'])

    await beat('kiosk-1', before, 11)
    await beat('kiosk-1', undefined, 12)
    // Of another life of the database.
    await beat('kiosk-1', '999999999', 12)
    expect((await newest(12))?.confirmed).toBe(0)
    await beat('kiosk-1', after, 13)
    await beat('kiosk-2', null, 13)
    await revokeDevice(db, 'kiosk-3', later(13))
    expect(await newest(14)).toMatchObject({
      confirmed: 3,
      kiosks: [{ how: 'told', confirmed_at: later(13).toISOString() }, { how: 'told' }, { how: 'revoked' }, { how: null }, { how: null }],
    })
    expect((await newest(10 + 7 * DAY - 1))?.confirmed).toBe(3)
    expect((await newest(10 + 7 * DAY))?.kiosks.map(({ how }) => how)).toEqual(['told', 'told', 'revoked', 'lapsed', 'lapsed'])
    // What was confirmed stays so.
    await beat('kiosk-1', before, 20)
    expect((await newest(21))?.confirmed).toBe(3)
  })

  test('whoever withdraws by SQL is followed, too, and a consent that another takes the place of is not', async () => {
    await saveConsent(db, 'S003', AGREED, NOW)
    const count = async () => (await forgettings(db, NOW)).length
    const before = await count()
    await saveConsent(db, 'S003', { ...AGREED, given_by: 'The father' }, later(1))
    expect(await count()).toBe(before)
    await db.sql`UPDATE consents SET withdrawn_at = now() WHERE student_id = 'S003' AND withdrawn_at IS NULL`
    expect(await newest(1)).toMatchObject({ student_id: 'S003', asked_by: 'unknown' })
    const [version] = await db.sql<{ same: boolean }[]>`SELECT (SELECT max(f.roster_version) FROM forgettings f) = s.roster_version AS same FROM school s`
    expect(version?.same).toBe(true)
  })
})

describe('erasure', () => {
  test('of the face: consent, templates, what was compared and the key go; the same request again answers with the same certificate', async () => {
    await saveConsent(db, 'S004', AGREED, NOW)
    await enrol('S004')
    const request_id = '0195c1f0-0000-7000-8000-000000000004'
    expect(await erase(db, 'S004', { scope: 'biometrics', marks: 'pseudonym', request_id }, later(1), 'account:privacy')).toEqual({ outcome: 'erased', certificate_id: request_id })
    expect(await erase(db, 'S004', { scope: 'biometrics', marks: 'pseudonym', request_id }, later(2), 'account:privacy')).toEqual({ outcome: 'known', certificate_id: request_id })
    expect(await erase(db, 'S005', { scope: 'biometrics', marks: 'pseudonym', request_id }, later(2), 'account:privacy')).toEqual({ outcome: 'conflict' })
    for (const table of ['templates', 'compared_faces', 'keyring.students']) expect(await rows(table, 'S004')).toBe(0)
    expect(await student(db, 'S004')).toMatchObject({ consent: null, templates: [] })
    const [made] = await certificates(db, later(2))
    expect(made).toMatchObject({ certificate_id: request_id, kind: 'biometrics', student_id: 'S004', made_by: 'account:privacy', counts: { templates: 1, compared_faces: 1, keys: 1 }, marks: null, forgetting: { kind: 'biometrics', confirmed: 0 } })
    expect(made?.forgetting?.kiosks.length).toBeGreaterThan(0)
    await expect(db.sql`DELETE FROM deletion_certificates`).rejects.toThrow(/kept as they were written/)
    await expect(db.sql`UPDATE deletion_certificates SET counts = '{}'`).rejects.toThrow(/kept as they were written/)
  })

  test('every column that holds a student\'s id is one that erasure knows', async () => {
    const known = new Set(HELD.flatMap(({ table, columns }) => columns.map((column) => `${table}.${column}`)))
    const held = (await everyTable()).flatMap(({ table, columns }) => columns.filter((column) => /^student_(id|a|b)$/.test(column)).map((column) => `${table}.${column}`))
    expect([...known].sort()).toEqual(held.sort())
  })

  /** The kiosk that made the mark keeps it beside the student's id. */
  const MARK_ID_OF: Record<string, string> = { S020: '0195c1f0-0000-7000-8000-000000000020', S021: '0195c1f0-0000-7000-8000-000000000021' }

  async function fillLife(id: string): Promise<void> {
    await db.sql`UPDATE students SET first_name = 'Annabel', last_name = 'Quist', email = 'annabel.quist@school.example' WHERE student_id = ${id}`
    await saveConsent(db, id, { ...AGREED, statement: 'Annabel Quist agrees to her face', given_by: 'Mother Quist' }, NOW)
    await enrol(id)
    await savePin(db, id, '4711', NOW)
    await saveCard(db, id, id.repeat(8), NOW)
    await insertMarks(db, [{ student_id: id, course_id: 'CS205', timestamp: NOW.toISOString(), confidence: 0.8, device_id: 'pi-lab301', mark_id: MARK_ID_OF[id] }], NOW)
    await insertMarks(db, [{ student_id: id, course_id: 'NONE', timestamp: NOW.toISOString(), confidence: 0.8, device_id: 'pi-lab301' }], NOW)
    const { lessons } = await lessonsOn(db, undefined, NOW)
    const past = lessons.find(({ room_id, ends_at }) => room_id === 'LAB-301' && Date.parse(ends_at) <= NOW.getTime())!
    await saveCorrection(db, { held_on: past.held_on, lesson_id: past.lesson_id }, { student_id: id, status: 'excused', note: 'Annabel was at the doctor', corrected_by: 'office' }, NOW)
    await db.sql`INSERT INTO accounts (username, role, password_hash, student_id) VALUES (${`user-${id}`}, 'student', '$argon2id$x', ${id})`
    await appendAudit(db, Buffer.alloc(32, 1), { at: NOW, actor: 'script', action: 'pin_set', subject: `student:${id}` })
    await refreshReports(db, NOW)
  }

  test('of a person: nothing that names them is left in any table but the audit log, and the registers keep their lessons under a name that leads to nobody', async () => {
    await fillLife('S020')
    expect(await rows('attendance_logs', MARK_ID_OF['S020'] ?? '')).toBe(1)
    const { lessons } = await lessonsOn(db, undefined, NOW)
    const on = lessons.find(({ room_id, starts_at, ends_at }) => room_id === 'LAB-301' && Date.parse(starts_at) <= NOW.getTime() && NOW.getTime() < Date.parse(ends_at))!
    const before = await register(db, on.held_on, on.lesson_id, NOW)
    const exported = JSON.parse(await textOf('S020')) as Record<string, unknown[]>
    expect(exported['student']).toMatchObject({ student_id: 'S020', email: 'annabel.quist@school.example' })
    expect(exported).toMatchObject({
      account: [{ username: 'user-S020' }], consents: [{ given_by: 'Mother Quist' }], templates: [{ model: CURRENT_MODEL }], marks: [{ course_id: on.course_id }],
      corrections: [{ note: 'Annabel was at the doctor' }], set_aside: [{ record: { student_id: 'S020' } }], pin: [{}], card: [{}], audit: [{ action: 'pin_set' }],
    })
    expect(exported['enrolments']?.length).toBeGreaterThan(0)
    expect(exported['registers']).toContainEqual(expect.objectContaining({ lesson_id: on.lesson_id, held_on: on.held_on }))
    // What opens something, and the numbers of a face, are in no export.
    expect(JSON.stringify(exported)).not.toMatch(/argon2|"salt"|"hash"|"sealed"|token_sha256/)

    expect(await erase(db, 'S020', { scope: 'person', marks: 'pseudonym' }, later(1), 'account:privacy')).toMatchObject({ outcome: 'erased' })
    expect(await erase(db, 'S020', { scope: 'person', marks: 'pseudonym' }, later(1), 'account:privacy')).toEqual({ outcome: 'unknown_student' })
    for (const { table } of await everyTable()) {
      if (table === 'audit_log') continue
      for (const trace of ['S020', 'Annabel', 'Quist', 'annabel', MARK_ID_OF['S020'] ?? '']) expect(await rows(table, trace), `${trace} in ${table}`).toBe(0)
    }
    expect((await students(db)).some(({ first_name }) => first_name === 'Erased')).toBe(false)
    const made = (await certificates(db, later(1))).find(({ kind }) => kind === 'person')
    expect(made).toMatchObject({ kind: 'person', student_id: null, marks: 'pseudonym', counts: { templates: 1, keys: 1, pins: 1, cards: 1, accounts: 1, marks: 1, corrections: 1, consents: 1, set_aside: 1, students: 1 }, forgetting: { kind: 'person' } })

    const after = await register(db, on.held_on, on.lesson_id, NOW)
    expect(after?.entries.length).toBe(before?.entries.length)
    expect(after?.entries.filter(({ student_id }) => student_id.startsWith('erased-'))).toMatchObject([{ first_name: 'Erased', mark: { timestamp: NOW.toISOString() } }])
    const summed = async () => db.sql`SELECT present, late, absent, excused FROM report_course_months WHERE course_id = ${on.course_id}`
    const sums = await summed()
    await refreshReports(db, later(2))
    expect(await summed()).toEqual(sums)
    expect(await rows('report_months', 'erased-')).toBeGreaterThan(0)
  })

  test('of a person with their marks, where the school chooses so: registers and reports are without them', async () => {
    await fillLife('S021')
    expect(await erase(db, 'S021', { scope: 'person', marks: 'delete' }, later(1), 'account:privacy')).toMatchObject({ outcome: 'erased' })
    await refreshReports(db, later(2))
    const [left] = await db.sql`SELECT student_id FROM students s WHERE erased_at = ${later(1).toISOString()}::timestamptz AND NOT EXISTS (SELECT FROM attendance_logs a WHERE a.student_id = s.student_id)`
    expect(left).toBeDefined()
    for (const table of ['attendance_logs', 'corrections', 'enrollments', 'report_months']) {
      expect(await rows(table, 'S021')).toBe(0)
      expect(await rows(table, String(left?.['student_id'])), table).toBe(0)
    }
  })

  test('without a certificate nothing of it can be done: marks, corrections and doubts stay as they were written', async () => {
    await markIn('S022')
    await expect(db.sql`UPDATE attendance_logs SET student_id = 'S001' WHERE student_id = 'S022'`).rejects.toThrow(/kept as they were written/)
    await db.sql`INSERT INTO corrections (held_on, lesson_id, student_id, status, corrected_by, corrected_at) VALUES ('2026-03-02', 'x', 'S022', 'absent', 'office', now())`
    await expect(db.sql`UPDATE corrections SET note = 'x'`).rejects.toThrow(/kept as they were written/)
    // Not even with one for everything else of a mark.
    await expect(db.sql.begin(async (sql) => {
      const id = '0195c1f0-0000-7000-8000-00000000000a'
      await sql`SELECT set_config('fastrackai.certificate', ${id}, true)`
      await sql`INSERT INTO deletion_certificates (certificate_id, kind, made_at, made_by, counts) VALUES (${id}, 'person', now(), 'x', '{}')`
      await sql`UPDATE attendance_logs SET confidence = 1 WHERE student_id = 'S022'`
    })).rejects.toThrow(/kept as they were written/)
  })
})

describe('an export', () => {
  test('of nobody is none, and one that is not read to its end gives its connection back', async () => {
    expect(await exportOf(db, 'S999', NOW)).toBeUndefined()
    for (let n = 0; n < 30; n++) {
      const pieces = await exportOf(db, 'S002', NOW)
      await pieces?.next()
      await pieces?.return(undefined)
    }
    expect(JSON.parse(await textOf('S002'))).toMatchObject({ student: { student_id: 'S002' } })
  })
})

async function textOf(id: string): Promise<string> {
  let text = ''
  for await (const piece of (await exportOf(db, id, NOW)) ?? []) text += piece
  return text
}
