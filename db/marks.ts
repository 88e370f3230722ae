/**
 * Marks into the record, exactly once, and out of it as histories. Knows no rule of what makes a mark unsound (mark-fault.ts) and
 * no sentence for the office (set-aside.ts).
 *
 * [Note: The key is the rule] A mark is known by (held_on, lesson_id, student_id), the primary key of
 * attendance_logs, and by its mark_id, the key of mark_ids: the first holds the month that the mark is in, the
 * second is one over all months. A replay, a second device, two servers at once or the same mark with another date meet one
 * of the two and change nothing; no code here remembers what it has seen.
 *
 * [Note: A doubt comes beside its mark] A mark is never changed. A kiosk that comes to doubt one sends it again with
 * the doubt; the mark is then a duplicate, and the doubt is kept in mark_doubts by the same statement, under a key
 * of its own. So the answer that names the mark is the doubt's receipt too.
 *
 * [Note: What came of a storage] A kiosk numbers the marks of its storage. The numbers of those that have a final outcome here
 * are kept in device_stores.received, by the statement that gives the outcome: what the kiosk let go of and is not
 * among them is lost, and heartbeats.ts says so.
 */
import type { AttendanceRecord, RefusalCode } from '#contract/attendance'
import type { CourseHistory, StudentHistory } from '#contract/register'
import { arrayLiteral } from './array-literal.ts'
import type { Database } from './connect.ts'
import { batchOf, receivedOf } from './mark-batch.ts'
import type { MarkRow, Received } from './mark-batch.ts'
import { refusal } from './mark-fault.ts'
import type { Sheet } from './mark-fault.ts'
import { announceRegisters, historyEntries } from './registers.ts'
import type { HistoryBounds, HistoryPlace, LessonKey } from './registers.ts'
import { setAside } from './set-aside.ts'
import type { Refused } from './set-aside.ts'

/** `store_id`: the storage that the mark's sequence counts in. */
export type NewMark = AttendanceRecord & { device_id: string; store_id?: string | undefined }

export type MarkOutcome = { outcome: 'stored' | 'duplicate' } | { outcome: 'refused'; code: RefusalCode; field: string; message: string }

/** A record without a lesson counts for the lesson that begins within these minutes. */
const EARLY_MINUTES = 10

/** A statement that meets another transaction's locks the wrong way round, or a student erased meanwhile, is as good as not sent. */
const RETRIED = new Set(['40001', '40P01', '23503'])
const ATTEMPTS = 3

const STORED: MarkOutcome = { outcome: 'stored' }

/**
 * Answers in the order of `marks`, each for itself, when they are committed: one statement for all that are well formed.
 * What is refused is set aside before it is answered, unless `keepRefused` is false. Throws only when the database cannot be
 * written; some of the marks may be stored then, and are duplicates when they come again.
 */
export async function insertMarks(db: Database, marks: NewMark[], receivedAt: Date, { keepRefused = true }: { keepRefused?: boolean } = {}): Promise<MarkOutcome[]> {
  if (marks.length === 0) return []
  const batch = batchOf(marks, receivedAt)
  const outcomes = batch.faults
  const changed = new Map<string, LessonKey>()
  let last: LessonKey | undefined
  const change = (held_on: string, lesson_id: string): void => {
    if (last?.lesson_id === lesson_id && last.held_on === held_on) return
    last = { held_on, lesson_id }
    changed.set(`${held_on} ${lesson_id}`, last)
  }

  let { sheets, rows } = batch
  let received = receivedOf(marks)
  for (let attempt = 1; rows.length > 0 || received.length > 0; attempt++) {
    if (attempt > ATTEMPTS) throw new Error('a doubted mark is on record, and its place is not seen')
    const tellings = new Map((await write(db, { sheets, rows, received }, receivedAt)).map((telling) => [telling.place, telling]))
    const again: number[] = []
    let place = 0
    for (const { mark, index } of rows) {
      const telling = tellings.get(++place)
      if (telling?.outcome === 'unseen') again.push(index)
      else outcomes[index] = telling ? outcomeOf(telling.outcome, mark) : STORED
      if (telling?.doubted_on && telling.doubted_in) change(telling.doubted_on, telling.doubted_in)
      if (telling && telling.outcome !== 'stored') continue
      const held_on = telling?.held_on ?? mark.held_on
      const lesson_id = telling?.lesson_id ?? mark.lesson_id
      if (held_on && lesson_id) change(held_on, lesson_id)
    }
    const rest = batchOf(again.flatMap((index) => marks[index] ?? []), receivedAt)
    sheets = rest.sheets
    rows = rest.rows.map((row) => ({ ...row, index: again[row.index] ?? row.index }))
    received = []
  }
  // The marks are safe; a screen that misses this news reads it with the next.
  if (changed.size > 0) announce(db, changed)

  if (keepRefused) await keepWhatIsRefused(db, marks, outcomes, receivedAt)
  return outcomes.map((outcome) => {
    if (!outcome) throw new Error('a mark was left without an outcome')
    return outcome
  })
}

