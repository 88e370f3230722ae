/** Cards at the kiosk: what a scanner types, and how a card is told from all others. Pure; whose card it is the lesson knows. */
import { CARD_LENGTH, cardIn } from '#contract/card'

/** A scanner that is slow types a letter in 50 ms; a person who is quick takes twice as long, and makes no card's length of it. */
const SAME_SCAN_MS = 250
/** What is so long, typed so fast and ended by Enter was scanned, whatever it says. */
const LEAST_SCANNED = 12

export interface Scanner {
  /**
   * One key more. @param at ms, of the event itself
   * @returns what was scanned, with the key that ends it; undefined: nothing yet, or a person types
   */
  press(key: string, at: number): string | undefined
}

/** Scanners type what they read like a keyboard, and Enter or Tab after it. */
export function openScanner(): Scanner {
  let typed = ''
  let lastAt = -Infinity
  return {
    press(key, at) {
      if (at - lastAt > SAME_SCAN_MS) typed = ''
      if (key === 'Enter' || key === 'Tab') {
        const text = typed
        typed = ''
        // Somebody may have had a finger on the keypad just before.
        return cardIn(text.slice(-CARD_LENGTH)) ?? (text.length >= LEAST_SCANNED ? text : undefined)
      }
      // Shift and the like come between capitals.
      if ([...key].length !== 1) return undefined
      typed += key
      lastAt = at
      return undefined
    },
  }
}

/** As the roster has it (base64 of the SHA-256); undefined: the text is no card of ours. */
export async function cardHash(text: string): Promise<string | undefined> {
  const token = cardIn(text)
  if (token === undefined) return undefined
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))
  return btoa(String.fromCharCode(...new Uint8Array(hash)))
}
