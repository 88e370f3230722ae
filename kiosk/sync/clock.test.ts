import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clockOffset } from './clock.ts'

test('the measured offset is wrong by half the round trip at most', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1e12, max: 1e12 }), fc.integer({ min: 0, max: 7000 }), fc.integer({ min: 0, max: 7000 }), (off, there, back) => {
      const askedAt = 1_764_000_000_000
      const measured = clockOffset(askedAt, askedAt + there + back, askedAt + there + off)
      expect(Math.abs((measured as number) - off)).toBeLessThanOrEqual((there + back) / 2 + 1)
    }),
  )
})

test('a clock that was set between question and answer measures nothing', () => {
  expect(clockOffset(5000, 4000, 5000)).toBeUndefined()
  expect(clockOffset(5000, 5000 + 86_400_000, 5000)).toBeUndefined()
  expect(clockOffset(5000, 5010, Number.NaN)).toBeUndefined()
})
