import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import type { LogEvent } from './log.ts'
import { startRounds } from './rounds.ts'

it('a round comes again after it failed, never meets itself, and keeps no other waiting', async () => {
  const events: LogEvent[] = []
  let [tried, atOnce, most, others] = [0, 0, 0, 0]
  const end = startRounds([
    {
      name: 'months',
      everyMs: 1,
      work: async () => {
        most = Math.max(most, ++atOnce)
        await sleep(20)
        atOnce -= 1
        if (++tried % 2 === 1) throw new Error('the database is away')
      },
    },
    { name: 'hangs', everyMs: 1, work: () => new Promise(() => {}) },
    { name: 'reports', everyMs: 1, work: async () => (others += 1) },
  ], (event) => events.push(event))
  await vi.waitFor(() => expect(tried).toBeGreaterThan(4), 10_000)
  expect(most).toBe(1)
  expect(others).toBeGreaterThan(0)
  expect(events.length).toBeGreaterThan(1)
  expect(events.every(({ event, round, message }) => event === 'round_failed' && round === 'months' && message === 'the database is away')).toBe(true)

  end()
  await vi.waitFor(() => expect(atOnce).toBe(0), 10_000)
  const [after, logged] = [tried, events.length]
  await sleep(60)
  // One that was under way ends; none begins, and nobody is told of a fault that stopping made.
  expect([tried, events.length]).toEqual([after, logged])
})
