/** Students, courses and who takes what; the templates that exist only under consent (consents.ts). */
import { randomUUID } from 'node:crypto'
import type { NearStudent } from '#contract/look-alike'
import type { ModelEmbedding, ModelId } from '#contract/model'
import type { Rotation } from '#contract/rotation'
import type { Course, Student } from '#contract/people'
import type postgres from 'postgres'
import type { Database } from './connect.ts'
import { confirmedOthers, lockComparisons, nearFaces, saveComparison, saveConfirmation } from './look-alikes.ts'
import type { LikenessLevels, NearFace } from './look-alikes.ts'
import { ensureStudentKey, rotationOf } from './keyring.ts'
import type { Keyring } from './keyring.ts'
import { iso } from './registers.ts'
import { openTemplate, sealTemplate } from './sealed-templates.ts'
import { students as studentTable } from './schema.ts'
import { storable } from './storable.ts'

/** All, by id. */
export async function students(db: Database): Promise<Student[]> {
  return studentRows(db.sql, null)
}

export async function student(db: Database, id: string): Promise<Student | undefined> {
  const [found] = await studentRows(db.sql, id)
  return found
}

function studentRows(sql: postgres.Sql, id: string | null): Promise<Student[]> {
  return sql<Student[]>`
    SELECT s.student_id, s.first_name, s.last_name, s.email, coalesce(s.guardian_required, (SELECT guardian_required FROM school), false) AS guardian_required,
      (SELECT coalesce(json_agg(e.course_id ORDER BY e.course_id COLLATE "C"), '[]')
       FROM enrollments e WHERE e.student_id = s.student_id AND e.enrolled_to IS NULL) AS course_ids,
      (SELECT json_build_object('statement', c.statement, 'given_by', c.given_by, 'given_at', ${iso(sql, sql`c.given_at`)})
       FROM consents c WHERE c.student_id = s.student_id AND c.withdrawn_at IS NULL) AS consent,
      (SELECT coalesce(json_agg(json_build_object('model', t.model, 'count', t.count, 'enrolled_at', ${iso(sql, sql`t.enrolled_at`)}) ORDER BY t.model COLLATE "C"), '[]')
       FROM (SELECT model, count(*)::integer AS count, max(enrolled_at) AS enrolled_at FROM templates WHERE student_id = s.student_id GROUP BY model) t) AS templates,
      (SELECT ${iso(sql, sql`p.set_at`)} FROM student_pins p WHERE p.student_id = s.student_id) AS pin_set_at,
      (SELECT ${iso(sql, sql`k.made_at`)} FROM student_cards k WHERE k.student_id = s.student_id) AS card_made_at
    FROM students s
    WHERE s.erased_at IS NULL AND (${id}::text IS NULL OR s.student_id = ${id}::text)
    ORDER BY s.student_id COLLATE "C"`
}

/** Adds the student, or changes the name and address. */
export async function saveStudent(db: Database, id: string, { first_name, last_name, email }: { first_name: string; last_name: string; email: string | null }): Promise<void> {
  const row = { first_name: storable(first_name), last_name: storable(last_name), email: email === null ? null : storable(email) }
  await db.orm.insert(studentTable).values({ student_id: id, ...row }).onConflictDoUpdate({ target: studentTable.student_id, set: row })
}

/** All, by id, with the students enrolled in each. */
export async function courses(db: Database): Promise<Course[]> {
  return db.sql<Course[]>`
    SELECT c.course_id, c.course_code, c.course_name, c.department, c.credits,
      (SELECT coalesce(json_agg(e.student_id ORDER BY e.student_id COLLATE "C"), '[]')
       FROM enrollments e WHERE e.course_id = c.course_id AND e.enrolled_to IS NULL) AS student_ids
    FROM courses c ORDER BY c.course_id COLLATE "C"`
}

/**
 * Who takes the course from `now` on (undefined: the database's clock): those named and nobody else.
 * Undefined: no such course. When some students are unknown they are named and nothing changes.
 */
