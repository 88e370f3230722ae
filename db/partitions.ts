/** The months of attendance_logs. Made ahead, at start and daily: there is no default partition to catch a mark of a month that is not there. */
import type { Database } from './connect.ts'

/** From 13 months before `now` to 3 after; those that are there stay as they are. */
export async function ensureMonths(db: Database, now: Date): Promise<void> {
  await db.sql`SELECT ensure_months(${now.toISOString()}::timestamptz)`
}
