/** Identifiers and instants as they travel: strings that people type, URLs carry and SQL compares. */
import { z } from 'zod'

const Id = z
  .string()
  .min(1, 'must not be empty')
  .max(64, 'must be at most 64 characters')
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must be letters, digits, dots, dashes or underscores')

export const StudentId = Id
export const CourseId = Id
export const RoomId = Id
export const DeviceId = Id

/** One meeting of a course on a date: `<schedule_id>` of the timetable row, or `unscheduled.<course_id>`. With held_on and student it is a mark's key. */
export const LessonId = Id

/** An instant, ISO 8601 with zone; whole milliseconds. */
export const Instant = z.iso.datetime({ offset: true, error: 'must be an ISO 8601 instant with a zone, such as 2024-01-15T09:05:23Z' })

/** A calendar date in the school's zone. */
export const SchoolDate = z.iso.date({ error: 'must be a date such as 2024-01-15' })

/** Time-ordered, made where the thing happened: a replay carries the same id. */
export const Uuid = z.uuid()
