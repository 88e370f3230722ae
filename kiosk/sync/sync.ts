/**
 * Keeps the kiosk and the school in step: pulls the roster, pushes the marks, beats. Knows no screen and
 * no database of the school; what it learns it saves, then tells through its callbacks.
 */
import type { Heartbeat } from '#contract/device'
import type { Lesson, Schedule } from '#contract/schedule'
import type { Pairing, SavedRoster, Store } from '../store/store.ts'
import { hasLapsed, outlineOf } from '../store/roster.ts'
import { beat, feelPulse } from './beat.ts'
import type { SchoolClock } from './clock.ts'
import { BROWSER } from './host.ts'
import type { Host } from './host.ts'
import { PACE, lessonChanges, queuedDelay, remaining, retryDelay, untilPull, untilPush } from './pace.ts'
import type { Pace } from './pace.ts'
import { pullRoster } from './pull.ts'
import { pushUnsent } from './push.ts'
import { rotateKey } from './rotate-key.ts'
import { Misfit, Refused, Unreachable } from './request.ts'

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
  /** Told here what the server says; made of the device's clocks and the saved offset (store.savedClockOffset). */
  clock: SchoolClock
  /** What only the screen's side knows of how the kiosk is. */
  status: () => Partial<Heartbeat>
  /** The outline (store/roster.ts) of a roster that differs from the one before, already saved: pulled, or lapsed. Also the first one after onOutOfDate or onRevoked. */
  onRoster: (roster: SavedRoster) => void
  onContact: (contact: Contact) => void
  /** The server no longer knows this device's key. The roster is erased already; the pairing and unsent marks are kept, and every 10 minutes sync asks again. */
  onRevoked: () => void
  /** The server and this app do not understand each other, or it will not serve this device; `problem` is for a person. The saved roster stays good. */
  onOutOfDate: (problem: string) => void
  /**
   * [Note: Behind] True from when the school may have withdrawn somebody whom the saved roster still knows, until a newer roster is saved: nobody
   * is to be recognised meanwhile, from the disk or from memory. PINs and teachers go on. Told with false, too.
   */
  onBehind?: (behind: boolean) => void
  /** Some marks are no longer unsent. */
  onMarksSettled: () => void
  /** Marks made before the time was known have been put right, and may be in another lesson now. */
  onMarksRedated?: () => void
  /** Two copies of this kiosk's storage are in use; `problem` is for a person. Everything is kept, nothing is taken, and sync asks again every few minutes. Its end is told by onRoster. */
  onFenced?: (problem: string) => void
  pace?: Pace
  random?: () => number
  /** Default: the browser's. */
  host?: Host
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
/** A roster reaches at least so far. */
const HALF_A_DAY_MS = DAY_MS / 2

/** ms since 1970, both counted in. */
interface Span {
  from: number
  to: number
}

/**
 * Three tasks, one line: never two requests at a time, so never two pushes, and no answer overtakes another.
 * 1. start: read the saved roster, then beat (which tells the time and the roster's version), pull, push
 * 2. sleep until the first of the three is due (pace.ts says when)
 * 3. run it; a failure pauses that task alone, with jitter, or for as long as the server asks
 * 4. an answer after silence, or the browser's `online`, ends the pauses that nobody asked for
 * 5. a heartbeat that is told another roster version than that of the roster held owes a pull, and until that has succeeded we are behind
 *    (so we are between a start, or the end of a silence, and the end of the first heartbeat): [Note: Behind]
 * 6. marks answered `queued` are sent again soon, and sooner with the next new ones; nothing waits for them
 * 7. 401: erase the roster, tell, and only pull, seldom, until the server knows us again
 *    (unless the disk holds another key than the one that was refused: then that one)
 * 8. 403 `fenced`: tell, keep everything, and only beat, seldom, until the office has said that this storage is the right one
 * Whatever it waits for it counts on the clock that nobody sets, and runs wherever a Host does.
 */
