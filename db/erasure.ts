/**
 * Erasure of what was made of a face, or of a whole person: everything in one transaction, with the certificate that says how much of
 * what went. Triggers (migration 0013) let through what a certificate of the same transaction covers, and note the kiosks that
 * must forget. Knows no key: a student's own goes with their last template, by a trigger.
 *
 * [Note: What is left of an erased person] The registers of past lessons are the school's record of its lessons. Unless the school
 * chooses to delete them too, marks, corrections (without their notes), doubts and enrolments stay, under a random student_id
 * that is written nowhere else: not in the certificate, not in the audit log, and in no table beside the old id. Consents stay beside them, without a
 * name. The audit log keeps the old id, which then leads to nobody in this database.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Certificate, MarksFate } from '#contract/consent'
import type postgres from 'postgres'
import type { Database } from './connect.ts'
import { forgettings } from './forgettings.ts'
import { iso } from './registers.ts'

/**
 * What becomes of each column that holds a student's id. `erased`: the rows go; of them those of the face go with `biometrics`
 * already. `pseudonym`: the rows stay, under the pseudonym. `marks`: that, or they go, as the school chooses. `cleared`: the rows stay, without the id.
 */
type Fate = 'face' | 'erased' | 'pseudonym' | 'marks' | 'cleared'

interface Held {
  /** Of the certificate's counts. */
  kind: string
  table: string
  columns: readonly string[]
  fate: Fate
}

/** In this order: what refers to other rows goes before them. Every column of the schema that holds a student's id is here; a test compares. */
export const HELD: readonly Held[] = [
  { kind: 'look_alikes', table: 'look_alikes', columns: ['student_a', 'student_b'], fate: 'face' },
  { kind: 'compared_faces', table: 'compared_faces', columns: ['student_id'], fate: 'face' },
  { kind: 'templates', table: 'templates', columns: ['student_id'], fate: 'face' },
  // Gone with the last template; counted, because what lies in a backup cannot be opened without it.
  { kind: 'keys', table: 'keyring.students', columns: ['student_id'], fate: 'face' },
  { kind: 'confirmed_different', table: 'confirmed_different', columns: ['student_a', 'student_b'], fate: 'erased' },
  { kind: 'pins', table: 'student_pins', columns: ['student_id'], fate: 'erased' },
  { kind: 'cards', table: 'student_cards', columns: ['student_id'], fate: 'erased' },
  { kind: 'accounts', table: 'accounts', columns: ['student_id'], fate: 'erased' },
  { kind: 'mark_ids', table: 'mark_ids', columns: ['student_id'], fate: 'erased' },
  { kind: 'consents', table: 'consents', columns: ['student_id'], fate: 'pseudonym' },
  { kind: 'marks', table: 'attendance_logs', columns: ['student_id'], fate: 'marks' },
  { kind: 'corrections', table: 'corrections', columns: ['student_id'], fate: 'marks' },
  { kind: 'doubts', table: 'mark_doubts', columns: ['student_id'], fate: 'marks' },
  { kind: 'checks', table: 'mark_checks', columns: ['student_id'], fate: 'marks' },
  { kind: 'enrolments', table: 'enrollments', columns: ['student_id'], fate: 'marks' },
  { kind: 'forgettings', table: 'forgettings', columns: ['student_id'], fate: 'cleared' },
  { kind: 'certificates', table: 'deletion_certificates', columns: ['student_id'], fate: 'cleared' },
  // Made again from the registers, and gone with the student's own row.
  { kind: 'report_months', table: 'report_months', columns: ['student_id'], fate: 'erased' },
  { kind: 'students', table: 'students', columns: ['student_id'], fate: 'erased' },
]

export interface Erasure {
  scope: 'biometrics' | 'person'
  marks: MarksFate
  /** Known to who asks: the same again erases nothing more. */
  request_id?: string | undefined
}

/** `conflict`: the request's id is another deletion's. */
export type Erased = { outcome: 'erased'; certificate_id: string } | { outcome: 'known'; certificate_id: string } | { outcome: 'unknown_student' } | { outcome: 'conflict' }