async function keepWhatIsRefused(db: Database, marks: NewMark[], outcomes: (MarkOutcome | undefined)[], receivedAt: Date): Promise<void> {
  const refused: Refused[] = []
  for (const [index, outcome] of outcomes.entries()) {
    const mark = marks[index]
    if (!mark || outcome?.outcome !== 'refused') continue
    const { device_id, store_id: _store, ...record } = mark
    refused.push({ record, device_id, code: outcome.code, field: outcome.field, reason: outcome.message })
  }
  if (refused.length > 0) await setAside(db, refused, receivedAt)
}

/**
 * Notes that marks of these storages have their final outcome, for marks that never come to insertMarks: refused by the
 * contract, or set aside by the recorder. See [Note: What came of a storage].
 */
export async function saveReceived(db: Database, marks: Pick<NewMark, 'device_id' | 'store_id' | 'sequence'>[], receivedAt: Date): Promise<void> {
  const received = receivedOf(marks)
  if (received.length > 0) await write(db, { sheets: [], rows: [], received }, receivedAt)
}

/** For marks that were refused for good and never come to insertMarks: kept for the office, and counted for the storage that they came from. */
export async function setAsideMarks(db: Database, refused: readonly Refused[], now: Date): Promise<void> {
  await setAside(db, refused, now)
  await saveReceived(db, refused.flatMap(({ record, device_id, store_id }) => (device_id === undefined ? [] : sequenceOf(record, device_id, store_id))), now)
}

const LARGEST_SEQUENCE = 2_147_483_646

/** Where it can be read at all: what else is in the record does not matter. Empty: it cannot. */
export function sequenceOf(record: unknown, device_id: string, store_id: string | undefined): { device_id: string; store_id: string; sequence: number }[] {
  const sequence = typeof record === 'object' && record !== null && 'sequence' in record ? record.sequence : undefined
  if (store_id === undefined || typeof sequence !== 'number' || !Number.isInteger(sequence) || sequence < 1 || sequence > LARGEST_SEQUENCE) return []
  return [{ device_id, store_id, sequence }]
}

/** What there is to say of a mark beyond "stored, in the lesson that it names". */
interface Telling {
  /** Of its row, from 1. */
  place: number
  /** `unseen`: the doubt of a mark that another transaction was just writing; to be asked again. */
  outcome: 'stored' | 'duplicate' | 'unseen' | 'unknown_student' | 'unknown_course' | 'unknown_lesson' | 'other_course' | 'other_time'
  held_on: string | null
  lesson_id: string | null
  /** The lesson in which the mark is newly doubted, or null. */
  doubted_on: string | null
  doubted_in: string | null
}

/**
 * One statement for all. Each column travels as one array: PostgreSQL reads them several times faster than JSON. What is gated by a count
 * (of marks that were new, of marks that were sent) is compared only where something came a second time.
 *
 * Everything is written in one order, the same for all: mark_ids, marks, doubts, storages, each by its key. Two batches with
 * the same marks then wait for each other, and never in a ring.
 */
