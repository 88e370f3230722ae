/**
 * Marks -> PostgreSQL, by group commit in this process: what is taken while one insert is under way goes together in
 * the next. Knows no HTTP and no SQL; `insert` is durable when it resolves.
 */
import { gather } from './gather.ts'
import type { Intake } from './intake.ts'
import { storeBatch } from './store-batch.ts'
import type { StoreBatch } from './store-batch.ts'

export interface GroupCommitOptions extends StoreBatch {
  /** Marks that may wait, those under way not counted. */
  maxWaiting?: number
  /** Marks in one insert. */
  maxRows?: number
  /** Inserts under way at once: with two, one gathers in PostgreSQL while the other is written out. */
  maxInFlight?: number
  /** Marks that must wait before an insert begins beside another. */
  worthAnother?: number
  /** Milliseconds after which a call gives up waiting for a database that does not answer. */
  patience?: number
}

/** About 15 MB of marks: 3 s of work at the 18,000 rows/s that insertMarks does in batches of 2,000 on 2 busy cores. */
const MAX_WAITING = 50_000
export const MAX_ROWS = 2_000
const MAX_IN_FLIGHT = 2
/**
 * An insert costs as much by itself as some seventy marks, and two of like size use two cores best: at 100 connections of ten
 * marks each 250 takes a tenth more than 100 (bench:intake), and fewer connections notice no difference.
 */
const WORTH_ANOTHER = 250
/** Under the kiosk's own 15 s, so that it hears why. */
const PATIENCE_MS = 10_000

export function createGroupCommit({ maxWaiting = MAX_WAITING, maxRows = MAX_ROWS, maxInFlight = MAX_IN_FLIGHT, worthAnother = WORTH_ANOTHER, patience = PATIENCE_MS, ...store }: GroupCommitOptions): Intake {
  return gather({
    put: async (marks) => (await storeBatch(store, marks)).outcomes,
    away: 'database_away',
    log: store.log,
    maxWaiting,
    maxRows,
    maxInFlight,
    worthAnother,
    patience,
  })
}
