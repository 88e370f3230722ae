/**
 * Marks into the record, exactly once, and out of it as histories.
 *
 * [Note: The key is the rule] A mark is known by (held_on, lesson_id, student_id), the primary key of
 * attendance_logs. A replay, a second device or two servers at once meet that key and change nothing;
 * no code here remembers what it has seen.
 *
 * [Note: A doubt comes beside its mark] A mark is never changed. A kiosk that comes to doubt one sends it again with
 * the doubt; the mark is then a duplicate, and the doubt is kept in mark_doubts by the same statement, under a key
 * of its own. So the answer that names the mark is the doubt's receipt too.
 */
import type { AttendanceRecord, Doubt, MarkMethod, RefusalCode } from '#contract/attendance'
import type { CourseHistory, HistoryEntry, StudentHistory } from '#contract/register'
import type { Database } from './connect.ts'
import { announceRegisters, historyEntries } from './registers.ts'
import type { HistoryBounds, LessonKey } from './registers.ts'

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
  const faults = marks.map((mark) => faultOf(mark, receivedAt))
  const sound = marks.filter((_mark, index) => !faults[index])
  const rows = sound.length > 0 ? await insertSound(db, sound, receivedAt) : []
  const changed = new Map<string, LessonKey>()
  for (const { held_on, lesson_id, outcome, doubted } of rows) if (outcome === 'stored' || doubted) changed.set(`${held_on} ${lesson_id}`, { held_on, lesson_id })
  // The marks are safe; a screen that misses this news reads it with the next.
  await announceRegisters(db, [...changed.values()]).catch(() => {})
  let place = 0
  return marks.map((mark, index) => {
    const fault = faults[index]
    if (fault) return fault
    const row = rows[place++]
    if (!row) throw new Error('a mark was left without an outcome')
    return outcomeOf(row, mark)
  })
}

interface InsertedRow {
  held_on: string
  lesson_id: string
  outcome: 'stored' | 'duplicate' | 'unknown_student' | 'unknown_course' | 'unknown_lesson' | 'other_course' | 'other_time'
  /** Something new is doubted in that lesson. */
  doubted: boolean
}

