/** Students, their consent and their templates, and who may sign in to see them. */
import { z } from 'zod'
import { CourseId, Instant, StudentId } from './ids.ts'
import { NearStudent } from './look-alike.ts'
import { DEFAULT_MODEL, ModelEmbedding } from './model.ts'
import { SchoolPolicy } from './policy.ts'

export const Name = z.string().trim().min(1, 'must not be empty').max(100)

export const Student = z.object({
  student_id: StudentId,
  first_name: z.string(),
  last_name: z.string(),
  email: z.string().nullable(),
  course_ids: z.array(CourseId),
  /** In force; null: none. The whole ledger is consent.ts' matter. */
  consent: z.object({ statement: z.string(), given_by: z.string(), given_at: Instant }).nullable(),
  /** Whether a guardian must consent for this student. */
  guardian_required: z.boolean().default(false),
  /** Templates on record, by model. Never the templates themselves. */
  templates: z.array(z.object({ model: z.string(), count: z.int(), enrolled_at: Instant })),
  /** When the PIN was set; null: the student has none. Never the PIN itself. */
  pin_set_at: Instant.nullable().default(null),
  /** When the card in force was made; null: the student has none. Never what stands on it. */
  card_made_at: Instant.nullable().default(null),
})
export type Student = z.infer<typeof Student>

/** Answer of `GET /api/v1/students`. */
export const Students = z.object({
  students: z.array(Student),
  /** The embedding model that this school uses: whoever enrols makes templates of it, or of none. */
  model: z.string().default(DEFAULT_MODEL),
  /** The school's: under `no-biometrics` nobody is enrolled. */
  policy: SchoolPolicy.default('default'),
})

/** Body of `PUT /api/v1/students/{id}`: adds the student, or changes the name and address. */
export const StudentRequest = z.object({
  first_name: Name,
  last_name: Name,
  email: z.email().nullable().default(null),
})

export const Course = z.object({ course_id: CourseId, course_code: z.string(), course_name: z.string(), department: z.string(), credits: z.number(), student_ids: z.array(StudentId) })
export type Course = z.infer<typeof Course>
export const Courses = z.object({ courses: z.array(Course) })

/** Body of `PUT /api/v1/courses/{id}/students`: who is enrolled from now on, replaced whole. */
export const EnrolmentRequest = z.object({ student_ids: z.array(StudentId).max(5000) })

/** Body of `PUT /api/v1/students/{id}/templates`: replaces the student's templates of these models. Refused without consent on record. */
export const TemplatesRequest = z.object({
  templates: z.array(ModelEmbedding).min(1, 'must hold at least one template').max(10, 'must hold at most 10 templates'),
  /** Students whose face is this one's and who are other people all the same (twins): it is kept who said so, and when. */
  confirmed_different_from: z.array(StudentId).max(20, 'must hold at most 20 students').default([]),
})
export type TemplatesRequest = z.infer<typeof TemplatesRequest>

/**
 * The student as they are now, and the students whose faces are near: enrolled all the same, and asked
 * for a second factor. A face that is another student's is not stored: 409 `same_person`.
 */
export const TemplatesAnswer = Student.extend({ look_alikes: z.array(NearStudent).default([]) })
export type TemplatesAnswer = z.infer<typeof TemplatesAnswer>

/** Body of `POST /api/v1/students/{id}/verify`: is this face the one on record? Nothing is stored. */
export const VerifyRequest = ModelEmbedding
export type VerifyRequest = z.infer<typeof VerifyRequest>

export const VerifyAnswer = z.object({
  /** Highest cosine with one of the student's templates of the same model; null: there is none. */
  similarity: z.number().nullable(),
  /** The recognition threshold that the kiosks use. */
  threshold: z.number(),
  match: z.boolean(),
})
export type VerifyAnswer = z.infer<typeof VerifyAnswer>

export const Pin = z.string().regex(/^[0-9]{4,6}$/, 'must be 4 to 6 digits')

/** Body of `PUT /api/v1/students/{id}/pin`: a PIN of the office's choice, or one made by the server. `DELETE` takes it away and answers with the student. */
export const PinRequest = z.union([z.strictObject({ pin: Pin }), z.strictObject({ generate: z.literal(true) })], { error: 'must be {"pin": "4 to 6 digits"} or {"generate": true}' })
export type PinRequest = z.infer<typeof PinRequest>

/** The only answer that ever holds the digits: what is kept of them cannot be turned back. */
export const NewPin = z.object({ pin: Pin, student: Student })
export type NewPin = z.infer<typeof NewPin>

/** Of an app that shows codes, or one of the recovery codes: spaces and dashes do not count. */
export const SecondFactorCode = z
  .string()
  .max(40)
  .regex(/^[\s-]*(?:(?:\d[\s-]*){6}|(?:[a-zA-Z0-9][\s-]*){16})$/, 'must be the 6 digits that the app shows, or a recovery code of 16 characters')

/** As it is compared. */
export const plainFactorCode = (code: string): string => code.replaceAll(/[\s-]/g, '').toLowerCase()

/** Body of `POST /api/v1/session`, where `code` is of the second factor, if there is one; answers with a cookie. `DELETE` signs out, `GET` says who is signed in. */
export const SignIn = z.object({ username: z.string().trim().min(1).max(100), password: z.string().min(1).max(200), code: SecondFactorCode.optional() })

/**
 * office: people, devices, enrolment, registers, settings, accounts. teacher: the courses that they teach. privacy: consents,
 * erasure, exports, the audit and the policies, but no register. student: themself.
 */
export const AccountRole = z.enum(['office', 'teacher', 'privacy', 'student'])
export type AccountRole = z.infer<typeof AccountRole>

/** `student_id`: of a student's account alone, whose it is. */
export const Session = z.object({ username: z.string(), role: AccountRole, student_id: StudentId.optional() })
export type Session = z.infer<typeof Session>
