/**
 * Percentages over months. What a status is, is decided by register_entries(); how it is counted and kept in
 * report_months, by migrations/0007_reports.sql. Nothing here counts a second time.
 *
 * [Note: A sum that is kept, and right] Whatever changes a register leaves a row in report_stale, in the same
 * transaction. A refresh counts anew what those rows name, and what lessons have ended since the last one. A report of
 * one student or course reads the kept sums of what is not stale and counts the rest on the spot, all in one statement:
 * it is right whenever it is asked for, and only the school's report is as old as the last refresh.
 */
import type { AttendanceCounts, CourseCounts, CourseReport, Month, SchoolReport, StudentCounts, StudentReport } from '#contract/report'
import type postgres from 'postgres'
import type { Database } from './connect.ts'
import { iso } from './registers.ts'

/** Both inclusive. */
export interface ReportMonths {
  from: Month
  to: Month
}

/**
 * Brings the kept sums up to date; any server may call it at any moment. Cheap where nothing has changed; after a new
 * zone, or the first time on an old record, it counts every lesson there is, and nobody waits for it meanwhile.
 * @returns how many courses' months were counted anew; undefined: another connection is at it
 */
export async function refreshReports(db: Database, now: Date): Promise<number | undefined> {
  const made = await db.sql.begin(async (sql) => {
    await sql`SELECT set_config('statement_timeout', '0', true)`
    const [refreshed] = await sql<{ made: number | null }[]>`SELECT refresh_reports(${now.toISOString()}::timestamptz) AS made`
    return refreshed?.made
  })
  return made ?? undefined
}

/** The school's present month. */
export async function presentMonth(db: Database, now: Date): Promise<Month> {
  const [school] = await db.sql<{ month: Month }[]>`SELECT to_char(${now.toISOString()}::timestamptz AT TIME ZONE time_zone, 'YYYY-MM') AS month FROM school`
  if (!school) throw new Error('the database has no school row')
  return school.month
}

/** @param taughtBy an account: of its courses alone. Undefined: no such student. */
export async function studentReport(db: Database, id: string, { from, to }: ReportMonths, now: Date, taughtBy?: number): Promise<StudentReport | undefined> {
  const { sql } = db
  const at = now.toISOString()
  const [of] = await sql<(StudentReport['student'] & Zone)[]>`SELECT s.student_id, s.first_name, s.last_name, z.time_zone FROM students s CROSS JOIN school z WHERE s.student_id = ${id}`
  if (!of) return undefined
  const { time_zone, ...student } = of
  const rows = await sql<Line<Partial<CourseCounts>>[]>`
    WITH due AS MATERIALIZED (
      SELECT d.course_id, d.month FROM report_due(${at}::timestamptz, NULL) d WHERE d.month BETWEEN ${first(from)}::date AND ${first(to)}::date
    ), counts AS (
      SELECT r.course_id, r.month, ${columns(sql, 'r')} FROM report_months r
      WHERE r.student_id = ${id} AND r.month BETWEEN ${first(from)}::date AND ${first(to)}::date
        AND NOT EXISTS (SELECT FROM due d WHERE d.course_id = r.course_id AND d.month = r.month)
      UNION ALL
      SELECT c.course_id, c.month, ${columns(sql, 'c')}
      FROM (SELECT min(d.month) AS first, max(d.month) AS last FROM due d) s
      CROSS JOIN LATERAL report_counts(NULL, s.first, s.last, ${at}::timestamptz, ${id}) c
      JOIN due d ON d.course_id = c.course_id AND d.month = c.month
      WHERE s.first IS NOT NULL
    )
    SELECT to_char(c.month, 'YYYY-MM') AS month, c.course_id, o.course_code, o.course_name, ${sums(sql)}
    FROM counts c JOIN courses o ON o.course_id = c.course_id
    WHERE ${ofTeacher(sql, taughtBy)}
    GROUP BY GROUPING SETS ((c.month), (c.course_id, o.course_code, o.course_name), ())
    ORDER BY o.course_code COLLATE "C", c.course_id COLLATE "C", c.month`
  return { as_of: at, time_zone, from, to, student, ...told(rows), courses: rows.flatMap((row) => (isCourse(row) ? [courseOf(row)] : [])) }
}

/** Undefined: no such course. */
export async function courseReport(db: Database, id: string, { from, to }: ReportMonths, now: Date): Promise<CourseReport | undefined> {
  const { sql } = db
  const at = now.toISOString()
  const [of] = await sql<(CourseReport['course'] & Zone)[]>`SELECT c.course_id, c.course_code, c.course_name, z.time_zone FROM courses c CROSS JOIN school z WHERE c.course_id = ${id}`
  if (!of) return undefined
  const { time_zone, ...course } = of
  const rows = await sql<Line<Partial<StudentCounts>>[]>`
    WITH due AS MATERIALIZED (
      SELECT d.month FROM report_due(${at}::timestamptz, ${id}) d WHERE d.month BETWEEN ${first(from)}::date AND ${first(to)}::date
    ), counts AS (
      SELECT r.student_id, r.month, ${columns(sql, 'r')} FROM report_months r
      WHERE r.course_id = ${id} AND r.month BETWEEN ${first(from)}::date AND ${first(to)}::date AND r.month NOT IN (SELECT d.month FROM due d)
      UNION ALL
      SELECT c.student_id, c.month, ${columns(sql, 'c')}
      FROM (SELECT min(d.month) AS first, max(d.month) AS last FROM due d) s
      CROSS JOIN LATERAL report_counts(${id}, s.first, s.last, ${at}::timestamptz, NULL) c
      JOIN due d ON d.month = c.month
      WHERE s.first IS NOT NULL
    )
    SELECT to_char(c.month, 'YYYY-MM') AS month, c.student_id, s.first_name, s.last_name, ${sums(sql)}
    FROM counts c JOIN students s ON s.student_id = c.student_id
    GROUP BY GROUPING SETS ((c.month), (c.student_id, s.first_name, s.last_name), ())
    ORDER BY percentage NULLS LAST, s.last_name COLLATE "C", s.first_name COLLATE "C", c.student_id COLLATE "C"`
  return { as_of: at, time_zone, from, to, course, ...told(rows), students: rows.flatMap((row) => (isStudent(row) ? [studentOf(row)] : [])) }
}

