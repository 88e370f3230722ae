/** Kiosk and school stay in step through every fault between them, and the app renews itself without being lost. */
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { NewMark, SavedMark, SavedRoster, Store } from '../kiosk/store/store.ts'
import type { AppUpdate } from '../kiosk/sync/app-update.ts'
import type { SchoolClock, createSchoolClock } from '../kiosk/sync/clock.ts'
import type { Pace } from '../kiosk/sync/pace.ts'
import type { StoreState } from '#contract/device'
import { packEmbedding } from '#contract/model'
import type { Contact, Sync, SyncOptions } from '../kiosk/sync/sync.ts'
import { launchChromium } from './chromium.ts'
import { buildParts, pageOf, servePage } from './part-page.ts'
import type { PartPage } from './part-page.ts'

/** What the page under test holds, set up by `startKiosk`. */
interface Kiosk {
  openStore(o?: { name?: string }): Promise<Store>
  startSync(o: SyncOptions): Sync
  watchAppUpdate(o: { onReady: () => void; checkAtMostEveryMs?: number }): AppUpdate
  createSchoolClock: typeof createSchoolClock
  PACE: Pace
  store: Store
  clock: SchoolClock
  /** ms that this device's own clock is ahead. */
  wrongBy: number
  sync: Sync
  update: AppUpdate
  told: { rosters: SavedRoster[]; contacts: Contact[]; revoked: number; problems: string[]; settled: number; redated: number; fenced: string[]; behind: boolean[] }
}
declare global {
  interface Window {
    kiosk: Kiosk
  }
}

const MONDAY = Date.parse('2026-11-23T08:00:00Z')

let chromium: BrowserContext
let parts: Map<string, string>
const servers: PartPage[] = []
/** A clock that a test winds belongs to a whole context, so such a test has one of its own. */
const clocked: BrowserContext[] = []

beforeAll(async () => {
  parts = await buildParts({ store: 'kiosk/store/store.ts', sync: 'kiosk/sync/sync.ts', pace: 'kiosk/sync/pace.ts', clock: 'kiosk/sync/clock.ts', update: 'kiosk/sync/app-update.ts' })
  parts.set('/', pageOf(['store', 'sync', 'pace', 'clock', 'update']).replace('window.kiosk = {', 'window.kiosk = { told: { rosters: [], contacts: [], revoked: 0, problems: [], settled: 0, redated: 0, fenced: [], behind: [] },'))
  chromium = await launchChromium()
})

afterEach(async () => {
  await Promise.all(chromium.pages().map((page) => page.close()))
  await Promise.all(clocked.splice(0).map((context) => context.close()))
})

afterAll(async () => {
  await chromium?.close()
  await Promise.all(servers.map((server) => server.goAway()))
})

async function serve(): Promise<PartPage> {
  const server = await servePage(new Map(parts))
  servers.push(server)
  return server
}

// ---------- a school that can fail ----------

const FAULTS = ['cut before it arrives', 'cut after commit', 'portal page', 'our 500', "proxy's 502", 'busy', 'slow', 'queued', 'half named', 'nothing named', 'ids mixed up', 'not understood'] as const
type Fault = (typeof FAULTS)[number]

/** Keeps marks by key as the record does, and remembers which of them it has named in an answer. */
class School {
  readonly marks = new Map<string, string>()
  readonly named = new Set<string>()
  /** Of each mark the doubts that came with it, and those that an answer has named. */
  readonly doubts = new Map<string, Set<string>>()
  readonly namedDoubts = new Set<string>()
  readonly asked: string[] = []
  readonly beats: Record<string, unknown>[] = []
  faults: Fault[] = []
  /** A record of this student makes the server fail. */
  poison: string | undefined
  revoked = false
  refuse: { status: number; code: string; retryAfter?: number } | undefined
  schedule: Record<string, unknown> = schedule(['Ada'])
  etag = '"1"'
  clockAhead = 0
  rosterVersion = '1'
  /** Whether the schedule says of which version it is, as servers of now do. */
  tellsVersion = true
  scheduleFails = false
  fenced = false
  beatFaults: ('cut before it arrives' | 'cut after commit' | 'none')[] = []
  /** Of each storage the fence that is expected of it, and pairs that were taken before. */
  readonly fences = new Map<string, { expected: string; taken: Set<string> }>()
  /** Places in the count, by storage, that came with marks that were named. */
  readonly received = new Map<string, Set<number>>()
  readonly alarms: string[] = []
  readonly records: { mark_id: string; lesson_id: string; timestamp: string; clock_offset_ms: number }[] = []
  posts = 0
  mostPostsAtOnce = 0

  /** Stands at `time` where a test winds it, else runs with this machine's. */
  private now(): number {
    return (this.time ?? Date.now()) + this.clockAhead
  }

  /** What the server makes of what a storage tells of itself. See [Note: Two copies of one storage]. */
  private hear({ store_id, made, unsent, fence, next_fence }: StoreState): void {
    const known = this.fences.get(store_id) ?? { expected: fence, taken: new Set() }
    const pair = `${fence} ${next_fence}`
    if (known.expected !== fence && !known.taken.has(pair)) this.alarms.push(`copied ${store_id}`)
    if (known.expected === fence) known.expected = next_fence
    this.fences.set(store_id, { ...known, taken: known.taken.add(pair) })
    if (made - unsent > (this.received.get(store_id)?.size ?? 0)) this.alarms.push(`missing ${store_id}`)
  }

