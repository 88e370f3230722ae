/**
 * Marks into the record, exactly once, and out of it as histories.
 *
 * [Note: The key is the rule] A mark is known by (held_on, lesson_id, student_id), the primary key of
 * attendance_logs. A replay, a second device or two servers at once meet that key and change nothing;
 * no code here remembers what it has seen.
 */
import type { AttendanceRecord, RefusalCode } from '#contract/attendance'
import type { CourseHistory, HistoryEntry, StudentHistory } from '#contract/register'
import type { Database } from './connect.ts'
import { historyEntries, announceRegisters } from './registers.ts'
import { storableJson } from './storable.ts'

export type NewMark = AttendanceRecord & { device_id: string }

export type MarkOutcome = { outcome: 'stored' | 'duplicate' } | { outcome: 'refused'; code: RefusalCode; field: string; message: string }

/** Marks are taken from so many days back: the months that ensureMonths keeps, less what a lesson over midnight needs. */
const OLDEST_DAYS = 366
/** A script's clock or zone may be wrong by less than a day; beyond that the record is about no lesson we know. */
const NEWEST_HOURS = 24
/** A record without a lesson counts for the lesson that begins within these minutes. */
const EARLY_MINUTES = 10

/** A statement that meets another transaction's locks the wrong way round, or a student erased meanwhile, is as good as not sent. */
const RETRIED = new Set(['40001', '40P01', '23503'])
const ATTEMPTS = 3

/**
 * Answers in the order of `marks`, each for itself, when they are committed: one statement for all that
 * are well formed. Throws only when the database cannot be written, and then nothing was.
 */
export async function insertMarks(db: Database, marks: NewMark[], receivedAt: Date): Promise<MarkOutcome[]> {
  const outcomes: (MarkOutcome | undefined)[] = marks.map((mark) => faultOf(mark, receivedAt))
  const sound = marks.flatMap((mark, index) => (outcomes[index] ? [] : [{ ...mark, index, timestamp: new Date(mark.timestamp).toISOString() }]))
  if (sound.length > 0) {
    const rows = await insertSound(db, storableJson(sound), receivedAt)
    const changed = new Map<string, { held_on: string; lesson_id: string }>()
    for (const row of rows) {
      const mark = marks[row.index]
      if (!mark) continue
      outcomes[row.index] = outcomeOf(row, mark)
      if (row.outcome === 'stored') changed.set(`${row.held_on} ${row.lesson_id}`, { held_on: row.held_on, lesson_id: row.lesson_id })
    }
    // The marks are safe; a screen that misses this news reads it with the next.
    await announceRegisters(db, [...changed.values()]).catch(() => {})
  }
  return outcomes.map((outcome) => {
    if (!outcome) throw new Error('a mark was left without an outcome')
    return outcome
  })
}

interface InsertedRow {
  index: number
  held_on: string
  lesson_id: string
  outcome: 'stored' | 'duplicate' | 'unknown_student' | 'unknown_course' | 'unknown_lesson' | 'other_course' | 'other_time'
}

