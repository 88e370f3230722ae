/**
 * One world from its seed to its end: the plan is played, then everything is made well again, and once the kiosks have
 * come to rest the promises are held against what is left.
 */
import { createHash } from 'node:crypto'
import type { Heartbeat } from '#contract/device'
import type { SavedRoster } from '../../kiosk/store/store.ts'
import type { Pace } from '../../kiosk/sync/pace.ts'
import type { Intake } from '../../server/intake/intake.ts'
import { IntakeFull } from '../../server/intake/intake.ts'
import { bend } from './breaks.ts'
import type { Break } from './breaks.ts'
import { chanceOf } from './chance.ts'
import type { Chance } from './chance.ts'
import { PROMISES, violationsOf } from './checks.ts'
import type { Corrected, LetGo, Violation, Wiped } from './checks.ts'
import { createDisk } from './disk.ts'
import type { Disk } from './disk.ts'
import { Kiosk } from './kiosk.ts'
import type { Shown } from './kiosk.ts'
import type { Answered, Asked } from './network.ts'
import { planOf } from './plan.ts'
import type { Deed, Plan } from './plan.ts'
import { createQueue } from './queue.ts'
import type { Queue } from './queue.ts'
import type { School } from './school.ts'
import { VirtualTime } from './virtual-time.ts'
import type { Owner } from './virtual-time.ts'
import { addDays, dateOf, instantOf } from './zoned.ts'

export interface Told {
  seed: number
  violations: Violation[]
  /** Everything that happened, a line each, with the world's time. */
  trace: string[]
  /** SHA-256 of the trace, shortened: the same seed gives the same. */
  hash: string
  events: number
  requests: number
  marks: number
}

/** So long may it take, once everything is well, until nothing is unsent: the longest pause that a kiosk makes, and some. */
const REST_MS = 30 * 60_000
/** What arrives at the school within so long is worked on together. */
const TOGETHER_MS = 20

export async function playWorld(school: School, seed: number, broken?: Break): Promise<Told> {
  const plan = planOf(seed)
  const world = new World(school, plan, broken)
  return world.play()
}

class World {
  private readonly chance: Chance
  private readonly time: VirtualTime
  private readonly trace: string[] = []
  private readonly found: Violation[] = []
  private readonly schoolOwner: Owner = { name: 'the school', ended: false, onFault: (fault) => this.fail('sound', String(fault)) }
  private readonly kiosks: Kiosk[] = []
  private readonly shown: Shown[] = []
  private readonly letGo: LetGo[] = []
  private readonly corrected: Corrected[] = []
  private readonly doubted: Shown[] = []
  private readonly wiped: Wiped[] = []
  /** When the school last heard a late beat of a storage that is gone, by device: until the next one of the storage in use it may take the one for the other. */
  private readonly heardOfGone = new Map<string, number>()
  private readonly copied = new Map<string, { right: Kiosk; copy: Kiosk; store_id: string }>()
  private readonly changedCourses = new Set<string>()
  private readonly enrolled: Record<string, Set<string>>
  private readonly consenting: Set<string>
  /** What the school's answers to `schedule` must hold, by the answer. */
  private readonly schedules = new WeakMap<Headers, string>()
  private readonly lastSchedule = new Map<string, string>()
  /** Lessons that a kiosk has ever been told of. */
  private readonly toldOf = new Map<string, Set<string>>()
  private queue: Queue | undefined
  private serverUp = true
  private databaseUp = true
  private healed = false
  private arrived: { asked: Asked; answer: (answered: Answered | undefined) => void }[] = []
  private requests = 0
  private ids = 0

  constructor(private readonly school: School, private readonly plan: Plan, private readonly broken: Break | undefined) {
    this.chance = chanceOf(`play ${plan.seed}`)
    this.time = new VirtualTime(plan.startsAt - 1_000)
    this.enrolled = Object.fromEntries(Object.entries(plan.enrolled).map(([course, students]) => [course, new Set(students)]))
    this.consenting = new Set(plan.consenting)
  }