  constructor(server: PartPage, public time?: number) {
    server.answer = async (request, body, response) => {
      const path = (request.url ?? '').split('?')[0] ?? ''
      this.asked.push(path)
      const say = (value: unknown, status = 200, headers: Record<string, string> = {}) =>
        void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
      const problem = (status: number, code: string, headers = {}) => say({ type: 'about:blank', title: code, status, code, detail: `the school says ${code}` }, status, headers)
      if (this.revoked) return problem(401, 'unauthorized')
      if (this.fenced && path !== '/api/v1/heartbeat') return problem(403, 'fenced')
      if (this.refuse) return problem(this.refuse.status, this.refuse.code, this.refuse.retryAfter === undefined ? {} : { 'retry-after': String(this.refuse.retryAfter) })
      const now = new Date(this.now()).toISOString()
      if (path === '/api/v1/heartbeat') {
        const beat = JSON.parse(body) as Record<string, unknown> & { store: StoreState }
        this.beats.push(beat)
        const fault = this.beatFaults.shift()
        if (fault === 'cut before it arrives') return void response.destroy()
        this.hear(beat.store)
        if (fault === 'cut after commit') return void response.destroy()
        if (this.fenced) return problem(403, 'fenced')
        return say({ now, app_version: 'two', roster_version: this.rosterVersion, motto: 'unknown to the app' })
      }
      if (path === '/api/v1/schedule') {
        if (this.scheduleFails) return void response.destroy()
        const headers = { etag: this.etag, ...(this.tellsVersion ? { 'roster-version': this.rosterVersion } : {}) }
        if (request.headers['if-none-match'] === this.etag) return void response.writeHead(304, headers).end()
        return say({ ...this.schedule, now, motto: 'unknown to the app' }, 200, headers)
      }
      if (path !== '/api/v1/attendance') return void response.writeHead(404).end()

      this.posts += 1
      this.mostPostsAtOnce = Math.max(this.mostPostsAtOnce, this.posts)
      response.once('close', () => (this.posts -= 1))
      const { records, store_id } = JSON.parse(body) as { store_id: string; records: { student_id: string; lesson_id: string; held_on: string; mark_id: string; doubt?: string; sequence: number; timestamp: string; clock_offset_ms: number }[] }
      if (records.some((record) => record.student_id === this.poison)) return problem(500, 'internal')
      const fault = this.faults.shift()
      const commit = () =>
        records.map((record, index) => {
          const key = `${record.held_on} ${record.lesson_id} ${record.student_id}`
          const outcome = this.marks.has(key) ? 'duplicate' : 'stored'
          if (outcome === 'stored') this.marks.set(key, record.mark_id)
          this.received.set(store_id, (this.received.get(store_id) ?? new Set()).add(record.sequence))
          this.records.push(record)
          if (record.doubt) this.doubts.set(record.mark_id, (this.doubts.get(record.mark_id) ?? new Set()).add(record.doubt))
          return { index, mark_id: record.mark_id, student_id: record.student_id, outcome }
        })
      const answer = (results: { index: number; mark_id: string; student_id: string; outcome: string }[]) => {
        for (const { index, mark_id, outcome } of results) {
          if (outcome === 'queued') continue
          this.named.add(mark_id)
          this.namedDoubts.add(`${mark_id} ${records[index]?.doubt ?? ''}`)
        }
        say({ stored: results.length, duplicate: 0, queued: 0, refused: 0, results })
      }
      if (fault === 'cut before it arrives') return void response.destroy()
      if (fault === 'cut after commit') return void (commit(), response.destroy())
      if (fault === 'portal page') return void response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Please sign in</h1>')
      if (fault === 'our 500') return problem(500, 'internal')
      if (fault === "proxy's 502") return void (commit(), response.writeHead(502).end('<h1>Bad gateway</h1>'))
      if (fault === 'busy') return problem(503, 'busy', { 'retry-after': '0' })
      if (fault === 'slow') await sleep(30)
      if (fault === 'queued') return answer(records.map(({ mark_id, student_id }, index) => ({ index, mark_id, student_id, outcome: 'queued' })))
      if (fault === 'half named') return answer(commit().filter(({ index }) => index % 2 === 0))
      if (fault === 'nothing named') return void (commit(), say({ stored: records.length, duplicate: 0, queued: 0, refused: 0, results: [] }))
      if (fault === 'ids mixed up') return void say({ results: records.map(({ student_id }, index) => ({ index, mark_id: '019ab000-0000-7000-8000-ffffffffffff', student_id, outcome: 'stored' })) })
      if (fault === 'not understood') return void (commit(), say({ results: records.map(({ mark_id }, index) => ({ index, mark_id, outcome: 'archived' })) }))
      answer(commit())
    }
  }
}

function schedule(names: string[], over: Record<string, unknown> = {}): Record<string, unknown> {
  const student_ids = names.map((_, at) => `S${at + 1}`)
  const lesson = (lesson_id: string, from: string, to: string) => ({
    lesson_id, held_on: '2026-11-23', course_id: 'CS101', course_code: 'CS101', course_name: 'Programming', room_id: 'LAB-301',
    starts_at: `2026-11-23T${from}:00Z`, ends_at: `2026-11-23T${to}:00Z`, student_ids,
  })
  const embedding = packEmbedding(Array.from({ length: 192 }, (_, at) => (at === 0 ? 1 : 0)))
  return {
    room: { room_id: 'LAB-301', name: 'Lab 301' },
    school: { name: 'School', time_zone: 'Europe/Stockholm' },
    settings: { recognition_threshold: 0.5, debounce_seconds: 30, frame_skip: 0, camera_fps: 15 },
    current_class: lesson('7', '07:55', '08:04'),
    students: names.map((first_name, at) => ({
      student_id: `S${at + 1}`, first_name, last_name: 'L.',
      templates: [{ template_id: '019ab000-0000-7000-8000-0000000000aa', model: 'mobilefacenet-192-r1', embedding }],
    })),
    ahead: { lessons: [lesson('8', '08:45', '09:30')], students: [] },
    ...over,
  }
}

// ---------- a kiosk in a page ----------

function mark(student: number, over: Partial<SavedMark> = {}): SavedMark {
  return {
    mark_id: `019ab000-0000-7000-8000-${String(student).padStart(12, '0')}`,
    student_id: `S${student}`, course_id: 'CS101', lesson_id: '7', held_on: '2026-11-23',
    timestamp: `2026-11-23T08:05:00.${String(student % 1000).padStart(3, '0')}Z`, confidence: 0.91,
    model: 'mobilefacenet-192-r1', state: 'unsent', last_seen: '2026-11-23T08:05:00.000Z', ...over,
  }
}
const marks = (count: number, from = 1) => Array.from({ length: count }, (_, at) => mark(from + at))

/** As fast as the machine: what happens is the same, only sooner. */
const HURRIED: Partial<Pace> = { pushAfterMs: 5, spreadMs: 5, onlineSpreadMs: 5, firstRetryMs: 1, longestRetryMs: 10, revokedRetryMs: 20, batch: 4 }

/** Nothing by itself but the first beat, pull and push. */
const SLEEPY: Partial<Pace> = { pushAfterMs: 3_600_000, pullEveryMs: 3_600_000, beatEveryMs: 3_600_000, spreadMs: 0, onlineSpreadMs: 0, longestHoldMs: 3_600_000 }

/** Seconds by which a test winds the clock. */
const STEP_S = 10

let names = 0
const freshName = () => `sync-${(names += 1)}`

/** However slow the machine: a promise kept late is kept. */
const eventually = <T>(look: () => T | Promise<T>) => expect.poll(look, { timeout: 30_000, interval: 20 })

async function openPage(server: PartPage, context = chromium): Promise<Page> {
  const page = await context.newPage()
  await page.goto(server.origin)
  await page.waitForFunction(() => 'kiosk' in window)
  return page
}

