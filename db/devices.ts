/** The kiosks: which room each stands in, and how it proves who it is. How it is: heartbeats.ts. */
import { createHash } from 'node:crypto'
import { eq, sql as fragment } from 'drizzle-orm'
import type { Database } from './connect.ts'
import { devices } from './schema.ts'

export interface Device { device_id: string; room_id: string; revoked: boolean }

/** As every server keeps it in memory. `fenced`: two copies of its storage are in use, and nobody has said yet which is right. */
export interface KeyedDevice extends Device {
  fenced: boolean
  /** SHA-256 of its key, hexadecimal. */
  key_sha256: string
}

/** Of the whole school, the revoked ones too. */
export async function allDevices(db: Database): Promise<KeyedDevice[]> {
  return db.sql<KeyedDevice[]>`
    SELECT device_id, classroom_id AS room_id, revoked_at IS NOT NULL AS revoked, fenced_at IS NOT NULL AS fenced, encode(key_sha256, 'hex') AS key_sha256
    FROM devices`
}

/** Said by a trigger, whoever changed the row: another server, or a person in psql. */
const CHANNEL = 'fastrackai_device'

/**
 * `onChange` is called after each change of what `allDevices` tells, and at each connection, for what was said while there was none.
 * @returns how to stop watching.
 */
export async function watchDevices(db: Database, onChange: () => void): Promise<() => Promise<void>> {
  const { unlisten } = await db.sql.listen(CHANNEL, onChange, onChange)
  return unlisten
}

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

/** What is stored instead of the key. Plain SHA-256 is enough for a key of 256 random bits. */
export function keyHash(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
