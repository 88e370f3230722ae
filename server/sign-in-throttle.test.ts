import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createThrottle } from './sign-in-throttle.ts'

const at = (seconds: number): Date => new Date(Date.UTC(2026, 10, 23) + seconds * 1000)

it('lets through as many faults as the limit in one window, and says how long to wait', () => {
  const throttle = createThrottle({ limit: 5, windowMs: 60_000 })
  for (let i = 0; i < 5; i++) expect(throttle.attempt('a', at(i))).toBeUndefined()
  expect(throttle.attempt('a', at(10))).toBe(50)
  expect(throttle.attempt('b', at(10))).toBeUndefined()
  expect(throttle.attempt('a', at(60))).toBeUndefined()
})

it('does not count an attempt that was right', () => {
  const throttle = createThrottle({ limit: 2, windowMs: 60_000 })
  for (let i = 0; i < 20; i++) {
    expect(throttle.attempt('a', at(i))).toBeUndefined()
    throttle.forgive('a')
  }
})

it('never lets more than the limit through in a window, however attempts fall', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 80 }), fc.integer({ min: 1, max: 6 }), (times, limit) => {
      const throttle = createThrottle({ limit, windowMs: 60_000 })
      const through = times.sort((a, b) => a - b).filter((time) => throttle.attempt('a', at(time)) === undefined)
      for (const [i, time] of through.entries()) {
        // A fixed window lets at most twice the limit into any 60 seconds.
        expect(through.slice(i).filter((later) => later < time + 60).length).toBeLessThanOrEqual(2 * limit)
      }
    }),
  )
})

it('forgets old keys instead of growing for ever', () => {
  const throttle = createThrottle({ limit: 1, windowMs: 1_000_000 })
  expect(throttle.attempt('first', at(0))).toBeUndefined()
  for (let i = 0; i < 10_000; i++) throttle.attempt(`other ${i}`, at(1))
  expect(throttle.attempt('first', at(2))).toBeUndefined()
})