/** @param o.wrongBy ms that this device's own clock is ahead. @param o.name of a storage that is there already. @param o.wait false: does not wait for the first beat, pull and push. */
async function startKiosk(page: Page, o: { pace?: Partial<Pace>; saved?: NewMark[]; random?: number; wrongBy?: number; name?: string; wait?: boolean } = {}): Promise<void> {
  await page.evaluate(async ({ name, pace, saved, random, wrongBy, wait }) => {
    const { kiosk } = window
    const { told } = kiosk
    const pairing = { deviceId: 'pi-lab301', roomId: 'LAB-301', key: 'k' }
    kiosk.wrongBy = wrongBy
    kiosk.store = await kiosk.openStore({ name })
    await kiosk.store.savePairing(pairing)
    for (const one of saved) await kiosk.store.saveMark(one)
    kiosk.clock = kiosk.createSchoolClock({
      wall: () => Date.now() + kiosk.wrongBy, monotonic: () => performance.now(), savedOffsetMs: await kiosk.store.savedClockOffset(), life: crypto.randomUUID(),
    })
    kiosk.sync = kiosk.startSync({
      clock: kiosk.clock,
      store: kiosk.store, pairing, appVersion: 'one', status: () => ({ camera: 'live' }),
      onRoster: (roster) => void told.rosters.push(roster), onContact: (contact) => void told.contacts.push(contact),
      onRevoked: () => (told.revoked += 1), onOutOfDate: (problem) => void told.problems.push(problem), onMarksSettled: () => (told.settled += 1),
      onMarksRedated: () => (told.redated += 1), onFenced: (problem) => void told.fenced.push(problem), onBehind: (behind) => void told.behind.push(behind),
      pace: { ...kiosk.PACE, ...pace }, ...(random === undefined ? {} : { random: () => random }),
    })
    if (!wait) return
    // What is asked for stands behind the first beat, pull and push: they are through.
    await kiosk.sync.pushNow()
    await kiosk.sync.pullNow()
  }, { name: o.name ?? freshName(), pace: o.pace ?? {}, saved: o.saved ?? [], random: o.random, wrongBy: o.wrongBy ?? 0, wait: o.wait ?? true })
}

async function addMarks(page: Page, added: NewMark[]): Promise<void> {
  await page.evaluate(async (all) => {
    for (const one of all) if (await window.kiosk.store.saveMark(one)) window.kiosk.sync.markAdded()
  }, added)
}

const counts = (page: Page) => page.evaluate(() => window.kiosk.store.countMarks())
const told = (page: Page) => page.evaluate(() => window.kiosk.told)
const pullNow = (page: Page) => page.evaluate(() => window.kiosk.sync.pullNow())
const pushNow = (page: Page) => page.evaluate(() => window.kiosk.sync.pushNow())
const rosterNow = (page: Page) => page.evaluate(() => window.kiosk.store.savedRoster(Date.now()))

async function openSchool(): Promise<{ school: School; page: Page; server: PartPage }> {
  const server = await serve()
  const school = new School(server)
  return { school, server, page: await openPage(server) }
}

/** The kiosk's clock stands at Monday morning, and the school's with it. */
async function openClockedSchool(): Promise<{ school: School; page: Page; server: PartPage }> {
  const server = await serve()
  const school = new School(server, MONDAY)
  const context = await launchChromium()
  clocked.push(context)
  await context.clock.install({ time: MONDAY - 3_600_000 })
  const page = await openPage(server, context)
  await page.clock.pauseAt(MONDAY)
  return { school, server, page }
}

describe('marks', () => {
  test('whatever fails on the way, every mark is stored once, and the kiosk lets go of none that the server did not name', async () => {
    const { school, page } = await openSchool()
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...FAULTS), { maxLength: 12 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 9 }), async (faults, before, during) => {
        school.marks.clear()
        school.named.clear()
        school.faults = [...faults]
        await startKiosk(page, { pace: HURRIED, saved: marks(before) })
        await addMarks(page, marks(during, before + 1))
        for (;;) {
          const saved = await page.evaluate(() => window.kiosk.store.marksOfLesson('2026-11-23', '7'))
          for (const one of saved) if (one.state !== 'unsent') expect(school.named, `${one.student_id} is ${one.state}`).toContain(one.mark_id)
          if (saved.every((one) => one.state === 'stored')) break
          await sleep(5)
        }
        expect([...school.marks.values()].sort()).toEqual(marks(before + during).map((one) => one.mark_id).sort())
        await page.evaluate(() => (window.kiosk.sync.stop(), window.kiosk.store.close()))
      }),
      { numRuns: 30 },
    )
  })

  test('whenever a mark is doubted, before, during or after its first way, and whatever fails, the doubt reaches the school', async () => {
    const { school, page } = await openSchool()
    const doubting = fc.record({ student: fc.integer({ min: 1, max: 6 }), after: fc.integer({ min: 0, max: 40 }), doubt: fc.constantFrom('no_life_seen' as const, 'looks_like_a_picture' as const) })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...FAULTS), { maxLength: 8 }), fc.array(doubting, { minLength: 1, maxLength: 6 }), async (faults, doubts) => {
        for (const kept of [school.marks, school.named, school.doubts, school.namedDoubts]) kept.clear()
        // Slow answers leave time for a doubt while a mark is under way.
        school.faults = ['slow', ...faults, 'slow']
        await startKiosk(page, { pace: HURRIED, saved: marks(3) })
        const kept = await page.evaluate(async ({ added, todo }) => {
          const { store, sync } = window.kiosk
          for (const one of added) if (await store.saveMark(one)) sync.markAdded()
          const saved = await Promise.all(todo.map(async ({ student, after, doubt }) => {
            await new Promise((resolve) => setTimeout(resolve, after))
            const fresh = await store.saveDoubt({ held_on: '2026-11-23', lesson_id: '7', student_id: `S${student}` }, doubt)
            if (fresh) sync.markAdded()
            return fresh
          }))
          return saved.filter(Boolean).length
        }, { added: marks(3, 4), todo: doubts })
        expect(kept).toBeGreaterThan(0)
        for (;;) {
          const saved = await page.evaluate(() => window.kiosk.store.marksOfLesson('2026-11-23', '7'))
          for (const one of saved) if (one.state !== 'unsent') expect(school.namedDoubts, `${one.student_id} is ${one.state}`).toContain(`${one.mark_id} ${one.doubt ?? ''}`)
          if (saved.every((one) => one.state === 'stored')) {
            for (const one of saved) if (one.doubt) expect(school.doubts.get(one.mark_id), one.student_id).toContain(one.doubt)
            expect(saved.filter((one) => one.doubt).map((one) => one.student_id)).toEqual([...new Set(doubts.map(({ student }) => `S${student}`))].sort())
            break
          }
          await sleep(5)
        }
        expect(school.marks.size).toBe(6)
        await page.evaluate(() => (window.kiosk.sync.stop(), window.kiosk.store.close()))
      }),
      { numRuns: 25 },
    )
  })

  test('the tenth unsent mark is pushed at once with the nine before it, which waited', async () => {
    const { school, page } = await openSchool()
    await startKiosk(page, { pace: SLEEPY })
    await addMarks(page, marks(9))
    await pullNow(page)
    expect(school.marks.size).toBe(0)
    await addMarks(page, marks(1, 10))
    await eventually(() => school.marks.size).toBe(10)
    await eventually(() => counts(page)).toEqual({ unsent: 0, refused: 0 })
  })

  test('a mark alone is pushed a minute after it was made', async () => {
    const { school, page } = await openClockedSchool()
    await startKiosk(page, { random: 0 })
    await addMarks(page, marks(1))
    await page.clock.runFor(59_000)
    await pullNow(page)
    expect(school.marks.size).toBe(0)
    await page.clock.runFor(1_500)
    await eventually(() => school.marks.size).toBe(1)
  })

  test('marks made before a restart are pushed at the start', async () => {
    const { school, page } = await openSchool()
    await startKiosk(page, { pace: SLEEPY, saved: marks(250) })
    await eventually(() => counts(page)).toEqual({ unsent: 0, refused: 0 })
    expect(school.marks.size).toBe(250)
    expect(school.asked.filter((path) => path === '/api/v1/attendance')).toHaveLength(3)
  })

  test("the browser's `online` pushes what waited", async () => {
    const { school, page } = await openSchool()
    await startKiosk(page, { pace: SLEEPY })
    await addMarks(page, marks(3))
    await page.evaluate(() => window.dispatchEvent(new Event('online')))
    await eventually(() => school.marks.size).toBe(3)
  })

  test('never are two pushes under way', async () => {
    const { school, page } = await openSchool()
    school.faults = Array.from({ length: 12 }, () => 'slow')
    await startKiosk(page, { pace: HURRIED, saved: marks(30) })
    await page.evaluate(() => Promise.all([1, 2, 3, 4].map(() => window.kiosk.sync.pushNow())))
    await eventually(() => counts(page)).toEqual({ unsent: 0, refused: 0 })
    expect(school.mostPostsAtOnce).toBe(1)
  })

  test('a mark that the server fails on does not hold up the others, and is not let go', async () => {
    const { school, page } = await openSchool()
    school.poison = 'S5'
    await startKiosk(page, { pace: { ...HURRIED, batch: 100 }, saved: marks(20) })
    await eventually(() => counts(page)).toEqual({ unsent: 1, refused: 0 })
    expect(await page.evaluate(() => window.kiosk.store.unsentMarks(9).then((all) => all.map((one) => one.student_id)))).toEqual(['S5'])
    school.poison = undefined
    await eventually(() => counts(page)).toEqual({ unsent: 0, refused: 0 })
    expect(school.marks.size).toBe(20)
  })

  test('a server that asks for a pause gets it, whoever is in a hurry', async () => {
    const { school, page } = await openClockedSchool()
    await startKiosk(page, { random: 0 })
    school.refuse = { status: 503, code: 'busy', retryAfter: 30 }
    await addMarks(page, marks(10))
    await pushNow(page)
    school.refuse = undefined
    const before = school.asked.filter((path) => path === '/api/v1/attendance').length
    expect(before).toBeGreaterThan(0)
    await page.clock.runFor(25_000)
    await pushNow(page)
    await page.evaluate(() => window.dispatchEvent(new Event('online')))
    await page.clock.runFor(1_000)
    await pullNow(page)
    expect(school.asked.filter((path) => path === '/api/v1/attendance')).toHaveLength(before)
    await page.clock.runFor(6_000)
    await eventually(() => school.marks.size).toBe(10)
  })
})