  async play(): Promise<Told> {
    const { plan, time } = this
    try {
      await this.openSchool()
      for (const [i, planned] of plan.kiosks.entries()) {
        const disk = createDisk({ time, chance: this.chance.fork(`disk ${i}`), uuid: () => this.uuid(), tell: (line) => this.tell(`${planned.name}: ${line}`), relaxed: this.broken === 'shown-before-flushed' })
        this.kiosks.push(this.kioskOf(i, disk))
      }
      for (const { at, deed } of plan.deeds) time.at(at, this.schoolOwner, () => this.act(deed))
      await time.run(plan.endsAt)
      this.heal()
      const rested = await time.run(time.now + this.patience(), () => this.rested())
      if (!rested) this.sayUnrested()
      await this.judge()
    } catch (fault) {
      this.fail('sound', fault instanceof Error ? (fault.stack ?? fault.message) : String(fault))
    }
    for (const kiosk of this.kiosks) kiosk.endLife()
    return {
      seed: plan.seed,
      violations: this.found,
      trace: this.trace,
      hash: createHash('sha256').update(this.trace.join('\n')).digest('hex').slice(0, 16),
      events: time.events,
      requests: this.requests,
      marks: this.shown.length,
    }
  }

  private tell(line: string): void {
    this.trace.push(`${new Date(this.time.now).toISOString()} ${line}`)
  }

  private fail(promise: keyof typeof PROMISES, what: string): void {
    this.found.push({ promise: PROMISES[promise], what })
    this.tell(`BROKEN: ${PROMISES[promise]}: ${what.split('\n', 1)[0] ?? ''}`)
  }

  /** The same ids in every run of a seed. */
  private uuid(): string {
    this.ids += 1
    return `${String(this.plan.seed % 1e8).padStart(8, '0')}-0000-4000-8000-${String(this.ids).padStart(12, '0')}`
  }

  // ---------- the school ----------

  private async openSchool(): Promise<void> {
    const { time, plan } = this
    const chance = this.chance.fork('school')
    const bent = bend(this.broken, { time, chance, school: this.schoolOwner, up: () => this.serverUp })
    await this.school.open(plan, {
      now: () => time.now,
      log: ({ event, message }) => {
        if (event === 'marks_not_stored' || (!this.databaseUp && event === 'request_failed')) return
        this.fail('sound', `the server says ${event}: ${String(message)}`)
      },
      insert: bent.insert ?? ((insert) => insert),
      intake: (commit) => {
        const guarded = this.guarded(commit)
        if (plan.intake === 'queue') {
          this.queue = createQueue({ time, chance: chance.fork('queue'), owner: this.schoolOwner, record: (marks) => commit.take(marks), away: () => !this.databaseUp, tell: (line) => this.tell(line) })
          return bent.intake?.(this.queue) ?? this.queue
        }
        return bent.intake?.(guarded) ?? guarded
      },
    })
  }

  private guarded(commit: Intake): Intake {
    return {
      ...commit,
      take: (marks) => (this.databaseUp ? commit.take(marks) : Promise.reject(new IntakeFull('database_away', 5))),
    }
  }

  private deliver(asked: Asked, answer: (answered: Answered | undefined) => void): void {
    this.arrived.push({ asked, answer })
    if (this.arrived.length === 1) this.time.at(Math.ceil((this.time.now + 1) / TOGETHER_MS) * TOGETHER_MS, this.schoolOwner, () => this.serve())
  }

  private async serve(): Promise<void> {
    const arrived = this.arrived
    this.arrived = []
    if (!this.serverUp) {
      for (const { answer } of arrived) answer(undefined)
      return
    }
    this.requests += arrived.length
    const answered = await this.time.outside(() => this.school.answer(arrived.map(({ asked }) => asked)))
    for (const [i, { asked, answer: hand }] of arrived.entries()) {
      const answer = answered[i]
      if (!answer) continue
      this.tell(`the school answers ${asked.method} ${asked.path.replace(/\?.*/, '')}: ${answer.status}`)
      if (answer.status === 500) this.fail('sound', `${asked.method} ${asked.path} was answered ${answer.text}`)
      if (asked.path.startsWith('/api/v1/schedule')) this.schedules.set(answer.headers, this.rosterOf(new URL(asked.path, 'http://school.example').searchParams.get('room_id') ?? ''))
      if (asked.path === '/api/v1/heartbeat') this.noteGone(asked)
      hand(answer)
    }
  }

