/**
 * Everything that is held on one person, as one JSON text that is made as it is read: the marks of many years are never in memory
 * together. One snapshot. Knows no route and no file name.
 *
 * [Note: What of a template is told] Its model, its date and a fingerprint of it as it lies here, not its numbers. A person can
 * do nothing with them, whoever finds the file could: they are a likeness of the face, and the file leaves the protection that they have
 * here. The photos that they were made from were never kept. Who wants to see what they look like is shown it at the school. Other people's ids
 * (whose face is near) are left out for those people's sake, and passwords, PINs, cards and the second factor because what is kept of them
 * opens something.
 */
import type postgres from 'postgres'
import type { Database } from './connect.ts'

const ROWS_AT_A_TIME = 500

type Sql = postgres.ReservedSql
type Query = postgres.PendingQuery<{ row: string }[]>

interface Part {
  name: string
  /** Each row as JSON text. */
  rows: (sql: Sql, id: string) => Query
}

const utc = (sql: Sql, column: postgres.PendingQuery<postgres.Row[]>) => sql`to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** Rows of one table, without some columns; instants are told in UTC, by the connection's zone. */
const rowsOf = (table: string, column: string, { without = [], order }: { without?: string[]; order: string }): Part['rows'] => (sql, id) =>
  sql`SELECT (to_jsonb(t) - ${`{${['student_id', ...without].join(',')}}`}::text::text[])::text AS row FROM ${sql(table)} t WHERE t.${sql(column)} = ${id} ORDER BY t.${sql(order)}`

/** In this order in the file. */
export const PARTS: readonly Part[] = [
  { name: 'account', rows: (sql, id) => sql`SELECT jsonb_build_object('username', username, 'role', role, 'email', email, 'disabled_at', disabled_at, 'second_factor', totp_sealed IS NOT NULL, 'login_issuer', login_issuer, 'login_subject', login_subject)::text AS row FROM accounts WHERE student_id = ${id}` },
  { name: 'sessions', rows: (sql, id) => sql`SELECT jsonb_build_object('expires_at', s.expires_at)::text AS row FROM sessions s JOIN accounts a ON a.account_id = s.account_id WHERE a.student_id = ${id} ORDER BY s.expires_at` },
  { name: 'enrolments', rows: rowsOf('enrollments', 'student_id', { order: 'enrolled_from' }) },
  { name: 'consents', rows: rowsOf('consents', 'student_id', { order: 'consent_id' }) },
  { name: 'templates', rows: (sql, id) => sql`SELECT jsonb_build_object('template_id', template_id, 'model', model, 'enrolled_at', enrolled_at, 'fingerprint', encode(sha256(sealed), 'hex'))::text AS row FROM templates WHERE student_id = ${id} ORDER BY enrolled_at, template_id` },
  { name: 'compared_faces', rows: (sql, id) => sql`SELECT jsonb_build_object('model', model, 'fingerprint', encode(sha256(sealed), 'hex'))::text AS row FROM compared_faces WHERE student_id = ${id} ORDER BY model` },
  { name: 'look_alikes', rows: (sql, id) => sql`SELECT jsonb_build_object('model', model, 'similarity', similarity, 'found_at', found_at)::text AS row FROM look_alikes WHERE student_a = ${id} OR student_b = ${id} ORDER BY found_at` },
  { name: 'confirmed_different', rows: (sql, id) => sql`SELECT jsonb_build_object('confirmed_by', confirmed_by, 'confirmed_at', confirmed_at)::text AS row FROM confirmed_different WHERE student_a = ${id} OR student_b = ${id} ORDER BY confirmed_at` },
  { name: 'pin', rows: rowsOf('student_pins', 'student_id', { without: ['salt', 'hash', 'iterations'], order: 'set_at' }) },
  { name: 'card', rows: rowsOf('student_cards', 'student_id', { without: ['token_sha256'], order: 'made_at' }) },
  { name: 'marks', rows: rowsOf('attendance_logs', 'student_id', { order: 'held_on' }) },
  { name: 'mark_ids', rows: rowsOf('mark_ids', 'student_id', { order: 'held_on' }) },
  { name: 'doubts', rows: rowsOf('mark_doubts', 'student_id', { order: 'held_on' }) },
  { name: 'corrections', rows: rowsOf('corrections', 'student_id', { order: 'correction_id' }) },
  { name: 'mark_checks', rows: rowsOf('mark_checks', 'student_id', { order: 'check_id' }) },
  { name: 'report_months', rows: rowsOf('report_months', 'student_id', { order: 'month' }) },
  { name: 'set_aside', rows: (sql, id) => sql`SELECT (to_jsonb(t) - 'record_sha256')::text AS row FROM set_aside t WHERE t.record ->> 'student_id' = ${id} ORDER BY t.set_aside_id` },
  { name: 'forgettings', rows: rowsOf('forgettings', 'student_id', { order: 'forgetting_id' }) },
  { name: 'certificates', rows: rowsOf('deletion_certificates', 'student_id', { order: 'made_at' }) },
  { name: 'audit', rows: (sql, id) => sql`
    SELECT jsonb_build_object('seq', seq, 'at', at, 'actor', actor, 'action', action, 'subject', subject, 'details', details::jsonb)::text AS row FROM audit_log
    WHERE subject = ${`student:${id}`} OR actor IN (SELECT 'account:' || username FROM accounts WHERE student_id = ${id}) OR subject IN (SELECT 'account:' || username FROM accounts WHERE student_id = ${id})
    ORDER BY audit_log.seq` },
]

/** Undefined: no such student. What it gives is JSON text, in pieces; to be read to its end or closed (`return()`). */
export async function exportOf(db: Database, studentId: string, now: Date): Promise<AsyncGenerator<string> | undefined> {
  const pieces = write(db, studentId, now)
  const first = await pieces.next()
  if (first.done) return undefined
  return startingWith(first.value, pieces)
}

async function* startingWith(first: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  // Closed before it was read, the rest is closed, too.
  try {
    yield first
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}

async function* write(db: Database, studentId: string, now: Date): AsyncGenerator<string> {
  const sql = await db.sql.reserve()
  try {
    await sql`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
    await sql`SELECT set_config('statement_timeout', '0', true)`
    const [student] = await sql<{ row: string }[]>`
      SELECT (to_jsonb(s) - 'erased_at')::text AS row FROM students s WHERE s.student_id = ${studentId} AND s.erased_at IS NULL`
    if (!student) return
    const [school] = await sql<{ name: string; time_zone: string }[]>`SELECT name, time_zone FROM school`
    yield `{\n"exported_at": ${JSON.stringify(now.toISOString())},\n"school": ${JSON.stringify(school)},\n"student": ${student.row}`
    for (const { name, rows } of PARTS) yield* list(name, rows(sql, studentId).cursor(ROWS_AT_A_TIME))
    yield ',\n"registers": ['
    yield* registers(sql, studentId, now)
    yield '\n]\n}\n'
  } finally {
    await sql`ROLLBACK`.catch(() => {})
    sql.release()
  }
}

