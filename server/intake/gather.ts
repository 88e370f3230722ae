/**
 * What is taken while one write is under way gathers, and goes together in the next write: no timer, and an idle
 * intake writes at once. Bounded in marks and in time. Knows no PostgreSQL and no Redis; `put` is durable when it resolves.
 */
import { describeFault } from '../log.ts'
import type { Log } from '../log.ts'
import type { NewMark } from '../../db/marks.ts'
import { IntakeFull } from './intake.ts'
import type { Intake, TakenOutcome } from './intake.ts'

export interface GatherOptions {
  /** One durable write for all of them; outcomes in the same order. Throws where nothing can be written just now: an IntakeFull is passed on, anything else is told as `away`. */
  put: (marks: NewMark[]) => Promise<TakenOutcome[]>
  /** Why, where `put` throws or does not answer in time. */
  away: IntakeFull['reason']
  log: Log
  /** Marks that may wait, those under way not counted. */
  maxWaiting: number
  /** Marks in one write. */
  maxRows: number
  /** Writes under way at once: with two, one gathers at the other end while the other is written out. */
  maxInFlight: number
  /** Marks that must wait before a write begins beside another: fewer gather until that one has ended, because each write costs by itself. Default 1: it always does. */
  worthAnother?: number
  /** Milliseconds after which a call gives up waiting. */
  patience: number
}

export const RETRY_AFTER_SECONDS = 5

interface Waiting {
  marks: NewMark[]
  settle: (outcomes: TakenOutcome[]) => void
  fail: (error: unknown) => void
}

export function gather({ put, away, log, maxWaiting, maxRows, maxInFlight, worthAnother = 1, patience }: GatherOptions): Intake {
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

  /** The caller hears nothing is claimed; if its write is already under way it may still be stored, and the replay is then a duplicate. */
  function giveUp(request: Waiting): void {
    const place = queue.indexOf(request)
    if (place >= 0) {
      queue.splice(place, 1)
      waitingMarks -= request.marks.length
    }
    request.fail(new IntakeFull(away, RETRY_AFTER_SECONDS))
  }

  function pump(): void {
    while (inFlight < maxInFlight && queue.length > 0 && (inFlight === 0 || waitingMarks >= worthAnother)) {
      const group = nextGroup()
      inFlight += 1
      void write(group).finally(() => {
        inFlight -= 1
        pump()
      })
    }
  }

  /** Whole requests, as many as fit; a request that alone is larger goes alone. */
  function nextGroup(): Waiting[] {
    const group: Waiting[] = []
    let rows = 0
    for (const next of queue) {
      if (group.length > 0 && rows + next.marks.length > maxRows) break
      group.push(next)
      rows += next.marks.length
    }
    queue.splice(0, group.length)
    waitingMarks -= rows
    return group
  }

  async function write(group: Waiting[]): Promise<void> {
    const marks = group.flatMap((request) => request.marks)
    try {
      const outcomes = await put(marks)
      let from = 0
      for (const request of group) {
        request.settle(outcomes.slice(from, from + request.marks.length))
        from += request.marks.length
      }
    } catch (error) {
      if (!(error instanceof IntakeFull)) log({ event: 'marks_not_stored', marks: marks.length, ...describeFault(error) })
      const full = error instanceof IntakeFull ? error : new IntakeFull(away, RETRY_AFTER_SECONDS, { cause: error })
      for (const request of group) request.fail(full)
    }
  }

  return {
    take,
    depth: () => waitingMarks,
    drain: () => {
      draining = true
      return new Promise((resolve) => {
        drained = resolve
        if (open === 0) resolve()
      })
    },
  }
}
