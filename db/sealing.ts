/**
 * AES-256-GCM over a few bytes, bound to what they belong to. Knows no table: whoever seals says to what, and only who says the same opens.
 * [Note: What is sealed is bound] The binding is authenticated with the bytes, so a row that is put in another's place does not open.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'

const CIPHER = 'aes-256-gcm'
export const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16
/** Of how the bytes lie: this, the IV, the sealed bytes, the tag. */
const FORM = 1
/** So many more than were sealed: an odd number, so no vector of float32 is ever as long as a sealed one. */
export const SEAL_BYTES = 1 + IV_BYTES + TAG_BYTES

/** @param bound each part on its own; ids hold no NUL. */
export function seal(key: Buffer, bound: readonly string[], plain: Uint8Array): Buffer {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(bindingOf(bound))
  const sealed = Buffer.concat([Buffer.of(FORM), iv, cipher.update(plain), cipher.final()])
  return Buffer.concat([sealed, cipher.getAuthTag()])
}

/** Undefined: sealed under another key, for something else, or altered. */
export function open(key: Buffer, bound: readonly string[], sealed: Buffer): Buffer | undefined {
  if (sealed.length < SEAL_BYTES || sealed[0] !== FORM) return undefined
  const end = sealed.length - TAG_BYTES
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(1, 1 + IV_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(bindingOf(bound)).setAuthTag(sealed.subarray(end))
  try {
    const plain = decipher.update(sealed.subarray(1 + IV_BYTES, end))
    decipher.final()
    return plain
  } catch {
    return undefined
  }
}

function bindingOf(parts: readonly string[]): Buffer {
  return Buffer.from(['fastrackai', ...parts].join('\0'))
}

export const KEY_ID_BYTES = 8

/** Tells one key from another and nothing of it. */
export function keyIdOf(key: Buffer): Buffer {
  return createHmac('sha256', key).update('fastrackai key id').digest().subarray(0, KEY_ID_BYTES)
}
