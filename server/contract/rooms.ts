/** The school's rooms, and what each one's kiosk does about pictures held before its camera. */
import { z } from 'zod'
import { LivenessPolicy } from './device.ts'
import { Instant, RoomId } from './ids.ts'

export const Room = z.object({
  room_id: RoomId,
  name: z.string(),
  building: z.string(),
  liveness: LivenessPolicy,
  /** Kiosks of the room that are not revoked, and when the newest word of any of them came; null: never. */
  kiosks: z.int().min(0),
  last_seen_at: Instant.nullable(),
})
export type Room = z.infer<typeof Room>

/** Answer of `GET /api/v1/rooms`, by id. */
export const Rooms = z.object({ rooms: z.array(Room) })

/** Body of `PUT /api/v1/rooms/{id}`. Answered with the room as it now is; its kiosk obeys from its next pull, within a minute. */
export const RoomRequest = z.object({ liveness: LivenessPolicy })
export type RoomRequest = z.infer<typeof RoomRequest>
