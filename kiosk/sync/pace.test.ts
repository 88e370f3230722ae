import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Lesson, Schedule } from '#contract/schedule'
import { PACE, lessonChanges, queuedDelay, remaining, retryDelay, untilPull, untilPush } from './pace.ts'

const NOON = Date.parse('2026-11-23T12:00:00Z')
const instant = fc.integer({ min: NOON - 86_400_000, max: NOON + 86_400_000 })

test('ten unsent marks are pushed at once', () => {
  expect(untilPush({ now: NOON, added: 10, since: NOON }, PACE)).toBe(0)
})

test('fewer are pushed a minute after the first of them, and none are never due', () => {
  expect(untilPush({ now: NOON, added: 1, since: NOON }, PACE)).toBe(60_000)
  expect(untilPush({ now: NOON + 59_999, added: 9, since: NOON }, PACE)).toBe(1)
  expect(untilPush({ now: NOON + 60_000, added: 1, since: NOON }, PACE)).toBe(0)
  expect(untilPush({ now: NOON, added: 0, since: 0 }, PACE)).toBe(Number.POSITIVE_INFINITY)
})

test('a kiosk that never pulled pulls now', () => {
  expect(untilPull({ now: NOON, pulledAt: undefined, serverNow: NOON, confirmedAt: 0, changes: [], spread: 0 }, PACE)).toBe(0)
})

test('a pull is due by ten minutes after the last, and a little after the first lesson change before that', () => {
  const spread = fc.integer({ min: 0, max: PACE.spreadMs })
  fc.assert(
    fc.property(fc.array(instant, { maxLength: 8 }), spread, fc.integer({ min: 0, max: 600_000 }), fc.integer({ min: -1e9, max: 1e9 }), (unsorted, moved, passed, offset) => {
      const changes = unsorted.sort((a, b) => a - b)
      const now = NOON + passed
      const left = untilPull({ now: now - offset, pulledAt: NOON - offset, serverNow: now, confirmedAt: NOON, changes, spread: moved }, PACE)
      const regular = Math.max(0, NOON + PACE.pullEveryMs - moved - now)
      const bell = changes.find((at) => at > NOON)
      expect(left).toBe(bell === undefined ? regular : Math.min(regular, Math.max(0, bell + moved - now)))
    }),
  )
})

test('a bell that a pull has answered does not ring again when the clock is measured anew', () => {
  const after = { now: NOON + 5, pulledAt: NOON + 1, confirmedAt: NOON + 1, changes: [NOON], spread: 0 }
  for (const off of [-10_000, -100, 0, 100, 10_000]) expect(untilPull({ ...after, serverNow: NOON + 5 + off }, PACE)).toBe(PACE.pullEveryMs - 4)
})

test('a clock that was set back by any amount makes nothing wait longer than it should', () => {
  fc.assert(
    fc.property(instant, instant, fc.integer({ min: 0, max: 600_000 }), (now, since, ms) => {
      const left = remaining(now, since, ms)
      expect(left).toBeGreaterThanOrEqual(0)
      expect(left).toBeLessThanOrEqual(ms)
      if (now < since) expect(left).toBe(0)
    }),
  )
})

test('retries spread over a doubling span with a ceiling, and never come before the time the server named', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.option(fc.integer({ min: 0, max: 1e9 }), { nil: undefined }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, retryAfter, luck) => {
      const delay = retryDelay(attempt, retryAfter, () => luck, PACE)
      const held = Math.min(PACE.longestHoldMs, (retryAfter ?? 0) * 1000)
      expect(delay).toBeGreaterThanOrEqual(held)
      expect(delay).toBeLessThanOrEqual(held + PACE.longestRetryMs)
    }),
  )
  expect([1, 2, 3, 4, 5, 6, 7].map((attempt) => retryDelay(attempt, undefined, () => 1, PACE))).toEqual([2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
})

test('a beat, and a pull that it owes, are over within a minute where an answer takes no longer than a few seconds', () => {
  expect(PACE.beatEveryMs).toBeLessThanOrEqual(45_000)
})

test('what waits to be recorded is asked for again after a second or two, then ever less often, at least once a minute', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0, max: 1, noNaN: true }), (round, luck) => {
      const delay = queuedDelay(round, () => luck, PACE)
      expect(delay).toBeGreaterThanOrEqual(1_000)
      expect(delay).toBeLessThanOrEqual(60_000)
    }),
  )
  expect([1, 2, 3, 4, 5, 6, 7].map((round) => queuedDelay(round, () => 1, PACE))).toEqual([2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
  expect(queuedDelay(1, () => 0, PACE)).toBe(1_000)
})

test('the lesson changes of a schedule are the starts and ends of all its lessons, each once, in order', () => {
  const lesson = (starts_at: string, ends_at: string) => ({ starts_at, ends_at }) as Lesson
  const schedule = {
    current_class: lesson('2026-11-23T11:00:00Z', '2026-11-23T12:00:00Z'),
    ahead: { lessons: [lesson('2026-11-23T15:00:00+01:00', '2026-11-23T15:00:00Z'), lesson('2026-11-23T12:00:00Z', '2026-11-23T13:00:00Z')] },
  } as Schedule
  expect(lessonChanges(schedule).map((at) => new Date(at).toISOString().slice(11, 16))).toEqual(['11:00', '12:00', '13:00', '14:00', '15:00'])
  expect(lessonChanges({ ...schedule, current_class: null, ahead: { lessons: [], students: [] } })).toEqual([])
})
