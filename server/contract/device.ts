/** What the server tells a kiosk about how to work, and what a kiosk tells the server about how it is. */
import { z } from 'zod'
import { MAX_CLOCK_OFFSET_MS } from './attendance.ts'
import { DeviceId, Instant, SchoolDate, LessonId, Uuid } from './ids.ts'
import { SchoolPolicy } from './policy.ts'

/**
 * What a room does about pictures held before its camera. `off`: nothing. `watch`: students are marked at
 * once, and a mark that looks like a picture's is flagged for the teacher. `require`: no mark before
 * the face has shown that it lives.
 */
export const LivenessPolicy = z.enum(['off', 'watch', 'require'])
export type LivenessPolicy = z.infer<typeof LivenessPolicy>

/** Share of strangers who, appearing before the kiosk, may be taken for a student. */
export const FALSE_ACCEPT_BUDGET = 0.003

/** Set on the server (FALSE_ACCEPT_BUDGET, RECOGNITION_THRESHOLD, DEBOUNCE_SECONDS, FRAME_SKIP, CAMERA_FPS; liveness for each room, policy for the school), obeyed at the kiosk. */
export const DeviceSettings = z.object({
  /** The app sets its acceptance score for each roster so that this share is kept. */
  false_accept_budget: z.number().min(0.00001).max(0.1).default(FALSE_ACCEPT_BUDGET),
  /** Centred cosine below which nobody is taken for anybody, whatever the budget allows. */
  score_floor: z.number().min(0).max(1).default(0.5),
  /** Cosine to be reached where there is no budget to set a score by: in apps from before it, and where one face is compared with one student's. */
  recognition_threshold: z.number().min(0).max(1),
  liveness: LivenessPolicy.default('watch'),
  /** The school's. From a server that says none: `default`. */
  policy: SchoolPolicy.default('default'),
  /** Seconds in which the same student is not greeted or looked at again. */
  debounce_seconds: z.number().min(0).max(3600),
  /** Camera frames left out between two that are looked at. */
  frame_skip: z.int().min(0).max(60),
  /** Frames a second asked of the camera. */
  camera_fps: z.int().min(1).max(60),
})
export type DeviceSettings = z.infer<typeof DeviceSettings>

/**
 * `off`: no lesson is on, or the school's policy keeps it closed. `starting`: asked for, no answer yet. `live`: it shows the room. `none`: never found. `denied`: not permitted.
 * `lost`: was there, is gone. `black`: there, and sees nothing. `frozen`: there, and its picture stands still. A register is taken by a live one alone, or, where the policy keeps it closed, by none (db/heartbeats.ts).
 */
export const CameraState = z.enum(['off', 'starting', 'live', 'none', 'denied', 'lost', 'black', 'frozen'])
export type CameraState = z.infer<typeof CameraState>

const Milliseconds = z.number().min(0).max(600_000)
/** As many as a sequence can count. */
const Count = z.int().min(0).max(2_147_483_646)

/**
 * What a kiosk's storage tells of itself, read in one transaction.
 * [Note: Two copies of one storage] `fence` was drawn by the kiosk at its last change of it, `next_fence` is what it has
 * just drawn and put on its disk to present from now on. Of two copies of a storage (a cloned SD card) the second to
 * present a fence draws another successor for it than the first did, and is told apart by that.
 */
export const StoreState = z.object({
  store_id: Uuid,
  /** Marks ever made in this storage: the newest one's sequence. */
  made: Count,
  /** Of those, marks that are not yet named stored or refused. */
  unsent: Count,
  fence: Uuid,
  /** Equal to `fence` where nothing was drawn since. */
  next_fence: Uuid,
})
export type StoreState = z.infer<typeof StoreState>

/** Body of `POST /api/v1/heartbeat`, every 45 seconds. Only device_id is required, so that a script can beat too. */
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
  frames: Count.optional(),
  faces: Count.optional(),
  unsent_marks: Count.optional(),
  /** When the oldest of them was made; null: there is none. */
  oldest_unsent_at: Instant.nullable().optional(),
  refused_marks: Count.optional(),
  roster_pulled_at: Instant.nullable().optional(),
  /** Of the roster that it holds: the version at which the server last confirmed it (header `roster-version` of the schedule). Null: it holds none. */
  roster_version: z.string().regex(/^\d{1,18}$/, 'must be a version as the schedule told it').nullable().optional(),
  /** Whether the browser promised not to evict our storage. */
  storage_persisted: z.boolean().optional(),
  /** Milliseconds between the device's own clock and the school's, as last measured; null: not since the start. */
  clock_offset_ms: z.int().min(-MAX_CLOCK_OFFSET_MS).max(MAX_CLOCK_OFFSET_MS).nullable().optional(),
  /** Absent from a script's beat. */
  store: StoreState.optional(),
})
export type Heartbeat = z.infer<typeof Heartbeat>

export const HeartbeatAnswer = z.object({
  now: Instant,
  /** The build the server serves; a kiosk on another one is out of date. */
  app_version: z.string(),
  /** Moves whenever anything of any roster has changed; a kiosk that holds another one pulls, and recognises nobody before it has. */
  roster_version: z.string().optional(),
  /** True: the device's key is old, or the office wants another; it draws one now (pairing.ts). */
  new_key: z.boolean().optional(),
})
export type HeartbeatAnswer = z.infer<typeof HeartbeatAnswer>
