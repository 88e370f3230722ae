import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createApp } from './app.ts'
import { connectRedis } from './redis.ts'
import type { QueueRedis } from './redis.ts'
import { createThrottle, sharedThrottles } from './sign-in-throttle.ts'
import type { Throttle } from './sign-in-throttle.ts'
import { noRedis, startThrowawayRedis } from './throwaway-redis.ts'
import type { ThrowawayRedis } from './throwaway-redis.ts'
import { startThrowawaySchool } from './throwaway-school.ts'
import type { LogEvent } from './log.ts'

const at = (seconds: number): Date => new Date(Date.UTC(2026, 10, 23) + seconds * 1000)

/** Of these attempts, one after the other, those that were let through. */
async function through<T>(throttle: Throttle, attempts: readonly T[], nowOf: (attempt: T) => Date = () => at(0)): Promise<T[]> {
  const passed: T[] = []
  for (const attempt of attempts) if ((await throttle.attempt('a', nowOf(attempt))) === undefined) passed.push(attempt)
  return passed
}

describe('in one server\'s memory', () => {
  it('lets through as many faults as the limit in one window, and says how long to wait', async () => {
    const throttle = createThrottle({ limit: 5, windowMs: 60_000 })
    for (let i = 0; i < 5; i++) expect(await throttle.attempt('a', at(i))).toBeUndefined()
    expect(await throttle.attempt('a', at(10))).toBe(50)
    expect(await throttle.attempt('b', at(10))).toBeUndefined()
    expect(await throttle.attempt('a', at(60))).toBeUndefined()
  })

  it('does not count an attempt that was right', async () => {
    const throttle = createThrottle({ limit: 2, windowMs: 60_000 })
    for (let i = 0; i < 20; i++) {
      expect(await throttle.attempt('a', at(i))).toBeUndefined()
      await throttle.forgive('a')
    }
  })

  it('never lets more than the limit through in a window, however attempts fall', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 80 }), fc.integer({ min: 1, max: 6 }), async (times, limit) => {
        const throttle = createThrottle({ limit, windowMs: 60_000 })
        const passed = await through(throttle, times.sort((a, b) => a - b), at)
        for (const [i, time] of passed.entries()) {
          // A fixed window lets at most twice the limit into any 60 seconds.
          expect(passed.slice(i).filter((later) => later < time + 60).length).toBeLessThanOrEqual(2 * limit)
        }
      }),
    )
  })

  it('forgets old keys instead of growing for ever', async () => {
    const throttle = createThrottle({ limit: 1, windowMs: 1_000_000 })
    expect(await throttle.attempt('first', at(0))).toBeUndefined()
    for (let i = 0; i < 10_000; i++) await throttle.attempt(`other ${i}`, at(1))
    expect(await throttle.attempt('first', at(2))).toBeUndefined()
  })
})

describe.skipIf(noRedis)(`in a Redis that several servers share${noRedis === undefined ? '' : ` (skipped: ${noRedis})`}`, () => {
  let server: ThrowawayRedis
  const events: LogEvent[] = []
  const log = (event: LogEvent): void => void events.push(event)
  /** Of two servers. */
  let clients: [QueueRedis, QueueRedis]
  beforeAll(async () => {
    server = await startThrowawayRedis()
    clients = [await connectRedis(server.url, log), await connectRedis(server.url, log)]
  })
  afterAll(async () => {
    for (const client of clients) await client.close()
    await server.stop()
  })
  let names = 0
  const throttles = (limit: number, windowMs = 60_000): [Throttle, Throttle] => {
    const name = `test-${names++}`
    return [sharedThrottles(clients[0].client, log)({ name, limit, windowMs }), sharedThrottles(clients[1].client, log)({ name, limit, windowMs })]
  }

  it('lets through as many faults as the limit over all servers, however they are spread and however many come at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat({ max: 1 }), fc.boolean()), { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 8 }), async (attempts, limit) => {
        const both = throttles(limit)
        const under: Promise<number | undefined>[] = []
        for (const [which, alone] of attempts) {
          const answer = both[which as 0 | 1].attempt('a', at(0))
          under.push(answer)
          if (alone) await answer
        }
        const waits = await Promise.all(under)
        expect(waits.filter((wait) => wait === undefined)).toHaveLength(Math.min(limit, attempts.length))
        for (const wait of waits) if (wait !== undefined) expect(wait > 0 && wait <= 60).toBe(true)
      }),
      { numRuns: 40 },
    )
  })

  it('does not count an attempt that was right, on whichever server, and guessing on keeps nobody out for longer', async () => {
    const [one, other] = throttles(2)
    for (let i = 0; i < 10; i++) {
      expect(await one.attempt('a', at(0))).toBeUndefined()
      await one.forgive('a')
    }
    expect(await through(one, [1, 2, 3, 4, 5])).toEqual([1, 2])
    expect(await other.attempt('a', at(0))).toBeGreaterThan(0)
    await other.forgive('a')
    expect(await through(other, [1, 2])).toEqual([1])
  })

  it('lets through again when the window is over', async () => {
    const [one, other] = throttles(1, 1_000)
    expect(await through(one, [1, 2])).toEqual([1])
    await sleep(1_100)
    expect(await through(other, [1, 2])).toEqual([1])
  })

  it('keeps no name that was typed', async () => {
    const [one] = throttles(1)
    await one.attempt('127.0.0.1 a password typed as a name', at(0))
    expect((await clients[0].client.keys('*')).join()).not.toMatch(/password|127/)
  })

  it('slows down one name over two servers of one school', async () => {
    const now = new Date('2026-11-23T09:20:00Z')
    const school = await startThrowawaySchool(() => now)
    const apps = clients.map(({ client }) => createApp({ ...school.parts, makeThrottle: sharedThrottles(client, log) }))
    const signIn = async (which: number, password: string): Promise<number> =>
      (await apps[which % 2]!.request('/api/v1/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'office', password }) })).status
    for (let i = 0; i < 5; i++) expect(await signIn(i, 'guess')).toBe(401)
    for (let i = 0; i < 2; i++) expect(await signIn(i, school.officePassword)).toBe(429)
    await school.stop()
  })

  it('goes on in each server\'s memory while Redis is away, says so once, and together again when it is back', async () => {
    const [one, other] = throttles(2)
    await server.kill()
    await vi.waitFor(() => expect(clients.every((client) => !client.isReady())).toBe(true), 5_000)
    events.length = 0
    expect(await through(one, [1, 2, 3, 4])).toEqual([1, 2])
    expect(await through(other, [1, 2, 3, 4])).toEqual([1, 2])
    await one.forgive('a')
    expect(await through(one, [1, 2])).toEqual([1])
    expect(events.filter(({ event }) => event === 'sign_ins_counted_alone')).toHaveLength(2)
    await server.restart()
    await vi.waitFor(() => expect(clients.every((client) => client.isReady())).toBe(true), 10_000)
    // Each leaves Redis alone for a while after a fault.
    await vi.waitFor(async () => {
      const key = `both ${names++}`
      const waits = [await one.attempt(key, at(0)), await other.attempt(key, at(0)), await one.attempt(key, at(0))]
      expect(waits.map((wait) => wait === undefined)).toEqual([true, true, false])
    }, { timeout: 20_000, interval: 500 })
  })

  it('keeps nobody waiting for a Redis that hangs', async () => {
    const [one] = throttles(2)
    server.freeze()
    expect(await through(one, [1, 2, 3])).toEqual([1, 2])
    server.thaw()
    await vi.waitFor(() => expect(clients.every((client) => client.isReady())).toBe(true), 10_000)
  })
})
