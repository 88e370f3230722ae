/** PINs: the way to a mark without a face. What is kept is a slow hash; the digits themselves are only ever told once, to the office. */
import { pbkdf2, randomBytes, randomInt } from 'node:crypto'
import { promisify } from 'node:util'
import type { Database } from './connect.ts'

/**
 * What one guess costs: some 100 ms on a Raspberry Pi 4, whose cryptsetup reports 230,000 (idle clock) to 650,000 iterations of
 * PBKDF2-SHA256 a second. Each PIN carries its own number, so that it can be raised.
 */
export const PIN_ITERATIONS = 40_000
const SALT_BYTES = 16
const HASH_BYTES = 32
/** A generated PIN: four digits are remembered by a child, and the kiosk lets nobody try them out. */
const GENERATED_DIGITS = 4

const slowHash = promisify(pbkdf2)

/** Random digits, none of those that everybody tries first. */
export function newPin(random: (below: number) => number = randomInt): string {
  for (;;) {
    const pin = String(random(10 ** GENERATED_DIGITS)).padStart(GENERATED_DIGITS, '0')
    if (!isObvious(pin)) return pin
  }
}

/** All digits the same, or each one more or one less than the one before. */
export function isObvious(pin: string): boolean {
  const steps = new Set(Array.from(pin.slice(1), (digit, i) => Number(digit) - Number(pin[i])))
  const [step = 0] = steps
  return steps.size === 1 && Math.abs(step) <= 1
}

/** Takes the place of the PIN before. False: no such student. */
export async function savePin(db: Database, studentId: string, pin: string, now: Date): Promise<boolean> {
  const salt = randomBytes(SALT_BYTES)
  const hash = await slowHash(pin, salt, PIN_ITERATIONS, HASH_BYTES, 'sha256')
  const saved = await db.sql`
    INSERT INTO student_pins (student_id, salt, hash, iterations, set_at)
    SELECT student_id, ${salt}, ${hash}, ${PIN_ITERATIONS}, ${now.toISOString()}::timestamptz FROM students WHERE student_id = ${studentId}
    ON CONFLICT (student_id) DO UPDATE SET salt = excluded.salt, hash = excluded.hash, iterations = excluded.iterations, set_at = excluded.set_at
    RETURNING student_id`
  return saved.length > 0
}

/** True also when there was none. False: no such student. */
export async function removePin(db: Database, studentId: string): Promise<boolean> {
  const [known] = await db.sql`SELECT FROM students WHERE student_id = ${studentId}`
  if (!known) return false
  await db.sql`DELETE FROM student_pins WHERE student_id = ${studentId}`
  return true
}
