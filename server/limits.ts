/**
 * How many requests a minute each may make: a device, an account, an address where nobody says who they are, and the scripts together. Knows no route.
 *
 * [Note: Requests are counted in memory and settled beside] A request waits for no other machine: each server counts in its own memory, and where
 * there is a Redis it adds what it has counted to the common count in the background, after every twentieth part of the limit and at least once a
 * second, and learns what the others have added. So a client that spreads its requests over n servers gets at most n - 1 twentieths of the limit too
 * many in a minute, and what it sends within one round trip to Redis; at one server, and one that keeps within its limit, nothing is counted wrong. While Redis is away each server
 * counts alone. A window is a minute from a client's first request, by the common count's clock once it is settled; what is turned away is not counted.
 */
import type { Context, MiddlewareHandler } from 'hono'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import type { AppEnv, AppParts } from './app-parts.ts'
import { clientAddress, networkOf } from './client-address.ts'
import { identify } from './identity.ts'
import { describeFault } from './log.ts'
import type { Log } from './log.ts'
import { Refusal } from './problem.ts'
import type { Redis } from './redis.ts'

export const WINDOW_SECONDS = 60
const WINDOW_MS = WINDOW_SECONDS * 1000
/** All scripts have one key. */
const SCRIPTS_TIMES = 10
/** Settled after such a part of the limit, */
const SETTLED_PART = 20
/** or after this. */
const SETTLE_AFTER_MS = 1_000
/** After a fault Redis is left alone for so long. */
const REST_MS = 5_000
/** So many are an attack from many addresses: the oldest of them go, and with them all that are over. */
const MAX_WINDOWS = 20_000
/** So many at once: making room costs little for each. */
const MADE_ROOM = 2_000

/** Who is counted together. `address`: whoever has not said who they are. */
export type Counted = 'device' | 'account' | 'script' | 'address'

/** A count that several servers share. @returns what it is now, and when its window ends. Throws where it does not answer. */
export type SharedCount = (key: string, requests: number) => Promise<{ requests: number; endsInMs: number }>

interface Window {
  key: string
  /** By the monotonic clock. */
  endsAt: number
  /** In the common count, ours among them; without one, all. */
  settled: number
  underWay: number
  unsettled: number
}

export interface Taken {
  allowed: boolean
  limit: number
  left: number
  /** Whole seconds until the window ends. */
  resetSeconds: number
}

export interface Limits {
  take(counted: Counted, name: string): Taken
}

export function createLimits(o: { perMinute: number; shared?: SharedCount | undefined; log: Log; monotonic?: () => number }): Limits {
  const { perMinute, shared, log, monotonic = () => performance.now() } = o
  const windows = new Map<string, Window>()
  const waiting = new Set<Window>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let restUntil = 0
  let away = false

  function openWindow(key: string, at: number): Window {
    const open = windows.get(key)
    if (open && open.endsAt > at) return open
    if (windows.size >= MAX_WINDOWS) makeRoom()
    const window = { key, endsAt: at + WINDOW_MS, settled: 0, underWay: 0, unsettled: 0 }
    windows.delete(key)
    windows.set(key, window)
    return window
  }

  /** They stand in the order in which they were opened. */
  function makeRoom(): void {
    for (const key of windows.keys()) {
      if (windows.size <= MAX_WINDOWS - MADE_ROOM) return
      windows.delete(key)
    }
  }

  function settleSoon(window: Window, limit: number): void {
    if (!shared || monotonic() < restUntil) return
    if (window.unsettled >= Math.max(1, Math.floor(limit / SETTLED_PART)) && window.underWay === 0) void settle(window, shared)
    else {
      waiting.add(window)
      timer ??= setTimeout(settleAll, SETTLE_AFTER_MS, shared).unref()
    }
  }

  function settleAll(by: SharedCount): void {
    timer = undefined
    const due = [...waiting]
    waiting.clear()
    for (const window of due) {
      if (window.underWay === 0) void settle(window, by)
      else waiting.add(window)
    }
    if (waiting.size > 0) timer = setTimeout(settleAll, SETTLE_AFTER_MS, by).unref()
  }

  async function settle(window: Window, by: SharedCount): Promise<void> {
    const requests = window.unsettled
    if (requests === 0) return
    window.unsettled = 0
    window.underWay = requests
    try {
      const common = await by(window.key, requests)
      window.settled = common.requests
      window.endsAt = monotonic() + common.endsInMs
      away = false
    } catch (error) {
      window.settled += requests
      restUntil = monotonic() + REST_MS
      if (!away) log({ event: 'requests_counted_alone', ...describeFault(error) })
      away = true
    } finally {
      window.underWay = 0
    }
  }

  return {
    take(counted, name) {
      const at = monotonic()
      const limit = counted === 'script' ? perMinute * SCRIPTS_TIMES : perMinute
      const window = openWindow(`${counted} ${name}`, at)
      const before = window.settled + window.underWay + window.unsettled
      const allowed = before < limit
      if (allowed) {
        window.unsettled += 1
        settleSoon(window, limit)
      }
      return { allowed, limit, left: Math.max(0, limit - before - 1), resetSeconds: Math.max(1, Math.ceil(Math.round(window.endsAt - at) / 1000)) }
    },
  }
}

