import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Problem } from '#contract/problem'
import { createApp } from './app.ts'
import { createLimits, sharedCount } from './limits.ts'
import type { SharedCount } from './limits.ts'
import { connectRedis } from './redis.ts'
import type { QueueRedis } from './redis.ts'
import { byCookie, signedIn } from './throwaway-people.ts'
import type { ThrowawayPerson } from './throwaway-people.ts'
import { noRedis, startThrowawayRedis } from './throwaway-redis.ts'
import { asked, startThrowawaySchool } from './throwaway-school.ts'
import type { ThrowawaySchool } from './throwaway-school.ts'

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('requests', () => {
  it('are allowed up to the limit in a minute from the first one, each kind and name for itself, and scripts ten times as many', () => {
    let at = 5_000
    const limits = createLimits({ perMinute: 3, log: () => {}, monotonic: () => at })
    const take = (): boolean => limits.take('device', 'pi-1').allowed
    expect(limits.take('device', 'pi-1')).toEqual({ allowed: true, limit: 3, left: 2, resetSeconds: 60 })
    at += 20_000
    expect([take(), take(), take(), take()]).toEqual([true, true, false, false])
    expect(limits.take('device', 'pi-1')).toEqual({ allowed: false, limit: 3, left: 0, resetSeconds: 40 })
    expect(limits.take('device', 'pi-2').allowed).toBe(true)
    expect(limits.take('account', 'pi-1').allowed).toBe(true)
    expect(Array.from({ length: 31 }, () => limits.take('script', '').allowed).filter(Boolean)).toHaveLength(30)
    at += 40_000
    expect(limits.take('device', 'pi-1')).toEqual({ allowed: true, limit: 3, left: 2, resetSeconds: 60 })
  })

  it('from very many addresses cost no more memory than twenty thousand of them', () => {
    const limits = createLimits({ perMinute: 1, log: () => {}, monotonic: () => 0 })
    for (let i = 0; i < 60_000; i++) limits.take('address', `198.51.${i}`)
    expect(limits.take('address', '198.51.59999').allowed).toBe(false)
    expect(limits.take('address', '198.51.0').allowed, 'the oldest was forgotten').toBe(true)
  })

  it('that one client spreads over three servers are settled between them: it gets two twentieths too many at most', async () => {
    const counts = new Map<string, number>()
    const shared: SharedCount = async (key, requests) => {
      counts.set(key, (counts.get(key) ?? 0) + requests)
      return { requests: counts.get(key) ?? 0, endsInMs: 60_000 }
    }
    const servers = Array.from({ length: 3 }, () => createLimits({ perMinute: 100, shared, log: () => {}, monotonic: () => 0 }))
    let allowed = 0
    for (let i = 0; i < 600; i++) {
      if (servers[i % 3]?.take('device', 'pi-1').allowed) allowed += 1
      await settled()
    }
    expect(allowed).toBeGreaterThanOrEqual(100)
    expect(allowed).toBeLessThanOrEqual(110)
    expect(counts.get('device pi-1')).toBeLessThanOrEqual(110)
  })

  it('are counted by each server alone while the common count is away, which is logged once, and together again when it is back', async () => {
    let at = 0
    let away = true
    let common = 0
    const events: string[] = []
    const shared: SharedCount = async (_key, requests) => {
      if (away) throw new Error('away')
      common += requests
      return { requests: common, endsInMs: 60_000 }
    }
    const limits = createLimits({ perMinute: 100, shared, log: ({ event }) => void events.push(event), monotonic: () => at })
    for (let i = 0; i < 30; i++) {
      expect(limits.take('device', 'pi-1').left).toBe(99 - i)
      await settled()
    }
    expect(events).toEqual(['requests_counted_alone'])
    away = false
    common = 50
    at += 6_000
    for (let i = 0; i < 40; i++) {
      limits.take('device', 'pi-1')
      await settled()
    }
    // Fifty of the others and fifty of ours, less the last few that are not settled yet.
    expect(common).toBeGreaterThanOrEqual(95)
    expect(common).toBeLessThanOrEqual(100)
    expect(limits.take('device', 'pi-1').allowed).toBe(false)
  })
})

