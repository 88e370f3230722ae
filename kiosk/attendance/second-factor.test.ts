import { pbkdf2Sync, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FIRST_LOCK_MS, FORGET_TRIES_MS, LONGEST_LOCK_MS, type PinTries, TRIES_BEFORE_LOCK, isRightPin, lockedFor, triesLeft, withTry, withoutTries } from './second-factor.ts'

const T0 = Date.parse('2026-11-23T09:00:00Z')

/** Made by another implementation than the one that checks it. */
function checkOf(pin: string) {
  const salt = randomBytes(16)
  return { salt: salt.toString('base64'), hash: pbkdf2Sync(pin, salt, 1000, 32, 'sha256').toString('base64'), iterations: 1000 }
}

test('the PIN that was set is right, and every other one is wrong', async () => {
  const pin = fc.stringMatching(/^[0-9]{4,6}$/)
  await fc.assert(
    fc.asyncProperty(pin, pin, async (set, typed) => {
      const check = checkOf(set)
      expect(await isRightPin(set, check)).toBe(true)
      expect(await isRightPin(typed, check)).toBe(typed === set)
    }),
    { numRuns: 50 },
  )
})

test('five wrong PINs lock for a minute, and each further one for twice as long', () => {
  let tries: PinTries = new Map()
  let now = T0
  const locks: number[] = []
  for (let i = 0; i < 13; i++) {
    expect(triesLeft(tries, 'S1')).toBe(Math.max(1, TRIES_BEFORE_LOCK - i))
    tries = withTry(tries, 'S1', now)
    locks.push(lockedFor(tries, 'S1', now))
    now += lockedFor(tries, 'S1', now)
    expect(lockedFor(tries, 'S1', now)).toBe(0)
  }
  expect(locks.slice(0, 4)).toEqual([0, 0, 0, 0])
  expect(locks.slice(4).map((lock) => lock / FIRST_LOCK_MS)).toEqual([1, 2, 4, 8, 16, 32, 64, 64, 64])
  expect(lockedFor(tries, 'S2', now)).toBe(0)
})

test('the right PIN, or half a day, forgets the wrong ones', () => {
  let tries: PinTries = new Map()
  for (let i = 0; i < 7; i++) tries = withTry(tries, 'S1', T0)
  expect(withoutTries(tries, 'S1')).toEqual(new Map())
  expect(withTry(tries, 'S2', T0 + FORGET_TRIES_MS)).toEqual(new Map([['S2', { wrong: 1, lastAt: T0 + FORGET_TRIES_MS }]]))
  expect(withTry(tries, 'S1', T0 + FORGET_TRIES_MS).get('S1')?.wrong).toBe(1)
  expect(withTry(tries, 'S1', T0 + FORGET_TRIES_MS - 1).get('S1')?.wrong).toBe(8)
})

test('whatever the clock does and whoever else tries, a lock is never longer than the longest, and no student gets a free try', () => {
  const step = fc.record({ student: fc.constantFrom('S1', 'S2', '__proto__', 'constructor'), clock: fc.integer({ min: T0 - 40 * FIRST_LOCK_MS, max: T0 + 40 * FIRST_LOCK_MS }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let tries: PinTries = new Map()
      const wrong = new Map<string, number>()
      for (const { student, clock } of steps) {
        const wait = lockedFor(tries, student, clock)
        expect(wait).toBeGreaterThanOrEqual(0)
        expect(wait).toBeLessThanOrEqual(LONGEST_LOCK_MS)
        if (wait > 0) {
          expect(wrong.get(student)).toBeGreaterThanOrEqual(TRIES_BEFORE_LOCK)
          continue
        }
        tries = withTry(tries, student, clock)
        wrong.set(student, (wrong.get(student) ?? 0) + 1)
        expect(tries.get(student)?.wrong).toBe(wrong.get(student))
      }
    }),
  )
})
