import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIKENESS_LEVELS } from '#contract/look-alike'
import { CURRENT_MODEL } from '#contract/model'
import { appendAudit, checkAudit } from './audit.ts'
import type { Database } from './connect.ts'
import { saveConsent, withdrawConsent } from './consents.ts'
import { dailyRound } from './daily-round.ts'
import { certificates } from './erasure.ts'
import { forgettings } from './forgettings.ts'
import { saveEnrolment, saveTemplates } from './people.ts'
import { applyRules, beyondRules, retentionRules, saveRetentionRule } from './retention-rules.ts'
import { retentionSchedule } from './retention-schedule.ts'
import { KEYRING, openDemoSchool } from './test-school.ts'

const NOW = new Date('2026-03-02T09:20:00Z')
const daysOn = (days: number): Date => new Date(NOW.getTime() + days * 86_400_000)
const auditKey = Buffer.alloc(32, 7)

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
  await saveRetentionRule(db, { kind: 'audit', days: null }, NOW, 'account:privacy')
})
afterAll(() => close())

async function enrol(id: string, at: Date): Promise<void> {
  await saveConsent(db, id, { statement: `Words of ${id}`, given_by: 'a guardian' }, at)
  await saveTemplates(db, KEYRING, id, [{ model: CURRENT_MODEL, embedding: Array.from({ length: 192 }, (_, i) => (i === Number(id.slice(1)) ? 1 : 0)) }], at, { levels: LIKENESS_LEVELS })
}
const withTemplates = async (): Promise<string[]> => (await db.sql<{ student_id: string }[]>`SELECT DISTINCT student_id FROM templates ORDER BY 1`).map(({ student_id }) => student_id)
const apply = (days: number) => applyRules(db, { now: daysOn(days), by: 'server', auditKey })

test('templates go so long after the face was last enrolled, and sooner where the student takes no course any more; kiosks must forget them, and a certificate says how many', async () => {
  await enrol('S001', NOW)
  await enrol('S002', daysOn(100))
  await enrol('S003', NOW)
  // S003 leaves every course on day 10.
  for (const { course_id } of await db.sql<{ course_id: string }[]>`SELECT course_id FROM courses`) {
    const taking = await db.sql<{ student_id: string }[]>`SELECT student_id FROM enrollments WHERE course_id = ${course_id} AND enrolled_to IS NULL AND student_id <> 'S003'`
    await saveEnrolment(db, course_id, taking.map(({ student_id }) => student_id), daysOn(10))
  }
  expect(await apply(39)).toEqual([])
  expect(await beyondRules(db, daysOn(41))).toEqual([{ kind: 'templates_of_leavers', days: 30, rows: 1 }])
  expect(await withTemplates()).toEqual(['S001', 'S002', 'S003'])
  expect(await apply(41)).toEqual([{ kind: 'templates_of_leavers', days: 30, rows: 1 }])
  expect(await withTemplates()).toEqual(['S001', 'S002'])
  expect(await certificates(db, daysOn(41))).toMatchObject([{ kind: 'retention', student_id: null, made_by: 'server', counts: { templates: 1 }, forgetting: { kind: 'retention', confirmed: 0 } }])
  expect(await apply(397)).toEqual([{ kind: 'templates', days: 396, rows: 1 }])
  expect(await withTemplates()).toEqual(['S002'])
  expect((await forgettings(db, daysOn(397))).map(({ kind }) => kind)).toEqual(['retention', 'retention'])
})

test('consents that ended go with their own words when nobody else\'s consent has them; those in force stay', async () => {
  await withdrawConsent(db, 'S001', daysOn(400))
  expect(await apply(400 + 1_095)).not.toContainEqual(expect.objectContaining({ kind: 'consents' }))
  expect(await apply(400 + 1_097)).toContainEqual({ kind: 'consents', days: 1_096, rows: 1 })
  expect(await db.sql`SELECT FROM consents WHERE student_id = 'S001'`).toHaveLength(0)
  expect(await db.sql`SELECT words FROM consent_texts WHERE text_id = 'own-words' ORDER BY words`).toEqual([{ words: 'Words of S002' }, { words: 'Words of S003' }])
  expect((await db.sql`SELECT FROM consents WHERE withdrawn_at IS NULL`).length).toBe(2)
})

test('what the privacy officer sets counts from then on, also "for good", and is what everybody may read', async () => {
  await db.sql`INSERT INTO set_aside (record_sha256, record, code, reason, first_at, last_at, closed_at, closed_by, closed_as) SELECT sha256('x'), '{}', 'x', 'x', t, t, t, 'office', 'dismissed' FROM (SELECT ${NOW.toISOString()}::timestamptz AS t) a`
  await saveRetentionRule(db, { kind: 'set_aside', days: null }, NOW, 'account:privacy')
  expect(await apply(3_000)).not.toContainEqual(expect.objectContaining({ kind: 'set_aside' }))
  await saveRetentionRule(db, { kind: 'set_aside', days: 10 }, NOW, 'account:privacy')
  expect((await retentionRules(db)).get('set_aside')).toBe(10)
  expect((await retentionSchedule(db, 24)).kinds).toEqual(expect.arrayContaining([expect.objectContaining({ kind: 'set_aside', days: 10, settable: true }), expect.objectContaining({ kind: 'marks', months: 24, settable: false })]))
  expect(await apply(11)).toContainEqual({ kind: 'set_aside', days: 10, rows: 1 })
})

