/**
 * One batch of marks into the record, whatever single marks are in it. Knows no HTTP, no queue and no SQL; `insert` is durable when it resolves.
 *
 * [Note: A poisoned batch]
 * Marks that share an insert share its fate. Where PostgreSQL refuses a batch, it is halved until the mark it
 * will not take stands alone; the others are stored. A value that can never be kept (SQLSTATE class 22) is refused
 * for good, and set aside with its reason. Any other fault (a month without its partition, a bug of ours) is not the
 * mark's: it is answered `queued`, so that whoever holds the mark keeps it.
 */
import type { NewMark } from '../../db/marks.ts'
import type { Refused } from '../../db/set-aside.ts'
import { databaseFault, innermost } from '../database-fault.ts'
import { describeFault } from '../log.ts'
import type { Log } from '../log.ts'
import type { TakenOutcome } from './intake.ts'

export interface StoreBatch {
  /** One durable statement for all of them; outcomes in the same order. */
  insert: (marks: NewMark[]) => Promise<TakenOutcome[]>
  /** Keeps what is refused here with its reason. */
  setAside: (refused: Refused[]) => Promise<void>
  log: Log
}

/** `faults`: of each mark answered `queued`, by its place. */
export interface StoredBatch {
  outcomes: TakenOutcome[]
  faults: Map<number, unknown>
}

/** A deadlock or serialization failure is asked again this often before it counts as the database being away. */
const MAX_ATTEMPTS = 3

/** In the order given. Throws only where the database is away; some of the marks may be stored then. */
export async function storeBatch({ insert, setAside, log }: StoreBatch, marks: NewMark[]): Promise<StoredBatch> {
  const outcomes: TakenOutcome[] = []
  const faults = new Map<number, unknown>()
  const unkeepable: number[] = []
  if (marks.length > 0) await store(0, marks.length)
  if (unkeepable.length > 0) {
    try {
      await setAside(unkeepable.map((place) => refusedMark(marks[place], UNKEEPABLE.code, UNKEEPABLE.message)))
    } catch (error) {
      // Refused means kept by the office; until it is, whoever sent the mark keeps it.
      for (const place of unkeepable) {
        outcomes[place] = { outcome: 'queued' }
        faults.set(place, error)
      }
    }
  }
  const [fault] = faults.values()
  if (faults.size > 0) log({ event: 'marks_failed_alone', marks: faults.size, ...describeFault(fault) })
  return { outcomes, faults }

  async function store(from: number, to: number, attempt = 1): Promise<void> {
    try {
      const some = await insert(from === 0 && to === marks.length ? marks : marks.slice(from, to))
      if (some.length !== to - from) throw new Error(`the insert named ${some.length} outcomes for ${to - from} marks`)
      for (const [i, outcome] of some.entries()) outcomes[from + i] = outcome
    } catch (error) {
      const fault = databaseFault(error)
      if (fault === 'conflict' && attempt < MAX_ATTEMPTS) return store(from, to, attempt + 1)
      if (fault === 'away' || fault === 'conflict') throw error
      if (to - from > 1) {
        const middle = (from + to) >> 1
        await store(from, middle)
        return store(middle, to)
      }
      if (canNeverBeKept(error)) {
        outcomes[from] = UNKEEPABLE
        unkeepable.push(from)
      } else {
        outcomes[from] = { outcome: 'queued' }
        faults.set(from, error)
      }
    }
  }
}

const UNKEEPABLE = {
  outcome: 'refused',
  code: 'invalid_record',
  field: '',
  message: 'holds a value that the database cannot keep (an impossible date or an odd character); correct it and send the record again',
} as const

/** As the office keeps it: the record as it was sent, beside its device. */
export function refusedMark(mark: NewMark | undefined, code: string, reason: string): Refused {
  if (!mark) throw new Error('a fault without its mark')
  const { device_id, store_id, ...record } = mark
  return { record, device_id, store_id, code, field: '', reason }
}

function canNeverBeKept(error: unknown): boolean {
  const inner = innermost(error)
  return inner instanceof Error && 'code' in inner && typeof inner.code === 'string' && /^22[0-9A-Z]{3}$/.test(inner.code)
}
