/** When sync does what, as arithmetic: knows no timer, no server and no store. All times are ms of the clock that only counts on, unless they say otherwise. */
import type { Schedule } from '#contract/schedule'

export interface Pace {
  /** So many unsent marks are sent at once, */
  pushAtMarks: number
  /** and fewer so long after the first of them. */
  pushAfterMs: number
  /** Records in one POST. */
  batch: number
  pullEveryMs: number
  /**
   * A beat, the pull that it may owe and the time that both take stay under a minute: so soon a withdrawn student is forgotten,
   * wherever the server is reached.
   */
  beatEveryMs: number
  /**
   * Pulls are moved by up to so much, so that a thousand rooms do not ask in the same second when the bell rings (each answer costs the server some
   * 25 ms): the kiosk has the next lesson already, and hears of a change at its next beat,
   */
  spreadMs: number
  /** and by so much when the network comes back for all of them. */
  onlineSpreadMs: number
  /** Back-off: random between 0 and this, doubled at each failure, */
  firstRetryMs: number
  /** at most this. */
  longestRetryMs: number
  /** A Retry-After beyond this is not believed. */
  longestHoldMs: number
  /** A revoked kiosk asks so often whether it still is, */
  revokedRetryMs: number
  /** and one whose storage is in use twice so often whether the office has said which is right. */
  fencedRetryMs: number
  /** Marks that wait at the server to be recorded are sent again after this, doubled at each time up to the longest retry. */
  queuedRetryMs: number
  /** A kiosk draws a new fence for its storage at its start and so often after it. */
  fenceEveryMs: number
}

export const PACE: Pace = {
  pushAtMarks: 10,
  pushAfterMs: 60_000,
  batch: 100,
  pullEveryMs: 600_000,
  beatEveryMs: 45_000,
  spreadMs: 120_000,
  onlineSpreadMs: 1_000,
  firstRetryMs: 2_000,
  longestRetryMs: 60_000,
  longestHoldMs: 600_000,
  revokedRetryMs: 600_000,
  fencedRetryMs: 240_000,
  queuedRetryMs: 2_000,
  fenceEveryMs: 3_600_000,
}

/**
 * What is left of `ms` since `since`. A clock that went back (it should not) makes the wait unknown, and an unknown wait
 * is over: better a request too many than a kiosk that sleeps for a year.
 */
export function remaining(now: number, since: number, ms: number): number {
  return now < since ? 0 : Math.max(0, since + ms - now)
}

/**
 * Full jitter: anything between 0 and the doubled base (Brooker, "Exponential Backoff And Jitter").
 * A server that names its own time is obeyed, and the jitter comes on top.
 * @param attempt failures in a row, from 1
 */
export function retryDelay(attempt: number, retryAfterSeconds: number | undefined, random: () => number, pace: Pace): number {
  const jitter = random() * Math.min(pace.longestRetryMs, pace.firstRetryMs * 2 ** Math.min(attempt - 1, 30))
  return Math.min(pace.longestHoldMs, (retryAfterSeconds ?? 0) * 1000) + jitter
}

/**
 * The recorder needs a second or two, and then every kiosk has something to ask: between half the doubled base and all of it.
 * @param round how often these marks were answered `queued`, from 1
 */
export function queuedDelay(round: number, random: () => number, pace: Pace): number {
  return (0.5 + random() / 2) * Math.min(pace.longestRetryMs, pace.queuedRetryMs * 2 ** Math.min(round - 1, 30))
}

/** Starts and ends of all lessons of a schedule, ms since 1970 by the server's clock, in order. */
export function lessonChanges({ current_class, ahead }: Schedule): number[] {
  const lessons = current_class ? [current_class, ...ahead.lessons] : ahead.lessons
  return [...new Set(lessons.flatMap((lesson) => [Date.parse(lesson.starts_at), Date.parse(lesson.ends_at)]))].sort((a, b) => a - b)
}

/**
 * @param o.pulledAt when a pull last succeeded; undefined: never.
 * @param o.confirmedAt the same by the server's clock, as o.serverNow and o.changes are: so a clock that is
 *   measured anew never makes a bell ring twice.
 * @param o.spread 0 to pace.spreadMs, drawn anew at each pull.
 */
export function untilPull(
  o: { now: number; pulledAt: number | undefined; serverNow: number; confirmedAt: number; changes: number[]; spread: number },
  pace: Pace,
): number {
  if (o.pulledAt === undefined) return 0
  const regular = remaining(o.now, o.pulledAt, pace.pullEveryMs - o.spread)
  const change = o.changes.find((at) => at > o.confirmedAt)
  return change === undefined ? regular : Math.min(regular, Math.max(0, change + o.spread - o.serverNow))
}

/** @param added marks since the last push. @param since when the first of them was. */
export function untilPush(o: { now: number; added: number; since: number }, pace: Pace): number {
  if (o.added === 0) return Number.POSITIVE_INFINITY
  return o.added >= pace.pushAtMarks ? 0 : remaining(o.now, o.since, pace.pushAfterMs)
}
