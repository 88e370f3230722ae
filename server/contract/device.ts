/** What the server tells a kiosk about how to work, and what a kiosk tells the server about how it is. */
import { z } from 'zod'
import { DeviceId, Instant, SchoolDate, LessonId } from './ids.ts'

/** Set on the server (RECOGNITION_THRESHOLD, DEBOUNCE_SECONDS, FRAME_SKIP, CAMERA_FPS), obeyed at the kiosk. */
export const DeviceSettings = z.object({
  /** Cosine that a track's mean embedding must reach with a student's template. */
  recognition_threshold: z.number().min(0).max(1),
  /** Seconds in which the same student is not greeted or looked at again. */
  debounce_seconds: z.number().min(0).max(3600),
  /** Camera frames left out between two that are looked at. */
  frame_skip: z.int().min(0).max(60),
  /** Frames a second asked of the camera. */
  camera_fps: z.int().min(1).max(60),
})
export type DeviceSettings = z.infer<typeof DeviceSettings>

export const CameraState = z.enum(['starting', 'live', 'none', 'denied', 'lost'])
export type CameraState = z.infer<typeof CameraState>

const Milliseconds = z.number().min(0).max(600_000)

/** Body of `POST /api/v1/heartbeat`, once a minute. Only device_id is required, so that a script can beat too. */
export const Heartbeat = z.object({
  device_id: DeviceId,
  timestamp: Instant.optional(),
  app_version: z.string().max(64).optional(),
  model: z.string().max(64).nullable().optional(),
  lesson: z.object({ lesson_id: LessonId, held_on: SchoolDate }).nullable().optional(),
  camera: CameraState.optional(),
  /** Medians since the last heartbeat. */
  frame_ms: Milliseconds.nullable().optional(),
  embed_ms: Milliseconds.nullable().optional(),
  frames: z.int().min(0).optional(),
  faces: z.int().min(0).optional(),
  unsent_marks: z.int().min(0).optional(),
  refused_marks: z.int().min(0).optional(),
  roster_pulled_at: Instant.nullable().optional(),
  /** Whether the browser promised not to evict our storage. */
  storage_persisted: z.boolean().optional(),
})
export type Heartbeat = z.infer<typeof Heartbeat>

export const HeartbeatAnswer = z.object({
  now: Instant,
  /** The build the server serves; a kiosk on another one is out of date. */
  app_version: z.string(),
  /** Moves whenever anything of any roster has changed; a kiosk that sees another one than at its last heartbeat pulls. */
  roster_version: z.string().optional(),
})
export type HeartbeatAnswer = z.infer<typeof HeartbeatAnswer>
