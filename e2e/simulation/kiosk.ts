/**
 * One kiosk of a world: its disk and clocks, and life after life of the page, in which the real sync code and the real
 * register run. Stands in for the screen and the camera: people who appear are known at once.
 */
import type { StoreState } from '#contract/device'
import type { Lesson } from '#contract/schedule'
import { lessonAt } from '../../kiosk/attendance/lesson-clock.ts'
import { openInLesson } from '../../kiosk/classroom/in-lesson.ts'
import type { InLesson } from '../../kiosk/classroom/in-lesson.ts'
import type { Mark } from '../../kiosk/attendance/register.ts'
import { StoreFailed } from '../../kiosk/store/store-failed.ts'
import type { SavedRoster, SettledMark, Store } from '../../kiosk/store/store.ts'
import { createSchoolClock } from '../../kiosk/sync/clock.ts'
import type { SchoolClock } from '../../kiosk/sync/clock.ts'
import type { Host } from '../../kiosk/sync/host.ts'
import { startSync } from '../../kiosk/sync/sync.ts'
import type { Sync } from '../../kiosk/sync/sync.ts'
import type { Bent } from './breaks.ts'
import type { Chance } from './chance.ts'
import { createDeviceClock } from './device-clock.ts'
import type { DeviceClock } from './device-clock.ts'
import type { Disk } from './disk.ts'
import { openNetwork } from './network.ts'
import type { Answered, NetworkOptions, Weather } from './network.ts'
import type { PlannedKiosk } from './plan.ts'
import type { Owner, VirtualTime } from './virtual-time.ts'

/** A mark that a kiosk has shown: it promised that it is kept. */
export interface Shown {
  kiosk: string
  mark: Mark
  /** True time of the appearance, ms: from the moment that they stood there, */
  since: number
  /** to the moment that the mark was made; a slow disk may lie between. */
  at: number
  /** The server had been heard in this life of the page, before. */
  sure: boolean
  life: Life
  /** Of the storage that it lies in. */
  storeId: string
}

export interface Life extends Owner {
  readonly number: number
  /** The longest round trip of what the server's clock was told by, ms. */
  longestTrip: number
  heard: boolean
}

export interface Witness {
  shown(mark: Shown): void
  /** The kiosk lets go of marks: right before its disk is told. */
  settled(kiosk: Kiosk, life: Life, settled: SettledMark[]): void
  /** An answer of the school's own came. */
  heard(kiosk: Kiosk, answered: Answered): void
  rosterSaved(kiosk: Kiosk, roster: SavedRoster): void
  fault(kiosk: Kiosk, what: string): void
}

export interface KioskOptions {
  time: VirtualTime
  chance: Chance
  plan: PlannedKiosk
  disk: Disk
  school: Owner
  uuid: () => string
  deliver: NetworkOptions['deliver']
  tell: (line: string) => void
  witness: Witness
  /** Around what the page is given: faults to be found. */
  bend?: Pick<Bent, 'fetch' | 'store' | 'monotonic'>
}

export class Kiosk {
  weather: Weather
  readonly clock: DeviceClock
  disk: Disk
  life: Life | undefined
  private lives = 0
  private powered = false
  private sync: Sync | undefined
  private schoolClock: SchoolClock | undefined
  private store: Store | undefined
  private roster: SavedRoster | undefined
  private inLesson: InLesson | undefined
  private hints: Parameters<Host['hear']>[0] | undefined
  private choosing = Promise.resolve()
  private pulledAt = 0
  private beatAt = 0
  private beatAskedAt = 0
  fenced = false

  constructor(readonly o: KioskOptions) {
    const { plan, time } = o
    this.weather = plan.weather
    this.disk = o.disk
    this.clock = createDeviceClock({ truth: () => time.now, off: plan.clockOff, forgets: plan.forgetsTime, drift: plan.drift })
  }

  get name(): string {
    return this.o.plan.name
  }

  tell(line: string): void {
    this.o.tell(`${this.name}: ${line}`)
  }

  /** Nothing of the page is left; what its disk had not flushed may be gone. */
  cutPower(): void {
    this.powered = false
    this.endLife()
    this.disk.cutPower()
  }

