/**
 * The months of attendance_logs. Made ahead, at start and every hour, by whichever server asks: there is no default
 * partition to catch a mark of a month that is not there. Knows no policy that drops one: retention.ts.
 */
import type { Database } from './connect.ts'

/** A month waits for whoever holds the whole table, two seconds each time: one who does so for long must not keep a server from starting. */
const RETRIED = new Set(['55P03', '40P01'])
const ATTEMPTS = 5

/** From 13 months before `now` to 3 after; those that are there stay as they are, and asking costs a few milliseconds. How many were made. */
export async function ensureMonths(db: Database, now: Date): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      const [answer] = await db.sql<{ made: number }[]>`SELECT ensure_months(${now.toISOString()}::timestamptz) AS made`
      return answer?.made ?? 0
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      if (attempt >= ATTEMPTS || !RETRIED.has(code)) throw error
    }
  }
}

/** How many whole months after the school's present one have a partition. 0: next month's marks have nowhere to go. */
export async function monthsAhead(db: Database, now: Date): Promise<number> {
  const [answer] = await db.sql<{ ahead: number }[]>`SELECT months_ahead(${now.toISOString()}::timestamptz) AS ahead`
  return answer?.ahead ?? 0
}
