/**
 * Slows down guessing: counts failed sign-ins, in this server's memory or in Redis for all servers together.
 * Knows no account and no password.
 */
import { createHash } from 'node:crypto'
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { describeFault } from './log.ts'
import type { Log } from './log.ts'
import type { Redis } from './redis.ts'

export interface Throttle {
  /** Counts an attempt as failed until `forgive`; @returns seconds to wait where there were too many already. */
  attempt(key: string, now: Date): Promise<number | undefined>
  forgive(key: string): Promise<void>
}

export interface ThrottleOptions {
  /** Tells its keys from another throttle's in the same Redis. */
  name: string
  limit: number
  windowMs: number
}

export type MakeThrottle = (o: ThrottleOptions) => Throttle

/** Above this, what is over is swept out; so many keys that are not over mean an attack, and the oldest go. */
const MAX_KEYS = 10_000

export function createThrottle({ limit, windowMs }: Pick<ThrottleOptions, 'limit' | 'windowMs'>): Throttle {
  const windows = new Map<string, { endsAt: number; count: number }>()
  return {
    async attempt(key, now) {
      const at = now.getTime()
      const open = windows.get(key)
      if (open && open.endsAt > at) {
        if (open.count >= limit) return Math.ceil((open.endsAt - at) / 1000)
        open.count += 1
        return undefined
      }
      if (windows.size >= MAX_KEYS) makeRoom(windows, at)
      windows.delete(key)
      windows.set(key, { endsAt: at + windowMs, count: 1 })
      return undefined
    },
    async forgive(key) {
      const open = windows.get(key)
      if (open && --open.count <= 0) windows.delete(key)
    },
  }
}

/** After a fault Redis is left alone for so long: one that hangs costs the next sign-in nothing. */
const REST_MS = 5_000

function makeRoom(windows: Map<string, { endsAt: number }>, at: number): void {
  for (const [key, { endsAt }] of windows) if (endsAt <= at) windows.delete(key)
  for (const key of windows.keys()) {
    if (windows.size < MAX_KEYS) return
    windows.delete(key)
  }
}

/**
 * One count for every server at this Redis; its windows end by Redis' own clock. While Redis is away each server
 * counts in its memory: guessing stays slow, and signing in works.
 */
export function sharedThrottles(redis: Redis, log: Log): MakeThrottle {
  return ({ name, limit, windowMs }) => {
    const shared = new RateLimiterRedis({ storeClient: redis, keyPrefix: `sign-in-${name}`, points: limit, duration: windowMs / 1000, rejectIfRedisNotReady: true })
    const alone = createThrottle({ limit, windowMs })
    let away = false
    /** By the monotonic clock. */
    let restUntil = 0
    // What is typed as a name may be a password; Redis writes its keys to a disk.
    const unread = (key: string): string => createHash('sha256').update(key).digest('base64url')

    async function inRedis<T>(ask: () => Promise<T>, instead: () => Promise<T>): Promise<T> {
      if (performance.now() < restUntil) return instead()
      try {
        const answer = await ask()
        away = false
        return answer
      } catch (error) {
        if (!away) log({ event: 'sign_ins_counted_alone', ...describeFault(error) })
        away = true
        restUntil = performance.now() + REST_MS
        return instead()
      }
    }

    return {
      attempt: (key, now) =>
        inRedis(async () => {
          try {
            await shared.consume(unread(key))
            return undefined
          } catch (refusal) {
            if (!(refusal instanceof RateLimiterRes)) throw refusal
            // An attempt that was turned away is not one: else guessing on would keep out the right password for longer.
            await shared.reward(unread(key))
            return Math.max(1, Math.ceil(refusal.msBeforeNext / 1000))
          }
        }, () => alone.attempt(key, now)),
      forgive: (key) =>
        inRedis(async () => {
          await shared.reward(unread(key))
        }, () => alone.forgive(key)),
    }
  }
}
