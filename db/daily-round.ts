/** What the record wants done by the clock: months made ahead, and what is kept no longer erased. Any server does it, any number of them, as often as it likes. */
import type { Database } from './connect.ts'
import { ensureMonths, monthsAhead } from './partitions.ts'
import { dropMonths, retentionDue } from './retention.ts'
import { applyRules } from './retention-rules.ts'

interface RoundEvent {
  event: string
  [detail: string]: string | number | boolean | undefined
}

/**
 * To be asked at the start and every hour; costs a few milliseconds when nothing is to be done. Never throws: what could not be done
 * is told in the log and tried again in the next round. Events: `months_made`, `months_not_made`, `next_month_missing`,
 * `month_dropped`, `retention_waits`, `retention_applied`, `retention_failed`. `retentionMonths` undefined: every month is kept. `auditKey` absent: the
 * rules for everything else are another server's matter.
 */
export async function dailyRound(db: Database, { now, retentionMonths, auditKey, log }: { now: Date; retentionMonths: number | undefined; auditKey?: Buffer; log: (event: RoundEvent) => void }): Promise<void> {
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
  try {
    if (retentionMonths !== undefined && (await isDue('months'))) {
      for (const { partition, before, bytes, rows } of await dropMonths(db, { now, keptMonths: retentionMonths, by: 'server', auditKey })) {
        log({ event: 'month_dropped', partition, before, bytes, ...rows })
      }
    }
    if (auditKey && (await isDue('rules'))) {
      for (const { kind, days, rows } of await applyRules(db, { now, by: 'server', auditKey })) log({ event: 'retention_applied', kind, days, rows })
    }
  } catch (error) {
    log({ event: 'retention_failed', ...faultOf(error) })
  }

  async function isDue(of: 'months' | 'rules'): Promise<boolean> {
    const due = await retentionDue(db, now, of)
    if (due === 'waits') log({ event: 'retention_waits', of, reason: 'nobody has looked for long, or the clock has moved: nothing is dropped today' })
    return due === 'now'
  }
}

/** The kind and code alone: a message may hold a value. */
function faultOf(error: unknown): { fault: string; code?: string } {
  if (!(error instanceof Error)) return { fault: typeof error }
  return { fault: error.name, ...('code' in error ? { code: String(error.code) } : {}) }
}