async function insertSound(db: Database, json: string, receivedAt: Date, attempt = 1): Promise<InsertedRow[]> {
  try {
    return await db.sql<InsertedRow[]>`
      WITH sent AS (
        SELECT * FROM jsonb_to_recordset(${json}::text::jsonb) AS r (
          index integer, student_id text, course_id text, "timestamp" timestamptz, confidence double precision,
          mark_id uuid, lesson_id text, held_on date, model text, device_id text)
      ), placed AS (
        SELECT r.index, r.student_id, r.course_id, r."timestamp", r.confidence, r.mark_id, r.model, d.device_id,
          coalesce(l.held_on, r.held_on, (r."timestamp" AT TIME ZONE z.time_zone)::date) AS held_on,
          coalesce(l.lesson_id, 'unscheduled.' || r.course_id) AS lesson_id,
          coalesce(l.classroom_id, d.classroom_id) AS classroom_id,
          CASE
            WHEN s.student_id IS NULL THEN 'unknown_student'
            WHEN c.course_id IS NULL THEN 'unknown_course'
            WHEN r.lesson_id IS NULL THEN 'good'
            WHEN r.lesson_id = 'unscheduled.' || r.course_id THEN
              CASE WHEN abs(r.held_on - (r."timestamp" AT TIME ZONE z.time_zone)::date) <= 1 THEN 'good' ELSE 'other_time' END
            WHEN l.lesson_id IS NULL THEN 'unknown_lesson'
            WHEN l.course_id <> r.course_id THEN 'other_course'
            WHEN r."timestamp" < l.starts_at - interval '1 day' OR r."timestamp" > l.ends_at + interval '1 day' THEN 'other_time'
            ELSE 'good'
          END AS verdict
        FROM sent r
        CROSS JOIN (SELECT coalesce((SELECT time_zone FROM school), 'UTC') AS time_zone) z
        LEFT JOIN students s ON s.student_id = r.student_id
        LEFT JOIN courses c ON c.course_id = r.course_id
        LEFT JOIN devices d ON d.device_id = r.device_id
        LEFT JOIN LATERAL (
          (SELECT g.* FROM lessons_held(r.held_on, r.held_on) g WHERE g.lesson_id = r.lesson_id)
          UNION ALL
          (SELECT f.* FROM lessons_between(r."timestamp", r."timestamp" + (${EARLY_MINUTES} * interval '1 minute' + interval '1 microsecond')) f
           WHERE r.lesson_id IS NULL AND f.course_id = r.course_id
           ORDER BY f.classroom_id = d.classroom_id DESC NULLS LAST, f.starts_at <= r."timestamp" DESC, f.starts_at, f.lesson_id LIMIT 1)
        ) l ON true
      ), written AS (
        INSERT INTO attendance_logs AS a (student_id, course_id, "timestamp", confidence, mark_id, lesson_id, held_on, classroom_id, device_id, model, received_at)
        SELECT student_id, course_id, "timestamp", confidence, mark_id, lesson_id, held_on, classroom_id, device_id, model, ${receivedAt.toISOString()}::timestamptz
        FROM (SELECT DISTINCT ON (held_on, lesson_id, student_id) * FROM placed WHERE verdict = 'good' ORDER BY held_on, lesson_id, student_id, index) first
        -- One order for all: two batches with the same marks then wait for each other, and never in a ring.
        ORDER BY held_on, lesson_id, student_id
        ON CONFLICT (held_on, lesson_id, student_id) DO NOTHING
        RETURNING a.held_on, a.lesson_id, a.student_id
      )
      SELECT p.index, p.held_on::text AS held_on, p.lesson_id,
        CASE
          WHEN p.verdict <> 'good' THEN p.verdict
          WHEN w.student_id IS NOT NULL
           AND row_number() OVER (PARTITION BY p.verdict, p.held_on, p.lesson_id, p.student_id ORDER BY p.index) = 1 THEN 'stored'
          ELSE 'duplicate'
        END AS outcome
      FROM placed p
      LEFT JOIN written w ON w.held_on = p.held_on AND w.lesson_id = p.lesson_id AND w.student_id = p.student_id`
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (attempt < ATTEMPTS && RETRIED.has(code)) return insertSound(db, json, receivedAt, attempt + 1)
    throw error
  }
}

function outcomeOf(row: InsertedRow, mark: NewMark): MarkOutcome {
  switch (row.outcome) {
    case 'stored':
    case 'duplicate':
      return { outcome: row.outcome }
    case 'unknown_student':
      return refused('unknown_student', 'student_id', `there is no student ${mark.student_id}`)
    case 'unknown_course':
      return refused('unknown_course', 'course_id', `there is no course ${mark.course_id}`)
    case 'unknown_lesson':
      return refused('unknown_lesson', 'lesson_id', `the timetable has no lesson ${mark.lesson_id} on ${mark.held_on}`)
    case 'other_course':
      return refused('unknown_lesson', 'lesson_id', `lesson ${mark.lesson_id} is not a lesson of course ${mark.course_id}`)
    case 'other_time':
      return refused('unknown_lesson', 'held_on', `lesson ${mark.lesson_id} of ${mark.held_on} is more than a day from ${mark.timestamp}`)
  }
}