  private noteGone({ body = '' }: Asked): void {
    const { device_id, store } = JSON.parse(body) as Heartbeat
    if (this.wiped.some(({ store_id }) => store_id === store?.store_id)) this.heardOfGone.set(device_id, this.time.now)
  }

  /** What a room's kiosk may know now, reckoned apart from the server. */
  private rosterOf(room: string): string {
    const { zone, lessons } = this.plan
    const { now } = this.time
    const midnight = instantOf(zone, addDays(dateOf(zone, now), 1), 0)
    const horizon = Math.max(midnight, now + 12 * 3_600_000)
    const ahead = lessons.filter(({ room_id, startsAt, endsAt }) => room_id === room && endsAt > now && startsAt < horizon)
    return JSON.stringify(ahead.map(({ lesson_id, held_on, course_id, startsAt, endsAt }) => [lesson_id, held_on, startsAt, endsAt, this.withTemplates([...(this.enrolled[course_id] ?? [])])]))
  }

  private withTemplates(students: string[]): string[] {
    return students.sort().map((student) => `${student}${this.consenting.has(student) ? ' with a template' : ''}`)
  }

  // ---------- the kiosks ----------

  private kioskOf(place: number, disk: Disk, name = this.plan.kiosks[place]?.name ?? ''): Kiosk {
    const planned = this.plan.kiosks[place]
    if (!planned) throw new Error('no such kiosk')
    const chance = this.chance.fork(`kiosk ${name}`)
    const bent = bend(this.broken, { time: this.time, chance, school: this.schoolOwner, up: () => this.serverUp })
    return new Kiosk({
      time: this.time,
      chance,
      plan: { ...planned, name },
      disk,
      school: this.schoolOwner,
      uuid: () => this.uuid(),
      deliver: (asked, answer) => this.deliver(asked, answer),
      tell: (line) => this.tell(line),
      bend: bent,
      witness: {
        shown: (shown) => void this.shown.push(shown),
        settled: (kiosk, life, settled) => {
          for (const { mark, state } of settled) this.letGo.push({ kiosk: kiosk.name, life, mark_id: mark.mark_id, mark, state, at: this.time.now })
        },
        heard: (kiosk, { headers }) => {
          const expected = this.schedules.get(headers)
          if (expected !== undefined) this.lastSchedule.set(kiosk.name, expected)
        },
        rosterSaved: (kiosk, roster) => this.compareRoster(kiosk, roster),
        fault: (kiosk, what) => this.fail('sound', `${kiosk.name}: ${what}`),
      },
    })
  }

  private compareRoster(kiosk: Kiosk, { schedule, lapsed }: SavedRoster): void {
    const expected = this.lastSchedule.get(kiosk.name)
    if (expected === undefined || lapsed) return
    const everyone = [...schedule.students, ...schedule.ahead.students]
    const held = new Set(everyone.filter(({ templates }) => templates.length > 0).map(({ student_id }) => student_id))
    for (const student of held) if (!this.consenting.has(student) && !expected.includes(`${student} with a template`)) this.fail('withdrawn', `${kiosk.name} holds a template of ${student}`)
    const lessons = [...(schedule.current_class ? [schedule.current_class] : []), ...schedule.ahead.lessons]
    const is = JSON.stringify(
      lessons.map(({ lesson_id, held_on, starts_at, ends_at, student_ids }) => [
        lesson_id, held_on, Date.parse(starts_at), Date.parse(ends_at), [...student_ids].sort().map((student) => `${student}${held.has(student) ? ' with a template' : ''}`),
      ]),
    )
    const told = this.toldOf.get(kiosk.name) ?? new Set()
    for (const { held_on, lesson_id } of lessons) told.add(`${held_on} ${lesson_id}`)
    this.toldOf.set(kiosk.name, told)
    if (is !== expected) this.fail('roster', `${kiosk.name} holds ${is} and the school has ${expected}`)
    const listed = new Set(lessons.flatMap(({ student_ids }) => student_ids))
    for (const { student_id } of everyone) if (!listed.has(student_id)) this.fail('roster', `${kiosk.name} knows ${student_id}, who is in none of its lessons`)
  }