describe('marks that wait at the server to be recorded', () => {
  test('are sent again soon, and a whole backlog is handed over without waiting for them', async () => {
    const { school, page } = await openSchool()
    const posts = () => school.asked.filter((path) => path === '/api/v1/attendance').length
    school.faults = Array.from({ length: 8 }, () => 'queued')
    await startKiosk(page, { pace: { ...SLEEPY, batch: 4, queuedRetryMs: 3_600_000, longestRetryMs: 3_600_000 }, saved: marks(30) })
    expect(posts()).toBe(16)
    expect(school.marks.size, 'asked for by pushNow, all are sent again').toBe(30)
    expect(await counts(page)).toEqual({ unsent: 0, refused: 0 })
    // By itself.
    school.faults = ['queued', 'queued', 'queued']
    await startKiosk(page, { pace: { ...SLEEPY, batch: 100, queuedRetryMs: 20 }, saved: marks(10, 31), wait: false })
    await eventually(() => counts(page)).toEqual({ unsent: 0, refused: 0 })
    expect(school.marks.size).toBe(40)
    expect(posts()).toBe(20)
  })

  test('do not hold up the tenth new one', async () => {
    const { school, page } = await openSchool()
    await startKiosk(page, { pace: { ...SLEEPY, queuedRetryMs: 3_600_000, longestRetryMs: 3_600_000 } })
    school.faults = ['queued']
    await addMarks(page, marks(10))
    await eventually(() => school.faults.length).toBe(0)
    expect(school.marks.size).toBe(0)
    await addMarks(page, marks(10, 11))
    await eventually(() => school.marks.size).toBe(20)
  })
})

