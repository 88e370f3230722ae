/**
 * The school's root secret, SCHOOL_KEY: 256 bits, from which every other key is derived by HKDF-SHA-256 under a label of
 * its own, so that one says nothing of another. Knows none who uses them; nobody else is handed the root.
 */
import { hkdfSync } from 'node:crypto'

/** `templates` wraps students' keys; `tokens` signs tokens; `totp` seals second factors' seeds; `audit` the log; `oidc-state` a sign-in under way; `mark-checks` draws the marks that teachers are asked about; `metrics` opens /metrics. */
export type SchoolKeyLabel = 'templates' | 'tokens' | 'totp' | 'audit' | 'oidc-state' | 'mark-checks' | 'metrics'

export interface SchoolKey {
  /** 32 bytes; the same for the same label, always. */
  derive(label: SchoolKeyLabel): Buffer
  /** The same from the key before this one, while a school changes it; absent else. */
  deriveBefore?(label: SchoolKeyLabel): Buffer
}

const KEY_BYTES = 32
/** What an operator may write: base64url of 32 bytes, with or without its padding. */
export const SCHOOL_KEY_PATTERN = /^[A-Za-z0-9_-]{43}=?$/

/** @param before the key that this one takes the place of. @throws RangeError unless both are 256 bits of base64url. */
export function openSchoolKey(secret: string, before?: string): SchoolKey {
  const root = rootOf('SCHOOL_KEY', secret)
  if (before === undefined) return { derive: (label) => deriveFrom(root, label) }
  const rootBefore = rootOf('SCHOOL_KEY_BEFORE', before)
  return { derive: (label) => deriveFrom(root, label), deriveBefore: (label) => deriveFrom(rootBefore, label) }
}

function rootOf(name: string, secret: string): Buffer {
  if (!SCHOOL_KEY_PATTERN.test(secret)) throw new RangeError(`${name} must be 256 bits in base64url, 43 characters`)
  return Buffer.from(secret, 'base64url')
}

/** RFC 5869. No salt: the root is uniformly random already. */
function deriveFrom(root: Buffer, label: SchoolKeyLabel): Buffer {
  return Buffer.from(hkdfSync('sha256', root, Buffer.alloc(0), `fastrackai ${label}`, KEY_BYTES))
}
