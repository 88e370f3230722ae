/**
 * Lessons and their registers as people read and correct them. What a status is, is decided in one
 * place only: register_entries() in migrations/. Nothing here decides it again.
 */
import type { Doubt, MarkMethod } from '#contract/attendance'
import type { Correction, CorrectedStatus, HistoryEntry, Lessons, LessonSummary, Register, RegisterEntry, Status } from '#contract/register'
import type postgres from 'postgres'
import type { Database } from './connect.ts'
import { storable } from './storable.ts'

export interface LessonKey { held_on: string; lesson_id: string }

/** The lessons that start on this date, and the registers' sums. `date` undefined: the school's today. */
export async function lessonsOn(db: Database, date: string | undefined, now: Date): Promise<Lessons> {
  const at = now.toISOString()
  const [school] = await db.sql<{ date: string; time_zone: string }[]>`
    SELECT coalesce(${date ?? null}::date, (${at}::timestamptz AT TIME ZONE time_zone)::date)::text AS date, time_zone FROM school`
  if (!school) throw new Error('the database has no school row')
  return { date: school.date, time_zone: school.time_zone, now: at, lessons: await summaries(db.sql, school.date, at) }
}

/** Undefined: the timetable has no such lesson on that date. */
export async function register(db: Database, heldOn: string, lessonId: string, now: Date): Promise<Register | undefined> {
  const at = now.toISOString()
  // One snapshot, so that lesson and entries are of one moment.
  return db.sql.begin('ISOLATION LEVEL REPEATABLE READ READ ONLY', async (sql) => {
    const [held] = await sql<(Omit<LessonSummary, 'enrolled' | 'here'> & { time_zone: string })[]>`
      SELECT ${lessonColumns(sql)}, (SELECT time_zone FROM school) AS time_zone
      FROM lessons_held(${heldOn}::date, ${heldOn}::date) l JOIN courses c ON c.course_id = l.course_id
      WHERE l.lesson_id = ${lessonId}`
    if (!held) return undefined
    const rows = await sql<(EntryRow & HowMarked & { enrolled: boolean })[]>`
      SELECT ${entryColumns(sql)}, x.enrolled, m.method,
        -- Of two doubts the graver one.
        (SELECT d.doubt FROM mark_doubts d
         WHERE d.held_on = m.held_on AND d.lesson_id = m.lesson_id AND d.student_id = m.student_id
         ORDER BY d.doubt = 'looks_like_a_picture' DESC LIMIT 1) AS doubt
      FROM register_entries(${heldOn}::date, ${heldOn}::date, ${at}::timestamptz, ${lessonId}, NULL, NULL) x
      JOIN students s ON s.student_id = x.student_id
      LEFT JOIN attendance_logs m ON m.held_on = ${heldOn}::date AND m.lesson_id = ${lessonId} AND m.student_id = x.student_id
      ORDER BY s.last_name COLLATE "C", s.first_name COLLATE "C", s.student_id COLLATE "C"`
    const { time_zone, ...lesson } = held
    const enrolled = rows.filter((row) => row.enrolled).length
    const here = rows.filter(({ status }) => status === 'present' || status === 'late').length
    return { lesson: { ...lesson, enrolled, here }, time_zone, now: at, entries: rows.map((row) => entryOf(row, row)) }
  }) as Promise<Register | undefined>
}

function summaries(sql: Database['sql'], date: string, at: string): Promise<LessonSummary[]> {
  return sql<LessonSummary[]>`
    SELECT ${lessonColumns(sql)}, coalesce(x.enrolled, 0)::integer AS enrolled, coalesce(x.here, 0)::integer AS here
    FROM lessons_held(${date}::date, ${date}::date) l
    JOIN courses c ON c.course_id = l.course_id
    LEFT JOIN (
      SELECT e.lesson_id, count(*) FILTER (WHERE e.enrolled) AS enrolled, count(*) FILTER (WHERE e.status IN ('present', 'late')) AS here
      FROM register_entries(${date}::date, ${date}::date, ${at}::timestamptz, NULL, NULL, NULL) e GROUP BY e.lesson_id
    ) x ON x.lesson_id = l.lesson_id
    ORDER BY l.starts_at, l.classroom_id COLLATE "C", l.lesson_id COLLATE "C"`
}

/** Columns of a LessonSummary, but for its sums, from lessons_held AS l and courses AS c. */
function lessonColumns(sql: Database['sql'] | postgres.TransactionSql) {
  return sql`l.lesson_id, l.held_on::text AS held_on, l.course_id, c.course_code, c.course_name, l.classroom_id AS room_id,
    ${iso(sql, sql`l.starts_at`)} AS starts_at, ${iso(sql, sql`l.ends_at`)} AS ends_at,
    register_taken(l.held_on, l.lesson_id, l.starts_at, l.ends_at) AS taken`
}

/**
 * Adds a correction; what was there stays. False: the timetable has no such lesson on that date, or
 * there is no such student. A student who is not enrolled may be corrected in (a guest in the lesson).
 */