describe('what a storage tells of itself', () => {
  const QUICK: Partial<Pace> = { ...HURRIED, beatEveryMs: 3, fenceEveryMs: 12, queuedRetryMs: 5 }
  const stop = (page: Page) => page.evaluate(() => (window.kiosk.sync.stop(), window.kiosk.store.close()))

  test('whatever is lost, repeated or late on the way, and however often the kiosk starts anew, nothing that is well looks like a loss or a copy', async () => {
    const { school, page } = await openSchool()
    const step = fc.record({ add: fc.integer({ min: 0, max: 6 }), faults: fc.array(fc.constantFrom(...FAULTS), { maxLength: 4 }), beats: fc.array(fc.constantFrom('cut before it arrives' as const, 'cut after commit' as const, 'none' as const), { maxLength: 6 }), restart: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), async (steps) => {
        school.marks.clear()
        school.named.clear()
        const name = freshName()
        let made = 0
        await startKiosk(page, { pace: QUICK, name, wait: false })
        for (const { add, faults, beats, restart } of steps) {
          school.faults.push(...faults)
          school.beatFaults.push(...beats)
          await addMarks(page, marks(add, made + 1))
          made += add
          if (!restart) continue
          await stop(page)
          await startKiosk(page, { pace: QUICK, name, wait: false })
        }
        for (;;) {
          const state = await page.evaluate(() => window.kiosk.store.storeState())
          expect(state.made).toBe(made)
          if (state.unsent === 0 && school.beatFaults.length === 0) break
          await sleep(5)
        }
        const beaten = school.beats.length
        await eventually(() => school.beats.length).toBeGreaterThan(beaten + 2)
        const { store_id } = await page.evaluate(() => window.kiosk.store.storeState())
        expect(school.alarms.filter((alarm) => alarm.endsWith(store_id))).toEqual([])
        expect(school.fences.get(store_id)?.taken.size).toBeGreaterThan(1)
        expect([...(school.received.get(store_id) ?? [])].sort((a, b) => a - b)).toEqual(Array.from({ length: made }, (_, at) => at + 1))
        await stop(page)
      }),
      { numRuns: 20 },
    )
  })

  test('of two copies of one storage the second is told apart at its first beat', async () => {
    const { school, page } = await openSchool()
    const [name, copy] = [freshName(), freshName()]
    await startKiosk(page, { pace: SLEEPY, name, saved: marks(3) })
    await stop(page)
    await page.evaluate(async ([from, to]) => {
      const opened = (request: IDBOpenDBRequest) => new Promise<IDBDatabase>((resolve, reject) => ((request.onsuccess = () => resolve(request.result)), (request.onerror = () => reject(request.error))))
      await window.kiosk.openStore({ name: to }).then((store) => store.close())
      const [source, target] = [await opened(indexedDB.open(from)), await opened(indexedDB.open(to))]
      for (const each of source.objectStoreNames) {
        const store = source.transaction(each).objectStore(each)
        const [keys, values] = await Promise.all([store.getAllKeys(), store.getAll()].map((request) => new Promise<unknown[]>((resolve) => (request.onsuccess = () => resolve(request.result as unknown[])))))
        const into = target.transaction(each, 'readwrite').objectStore(each)
        for (const [at, value] of (values ?? []).entries()) into.put(value, into.keyPath === null ? (keys?.[at] as string) : undefined)
        await new Promise((resolve) => (into.transaction.oncomplete = resolve))
      }
      source.close()
      target.close()
    }, [name, copy] as const)
    await startKiosk(page, { pace: SLEEPY, name })
    expect(school.alarms).toEqual([])
    const beaten = school.beats.length
    await startKiosk(page, { pace: SLEEPY, name: copy })
    expect(school.beats.length).toBe(beaten + 1)
    expect(school.alarms).toEqual([`copied ${await page.evaluate(() => window.kiosk.store.storeState().then(({ store_id }) => store_id))}`])
  })

  test('a fence that an earlier life drew and never presented is presented first, and at the next beat one of this life is drawn', async () => {
    const { school, page } = await openSchool()
    const name = freshName()
    const drawn = await page.evaluate(async (of) => {
      const store = await window.kiosk.openStore({ name: of })
      const fresh = crypto.randomUUID()
      await store.drawFence(fresh)
      store.close()
      return fresh
    }, name)
    await startKiosk(page, { pace: { ...SLEEPY, beatEveryMs: 20 }, name })
    const pairs = () => [...school.fences.values()].flatMap(({ taken }) => [...taken]).map((pair) => pair.split(' '))
    await eventually(() => pairs().length).toBeGreaterThan(1)
    expect(pairs()[0]?.[1]).toBe(drawn)
    expect(pairs()[1]?.[0]).toBe(drawn)
    expect(pairs()[1]?.[1]).not.toBe(drawn)
  })

  test('a kiosk that is fenced says so, keeps its roster and its marks, asks for nothing else, and goes on when the office has said that it is the right one', async () => {
    const { school, page } = await openSchool()
    const name = freshName()
    await startKiosk(page, { pace: { ...SLEEPY, fencedRetryMs: 50 }, name })
    school.fenced = true
    await addMarks(page, marks(10))
    await eventually(async () => (await told(page)).fenced).toEqual(['the school says fenced'])
    const asked = school.asked.length
    await eventually(() => school.asked.length).toBeGreaterThan(asked + 3)
    expect(new Set(school.asked.slice(asked))).toEqual(new Set(['/api/v1/heartbeat']))
    expect((await told(page)).fenced).toHaveLength(1)
    expect(await counts(page)).toEqual({ unsent: 10, refused: 0 })
    expect((await rosterNow(page))?.schedule.students).toHaveLength(1)
    // A start changes nothing of that.
    await stop(page)
    await startKiosk(page, { pace: { ...SLEEPY, fencedRetryMs: 50 }, name, wait: false })
    await eventually(async () => (await told(page)).fenced).toHaveLength(2)
    const rosters = (await told(page)).rosters.length
    school.fenced = false
    await eventually(() => school.marks.size).toBe(10)
    await eventually(async () => (await told(page)).rosters.length).toBe(rosters + 1)
  })
})

