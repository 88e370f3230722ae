/**
 * Marks -> durable, by group commit in this process: while one insert is under way the next requests
 * gather, and go together in the next insert. No timer: an idle intake inserts at once.
 * Knows no HTTP and no SQL; `insert` is durable when it resolves.
 *
 * [Note: A poisoned batch]
 * Requests that share an insert share its fate. Where PostgreSQL refuses the values of a batch, the batch
 * is halved until the record it will not take stands alone; the others are stored. A value that can never
 * be kept (SQLSTATE class 22) is refused for good. Any other fault (a month without its partition, a bug
 * of ours) is not the mark's: it is answered `queued`, so that its sender keeps it.
 */
import type { NewMark } from '../../db/marks.ts'
import { databaseFault, innermost } from '../database-fault.ts'
import { describeFault } from '../log.ts'
import type { Log } from '../log.ts'
import { IntakeFull } from './intake.ts'
import type { Intake, TakenOutcome } from './intake.ts'

export interface GroupCommitOptions {
  /** One durable statement for all of them; outcomes in the same order. */
  insert: (marks: NewMark[]) => Promise<TakenOutcome[]>
  log: Log
  /** Marks that may wait, those under way not counted. */
  maxWaiting?: number
  /** Marks in one insert. */
  maxRows?: number
  /** Inserts under way at once: with two, one gathers in PostgreSQL while the other is written out. */
  maxInFlight?: number
  /** Milliseconds after which a call gives up waiting for a database that does not answer. */
  patience?: number
}

/** About 15 MB of marks: 3 s of work at the 18,000 rows/s that insertMarks does in batches of 2,000 on 2 busy cores. */
const MAX_WAITING = 50_000
const MAX_ROWS = 2_000
const MAX_IN_FLIGHT = 2
/** Under the kiosk's own 15 s, so that it hears why. */
const PATIENCE_MS = 10_000
const RETRY_AFTER_SECONDS = 5
/** A deadlock or serialization failure is asked again this often before it counts as the database being away. */
const MAX_ATTEMPTS = 3

interface Waiting {
  marks: NewMark[]
  settle: (outcomes: TakenOutcome[]) => void
  fail: (error: unknown) => void
}

export function createGroupCommit(o: GroupCommitOptions): Intake {
  const { insert, log, maxWaiting = MAX_WAITING, maxRows = MAX_ROWS, maxInFlight = MAX_IN_FLIGHT, patience = PATIENCE_MS } = o
  const queue: Waiting[] = []
  let waitingMarks = 0
  let inFlight = 0
  /** Calls without an answer yet, waiting or under way. */
  let open = 0
  let draining = false
  let drained: (() => void) | undefined

  function take(marks: NewMark[]): Promise<TakenOutcome[]> {
    if (marks.length === 0) return Promise.resolve([])
    if (draining) return Promise.reject(new IntakeFull('stopping', RETRY_AFTER_SECONDS))
    if (waitingMarks + marks.length > maxWaiting) return Promise.reject(new IntakeFull('full', RETRY_AFTER_SECONDS))
    return new Promise((resolve, reject) => {
      // Called once or, after the patience is over, a second time to no effect.
      let answered = false
      const close = (): void => {
        if (answered) return
        answered = true
        clearTimeout(timer)
        open -= 1
        if (open === 0) drained?.()
      }
      const request: Waiting = {
        marks,
        settle: (outcomes) => {
          resolve(outcomes)
          close()
        },
        fail: (error) => {
          reject(error)
          close()
        },
      }
      const timer = setTimeout(() => giveUp(request), patience)
      open += 1
      queue.push(request)
      waitingMarks += marks.length
      pump()
    })
  }

  /** The caller hears nothing is claimed; if its insert is already under way it may still be stored, and the replay is then a duplicate. */
  function giveUp(request: Waiting): void {
    const place = queue.indexOf(request)
    if (place >= 0) {
      queue.splice(place, 1)
      waitingMarks -= request.marks.length
    }
    request.fail(new IntakeFull('database_away', RETRY_AFTER_SECONDS))
  }

  function pump(): void {
    while (inFlight < maxInFlight && queue.length > 0) {
      const group = nextGroup()
      inFlight += 1
      void commit(group).finally(() => {
        inFlight -= 1
        pump()
      })
    }
  }

  /** Whole requests, as many as fit; a request that alone is larger goes alone. */
  function nextGroup(): Waiting[] {
    const group: Waiting[] = []
    let rows = 0
    for (let next = queue[0]; next && (group.length === 0 || rows + next.marks.length <= maxRows); next = queue[0]) {
      queue.shift()
      group.push(next)
      rows += next.marks.length
    }
    waitingMarks -= rows
    return group
  }

  async function commit(group: Waiting[]): Promise<void> {
    const marks = group.flatMap((request) => request.marks)
    const setAside: unknown[] = []
    try {
      const outcomes = await store(marks, setAside)
      let from = 0
      for (const request of group) {
        request.settle(outcomes.slice(from, from + request.marks.length))
        from += request.marks.length
      }
    } catch (error) {
      log({ event: 'marks_not_stored', marks: marks.length, ...describeFault(error) })
      for (const request of group) request.fail(new IntakeFull('database_away', RETRY_AFTER_SECONDS, { cause: error }))
    }
    if (setAside.length > 0) log({ event: 'marks_set_aside', marks: setAside.length, ...describeFault(setAside[0]) })
  }

  /** Throws only where the database is away. Faults that concern one mark are added to `setAside`; see [Note: A poisoned batch]. */
  async function store(marks: NewMark[], setAside: unknown[], attempt = 1): Promise<TakenOutcome[]> {
    try {
      const outcomes = await insert(marks)
      if (outcomes.length !== marks.length) throw new Error(`the insert named ${outcomes.length} outcomes for ${marks.length} marks`)
      return outcomes
    } catch (error) {
      const fault = databaseFault(error)
      if (fault === 'conflict' && attempt < MAX_ATTEMPTS) return store(marks, setAside, attempt + 1)
      if (fault === 'away' || fault === 'conflict') throw error
      if (marks.length > 1) {
        const half = marks.length >> 1
        return [...(await store(marks.slice(0, half), setAside)), ...(await store(marks.slice(half), setAside))]
      }
      setAside.push(error)
      return [canNeverBeKept(error) ? UNKEEPABLE : { outcome: 'queued' }]
    }
  }

  return {
    take,
    drain: () => {
      draining = true
      return new Promise((resolve) => {
        drained = resolve
        if (open === 0) resolve()
      })
    },
  }
}

const UNKEEPABLE: TakenOutcome = {
  outcome: 'refused',
  code: 'invalid_record',
  field: '',
  message: 'holds a value that the database cannot keep (an impossible date or an odd character); correct it and send the record again',
}

function canNeverBeKept(error: unknown): boolean {
  const inner = innermost(error)
  return inner instanceof Error && 'code' in inner && typeof inner.code === 'string' && /^22[0-9A-Z]{3}$/.test(inner.code)
}
