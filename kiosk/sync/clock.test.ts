import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSchoolClock } from './clock.ts'
import type { SchoolClock } from './clock.ts'

const MONDAY = Date.parse('2026-11-23T08:00:00Z')

/** A device whose two clocks a test winds: `pass` lets time go by, `set` changes the wall clock, `sleep` stops the monotonic one. */
function device({ wrongBy = 0, savedOffsetMs = 0, driftPpm = 0 } = {}) {
  let truth = MONDAY
  let wall = MONDAY + wrongBy
  let monotonic = 1_000
  const clock: SchoolClock = createSchoolClock({ wall: () => Math.round(wall), monotonic: () => monotonic, savedOffsetMs, life: 'one' })
  const pass = (ms: number): void => {
    truth += ms
    wall += ms * (1 + driftPpm / 1e6)
    monotonic += ms * (1 + driftPpm / 1e6)
  }
  return {
    clock,
    pass,
    set: (ms: number) => void (wall += ms),
    sleep: (ms: number) => ((truth += ms), (wall += ms)),
    truth: () => truth,
    wall: () => wall,
    /** One round trip, in which the server reads its clock `there` ms after the asking. */
    ask(there: number, back: number, serverOff = 0): void {
      const asked = clock.monotonic()
      pass(there)
      const said = Math.round(truth + serverOff)
      pass(back)
      clock.told(asked, clock.monotonic(), said)
    },
  }
}

const delay = fc.integer({ min: 0, max: 7_000 })
const anyStep = fc.integer({ min: -50 * 366 * 86_400_000, max: 50 * 366 * 86_400_000 })

test("however wrong this device's clock is, once the server has answered the time is wrong by half the round trip at most", () => {
  fc.assert(
    fc.property(anyStep, delay, delay, (wrongBy, there, back) => {
      const pi = device({ wrongBy })
      pi.ask(there, back)
      expect(Math.abs(pi.clock.now() - pi.truth())).toBeLessThanOrEqual((there + back) / 2 + 1)
      expect(pi.clock.now() - pi.clock.offsetMs()).toBe(Math.round(pi.wall()))
    }),
  )
})

test('whatever the wall clock is set to in mid-lesson, the time goes on as it went, and every mark tells the raw time too', () => {
  fc.assert(
    fc.property(anyStep, fc.array(fc.tuple(anyStep, fc.integer({ min: 0, max: 3_600_000 })), { maxLength: 6 }), (wrongBy, steps) => {
      const pi = device({ wrongBy })
      pi.ask(10, 10)
      let before = pi.clock.now()
      for (const [step, ms] of steps) {
        pi.set(step)
        pi.pass(ms)
        expect(pi.clock.now() - before).toBe(ms)
        before = pi.clock.now()
        const { at, clockOffsetMs } = pi.clock.moment()
        expect(at - (clockOffsetMs ?? Number.NaN)).toBe(Math.round(pi.wall()))
      }
    }),
  )
})

test('before the server has been heard the time is the wall clock with the offset of the last life, and unsure', () => {
  const pi = device({ wrongBy: -9_000_000, savedOffsetMs: 9_000_400 })
  expect(pi.clock.now()).toBe(MONDAY + 400)
  expect(pi.clock.heard()).toBe(false)
  expect(pi.clock.moment()).toEqual({ at: MONDAY + 400, clockOffsetMs: 9_000_400, unsure: { life: 'one', monotonic: 1_000 } })
  pi.pass(60_000)
  pi.ask(5, 5)
  expect(pi.clock.sure()).toBe(true)
  expect(pi.clock.moment().unsure).toBeUndefined()
  // What was made a minute before gets its true time.
  expect(Math.abs(pi.clock.at(1_000) - MONDAY)).toBeLessThanOrEqual(5)
})

test('of several answers the quickest counts, until what clocks drift has made it the less exact', () => {
  const pi = device()
  pi.ask(1, 1)
  pi.pass(60_000)
  // All of the delay on one side: alone it would be wrong by a second.
  pi.ask(2_000, 0)
  expect(Math.abs(pi.clock.now() - pi.truth())).toBeLessThanOrEqual(2)
  for (let hour = 0; hour < 12; hour++) {
    pi.pass(3_600_000)
    pi.ask(0, 100)
  }
  expect(Math.abs(pi.clock.now() - pi.truth())).toBeLessThanOrEqual(51)
})

test('with any history of round trips, and a clock that drifts, the time is never off by more than half a round trip and the drift', () => {
  fc.assert(
    fc.property(fc.integer({ min: -100, max: 100 }), fc.array(fc.tuple(fc.integer({ min: 0, max: 600_000 }), delay, delay), { minLength: 1, maxLength: 20 }), (driftPpm, asked) => {
      const pi = device({ wrongBy: 12_345, driftPpm })
      for (const [pause, there, back] of asked) {
        pi.pass(pause)
        pi.ask(there, back)
        // The newest answer alone would be right within this.
        expect(Math.abs(pi.clock.now() - pi.truth())).toBeLessThanOrEqual((there + back) / 2 + 5)
      }
    }),
  )
})

test("a server whose clock was set is believed at its next answer", () => {
  fc.assert(
    fc.property(fc.integer({ min: -86_400_000, max: 86_400_000 }), fc.integer({ min: 0, max: 300 }), (off, delayed) => {
      const pi = device()
      for (let i = 0; i < 8; i++) pi.ask(1, 1)
      pi.ask(delayed, delayed, off)
      expect(Math.abs(pi.clock.now() - pi.truth() - off)).toBeLessThanOrEqual(2 * delayed + 10)
    }),
  )
})

test('after a sleep, or once the wall clock was set, marks are unsure until the server is heard, and then get their true time', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.integer({ min: 3_000, max: 86_400_000 }), fc.integer({ min: 0, max: 300_000 }), (slept, ms, wait) => {
      const pi = device()
      pi.ask(3, 3)
      expect(pi.clock.sure()).toBe(true)
      if (slept) pi.sleep(ms)
      else pi.set(ms)
      const truth = pi.truth()
      const { unsure } = pi.clock.moment()
      expect(unsure?.life).toBe('one')
      pi.pass(wait)
      pi.ask(3, 3)
      expect(pi.clock.sure()).toBe(true)
      expect(Math.abs(pi.clock.at(unsure?.monotonic ?? 0) - truth)).toBeLessThanOrEqual(10 + wait * 2e-4)
    }),
  )
})

test('an answer that came before it was asked for, took longer than one is waited for, or tells no time changes nothing', () => {
  const pi = device({ wrongBy: 77 })
  pi.clock.told(5_000, 4_000, MONDAY)
  pi.clock.told(5_000, 5_000 + 86_400_000, MONDAY)
  pi.clock.told(5_000, 5_010, Number.NaN)
  expect(pi.clock.heard()).toBe(false)
  expect(pi.clock.now()).toBe(MONDAY + 77)
})