describe('the time', () => {
  const HOUR = 3_600_000
  const around = (from: number, to: number): { starts_at: string; ends_at: string } => ({ starts_at: new Date(Date.now() + from).toISOString(), ends_at: new Date(Date.now() + to).toISOString() })
  /** Lesson 7 is on now, 8 comes in two hours; both take S1 to S3. */
  const today = () => {
    const base = schedule(['Ada', 'Grace', 'Edith']) as { current_class: object; ahead: { lessons: object[] } }
    return { ...base, current_class: { ...base.current_class, ...around(-HOUR / 2, HOUR / 2) }, ahead: { lessons: base.ahead.lessons.map((lesson) => ({ ...lesson, course_id: 'CS102', ...around(2 * HOUR, 3 * HOUR) })), students: [] } }
  }
  /** Marks as the kiosk makes them now, in the lesson that its clock says is on. */
  const attend = (page: Page, students: number[], lesson_id: string) => page.evaluate(async ({ made, lesson }) => {
    for (const one of made) {
      const { at, clockOffsetMs, unsure } = window.kiosk.clock.moment()
      const timestamp = new Date(at).toISOString()
      await window.kiosk.store.saveMark({ ...one, lesson_id: lesson, timestamp, last_seen: timestamp, ...(clockOffsetMs === undefined ? {} : { clock_offset_ms: clockOffsetMs }), ...(unsure ? { unsure } : {}) })
      window.kiosk.sync.markAdded()
    }
  }, { made: students.map((student) => mark(student)), lesson: lesson_id })

  test('marks made offline by a clock that is two and a half hours ahead reach the school in the lesson that was on, with the true time and the raw one', async () => {
    const { school, page } = await openSchool()
    school.schedule = today()
    const name = freshName()
    await startKiosk(page, { pace: SLEEPY, name })
    await page.evaluate(() => (window.kiosk.sync.stop(), window.kiosk.store.close()))
    // The power is cut, the clock comes up wrong, and the network is not there.
    school.refuse = { status: 503, code: 'busy' }
    await startKiosk(page, { pace: { ...SLEEPY, firstRetryMs: 5, longestRetryMs: 20 }, name, wrongBy: 2.5 * HOUR, wait: false })
    await attend(page, [1, 2, 3], '8')
    // The clock jumps once more, before anything was heard: to 1970.
    await page.evaluate((now) => void (window.kiosk.wrongBy = -now), Date.now())
    await attend(page, [1], '7')
    const before = Date.now()
    await sleep(200)
    school.refuse = undefined
    // Three are too few to be sent before their minute is over.
    await pushNow(page)
    await eventually(() => counts(page)).toEqual({ unsent: 0, refused: 0 })
    expect([...school.marks.keys()].sort()).toEqual(['2026-11-23 7 S1', '2026-11-23 7 S2', '2026-11-23 7 S3'])
    expect(school.records).toHaveLength(3)
    for (const { timestamp, clock_offset_ms, mark_id } of school.records) {
      expect(Math.abs(Date.parse(timestamp) - before)).toBeLessThan(10_000)
      expect(Math.abs(Date.parse(timestamp) - clock_offset_ms - before - 2.5 * HOUR)).toBeLessThan(10_000)
      expect(marks(3).map((one) => one.mark_id)).toContain(mark_id)
    }
    expect((await told(page)).redated).toBe(1)
    expect(school.alarms).toEqual([])
    expect(await page.evaluate(() => window.kiosk.store.storeState())).toMatchObject({ made: 4, unsent: 1 })
  })

  test('a clock that is set in mid-lesson, to 1970 or to tomorrow, changes neither the time nor the lesson of a mark', async () => {
    const { school, page } = await openSchool()
    school.schedule = today()
    await startKiosk(page, { pace: SLEEPY, wrongBy: -9_000_000 })
    for (const [at, wrongBy] of [-Date.now(), 24 * HOUR].entries()) {
      const jumped = await page.evaluate((by) => {
        const before = window.kiosk.clock.now()
        window.kiosk.wrongBy = by
        return window.kiosk.clock.now() - before
      }, wrongBy)
      expect(Math.abs(jumped)).toBeLessThan(1_000)
      await attend(page, [at + 1], '7')
      await pushNow(page)
    }
    expect(school.records.map(({ lesson_id }) => lesson_id)).toEqual(['7', '7'])
    for (const [at, { timestamp, clock_offset_ms }] of school.records.entries()) {
      expect(Math.abs(Date.parse(timestamp) - Date.now())).toBeLessThan(20_000)
      expect(Math.abs(clock_offset_ms + [-Date.now(), 24 * HOUR][at]!)).toBeLessThan(20_000)
    }
  })

  test('where the school takes marks but does not tell the time, marks of a sure time are sent, and the others wait for it or for the next start', async () => {
    const { school, page, server } = await openSchool()
    school.schedule = today()
    const ours = server.answer
    const broken = (): void => {
      server.answer = (request, body, response) => (request.url === '/api/v1/heartbeat' || request.url?.startsWith('/api/v1/schedule')
        ? void response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify({ type: 'about:blank', title: 'Internal', status: 500, code: 'internal', detail: 'broken' }))
        : ours(request, body, response))
    }
    broken()
    const pace = { ...SLEEPY, batch: 2, firstRetryMs: 1, longestRetryMs: 5 }
    const name = freshName()
    await startKiosk(page, { pace, name, saved: [mark(21), mark(22), mark(23)], wait: false, wrongBy: 2.5 * HOUR })
    await attend(page, [1, 2, 3, 4, 5], '8')
    await eventually(() => school.marks.size).toBe(3)
    for (let round = 0; round < 5; round++) await pushNow(page)
    expect(await counts(page)).toEqual({ unsent: 5, refused: 0 })
    server.answer = ours
    await eventually(() => counts(page)).toEqual({ unsent: 0, refused: 0 })
    expect(school.records.slice(3).map(({ lesson_id }) => lesson_id).sort()).toEqual(['7', '7', '7', '8', '8'])
    // Nothing tells how long ago an earlier life of the page was.
    broken()
    await page.evaluate(() => (window.kiosk.sync.stop(), window.kiosk.store.close()))
    await startKiosk(page, { pace, name, wait: false, wrongBy: -2.5 * HOUR })
    await attend(page, [6], '9')
    await page.evaluate(() => (window.kiosk.sync.stop(), window.kiosk.store.close()))
    await startKiosk(page, { pace, name, wait: false })
    await eventually(() => counts(page)).toEqual({ unsent: 0, refused: 0 })
    expect(school.records.at(-1)?.lesson_id).toBe('9')
  })
})

