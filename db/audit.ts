/**
 * The audit log in PostgreSQL: appended to, listed, read in order to be checked, and pruned from the front. How a row is bound
 * to the one before it is audit-chain.ts's; who may do what, and what is put on record, is others'. Holds no key: it is handed one.
 */
import type { AuditDetails, AuditEntry, AuditQuery } from '#contract/audit'
import type postgres from 'postgres'
import { canonicalDetails, chained, digestOf, keyIdOf, openChecker } from './audit-chain.ts'
import type { AuditHead, AuditRow, ChainReport } from './audit-chain.ts'
import type { Database } from './connect.ts'
import { iso } from './registers.ts'

export interface NewAuditEntry {
  at: Date
  actor: string
  action: string
  subject: string
  details?: AuditDetails | undefined
}

/**
 * Puts entries at the end of the log, in this order. Committed when it resolves; handed the Database of a `together`, it is
 * written with that transaction and must be the last that is done in it.
 */
export async function appendAudit(db: Database, auditKey: Buffer, ...entries: NewAuditEntry[]): Promise<void> {
  if (entries.length === 0) return
  await db.sql.begin(async (sql) => append(sql, auditKey, entries))
}

/** The lock is held to the end of the transaction, so the row read here is the one that ours follow. */
async function append(sql: postgres.TransactionSql, auditKey: Buffer, entries: readonly NewAuditEntry[]): Promise<AuditRow> {
  await sql`SELECT pg_advisory_xact_lock(hashtext('fastrackai.audit'))`
  let last = await lastRow(sql)
  const rows: AuditRow[] = []
  for (const { at, actor, action, subject, details = {} } of entries) {
    last = chained(last, { at: withMicroseconds(at), actor, action, subject, details: canonicalDetails(details) }, auditKey)
    rows.push(last)
  }
  await sql`
    INSERT INTO audit_log (seq, at, actor, action, subject, details, key_id, prev, mac)
    SELECT r.seq, r.at, r.actor, r.action, r.subject, r.details, r.key_id, decode(r.prev, 'hex'), decode(r.mac, 'hex')
    FROM jsonb_to_recordset(${JSON.stringify(rows.map((row) => ({ ...row, prev: row.prev.toString('hex'), mac: row.mac.toString('hex') })))}::text::jsonb)
      AS r (seq bigint, at timestamptz, actor text, action text, subject text, details text, key_id text, prev text, mac text)`
  if (!last) throw new Error('nothing was appended')
  return last
}

/** As PostgreSQL keeps it. */
function withMicroseconds(at: Date): string {
  return at.toISOString().replace('Z', '000Z')
}

type RowAsRead = Omit<AuditRow, 'seq'> & { seq: string }

function columns(sql: postgres.Sql | postgres.TransactionSql): postgres.PendingQuery<postgres.Row[]> {
  return sql`seq::text AS seq, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, actor, action, subject, details, key_id, prev, mac`
}

const numbered = (row: RowAsRead): AuditRow => ({ ...row, seq: Number(row.seq) })

async function lastRow(sql: postgres.Sql | postgres.TransactionSql): Promise<AuditRow | undefined> {
  const [row] = await sql<RowAsRead[]>`SELECT ${columns(sql)} FROM audit_log ORDER BY audit_log.seq DESC LIMIT 1`
  return row && numbered(row)
}

/** Where the log ends now, and since when; undefined: it is empty. */
export async function auditHead({ sql }: Database): Promise<(AuditHead & { at: string; key_id: string }) | undefined> {
  const row = await lastRow(sql)
  return row && { seq: row.seq, hash: digestOf(row).toString('hex'), at: row.at, key_id: row.key_id }
}

/** Whether that row is in the log as it was. Undefined: it was taken away from the front since, and nothing can be said. */
export async function headHolds({ sql }: Database, head: AuditHead): Promise<boolean | undefined> {
  const [first] = await sql<{ seq: string }[]>`SELECT seq::text AS seq FROM audit_log ORDER BY audit_log.seq LIMIT 1`
  if (first && head.seq < Number(first.seq)) return undefined
  const [row] = await sql<RowAsRead[]>`SELECT ${columns(sql)} FROM audit_log WHERE audit_log.seq = ${head.seq}`
  return row !== undefined && digestOf(numbered(row)).toString('hex') === head.hash
}

/** A page of the log, the newest first. */
export async function auditEntries({ sql }: Database, { limit, before, actor, action, subject, from, to }: AuditQuery): Promise<{ entries: AuditEntry[]; more: boolean }> {
  const rows = await sql<(Omit<AuditEntry, 'seq' | 'details'> & { seq: string; details: string })[]>`
    SELECT seq::text AS seq, ${iso(sql, sql`at`)} AS at, actor, action, subject, details FROM audit_log
    WHERE (${before ?? null}::bigint IS NULL OR audit_log.seq < ${before ?? null}::bigint)
      AND (${actor ?? null}::text IS NULL OR actor = ${actor ?? null}::text)
      AND (${action ?? null}::text IS NULL OR action = ${action ?? null}::text)
      AND (${subject ?? null}::text IS NULL OR subject = ${subject ?? null}::text)
      AND (${from ?? null}::timestamptz IS NULL OR at >= ${from ?? null}::timestamptz)
      AND (${to ?? null}::timestamptz IS NULL OR at < ${to ?? null}::timestamptz)
    ORDER BY audit_log.seq DESC
    LIMIT ${limit + 1}`
  const entries = rows.slice(0, limit).map((row) => ({ ...row, seq: Number(row.seq), details: JSON.parse(row.details) as Record<string, unknown> }))
  return { entries, more: rows.length > limit }
}

