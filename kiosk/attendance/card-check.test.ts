import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { cardHash, openScanner } from './card-check.ts'

const TOKEN = 'BCDEFGHJKLNPRSTUBCDEFGHJKLNPRSTU'

/** Types it with so many ms between two keys. @returns what was taken for scanned */
function type(text: string, everyMs: number, end = 'Enter'): (string | undefined)[] {
  const scanner = openScanner()
  let at = 1_000
  return [...[...text].flatMap((letter) => (letter === letter.toUpperCase() && /[A-Z]/.test(letter) ? ['Shift', letter] : [letter])), end].map((key) => scanner.press(key, (at += everyMs)))
}

describe('a scanner', () => {
  it('is heard where it types quickly and ends with Enter or Tab, capitals or not', () => {
    for (const [text, every, end] of [[TOKEN, 4, 'Enter'], [TOKEN.toLowerCase(), 50, 'Tab']] as const) {
      const heard = type(text, every, end)
      expect(heard.at(-1)).toBe(TOKEN)
      expect(heard.slice(0, -1).every((one) => one === undefined)).toBe(true)
    }
  })

  it('is told from a person, who types a PIN or slowly, and from what was typed before it', () => {
    expect(type('246813', 30).at(-1)).toBeUndefined()
    expect(type(TOKEN, 400).at(-1)).toBeUndefined()
    expect(type(`12${TOKEN}`, 5).at(-1)).toBe(TOKEN)
    const scanner = openScanner()
    scanner.press('1', 0)
    scanner.press('2', 200)
    for (const [i, letter] of [...TOKEN].entries()) scanner.press(letter, 2_000 + 5 * i)
    expect(scanner.press('Enter', 2_200)).toBe(TOKEN)
    expect(scanner.press('Enter', 2_210)).toBeUndefined()
  })
})

describe('a card', () => {
  it('is known by the hash of what stands on it, however it was typed', async () => {
    const kept = createHash('sha256').update(TOKEN).digest('base64')
    expect(await cardHash(TOKEN)).toBe(kept)
    expect(await cardHash(` ${TOKEN.toLowerCase()}`)).toBe(kept)
    for (const other of ['', '1234', 'https://school.example/', `${TOKEN}B`]) expect(await cardHash(other)).toBeUndefined()
  })
})