function refused(code: RefusalCode, field: string, message: string): MarkOutcome {
  return { outcome: 'refused', code, field, message }
}

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const DATE = /^\d{4}-\d{2}-\d{2}$/
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * What would make the whole statement fail, and not this mark alone. The server has parsed its records
 * with the contract; a queue may hold what an older version parsed.
 */
function faultOf(mark: NewMark, receivedAt: Date): MarkOutcome | undefined {
  const invalid = (field: string, message: string) => refused('invalid_record', field, message)
  for (const field of ['student_id', 'course_id', 'device_id'] as const) {
    if (typeof mark[field] !== 'string' || !ID.test(mark[field])) return invalid(field, 'must be an identifier')
  }
  if (`unscheduled.${mark.course_id}`.length > 64 && mark.lesson_id === undefined) return invalid('course_id', 'is too long for a record without a lesson')
  if (mark.lesson_id !== undefined && !ID.test(mark.lesson_id)) return invalid('lesson_id', 'must be an identifier')
  if (mark.held_on !== undefined && !isDate(mark.held_on)) return invalid('held_on', 'must be a date such as 2024-01-15')
  if ((mark.lesson_id === undefined) !== (mark.held_on === undefined)) return invalid('held_on', 'must be sent together with lesson_id, or both left out')
  if (mark.mark_id !== undefined && !UUID.test(mark.mark_id)) return invalid('mark_id', 'must be a UUID')
  if (!(mark.confidence >= 0 && mark.confidence <= 1)) return invalid('confidence', 'must be between 0 and 1')
  const age = receivedAt.getTime() - Date.parse(mark.timestamp)
  if (Number.isNaN(age)) return invalid('timestamp', 'must be an ISO 8601 instant with a zone, such as 2024-01-15T09:05:23Z')
  if (age > OLDEST_DAYS * 86_400_000) return refused('timestamp_out_of_range', 'timestamp', `is more than ${OLDEST_DAYS} days ago`)
  if (age < -NEWEST_HOURS * 3_600_000) return refused('timestamp_out_of_range', 'timestamp', `is more than ${NEWEST_HOURS} hours ahead`)
  return undefined
}

function isDate(text: string): boolean {
  return DATE.test(text) && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().startsWith(text)
}

/** Instants as they travel; `from` inclusive, `to` exclusive. */
export interface HistoryBounds { from: string; to: string; limit: number }

/** Newest first: the lessons in which something was recorded of the student. Undefined: no such student. */
export async function studentHistory(db: Database, id: string, bounds: HistoryBounds, now: Date): Promise<StudentHistory | undefined> {
  const [student] = await db.sql<StudentHistory['student'][]>`SELECT student_id, first_name, last_name FROM students WHERE student_id = ${id}`
  if (!student) return undefined
  return { student, from: utc(bounds.from), to: utc(bounds.to), records: await records(db, { student_id: id }, bounds, now) }
}

/** Newest first: what was recorded in the course's lessons. Undefined: no such course. */
export async function courseHistory(db: Database, id: string, bounds: HistoryBounds, now: Date): Promise<CourseHistory | undefined> {
  const [course] = await db.sql<CourseHistory['course'][]>`SELECT course_id, course_code, course_name FROM courses WHERE course_id = ${id}`
  if (!course) return undefined
  return { course, from: utc(bounds.from), to: utc(bounds.to), records: await records(db, { course_id: id }, bounds, now) }
}

function records(db: Database, of: { student_id: string } | { course_id: string }, bounds: HistoryBounds, now: Date): Promise<HistoryEntry[]> {
  return historyEntries(db, of, { ...bounds, from: utc(bounds.from), to: utc(bounds.to) }, now)
}

function utc(instant: string): string {
  return new Date(instant).toISOString()
}
