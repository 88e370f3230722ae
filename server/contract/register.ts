/** One lesson's list of students with their status, and how people change it. */
import { z } from 'zod'
import { Doubt, MarkMethod } from './attendance.ts'
import { CourseId, Instant, LessonId, SchoolDate, StudentId } from './ids.ts'
import { Lesson } from './schedule.ts'

/** What a person may set. */
export const CorrectedStatus = z.enum(['present', 'late', 'absent', 'excused'])
export type CorrectedStatus = z.infer<typeof CorrectedStatus>

/**
 * `expected`: the lesson is not over and the student not seen. `not_taken`: it is over, the student
 * was not seen and nobody took the register (no healthy kiosk, no teacher), so "absent" would be invented.
 */
export const Status = z.enum(['present', 'late', 'absent', 'excused', 'expected', 'not_taken'])
export type Status = z.infer<typeof Status>

/** A mark this many minutes after the start, or later, is late. */
export const LATE_AFTER_MINUTES = 10

export const Correction = z.object({
  status: CorrectedStatus,
  note: z.string(),
  corrected_by: z.string(),
  corrected_at: Instant,
})
export type Correction = z.infer<typeof Correction>

export const RegisterEntry = z.object({
  student_id: StudentId,
  first_name: z.string(),
  last_name: z.string(),
  status: Status,
  /** What the camera saw; stays as it was, whatever is corrected. */
  mark: z
    .object({
      timestamp: Instant,
      confidence: z.number(),
      device_id: z.string().nullable(),
      model: z.string().nullable(),
      /** One that a newer server knows and this app does not is left unsaid: a register is read all the same. */
      method: MarkMethod.nullable().catch(null).default(null),
      doubt: Doubt.nullable().default(null),
    })
    .nullable(),
  /** Newest first; the first one decides the status. */
  corrections: z.array(Correction),
})
export type RegisterEntry = z.infer<typeof RegisterEntry>

export const LessonSummary = Lesson.omit({ student_ids: true }).extend({
  enrolled: z.int(),
  /** Students with status present or late. */
  here: z.int(),
  /** True when a healthy kiosk watched the lesson or a teacher took the register. */
  taken: z.boolean(),
})
export type LessonSummary = z.infer<typeof LessonSummary>

/** Answer of `GET /api/v1/lessons?date=` (default: the school's today). */
export const Lessons = z.object({ date: SchoolDate, time_zone: z.string(), now: Instant, lessons: z.array(LessonSummary) })
export type Lessons = z.infer<typeof Lessons>

/** Answer of `GET /api/v1/lessons/{held_on}/{lesson_id}`, and each `register` event of its `/events` stream. */
export const Register = z.object({ lesson: LessonSummary, time_zone: z.string(), now: Instant, entries: z.array(RegisterEntry) })
export type Register = z.infer<typeof Register>

/** Body of `POST /api/v1/lessons/{held_on}/{lesson_id}/corrections`. Appends; nothing is overwritten. */
export const CorrectionRequest = z.object({
  student_id: StudentId,
  status: CorrectedStatus,
  note: z.string().max(500).default(''),
})
export type CorrectionRequest = z.infer<typeof CorrectionRequest>

/** One line of a history: a lesson and what was recorded of one student in it. */
export const HistoryEntry = z.object({
  student_id: StudentId,
  first_name: z.string(),
  last_name: z.string(),
  course_id: CourseId,
  lesson_id: LessonId,
  held_on: SchoolDate,
  status: Status,
  /** The mark's instant; null where only a person recorded something. */
  timestamp: Instant.nullable(),
  confidence: z.number().nullable(),
  corrections: z.array(Correction),
})
export type HistoryEntry = z.infer<typeof HistoryEntry>

/** Query of both histories: instants, `from` inclusive and `to` exclusive; default the last 90 days. */
const HistoryQuery = z.object({
  from: Instant.optional(),
  to: Instant.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
  /** `next` of the page before: only older ones than its last. The pages stay whole while marks arrive. */
  before: z.string().regex(/^[A-Za-z0-9_-]{1,400}$/, 'must be `next` of the page before, as it was told').optional(),
  /** Only what stands as this. */
  status: CorrectedStatus.optional(),
  lesson_id: LessonId.optional(),
})

/** Query of a student's history. */
export const StudentHistoryQuery = HistoryQuery.extend({ course_id: CourseId.optional() })
export type StudentHistoryQuery = z.infer<typeof StudentHistoryQuery>

/** Query of a course's history. */
export const CourseHistoryQuery = HistoryQuery.extend({ student_id: StudentId.optional() })
export type CourseHistoryQuery = z.infer<typeof CourseHistoryQuery>

/** Answer of `GET /api/v1/attendance/student/{id}`: newest first. */
export const StudentHistory = z.object({
  student: z.object({ student_id: StudentId, first_name: z.string(), last_name: z.string() }),
  from: Instant,
  to: Instant,
  records: z.array(HistoryEntry),
  /** Absent: there is no more. Else the same request with this as `before` gives the next page. */
  next: z.string().optional(),
})
export type StudentHistory = z.infer<typeof StudentHistory>

/** Answer of `GET /api/v1/attendance/course/{id}`: newest first. */
export const CourseHistory = z.object({
  course: z.object({ course_id: CourseId, course_code: z.string(), course_name: z.string() }),
  from: Instant,
  to: Instant,
  records: z.array(HistoryEntry),
  /** Absent: there is no more. Else the same request with this as `before` gives the next page. */
  next: z.string().optional(),
})
export type CourseHistory = z.infer<typeof CourseHistory>
