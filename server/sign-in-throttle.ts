/** Slows down guessing: counts failed sign-ins in this process's memory. Knows no account and no password. */

export interface Throttle {
  /** Counts an attempt as failed until `forgive`; @returns seconds to wait where there were too many already. */
  attempt(key: string, now: Date): number | undefined
  forgive(key: string): void
}

/** Above this, what is over is swept out; so many keys that are not over mean an attack, and the oldest go. */
const MAX_KEYS = 10_000

export function createThrottle({ limit, windowMs }: { limit: number; windowMs: number }): Throttle {
  const windows = new Map<string, { endsAt: number; count: number }>()
  return {
    attempt(key, now) {
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
    forgive(key) {
      const open = windows.get(key)
      if (open && --open.count <= 0) windows.delete(key)
    },
  }
}

function makeRoom(windows: Map<string, { endsAt: number }>, at: number): void {
  for (const [key, { endsAt }] of windows) if (endsAt <= at) windows.delete(key)
  for (const key of windows.keys()) {
    if (windows.size < MAX_KEYS) return
    windows.delete(key)
  }
}