/** In the order of `marks`. Each column travels as one array: PostgreSQL reads them several times faster than JSON. */
async function insertSound(db: Database, marks: NewMark[], receivedAt: Date, attempt = 1): Promise<InsertedRow[]> {
  const column = (of: (mark: NewMark) => string | number | undefined): string => arrayLiteral(marks.map(of))
  try {
    return await db.sql<InsertedRow[]>`
      -- Kept apart from what uses it, so that the plan does not depend on how many marks there are: then it is made once, and not for each batch.
      WITH columns AS MATERIALIZED (
        SELECT ${marks.length}::integer AS marks,
          ${column((mark) => mark.student_id)}::text::text[] AS student_id,
          ${column((mark) => mark.course_id)}::text::text[] AS course_id,
          ${column((mark) => new Date(mark.timestamp).toISOString())}::text::timestamptz[] AS "timestamp",
          ${column((mark) => mark.confidence)}::text::double precision[] AS confidence,
          ${column((mark) => mark.mark_id)}::text::uuid[] AS mark_id,
          ${column((mark) => mark.lesson_id)}::text::text[] AS lesson_id,
          ${column((mark) => mark.held_on)}::text::date[] AS held_on,
          ${column((mark) => mark.model)}::text::text[] AS model,
          ${column((mark) => mark.method)}::text::text[] AS method,
          ${column((mark) => mark.doubt)}::text::text[] AS doubt,
          ${column((mark) => mark.device_id)}::text::text[] AS device_id
      ), sent AS MATERIALIZED (
        SELECT r.place, s.student_id, c.course_id, r."timestamp", r.confidence, r.mark_id, r.lesson_id, r.held_on, r.model, r.method, r.doubt,
          d.device_id, d.classroom_id AS device_room, (r."timestamp" AT TIME ZONE z.time_zone)::date AS local_date
        -- The planner takes generate_series for a thousand rows and arrays alone for ten, and would then compare each mark with each.
        FROM columns k CROSS JOIN LATERAL ROWS FROM (
          generate_series(1, k.marks), unnest(k.student_id), unnest(k.course_id), unnest(k."timestamp"), unnest(k.confidence), unnest(k.mark_id), unnest(k.lesson_id), unnest(k.held_on), unnest(k.model), unnest(k.method), unnest(k.doubt), unnest(k.device_id)
        ) AS r (place, student_id, course_id, "timestamp", confidence, mark_id, lesson_id, held_on, model, method, doubt, device_id)
        CROSS JOIN (SELECT coalesce((SELECT time_zone FROM school), 'UTC') AS time_zone) z
        LEFT JOIN students s ON s.student_id = r.student_id
        LEFT JOIN courses c ON c.course_id = r.course_id
        LEFT JOIN devices d ON d.device_id = r.device_id
      ), named AS MATERIALIZED (
        SELECT l.lesson_id, l.held_on, l.course_id, l.classroom_id, l.starts_at, l.ends_at
        FROM (SELECT DISTINCT held_on, lesson_id FROM sent WHERE lesson_id IS NOT NULL) k
        CROSS JOIN LATERAL lessons_on(k.held_on) l
        WHERE l.lesson_id = k.lesson_id
      ), near AS MATERIALIZED (
        SELECT l.lesson_id, l.held_on, l.course_id, l.classroom_id, l.starts_at, l.ends_at
        FROM (SELECT DISTINCT course_id, local_date + n AS held_on FROM sent CROSS JOIN generate_series(-1, 1) n WHERE lesson_id IS NULL) k
        CROSS JOIN LATERAL lessons_on(k.held_on) l
        WHERE l.course_id = k.course_id
      ), found AS (
        SELECT DISTINCT ON (r.place) r.place, f.lesson_id, f.held_on, f.classroom_id
        FROM sent r
        JOIN near f ON f.course_id = r.course_id AND f.ends_at > r."timestamp" AND f.starts_at <= r."timestamp" + ${EARLY_MINUTES} * interval '1 minute'
        WHERE r.lesson_id IS NULL
        ORDER BY r.place, f.classroom_id = r.device_room DESC NULLS LAST, f.starts_at <= r."timestamp" DESC, f.starts_at, f.lesson_id
      ), placed AS (
        SELECT r.place, r.student_id, r.course_id, r."timestamp", r.confidence, r.mark_id, r.model, r.method, r.doubt, r.device_id,
          coalesce(f.held_on, r.held_on, r.local_date) AS held_on,
          coalesce(f.lesson_id, r.lesson_id, 'unscheduled.' || r.course_id) AS lesson_id,
          coalesce(n.classroom_id, f.classroom_id, r.device_room) AS classroom_id,
          CASE
            WHEN r.student_id IS NULL THEN 'unknown_student'
            WHEN r.course_id IS NULL THEN 'unknown_course'
            WHEN r.lesson_id IS NULL THEN NULL
            WHEN r.lesson_id = 'unscheduled.' || r.course_id THEN
              CASE WHEN abs(r.held_on - r.local_date) > 1 THEN 'other_time' END
            WHEN n.lesson_id IS NULL THEN 'unknown_lesson'
            WHEN n.course_id <> r.course_id THEN 'other_course'
            WHEN r."timestamp" < n.starts_at - interval '1 day' OR r."timestamp" > n.ends_at + interval '1 day' THEN 'other_time'
          END AS fault
        FROM sent r
        LEFT JOIN named n ON n.held_on = r.held_on AND n.lesson_id = r.lesson_id
        LEFT JOIN found f ON f.place = r.place
      ), judged AS MATERIALIZED (
        SELECT p.*, p.fault IS NULL AS good FROM placed p
      ), first AS MATERIALIZED (
        SELECT DISTINCT ON (held_on, lesson_id, student_id) * FROM judged WHERE good ORDER BY held_on, lesson_id, student_id, place
      ), written AS (
        INSERT INTO attendance_logs AS a (student_id, course_id, "timestamp", confidence, mark_id, lesson_id, held_on, classroom_id, device_id, model, method, received_at)
        SELECT student_id, course_id, "timestamp", confidence, mark_id, lesson_id, held_on, classroom_id, device_id, model, method, ${receivedAt.toISOString()}::timestamptz
        FROM first
        -- One order for all: two batches with the same marks then wait for each other, and never in a ring.
        ORDER BY held_on, lesson_id, student_id
        ON CONFLICT (held_on, lesson_id, student_id) DO NOTHING
        RETURNING a.held_on, a.lesson_id, a.student_id
      ), stored AS (
        SELECT f.place FROM first f JOIN written w ON w.held_on = f.held_on AND w.lesson_id = f.lesson_id AND w.student_id = f.student_id
      ), doubted AS (
        INSERT INTO mark_doubts AS b (held_on, lesson_id, student_id, doubt, device_id, received_at)
        SELECT held_on, lesson_id, student_id, doubt, device_id, ${receivedAt.toISOString()}::timestamptz
        FROM judged WHERE good AND doubt IS NOT NULL
        ORDER BY held_on, lesson_id, student_id, doubt
        ON CONFLICT DO NOTHING
        RETURNING b.held_on, b.lesson_id
      )
      SELECT j.held_on::text AS held_on, j.lesson_id,
        coalesce(j.fault, CASE WHEN s.place IS NULL THEN 'duplicate' ELSE 'stored' END) AS outcome,
        j.doubt IS NOT NULL AND (j.held_on, j.lesson_id) IN (SELECT held_on, lesson_id FROM doubted) AS doubted
      FROM judged j
      LEFT JOIN stored s ON s.place = j.place
      ORDER BY j.place`
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (attempt < ATTEMPTS && RETRIED.has(code)) return insertSound(db, marks, receivedAt, attempt + 1)
    throw error
  }
}