describe('the roster', () => {
  test('a start asks for it once, after the beat that tells its version, and again only when the version has moved', async () => {
    const { school, page } = await openSchool()
    const look = async () => {
      const beaten = school.beats.length
      await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
      await eventually(() => school.beats.length).toBe(beaten + 1)
      await pushNow(page)
      return school.asked.filter((path) => path === '/api/v1/schedule').length
    }
    await startKiosk(page, { pace: SLEEPY, wait: false })
    await eventually(() => school.asked.filter((path) => path.startsWith('/api'))).toEqual(['/api/v1/heartbeat', '/api/v1/schedule'])
    expect(await look()).toBe(1)
    school.rosterVersion = '2'
    await look()
    await eventually(() => school.asked.filter((path) => path === '/api/v1/schedule').length).toBe(2)
    expect(await look()).toBe(2)
  })

  test('after a beat that tells another version nobody is to be recognised until a pull has succeeded, and every beat tells what is held', async () => {
    for (const tellsVersion of [true, false]) {
      const { school, page } = await openSchool()
      school.tellsVersion = tellsVersion
      await startKiosk(page, { pace: SLEEPY })
      expect((await told(page)).behind).toEqual([true, false])
      expect(school.beats[0]).toMatchObject({ roster_version: null })
      school.rosterVersion = '2'
      school.scheduleFails = true
      await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
      await eventually(async () => (await told(page)).behind).toEqual([true, false, true])
      await pullNow(page)
      expect((await told(page)).behind).toEqual([true, false, true])
      school.scheduleFails = false
      await pullNow(page)
      // The answer was "not modified": what is held is right, and is of the newer version from now on.
      expect((await told(page)).behind).toEqual([true, false, true, false])
      await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
      await eventually(() => school.beats.at(-1)).toMatchObject({ roster_version: '2' })
    }
  })

  test('who is behind is so after a restart without the network, and who is not knows everybody at once', async () => {
    const { school, page } = await openSchool()
    const name = freshName()
    const restart = async () => {
      await page.evaluate(() => {
        window.kiosk.sync.stop()
        window.kiosk.store.close()
        window.kiosk.told.behind = []
      })
      await startKiosk(page, { pace: SLEEPY, name })
    }
    await startKiosk(page, { pace: SLEEPY, name })
    await page.context().setOffline(true)
    await restart()
    // In doubt until the first beat has found no network.
    expect((await told(page)).behind).toEqual([true, false])
    await page.context().setOffline(false)
    school.rosterVersion = '2'
    school.scheduleFails = true
    await restart()
    expect((await told(page)).behind.at(-1)).toBe(true)
    await page.context().setOffline(true)
    await restart()
    expect((await told(page)).behind).toEqual([true])
    await page.context().setOffline(false)
    school.scheduleFails = false
    await pullNow(page)
    expect((await told(page)).behind).toEqual([true, false])
  })

  test('out of touch until now, the version is asked for before anybody is recognised, whatever was answered first', async () => {
    const { school, page } = await openSchool()
    await startKiosk(page, { pace: SLEEPY })
    // Cut behind the browser's back: it says nothing, and nothing is owed when the cut ends.
    await page.route('**/api/v1/**', (route) => route.abort())
    await pushNow(page)
    await pullNow(page)
    const beaten = school.beats.length
    await page.evaluate(() => (window.kiosk.told.behind = []))
    await page.unroute('**/api/v1/**')
    await addMarks(page, [mark(1)])
    await pushNow(page)
    await eventually(() => school.beats.length).toBeGreaterThan(beaten)
    await eventually(async () => (await told(page)).behind).toEqual([true, false])
  })

  test('a student who is gone from the answer is gone from the disk, and an unchanged roster is told once', async () => {
    const { school, page } = await openSchool()
    school.schedule = schedule(['Ada', 'Grace'])
    await startKiosk(page, { pace: SLEEPY })
    await pullNow(page)
    expect((await told(page)).rosters).toHaveLength(1)
    const before = await rosterNow(page)
    expect(before?.schedule.students.map((student) => student.first_name)).toEqual(['Ada', 'Grace'])
    school.schedule = schedule(['Ada'])
    school.etag = '"2"'
    await pullNow(page)
    const after = await rosterNow(page)
    expect(after?.schedule.students.map((student) => student.first_name)).toEqual(['Ada'])
    // What is told stays in memory: who comes when, and nothing of their faces.
    const bare = (students: SavedRoster['schedule']['students'] = []) => students.map((student) => ({ ...student, templates: [], pin: null, card: null }))
    expect((await told(page)).rosters).toEqual([before, after].map((roster) => ({ ...roster, schedule: { ...roster?.schedule, students: bare(roster?.schedule.students) }, pulledAt: expect.any(Number) as number })))
    expect(after?.schedule.students.map((student) => student.templates.length)).toEqual([1])
  })

  test('it is pulled every ten minutes and when the bell rings, and the kiosk beats every minute', async () => {
    const { school, page } = await openClockedSchool()
    await startKiosk(page, { random: 0 })
    const pulls = () => school.asked.filter((path) => path === '/api/v1/schedule').length
    // The clock runs faster than the school answers, and a request that takes 15 s of it is given up: so in
    // steps below that, and each time until the line is empty.
    const pass = async (seconds: number) => {
      for (let passed = 0; passed < seconds; passed += STEP_S) {
        await page.clock.runFor(STEP_S * 1000)
        school.time = (school.time ?? 0) + STEP_S * 1000
        await pushNow(page)
      }
    }
    const [pulled, beaten] = [pulls(), school.beats.length]
    await pass(3 * 60)
    expect(pulls()).toBe(pulled)
    expect(school.beats.length - beaten).toBe(3)
    // The lesson ends at 08:04.
    await pass(80)
    expect(pulls()).toBe(pulled + 1)
    await pass(9 * 60 + 20)
    expect(pulls()).toBe(pulled + 1)
    await pass(60)
    expect(pulls()).toBe(pulled + 2)
  })

  test("another model's templates are left out and counted, and the lesson goes on without them", async () => {
    const { school, page } = await openSchool()
    const [ada] = schedule(['Ada'])['students'] as { templates: Record<string, unknown>[] }[]
    school.schedule = schedule(['Ada'], { students: [{ ...ada, templates: [...(ada?.templates ?? []), { ...ada?.templates[0], model: 'faceres-1024-r1' }] }] })
    await startKiosk(page, { pace: SLEEPY })
    const roster = await rosterNow(page)
    expect(roster?.schedule.students.map((student) => student.templates.map((template) => template.model))).toEqual([['mobilefacenet-192-r1']])
    expect(roster?.refusedTemplates).toBe(1)
  })

  test('a schedule that the app does not understand is said, and the saved roster stays', async () => {
    const { school, page } = await openSchool()
    await startKiosk(page, { pace: { ...SLEEPY, firstRetryMs: 1, longestRetryMs: 5 } })
    school.schedule = { ...schedule(['Grace']), settings: { threshold: 1 } }
    school.etag = '"2"'
    await pullNow(page)
    expect((await told(page)).problems[0]).toMatch(/does not fit the contract: settings/)
    expect((await rosterNow(page))?.schedule.students.map((student) => student.first_name)).toEqual(['Ada'])
    // The server is put back as it was: nothing is new, and the screen is told all the same.
    school.etag = '"1"'
    await eventually(async () => (await told(page)).rosters.length).toBe(2)
  })

  test('a kiosk whose key is withdrawn forgets its students and keeps its marks; known again, it delivers them', async () => {
    const { school, page } = await openSchool()
    await startKiosk(page, { pace: { ...SLEEPY, revokedRetryMs: 20 } })
    await addMarks(page, marks(3))
    school.revoked = true
    await pullNow(page)
    await eventually(async () => (await told(page)).revoked).toBe(1)
    expect(await rosterNow(page)).toBeUndefined()
    expect(await counts(page)).toEqual({ unsent: 3, refused: 0 })
    school.revoked = false
    await eventually(() => school.marks.size).toBe(3)
    expect((await rosterNow(page))?.schedule.students).toHaveLength(1)
    expect(await told(page)).toMatchObject({ revoked: 1, rosters: [{}, {}] })
  })

  test('templates lapse under a running kiosk that no longer reaches its server', async () => {
    const { server, page } = await openClockedSchool()
    await startKiosk(page, { random: 1 })
    await server.goAway()
    await page.clock.fastForward(169 * 3_600_000)
    await eventually(async () => (await told(page)).rosters.at(-1)?.lapsed).toBe(true)
    expect((await told(page)).rosters.at(-1)?.schedule.students.map((student) => student.templates)).toEqual([[]])
  })
})

