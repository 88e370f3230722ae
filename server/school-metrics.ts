/** What a scrape asks of the school: at most once in five seconds, and never for longer than two. Knows no metric's name. */
import { stat } from 'node:fs/promises'
import { schoolFigures } from '../db/figures.ts'
import { accuracyNow } from './accuracy.ts'
import type { AppParts } from './app-parts.ts'
import { describeFault } from './log.ts'
import type { Scraped } from './metrics.ts'

/** Several monitors, or one that is asked by hand meanwhile, cost the database one question. */
const FRESH_MS = 5_000
/** A month of lessons is counted, and moves slowly. */
const ACCURACY_FRESH_MS = 10 * 60_000
const PATIENCE_MS = 2_000

type Parts = Pick<AppParts, 'db' | 'now' | 'intake' | 'queueState' | 'backupStampFile' | 'log'>

export function openSchoolMetrics({ db, now, intake, queueState, backupStampFile, log }: Parts): () => Promise<Scraped> {
  const figures = kept(FRESH_MS, () => schoolFigures(db, now()), (error) => log({ event: 'figures_not_read', ...describeFault(error) }))
  const accuracy = kept(ACCURACY_FRESH_MS, () => accuracyNow(db, now()), (error) => log({ event: 'accuracy_not_read', ...describeFault(error) }))
  return async () => {
    const [known, share, queue, backupAt] = await Promise.all([figures(), accuracy(), queueNow(), backup()])
    // While PostgreSQL is away a share that was counted before still stands for the month.
    return { now: now(), figures: known, accuracy: share, queue, intakeWaiting: intake.depth?.(), backupAt }
  }

  async function queueNow(): Promise<Scraped['queue']> {
    if (!queueState) return undefined
    return (await within(queueState(), PATIENCE_MS).catch(() => undefined)) ?? null
  }

  async function backup(): Promise<Date | null | undefined> {
    if (backupStampFile === undefined) return undefined
    return stat(backupStampFile).then(({ mtime }) => mtime, () => null)
  }
}

/** One question at a time, whose answer serves for so long. Undefined: there was none in time. */
function kept<T>(freshMs: number, ask: () => Promise<T>, onFault: (error: unknown) => void): () => Promise<T | undefined> {
  let answered: { value: T; at: number } | undefined
  let asking: Promise<T> | undefined
  return async () => {
    if (answered && performance.now() - answered.at < freshMs) return answered.value
    asking ??= ask().finally(() => (asking = undefined))
    try {
      const value = await within(asking, PATIENCE_MS)
      answered = { value, at: performance.now() }
      return value
    } catch (error) {
      onFault(error)
      return undefined
    }
  }
}

async function within<T>(answer: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([answer, silence])
  } finally {
    clearTimeout(timer)
  }
}
