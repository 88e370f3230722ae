/** Students' cards: what stands on one is told once, when it is made, and kept as its SHA-256 alone. */
import { createHash, randomBytes } from 'node:crypto'
import type { Database } from './connect.ts'

/** The contract's CARD_LETTERS and CARD_LENGTH: half a byte a letter. */
const LETTERS = 'BCDEFGHJKLNPRSTU'
const CARD_BYTES = 16

/** 128 random bits in letters. */
export function newCardToken(): string {
  return [...randomBytes(CARD_BYTES)].map((byte) => `${LETTERS[byte >> 4]}${LETTERS[byte & 15]}`).join('')
}

/** The card in force from now on; the one before is nobody's. False: no such student. */
export async function saveCard(db: Database, studentId: string, token: string, now: Date): Promise<boolean> {
  const sha256 = createHash('sha256').update(token).digest()
  const saved = await db.sql`
    INSERT INTO student_cards (student_id, token_sha256, made_at)
    SELECT student_id, ${sha256}, ${now.toISOString()}::timestamptz FROM students WHERE student_id = ${studentId}
    ON CONFLICT (student_id) DO UPDATE SET token_sha256 = excluded.token_sha256, made_at = excluded.made_at
    RETURNING student_id`
  return saved.length > 0
}

/** `none`: the student had no card. Undefined: no such student. */
export async function removeCard(db: Database, studentId: string): Promise<'removed' | 'none' | undefined> {
  const [known] = await db.sql`SELECT FROM students WHERE student_id = ${studentId}`
  if (!known) return undefined
  const removed = await db.sql`DELETE FROM student_cards WHERE student_id = ${studentId} RETURNING student_id`
  return removed.length > 0 ? 'removed' : 'none'
}
