import { pbkdf2Sync } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PinCheck } from '#contract/schedule'
import type { Database } from './connect.ts'
import { student } from './people.ts'
import { isObvious, newPin, removePin, savePin } from './pins.ts'
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

async function checkOf(id: string): Promise<PinCheck | null | undefined> {
  return (await roomSchedule(db, 'LAB-301', NOW))?.students.find(({ student_id }) => student_id === id)?.pin
}

test('the roster carries what a PIN is checked against, and nothing keeps the PIN', async () => {
  expect(await checkOf('S001')).toBeNull()
  expect(await savePin(db, 'S001', '24680', NOW)).toBe(true)
  const check = PinCheck.parse(await checkOf('S001'))
  const hashed = (pin: string) => pbkdf2Sync(pin, Buffer.from(check.salt, 'base64'), check.iterations, 32, 'sha256').toString('base64')
  expect(hashed('24680')).toBe(check.hash)
  expect(hashed('24681')).not.toBe(check.hash)
  expect((await student(db, 'S001'))?.pin_set_at).toBe('2026-03-02T09:20:00.000Z')
  expect(JSON.stringify([await student(db, 'S001'), await db.sql`SELECT * FROM student_pins`])).not.toContain('24680')
})

test('a newer PIN takes the place of the older, with another salt; taken away it is gone', async () => {
  await savePin(db, 'S002', '1357', NOW)
  const first = await checkOf('S002')
  await savePin(db, 'S002', '1357', NOW)
  const second = await checkOf('S002')
  expect(second?.salt).not.toBe(first?.salt)
  expect(second?.hash).not.toBe(first?.hash)
  expect(await removePin(db, 'S002')).toBe(true)
  expect(await removePin(db, 'S002')).toBe(true)
  expect(await checkOf('S002')).toBeNull()
  expect((await student(db, 'S002'))?.pin_set_at).toBeNull()
})

test('kiosks hear of every change', async () => {
  const versions = [await rosterVersion(db)]
  await savePin(db, 'S003', '9753', NOW)
  versions.push(await rosterVersion(db))
  await savePin(db, 'S003', '9754', NOW)
  versions.push(await rosterVersion(db))
  await removePin(db, 'S003')
  versions.push(await rosterVersion(db))
  expect(new Set(versions).size).toBe(4)
})

test('nobody who is not a student has a PIN', async () => {
  expect(await savePin(db, 'S999', '2468', NOW)).toBe(false)
  expect(await removePin(db, 'S999')).toBe(false)
})

test('a PIN that is made has four digits, may begin with 0, and is none of those tried first', () => {
  const rolls = [0, 1111, 1234, 4321, 9999, 42]
  expect(newPin(() => rolls.shift() ?? 0)).toBe('0042')
  expect(Array.from({ length: 10_000 }, (_, n) => String(n).padStart(4, '0')).filter(isObvious)).toHaveLength(24)
  const made = new Set(Array.from({ length: 500 }, () => newPin()))
  for (const pin of made) expect(pin).toMatch(/^\d{4}$/)
  expect(made.size).toBeGreaterThan(450)
})