/** All that was done to one subject, the oldest first: what a person may be handed of themself. */
export async function auditRowsOf({ sql }: Database, subject: string): Promise<AuditEntry[]> {
  const rows = await sql<(Omit<AuditEntry, 'seq' | 'details'> & { seq: string; details: string })[]>`
    SELECT seq::text AS seq, ${iso(sql, sql`at`)} AS at, actor, action, subject, details FROM audit_log WHERE subject = ${subject} ORDER BY audit_log.seq`
  return rows.map((row) => ({ ...row, seq: Number(row.seq), details: JSON.parse(row.details) as Record<string, unknown> }))
}

const ROWS_AT_A_TIME = 5_000

/** The whole log, checked in one snapshot; what is appended meanwhile is not looked at. */
export async function checkAudit(db: Database, keys: readonly Buffer[], heads: readonly AuditHead[] = []): Promise<ChainReport> {
  return db.sql.begin('ISOLATION LEVEL REPEATABLE READ READ ONLY', async (sql) => {
    await sql`SELECT set_config('statement_timeout', '0', true)`
    return checked(sql, keys, heads)
  }) as Promise<ChainReport>
}

async function checked(sql: postgres.TransactionSql, keys: readonly Buffer[], heads: readonly AuditHead[]): Promise<ChainReport> {
  const checker = openChecker(keys, heads)
  // Two rows with one seq cannot be while there is the primary key; without it both are to be seen.
  for await (const rows of sql<RowAsRead[]>`SELECT ${columns(sql)} FROM audit_log ORDER BY audit_log.seq`.cursor(ROWS_AT_A_TIME)) {
    for (const row of rows) checker.take(numbered(row))
  }
  return checker.end()
}

/**
 * Under a new key the log is checked once with both and its first row says so: [Note: A new key]. Any number of servers may ask at once.
 * `kept`: the log is under this key, or empty. `unknown`: the key before is neither of these, so nothing was checked; the row says that, too.
 */
export async function ensureAuditKey(db: Database, keys: { now: Buffer; before?: Buffer | undefined }, at: Date): Promise<{ outcome: 'kept' | 'changed' | 'unknown'; faults: number }> {
  return db.sql.begin(async (sql) => {
    await sql`SELECT pg_advisory_xact_lock(hashtext('fastrackai.audit'))`
    const key_id = keyIdOf(keys.now)
    const last = await lastRow(sql)
    if (!last || last.key_id === key_id) return { outcome: 'kept', faults: 0 } as const
    await sql`SELECT set_config('statement_timeout', '0', true)`
    const { faults } = await checked(sql, keys.before ? [keys.now, keys.before] : [keys.now], [])
    const isKnown = keys.before !== undefined && keyIdOf(keys.before) === last.key_id
    await append(sql, keys.now, [{ at, actor: 'server', action: 'audit_key_changed', subject: 'audit', details: { from: last.key_id, to: key_id, checked: isKnown, faults: faults.length } }])
    return { outcome: isKnown ? ('changed' as const) : ('unknown' as const), faults: faults.length }
  }) as Promise<{ outcome: 'kept' | 'changed' | 'unknown'; faults: number }>
}

/** Not less than this of the log is ever taken away: what was done to a pupil's data can be asked about for a year. */
export const AUDIT_KEPT_DAYS_LEAST = 365
const DAY_MS = 86_400_000

/**
 * Takes away what is older than so many days, from the front; an `audit_pruned` row, in the same transaction, names the last one that
 * went and its digest, so that what is left is still verified from its first row on. @returns how many rows went.
 */
export async function pruneAudit(db: Database, auditKey: Buffer, { keptDays, now, by }: { keptDays: number; now: Date; by: string }): Promise<number> {
  if (!(keptDays >= AUDIT_KEPT_DAYS_LEAST)) throw new RangeError(`the audit log is kept for ${AUDIT_KEPT_DAYS_LEAST} days or more`)
  return db.sql.begin(async (sql) => {
    await sql`SELECT set_config('statement_timeout', '0', true)`
    await sql`SELECT pg_advisory_xact_lock(hashtext('fastrackai.audit'))`
    const bound = new Date(now.getTime() - keptDays * DAY_MS).toISOString()
    // The first row that is young enough stays with all after it, whatever their times say.
    const [last] = await sql<RowAsRead[]>`
      SELECT ${columns(sql)} FROM audit_log
      WHERE audit_log.seq < coalesce((SELECT min(a.seq) FROM audit_log a WHERE a.at >= ${bound}::timestamptz), (SELECT max(a.seq) FROM audit_log a))
      ORDER BY audit_log.seq DESC LIMIT 1`
    if (!last) return 0
    const through = numbered(last)
    await append(sql, auditKey, [{ at: now, actor: by, action: 'audit_pruned', subject: 'audit', details: { through: through.seq, hash: digestOf(through).toString('hex'), kept_days: keptDays } }])
    const gone = await sql`DELETE FROM audit_log WHERE seq <= ${through.seq}`
    return gone.count
  }) as Promise<number>
}