  // ---------- what happens ----------

  private async act(deed: Deed): Promise<void> {
    const kiosk = 'kiosk' in deed ? this.kiosks[deed.kiosk] : undefined
    this.tell(`${kiosk ? `${kiosk.name}: ` : ''}${Object.entries(deed).flatMap(([name, value]) => (name === 'kiosk' ? [] : [name === 'kind' ? String(value) : `${name} ${JSON.stringify(value)}`])).join(' ')}`)
    switch (deed.kind) {
      case 'power_on':
        return kiosk?.powerOn(true)
      case 'power_cut':
        return kiosk?.cutPower()
      case 'reload':
        if (!kiosk?.life) return
        kiosk.endLife()
        return kiosk.powerOn(false)
      case 'appear':
        if (deed.doubt) this.tell(`${deed.student} looks like a picture`)
        return kiosk?.appear(deed.student, deed.doubt, (doubted) => void this.doubted.push(doubted))
      case 'weather':
        if (kiosk) kiosk.weather = deed.weather
        return
      case 'network_back':
        return kiosk?.online()
      case 'clock_set':
        return kiosk?.clock.setBy(deed.by)
      case 'disk_full':
        if (kiosk) kiosk.disk.full = deed.full
        return
      case 'disk_slow':
        if (kiosk) kiosk.disk.slow = deed.slow
        return
      case 'wipe':
        return kiosk && this.wipe(kiosk)
      case 'copy':
        return kiosk && this.copy(deed.kiosk, kiosk)
      case 'server':
        this.serverUp = deed.up
        return
      case 'database':
        this.databaseUp = deed.up
        return
      case 'flush_queue':
        return this.queue?.flush()
      case 'correct':
        return this.correct(deed)
      case 'withdraw': {
        this.consenting.delete(deed.student)
        return this.staff('DELETE', `/api/v1/students/${deed.student}/consent`)
      }
      case 'enrol': {
        this.enrolled[deed.course] = new Set(deed.students)
        this.changedCourses.add(deed.course)
        return this.staff('PUT', `/api/v1/courses/${deed.course}/students`, { student_ids: deed.students })
      }
    }
  }

  private async staff(method: string, path: string, body?: unknown): Promise<void> {
    const { status, text } = await this.time.outside(() => this.school.ask(method, path, body))
    if (status >= 300) throw new Error(`${method} ${path} was answered ${status} ${text}`)
  }

  private async correct({ lesson: place, student, status }: Deed & { kind: 'correct' }): Promise<void> {
    const lesson = this.plan.lessons[place]
    if (!lesson) return
    this.corrected.push({ lesson, student, status })
    await this.staff('POST', `/api/v1/lessons/${lesson.held_on}/${lesson.lesson_id}/corrections`, { student_id: student, status })
  }

  private wipe(kiosk: Kiosk): void {
    const { store_id, made } = kiosk.state
    this.wiped.push({ device_id: kiosk.o.plan.device_id, store_id, made })
    const on = kiosk.life !== undefined
    kiosk.endLife()
    kiosk.disk.wipe()
    if (on) kiosk.powerOn(false)
  }

  private copy(place: number, kiosk: Kiosk): void {
    const name = `${kiosk.name} copy`
    const copy = this.kioskOf(place, kiosk.disk.copy(name), name)
    this.kiosks.push(copy)
    this.copied.set(kiosk.o.plan.device_id, { right: kiosk, copy, store_id: kiosk.state.store_id })
    copy.powerOn(true)
  }