  /** The page ends as a browser ends it: the disk stays as it is. */
  endLife(): void {
    if (this.life) this.life.ended = true
    this.life = undefined
    this.sync = undefined
    this.inLesson = undefined
    this.hints = undefined
    // What the page knew goes with it: whoever appears before the next one has read its disk is seen by nobody.
    this.store = undefined
    this.schoolClock = undefined
    this.roster = undefined
    this.fenced = false
  }

  /** @param cold the device was without power */
  powerOn(cold: boolean): void {
    if (this.life) return
    this.powered = true
    const { o } = this
    const { time } = o
    this.lives += 1
    this.clock.start(cold)
    const life: Life = {
      name: this.name,
      number: this.lives,
      ended: false,
      heard: false,
      longestTrip: 0,
      onFault: (fault) => {
        if (!(fault instanceof StoreFailed)) o.witness.fault(this, fault instanceof Error ? (fault.stack ?? fault.message) : String(fault))
      },
    }
    this.life = life
    this.tell(`starts, life ${life.number}`)
    time.after(0, life, () => void this.begin(life).catch((fault: unknown) => this.startAgain(life, fault)))
  }

  /** As a watchdog would: the page could not begin. */
  private startAgain(life: Life, fault: unknown): void {
    if (!(fault instanceof StoreFailed)) this.o.witness.fault(this, fault instanceof Error ? (fault.stack ?? fault.message) : String(fault))
    if (this.life !== life) return
    this.endLife()
    // Unless its power was cut meanwhile: then no watchdog starts it.
    this.o.time.after(5_000, this.o.school, () => {
      if (this.powered && this.lives === life.number) this.powerOn(false)
    })
  }

  /** As kiosk/classroom/run.ts begins, without screen and camera. */
  private async begin(life: Life): Promise<void> {
    const { plan, witness } = this.o
    const opened = this.watched(this.disk.open(life), life)
    const store = this.o.bend?.store?.(opened) ?? opened
    this.store = store
    let pairing = await store.savedPairing()
    if (!pairing) {
      // Somebody opens the room's link on it.
      pairing = { deviceId: plan.device_id, roomId: plan.room_id, key: plan.key }
      await store.savePairing(pairing)
    }
    const schoolClock = createSchoolClock({ wall: () => this.clock.wall(), monotonic: () => this.o.bend?.monotonic?.(this.clock) ?? this.clock.monotonic(), savedOffsetMs: await store.savedClockOffset(), life: this.o.uuid() })
    this.schoolClock = schoolClock
    this.roster = await store.savedRoster(schoolClock.now())
    const host = this.host(life)
    this.sync = startSync({
      store,
      pairing,
      appVersion: 'simulated',
      clock: schoolClock,
      status: () => this.status(),
      onRoster: (roster) => {
        this.fenced = false
        this.roster = roster
        void this.choose(true)
      },
      onContact: () => {},
      onRevoked: () => witness.fault(this, 'the server does not know this kiosk any more'),
      onOutOfDate: (problem) => witness.fault(this, `out of date: ${problem}`),
      onMarksSettled: () => {},
      onMarksRedated: () => {
        this.tell('re-dated marks')
        void this.choose(true)
      },
      onFenced: () => {
        this.fenced = true
        this.tell('fenced')
      },
      pace: plan.pace,
      random: this.o.chance.next,
      host,
    })
  }

  private host(life: Life): Host {
    const { time, chance, school, deliver } = this.o
    const network = openNetwork(
      {
        time,
        chance,
        school,
        deliver,
        weather: () => this.weather,
        tell: (line) => this.tell(line),
        onHeard: ({ path }, answered, trip) => {
          const { status } = answered
          this.o.witness.heard(this, answered)
          if (status === 200 && path === '/api/v1/heartbeat') {
            this.beatAt = time.now
            this.beatAskedAt = time.now - trip
          }
          if ((status === 200 || status === 304) && path.startsWith('/api/v1/schedule')) this.pulledAt = time.now
          if (status !== 200 || path === '/api/v1/attendance') return
          life.longestTrip = Math.max(life.longestTrip, trip)
          life.heard = true
        },
      },
      life,
    )
    return {
      setTimeout: (run, ms) => time.after(Number.isFinite(ms) ? Math.max(1, ms) : 1, life, run),
      clearTimeout: (timer) => {
        if (timer) (timer as { cancelled: boolean }).cancelled = true
      },
      fetch: this.o.bend?.fetch?.(network, this) ?? network,
      hear: (hints) => {
        this.hints = hints
        return () => {}
      },
      uuid: this.o.uuid,
    }
  }

