/** The kiosks: which room each stands in, and how it proves who it is. How it is: heartbeats.ts; how it came by its key: pairing.ts. */
import { createHash } from 'node:crypto'
import type { Database } from './connect.ts'

export interface Device { device_id: string; room_id: string; revoked: boolean }

/** As every server keeps it in memory. `fenced`: two copies of its storage are in use, and nobody has said yet which is right. */
export interface KeyedDevice extends Device {
  fenced: boolean
  /** SHA-256 of its key, hexadecimal. */
  key_sha256: string
  /** Of the key that it has drawn to follow the other, which opens the same; null: none. */
  next_key_sha256: string | null
  /** When the device drew its key; null: it was handed to it in a link. */
  key_drawn_at: string | null
  /** Whether the office has asked it to draw another. */
  key_wanted: boolean
}

/** Of the whole school, the revoked ones too. */
export async function allDevices({ sql }: Database): Promise<KeyedDevice[]> {
  return sql<KeyedDevice[]>`
    SELECT device_id, classroom_id AS room_id, revoked_at IS NOT NULL AS revoked, fenced_at IS NOT NULL AS fenced, encode(key_sha256, 'hex') AS key_sha256,
      encode(next_key_sha256, 'hex') AS next_key_sha256, to_char(key_drawn_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS key_drawn_at, key_wanted_at IS NOT NULL AS key_wanted
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

/** Adds the device, or moves it to this room under this key, which was handed to it; one that was revoked works again. */
export async function saveDevice(db: Database, { device_id, room_id, key }: { device_id: string; room_id: string; key: string }): Promise<void> {
  await db.sql`
    INSERT INTO devices (device_id, classroom_id, key_sha256) VALUES (${device_id}, ${room_id}, ${keyHash(key)})
    ON CONFLICT (device_id) DO UPDATE SET classroom_id = excluded.classroom_id, key_sha256 = excluded.key_sha256, revoked_at = NULL,
      next_key_sha256 = NULL, key_drawn_at = NULL, key_wanted_at = NULL`
}

/** From now on the device's keys open nothing. False: no such device. */
export async function revokeDevice(db: Database, id: string, now: Date): Promise<boolean> {
  const changed = await db.sql`
    UPDATE devices SET revoked_at = coalesce(revoked_at, ${now.toISOString()}::timestamptz), next_key_sha256 = NULL, key_wanted_at = NULL
    WHERE device_id = ${id} RETURNING device_id`
  return changed.length > 0
}

/** At its next beat the device is asked to draw another key. False: no such device, or it was revoked. */
export async function wantKey(db: Database, id: string, now: Date): Promise<boolean> {
  const changed = await db.sql`UPDATE devices SET key_wanted_at = ${now.toISOString()}::timestamptz WHERE device_id = ${id} AND revoked_at IS NULL RETURNING device_id`
  return changed.length > 0
}

/**
 * See the contract's [Note: A key changes without a gap]. `next`: this key opens what the other does, until it is first used. `in_use`: it is
 * the device's key already. `taken`: it is another device's, which no random key is. `absent`: no such device any more.
 */
export async function saveNextKey(db: Database, id: string, keySha256: string): Promise<'next' | 'in_use' | 'taken' | 'absent'> {
  const hash = Buffer.from(keySha256, 'hex')
  return db.sql.begin(async (sql): Promise<'next' | 'in_use' | 'taken' | 'absent'> => {
    const [device] = await sql<{ in_use: boolean }[]>`SELECT key_sha256 = ${hash} AS in_use FROM devices WHERE device_id = ${id} AND revoked_at IS NULL FOR NO KEY UPDATE`
    if (!device) return 'absent'
    if (device.in_use) return 'in_use'
    const [other] = await sql`SELECT FROM devices WHERE device_id <> ${id} AND (key_sha256 = ${hash} OR next_key_sha256 = ${hash})`
    if (other) return 'taken'
    await sql`UPDATE devices SET next_key_sha256 = ${hash} WHERE device_id = ${id}`
    return 'next'
  }) as Promise<'next' | 'in_use' | 'taken' | 'absent'>
}

/** The device has used its next key: from now on it is the only one. Changes nothing where that was done before. */
export async function keepNextKey(db: Database, id: string, keySha256: string, now: Date): Promise<void> {
  const hash = Buffer.from(keySha256, 'hex')
  await db.sql`
    UPDATE devices SET key_sha256 = next_key_sha256, next_key_sha256 = NULL, key_drawn_at = ${now.toISOString()}::timestamptz, key_wanted_at = NULL
    WHERE device_id = ${id} AND next_key_sha256 = ${hash}`
}

/** What is stored instead of the key. Plain SHA-256 is enough for a key of 256 random bits. */
export function keyHash(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
