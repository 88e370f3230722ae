/** What the office sees of the kiosks and of the server's own work: how each is, what needs a person, what waits. */
import { z } from 'zod'
import { CameraState } from './device.ts'
import { DeviceId, Instant, LessonId, RoomId, SchoolDate, Uuid } from './ids.ts'

/**
 * `storage_replaced`: a kiosk came back with empty storage. `storage_copied`: two copies of one storage are in use, and
 * the kiosk is fenced until the office has said which one is right. `marks_missing`: the kiosk let go of marks that are not here.
 */
export const AlarmKind = z.enum(['storage_replaced', 'storage_copied', 'marks_missing'])
export type AlarmKind = z.infer<typeof AlarmKind>

export const KioskAlarm = z.object({
  alarm_id: z.int(),
  kind: AlarmKind,
  /** The storage that it is about; of `storage_replaced` the one that is gone. */
  store_id: Uuid,
  /** Marks known to be lost or missing. */
  marks: z.int().min(0),
  raised_at: Instant,
})
export type KioskAlarm = z.infer<typeof KioskAlarm>

/** One device, as its newest heartbeat told; null: it has not said. */
export const Kiosk = z.object({
  device_id: DeviceId,
  room_id: RoomId,
  room_name: z.string(),
  last_seen_at: Instant.nullable(),
  /** Its key opens nothing any more. */
  revoked_at: Instant.nullable(),
  /** When it drew its key; null: its key was handed to it in a link. */
  key_drawn_at: Instant.nullable(),
  /** The office has asked it for another, and it has not drawn it yet. */
  key_wanted: z.boolean(),
  /** Nothing is taken from it before the office has said that it is the right one. */
  fenced_at: Instant.nullable(),
  app_version: z.string().nullable(),
  camera: CameraState.nullable(),
  unsent_marks: z.int().nullable(),
  refused_marks: z.int().nullable(),
  /** The school's clock less the device's own, milliseconds. */
  clock_offset_ms: z.int().nullable(),
  /** Whether its browser promised not to evict what it stores. */
  storage_persisted: z.boolean().nullable(),
  roster_pulled_at: Instant.nullable(),
  /** The open ones, the newest first. */
  alarms: z.array(KioskAlarm),
})
export type Kiosk = z.infer<typeof Kiosk>

/** Answer of `GET /api/v1/kiosks`, by room and device. */
export const Kiosks = z.object({
  now: Instant,
  time_zone: z.string(),
  /** The build that the server serves; a kiosk on another one is out of date. */
  app_version: z.string(),
  kiosks: z.array(Kiosk),
})
export type Kiosks = z.infer<typeof Kiosks>

/** A kiosk of which nothing was heard for so long while a lesson is on in its room is silent. */
export const SILENT_AFTER_MINUTES = 5

export const SilentKiosk = Kiosk.pick({ device_id: true, room_id: true, room_name: true, last_seen_at: true }).extend({
  lesson: z.object({ lesson_id: LessonId, held_on: SchoolDate, course_name: z.string(), starts_at: Instant, ends_at: Instant }),
})
export type SilentKiosk = z.infer<typeof SilentKiosk>

/** Answer of `GET /api/v1/operations`: what a person, or a monitor, should look at. */
export const Operations = z.object({
  now: Instant,
  time_zone: z.string(),
  /** Whole months beyond this one that marks can be stored in. 0: from the first of next month none can. */
  months_ahead: z.int().min(0),
  /** Marks that Redis holds and PostgreSQL does not yet; null: this school has no Redis. Its members are null while Redis does not answer. */
  queue: z.object({ waiting: z.int().min(0).nullable(), oldest_ms: z.number().min(0).nullable() }).nullable(),
  /** Records that wait for the office to record or dismiss them. */
  set_aside: z.int().min(0),
  alarms: z.int().min(0),
  silent: z.array(SilentKiosk),
})
export type Operations = z.infer<typeof Operations>
