/** Records that were refused for good and are kept with their reason, for the office to record after all or to dismiss. */
import { z } from 'zod'
import { Instant, LessonId, SchoolDate } from './ids.ts'

export const SetAside = z.object({
  set_aside_id: z.int(),
  /** As it was sent. */
  record: z.unknown(),
  /** Null: the sender could not be read. */
  device_id: z.string().nullable(),
  /** The sender's room; null: the school has no such device. */
  room_id: z.string().nullable(),
  /** A RefusalCode, or one that a later server knows. */
  code: z.string(),
  /** What was wrong with it; empty: nothing in particular. */
  field: z.string(),
  reason: z.string(),
  first_at: Instant,
  last_at: Instant,
  /** How often it came. */
  times: z.int().min(1),
  /** What the record says, as far as it can be read, and whom the school knows by it. */
  says: z.object({
    student_id: z.string().nullable(),
    student_name: z.string().nullable(),
    course_id: z.string().nullable(),
    course_name: z.string().nullable(),
    timestamp: z.string().nullable(),
    held_on: z.string().nullable(),
    lesson_id: z.string().nullable(),
  }),
  /** False: it cannot be read as a mark of a known device, and can only be dismissed. */
  recordable: z.boolean(),
})
export type SetAside = z.infer<typeof SetAside>

export const SetAsideQuery = z.object({
  limit: z.coerce.number().pipe(z.int().min(1).max(200)).default(50),
  /** Only older ones than this set_aside_id: the last of the page before. */
  before: z.coerce.number().pipe(z.int().min(1).max(2_147_483_647)).optional(),
})

/** Answer of `GET /api/v1/set-aside`: the open ones, the newest first. */
export const SetAsideList = z.object({
  now: Instant,
  time_zone: z.string(),
  /** All that are open, on this page or not. */
  open: z.int().min(0),
  entries: z.array(SetAside),
})
export type SetAsideList = z.infer<typeof SetAsideList>

/**
 * Body of `POST /api/v1/set-aside/{id}/record`. Empty: as it was sent. A timestamp: seen then, in the lesson that the timetable has
 * for it. A lesson: seen in that one, at the time that the record says or, where that lies outside of it, as it began.
 */
export const RecordRequest = z
  .strictObject({ timestamp: Instant.optional(), held_on: SchoolDate.optional(), lesson_id: LessonId.optional() })
  .refine(({ held_on, lesson_id }) => (held_on === undefined) === (lesson_id === undefined), { path: ['held_on'], message: 'must be sent together with lesson_id, or both left out' })
  .refine(({ timestamp, lesson_id }) => timestamp === undefined || lesson_id === undefined, { path: ['timestamp'], message: 'must be left out where a lesson is named' })
export type RecordRequest = z.infer<typeof RecordRequest>

/** `duplicate`: the student had been marked in that lesson already, which is as good. */
export const RecordedAnswer = z.object({ set_aside_id: z.int(), outcome: z.enum(['stored', 'duplicate']) })
export type RecordedAnswer = z.infer<typeof RecordedAnswer>

export const DismissedAnswer = z.object({ set_aside_id: z.int(), outcome: z.literal('dismissed') })
export type DismissedAnswer = z.infer<typeof DismissedAnswer>