export async function saveCorrection(
  db: Database,
  { held_on, lesson_id }: LessonKey,
  { student_id, status, note, corrected_by }: { student_id: string; status: CorrectedStatus; note: string; corrected_by: string },
  now: Date,
): Promise<boolean> {
  const saved = await db.sql`
    INSERT INTO corrections (held_on, lesson_id, student_id, status, note, corrected_by, corrected_at)
    SELECT l.held_on, l.lesson_id, s.student_id, ${status}, ${storable(note)}, ${storable(corrected_by)}, ${now.toISOString()}::timestamptz
    FROM lessons_held(${held_on}::date, ${held_on}::date) l
    JOIN students s ON s.student_id = ${student_id}
    WHERE l.lesson_id = ${lesson_id}
    RETURNING correction_id`
  if (saved.length === 0) return false
  await announceRegisters(db, [{ held_on, lesson_id }]).catch(() => {})
  return true
}

/** A mark is at most a day from its lesson, a lesson ends at most a day after its date, and zones are at most a day apart; and one to spare. */
const DAYS_APART = 4

/** The place of an entry in a history, which nothing that arrives later moves: its lesson's date and start (without a timetabled one its mark's instant), lesson and student. */
export interface HistoryPlace {
  held_on: string
  starts_at: string
  lesson_id: string
  student_id: string
}

/** Instants as they travel; `from` inclusive, `to` exclusive. */
export interface HistoryBounds {
  from: string
  to: string
  limit: number
  /** Only what comes after this place: the last one of the page before. */
  after?: HistoryPlace
  /** Only what stands as this. */
  status?: Status | undefined
  course_id?: string | undefined
  student_id?: string | undefined
  lesson_id?: string | undefined
  /** Only of the courses that the timetable teaches in this room. */
  room_id?: string
  /** Only of the courses that this account teaches. */
  taught_by?: number
}

/**
 * The lessons in which something was recorded (a mark, a correction, or "absent" where the register was
 * taken), the newest lesson first. A lesson counts at its mark's instant, without one at its start. `next`: the place after
 * which there is more.
 */
export async function historyEntries(
  db: Database,
  of: { student_id: string } | { course_id: string },
  { from, to, limit, after, status, room_id, taught_by, ...only }: HistoryBounds,
  now: Date,
): Promise<{ entries: HistoryEntry[]; next: HistoryPlace | undefined }> {
  const student = 'student_id' in of ? of.student_id : (only.student_id ?? null)
  const course = 'course_id' in of ? of.course_id : (only.course_id ?? null)
  const lesson = only.lesson_id ?? null
  const { sql } = db
  const mayBeTold = (column: postgres.PendingQuery<postgres.Row[]>) => sql`
    ${room_id === undefined ? sql`true` : sql`${column} IN (SELECT t.course_id FROM schedules t WHERE t.classroom_id = ${room_id})`}
    AND ${taught_by === undefined ? sql`true` : sql`${column} IN (SELECT t.course_id FROM course_teachers t WHERE t.account_id = ${taught_by})`}`
  // Each mark is an entry: where there are as many as are asked for, nothing older than the oldest of them needs to be looked
  // at. Of dates so far within the bounds that every mark is within them: then an index knows the answer, and no mark is read
  // only to be counted. What a mark's status is an index does not know.
  const oldestNeeded = status !== undefined || lesson !== null ? sql`NULL` : sql`(
    SELECT m.held_on FROM attendance_logs m
    WHERE ${student === null ? sql`true` : sql`m.student_id = ${student}`} AND ${course === null ? sql`true` : sql`m.course_id = ${course}`}
      AND m.held_on BETWEEN ${from}::timestamptz::date + ${DAYS_APART}::integer AND ${to}::timestamptz::date - ${DAYS_APART}::integer AND ${mayBeTold(sql`m.course_id`)}
      AND ${after === undefined ? sql`true` : sql`m.held_on < ${after.held_on}::date`}
    ORDER BY m.held_on DESC OFFSET ${limit} LIMIT 1)`
  const newestNeeded = sql`least((${to}::timestamptz AT TIME ZONE school.time_zone)::date + 2, ${after?.held_on ?? null}::date)`
  const comesAfter = after === undefined ? sql`true` : sql`
    (e.held_on < ${after.held_on}::date OR ${placeOf(sql)} < ${after.starts_at}::timestamptz OR (${placeOf(sql)} = ${after.starts_at}::timestamptz
      AND (e.lesson_id COLLATE "C", e.student_id COLLATE "C") > (${after.lesson_id}, ${after.student_id})))`
  // Of one student it is cheap to know on which dates there is any correction at all: on few.
  const mayBeCorrected = student === null ? sql`true` : sql`x.held_on = ANY (ARRAY(SELECT c.held_on FROM corrections c WHERE c.student_id = ${student}))`
  const rows = await sql<(EntryRow & Pick<HistoryEntry, 'course_id' | 'lesson_id' | 'held_on'> & { place: string })[]>`
    SELECT ${entryColumns(sql, mayBeCorrected)}, x.course_id, x.lesson_id, x.held_on::text AS held_on, ${iso(sql, sql`x.place`)} AS place
    FROM (
      SELECT e.*, ${placeOf(sql)} AS place
      FROM school
      CROSS JOIN LATERAL register_entries(
        greatest((${from}::timestamptz AT TIME ZONE school.time_zone)::date - 2, ${oldestNeeded}), ${newestNeeded},
        ${now.toISOString()}::timestamptz, ${lesson}::text, ${course}::text, ${student}::text) e
      WHERE ${status === undefined ? sql`e.status NOT IN ('expected', 'not_taken')` : sql`e.status = ${status}`}
        AND coalesce(e."timestamp", e.starts_at) >= ${from}::timestamptz AND coalesce(e."timestamp", e.starts_at) < ${to}::timestamptz AND ${mayBeTold(sql`e.course_id`)}
        AND ${comesAfter}
      ORDER BY e.held_on DESC, place DESC, e.lesson_id COLLATE "C", e.student_id COLLATE "C"
      LIMIT ${limit + 1}
    ) x
    JOIN students s ON s.student_id = x.student_id
    ORDER BY x.held_on DESC, x.place DESC, x.lesson_id COLLATE "C", x.student_id COLLATE "C"`
  const page = rows.slice(0, limit)
  const entries = page.map((row): HistoryEntry => {
    const { student_id, first_name, last_name, status, mark, corrections } = entryOf(row)
    const { course_id, lesson_id, held_on } = row
    return { student_id, first_name, last_name, course_id, lesson_id, held_on, status, timestamp: mark?.timestamp ?? null, confidence: mark?.confidence ?? null, corrections }
  })
  const last = page.at(-1)
  const next = rows.length > limit && last ? { held_on: last.held_on, starts_at: last.place, lesson_id: last.lesson_id, student_id: last.student_id } : undefined
  return { entries, next }
}