async function write(db: Database, batch: { sheets: Sheet[]; rows: MarkRow[]; received: Received[] }, receivedAt: Date, attempt = 1): Promise<Telling[]> {
  const { sheets, rows, received } = batch
  const shared = (of: (sheet: Sheet) => string | undefined): string => arrayLiteral(sheets, of)
  const column = (of: (row: MarkRow) => string | number | undefined): string => arrayLiteral(rows, of)
  const at = receivedAt.toISOString()
  try {
    return await db.sql<Telling[]>`
      -- Kept apart from what uses it, so that the plan does not depend on how many marks there are: then it is made once, and not for each batch.
      WITH columns AS MATERIALIZED (
        SELECT ${sheets.length}::integer AS sheets,
          ${shared((sheet) => sheet.device_id)}::text::text[] AS device_id,
          ${shared((sheet) => sheet.course_id)}::text::text[] AS course_id,
          ${shared((sheet) => sheet.lesson_id)}::text::text[] AS lesson_id,
          ${shared((sheet) => sheet.held_on)}::text::date[] AS held_on,
          ${shared((sheet) => sheet.model)}::text::text[] AS model,
          ${shared((sheet) => sheet.method)}::text::text[] AS method,
          ${rows.length}::integer AS marks,
          ${column(({ sheet }) => sheet)}::text::integer[] AS sheet,
          ${column(({ mark }) => mark.student_id)}::text::text[] AS student_id,
          ${column((row) => row.at)}::text::bigint[] AS at,
          ${column(({ mark }) => mark.clock_offset_ms)}::text::double precision[] AS clock_offset_ms,
          ${column(({ mark }) => mark.confidence)}::text::double precision[] AS confidence,
          ${column(({ mark }) => mark.mark_id)}::text::uuid[] AS mark_id,
          ${column(({ mark }) => mark.doubt)}::text::text[] AS doubt
      ), sheets AS MATERIALIZED (
        -- As wire_id here, and once for a sheet: as text they would be matched with its pattern for each mark.
        SELECT h.sheet, h.lesson_id::wire_id AS lesson_id, CASE WHEN h.lesson_id IS NULL THEN 'unscheduled.' || c.course_id END::wire_id AS unscheduled,
          h.held_on, h.model, h.method, c.course_id, d.device_id, d.classroom_id AS device_room,
          l.lesson_id IS NOT NULL AS timetabled, l.course_id AS taught, l.classroom_id::wire_id AS classroom_id, l.starts_at, l.ends_at
        -- The planner takes generate_series for a thousand rows and arrays alone for ten, and would then compare each mark with each.
        FROM columns k CROSS JOIN LATERAL ROWS FROM (
          generate_series(1, k.sheets), unnest(k.device_id), unnest(k.course_id), unnest(k.lesson_id), unnest(k.held_on), unnest(k.model), unnest(k.method)
        ) AS h (sheet, device_id, course_id, lesson_id, held_on, model, method)
        LEFT JOIN courses c ON c.course_id = h.course_id
        LEFT JOIN devices d ON d.device_id = h.device_id
        LEFT JOIN LATERAL (SELECT o.* FROM lessons_on(h.held_on) o WHERE o.lesson_id = h.lesson_id) l ON true
      ), sent AS MATERIALIZED (
        SELECT r.place, r.sheet, s.student_id, to_timestamp(r.at / 1000.0::double precision) AS "timestamp", to_timestamp((r.at - r.clock_offset_ms) / 1000.0) AS device_timestamp, r.confidence, r.mark_id, r.doubt
        FROM columns k CROSS JOIN LATERAL ROWS FROM (
          generate_series(1, k.marks), unnest(k.sheet), unnest(k.student_id), unnest(k.at), unnest(k.clock_offset_ms), unnest(k.confidence), unnest(k.mark_id), unnest(k.doubt)
        ) AS r (place, sheet, student_id, at, clock_offset_ms, confidence, mark_id, doubt)
        LEFT JOIN students s ON s.student_id = r.student_id
      ), unnamed AS MATERIALIZED (
        SELECT r.place, r."timestamp", h.course_id, h.device_room, (r."timestamp" AT TIME ZONE z.time_zone)::date AS local_date
        FROM sheets h JOIN sent r ON r.sheet = h.sheet
        CROSS JOIN (SELECT coalesce((SELECT time_zone FROM school), 'UTC') AS time_zone) z
        WHERE h.lesson_id IS NULL AND EXISTS (SELECT FROM sheets WHERE lesson_id IS NULL)
      ), near AS MATERIALIZED (
        SELECT l.lesson_id::wire_id AS lesson_id, l.held_on, l.course_id, l.classroom_id::wire_id AS classroom_id, l.starts_at, l.ends_at
        FROM (SELECT DISTINCT course_id, local_date + n AS held_on FROM unnamed CROSS JOIN generate_series(-1, 1) n) k
        CROSS JOIN LATERAL lessons_on(k.held_on) l
        WHERE l.course_id = k.course_id
      ), found AS (
        SELECT DISTINCT ON (r.place) r.place, r.local_date, f.lesson_id, f.held_on, f.classroom_id
        FROM unnamed r
        LEFT JOIN near f ON f.course_id = r.course_id AND f.ends_at > r."timestamp" AND f.starts_at <= r."timestamp" + ${EARLY_MINUTES} * interval '1 minute'
        ORDER BY r.place, f.classroom_id = r.device_room DESC NULLS LAST, f.starts_at <= r."timestamp" DESC, f.starts_at, f.lesson_id
      ), placed AS (
        SELECT r.place, r.student_id, h.course_id, r."timestamp", r.device_timestamp, r.confidence, r.mark_id, h.model, h.method, r.doubt, h.device_id, h.lesson_id IS NOT NULL AS named,
          coalesce(h.held_on, f.held_on, f.local_date) AS held_on,
          coalesce(h.lesson_id, f.lesson_id, h.unscheduled) AS lesson_id,
          coalesce(h.classroom_id, f.classroom_id, h.device_room) AS classroom_id,
          CASE
            WHEN r.student_id IS NULL THEN 'unknown_student'
            WHEN h.course_id IS NULL THEN 'unknown_course'
            WHEN h.lesson_id IS NULL THEN NULL
            WHEN h.lesson_id = 'unscheduled.' || h.course_id THEN
              CASE WHEN abs(h.held_on - (r."timestamp" AT TIME ZONE z.time_zone)::date) > 1 THEN 'other_time' END
            WHEN NOT h.timetabled THEN 'unknown_lesson'
            WHEN h.taught <> h.course_id THEN 'other_course'
            WHEN r."timestamp" < h.starts_at - interval '1 day' OR r."timestamp" > h.ends_at + interval '1 day' THEN 'other_time'
          END AS fault
        FROM sent r
        JOIN sheets h ON h.sheet = r.sheet
        LEFT JOIN found f ON f.place = r.place
        CROSS JOIN (SELECT coalesce((SELECT time_zone FROM school), 'UTC') AS time_zone) z
      ), judged AS MATERIALIZED (
        SELECT p.*, p.fault IS NULL AS good FROM placed p
      ), claimed AS MATERIALIZED (
        INSERT INTO mark_ids AS i (mark_id, student_id, held_on, lesson_id)
        SELECT mark_id, student_id, held_on, lesson_id FROM judged WHERE good AND mark_id IS NOT NULL
        ORDER BY mark_id, student_id, place
        ON CONFLICT DO NOTHING
        RETURNING i.mark_id, i.student_id, i.held_on, i.lesson_id
      ), fresh AS (
        -- Nearly always all of them are: then nothing is compared.
        SELECT j.* FROM judged j
        WHERE j.good AND (SELECT count(*) FROM claimed) = (SELECT count(mark_id) FROM judged WHERE good)
        UNION ALL
        SELECT j.* FROM judged j
        LEFT JOIN claimed c ON c.mark_id = j.mark_id AND c.student_id = j.student_id AND c.held_on = j.held_on AND c.lesson_id = j.lesson_id
        WHERE j.good AND (j.mark_id IS NULL OR c.mark_id IS NOT NULL)
          AND (SELECT count(*) FROM claimed) < (SELECT count(mark_id) FROM judged WHERE good)
      ), first AS MATERIALIZED (
        SELECT DISTINCT ON (held_on, lesson_id, student_id) * FROM fresh ORDER BY held_on, lesson_id, student_id, place
      ), written AS MATERIALIZED (
        INSERT INTO attendance_logs AS a (student_id, course_id, "timestamp", device_timestamp, confidence, mark_id, lesson_id, held_on, classroom_id, device_id, model, method, received_at)
        SELECT student_id, course_id, "timestamp", device_timestamp, confidence, mark_id, lesson_id, held_on, classroom_id, device_id, model, method, ${at}::timestamptz
        FROM first
        ORDER BY held_on, lesson_id, student_id
        ON CONFLICT (held_on, lesson_id, student_id) DO NOTHING
        RETURNING a.held_on, a.lesson_id, a.student_id
      ), stored AS (
        SELECT f.place FROM first f WHERE (SELECT count(*) FROM written) = (SELECT count(*) FROM first)
        UNION ALL
        SELECT f.place FROM first f JOIN written w ON w.held_on = f.held_on AND w.lesson_id = f.lesson_id AND w.student_id = f.student_id
        WHERE (SELECT count(*) FROM written) < (SELECT count(*) FROM first)
      ), doubtful AS MATERIALIZED (
        -- Beside the mark that is on record: the same mark may have come before with another date. NULL: it is being written now, and not seen.
        SELECT j.place, j.student_id, j.doubt, j.device_id,
          CASE WHEN j.mark_id IS NULL THEN j.held_on ELSE coalesce(c.held_on, k.held_on) END AS held_on,
          CASE WHEN j.mark_id IS NULL THEN j.lesson_id ELSE coalesce(c.lesson_id, k.lesson_id) END AS lesson_id
        FROM judged j
        LEFT JOIN claimed c ON c.mark_id = j.mark_id AND c.student_id = j.student_id
        LEFT JOIN LATERAL (SELECT i.held_on, i.lesson_id FROM mark_ids i WHERE i.mark_id = j.mark_id AND i.student_id = j.student_id LIMIT 1) k ON true
        WHERE j.good AND j.doubt IS NOT NULL
      ), doubted AS MATERIALIZED (
        INSERT INTO mark_doubts AS b (held_on, lesson_id, student_id, doubt, device_id, received_at)
        SELECT held_on, lesson_id, student_id, doubt, device_id, ${at}::timestamptz
        FROM doubtful WHERE held_on IS NOT NULL AND (SELECT count(*) FROM written) >= 0
        ORDER BY held_on, lesson_id, student_id, doubt
        ON CONFLICT DO NOTHING
        RETURNING b.held_on, b.lesson_id
      ), counted AS (
        INSERT INTO device_stores AS s (device_id, store_id, first_at, last_at, received)
        SELECT d.device_id, r.store_id, ${at}::timestamptz, ${at}::timestamptz, r.sequences
        FROM unnest(${arrayLiteral(received, ({ device_id }) => device_id)}::text::text[], ${arrayLiteral(received, ({ store_id }) => store_id)}::text::uuid[],
          ${arrayLiteral(received, ({ sequences }) => sequences)}::text::int4multirange[]) AS r (device_id, store_id, sequences)
        JOIN devices d ON d.device_id = r.device_id
        WHERE (SELECT count(*) FROM written) >= 0 AND (SELECT count(*) FROM doubted) >= 0
        ORDER BY d.device_id, r.store_id
        ON CONFLICT (device_id, store_id) DO UPDATE SET received = s.received + excluded.received, last_at = greatest(s.last_at, excluded.last_at)
        WHERE NOT s.received @> excluded.received
      )
      SELECT j.place,
        coalesce(j.fault, CASE WHEN s.place IS NOT NULL THEN 'stored' WHEN b.place IS NOT NULL AND b.held_on IS NULL THEN 'unseen' ELSE 'duplicate' END) AS outcome,
        j.held_on::text AS held_on, j.lesson_id, n.held_on::text AS doubted_on, n.lesson_id AS doubted_in
      FROM judged j
      LEFT JOIN stored s ON s.place = j.place
      LEFT JOIN doubtful b ON b.place = j.place
      LEFT JOIN (SELECT DISTINCT held_on, lesson_id FROM doubted) n ON n.held_on = b.held_on AND n.lesson_id = b.lesson_id
      WHERE (s.place IS NULL OR NOT j.named OR b.place IS NOT NULL)
        AND ((SELECT count(*) FROM written) < ${rows.length} OR EXISTS (SELECT FROM doubtful) OR EXISTS (SELECT FROM sheets WHERE lesson_id IS NULL))`
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (attempt < ATTEMPTS && RETRIED.has(code)) return write(db, batch, receivedAt, attempt + 1)
    throw error
  }
}

