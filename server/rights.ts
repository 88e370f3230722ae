/**
 * Whose is it: a teacher's own courses, a student's own record. Roles are identity.ts' matter; this is about the object.
 * What is foreign is refused in the same words whether it exists or not. Everybody else is let through.
 */
import { coursesTaught, teachesCourse, teachesStudent } from '../db/course-teachers.ts'
import type { Database } from '../db/connect.ts'
import type { Identity } from './identity.ts'
import { Refusal } from './problem.ts'

/** @throws Refusal `forbidden` for a teacher of none of the student's courses, and for another student. */
export async function refuseForeignStudent(db: Database, identity: Identity, student_id: string): Promise<void> {
  if (identity.kind !== 'person') return
  if (identity.role === 'student' && identity.student_id !== student_id) throw new Refusal('forbidden', `you may see your own record alone, not that of ${student_id}`)
  if (identity.role === 'teacher' && !(await teachesStudent(db, identity.account_id, student_id))) {
    throw new Refusal('forbidden', `you teach no course that ${student_id} takes; the office says who teaches what`)
  }
}

/** @throws Refusal `forbidden` for a teacher of other courses, and for every student. */
export async function refuseForeignCourse(db: Database, identity: Identity, course_id: string): Promise<void> {
  if (identity.kind !== 'person') return
  if (identity.role === 'student') throw new Refusal('forbidden', 'you may see your own record alone, not a course\'s')
  if (identity.role === 'teacher' && !(await teachesCourse(db, identity.account_id, course_id))) {
    throw new Refusal('forbidden', `you do not teach ${course_id}; the office says who teaches what`)
  }
}

/** The account whose courses a list is cut down to; undefined: it is not. */
export function teacherOf(identity: Identity): number | undefined {
  return identity.kind === 'person' && identity.role === 'teacher' ? identity.account_id : undefined
}

/** The same, as the courses. */
export async function onlyCourses(db: Database, identity: Identity): Promise<ReadonlySet<string> | undefined> {
  const teacher = teacherOf(identity)
  return teacher === undefined ? undefined : new Set(await coursesTaught(db, teacher))
}