  /** The office hears of two copies, takes one away, and says that the other is the right one. */
  private async visitCopies(): Promise<void> {
    for (const [device_id, { right, copy }] of this.copied) {
      if (!right.fenced && !copy.fenced) continue
      if (this.kiosks.includes(copy)) {
        this.tell(`the office takes ${copy.name} away`)
        copy.endLife()
        this.kiosks.splice(this.kiosks.indexOf(copy), 1)
      }
      // Again, where a heartbeat that the copy had sent came after it was gone.
      this.tell(`the office says that ${right.name} is the right one`)
      await this.staff('POST', `/api/v1/kiosks/${device_id}/clear-fence`, {})
    }
    this.time.after(60_000, this.schoolOwner, () => this.visitCopies())
  }

  // ---------- the end ----------

  private heal(): void {
    this.tell('everything is well again')
    this.healed = true
    this.serverUp = true
    this.databaseUp = true
    for (const kiosk of this.kiosks) {
      kiosk.weather = 'good'
      kiosk.disk.full = false
      kiosk.disk.slow = false
      if (kiosk.life) kiosk.online()
      else kiosk.powerOn(true)
    }
    if (this.copied.size > 0) this.time.after(60_000, this.schoolOwner, () => this.visitCopies())
  }

  /** Every kiosk is rid of its marks, and has heard of everything that changed; of two copies one was taken away. */
  private rested(): boolean {
    const found = [...this.copied.values()].every(({ copy }) => !this.kiosks.includes(copy))
    const known = this.kiosks.every((kiosk) => kiosk.beatAskedSince(this.heardOfGone.get(kiosk.o.plan.device_id) ?? 0))
    return this.healed && found && known && this.arrived.length === 0 && this.kiosks.every((kiosk) => !kiosk.fenced && kiosk.unsent === 0 && kiosk.pulledSince(this.plan.endsAt) && kiosk.beatSince(this.plan.endsAt))
  }

  /** Two copies are told apart at a beat that comes too late to be one that was long under way, after one of them has drawn a fence; some kiosks here do both seldom. And a storage that took a gone one's place is known for it at its next beat. */
  private patience(): number {
    const longest = (of: (pace: Pace) => number): number => Math.max(...this.plan.kiosks.map(({ pace }) => of(pace)))
    return REST_MS + (this.copied.size > 0 ? longest((pace) => 2 * pace.beatEveryMs + pace.fenceEveryMs) : 0) + (this.wiped.length > 0 ? longest((pace) => pace.beatEveryMs) : 0)
  }

  private sayUnrested(): void {
    const minutes = `after ${this.patience() / 60_000} minutes in which everything was well`
    for (const kiosk of this.kiosks) {
      if (kiosk.fenced) this.fail('drains', `${kiosk.name} is still fenced ${minutes}`)
      else if (kiosk.unsent > 0) this.fail('drains', `${kiosk.name} still holds ${kiosk.unsent} unsent marks ${minutes}`)
      else if (!kiosk.pulledSince(this.plan.endsAt) || !kiosk.beatSince(this.plan.endsAt)) this.fail('drains', `${kiosk.name} has not asked for its roster or not beaten ${minutes}`)
      else if (!kiosk.beatAskedSince(this.heardOfGone.get(kiosk.o.plan.device_id) ?? 0)) this.fail('drains', `${kiosk.name} has not beaten since the last late beat of its storage before ${minutes}`)
    }
  }

  private async judge(): Promise<void> {
    const { plan, shown, letGo, corrected, doubted, wiped, changedCourses, toldOf } = this
    const copied = new Map([...this.copied].map(([device_id, { store_id }]) => [device_id, store_id]))
    const at = Math.max(this.time.now, ...plan.lessons.map(({ endsAt }) => endsAt)) + 1
    const record = await this.school.record(plan, at)
    for (const violation of violationsOf({ plan, shown, letGo, corrected, doubted, wiped, copied, changedCourses, toldOf, record })) {
      this.found.push(violation)
      this.tell(`BROKEN: ${violation.promise}: ${violation.what}`)
    }
    this.tell(`the record: ${record.marks.map((mark) => `${mark.student_id} in ${mark.held_on} ${mark.lesson_id} at ${mark.timestamp} received ${mark.received_at}`).join('; ')}`)
  }
}