function outcomeOf(outcome: Exclude<Telling['outcome'], 'unseen'>, mark: NewMark): MarkOutcome {
  switch (outcome) {
    case 'stored':
    case 'duplicate':
      return { outcome }
    case 'unknown_student':
      return refusal('unknown_student', 'student_id', `there is no student ${mark.student_id}`)
    case 'unknown_course':
      return refusal('unknown_course', 'course_id', `there is no course ${mark.course_id}`)
    case 'unknown_lesson':
      return refusal('unknown_lesson', 'lesson_id', `the timetable has no lesson ${mark.lesson_id} on ${mark.held_on}`)
    case 'other_course':
      return refusal('unknown_lesson', 'lesson_id', `lesson ${mark.lesson_id} is not a lesson of course ${mark.course_id}`)
    case 'other_time':
      return refusal('unknown_lesson', 'held_on', `lesson ${mark.lesson_id} of ${mark.held_on} is more than a day from ${mark.timestamp}`)
  }
}

/** What is to be told while the announcement before is under way, for each database. */
const untold = new WeakMap<Database, Map<string, LessonKey>>()

/** Nobody waits for the news, and at 9 AM one announcement tells of many batches. */
function announce(db: Database, changed: Map<string, LessonKey>): void {
  const waiting = untold.get(db)
  if (waiting) {
    for (const [name, key] of changed) waiting.set(name, key)
    return
  }
  untold.set(db, new Map())
  void announceRegisters(db, [...changed.values()]).catch(() => {}).then(() => {
    const next = untold.get(db)
    untold.delete(db)
    if (next && next.size > 0) announce(db, next)
  })
}

