/** The school's rooms and their policies. */
import type { LivenessPolicy } from '#contract/device'
import type { Room } from '#contract/rooms'
import type { Database } from './connect.ts'
import { iso } from './registers.ts'

/** All, by id. */
export async function rooms(db: Database): Promise<Room[]> {
  const { sql } = db
  return sql<Room[]>`
    SELECT r.classroom_id AS room_id, r.name, r.building, r.liveness,
      count(d.device_id)::integer AS kiosks, ${iso(sql, sql`max(d.last_seen_at)`)} AS last_seen_at
    FROM classrooms r LEFT JOIN devices d ON d.classroom_id = r.classroom_id AND d.revoked_at IS NULL
    GROUP BY r.classroom_id
    ORDER BY r.classroom_id COLLATE "C"`
}

/** @returns false: there is no such room. The change moves the roster's version, so the room's kiosk asks for it within a minute. */
export async function saveLiveness(db: Database, roomId: string, liveness: LivenessPolicy): Promise<boolean> {
  const changed = await db.sql`UPDATE classrooms SET liveness = ${liveness} WHERE classroom_id = ${roomId}`
  return changed.count > 0
}
