/**
 * PINs at the kiosk: whether one is right, and how long a student's PIN is locked after wrong ones. Pure;
 * the caller hands in the time and keeps the tries on the disk.
 *
 * [Note: A try is counted before it is judged] The caller saves `withTry` first and only then asks `isRightPin`; the right
 * PIN forgets the tries. So pulling the plug, or a reload, in between gives nobody a free guess.
 */
import type { PinCheck } from '#contract/schedule'

/** Wrong PINs in a row, and when the last one was typed (ms since 1970, corrected clock), by student. */
export type PinTries = ReadonlyMap<string, { wrong: number; lastAt: number }>

/** So many wrong PINs in a row lock a student's PIN on this kiosk. */
export const TRIES_BEFORE_LOCK = 5
/** The first lock; each further wrong PIN locks for twice as long: a whole school day gives some 14 guesses of 10,000. */
export const FIRST_LOCK_MS = 60_000
export const LONGEST_LOCK_MS = 64 * FIRST_LOCK_MS
/** Wrong PINs of the day before are forgotten. */
export const FORGET_TRIES_MS = 12 * 3_600_000

/** How long the student must wait before another try, ms; 0: not locked. */
export function lockedFor(tries: PinTries, studentId: string, now: number): number {
  const { wrong, lastAt } = tries.get(studentId) ?? { wrong: 0, lastAt: now }
  if (wrong < TRIES_BEFORE_LOCK) return 0
  const lock = Math.min(LONGEST_LOCK_MS, FIRST_LOCK_MS * 2 ** (wrong - TRIES_BEFORE_LOCK))
  // A clock that was set back must not lock for longer than the lock.
  return Math.max(0, Math.min(lock, lastAt + lock - now))
}

/** Tries left before the PIN is locked, or locked again; at least 1 where it is not locked now. */
export function triesLeft(tries: PinTries, studentId: string): number {
  return Math.max(1, TRIES_BEFORE_LOCK - (tries.get(studentId)?.wrong ?? 0))
}

/** One try more, and nothing kept of students whose last one is long ago. */
export function withTry(tries: PinTries, studentId: string, now: number): PinTries {
  const kept = new Map([...tries].filter(([, { lastAt }]) => now - lastAt < FORGET_TRIES_MS))
  return kept.set(studentId, { wrong: (kept.get(studentId)?.wrong ?? 0) + 1, lastAt: now })
}

export function withoutTries(tries: PinTries, studentId: string): PinTries {
  return new Map([...tries].filter(([id]) => id !== studentId))
}

/** @param pin digits, as typed */
export async function isRightPin(pin: string, { salt, hash, iterations }: PinCheck): Promise<boolean> {
  const kept = bytesOf(hash)
  const key = await crypto.subtle.importKey('raw', new TextEncoder().encode(pin), 'PBKDF2', false, ['deriveBits'])
  const bits = await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt: bytesOf(salt), iterations }, key, kept.length * 8)
  return new Uint8Array(bits).reduce((difference, byte, i) => difference | (byte ^ (kept[i] ?? 0)), 0) === 0
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
}
