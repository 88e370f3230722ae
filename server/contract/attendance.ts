/** Marks on the wire: what scripts have always sent, and what our kiosk adds to it. */
import { z } from 'zod'
import { CourseId, DeviceId, Instant, LessonId, SchoolDate, StudentId, Uuid } from './ids.ts'
import { ModelId } from './model.ts'

/** At most so many records in one POST: a kiosk's whole day is sent in several. */
export const MAX_RECORDS = 500

/** How a mark came about: the face alone; the face, with a tap, a PIN or a card (QR); a PIN alone; a card alone. */
export const MarkMethod = z.enum(['face', 'face_and_tap', 'face_and_pin', 'pin', 'face_and_qr', 'qr'])
export type MarkMethod = z.infer<typeof MarkMethod>

/** Whether a face was part of it. */
export const showsFace = (method: MarkMethod): boolean => method !== 'pin' && method !== 'qr'

/** Why a teacher should look at a mark: the face showed no life (a picture?), or moved like a picture. */
export const Doubt = z.enum(['no_life_seen', 'looks_like_a_picture'])
export type Doubt = z.infer<typeof Doubt>

/** A Pi without a battery for its clock may wake up in 1970. */
export const MAX_CLOCK_OFFSET_MS = 100 * 366 * 86_400_000

export const AttendanceRecord = z.object({
  student_id: StudentId,
  course_id: CourseId,
  timestamp: Instant,
  /** Cosine of the match, 0 to 1. */
  confidence: z.number().min(0, 'must be between 0 and 1').max(1, 'must be between 0 and 1'),
  /** UUIDv7 made by the kiosk with the mark. */
  mark_id: Uuid.optional(),
  /** Both or neither; without them the server finds the lesson in the timetable. */
  lesson_id: LessonId.optional(),
  held_on: SchoolDate.optional(),
  model: ModelId.optional(),
  /** Absent from a script's record: it does not say. */
  method: MarkMethod.optional(),
  /** May arrive with the mark or later, in the same mark sent again; it is kept beside the mark, never in its place. */
  doubt: Doubt.optional(),
  /** Place of the mark among all that this storage of the device ever made, from 1: a gap tells of marks that were lost there. */
  sequence: z.int().min(1).max(2_147_483_646).optional(),
  /** Milliseconds that were added to the device's own clock to get `timestamp`: with it the raw time is kept, too. */
  clock_offset_ms: z.int().min(-MAX_CLOCK_OFFSET_MS).max(MAX_CLOCK_OFFSET_MS).optional(),
}).refine((record) => (record.lesson_id === undefined) === (record.held_on === undefined), {
  path: ['held_on'],
  message: 'must be sent together with lesson_id, or both left out',
})
export type AttendanceRecord = z.infer<typeof AttendanceRecord>

/** Body of `POST /api/v1/attendance`. Each record is parsed by itself: a bad one never sinks the good ones. */
export const AttendanceBatch = z.object({
  device_id: DeviceId,
  /** Names the storage that the records' sequence numbers count in; a wiped device has another one. */
  store_id: Uuid.optional(),
  records: z.array(z.unknown()).min(1, 'must hold at least one record').max(MAX_RECORDS, `must hold at most ${MAX_RECORDS} records; send the rest in another batch`),
})
export type AttendanceBatch = z.infer<typeof AttendanceBatch>

/** Why a record was refused for good: sending it again changes nothing. What could be read is kept, set aside with its reason for the office; `other_room`: the lesson is none of the device's room; `set_aside`: the database would not take it, for a reason that is the server's. */
export const RefusalCode = z.enum(['invalid_record', 'unknown_student', 'unknown_course', 'unknown_lesson', 'other_room', 'timestamp_out_of_range', 'set_aside'])
export type RefusalCode = z.infer<typeof RefusalCode>

/**
 * What became of one record. `stored` and `duplicate` are in PostgreSQL (duplicate: the student was
 * already marked in that lesson, which is as good as stored); `queued` is not yet; `refused` never will be.
 */
export const RecordResult = z.object({
  index: z.int(),
  mark_id: z.string().optional(),
  student_id: z.string().optional(),
  outcome: z.enum(['stored', 'duplicate', 'queued', 'refused']),
  code: RefusalCode.optional(),
  field: z.string().optional(),
  message: z.string().optional(),
})
export type RecordResult = z.infer<typeof RecordResult>

export const AttendanceAnswer = z.object({
  stored: z.int(),
  duplicate: z.int(),
  queued: z.int(),
  refused: z.int(),
  results: z.array(RecordResult),
})
export type AttendanceAnswer = z.infer<typeof AttendanceAnswer>