async function* list(name: string, batches: AsyncIterable<{ row: string }[]>): AsyncGenerator<string> {
  yield `,\n${JSON.stringify(name)}: [`
  let before = '\n'
  for await (const batch of batches) {
    yield before + batch.map(({ row }) => row).join(',\n')
    before = ',\n'
  }
  yield '\n]'
}

/** What stands of the student in every lesson on record, as the registers say it: month by month, which is how they are read fast. */
async function* registers(sql: Sql, studentId: string, now: Date): AsyncGenerator<string> {
  const months = await sql<{ month: string }[]>`SELECT month::text AS month FROM months_on_record() WHERE month <= ${now.toISOString()}::timestamptz ORDER BY month`
  let before = '\n'
  for (const { month } of months) {
    const rows = await sql<{ row: string }[]>`
      SELECT jsonb_build_object('held_on', e.held_on, 'lesson_id', e.lesson_id, 'course_id', e.course_id, 'starts_at', ${utc(sql, sql`e.starts_at`)}, 'enrolled', e.enrolled, 'status', e.status)::text AS row
      FROM register_entries(${month}::date, (${month}::date + interval '1 month - 1 day')::date, ${now.toISOString()}::timestamptz, NULL, NULL, ${studentId}) e
      ORDER BY e.held_on, e.starts_at, e.lesson_id`
    if (rows.length === 0) continue
    yield before + rows.map(({ row }) => row).join(',\n')
    before = ',\n'
  }
}