describe('contact', () => {
  test('the heartbeat says how the kiosk is, and its answer which app the school serves and what time it is', async () => {
    const { school, page } = await openSchool()
    school.clockAhead = 3_600_000
    school.refuse = { status: 503, code: 'busy', retryAfter: 0 }
    await startKiosk(page, { pace: { ...SLEEPY, firstRetryMs: 1, longestRetryMs: 5 }, saved: marks(2) })
    school.refuse = undefined
    await eventually(() => school.beats.length).toBe(1)
    expect(school.beats[0]).toMatchObject({ device_id: 'pi-lab301', app_version: 'one', camera: 'live', unsent_marks: expect.any(Number) as number, refused_marks: 0, storage_persisted: expect.any(Boolean) as boolean })
    await eventually(async () => (await told(page)).contacts.at(-1)?.serverAppVersion).toBe('two')
    const contact = (await told(page)).contacts.at(-1) as Contact
    expect(contact.online).toBe(true)
    expect(Math.abs(contact.clockOffsetMs - 3_600_000)).toBeLessThan(60_000)
    expect(Math.abs((await page.evaluate(() => window.kiosk.store.savedClockOffset())) - contact.clockOffsetMs)).toBeLessThan(1_000)
  })

  test('a portal that answers for the school is not the school, and the school is greeted when it is back', async () => {
    const { server, school, page } = await openSchool()
    await startKiosk(page, { pace: { ...SLEEPY, firstRetryMs: 1, longestRetryMs: 5 } })
    const ours = server.answer
    server.answer = (_request, _body, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Please sign in</h1>')
    await addMarks(page, marks(1))
    await pushNow(page)
    expect((await told(page)).contacts.at(-1)?.online).toBe(false)
    expect(await counts(page)).toEqual({ unsent: 1, refused: 0 })
    server.answer = ours
    await eventually(async () => (await told(page)).contacts.at(-1)?.online).toBe(true)
    await eventually(() => school.marks.size).toBe(1)
  })
})

describe('the app itself', () => {
  /** A build of the app: one page that says its version, and the service worker that keeps it. */
  async function release(server: PartPage, version: string, vision: string[] = []): Promise<void> {
    const index = (parts.get('/') ?? '').replace('<title>part', `<title>${version}`)
    const list = [...parts.keys()].filter((path) => path.endsWith('.js')).map((path) => ({ url: path, revision: '1' }))
    const [worker] = await buildParts({ 'service-worker': 'kiosk/service-worker.ts' }, { 'self.__WB_MANIFEST': JSON.stringify([{ url: '/index.html', revision: version }, ...list, ...vision.map((url) => ({ url, revision: null }))]) })
    server.files.set('/service-worker.js', worker?.[1] ?? '')
    for (const path of ['/', '/index.html', '/kiosk']) server.files.set(path, index)
  }

  async function openApp(server: PartPage, path: string): Promise<Page> {
    const page = await chromium.newPage()
    await page.goto(server.origin + path)
    await page.waitForFunction(() => 'kiosk' in window)
    await page.evaluate(() => {
      window.kiosk.update = window.kiosk.watchAppUpdate({ onReady: () => (window.kiosk.told.settled += 1), checkAtMostEveryMs: 0 })
    })
    return page
  }

  test('after one visit the app opens with the server gone, isolated as before, and no answer of the API is kept', async () => {
    const server = await serve()
    const school = new School(server)
    await release(server, 'first')
    const page = await openApp(server, '/kiosk')
    await page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated')
    expect(await page.evaluate(() => window.kiosk.told.settled), 'the first install is no update').toBe(0)
    // eslint-disable-next-line no-restricted-globals -- asks as the page would
    const ask = () => page.evaluate(() => fetch('/api/v1/schedule?room_id=LAB-301').then((answer) => answer.status, () => 'no answer'))
    expect(await ask()).toBe(200)
    await server.goAway()
    await page.goto(`${server.origin}/kiosk`)
    await page.waitForFunction(() => 'kiosk' in window)
    expect(await page.title()).toBe('first')
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true)
    expect(await ask()).toBe('no answer')
    expect(school.asked.filter((path) => path.startsWith('/api'))).toEqual(['/api/v1/schedule'])
    for (const path of ['/', '/office', '/enrol', '/kiosk?x=1']) {
      await page.goto(server.origin + path)
      expect(await page.title(), path).toBe('first')
    }
    await expect(page.goto(`${server.origin}/api/v1/schedule`)).rejects.toThrow(/ERR_CONNECTION_REFUSED/)
  })

  test('a newer app waits, untouched by reloads, until it is told to take over', async () => {
    const server = await serve()
    await release(server, 'first')
    const page = await openApp(server, '/kiosk')
    await page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated')
    await release(server, 'second')
    await page.evaluate(() => window.kiosk.update.check())
    await page.waitForFunction(() => window.kiosk.update.updateReady)
    await page.reload()
    await page.waitForFunction(() => 'kiosk' in window)
    expect(await page.title()).toBe('first')
    // A page that starts while one waits hears of it too.
    await page.evaluate(() => {
      window.kiosk.update = window.kiosk.watchAppUpdate({ onReady: () => (window.kiosk.told.settled += 1) })
    })
    await page.waitForFunction(() => window.kiosk.update.updateReady && window.kiosk.told.settled === 1)
    const reloaded = page.waitForEvent('load')
    await page.evaluate(() => void window.kiosk.update.activate())
    await reloaded
    expect(await page.title()).toBe('second')
  })

  test('what sees faces is kept on demand alone; then a newer app comes with it or not at all, and once it is dropped a newer app does without', async () => {
    const server = await serve()
    const [first, second, third] = ['first', 'second', 'third'].map((name) => `/assets/vision/${name}.bin`) as [string, string, string]
    await release(server, 'first', [first])
    server.files.set(first, 'a model')
    const page = await openApp(server, '/kiosk')
    await page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated')
    const kept = () => page.evaluate(async () => {
      const all: string[] = []
      for (const name of await caches.keys()) for (const { url } of await (await caches.open(name)).keys()) all.push(new URL(url).pathname)
      return all.filter((path) => path.startsWith('/assets/vision/')).sort()
    })
    const tell = (type: string) => page.evaluate((message) => new Promise<unknown>((resolve) => {
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = ({ data }) => resolve(data)
      navigator.serviceWorker.controller?.postMessage({ type: message }, [port2])
    }), type)
    expect(await kept()).toEqual([])
    expect(await tell('KEEP_VISION')).toBe(true)
    expect(await kept()).toEqual([first])

    await release(server, 'second', [second])
    await page.evaluate(() => window.kiosk.update.check())
    await page.waitForTimeout(2_000)
    expect(await page.evaluate(() => window.kiosk.update.updateReady), 'its model is not to be had').toBe(false)
    server.files.set(second, 'another model')
    await page.evaluate(() => window.kiosk.update.check())
    await page.waitForFunction(() => window.kiosk.update.updateReady)
    expect(await kept()).toEqual([first, second])
    const reloaded = page.waitForEvent('load')
    await page.evaluate(() => void window.kiosk.update.activate())
    await reloaded
    await eventually(kept).toEqual([second])

    expect(await tell('DROP_VISION')).toBe(true)
    expect(await kept()).toEqual([])
    await release(server, 'third', [third])
    await page.waitForFunction(() => 'kiosk' in window)
    await page.evaluate(() => {
      window.kiosk.update = window.kiosk.watchAppUpdate({ onReady: () => (window.kiosk.told.settled += 1), checkAtMostEveryMs: 0 })
    })
    await page.evaluate(() => window.kiosk.update.check())
    await page.waitForFunction(() => window.kiosk.update.updateReady)
    expect(await kept()).toEqual([])
  })

  test('a download that was cut half-way is not the last one the kiosk hears of', async () => {
    const server = await serve()
    await release(server, 'first')
    const page = await openApp(server, '/kiosk')
    await page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated')
    await release(server, 'broken')
    server.files.delete('/index.html')
    await page.evaluate(() => {
      const registered = navigator.serviceWorker.getRegistration()
      return registered.then((registration) => new Promise<void>((resolve) => {
        registration?.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', (event) => {
          if ((event.target as ServiceWorker).state === 'redundant') resolve()
        }))
        void window.kiosk.update.check()
      }))
    })
    expect(await page.evaluate(() => window.kiosk.update.updateReady)).toBe(false)
    await release(server, 'second')
    await page.evaluate(() => window.kiosk.update.check())
    await page.waitForFunction(() => window.kiosk.update.updateReady)
  })
})