export function startSync(o: SyncOptions): Sync {
  const { store, clock, pace = PACE, random = Math.random, host = BROWSER } = o
  let stopped = false
  let timer: unknown
  /** With its key of now. */
  let pairing = o.pairing

  let online: boolean | undefined
  let contactAt: number | undefined
  let savedOffset = 0
  let serverAppVersion: string | undefined

  /** Its outline: templates are in the store alone. */
  let roster: SavedRoster | undefined
  let changes: number[] = []
  let pulledAt: number | undefined
  let spread = 0
  /** Lessons of this room that are over by the newest roster: a mark from before the first contact may belong to one of them. */
  let past: Lesson[] = []
  /** Of which times, ms since 1970, the rosters held so far knew all the room's lessons. */
  let covered: Span[] = []
  let added = 0
  let addedSince = 0
  /** Marks wait at the server: since when, how long before they are sent again, and how often they were answered so. */
  let queued: { since: number; wait: number; round: number } | undefined
  let beatAt: number | undefined
  let drawnAt: number | undefined
  /** As the newest heartbeat, or the newest pull, was told it; perhaps in an earlier life. */
  let rosterVersion: string | undefined
  /** As the disk has it: the roster has not reached it. */
  let savedBehind: string | undefined
  /** Whether the disk has said which roster we hold. */
  let recalled = false
  /** The server is, or may be, in reach again, and has not told its version yet. */
  let inDoubt = true
  let behind = false
  let revoked = false
  let fenced = false
  /** The screen shows something else than the roster because of us. */
  let interrupted = false

  const pulse: Task = task(
    () => (revoked ? Number.POSITIVE_INFINITY : beatAt === undefined ? 0 : remaining(clock.monotonic(), beatAt, pace.beatEveryMs)),
    async () => {
      await lapse()
      await drawFence()
      const heartbeat = await feelPulse({ store, pairing, appVersion: o.appVersion, clock, roster: recalled ? (roster ?? null) : undefined, status: o.status() })
      const askedAt = clock.monotonic()
      const answer = await beat(pairing, heartbeat, host).catch((error: unknown) => {
        inDoubt = false
        tellBehind()
        throw error
      })
      beatAt = clock.monotonic()
      serverAppVersion = answer.app_version
      if (answer.roster_version !== roster?.version) pull.owed = true
      if (answer.new_key === true) newKey.owed = true
      rosterVersion = answer.roster_version
      if (fenced) pull.owed = push.owed = true
      fenced = false
      inDoubt = false
      tellBehind()
      answered(askedAt, Date.parse(answer.now), true)
      await saveBehind()
      if (heartbeat.store) await store.keepFence(heartbeat.store.next_fence)
      return true
    },
  )

  const pull: Task = task(
    () => (fenced ? Number.POSITIVE_INFINITY : untilPull({ now: clock.monotonic(), pulledAt, serverNow: clock.now(), confirmedAt: roster?.pulledAt ?? 0, changes, spread }, pace)),
    async () => {
      const askedAt = clock.monotonic()
      const pulled = await pullRoster(pairing, roster, clock.now, rosterVersion, host)
      answered(askedAt, pulled.serverNow)
      const whole = pulled.changed ? pulled.roster : await stillOnDisk(pulled.roster)
      if (!whole) {
        keep(undefined)
        recalled = false
        return false
      }
      await store.saveRoster(whole)
      const outline = outlineOf(whole)
      keep(outline)
      pulledAt = clock.monotonic()
      spread = random() * pace.spreadMs
      if (pulled.changed || interrupted) tell(() => o.onRoster(outline))
      interrupted = false
      rosterVersion = outline.version
      recalled = true
      inDoubt = false
      tellBehind()
      await saveBehind()
      if (revoked) push.owed = pulse.owed = true
      revoked = false
      // Two days back is past in every time zone.
      await store.sweepMarks(new Date(clock.now() - 2 * DAY_MS).toISOString().slice(0, 10))
      return true
    },
  )

  const push: Task = task(
    () => (revoked || fenced ? Number.POSITIVE_INFINITY : Math.min(untilPush({ now: clock.monotonic(), added, since: addedSince }, pace), queued ? remaining(clock.monotonic(), queued.since, queued.wait) : Number.POSITIVE_INFINITY)),
    async () => {
      added = 0
      const visit = await pushUnsent({ store, pairing, batch: pace.batch, host, life: clock.life, redate, onSettled: () => tell(o.onMarksSettled) })
      if (visit.answers > 0) answered()
      const round = visit.settled > 0 ? 1 : (queued?.round ?? 0) + 1
      queued = visit.queued === 0 ? undefined : { since: clock.monotonic(), wait: queuedDelay(round, random, pace), round }
      return visit.left === visit.queued
    },
  )

  /** See rotate-key.ts. Begun where the server asks for it, and at the start where an earlier life had begun it. */
  const newKey: Task = task(
    () => Number.POSITIVE_INFINITY,
    async () => {
      if (revoked || fenced) return true
      pairing = await rotateKey({ store, pairing, host })
      answered()
      return true
    },
  )
  newKey.owed = pairing.nextKey !== undefined

  // In the order of the line at the start: the right key first; the beat tells the time, and whether the roster has changed.
  const tasks = [newKey, pulse, pull, push]

  function task(due: Task['due'], visit: Task['visit']): Task {
    return { owed: true, due, visit, failures: 0, pause: undefined, inLine: 0 }
  }

  // ---------- what is known ----------

  function keep(kept: SavedRoster | undefined): void {
    past = kept ? lessonsBefore(kept, [...past, ...(roster ? lessonsOf(roster.schedule) : [])]) : []
    covered = kept ? [...covered.filter(({ from, to }) => to > kept.pulledAt - 2 * DAY_MS && from !== spanOf(kept).from), spanOf(kept)] : []
    roster = kept
    changes = kept ? lessonChanges(kept.schedule) : []
  }

  /**
   * The roster that the server has just confirmed, as it lies on the disk, with the time of it. As old as it was then it had not lapsed.
   * Undefined: the disk holds another one, or none; whatever it holds is then asked for anew.
   */
  async function stillOnDisk({ etag, version, pulledAt: confirmedAt }: SavedRoster): Promise<SavedRoster | undefined> {
    const saved = await store.savedRoster(roster?.pulledAt ?? confirmedAt)
    return saved && saved.etag === etag ? { ...saved, pulledAt: confirmedAt, version } : undefined
  }

  /**
   * Puts the marks right that were made before the time was known: asks for the time, and once in this life for the lessons.
   * @returns false where the server does not tell the time now. Throws as a visit does where nothing can be sent anyway.
   */
  async function redate(): Promise<boolean> {
    if (!clock.sure()) await asks(pulse)
    if (!clock.sure() || pulledAt === undefined) await asks(pull)
    if (!clock.sure()) return false
    const lessons = roster ? [...lessonsOf(roster.schedule), ...past] : []
    const knows = (at: number): boolean => covered.some(({ from, to }) => from <= at && at <= to)
    if ((await store.redateMarks(clock.life, { schoolTime: clock.at, lessons, knows })) > 0) tell(() => o.onMarksRedated?.())
    return true
  }

  /** Runs a task's visit out of its turn; what it asks may be refused while other things are served. */
  async function asks({ visit }: Task): Promise<void> {
    try {
      await visit()
    } catch (error) {
      const ofUs = error instanceof Refused && (error.problem.code === 'unauthorized' || error.problem.code === 'fenced')
      if (ofUs || !(error instanceof Refused || error instanceof Misfit)) throw error
    }
  }

  /**
   * [Note: Two copies of one storage] (contract/device.ts) The successor is on the disk before it is presented, and presented until it was answered: a lost answer
   * repeats the same pair. At the start too, so that of two copies the second is found at its first beat.
   */
  async function drawFence(): Promise<void> {
    if (drawnAt !== undefined && remaining(clock.monotonic(), drawnAt, pace.fenceEveryMs) > 0) return
    // What an earlier life drew and was not answered is presented first: a copy of the storage holds it, too. Then another is drawn.
    if (await store.drawFence(host.uuid())) drawnAt = clock.monotonic()
  }

  const isBehind = (): boolean => !revoked && (inDoubt || (rosterVersion !== undefined && roster?.version !== rosterVersion))

  function tellBehind(): void {
    if (behind === isBehind()) return
    behind = !behind
    tell(() => o.onBehind?.(behind))
  }

  /** So that a restart without the network does not know again whom the school may have withdrawn. */
  async function saveBehind(): Promise<void> {
    const wanted = isBehind() ? rosterVersion : undefined
    if (wanted === savedBehind) return
    await store.saveBehind(wanted)
    savedBehind = wanted
  }

  /** Templates too old to be trusted are forgotten even where the server never answers again. */
  async function lapse(): Promise<void> {
    if (!roster || roster.lapsed || !hasLapsed(roster, clock.now())) return
    const whole = await store.savedRoster(clock.now())
    const lapsed = whole && outlineOf(whole)
    keep(lapsed)
    if (lapsed) tell(() => o.onRoster(lapsed))
  }

  function tell(callback: () => void): void {
    if (!stopped) callback()
  }

  function tellContact(): void {
    tell(() => o.onContact({ online: online === true, at: contactAt, clockOffsetMs: clock.offsetMs(), serverAppVersion }))
  }

  /** @param judged the server's roster version was told with it */
  function answered(askedAt?: number, serverNow?: number, judged = false): void {
    if (askedAt !== undefined && serverNow !== undefined) clock.told(askedAt, clock.monotonic(), serverNow)
    if (online === false) {
      endPauses()
      if (!judged) askVersion()
    }
    online = true
    contactAt = clock.now()
    tellContact()
    const offset = clock.offsetMs()
    if (!clock.heard() || Math.abs(offset - savedOffset) < OFFSET_WORTH_SAVING_MS) return
    savedOffset = offset
    store.saveClockOffset(offset).catch(reportError)
  }

  // ---------- when ----------

  function until({ owed, due, pause }: Task): number {
    const wanted = owed ? 0 : due()
    return pause ? Math.max(wanted, remaining(clock.monotonic(), pause.since, pause.wait)) : wanted
  }

  function arm(): void {
    host.clearTimeout(timer)
    if (stopped) return
    const soonest = Math.min(...tasks.filter((each) => each.inLine === 0).map(until))
    // Looked at again every minute at least: a bell rings by the school's clock, which may be told anew while we sleep.
    timer = host.setTimeout(wake, Math.min(soonest, 60_000))
  }

  function wake(): void {
    // Slept, or the clock was set: the server knows which.
    if (clock.heard() && !clock.sure()) pulse.owed = true
    for (const each of tasks) if (each.inLine === 0 && until(each) <= 0) void run(each)
    arm()
  }

  /** Out of touch until now, somebody may have been withdrawn: the next thing that is asked is the version. */
  function askVersion(): void {
    if (revoked || fenced) return
    inDoubt = true
    pulse.owed = true
    if (!pulse.pause?.asked) pulse.pause = undefined
    tellBehind()
  }

  /** The network is back, for every room at once. */
  function endPauses(): void {
    for (const each of tasks) if (each.pause && !each.pause.asked) pause(each, random() * pace.onlineSpreadMs, false)
  }

  function pause(paused: Task, wait: number, asked: boolean): void {
    paused.pause = { since: clock.monotonic(), wait, asked }
  }

  // ---------- running ----------

  let line = recall()

  async function recall(): Promise<void> {
    try {
      savedOffset = await store.savedClockOffset()
      const saved = await store.savedRoster(clock.now())
      keep(saved && outlineOf(saved))
      rosterVersion = savedBehind = await store.savedBehind()
      recalled = true
    } catch (error) {
      reportError(error)
    }
    tellBehind()
  }

  function run(runner: Task): Promise<void> {
    runner.inLine += 1
    line = line.then(() => perform(runner))
    return line
  }

  /** @returns when it has run; at once if the server asked for a pause that is not over. */
  async function runNow(runner: Task): Promise<void> {
    const { pause: paused } = runner
    if (paused?.asked && remaining(clock.monotonic(), paused.since, paused.wait) > 0) return
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
    if (error instanceof Refused && error.problem.code === 'unauthorized') return refused(runner)
    if (error instanceof Refused && error.problem.code === 'fenced') return fence(error)
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

  async function refused(runner: Task): Promise<void> {
    let other: boolean
    try {
      other = await hasOtherKey()
    } catch (fault) {
      return failed(runner, fault)
    }
    return other ? retryLater(runner, undefined) : revoke()
  }

  /** The key was refused. Is there another: of an exchange that ended half way, or that another tab has made? Throws what rotateKey does. */
  async function hasOtherKey(): Promise<boolean> {
    const saved = await store.savedPairing()
    if (saved?.deviceId !== pairing.deviceId) return false
    const refused = pairing.key
    pairing = saved
    if (pairing.key !== refused) return true
    if (pairing.nextKey === undefined) return false
    try {
      pairing = await rotateKey({ store, pairing, host })
      return true
    } catch (error) {
      if (error instanceof Refused && error.problem.code === 'unauthorized') return false
      throw error
    }
  }

  async function revoke(): Promise<void> {
    const first = !revoked
    revoked = true
    interrupted = true
    keep(undefined)
    newKey.owed = push.owed = pulse.owed = false
    pull.owed = true
    pause(pull, pace.revokedRetryMs + random() * pace.spreadMs, true)
    answered()
    await store.forget()
    if (first) tell(o.onRevoked)
  }

  function fence(error: Refused): void {
    const first = !fenced
    fenced = true
    interrupted = true
    newKey.owed = pull.owed = push.owed = false
    pulse.owed = true
    pause(pulse, pace.fencedRetryMs + random() * pace.spreadMs, true)
    answered()
    if (first) tell(() => o.onFenced?.(error.message))
  }

  // ---------- the machine's word on the network ----------

  function onOnline(): void {
    endPauses()
    for (const each of revoked ? [pull] : fenced ? [pulse] : [pulse, pull, push]) {
      each.owed = true
      if (!each.pause) pause(each, random() * pace.onlineSpreadMs, false)
    }
    arm()
  }

  /** Ask at once what has changed. */
  function onHint(): void {
    if (!revoked) void runNow(pulse)
  }

  const stopHearing = host.hear({ online: onOnline, offline: onHint, look: onHint })
  wake()

  return {
    pullNow: () => runNow(pull),
    pushNow: () => runNow(push),
    markAdded() {
      if (added === 0) addedSince = clock.monotonic()
      added += 1
      arm()
    },
    stop() {
      stopped = true
      host.clearTimeout(timer)
      stopHearing()
    },
  }
}

const lessonsOf = ({ current_class, ahead }: Schedule): Lesson[] => (current_class ? [current_class, ...ahead.lessons] : ahead.lessons)

/** From its making until as far as it reaches at least, by the contract. */
function spanOf({ schedule, pulledAt }: SavedRoster): Span {
  return { from: Date.parse(schedule.now), to: pulledAt + HALF_A_DAY_MS }
}

/** Of the lessons known before, those that were over as this roster was made: it tells of no others, and those it tells of it knows better. */
function lessonsBefore({ schedule, pulledAt }: SavedRoster, known: Lesson[]): Lesson[] {
  const told = new Set(lessonsOf(schedule).map(nameOf))
  const over = known.filter((lesson) => Date.parse(lesson.ends_at) <= pulledAt && Date.parse(lesson.ends_at) > pulledAt - 2 * DAY_MS && !told.has(nameOf(lesson)))
  return [...new Map(over.map((lesson) => [nameOf(lesson), lesson])).values()]
}

const nameOf = ({ held_on, lesson_id }: Lesson): string => `${held_on} ${lesson_id}`