/** @param taughtBy an account: of its courses alone. */
export async function schoolReport(db: Database, { from, to }: ReportMonths, taughtBy?: number): Promise<SchoolReport> {
  const { sql } = db
  // The time first: what is refreshed between the two is newer than it says, never older.
  const [refreshed] = await sql<(Zone & { as_of: string | null })[]>`SELECT z.time_zone, ${iso(sql, sql`f.as_of`)} AS as_of FROM school z CROSS JOIN report_refresh f`
  const rows = await sql<Line<Partial<CourseCounts>>[]>`
    SELECT to_char(c.month, 'YYYY-MM') AS month, c.course_id, o.course_code, o.course_name, ${sums(sql)}
    FROM report_course_months c JOIN courses o ON o.course_id = c.course_id
    WHERE c.month BETWEEN ${first(from)}::date AND ${first(to)}::date AND ${ofTeacher(sql, taughtBy)}
    GROUP BY GROUPING SETS ((c.month), (c.course_id, o.course_code, o.course_name), ())
    ORDER BY percentage NULLS LAST, o.course_code COLLATE "C", c.course_id COLLATE "C"`
  return { as_of: refreshed?.as_of ?? null, time_zone: refreshed?.time_zone ?? 'UTC', from, to, ...told(rows), courses: rows.flatMap((row) => (isCourse(row) ? [courseOf(row)] : [])) }
}

interface Zone { time_zone: string }

/** One line of a report: of a month, of what the report lists, or, with neither, the total. */
type Line<Of> = AttendanceCounts & { month: Month | null } & { [Key in keyof Of]: Of[Key] | null }

/** Of counts AS c. */
const ofTeacher = (sql: Database['sql'], account: number | undefined): postgres.PendingQuery<postgres.Row[]> =>
  account === undefined ? sql`true` : sql`c.course_id IN (SELECT t.course_id FROM course_teachers t WHERE t.account_id = ${account})`

const first = (month: Month): string => `${month}-01`

function columns(sql: Database['sql'], of: 'r' | 'c'): postgres.PendingQuery<postgres.Row[]> {
  return sql`${sql(of)}.present, ${sql(of)}.late, ${sql(of)}.absent, ${sql(of)}.excused, ${sql(of)}.not_taken`
}

/** AttendanceCounts from counts AS c, grouped. */
function sums(sql: Database['sql']): postgres.PendingQuery<postgres.Row[]> {
  return sql`coalesce(sum(c.present), 0)::integer AS present, coalesce(sum(c.late), 0)::integer AS late, coalesce(sum(c.absent), 0)::integer AS absent,
    coalesce(sum(c.excused), 0)::integer AS excused, coalesce(sum(c.not_taken), 0)::integer AS not_taken,
    attendance_percentage(sum(c.present), sum(c.late), sum(c.absent))::double precision AS percentage`
}

function countsOf({ present, late, absent, excused, not_taken, percentage }: AttendanceCounts): AttendanceCounts {
  return { present, late, absent, excused, not_taken, percentage }
}

const NOTHING: AttendanceCounts = { present: 0, late: 0, absent: 0, excused: 0, not_taken: 0, percentage: null }

function told(rows: readonly (AttendanceCounts & { month: Month | null; course_id?: string | null; student_id?: string | null })[]): Pick<SchoolReport, 'total' | 'months'> {
  const total = rows.find((row) => row.month === null && (row.course_id ?? row.student_id ?? null) === null)
  const months = rows.flatMap((row) => (row.month === null ? [] : [{ month: row.month, ...countsOf(row) }]))
  return { total: total ? countsOf(total) : NOTHING, months: months.toSorted((a, b) => (a.month < b.month ? -1 : 1)) }
}

type CourseLine = AttendanceCounts & Pick<CourseCounts, 'course_id' | 'course_code' | 'course_name'>
type StudentLine = AttendanceCounts & Pick<StudentCounts, 'student_id' | 'first_name' | 'last_name'>

const isCourse = (row: Line<Partial<CourseCounts>>): row is Line<Partial<CourseCounts>> & CourseLine => row.course_id !== null
const isStudent = (row: Line<Partial<StudentCounts>>): row is Line<Partial<StudentCounts>> & StudentLine => row.student_id !== null

const courseOf = ({ course_id, course_code, course_name, ...row }: CourseLine): CourseCounts => ({ course_id, course_code, course_name, ...countsOf(row) })
const studentOf = ({ student_id, first_name, last_name, ...row }: StudentLine): StudentCounts => ({ student_id, first_name, last_name, ...countsOf(row) })
