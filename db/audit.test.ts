/** The audit log on real PostgreSQL: in order whoever writes at once, one with the write that it tells of, and whole or found out. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { AUDIT_KEPT_DAYS_LEAST, appendAudit, auditEntries, auditHead, auditRowsOf, checkAudit, ensureAuditKey, headHolds, pruneAudit } from './audit.ts'
import { keyIdOf } from './audit-chain.ts'
import { connect } from './connect.ts'
import type { Database } from './connect.ts'
import { savePin } from './pins.ts'
import { saveStudent } from './people.ts'
import { openDemoSchool } from './test-school.ts'
import { together } from './together.ts'

const NOW = new Date('2026-11-23T09:00:00.000Z')
const KEY = randomBytes(32)
const DAY_MS = 86_400_000

let school: Awaited<ReturnType<typeof openDemoSchool>>
let db: Database
const closing: (() => Promise<void>)[] = []

beforeEach(async () => {
  school = await openDemoSchool(NOW)
  closing.push(school.close)
  db = school.db
})
afterAll(async () => {
  for (const close of closing) await close()
})

const entry = (n: number, at = NOW) => ({ at, actor: 'script', action: 'pin_set', subject: `student:S${String(n).padStart(3, '0')}`, details: { n } })
const append = (n: number, at?: Date): Promise<void> => appendAudit(db, KEY, entry(n, at))
const faults = async (heads: { seq: number; hash: string }[] = [], keys = [KEY]) => (await checkAudit(db, keys, heads)).faults

async function withoutTriggers(work: () => Promise<unknown>): Promise<void> {
  await db.sql`ALTER TABLE audit_log DISABLE TRIGGER USER`
  await work()
  await db.sql`ALTER TABLE audit_log ENABLE TRIGGER USER`
}

describe('the audit log', () => {
  test('numbers what many servers write at once without a gap, and is whole', async () => {
    const other = await connect(school.url)
    await Promise.all(Array.from({ length: 200 }, (_, n) => (n % 2 === 0 ? append(n) : appendAudit(other, KEY, entry(n), entry(n + 1000)))))
    await other.close()
    expect(await checkAudit(db, [KEY])).toMatchObject({ rows: 300, first: 1, faults: [] })
    expect((await auditHead(db))?.seq).toBe(300)
  })

  test('is written with the write that it tells of, or neither is', async () => {
    await together(db, async (inside) => {
      await savePin(inside, 'S001', '4711', NOW)
      await appendAudit(inside, KEY, entry(1))
    })
    expect(await db.sql`SELECT FROM student_pins`).toHaveLength(1)
    await expect(together(db, async (inside) => {
      // Through the query builder, too, and through a function that begins a transaction of its own.
      await saveStudent(inside, 'S999', { first_name: 'A', last_name: 'B', email: null })
      await savePin(inside, 'S002', '4711', NOW)
      await appendAudit(inside, KEY, entry(2))
      throw new Error('undo it')
    })).rejects.toThrow('undo it')
    expect(await db.sql`SELECT FROM student_pins`).toHaveLength(1)
    expect(await db.sql`SELECT FROM students WHERE student_id = 'S999'`).toHaveLength(0)
    await append(3)
    expect(await checkAudit(db, [KEY])).toMatchObject({ rows: 2, faults: [] })
  })

  test('refuses to be changed, emptied or shortened by whoever keeps the triggers', async () => {
    await append(1)
    await append(2)
    for (const statement of ["UPDATE audit_log SET subject = 'student:S003'", 'DELETE FROM audit_log WHERE seq = 2', 'DELETE FROM audit_log', 'TRUNCATE audit_log']) {
      await expect(db.sql.unsafe(statement), statement).rejects.toMatchObject({ code: '42501', message: expect.stringMatching(/append-only/) as string })
    }
    expect(await faults()).toEqual([])
  })

  test('shows every column that was changed, every row that is gone and every row that was added by who takes the triggers away', async () => {
    for (let n = 1; n <= 12; n++) await append(n)
    const head = await auditHead(db)
    if (!head) throw new Error('the log is empty')
    await db.sql`CREATE TABLE whole AS TABLE audit_log`
    const tamperings: [string, string][] = [
      ["UPDATE audit_log SET at = at + interval '1 microsecond' WHERE seq = 5", 'altered'],
      ["UPDATE audit_log SET at = 'infinity' WHERE seq = 5", 'altered'],
      ["UPDATE audit_log SET actor = 'account:office' WHERE seq = 5", 'altered'],
      ["UPDATE audit_log SET action = 'signed_in' WHERE seq = 5", 'altered'],
      ["UPDATE audit_log SET subject = 'student:S006' WHERE seq = 5", 'altered'],
      ["UPDATE audit_log SET details = '{\"n\": 5}' WHERE seq = 5", 'altered'],
      ["UPDATE audit_log SET key_id = '0123456789abcdef' WHERE seq = 5", 'broken_link'],
      ["UPDATE audit_log SET prev = sha256('x') WHERE seq = 5", 'altered'],
      ["UPDATE audit_log SET mac = sha256('x') WHERE seq = 5", 'altered'],
      ['UPDATE audit_log SET seq = 50 WHERE seq = 5', 'missing'],
      ['DELETE FROM audit_log WHERE seq = 5', 'missing'],
      ['DELETE FROM audit_log WHERE seq < 5', 'unannounced_start'],
      ['DELETE FROM audit_log WHERE seq > 5', 'cut_off'],
      ['DELETE FROM audit_log', 'cut_off'],
      ["INSERT INTO audit_log SELECT 13, at, actor, action, subject, details, key_id, prev, mac FROM audit_log WHERE seq = 12", 'altered'],
      ['ALTER TABLE audit_log DROP CONSTRAINT audit_log_pkey; INSERT INTO audit_log SELECT * FROM audit_log WHERE seq = 5', 'out_of_order'],
    ]
    for (const [statement, kind] of tamperings) {
      await withoutTriggers(() => db.sql.unsafe(statement))
      expect((await faults([head])).map((fault) => fault.kind), statement).toContain(kind)
      await withoutTriggers(() => db.sql.unsafe('TRUNCATE audit_log; INSERT INTO audit_log TABLE whole'))
    }
    expect(await faults([head])).toEqual([])
    expect(await headHolds(db, head)).toBe(true)
    await withoutTriggers(() => db.sql.unsafe('DELETE FROM audit_log WHERE seq > 5'))
    expect(await headHolds(db, head)).toBe(false)
    // What the server itself writes afterwards hides it from nobody.
    for (let n = 1; n <= 12; n++) await append(n)
    expect((await faults([head])).map((fault) => fault.kind)).toEqual(['not_the_head'])
  })

  test('is pruned from the front alone, after a row that says so, and is verified from there on', async () => {
    for (let n = 1; n <= 10; n++) await append(n, new Date(NOW.getTime() - (1_000 - n * 90) * DAY_MS))
    await expect(pruneAudit(db, KEY, { keptDays: AUDIT_KEPT_DAYS_LEAST - 1, now: NOW, by: 'server' })).rejects.toThrow(/365/)
    expect(await pruneAudit(db, KEY, { keptDays: 400, now: NOW, by: 'server' })).toBe(6)
    expect(await checkAudit(db, [KEY])).toMatchObject({ first: 7, rows: 5, faults: [] })
    expect(await pruneAudit(db, KEY, { keptDays: 400, now: NOW, by: 'server' })).toBe(0)
    expect(await pruneAudit(db, KEY, { keptDays: 400, now: new Date(NOW.getTime() + 100 * DAY_MS), by: 'server' })).toBe(1)
    expect(await checkAudit(db, [KEY])).toMatchObject({ first: 8, faults: [] })
    await expect(db.sql`DELETE FROM audit_log WHERE seq = 8`).rejects.toThrow(/append-only/)
    // A row that lies about it takes the trigger away, and is found itself.
    await db.sql`INSERT INTO audit_log SELECT 100, at, actor, 'audit_pruned', subject, '{"through":9,"hash":"00"}', key_id, prev, mac FROM audit_log WHERE seq = 8`
    await db.sql`DELETE FROM audit_log WHERE seq <= 9`
    expect((await faults()).map(({ kind }) => kind)).toEqual(expect.arrayContaining(['altered', 'unannounced_start']))
  })

  test('under a new key is checked once with both, says so, and stays verifiable when the old key is gone', async () => {
    for (let n = 1; n <= 5; n++) await append(n)
    const next = randomBytes(32)
    expect(await ensureAuditKey(db, { now: KEY }, NOW)).toEqual({ outcome: 'kept', faults: 0 })
    expect(await ensureAuditKey(db, { now: next, before: KEY }, NOW)).toEqual({ outcome: 'changed', faults: 0 })
    expect(await ensureAuditKey(db, { now: next, before: KEY }, NOW)).toEqual({ outcome: 'kept', faults: 0 })
    expect((await auditEntries(db, { limit: 1 })).entries[0]).toMatchObject({ seq: 6, action: 'audit_key_changed', details: { from: keyIdOf(KEY), to: keyIdOf(next), checked: true, faults: 0 } })
    expect(await checkAudit(db, [next])).toMatchObject({ rows: 6, byDigestAlone: 5, faults: [] })
    await withoutTriggers(() => db.sql`UPDATE audit_log SET subject = 'student:S006' WHERE seq = 2`)
    expect(await faults([], [next])).toMatchObject([{ kind: 'broken_link', seq: 3 }])
    // What was wrong before the change is told in the row of the change, for good.
    expect(await ensureAuditKey(db, { now: randomBytes(32), before: next }, NOW)).toEqual({ outcome: 'changed', faults: 1 })
    expect(await ensureAuditKey(db, { now: randomBytes(32) }, NOW)).toMatchObject({ outcome: 'unknown' })
  })

  test('is listed by page, actor, action, subject and time, and one subject\'s whole', async () => {
    for (let n = 1; n <= 7; n++) await append(n, new Date(NOW.getTime() + n * 60_000))
    await appendAudit(db, KEY, { at: NOW, actor: 'device:pi-1', action: 'templates_read', subject: 'student:S003' })
    const seqs = async (query: Omit<Parameters<typeof auditEntries>[1], 'limit'>, limit = 100) => {
      const { entries, more } = await auditEntries(db, { limit, ...query })
      return [entries.map(({ seq }) => seq), more]
    }
    expect(await seqs({}, 3)).toEqual([[8, 7, 6], true])
    expect(await seqs({ before: 3 })).toEqual([[2, 1], false])
    expect(await seqs({ actor: 'device:pi-1' })).toEqual([[8], false])
    expect(await seqs({ action: 'templates_read' })).toEqual([[8], false])
    expect(await seqs({ subject: 'student:S003' })).toEqual([[8, 3], false])
    expect(await seqs({ from: '2026-11-23T09:02:00Z', to: '2026-11-23T09:04:00Z' })).toEqual([[3, 2], false])
    expect((await auditRowsOf(db, 'student:S003')).map(({ seq, details }) => [seq, details])).toEqual([[3, { n: 3 }], [8, {}]])
  })
})
