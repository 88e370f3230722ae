/** Attendance over months: of a student, a course, the school. Only lessons that have ended are counted. */
import { z } from 'zod'
import { CourseId, Instant, StudentId } from './ids.ts'

/** A month of lessons' dates, in the school's zone. */
export const Month = z.string().regex(/^(?!0000)\d{4}-(0[1-9]|1[0-2])$/, 'must be a month such as 2026-09')
export type Month = z.infer<typeof Month>

/** Query of all three: both months inclusive; default the school's present month and the eleven before. */
export const ReportQuery = z.object({ from: Month.optional(), to: Month.optional() })

/** How many lessons of how many students stand as what. */
export const AttendanceCounts = z.object({
  present: z.int(),
  late: z.int(),
  absent: z.int(),
  excused: z.int(),
  /** Over, and nobody took the register: not an absence, and in no percentage. */
  not_taken: z.int(),
  /** Present and late, of present, late and absent: 0 to 100 with one decimal; null where nothing counts. */
  percentage: z.number().nullable(),
})
export type AttendanceCounts = z.infer<typeof AttendanceCounts>

const Report = z.object({
  time_zone: z.string(),
  from: Month,
  to: Month,
  total: AttendanceCounts,
  /** Only those in which anything was counted, the earliest first. */
  months: z.array(AttendanceCounts.extend({ month: Month })),
})

const Course = z.object({ course_id: CourseId, course_code: z.string(), course_name: z.string() })
const Student = z.object({ student_id: StudentId, first_name: z.string(), last_name: z.string() })

export const CourseCounts = AttendanceCounts.extend(Course.shape)
export type CourseCounts = z.infer<typeof CourseCounts>
export const StudentCounts = AttendanceCounts.extend(Student.shape)
export type StudentCounts = z.infer<typeof StudentCounts>

/** Answer of `GET /api/v1/reports/student/{id}`: right at `as_of`. Courses by their code. */
export const StudentReport = Report.extend({ as_of: Instant, student: Student, courses: z.array(CourseCounts) })
export type StudentReport = z.infer<typeof StudentReport>

/** Answer of `GET /api/v1/reports/course/{id}`: right at `as_of`. Students with the lowest percentage first. */
export const CourseReport = Report.extend({ as_of: Instant, course: Course, students: z.array(StudentCounts) })
export type CourseReport = z.infer<typeof CourseReport>

/**
 * Answer of `GET /api/v1/reports/school`. Courses with the lowest percentage first. It is made every minute and was
 * right at `as_of`; null: it has never been made yet, and nothing is counted.
 */
export const SchoolReport = Report.extend({ as_of: Instant.nullable(), courses: z.array(CourseCounts) })
export type SchoolReport = z.infer<typeof SchoolReport>