export async function saveEnrolment(db: Database, courseId: string, studentIds: string[], now?: Date): Promise<{ unknown: string[] } | undefined> {
  return db.sql.begin(async (sql) => {
    // The lock sends two changes of one course through one after the other.
    const [course] = await sql`SELECT course_id FROM courses WHERE course_id = ${courseId} FOR NO KEY UPDATE`
    if (!course) return undefined
    const listed = sql`(SELECT jsonb_array_elements_text(${JSON.stringify(studentIds)}::text::jsonb))`
    const unknown = await sql<{ id: string }[]>`
      SELECT DISTINCT n.id FROM jsonb_array_elements_text(${JSON.stringify(studentIds)}::text::jsonb) AS n (id)
      WHERE NOT EXISTS (SELECT FROM students s WHERE s.student_id = n.id) ORDER BY n.id`
    if (unknown.length > 0) return { unknown: unknown.map((row) => row.id) }
    const at = sql`coalesce(${now?.toISOString() ?? null}::timestamptz, now())`
    await sql`
      UPDATE enrollments SET enrolled_to = greatest(enrolled_from, ${at})
      WHERE course_id = ${courseId} AND enrolled_to IS NULL AND student_id NOT IN ${listed}`
    await sql`
      INSERT INTO enrollments (student_id, course_id, enrolled_from)
      SELECT DISTINCT s.student_id, ${courseId}, ${at} FROM students s
      WHERE s.student_id IN ${listed}
        AND NOT EXISTS (SELECT FROM enrollments e WHERE e.student_id = s.student_id AND e.course_id = ${courseId} AND e.enrolled_to IS NULL)
      ON CONFLICT (course_id, student_id, enrolled_from) DO UPDATE SET enrolled_to = NULL`
    return { unknown: [] }
  }) as Promise<{ unknown: string[] } | undefined>
}

/** What became of templates. `same_person`: faces of other students that are this one's, and nobody has said that they are two people; `unknown_others`: ids in `differentFrom` that are no other student's. In all cases but `saved` nothing was written. */
export type SavedTemplates =
  | { outcome: 'saved'; look_alikes: NearStudent[] }
  | { outcome: 'unknown_student' }
  | { outcome: 'consent_missing' }
  | { outcome: 'unknown_others'; ids: string[] }
  | { outcome: 'same_person'; others: NearStudent[] }

/** How a face is compared with the school's, and what a person has said about it. */
export interface Comparison {
  levels: LikenessLevels
  /** Students who are other people, whatever their faces say; `by` has said so. */
  differentFrom?: readonly string[]
  by?: string
}

/**
 * Replaces the student's templates of the models that are named; other models' stay. A withdrawal at
 * the same moment either comes first, and this is refused, or waits, and erases what this wrote.
 *
 * 1. wait for whoever saves templates at this moment; 2. the student, under consent; 3. turn them by the school's rotation,
 * in which alone they are kept and compared; 4. compare with the whole school, and refuse the same person;
 * 5. write templates, sealed, pairs and what was confirmed, together.
 */
