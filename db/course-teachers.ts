/** Which courses a teacher may see. Knows no request and no right. */
import type { Database } from './connect.ts'

/** Of an account: the courses that it teaches, by id. */
export async function coursesTaught(db: Database, account_id: number): Promise<string[]> {
  const taught = await db.sql<{ course_id: string }[]>`SELECT course_id FROM course_teachers WHERE account_id = ${account_id} ORDER BY course_id COLLATE "C"`
  return taught.map(({ course_id }) => course_id)
}

export async function teachesCourse(db: Database, account_id: number, course_id: string): Promise<boolean> {
  const found = await db.sql`SELECT FROM course_teachers WHERE account_id = ${account_id} AND course_id = ${course_id}`
  return found.length > 0
}

/** Also a student who has left the course since: what they did in it is in its registers. */
export async function teachesStudent(db: Database, account_id: number, student_id: string): Promise<boolean> {
  const found = await db.sql`
    SELECT FROM course_teachers t JOIN enrollments e USING (course_id)
    WHERE t.account_id = ${account_id} AND e.student_id = ${student_id} LIMIT 1`
  return found.length > 0
}
