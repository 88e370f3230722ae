/**
 * For how many days each kind of data is kept beside the marks, which go by months (retention.ts): the rules as they are set, what is beyond them, and
 * erasing it, each kind in a transaction of its own with its certificate. Knows no clock and no other server: any number may apply them.
 */
import { randomUUID } from 'node:crypto'
import type { RetentionKind } from '#contract/consent'
import type postgres from 'postgres'
import { appendAudit, pruneAudit } from './audit.ts'
import type { Database } from './connect.ts'
import { insideOf } from './together.ts'

type Sql = postgres.Sql | postgres.TransactionSql

interface Rule {
  table: string
  /** Under this name it is counted in the certificate. */
  counted: string
  /** Rows whose time is over. `bound`: an instant, ISO 8601. */
  beyond: (sql: Sql, bound: string) => postgres.PendingQuery<postgres.Row[]>
}

/** Every kind but the audit log, which goes from its front alone. */
const RULES: Readonly<Record<Exclude<RetentionKind, 'audit'>, Rule>> = {
  templates: {
    table: 'templates',
    counted: 'templates',
    beyond: (sql, bound) => sql`student_id IN (SELECT t.student_id FROM templates t GROUP BY t.student_id HAVING max(t.enrolled_at) < ${bound}::timestamptz)`,
  },
  templates_of_leavers: {
    table: 'templates',
    counted: 'templates',
    beyond: (sql, bound) => sql`
      enrolled_at < ${bound}::timestamptz
      AND NOT EXISTS (SELECT FROM enrollments e WHERE e.student_id = templates.student_id AND (e.enrolled_to IS NULL OR e.enrolled_to >= ${bound}::timestamptz))`,
  },
  consents: { table: 'consents', counted: 'consents', beyond: (sql, bound) => sql`withdrawn_at < ${bound}::timestamptz` },
  set_aside: { table: 'set_aside', counted: 'set_aside', beyond: (sql, bound) => sql`closed_at < ${bound}::timestamptz` },
  sessions: { table: 'sessions', counted: 'sessions', beyond: (sql, bound) => sql`expires_at < ${bound}::timestamptz` },
  alarms: { table: 'device_alarms', counted: 'alarms', beyond: (sql, bound) => sql`closed_at < ${bound}::timestamptz` },
}
const KINDS = Object.keys(RULES) as (keyof typeof RULES)[]
const DAY_MS = 86_400_000

export type SetRules = ReadonlyMap<RetentionKind, number | null>

/** Days; null: kept for good. */
export async function retentionRules({ sql }: Database): Promise<SetRules> {
  const rows = await sql<{ kind: RetentionKind; days: number | null }[]>`SELECT kind, days FROM retention_rules`
  return new Map(rows.map(({ kind, days }) => [kind, days]))
}

export async function saveRetentionRule({ sql }: Database, { kind, days }: { kind: RetentionKind; days: number | null }, now: Date, by: string): Promise<void> {
  await sql`UPDATE retention_rules SET days = ${days}, changed_at = ${now.toISOString()}::timestamptz, changed_by = ${by} WHERE kind = ${kind}`
}

/** Rows of one kind: what a rule would erase, or did. */
export interface OfKind {
  kind: RetentionKind
  days: number
  rows: number
}

/** The dry run. */
export async function beyondRules(db: Database, now: Date): Promise<OfKind[]> {
  const { sql } = db
  const rules = await retentionRules(db)
  const found: OfKind[] = []
  for (const [kind, days] of rules) {
    if (days === null) continue
    const bound = boundOf(now, days)
    const [row] = kind === 'audit'
      ? await sql<{ n: number }[]>`SELECT count(*)::integer AS n FROM audit_log WHERE at < ${bound}::timestamptz`
      : await sql<{ n: number }[]>`SELECT count(*)::integer AS n FROM ${sql(RULES[kind].table)} WHERE ${RULES[kind].beyond(sql, bound)}`
    if (row && row.n > 0) found.push({ kind, days, rows: row.n })
  }
  return found
}

/** Erases what is beyond; each kind on its own, so that what was erased when it throws stays erased. @param by as the audit log names them */
export async function applyRules(db: Database, { now, by, auditKey }: { now: Date; by: string; auditKey: Buffer }): Promise<OfKind[]> {
  const rules = await retentionRules(db)
  const erased: OfKind[] = []
  for (const kind of KINDS) {
    const days = rules.get(kind)
    if (typeof days !== 'number') continue
    const rows = await applyRule(db, kind, { now, bound: boundOf(now, days), by, auditKey })
    if (rows > 0) erased.push({ kind, days, rows })
  }
  const auditDays = rules.get('audit')
  if (typeof auditDays === 'number') {
    const rows = await pruneAudit(db, auditKey, { keptDays: auditDays, now, by })
    if (rows > 0) erased.push({ kind: 'audit', days: auditDays, rows })
  }
  return erased
}

const boundOf = (now: Date, days: number): string => new Date(now.getTime() - days * DAY_MS).toISOString()

async function applyRule(db: Database, kind: keyof typeof RULES, { now, bound, by, auditKey }: { now: Date; bound: string; by: string; auditKey: Buffer }): Promise<number> {
  const { table, counted, beyond } = RULES[kind]
  return db.sql.begin(async (sql) => {
    await sql`SELECT set_config('statement_timeout', '0', true)`
    await sql`SELECT pg_advisory_xact_lock(hashtext('fastrackai.retention'))`
    // Told apart from what comes in meanwhile, so that the certificate says what went.
    const [row] = await sql<{ n: number }[]>`SELECT count(*)::integer AS n FROM (SELECT FROM ${sql(table)} WHERE ${beyond(sql, bound)} FOR UPDATE) old`
    if (!row || row.n === 0) return 0
    await writeRetentionCertificate(sql, { now, by, counts: { [counted]: row.n } })
    await sql`DELETE FROM ${sql(table)} WHERE ${beyond(sql, bound)}`
    if (kind === 'consents') {
      await sql`
        DELETE FROM consent_texts t WHERE t.text_id = 'own-words'
          AND NOT EXISTS (SELECT FROM consents c WHERE (c.text_id, c.text_version, c.language) = (t.text_id, t.version, t.language))`
    }
    await appendAudit(insideOf(db, sql), auditKey, { at: now, actor: by, action: 'retention_applied', subject: 'school', details: { kind, rows: row.n } })
    return row.n
  }) as Promise<number>
}

/** What lets the deletions of this transaction through, and stays as their proof. */
export async function writeRetentionCertificate(sql: postgres.TransactionSql, { now, by, counts }: { now: Date; by: string; counts: Record<string, number> }): Promise<void> {
  const id = randomUUID()
  await sql`SELECT set_config('fastrackai.certificate', ${id}, true)`
  await sql`
    INSERT INTO deletion_certificates (certificate_id, kind, made_at, made_by, counts)
    VALUES (${id}, 'retention', ${now.toISOString()}::timestamptz, ${by}, ${JSON.stringify(counts)}::text::jsonb)`
}
