/**
 * Keeps the kiosk and the school in step: pulls the roster, pushes the marks, beats. Knows no screen and
 * no database of the school; what it learns it saves, then tells through its callbacks.
 */
import type { Heartbeat } from '#contract/device'
import type { Pairing, SavedRoster, Store } from '../store/store.ts'
import { hasLapsed } from '../store/roster.ts'
import { beat, feelPulse } from './beat.ts'
import { clockOffset } from './clock.ts'
import { PACE, lessonChanges, remaining, retryDelay, untilPull, untilPush } from './pace.ts'
import type { Pace } from './pace.ts'
import { pullRoster } from './pull.ts'
import { pushUnsent } from './push.ts'
import { Misfit, Refused, Unreachable } from './request.ts'
import { hearRosterChange } from './same-browser.ts'

export interface Contact {
  /** Whether the last request was answered by our server. */
  online: boolean
  /** When the server last answered, ms since 1970, corrected clock; undefined: not since the start. */
  at: number | undefined
  /** Milliseconds to add to this device's clock. */
  clockOffsetMs: number
  /** The build that the server serves; undefined: not known yet. */
  serverAppVersion: string | undefined
}

export interface SyncOptions {
  store: Store
  pairing: Pairing
  appVersion: string
  /** This device's own clock, ms since 1970. */
  clock: () => number
  /** What only the screen's side knows of how the kiosk is. */
  status: () => Partial<Heartbeat>
  /** A roster that differs from the one before, already saved: pulled, or lapsed. Also the first one after onOutOfDate or onRevoked. */
  onRoster: (roster: SavedRoster) => void
  onContact: (contact: Contact) => void
  /** The server no longer knows this device's key. The roster is erased already; the pairing and unsent marks are kept, and every 10 minutes sync asks again. */
  onRevoked: () => void
  /** The server and this app do not understand each other, or it will not serve this device; `problem` is for a person. The saved roster stays good. */
  onOutOfDate: (problem: string) => void
  /** Some marks are no longer unsent. */
  onMarksSettled: () => void
  pace?: Pace
  random?: () => number
}

export interface Sync {
  /** Pulls now (unless the server asked for a pause). Never rejects: how it went is told by the callbacks. */
  pullNow(): Promise<void>
  /** To be called after each new mark: it is pushed as the tenth unsent one, or after 60 s, or when the network comes back. */
  markAdded(): void
  /** As pullNow. */
  pushNow(): Promise<void>
  stop(): void
}

interface Task {
  /** Whether it is to run whatever its timetable says. */
  owed: boolean
  /** ms until its timetable wants it. */
  due: () => number
  /** Resolves to true if it is done; false to try again soon. */
  visit: () => Promise<boolean>
  failures: number
  /** Not before `wait` ms after `since`; `asked`: the server asked for it, so nothing shortens it. */
  pause: { since: number; wait: number; asked: boolean } | undefined
  /** Runs in the line, the running one included. */
  inLine: number
}

/** A smaller change of the clock's offset is not worth a write to an SD card. */
const OFFSET_WORTH_SAVING_MS = 500

const DAY_MS = 86_400_000

/**
 * Three tasks, one line: never two requests at a time, so never two pushes, and no answer overtakes another.
 * 1. start: read the saved roster and the clock's offset, then pull, push, beat
 * 2. sleep until the first of the three is due (pace.ts says when)
 * 3. run it; a failure pauses that task alone, with jitter, or for as long as the server asks
 * 4. an answer after silence, or the browser's `online`, ends the pauses that nobody asked for
 * 5. a heartbeat that is told another roster version than the one before owes a pull
 * 6. 401: erase the roster, tell, and only pull, seldom, until the server knows us again
 */