  /** Tells what the page does to its marks and its roster. */
  private watched(store: Store, life: Life): Store {
    const { witness } = this.o
    return {
      ...store,
      settleMarks: async (settled) => {
        for (const { mark, state } of settled) this.tell(`lets go of ${nameOf(mark)}: ${state}`)
        witness.settled(this, life, settled)
        await store.settleMarks(settled)
      },
      saveRoster: async (roster) => {
        witness.rosterSaved(this, roster)
        await store.saveRoster(roster)
      },
    }
  }

  private status() {
    const lesson = this.inLesson?.lesson
    return { model: 'mobilefacenet-192-r1', camera: 'live' as const, lesson: lesson ? { lesson_id: lesson.lesson_id, held_on: lesson.held_on } : null }
  }

  private lessons(): Lesson[] {
    const schedule = this.roster?.schedule
    return schedule ? [...(schedule.current_class ? [schedule.current_class] : []), ...schedule.ahead.lessons] : []
  }

  private choose(reopen: boolean): Promise<void> {
    const { life } = this
    this.choosing = this.choosing
      .then(async () => {
        if (!life || life.ended || !this.store || !this.schoolClock) return
        const lesson = lessonAt(this.lessons(), this.schoolClock.now())
        const now = this.inLesson?.lesson
        const same = now !== undefined && now.lesson_id === lesson?.lesson_id && now.held_on === lesson.held_on
        if (same && !reopen) return
        this.inLesson = lesson && this.roster && (await openInLesson({ schedule: this.roster.schedule, lesson, lapsed: this.roster.lapsed, model: undefined, store: this.store }))
      })
      .catch((fault: unknown) => life?.onFault?.(fault))
    return this.choosing
  }

  /** A student stands before the kiosk and is known. */
  appear(student: string, doubt: boolean, onDoubt: (doubted: Shown) => void): void {
    const { life } = this
    if (!life) return
    this.o.time.after(0, life, () => void this.see(life, student, doubt ? onDoubt : undefined).catch((fault: unknown) => life.onFault?.(fault)))
  }

  private async see(life: Life, student: string, onDoubt: ((doubted: Shown) => void) | undefined): Promise<void> {
    const since = this.o.time.now
    await this.choose(false)
    const { inLesson, schoolClock, store } = this
    if (!inLesson || !schoolClock || !store) return
    const at = this.o.time.now
    const sure = life.heard
    const marked = await inLesson.markBy({ studentId: student, method: this.o.chance.pick(['face', 'pin']), confidence: 1, ...schoolClock.moment() })
    const { lesson } = inLesson
    this.tell(`${student} appears in ${lesson.held_on} ${lesson.lesson_id}: ${marked.kind}`)
    if (marked.kind !== 'marked') return
    const shown = { kiosk: this.name, mark: marked.mark, since, at, sure, life, storeId: this.disk.state.store_id }
    this.o.witness.shown(shown)
    this.sync?.markAdded()
    if (!onDoubt || !(await store.saveDoubt(marked.mark, 'looks_like_a_picture'))) return
    onDoubt(shown)
    this.sync?.markAdded()
  }

  online(): void {
    const { life, hints } = this
    if (life && hints) this.o.time.after(0, life, () => hints.online())
  }

  /** An answer to a pull was heard since. */
  pulledSince(at: number): boolean {
    return this.pulledAt > at
  }

  beatSince(at: number): boolean {
    return this.beatAt > at
  }

  /** A beat that was answered was sent since. */
  beatAskedSince(at: number): boolean {
    return this.beatAskedAt > at
  }

  get unsent(): number {
    return this.disk.marks.filter(({ state }) => state === 'unsent').length
  }

  get state(): StoreState {
    return this.disk.state
  }
}

/** By what it is of: its id differs from run to run. */
export function nameOf({ student_id, held_on, lesson_id }: Pick<Mark, 'student_id' | 'held_on' | 'lesson_id'>): string {
  return `${student_id} in ${held_on} ${lesson_id}`
}