test('every erasing is in the audit log, whose own old rows go from its front and leave it whole', async () => {
  const [line] = await db.sql<{ lines: number; certificates: number }[]>`
    SELECT (SELECT count(*)::integer FROM audit_log WHERE action = 'retention_applied') AS lines, (SELECT count(*)::integer FROM deletion_certificates) AS certificates`
  expect(line?.lines).toBe(line?.certificates)
  expect(line?.lines).toBeGreaterThanOrEqual(4)
  await saveRetentionRule(db, { kind: 'audit', days: 365 }, NOW, 'account:privacy')
  await appendAudit(db, auditKey, { at: daysOn(10_000), actor: 'server', action: 'retention_applied', subject: 'school', details: { kind: 'sessions', rows: 1 } })
  expect(await apply(10_000)).toContainEqual(expect.objectContaining({ kind: 'audit' }))
  expect((await checkAudit(db, [auditKey])).faults).toEqual([])
})

test('the daily round applies them once a day, for one server of several, from the day after it first looked', async () => {
  await enrol('S004', NOW)
  const events: { event: string; [detail: string]: unknown }[] = []
  const round = (days: number): Promise<void> => dailyRound(db, { now: daysOn(days), retentionMonths: undefined, auditKey, log: (event) => void events.push(event) })
  const told = (): unknown[] => events.filter(({ event }) => event.startsWith('retention')).map(({ event, kind }) => [event, kind])
  await saveRetentionRule(db, { kind: 'templates', days: 1 }, NOW, 'account:privacy')
  await round(30)
  expect(told()).toEqual([])
  await Promise.all([round(31), round(31)])
  expect(told()).toEqual([['retention_applied', 'templates']])
  expect(await withTemplates()).not.toContain('S004')
})

test('of a student\'s templates the newest counts, and a student who takes no course yet has as long as one who left', async () => {
  await saveRetentionRule(db, { kind: 'templates', days: 396 }, NOW, 'account:privacy')
  await enrol('S005', daysOn(20_000))
  await saveTemplates(db, KEYRING, 'S005', [{ model: 'faceres-1024-r1', embedding: Array.from({ length: 1_024 }, (_, i) => (i === 5 ? 1 : 0)) }], daysOn(20_300), { levels: LIKENESS_LEVELS })
  await db.sql`INSERT INTO students (student_id, first_name, last_name) VALUES ('S100', 'New', 'Student')`
  await enrol('S100', daysOn(20_400))
  const left = async (days: number): Promise<{ student_id: string; n: number }[]> => {
    await apply(days)
    return db.sql<{ student_id: string; n: number }[]>`SELECT student_id, count(*)::integer AS n FROM templates GROUP BY 1 ORDER BY 1`
  }
  expect(await left(20_429)).toEqual([{ student_id: 'S005', n: 2 }, { student_id: 'S100', n: 1 }])
  expect(await left(20_431)).toEqual([{ student_id: 'S005', n: 2 }])
  expect(await left(20_695)).toEqual([{ student_id: 'S005', n: 2 }])
  expect(await left(20_697)).toEqual([])
})

test('what still has its use stays, however old it is: a session that opens, a record that nobody has decided about, an alarm that nobody has closed', async () => {
  const [at, over, long] = [daysOn(21_000), daysOn(20_998), daysOn(20_000)].map((date) => date.toISOString()) as [string, string, string]
  const alive = new Date(daysOn(21_000).getTime() + 3_600_000).toISOString()
  await db.sql`INSERT INTO sessions (token_sha256, account_id, expires_at) SELECT sha256(e::text::bytea), (SELECT min(account_id) FROM accounts), e FROM (VALUES (${over}::timestamptz), (${alive}::timestamptz)) s (e)`
  await db.sql`
    INSERT INTO set_aside (record_sha256, record, code, reason, first_at, last_at, closed_at, closed_by, closed_as)
    VALUES (sha256('open'), '{}', 'open', 'x', ${long}, ${long}, NULL, NULL, NULL), (sha256('closed'), '{}', 'closed', 'x', ${long}, ${long}, ${long}, 'office', 'dismissed')`
  await db.sql`
    INSERT INTO device_alarms (device_id, kind, store_id, raised_at, closed_at, closed_by)
    VALUES ('pi-lab301', 'storage_replaced', gen_random_uuid(), ${long}, NULL, NULL), ('pi-lab301', 'marks_missing', gen_random_uuid(), ${long}, ${long}, 'office')`
  const erased = await apply(21_000)
  for (const kind of ['sessions', 'set_aside', 'alarms']) expect(erased.filter((of) => of.kind === kind), kind).toMatchObject([{ rows: 1 }])
  expect(await db.sql`SELECT expires_at > ${at}::timestamptz AS alive FROM sessions`).toEqual([{ alive: true }])
  expect(await db.sql`SELECT code FROM set_aside`).toEqual([{ code: 'open' }])
  expect(await db.sql`SELECT kind FROM device_alarms`).toEqual([{ kind: 'storage_replaced' }])
})
