/**
 * A student's card: a QR code that says a random number and nothing else. Who holds it is taken for its student, as who knows a PIN is.
 *
 * [Note: Sixteen letters] The number is written in sixteen letters that lie in the same place on every Latin keyboard (so no A, Q, W, Z,
 * Y, M and no digit): a scanner that types like a keyboard says the same whatever the layout. A QR code has a mode for capitals.
 */
import { z } from 'zod'
import { Student } from './people.ts'

/** Letter i stands for the half byte i. */
export const CARD_LETTERS = 'BCDEFGHJKLNPRSTU'
/** 128 bits. */
export const CARD_LENGTH = 32

/** As it stands on the card, in capitals. */
export const CardToken = z.string().regex(new RegExp(`^[${CARD_LETTERS}]{${CARD_LENGTH}}$`), `must be ${CARD_LENGTH} of the letters ${CARD_LETTERS}`)

/** Scanners and keyboards may say it in small letters. Undefined: no card of ours. */
export function cardIn(text: string): string | undefined {
  const token = CardToken.safeParse(text.trim().toUpperCase())
  return token.success ? token.data : undefined
}

/** Answer of `PUT /api/v1/students/{id}/card`, which makes a new one and ends the one before. The only answer that ever holds what stands on the card: its SHA-256 is kept. `DELETE` ends it and answers with the student. */
export const NewCard = z.object({ token: CardToken, student: Student })
export type NewCard = z.infer<typeof NewCard>
