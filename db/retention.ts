/**
 * Retention: whole months of the record whose time is over go, with all that belongs to them (corrections, doubts,
 * watches, what was set aside, the reports' sums), and what went is noted in table retention_runs. The policy is a number of whole
 * months before the running one. Nothing here drops a part of a month, or one that the policy keeps.
 *
 * [Note: No month that can still be written goes] Marks are taken from 366 days back and ensure_months makes 13 months
 * back; a policy keeps at least 13. So a month that was dropped is never made again, and no mark is taken for it.
 */
import { appendAudit } from './audit.ts'
import type { Database } from './connect.ts'
import { writeRetentionCertificate } from './retention-rules.ts'
import { insideOf } from './together.ts'

/** A shorter policy is refused, here and in the database. */
export const KEPT_MONTHS_LEAST = 13

/** One month beyond the policy, as it stands. */
export interface MonthBeyond {
  /** `2025-01` */
  month: string
  /** Undefined: the month's partition is gone, and this has come in since. */
  partition: string | undefined
  bytes: number
  rows: Record<What, number>
}

export const WHAT = ['marks', 'corrections', 'doubts', 'watches', 'mark_ids', 'set_aside'] as const
export type What = (typeof WHAT)[number]

export interface Policy {
  now: Date
  /** Whole months before the running one, KEPT_MONTHS_LEAST or more. */
  keptMonths: number
}

/** The dry run, oldest first: what dropMonths would drop. `before`: the first date that is kept. */
export async function monthsBeyond(db: Database, { now, keptMonths }: Policy): Promise<{ before: string; months: MonthBeyond[] }> {
  return db.sql.begin('ISOLATION LEVEL REPEATABLE READ READ ONLY', async (sql) => {
    await sql`SELECT set_config('statement_timeout', '0', true)`
    const [bound] = await sql<{ before: string }[]>`SELECT retention_bound(${now.toISOString()}::timestamptz, ${keptMonths})::text AS before`
    if (!bound) throw new Error('the database names no bound')
    const partitions = await sql<{ month: string; partition: string; bytes: number }[]>`
      SELECT to_char(from_date, 'YYYY-MM') AS month, partition::text AS partition, pg_total_relation_size(partition)::double precision AS bytes
      FROM months_made() WHERE to_date <= ${bound.before}::date`
    const counts = await sql<{ month: string; what: What; rows: number }[]>`
      SELECT to_char(month, 'YYYY-MM') AS month, what, rows::double precision AS rows FROM beyond_retention(${bound.before}::date)`
    const months = new Map<string, MonthBeyond>()
    const entry = (month: string): MonthBeyond => {
      let found = months.get(month)
      if (!found) months.set(month, (found = { month, partition: undefined, bytes: 0, rows: { marks: 0, corrections: 0, doubts: 0, watches: 0, mark_ids: 0, set_aside: 0 } }))
      return found
    }
    for (const { month, partition, bytes } of partitions) Object.assign(entry(month), { partition, bytes })
    for (const { month, what, rows } of counts) entry(month).rows[what] = rows
    return { before: bound.before, months: [...months.values()].toSorted((a, b) => (a.month < b.month ? -1 : 1)) }
  }) as Promise<{ before: string; months: MonthBeyond[] }>
}

/** A row of retention_runs. */
export interface Dropped {
  /** Undefined: what had come in late for months that were gone already. */
  partition: string | undefined
  before: string
  bytes: number
  rows: Record<What, number>
}

/**
 * Drops them, oldest first, each in a transaction of its own: what was dropped when it throws stays dropped, and the rest stays whole.
 * `by`: who, for the record. Two at once share the work. With an `auditKey` the audit log has a line for each, in its transaction.
 */
export async function dropMonths(db: Database, policy: Policy & { by: string; auditKey?: Buffer | undefined }): Promise<Dropped[]> {
  const all: Dropped[] = []
  for (;;) {
    const dropped = await dropOldest(db, policy)
    if (!dropped) return all
    all.push(dropped)
    if (dropped.partition === undefined) return all
  }
}

async function dropOldest(db: Database, { now, keptMonths, by, auditKey }: Policy & { by: string; auditKey?: Buffer | undefined }): Promise<Dropped | undefined> {
  return db.sql.begin(async (sql) => {
    // A month's rows are many: this may take longer than a question may.
    await sql`SELECT set_config('statement_timeout', '0', true)`
    const [row] = await sql<({ partition: string | null; before: string; bytes: number } & Record<What, number>)[]>`
      SELECT partition, before::text AS before, bytes::double precision, marks::double precision, corrections::double precision, doubts::double precision,
        watches::double precision, mark_ids::double precision, set_aside::double precision
      FROM drop_oldest_month(${now.toISOString()}::timestamptz, ${keptMonths}, ${by})`
    if (!row) return undefined
    const { partition, before, bytes, ...rows } = row
    // Nobody reads or writes any month now: whoever holds the audit log for longer is stepped back from, and the month dropped next time.
    await sql`SELECT set_config('lock_timeout', ${AUDIT_PATIENCE}, true)`
    await writeRetentionCertificate(sql, { now, by, counts: Object.fromEntries(Object.entries(rows).filter(([, count]) => count > 0)) })
    if (auditKey) {
      const actor = by === 'command' ? 'command:retention' : by
      await appendAudit(insideOf(db, sql), auditKey, { at: now, actor, action: 'retention_applied', subject: 'school', details: { kind: 'months', before, rows: rows.marks } })
    }
    return { partition: partition ?? undefined, before, bytes, rows }
  }) as Promise<Dropped | undefined>
}

/** Of PostgreSQL's lock_timeout. */
const AUDIT_PATIENCE = '5s'

/** A policy is applied so often. */
const ROUND_MS = 20 * 3_600_000
/** Nobody looked for so long: the server was off, or its clock has jumped. What is dropped is gone, so it waits for the next day. */
const STRANGE_MS = 45 * 24 * 3_600_000

/**
 * Whether the policy is due: `now` once a day, for one server of several; `waits` when the clock has moved in a way that
 * nobody should act on at once (also the first time of all): it is due a day later, if the clock still says so.
 */
export async function retentionDue(db: Database, now: Date, of: 'months' | 'rules' = 'months'): Promise<'now' | 'done' | 'waits'> {
  const rounds = of === 'months' ? 'retention_rounds' : 'rule_rounds'
  const at = now.toISOString()
  return db.sql.begin(async (sql) => {
    const [first] = await sql`INSERT INTO ${sql(rounds)} (last_at) VALUES (${at}::timestamptz) ON CONFLICT DO NOTHING RETURNING last_at`
    // Months go only where somebody has set a policy, and is told that it begins tomorrow; the rules stand in every school from its first start.
    if (first) return of === 'months' ? 'waits' : 'done'
    const [round] = await sql<{ since_ms: number }[]>`
      SELECT (extract(epoch FROM ${at}::timestamptz - last_at) * 1000)::double precision AS since_ms FROM ${sql(rounds)} FOR UPDATE`
    const since = round?.since_ms ?? 0
    if (since >= 0 && since < ROUND_MS) return 'done'
    await sql`UPDATE ${sql(rounds)} SET last_at = ${at}::timestamptz`
    return since < 0 || since > STRANGE_MS ? 'waits' : 'now'
  }) as Promise<'now' | 'done' | 'waits'>
}