export async function saveTemplates(db: Database, keyring: Keyring, studentId: string, templates: ModelEmbedding[], now: Date, { levels, differentFrom = [], by = '' }: Comparison): Promise<SavedTemplates> {
  return db.sql.begin(async (sql): Promise<SavedTemplates> => {
    await lockComparisons(sql)
    // The student's row is the lock against a withdrawal: of the two the later one has the last word.
    const [known] = await sql`SELECT student_id FROM students WHERE student_id = ${studentId} FOR NO KEY UPDATE`
    if (!known) return { outcome: 'unknown_student' }
    const [consent] = await sql`SELECT consent_id FROM consents WHERE student_id = ${studentId} AND withdrawn_at IS NULL FOR SHARE`
    if (!consent) return { outcome: 'consent_missing' }
    const others = await sql<{ student_id: string }[]>`
      SELECT student_id FROM students WHERE student_id <> ${studentId} AND student_id IN (SELECT jsonb_array_elements_text(${JSON.stringify(differentFrom)}::text::jsonb))`
    const unknown = differentFrom.filter((id) => !others.some(({ student_id }) => student_id === id))
    if (unknown.length > 0) return { outcome: 'unknown_others', ids: unknown }

    const turned = []
    for (const { model, embedding } of templates) turned.push({ model, embedding: (await rotationOf(sql, keyring, model)).rotate(embedding) })
    const found = await nearFaces(sql, keyring, studentId, turned, levels.look_alike)
    const confirmed = await confirmedOthers(sql, studentId, found.map(({ student_id }) => student_id))
    const same = found.filter(({ student_id, similarity }) => similarity >= levels.same_person && !confirmed.has(student_id) && !differentFrom.includes(student_id))
    if (same.length > 0) return { outcome: 'same_person', others: nearStudents(same) }

    const models = [...new Set(templates.map((template) => template.model))]
    await sql`DELETE FROM templates WHERE student_id = ${studentId} AND model IN (SELECT jsonb_array_elements_text(${JSON.stringify(models)}::text::jsonb))`
    const key = await ensureStudentKey(sql, keyring, studentId)
    for (const { model, embedding } of turned) {
      const row = { template_id: randomUUID(), student_id: studentId, model }
      await sql`INSERT INTO templates (template_id, student_id, model, sealed, enrolled_at) VALUES (${row.template_id}, ${studentId}, ${model}, ${sealTemplate(key, row, embedding)}, ${now.toISOString()}::timestamptz)`
    }
    await saveComparison(sql, key, studentId, turned, found, now)
    for (const other of differentFrom) await saveConfirmation(sql, [studentId, other], by, now)
    return { outcome: 'saved', look_alikes: nearStudents(found) }
  }) as Promise<SavedTemplates>
}

/** Each once, by the model that puts it nearest; the nearest first. */
function nearStudents(found: readonly NearFace[]): NearStudent[] {
  const once = new Map<string, NearStudent>()
  for (const { model: _, ...student } of found) if (!once.has(student.student_id)) once.set(student.student_id, student)
  return [...once.values()]
}

/** Whether the timetable ever teaches this course, or a course that this student takes or took, in the room. */
export async function roomTeaches(db: Database, roomId: string, of: { student_id: string } | { course_id: string }): Promise<boolean> {
  const { sql } = db
  const course = 'course_id' in of ? sql`s.course_id = ${of.course_id}` : sql`s.course_id IN (SELECT e.course_id FROM enrollments e WHERE e.student_id = ${of.student_id})`
  const [answer] = await sql<{ teaches: boolean }[]>`SELECT EXISTS (SELECT FROM schedules s WHERE s.classroom_id = ${roomId} AND ${course}) AS teaches`
  return answer?.teaches ?? false
}

/** A template with its numbers: to be compared, in this process, with a face that was turned alike, and sent nowhere. */
export interface KeptTemplate {
  model: ModelId
  embedding: Float32Array
  rotation: Rotation
}

/** Only under a consent in force. Undefined: no such student. */
export async function templatesOf(db: Database, keyring: Keyring, studentId: string): Promise<KeptTemplate[] | undefined> {
  const [known] = await db.sql`SELECT FROM students WHERE student_id = ${studentId}`
  if (!known) return undefined
  // One statement: templates and the rotation that turned them.
  const rows = await db.sql<{ template_id: string; model: ModelId; sealed: Buffer; key: Buffer; seed: Buffer }[]>`
    SELECT t.template_id, t.model, t.sealed, k.wrapped AS key, r.wrapped AS seed FROM templates t
    JOIN consents c ON c.student_id = t.student_id AND c.withdrawn_at IS NULL
    JOIN keyring.students k ON k.student_id = t.student_id
    JOIN keyring.rotations r ON r.model = t.model
    WHERE t.student_id = ${studentId}`
  const kept: KeptTemplate[] = []
  for (const { template_id, model, sealed, key: wrapped, seed } of rows) {
    const key = keyring.unwrapKey(studentId, wrapped)
    const embedding = key && openTemplate(key, { template_id, student_id: studentId, model }, sealed)
    if (embedding) kept.push({ model, embedding, rotation: await keyring.rotation(model, seed) })
    else keyring.unopened({ student_id: studentId, model })
  }
  return kept
}
