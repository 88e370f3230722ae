/**
 * How a device becomes a room's kiosk, and how it changes its key.
 *
 * [Note: A kiosk's key is its own] The kiosk draws 256 random bits and sends their SHA-256; the key itself goes nowhere but into the
 * Authorization header of its own requests, over TLS, and the server keeps the hash alone. It is no signing key, for these reasons: a
 * WebCrypto key that cannot be exported lies in the same Chromium profile as everything else and is cloned with the SD card all the same (what finds a
 * clone is the fence: device.ts); a signature for each request buys, beyond that, only what TLS gives already, and verifying it costs the server some 100
 * microseconds, more than all else that it does for a mark; and what was stolen is worth little after the next rotation.
 *
 * [Note: A key changes without a gap] 1. the kiosk draws the next key and has it on its disk, flushed; 2. it tells the server its hash, with the old key;
 * from now on both open the same; 3. it uses the new one, at which the old one opens nothing; 4. it keeps the new one alone. A crash of either side between
 * two steps loses nothing: the kiosk that holds two keys tries the new one first, then the old one, and goes on from where it was.
 */
import { z } from 'zod'
import { DeviceId, Instant, RoomId } from './ids.ts'

/** Crockford's 32 characters: no I, L, O or U. Eight of them are 40 random bits. */
export const CODE_CHARACTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
export const CODE_LENGTH = 8
export const CODE_MINUTES = 15

/** As people type it: in any case, with or without the dash, an O for a zero. Undefined: it can be no code. */
export function plainCode(typed: string): string | undefined {
  const plain = typed.toUpperCase().replaceAll(/[\s-]/g, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1')
  return plain.length === CODE_LENGTH && [...plain].every((one) => CODE_CHARACTERS.includes(one)) ? plain : undefined
}

/** As it is shown: two groups of four. */
export const shownCode = (plain: string): string => `${plain.slice(0, 4)}-${plain.slice(4)}`

/** SHA-256 of a key of 256 random bits in base64url, hexadecimal. */
export const KeyHash = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 as 64 hexadecimal digits in lower case')

/** Body of `POST /api/v1/rooms/{room_id}/pairing-codes`, by the office. */
export const PairingCodeRequest = z.object({
  /** A kiosk that is there already, to be paired anew, perhaps into this room from another; absent: a new one. */
  device_id: DeviceId.optional(),
})
export type PairingCodeRequest = z.infer<typeof PairingCodeRequest>

/** Told this once: nothing but a hash of it is kept. */
export const PairingCode = z.object({
  /** Such as `7K3M-QX9A`. */
  code: z.string(),
  room_id: RoomId,
  device_id: DeviceId.nullable(),
  /** It works once, and until then. */
  expires_at: Instant,
  /** Opens the kiosk with the code behind the `#`, which no browser sends. */
  link: z.string(),
  /** The link as a picture, SVG. */
  qr_svg: z.string(),
})
export type PairingCode = z.infer<typeof PairingCode>

/** Body of `POST /api/v1/pairing`, by a device that nobody knows yet. The same again, with the same key, is answered again. */
export const PairingRequest = z.object({
  code: z.string().min(CODE_LENGTH, `must be the ${CODE_LENGTH} characters that the office shows`).max(32, `must be the ${CODE_LENGTH} characters that the office shows`),
  key_sha256: KeyHash,
  app_version: z.string().max(64).optional(),
})
export type PairingRequest = z.infer<typeof PairingRequest>

export const Paired = z.object({ device_id: DeviceId, room_id: RoomId })
export type Paired = z.infer<typeof Paired>

/** Body of `POST /api/v1/devices/rotate-key`, by a device, with either of its keys. */
export const RotateKeyRequest = z.object({ key_sha256: KeyHash })
export type RotateKeyRequest = z.infer<typeof RotateKeyRequest>

/** `next`: this key is known beside the one in use. `in_use`: it is the one in use, and the only one. */
export const RotateKeyAnswer = z.object({ device_id: DeviceId, key: z.enum(['next', 'in_use']) })
export type RotateKeyAnswer = z.infer<typeof RotateKeyAnswer>

/** A key that a device drew is followed by another after so long. */
export const KEY_DAYS = 30
