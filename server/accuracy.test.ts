import { expect, test } from 'vitest'
import { shareRight } from './accuracy.ts'

const lesson = (marks: number, right: number, wrong = 0) => ({ marks, right, wrong })

test('with equal weights it is Wilson\'s interval', () => {
  // 81 of 263: Wilson's own interval is .2553 to .3662 (Newcombe, Stat. Med. 17 (1998) 857-872, method 3).
  const share = shareRight(Array.from({ length: 263 }, (_, n) => lesson(1, n < 81 ? 1 : 0, n < 81 ? 0 : 1)))
  expect(share?.checked).toBe(263)
  expect(share?.estimate).toBeCloseTo(81 / 263, 10)
  expect(share?.lower).toBeCloseTo(0.2553, 4)
  expect(share?.upper).toBeCloseTo(0.3662, 4)
})

test('each answer stands for its share of the lesson\'s marks, and the interval grows by what unequal weights cost', () => {
  // 30 marks with three answers, one wrong: 20 of 30; 3 marks with three answers, all right: 3 of 3.
  const share = shareRight([lesson(30, 2, 1), lesson(3, 3)])
  expect(share?.estimate).toBeCloseTo(23 / 33, 10)
  const even = shareRight([lesson(3, 2, 1), lesson(3, 3)])
  expect((share?.upper ?? 0) - (share?.lower ?? 0)).toBeGreaterThan((even?.upper ?? 0) - (even?.lower ?? 0))
})

test('without an answer nothing is said; of few answers the interval says how little is known', () => {
  expect(shareRight([])).toBeUndefined()
  expect(shareRight([lesson(20, 0)])).toBeUndefined()
  const few = shareRight([lesson(24, 3)])
  expect(few).toMatchObject({ estimate: 1, upper: 1 })
  expect(few?.lower).toBeCloseTo(0.4385, 3)
  // A mark may be gone since it was answered.
  expect(shareRight([lesson(0, 1)])).toMatchObject({ estimate: 1, checked: 1 })
})

test('of drawn samples of a school that is right in 97 of 100 the interval holds the truth about 19 times in 20', () => {
  let state = 1
  const chance = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  let held = 0
  for (let run = 0; run < 1_000; run++) {
    const lessons = Array.from({ length: 60 }, () => {
      const marks = 5 + Math.floor(chance() * 40)
      const right = Array.from({ length: 3 }).filter(() => chance() < 0.97).length
      return lesson(marks, right, 3 - right)
    })
    const share = shareRight(lessons)
    if (share && share.lower <= 0.97 && share.upper >= 0.97) held += 1
  }
  expect(held / 1_000).toBeGreaterThan(0.925)
  expect(held / 1_000).toBeLessThan(0.985)
})
