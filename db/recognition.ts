/** What is on record about recognition as a whole: who has a face, and which lessons to come are watched by a kiosk. */
import type { Recognition, WithoutFace } from '#contract/recognition'
import type { Database } from './connect.ts'
import { saveConfirmation } from './look-alikes.ts'
import { iso } from './registers.ts'

export type RecognitionRecord = Pick<Recognition, 'students' | 'with_face' | 'without_face' | 'lessons_left'>

/** @param model the one that kiosks compare with. @param weeks how far ahead lessons are counted. */
export async function recognitionRecord(db: Database, model: string, weeks: number, now: Date): Promise<RecognitionRecord> {
  return db.sql.begin('ISOLATION LEVEL REPEATABLE READ READ ONLY', async (sql): Promise<RecognitionRecord> => {
    const [counts] = await sql<{ students: number; with_face: number }[]>`
      SELECT count(*)::integer AS students,
        (count(*) FILTER (WHERE EXISTS (SELECT FROM templates t WHERE t.student_id = s.student_id AND t.model = ${model})))::integer AS with_face
      FROM students s`
    const without = await sql<{ student_id: string; first_name: string; last_name: string; why: WithoutFace }[]>`
      SELECT s.student_id, s.first_name, s.last_name,
        CASE WHEN NOT EXISTS (SELECT FROM consents c WHERE c.student_id = s.student_id AND c.withdrawn_at IS NULL) THEN 'no_consent'
             WHEN EXISTS (SELECT FROM templates t WHERE t.student_id = s.student_id) THEN 'old_model'
             ELSE 'no_template' END AS why
      FROM students s
      WHERE NOT EXISTS (SELECT FROM templates t WHERE t.student_id = s.student_id AND t.model = ${model})
      ORDER BY s.last_name, s.first_name, s.student_id COLLATE "C"`
    const [lessons] = await sql<Recognition['lessons_left'][]>`
      WITH period AS (
        SELECT (${now.toISOString()}::timestamptz AT TIME ZONE time_zone)::date AS from_date, (${now.toISOString()}::timestamptz AT TIME ZONE time_zone)::date + 7 * ${weeks}::integer AS to_date FROM school
      ), watched AS MATERIALIZED (
        SELECT DISTINCT d.classroom_id FROM devices d WHERE d.revoked_at IS NULL
      ), known AS MATERIALIZED (
        SELECT DISTINCT e.course_id FROM enrollments e JOIN templates t ON t.student_id = e.student_id AND t.model = ${model} WHERE e.enrolled_to IS NULL
      )
      SELECT p.from_date::text AS "from", p.to_date::text AS "to",
        (SELECT count(*)::integer FROM lessons_held(p.from_date, p.to_date) l
         WHERE l.ends_at > ${now.toISOString()}::timestamptz
           AND l.classroom_id IN (SELECT classroom_id FROM watched) AND l.course_id IN (SELECT course_id FROM known)) AS count
      FROM period p`
    if (!counts || !lessons) throw new Error('there is no school')
    return { ...counts, without_face: [...without], lessons_left: lessons }
  }) as Promise<RecognitionRecord>
}

/** Puts on record that they are two people. @returns who said so first, and when; undefined: one of them is no student */
export async function confirmDifferent(db: Database, pair: readonly [string, string], by: string, now: Date): Promise<{ confirmed_by: string; confirmed_at: string } | undefined> {
  return db.sql.begin(async (sql) => {
    const known = await sql`SELECT student_id FROM students WHERE student_id IN (${pair[0]}, ${pair[1]}) ORDER BY student_id FOR KEY SHARE`
    if (known.length < 2) return undefined
    await saveConfirmation(sql, pair, by, now)
    const [kept] = await sql<{ confirmed_by: string; confirmed_at: string }[]>`
      SELECT confirmed_by, ${iso(sql, sql`confirmed_at`)} AS confirmed_at FROM confirmed_different
      WHERE (student_a, student_b) IN ((${pair[0]}, ${pair[1]}), (${pair[1]}, ${pair[0]}))`
    return kept
  }) as Promise<{ confirmed_by: string; confirmed_at: string } | undefined>
}