/** An array as PostgreSQL reads it; undefined: NULL. No value that faultOf lets through holds a quote or a backslash. */
function arrayLiteral(values: (string | number | undefined)[]): string {
  return `{${values.map((value) => (value === undefined ? 'NULL' : `"${value}"`)).join(',')}}`
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
const METHODS: ReadonlySet<MarkMethod> = new Set(['face', 'face_and_tap', 'face_and_pin', 'pin'])
const DOUBTS: ReadonlySet<Doubt> = new Set(['no_life_seen', 'looks_like_a_picture'])
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
  if (mark.model !== undefined && !ID.test(mark.model)) return invalid('model', 'must be an identifier')
  if (mark.method !== undefined && !METHODS.has(mark.method)) return invalid('method', `must be one of ${[...METHODS].join(', ')}`)
  if (mark.doubt !== undefined && !DOUBTS.has(mark.doubt)) return invalid('doubt', `must be one of ${[...DOUBTS].join(', ')}`)
  if (!(mark.confidence >= 0 && mark.confidence <= 1)) return invalid('confidence', 'must be between 0 and 1')
  const age = receivedAt.getTime() - Date.parse(mark.timestamp)
  if (Number.isNaN(age)) return invalid('timestamp', 'must be an ISO 8601 instant with a zone, such as 2024-01-15T09:05:23Z')
  if (age > OLDEST_DAYS * 86_400_000) return refused('timestamp_out_of_range', 'timestamp', `is more than ${OLDEST_DAYS} days ago`)
  if (age < -NEWEST_HOURS * 3_600_000) return refused('timestamp_out_of_range', 'timestamp', `is more than ${NEWEST_HOURS} hours ahead`)
  return undefined
}

function isDate(text: string): boolean {
  // JavaScript counts a year 0, PostgreSQL does not.
  return DATE.test(text) && !text.startsWith('0000') && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().startsWith(text)
}

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