/** Newest first: the lessons in which something was recorded of the student. Undefined: no such student. */
export async function studentHistory(db: Database, id: string, bounds: HistoryBounds, now: Date): Promise<Paged<StudentHistory> | undefined> {
  const { entries, next } = await records(db, { student_id: id }, bounds, now)
  // Each entry names its student: who the student is is asked only where there is none.
  const [student] = entries.length > 0 ? entries : await db.sql<StudentHistory['student'][]>`SELECT student_id, first_name, last_name FROM students WHERE student_id = ${id}`
  if (!student) return undefined
  const { student_id, first_name, last_name } = student
  return { student: { student_id, first_name, last_name }, from: utc(bounds.from), to: utc(bounds.to), records: entries, next }
}

/** Newest first: what was recorded in the course's lessons. Undefined: no such course. */
export async function courseHistory(db: Database, id: string, bounds: HistoryBounds, now: Date): Promise<Paged<CourseHistory> | undefined> {
  const [course] = await db.sql<CourseHistory['course'][]>`SELECT course_id, course_code, course_name FROM courses WHERE course_id = ${id}`
  if (!course) return undefined
  const { entries, next } = await records(db, { course_id: id }, bounds, now)
  return { course, from: utc(bounds.from), to: utc(bounds.to), records: entries, next }
}

/** `next`: the place after which there is more; how it travels is the server's. */
type Paged<History> = Omit<History, 'next'> & { next: HistoryPlace | undefined }

function records(db: Database, of: { student_id: string } | { course_id: string }, bounds: HistoryBounds, now: Date): ReturnType<typeof historyEntries> {
  return historyEntries(db, of, { ...bounds, from: utc(bounds.from), to: utc(bounds.to) }, now)
}

function utc(instant: string): string {
  return new Date(instant).toISOString()
}