/** Of register_entries AS e. To the millisecond, as it travels. */
function placeOf(sql: Database['sql']) {
  return sql`date_trunc('milliseconds', coalesce(e.starts_at, e."timestamp"))`
}

interface EntryRow {
  student_id: string
  first_name: string
  last_name: string
  status: Status
  timestamp: string | null
  confidence: number | null
  device_id: string | null
  model: string | null
  corrections: Correction[]
}

/** What a register says of a mark and a history does not. */
interface HowMarked {
  method: MarkMethod | null
  doubt: Doubt | null
}

/** Columns of an EntryRow from register_entries AS x and students AS s. Corrections are looked for only where `mayBeCorrected`. */
function entryColumns(sql: Database['sql'] | postgres.TransactionSql, mayBeCorrected = sql`true`) {
  return sql`s.student_id, s.first_name, s.last_name, x.status, ${iso(sql, sql`x."timestamp"`)} AS timestamp, x.confidence, x.device_id, x.model,
    CASE WHEN ${mayBeCorrected} THEN (
      SELECT coalesce(json_agg(json_build_object('status', c.status, 'note', c.note, 'corrected_by', c.corrected_by, 'corrected_at', ${iso(sql, sql`c.corrected_at`)})
                               ORDER BY c.corrected_at DESC, c.correction_id DESC), '[]')
      FROM corrections c WHERE c.held_on = x.held_on AND c.lesson_id = x.lesson_id AND c.student_id = x.student_id) ELSE '[]' END AS corrections`
}

function entryOf({ student_id, first_name, last_name, status, timestamp, confidence, device_id, model, corrections }: EntryRow, how: HowMarked = { method: null, doubt: null }): RegisterEntry {
  const mark = timestamp === null || confidence === null ? null : { timestamp, confidence, device_id, model, method: how.method, doubt: how.doubt }
  return { student_id, first_name, last_name, status, mark, corrections }
}

/** A timestamptz as it travels: UTC, whole milliseconds. */
export function iso(sql: Database['sql'] | postgres.TransactionSql, instant: postgres.PendingQuery<postgres.Row[]>) {
  return sql`to_char(${instant} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
}

const CHANNEL = 'register_changed'

/** Tells every server's watchers that these registers are to be read again. News need not survive a power cut, so its commit waits for no disk. */
export async function announceRegisters(db: Database, keys: LessonKey[]): Promise<void> {
  if (keys.length === 0) return
  await db.sql`
    SELECT set_config('synchronous_commit', 'off', true), pg_notify(${CHANNEL}, k.held_on || ' ' || k.lesson_id)
    FROM jsonb_to_recordset(${JSON.stringify(keys)}::text::jsonb) AS k (held_on text, lesson_id text)`
}

/**
 * Calls `onChange` after each committed mark or correction of a lesson, whichever server wrote it.
 * A lost connection is made again by itself; news of the time between is lost. The answer stops it.
 */
export async function watchRegisters(db: Database, onChange: (key: LessonKey) => void): Promise<() => Promise<void>> {
  const { unlisten } = await db.sql.listen(CHANNEL, (payload) => {
    const [held_on, lesson_id] = payload.split(' ')
    if (held_on && lesson_id) onChange({ held_on, lesson_id })
  })
  return unlisten
}