/** @param by as the audit log names them */
export async function erase(db: Database, studentId: string, { scope, marks, request_id }: Erasure, now: Date, by: string): Promise<Erased> {
  return db.sql.begin(async (sql): Promise<Erased> => {
    // A person's marks may be many, and a refresh of the reports may have to be waited for.
    await sql`SELECT set_config('statement_timeout', '0', true)`
    if (request_id !== undefined) {
      await sql`SELECT pg_advisory_xact_lock(hashtextextended('fastrackai.erasure ' || ${request_id}, 0))`
      const [made] = await sql<{ kind: string; student_id: string | null }[]>`SELECT kind, student_id FROM deletion_certificates WHERE certificate_id = ${request_id}::uuid`
      if (made) return made.kind === scope && (scope === 'person' || made.student_id === studentId) ? { outcome: 'known', certificate_id: request_id } : { outcome: 'conflict' }
    }
    // Nobody adds a mark between the counting and the end; and a refresh that still saw the old id does not write it again.
    if (scope === 'person') {
      await sql`SELECT pg_advisory_xact_lock(hashtext('fastrackai.refresh_reports'))`
      await sql`LOCK TABLE attendance_logs IN SHARE ROW EXCLUSIVE MODE`
    }
    const [known] = await sql`SELECT FROM students WHERE student_id = ${studentId} AND erased_at IS NULL FOR UPDATE`
    if (!known) return { outcome: 'unknown_student' }

    const concerned = HELD.filter(({ fate }) => (scope === 'person' ? fate !== 'cleared' : fate === 'face'))
    const counts: Record<string, number> = {}
    for (const held of concerned) {
      const count = await countOf(sql, held, studentId)
      if (count > 0) counts[held.kind] = count
    }
    const certificate_id = request_id ?? randomUUID()
    if (scope === 'person') Object.assign(counts, await countBeside(sql, studentId))
    // First, because it is what lets the rest through.
    await sql`SELECT set_config('fastrackai.certificate', ${certificate_id}, true)`
    await sql`
      INSERT INTO deletion_certificates (certificate_id, kind, student_id, made_at, made_by, counts, marks)
      VALUES (${certificate_id}, ${scope}, ${scope === 'person' ? null : studentId}, ${now.toISOString()}::timestamptz, ${by}, ${JSON.stringify(counts)}::text::jsonb, ${scope === 'person' ? marks : null})`
    await sql`UPDATE consents SET withdrawn_at = ${now.toISOString()}::timestamptz, withdrawn_by = ${by} WHERE student_id = ${studentId} AND withdrawn_at IS NULL`
    if (scope === 'person') await erasePerson(sql, studentId, marks, now)
    else for (const held of concerned) await deleteRows(sql, held, studentId)
    return { outcome: 'erased', certificate_id }
  }) as Promise<Erased>
}

type Sql = postgres.TransactionSql

const named = (sql: Sql, { columns }: Held, studentId: string) =>
  columns.map((column) => sql`${sql(column)} = ${studentId}`).reduce((all, one) => sql`${all} OR ${one}`)

async function countOf(sql: Sql, held: Held, studentId: string): Promise<number> {
  const [row] = await sql<{ n: number }[]>`SELECT count(*)::integer AS n FROM ${sql(held.table)} WHERE ${named(sql, held, studentId)}`
  return row?.n ?? 0
}

async function deleteRows(sql: Sql, held: Held, studentId: string): Promise<void> {
  await sql`DELETE FROM ${sql(held.table)} WHERE ${named(sql, held, studentId)}`
}

/** What names a student in no column of its own. */
async function countBeside(sql: Sql, studentId: string): Promise<Record<string, number>> {
  const [row] = await sql<{ set_aside: number; sessions: number }[]>`
    SELECT (SELECT count(*)::integer FROM set_aside WHERE record ->> 'student_id' = ${studentId}) AS set_aside,
      (SELECT count(*)::integer FROM sessions s JOIN accounts a ON a.account_id = s.account_id WHERE a.student_id = ${studentId}) AS sessions`
  return Object.fromEntries(Object.entries(row ?? {}).filter(([, count]) => count > 0))
}

