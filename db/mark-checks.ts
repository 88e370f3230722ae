/** Marks by face, and what people said of those that were drawn. Knows not which are drawn: server/mark-sample.ts does. */
import type { CheckAnswer } from '#contract/mark-check'
import type { Database } from './connect.ts'
import { iso } from './registers.ts'
import type { LessonKey } from './registers.ts'
import { storable } from './storable.ts'

/** Whose face the kiosk says it knew, and nothing else was asked. Apps from before methods were told mark by face alone. */
const BY_FACE = "coalesce(m.method, 'face') = 'face'"

export interface FaceMark {
  student_id: string
  first_name: string
  last_name: string
  timestamp: string
  /** The newest. */
  answer: CheckAnswer | null
}

/** Of a lesson, by student. Undefined: the timetable has no such lesson on that date. */
export async function faceMarks({ sql }: Database, { held_on, lesson_id }: LessonKey): Promise<{ course_id: string; marks: FaceMark[] } | undefined> {
  const [lesson] = await sql<{ course_id: string }[]>`SELECT course_id FROM lessons_held(${held_on}::date, ${held_on}::date) WHERE lesson_id = ${lesson_id}`
  if (!lesson) return undefined
  const marks = await sql<FaceMark[]>`
    SELECT m.student_id, s.first_name, s.last_name, ${iso(sql, sql`m."timestamp"`)} AS timestamp,
      (SELECT c.answer FROM mark_checks c WHERE c.held_on = m.held_on AND c.lesson_id = m.lesson_id AND c.student_id = m.student_id ORDER BY c.check_id DESC LIMIT 1) AS answer
    FROM attendance_logs m JOIN students s ON s.student_id = m.student_id
    WHERE m.held_on = ${held_on}::date AND m.lesson_id = ${lesson_id} AND ${sql.unsafe(BY_FACE)}
    ORDER BY m.student_id COLLATE "C"`
  return { course_id: lesson.course_id, marks }
}

export async function saveCheck(db: Database, { held_on, lesson_id }: LessonKey, check: { student_id: string; answer: CheckAnswer; checked_by: string }, now: Date): Promise<void> {
  await db.sql`
    INSERT INTO mark_checks (held_on, lesson_id, student_id, answer, checked_by, checked_at)
    VALUES (${held_on}::date, ${lesson_id}, ${check.student_id}, ${check.answer}, ${storable(check.checked_by)}, ${now.toISOString()}::timestamptz)`
}

/** One lesson's part of the sample. */
export interface CheckedLesson {
  /** By face. */
  marks: number
  right: number
  wrong: number
}

/** Lessons of the last `days` days in which somebody said yes or no, and the first date that counts. */
export async function checkedLessons({ sql }: Database, days: number, now: Date): Promise<{ from: string; lessons: CheckedLesson[] }> {
  const [school] = await sql<{ from: string }[]>`SELECT ((${now.toISOString()}::timestamptz AT TIME ZONE time_zone)::date - ${days}::integer)::text AS "from" FROM school`
  if (!school) throw new Error('there is no school')
  const lessons = await sql<CheckedLesson[]>`
    WITH newest AS (
      SELECT DISTINCT ON (c.held_on, c.lesson_id, c.student_id) c.held_on, c.lesson_id, c.answer
      FROM mark_checks c WHERE c.held_on >= ${school.from}::date
      ORDER BY c.held_on, c.lesson_id, c.student_id, c.check_id DESC
    ), said AS (
      SELECT held_on, lesson_id, count(*) FILTER (WHERE answer = 'yes')::integer AS right, count(*) FILTER (WHERE answer = 'no')::integer AS wrong
      FROM newest WHERE answer <> 'unknown' GROUP BY held_on, lesson_id
    )
    SELECT said.right, said.wrong,
      (SELECT count(*)::integer FROM attendance_logs m WHERE m.held_on = said.held_on AND m.lesson_id = said.lesson_id AND ${sql.unsafe(BY_FACE)}) AS marks
    FROM said`
  return { from: school.from, lessons }
}
