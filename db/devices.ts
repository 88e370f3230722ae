/** The kiosks: which room each stands in, how it proves who it is, and how it says it is. */
import { createHash } from 'node:crypto'
import { eq, sql as fragment } from 'drizzle-orm'
import type { Heartbeat } from '#contract/device'
import type { Database } from './connect.ts'
import { devices } from './schema.ts'
import { storableJson } from './storable.ts'

export interface Device { device_id: string; room_id: string; revoked: boolean }

/** `key`: 256 random bits as the kiosk holds them. Revoked devices are found too, so that they can be told. */
export async function deviceByKey(db: Database, key: string): Promise<Device | undefined> {
  const [device] = await db.sql<Device[]>`SELECT device_id, classroom_id AS room_id, revoked_at IS NOT NULL AS revoked FROM devices WHERE key_sha256 = ${keyHash(key)}`
  return device
}

export async function deviceById(db: Database, id: string): Promise<Device | undefined> {
  const [device] = await db.sql<Device[]>`SELECT device_id, classroom_id AS room_id, revoked_at IS NOT NULL AS revoked FROM devices WHERE device_id = ${id}`
  return device
}

/** Adds the device, or moves it to this room under this key; one that was revoked works again. */
export async function saveDevice(db: Database, { device_id, room_id, key }: { device_id: string; room_id: string; key: string }): Promise<void> {
  const row = { classroom_id: room_id, key_sha256: keyHash(key), revoked_at: null }
  await db.orm.insert(devices).values({ device_id, ...row }).onConflictDoUpdate({ target: devices.device_id, set: row })
}

/** From now on the device's key opens nothing. False: no such device. */
export async function revokeDevice(db: Database, id: string, now: Date): Promise<boolean> {
  const changed = await db.orm
    .update(devices)
    .set({ revoked_at: fragment`coalesce(${devices.revoked_at}, ${now.toISOString()}::timestamptz)` })
    .where(eq(devices.device_id, id))
    .returning({ device_id: devices.device_id })
  return changed.length > 0
}

/** A kiosk beats once a minute; what comes sooner than this after the last counted beat is a repeat and proves no more watching. */
const SECONDS_BETWEEN_BEATS = 30
/** A kiosk's clock and the server's differ; a beat so shortly before or after the lesson is still of it. */
const BEAT_GRACE_SECONDS = 60

/**
 * Keeps the newest heartbeat of the device. A beat with a live camera and a loaded model, sent while the
 * lesson that it names is on in the device's own room, also counts as watching that lesson.
 */
export async function saveHeartbeat(db: Database, beat: Heartbeat, receivedAt: Date): Promise<void> {
  const at = receivedAt.toISOString()
  await db.sql`
    UPDATE devices SET last_seen_at = greatest(last_seen_at, ${at}::timestamptz), last_heartbeat = ${storableJson(beat)}::text::jsonb
    WHERE device_id = ${beat.device_id}`
  if (beat.camera !== 'live' || !beat.model || !beat.lesson) return
  await db.sql`
    INSERT INTO lesson_watches AS w (held_on, lesson_id, device_id, first_at, last_at, beats)
    SELECT l.held_on, l.lesson_id, d.device_id, ${at}::timestamptz, ${at}::timestamptz, 1
    FROM devices d
    JOIN lessons_held(${beat.lesson.held_on}::date, ${beat.lesson.held_on}::date) l
      ON l.lesson_id = ${beat.lesson.lesson_id} AND l.classroom_id = d.classroom_id
    WHERE d.device_id = ${beat.device_id}
      AND ${at}::timestamptz >= l.starts_at - ${BEAT_GRACE_SECONDS} * interval '1 second'
      AND ${at}::timestamptz < l.ends_at + ${BEAT_GRACE_SECONDS} * interval '1 second'
    ON CONFLICT (held_on, lesson_id, device_id) DO UPDATE SET last_at = excluded.last_at, beats = w.beats + 1
    WHERE excluded.last_at >= w.last_at + ${SECONDS_BETWEEN_BEATS} * interval '1 second'`
}

/** What is stored instead of the key. Plain SHA-256 is enough for a key of 256 random bits. */
export function keyHash(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