async function erasePerson(sql: Sql, studentId: string, marks: MarksFate, now: Date): Promise<void> {
  const pseudonym = `erased-${randomBytes(12).toString('hex')}`
  await sql`INSERT INTO students (student_id, first_name, last_name, erased_at) VALUES (${pseudonym}, 'Erased', 'student', ${now.toISOString()}::timestamptz)`
  await eraseConsents(sql, studentId, pseudonym)
  await sql`DELETE FROM set_aside WHERE record ->> 'student_id' = ${studentId}`
  if (marks === 'pseudonym') await keepMarks(sql, studentId, pseudonym, now)
  for (const held of HELD) {
    if (held.fate === 'face' || held.fate === 'erased' || (held.fate === 'marks' && marks === 'delete')) await deleteRows(sql, held, studentId)
    else if (held.fate === 'cleared') for (const column of held.columns) await sql`UPDATE ${sql(held.table)} SET ${sql(column)} = NULL WHERE ${sql(column)} = ${studentId}`
  }
}

/** That somebody agreed, to what and when, stays; who it was does not, and their own words may have said it. */
async function eraseConsents(sql: Sql, studentId: string, pseudonym: string): Promise<void> {
  const own = await sql<{ version: number; language: string }[]>`
    SELECT DISTINCT text_version AS version, language FROM consents WHERE student_id = ${studentId} AND text_id = 'own-words'`
  if (own.length > 0) {
    await sql`
      UPDATE consents SET statement = t.words, text_id = t.text_id, text_version = t.version, language = t.language
      FROM own_words('(words erased)', now()) t WHERE student_id = ${studentId} AND consents.text_id = 'own-words'`
  }
  await sql`UPDATE consents SET student_id = ${pseudonym}, given_by = '(erased)', relationship = '' WHERE student_id = ${studentId}`
  for (const { version, language } of own) {
    await sql`
      DELETE FROM consent_texts t WHERE t.text_id = 'own-words' AND t.version = ${version} AND t.language = ${language} AND t.words <> '(words erased)'
        AND NOT EXISTS (SELECT FROM consents c WHERE (c.text_id, c.text_version, c.language) = (t.text_id, t.version, t.language))`
  }
}

async function keepMarks(sql: Sql, studentId: string, pseudonym: string, now: Date): Promise<void> {
  // What is counted of these courses is counted anew; of lessons that somebody is enrolled in, the enrolment's own change says so.
  await sql`
    INSERT INTO report_stale (course_id, from_date, to_date)
    SELECT course_id, min(held_on), max(held_on) FROM attendance_logs WHERE student_id = ${studentId} GROUP BY course_id`
  // A mark's id is also at the kiosk that made it, beside the student's.
  await sql`UPDATE attendance_logs SET student_id = ${pseudonym}, mark_id = NULL WHERE student_id = ${studentId}`
  await sql`UPDATE corrections SET student_id = ${pseudonym}, note = '' WHERE student_id = ${studentId}`
  await sql`UPDATE mark_doubts SET student_id = ${pseudonym} WHERE student_id = ${studentId}`
  await sql`UPDATE mark_checks SET student_id = ${pseudonym} WHERE student_id = ${studentId}`
  await sql`UPDATE enrollments SET student_id = ${pseudonym}, enrolled_to = coalesce(enrolled_to, greatest(enrolled_from, ${now.toISOString()}::timestamptz)) WHERE student_id = ${studentId}`
}

// ---------- certificates ----------

/** The newest first. @param only one of them */
export async function certificates(db: Database, now: Date, { limit = 50, only }: { limit?: number; only?: string } = {}): Promise<Certificate[]> {
  const { sql } = db
  const rows = await sql<Omit<Certificate, 'forgetting'>[]>`
    SELECT certificate_id, kind, student_id, ${iso(sql, sql`made_at`)} AS made_at, made_by, counts, marks FROM deletion_certificates
    WHERE ${only ?? null}::uuid IS NULL OR certificate_id = ${only ?? null}::uuid
    ORDER BY deletion_certificates.made_at DESC, certificate_id LIMIT ${limit}`
  return Promise.all(rows.map(async (row) => ({ ...row, forgetting: (await forgettings(db, now, { certificate: row.certificate_id, limit: 1 }))[0] ?? null })))
}
