/** What the record wants done by the clock: months made ahead, and months dropped whose time is over. Any server does it, any number of them, as often as it likes. */
import type { Database } from './connect.ts'
import { ensureMonths, monthsAhead } from './partitions.ts'
import { dropMonths, retentionDue } from './retention.ts'

interface RoundEvent {
  event: string
  [detail: string]: string | number | boolean | undefined
}

/**
 * To be asked at the start and every hour; costs a few milliseconds when nothing is to be done. Never throws: what could not be done
 * is told in the log and tried again in the next round. Events: `months_made`, `months_not_made`, `next_month_missing`,
 * `month_dropped`, `retention_waits`, `retention_failed`. `retentionMonths` undefined: everything is kept.
 */
export async function dailyRound(db: Database, { now, retentionMonths, log }: { now: Date; retentionMonths: number | undefined; log: (event: RoundEvent) => void }): Promise<void> {
  try {
    const made = await ensureMonths(db, now)
    if (made > 0) log({ event: 'months_made', months: made })
  } catch (error) {
    log({ event: 'months_not_made', ...faultOf(error) })
  }
  try {
    if ((await monthsAhead(db, now)) < 1) log({ event: 'next_month_missing', remedy: 'marks of next month will be refused until ensure_months() has made it; see months_not_made' })
  } catch (error) {
    log({ event: 'months_not_counted', ...faultOf(error) })
  }
  if (retentionMonths === undefined) return
  try {
    const due = await retentionDue(db, now)
    if (due === 'waits') log({ event: 'retention_waits', reason: 'nobody has looked for long, or the clock has moved: nothing is dropped today' })
    if (due !== 'now') return
    for (const { partition, before, bytes, rows } of await dropMonths(db, { now, keptMonths: retentionMonths, by: 'server' })) {
      log({ event: 'month_dropped', partition, before, bytes, ...rows })
    }
  } catch (error) {
    log({ event: 'retention_failed', ...faultOf(error) })
  }
}

/** The kind and code alone: a message may hold a value. */
function faultOf(error: unknown): { fault: string; code?: string } {
  if (!(error instanceof Error)) return { fault: typeof error }
  return { fault: error.name, ...('code' in error ? { code: String(error.code) } : {}) }
}
