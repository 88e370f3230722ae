/** One-time codes that make a device a room's kiosk. Knows no QR, no page and no limit of guesses. */
import { createHash } from 'node:crypto'
import type { Paired } from '#contract/pairing'
import type { Database } from './connect.ts'

/** A used code is remembered for so long, so that the same trade, whose answer was lost, is answered again. */
const KEPT_HOURS = 24

/** A code for this room that works once, until `expiresAt`. @returns `no_room`, or `no_device` for a kiosk to be paired anew that the school does not have. */
export async function savePairingCode(db: Database, o: { code: string; room_id: string; device_id: string | undefined; now: Date; expiresAt: Date }): Promise<'saved' | 'no_room' | 'no_device'> {
  const at = o.now.toISOString()
  return db.sql.begin(async (sql): Promise<'saved' | 'no_room' | 'no_device'> => {
    const [room] = await sql`SELECT FROM classrooms WHERE classroom_id = ${o.room_id} FOR KEY SHARE`
    if (!room) return 'no_room'
    const [device] = o.device_id === undefined ? [true] : await sql`SELECT FROM devices WHERE device_id = ${o.device_id} FOR KEY SHARE`
    if (!device) return 'no_device'
    await sql`DELETE FROM pairing_codes WHERE expires_at < ${at}::timestamptz - ${KEPT_HOURS} * interval '1 hour'`
    await sql`
      INSERT INTO pairing_codes (code_sha256, classroom_id, device_id, made_at, expires_at)
      VALUES (${codeHash(o.code)}, ${o.room_id}, ${o.device_id ?? null}, ${at}::timestamptz, ${o.expiresAt.toISOString()}::timestamptz)`
    return 'saved'
  }) as Promise<'saved' | 'no_room' | 'no_device'>
}

/**
 * Trades the code for an identity under this key: a new kiosk of the room, or the one that the office named, under its new key alone and
 * in this room from now on. `again`: this very trade was made before, and is only told once more.
 * Undefined: no such code, or used with another key, or over.
 * @param o.newId of a kiosk that is new
 */
export async function tradePairingCode(
  db: Database,
  o: { code: string; key_sha256: string; newId: (roomId: string) => string; now: Date },
): Promise<(Paired & { again: boolean }) | undefined> {
  const key = Buffer.from(o.key_sha256, 'hex')
  const at = o.now.toISOString()
  return db.sql.begin(async (sql): Promise<(Paired & { again: boolean }) | undefined> => {
    // Locks the code: of two trades at once the second finds it used.
    const [code] = await sql<{ room_id: string; device_id: string | null; used: boolean; by_us: boolean; over: boolean }[]>`
      SELECT classroom_id AS room_id, device_id, used_at IS NOT NULL AS used, coalesce(key_sha256 = ${key}, false) AS by_us, expires_at <= ${at}::timestamptz AS over
      FROM pairing_codes WHERE code_sha256 = ${codeHash(o.code)} FOR UPDATE`
    if (!code) return undefined
    if (code.used) {
      if (!code.by_us) return undefined
      const [device] = await sql<Paired[]>`SELECT device_id, classroom_id AS room_id FROM devices WHERE device_id = ${code.device_id} AND key_sha256 = ${key} AND revoked_at IS NULL`
      return device && { ...device, again: true }
    }
    if (code.over) return undefined
    const [known] = await sql`SELECT FROM devices WHERE key_sha256 = ${key} OR next_key_sha256 = ${key}`
    if (known) return undefined
    const paired: Paired = { device_id: code.device_id ?? o.newId(code.room_id), room_id: code.room_id }
    await sql`
      INSERT INTO devices (device_id, classroom_id, key_sha256, paired_at, key_drawn_at) VALUES (${paired.device_id}, ${paired.room_id}, ${key}, ${at}::timestamptz, ${at}::timestamptz)
      ON CONFLICT (device_id) DO UPDATE SET classroom_id = excluded.classroom_id, key_sha256 = excluded.key_sha256, next_key_sha256 = NULL, revoked_at = NULL,
        paired_at = excluded.paired_at, key_drawn_at = excluded.key_drawn_at, key_wanted_at = NULL`
    await sql`UPDATE pairing_codes SET used_at = ${at}::timestamptz, key_sha256 = ${key}, device_id = ${paired.device_id} WHERE code_sha256 = ${codeHash(o.code)}`
    return { ...paired, again: false }
  }) as Promise<(Paired & { again: boolean }) | undefined>
}

/** Plain: a code is worth nothing after minutes, and whoever reads the living database within them has more than a code. */
function codeHash(code: string): Buffer {
  return createHash('sha256').update(code).digest()
}
