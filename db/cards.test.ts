import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CARD_LENGTH, CARD_LETTERS, CardToken, cardIn } from '#contract/card'
import { newCardToken, removeCard, saveCard } from './cards.ts'
import type { Database } from './connect.ts'
import { student } from './people.ts'
import { rosterVersion } from './roster.ts'
import { openDemoSchool, roomSchedule } from './test-school.ts'

/** A Monday, 10:20 in Stockholm. */
const NOW = new Date('2026-03-02T09:20:00Z')

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
})
afterAll(() => close())

const cardOf = async (id: string) => (await roomSchedule(db, 'LAB-301', NOW))?.students.find(({ student_id }) => student_id === id)?.card
const sha256 = (token: string) => createHash('sha256').update(token).digest('base64')

test('a card says 128 random bits in letters that every keyboard has in the same place', () => {
  const made = Array.from({ length: 500 }, () => newCardToken())
  expect(new Set(made).size).toBe(500)
  for (const token of made) expect(CardToken.parse(token)).toHaveLength(CARD_LENGTH)
  expect(new Set(made.join(''))).toEqual(new Set(CARD_LETTERS))
  for (const letter of 'AQWZYM0123456789') expect(CARD_LETTERS).not.toContain(letter)
  expect(cardIn(` ${made[0]!.toLowerCase()}\r`)).toBe(made[0])
  for (const other of ['', 'https://school.example', made[0]!.slice(1), `${made[0]}B`, made[0]!.replace(/^./, 'A')]) expect(cardIn(other)).toBeUndefined()
})

test('the roster carries what a card is checked against, and nothing keeps what stands on it', async () => {
  expect(await cardOf('S001')).toBeNull()
  const token = newCardToken()
  expect(await saveCard(db, 'S001', token, NOW)).toBe(true)
  expect(await cardOf('S001')).toBe(sha256(token))
  expect((await student(db, 'S001'))?.card_made_at).toBe('2026-03-02T09:20:00.000Z')
  expect(JSON.stringify([await student(db, 'S001'), await db.sql`SELECT *, token_sha256::text FROM student_cards`])).not.toContain(token)
})

test('a newer card takes the place of a lost one; taken away it is gone, and kiosks hear of each', async () => {
  const versions = [await rosterVersion(db)]
  const [lost, newer] = [newCardToken(), newCardToken()]
  await saveCard(db, 'S002', lost, NOW)
  versions.push(await rosterVersion(db))
  await saveCard(db, 'S002', newer, NOW)
  versions.push(await rosterVersion(db))
  expect(await cardOf('S002')).toBe(sha256(newer))
  expect(await removeCard(db, 'S002')).toBe('removed')
  versions.push(await rosterVersion(db))
  expect(await removeCard(db, 'S002')).toBe('none')
  expect(await cardOf('S002')).toBeNull()
  expect((await student(db, 'S002'))?.card_made_at).toBeNull()
  expect(new Set(versions).size).toBe(4)
})

test('nobody who is not a student has a card', async () => {
  expect(await saveCard(db, 'S999', newCardToken(), NOW)).toBe(false)
  expect(await removeCard(db, 'S999')).toBeUndefined()
})