describe.skipIf(noRedis)('servers that share a Redis', () => {
  it('count a client that goes from one to the other together, to within a twentieth, and none waits for it', async () => {
    const redis = await startThrowawayRedis()
    const clients: QueueRedis[] = []
    try {
      for (let i = 0; i < 2; i++) clients.push(await connectRedis(redis.url, () => {}))
      const limits = clients.map(({ client }) => createLimits({ perMinute: 100, shared: sharedCount(client), log: () => {} }))
      let allowed = 0
      let slowest = 0
      for (let i = 0; i < 300; i++) {
        const since = performance.now()
        if (limits[i % 2]?.take('device', 'pi-1').allowed) allowed += 1
        slowest = Math.max(slowest, performance.now() - since)
        await sleep(4)
      }
      expect(allowed).toBeGreaterThanOrEqual(100)
      // A twentieth of the limit, and what came within a round trip on a busy machine.
      expect(allowed).toBeLessThanOrEqual(115)
      expect(slowest, 'milliseconds that a request waited').toBeLessThan(50)
      const third = createLimits({ perMinute: 100, shared: sharedCount(clients[0]!.client), log: () => {} })
      for (let i = 0; i < 5; i++) third.take('device', 'pi-1')
      await vi.waitFor(() => expect(third.take('device', 'pi-1').allowed, 'a server that has just been started').toBe(false), { timeout: 5_000 })
    } finally {
      for (const client of clients) await client.close()
      await redis.stop()
    }
  })
})

describe('the app', () => {
  const NOW = new Date('2026-11-23T09:20:00Z')
  let school: ThrowawaySchool
  let app: ThrowawaySchool['app']
  beforeAll(async () => {
    school = await startThrowawaySchool(() => NOW)
    app = createApp({ ...school.parts, rateLimitPerMinute: 5 })
  })
  afterAll(() => school.stop())

  it('tells each client how many requests it has left, and turns away what is too many with 429, the time to wait and a problem', async () => {
    const schedule = () => app.request('/api/v1/schedule?room_id=LAB-301', asked(school.deviceKey))
    const first = await schedule()
    expect(first.status).toBe(200)
    expect(first.headers.get('ratelimit-policy')).toBe('"device";q=5;w=60')
    expect(first.headers.get('ratelimit')).toBe('"device";r=4;t=60')
    for (let i = 0; i < 4; i++) expect((await schedule()).status).toBe(200)
    const refused = await schedule()
    expect(refused.status).toBe(429)
    expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    const wait = Number(refused.headers.get('retry-after'))
    expect(wait).toBeGreaterThan(50)
    expect(wait, 'seconds of a window of one minute').toBeLessThanOrEqual(60)
    expect(refused.headers.get('ratelimit')).toBe(`"device";r=0;t=${wait}`)
    expect(refused.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(Problem.parse(await refused.json())).toMatchObject({ code: 'too_many_requests', status: 429 })
    expect((await app.request('/api/v1/kiosks', asked(school.apiKey))).headers.get('ratelimit')).toMatch(/^"script";r=49;/)
  })

  it('counts those who are nobody by their address, whatever key they invent, and nobody else pays for them', async () => {
    const from = (address: string, key?: string) => app.request('/api/v1/kiosks', asked(key), { incoming: { socket: { remoteAddress: address, remoteFamily: 'IPv4' } } })
    for (let i = 0; i < 5; i++) expect((await from('203.0.113.9', `wrong ${i}`)).status).toBe(401)
    expect((await from('203.0.113.9', 'wrong again')).status).toBe(429)
    expect((await from('203.0.113.9')).status).toBe(429)
    expect((await from('203.0.113.10')).status).toBe(401)
    expect((await from('203.0.113.9', school.apiKey)).status, 'the same address, with a key').toBe(200)
  })

  it('counts each person for themself, whatever address they share', async () => {
    const one = await signedIn(school, { username: 'maria', role: 'teacher' })
    const other = await signedIn(school, { username: 'olga', role: 'teacher' })
    const list = async ({ cookie }: ThrowawayPerson): Promise<number> => (await app.request('/api/v1/students', byCookie(cookie))).status
    for (let i = 0; i < 5; i++) expect(await list(one)).toBe(200)
    expect(await list(one)).toBe(429)
    expect(await list(other)).toBe(200)
  })

  it('never limits what tells whether it lives, nor the app’s own files', async () => {
    const strange = { incoming: { socket: { remoteAddress: '203.0.113.77', remoteFamily: 'IPv4' } } }
    for (let i = 0; i < 12; i++) {
      for (const path of ['/livez', '/readyz', '/health']) {
        const answer = await app.request(path, {}, strange)
        expect([answer.status, answer.headers.get('ratelimit')], path).toEqual([200, null])
      }
    }
  })
})
