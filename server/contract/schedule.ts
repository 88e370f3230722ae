/**
 * What a room's kiosk may know, and nothing else: its lessons of the day and, of each student
 * enrolled in one of them, the name and the templates. Replaced whole at every pull, so that a
 * student who is no longer in it is forgotten by absence.
 */
import { z } from 'zod'
import { CourseId, Instant, LessonId, RoomId, SchoolDate, StudentId } from './ids.ts'
import { PackedEmbedding } from './model.ts'
import { RotationSeed } from './rotation.ts'
import { DeviceSettings } from './device.ts'

export const Lesson = z.object({
  lesson_id: LessonId,
  held_on: SchoolDate,
  course_id: CourseId,
  course_code: z.string(),
  course_name: z.string(),
  room_id: RoomId,
  starts_at: Instant,
  ends_at: Instant,
  student_ids: z.array(StudentId),
})
export type Lesson = z.infer<typeof Lesson>

export const RosterTemplate = PackedEmbedding.and(z.object({ template_id: z.uuid() }))
export type RosterTemplate = z.infer<typeof RosterTemplate>

/** PBKDF2 with SHA-256 of the PIN's ASCII digits; salt and hash are base64. It slows guessing down; a PIN of four digits it does not hide from one who holds the disk. */
export const PinCheck = z.object({ salt: z.base64(), hash: z.base64(), iterations: z.int().min(1000).max(10_000_000) })
export type PinCheck = z.infer<typeof PinCheck>

/** SHA-256 of what stands on a student's card, base64. It is a random number of 128 bits: nobody finds it from this. */
export const CardCheck = z.base64()

export const RosterStudent = z.object({
  student_id: StudentId,
  first_name: z.string(),
  last_name: z.string(),
  /** Empty for a student without a face on record: they are marked by the teacher. */
  templates: z.array(RosterTemplate),
  /** Students of the school whose faces are too near to this one's to be told apart by the face alone (siblings, twins): a match needs a second factor. */
  look_alikes: z.array(StudentId).default([]),
  /** What a PIN typed at the kiosk is checked against; null: the student has none. */
  pin: PinCheck.nullable().default(null),
  /** What a card shown to the kiosk is checked against; null: the student has none. */
  card: CardCheck.nullable().default(null),
})
export type RosterStudent = z.infer<typeof RosterStudent>

/**
 * Header of every answer of `GET /api/v1/schedule`, also of "not modified": the roster version at which it was true. In no body and no
 * ETag: most changes are of other rooms, and change nothing in this one's answer but this.
 */
export const ROSTER_VERSION_HEADER = 'roster-version'

/** Answer of `GET /api/v1/schedule?room_id=`. */
export const Schedule = z.object({
  room: z.object({ room_id: RoomId, name: z.string() }),
  school: z.object({ name: z.string(), time_zone: z.string() }),
  /** The server's clock when it answered; the kiosk measures its own against it. Not part of the ETag. */
  now: Instant,
  settings: DeviceSettings,
  /** How the templates were turned, one for each of their models: a probe is turned alike before it is compared. A server from before it turned none. */
  rotations: z.array(RotationSeed).default([]),
  /** The lesson on now in this room, or null. */
  current_class: Lesson.nullable(),
  /** The students of the current class, with their templates. */
  students: z.array(RosterStudent),
  /** The rest of the school day (at least 12 hours), so that a cable pulled now does not stop the next class. */
  ahead: z.object({
    lessons: z.array(Lesson),
    /** Students of those lessons who are not already in `students`. */
    students: z.array(RosterStudent),
  }),
})
export type Schedule = z.infer<typeof Schedule>

export const ScheduleQuery = z.object({ room_id: RoomId })