/** The common count in Redis; its windows end by Redis' own clock. */
export function sharedCount(redis: Redis): SharedCount {
  const counter = new RateLimiterRedis({ storeClient: redis, keyPrefix: 'requests', points: 1, duration: WINDOW_SECONDS, rejectIfRedisNotReady: true })
  return async (key, requests) => {
    const { consumedPoints, msBeforeNext } = await counter.penalty(key, requests)
    return { requests: consumedPoints, endsInMs: msBeforeNext }
  }
}

/** Counts every request once, also one that becomes a live line. Tells how many are left by draft-ietf-httpapi-ratelimit-headers-11, and turns away what is too many with 429 and Retry-After. */
export function limitRequests(parts: AppParts): MiddlewareHandler<AppEnv> {
  if (!parts.rateLimitPerMinute) return (_c, next) => next()
  const limits = createLimits({ perMinute: parts.rateLimitPerMinute, shared: parts.sharedCount, log: parts.log })
  return async (c, next) => {
    const { counted, name } = await whoIsCounted(c, parts)
    const taken = limits.take(counted, name)
    const headers = rateHeaders(counted, taken)
    if (!taken.allowed) {
      throw new Refusal('too_many_requests', `${WHOSE[counted]} may make ${taken.limit} requests a minute; the next one is taken in ${taken.resetSeconds} seconds`, {
        headers: { ...headers, 'retry-after': String(taken.resetSeconds) },
      })
    }
    await next()
    for (const [header, value] of Object.entries(headers)) c.res.headers.set(header, value)
  }
}

const WHOSE: Record<Counted, string> = { device: 'this device', account: 'this account', script: 'scripts', address: 'an address from which nobody signs in' }

function rateHeaders(counted: Counted, { limit, left, resetSeconds }: Taken): Record<string, string> {
  return { 'ratelimit-policy': `"${counted}";q=${limit};w=${WINDOW_SECONDS}`, ratelimit: `"${counted}";r=${left};t=${resetSeconds}` }
}

/** A key that is not known, or opens nothing, is nobody's; and where the database cannot say whose a cookie is, the route will say so. */
async function whoIsCounted(c: Context, parts: AppParts): Promise<{ counted: Counted; name: string }> {
  const identity = await identify(c, parts).catch(() => undefined)
  switch (identity?.kind) {
    case 'device':
      return { counted: 'device', name: identity.device_id }
    case 'person':
      return { counted: 'account', name: String(identity.account_id) }
    case 'script':
      return { counted: 'script', name: '' }
    default:
      return { counted: 'address', name: networkOf(clientAddress(c, parts.trustedProxies)) }
  }
}