export function startSync(o: SyncOptions): Sync {
  const { store, pairing, clock, pace = PACE, random = Math.random } = o
  let stopped = false
  let timer: ReturnType<typeof setTimeout> | undefined

  let online: boolean | undefined
  let contactAt: number | undefined
  let offset = 0
  let savedOffset = 0
  let serverAppVersion: string | undefined

  let roster: SavedRoster | undefined
  let changes: number[] = []
  let pulledAt: number | undefined
  let spread = 0
  let added = 0
  let addedSince = 0
  let beatAt: number | undefined
  /** As the newest heartbeat was told it. */
  let rosterVersion: string | undefined
  let revoked = false
  /** The screen shows something else than the roster because of us. */
  let interrupted = false

  const corrected = () => clock() + offset

  const pull: Task = task(
    () => untilPull({ now: clock(), pulledAt, serverNow: corrected(), confirmedAt: roster?.pulledAt ?? 0, changes, spread }, pace),
    async () => {
      const askedAt = clock()
      const pulled = await pullRoster(pairing, roster, corrected)
      answered(askedAt, pulled.serverNow)
      await store.saveRoster(pulled.roster)
      keep(pulled.roster)
      pulledAt = clock()
      spread = random() * pace.spreadMs
      if (pulled.changed || interrupted) tell(() => o.onRoster(pulled.roster))
      interrupted = false
      if (revoked) push.owed = pulse.owed = true
      revoked = false
      // Two days back is past in every time zone.
      await store.sweepMarks(new Date(corrected() - 2 * DAY_MS).toISOString().slice(0, 10))
      return true
    },
  )

  const push: Task = task(
    () => (revoked ? Number.POSITIVE_INFINITY : untilPush({ now: clock(), added, since: addedSince }, pace)),
    async () => {
      added = 0
      const { answers, left } = await pushUnsent({ store, pairing, batch: pace.batch, onSettled: () => tell(o.onMarksSettled) })
      if (answers > 0) answered()
      return left === 0
    },
  )

  const pulse: Task = task(
    () => (revoked ? Number.POSITIVE_INFINITY : beatAt === undefined ? 0 : remaining(clock(), beatAt, pace.beatEveryMs)),
    async () => {
      await lapse()
      const heartbeat = await feelPulse({ store, pairing, appVersion: o.appVersion, now: corrected(), rosterPulledAt: roster?.pulledAt, status: o.status() })
      const askedAt = clock()
      const answer = await beat(pairing, heartbeat)
      beatAt = clock()
      serverAppVersion = answer.app_version
      if (answer.roster_version !== rosterVersion) pull.owed = true
      rosterVersion = answer.roster_version
      answered(askedAt, Date.parse(answer.now))
      return true
    },
  )

  const tasks = [pull, push, pulse]

  function task(due: Task['due'], visit: Task['visit']): Task {
    return { owed: true, due, visit, failures: 0, pause: undefined, inLine: 0 }
  }

  // ---------- what is known ----------

  function keep(kept: SavedRoster | undefined): void {
    roster = kept
    changes = kept ? lessonChanges(kept.schedule) : []
  }

  /** Templates too old to be trusted are forgotten even where the server never answers again. */
  async function lapse(): Promise<void> {
    if (!roster || roster.lapsed || !hasLapsed(roster, corrected())) return
    const lapsed = await store.savedRoster(corrected())
    keep(lapsed)
    if (lapsed) tell(() => o.onRoster(lapsed))
  }

  function tell(callback: () => void): void {
    if (!stopped) callback()
  }

  function tellContact(): void {
    tell(() => o.onContact({ online: online === true, at: contactAt, clockOffsetMs: offset, serverAppVersion }))
  }

  function answered(askedAt?: number, serverNow?: number): void {
    const measured = askedAt === undefined || serverNow === undefined ? undefined : clockOffset(askedAt, clock(), serverNow)
    offset = measured ?? offset
    if (online === false) endPauses()
    online = true
    contactAt = corrected()
    tellContact()
    if (Math.abs(offset - savedOffset) < OFFSET_WORTH_SAVING_MS) return
    savedOffset = offset
    store.saveClockOffset(offset).catch(reportError)
  }

  // ---------- when ----------

  function until({ owed, due, pause }: Task): number {
    const wanted = owed ? 0 : due()
    return pause ? Math.max(wanted, remaining(clock(), pause.since, pause.wait)) : wanted
  }

  function arm(): void {
    clearTimeout(timer)
    if (stopped) return
    const soonest = Math.min(...tasks.filter((each) => each.inLine === 0).map(until))
    // Looked at again every minute at least: the clock may be set while we sleep.
    timer = setTimeout(wake, Math.min(soonest, 60_000))
  }

  function wake(): void {
    for (const each of tasks) if (each.inLine === 0 && until(each) <= 0) void run(each)
    arm()
  }

  /** The network is back, for every room at once. */
  function endPauses(): void {
    for (const each of tasks) if (each.pause && !each.pause.asked) pause(each, random() * pace.onlineSpreadMs, false)
  }

  function pause(paused: Task, wait: number, asked: boolean): void {
    paused.pause = { since: clock(), wait, asked }
  }

  // ---------- running ----------

  let line = recall()

  async function recall(): Promise<void> {
    try {
      offset = savedOffset = await store.savedClockOffset()
      keep(await store.savedRoster(corrected()))
    } catch (error) {
      reportError(error)
    }
  }

  function run(runner: Task): Promise<void> {
    runner.inLine += 1
    line = line.then(() => perform(runner))
    return line
  }

  /** @returns when it has run; at once if the server asked for a pause that is not over. */
  async function runNow(runner: Task): Promise<void> {
    const { pause: paused } = runner
    if (paused?.asked && remaining(clock(), paused.since, paused.wait) > 0) return
    await run(runner)
  }

  async function perform(runner: Task): Promise<void> {
    try {
      if (stopped) return
      runner.owed = false
      runner.pause = undefined
      if (await runner.visit()) runner.failures = 0
      else retryLater(runner, undefined)
    } catch (error) {
      await failed(runner, error).catch(reportError)
    } finally {
      runner.inLine -= 1
      arm()
    }
  }

  function retryLater(runner: Task, retryAfterSeconds: number | undefined): void {
    runner.owed = true
    runner.failures += 1
    pause(runner, retryDelay(runner.failures, retryAfterSeconds, random, pace), retryAfterSeconds !== undefined)
  }

  async function failed(runner: Task, error: unknown): Promise<void> {
    if (error instanceof Refused && error.problem.code === 'unauthorized') return revoke()
    const ours = error instanceof Refused || error instanceof Misfit
    if (ours) answered()
    retryLater(runner, error instanceof Refused || error instanceof Unreachable ? error.retryAfterSeconds : undefined)
    if (ours) {
      if (error instanceof Misfit || (runner !== pulse && wontServe(error))) {
        interrupted = true
        tell(() => o.onOutOfDate(error.message))
      }
    } else if (error instanceof Unreachable) {
      online = false
      tellContact()
    } else reportError(error)
  }

  /** Refused for what we are or ask, not for the moment: time alone mends nothing. */
  function wontServe({ problem }: Refused): boolean {
    return !['too_many_requests', 'busy', 'internal'].includes(problem.code)
  }

  async function revoke(): Promise<void> {
    const first = !revoked
    revoked = true
    interrupted = true
    keep(undefined)
    push.owed = pulse.owed = false
    pull.owed = true
    pause(pull, pace.revokedRetryMs + random() * pace.spreadMs, true)
    answered()
    await store.forget()
    if (first) tell(o.onRevoked)
  }

  // ---------- the browser's word on the network: a hint to look, never a verdict ----------

  function onOnline(): void {
    endPauses()
    for (const each of revoked ? [pull] : tasks) {
      each.owed = true
      if (!each.pause) pause(each, random() * pace.onlineSpreadMs, false)
    }
    arm()
  }

  function onOffline(): void {
    if (!revoked) void runNow(pulse)
  }

  /** Somebody looks again, or enrolled in another tab: ask at once what has changed. */
  function onHint(): void {
    if (!document.hidden && !revoked) void runNow(pulse)
  }

  window.addEventListener('online', onOnline)
  window.addEventListener('offline', onOffline)
  document.addEventListener('visibilitychange', onHint)
  const stopHearing = hearRosterChange(onHint)
  wake()

  return {
    pullNow: () => runNow(pull),
    pushNow: () => runNow(push),
    markAdded() {
      if (added === 0) addedSince = clock()
      added += 1
      arm()
    },
    stop() {
      stopped = true
      clearTimeout(timer)
      window.removeEventListener('online', onOnline)
      window.removeEventListener('offline', onOffline)
      document.removeEventListener('visibilitychange', onHint)
      stopHearing()
    },
  }
}
