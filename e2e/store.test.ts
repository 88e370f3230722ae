/** What the kiosk has saved is there after a killed browser, once, and readable to nobody who copies the disk's files. */
import { mkdtemp, readFile, readdir, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packEmbedding } from '#contract/model'
import type { SavedMark, SavedRoster, Store } from '../kiosk/store/store.ts'
import { killChromium, launchChromium } from './chromium.ts'
import { buildParts, pageOf, servePage } from './part-page.ts'
import type { PartPage } from './part-page.ts'

declare global {
  interface Window {
    store: Store
  }
}
type StorePart = { openStore(o?: { name?: string }): Promise<Store> }

const DAY_MS = 86_400_000
/** For a test machine that does everything else at once. */
const NEW_LOG_MS = 1_000
const MONDAY = Date.parse('2026-11-23T08:00:00Z')

let server: PartPage
let chromium: BrowserContext

beforeAll(async () => {
  const files = await buildParts({ store: 'kiosk/store/store.ts' })
  files.set('/', pageOf(['store']))
  server = await servePage(files)
  chromium = await launchChromium()
})

afterAll(async () => {
  await chromium?.close()
  await server?.goAway()
})

/** A page with `window.store` open on the database of this name. */
async function openPage(context: BrowserContext, name: string): Promise<Page> {
  const page = await context.newPage()
  await open(page, server, name)
  return page
}

async function open(page: Page, from: PartPage, name: string): Promise<void> {
  await page.goto(from.origin)
  await page.waitForFunction(() => 'kiosk' in window)
  await page.evaluate(async (database) => {
    window.store = await (window as unknown as { kiosk: StorePart }).kiosk.openStore({ name: database })
  }, name)
}

let names = 0
const freshName = () => `store-${(names += 1)}`

function mark(student: number, over: Partial<SavedMark> = {}): SavedMark {
  return {
    mark_id: `019ab000-0000-7000-8000-${String(student).padStart(12, '0')}`,
    student_id: `S${student}`,
    course_id: 'CS101',
    lesson_id: '7',
    held_on: '2026-11-23',
    timestamp: '2026-11-23T08:05:00.000Z',
    confidence: 0.91,
    model: 'mobilefacenet-192-r1',
    state: 'unsent',
    last_seen: '2026-11-23T08:05:00.000Z',
    ...over,
  }
}

function roster(firstName: string): SavedRoster {
  const embedding = packEmbedding(Array.from({ length: 192 }, (_, at) => (at === 0 ? 1 : 0)))
  const lesson = {
    lesson_id: '7', held_on: '2026-11-23', course_id: 'CS101', course_code: 'CS101', course_name: 'Programming', room_id: 'LAB-301',
    starts_at: '2026-11-23T08:00:00Z', ends_at: '2026-11-23T09:00:00Z', student_ids: ['S1'],
  }
  return {
    schedule: {
      room: { room_id: 'LAB-301', name: 'Lab 301' },
      school: { name: 'School', time_zone: 'Europe/Stockholm' },
      now: '2026-11-23T08:00:00Z',
      settings: { false_accept_budget: 0.003, liveness: 'watch', policy: 'default', score_floor: 0.5, recognition_threshold: 0.65, debounce_seconds: 30, frame_skip: 0, camera_fps: 15 },
      rotations: [],
      current_class: lesson,
      students: [{
        student_id: 'S1', first_name: firstName, last_name: 'Lovelace',
        templates: [{ template_id: '019ab000-0000-7000-8000-0000000000aa', model: 'mobilefacenet-192-r1', embedding }],
        look_alikes: [], pin: null, card: null,
      }],
      ahead: { lessons: [], students: [] },
    },
    etag: `"${firstName}"`,
    pulledAt: MONDAY,
    refusedTemplates: 0,
    lapsed: false,
  }
}

const said = (page: Page, work: string): Promise<string> =>
  page.evaluate(`(async () => { try { return 'did: ' + JSON.stringify(await (${work})) } catch (error) { return error.name + ': ' + error.message } })()`)

/** What a profile's IndexedDB lies in. */
async function filesOf(userDataDir: string): Promise<string[]> {
  const entries = await readdir(userDataDir, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile() && entry.parentPath.includes('IndexedDB')).map((entry) => join(entry.parentPath, entry.name))
}

/** A file that goes while it is looked for is gone. */
const bytesOf = async (userDataDir: string): Promise<Buffer> => Buffer.concat(await Promise.all((await filesOf(userDataDir)).map((path) => readFile(path).catch(() => Buffer.alloc(0)))))

describe('marks', () => {
  test('a mark that was saved is there after the browser was killed', async () => {
    const userDataDir = await mkdtemp(join(tmpdir(), 'fastrackai-store-'))
    try {
      for (let round = 1; round <= 3; round += 1) {
        const killed = await launchChromium({ userDataDir })
        const page = await openPage(killed, 'kept')
        const saved = await page.evaluate((one) => window.store.saveMark(one), mark(round))
        await killChromium(killed)
        expect(saved).toBe(true)
      }
      const context = await launchChromium({ userDataDir })
      const page = await openPage(context, 'kept')
      const kept = await page.evaluate(() => window.store.unsentMarks(10))
      await context.close()
      expect(kept).toEqual([1, 2, 3].map((round) => ({ ...mark(round), sequence: round })))
    } finally {
      await rm(userDataDir, { recursive: true, force: true, maxRetries: 10 })
    }
  })

  test('a log that a power cut tore costs no mark, neither at the next start nor at the one after', async ({ skip }) => {
    const userDataDir = await mkdtemp(join(tmpdir(), 'fastrackai-store-'))
    const life = async (live: (page: Page) => Promise<unknown>): Promise<void> => {
      const context = await launchChromium({ userDataDir })
      await live(await openPage(context, 'torn'))
      // The new log is begun in the background; a cut before it is the one that nothing helps against (fresh-log.ts).
      await sleep(NEW_LOG_MS)
      await killChromium(context)
    }
    try {
      for (let student = 1; student <= 3; student += 1) {
        // The sighting is not flushed: a power cut may take any part of it.
        await life((page) => page.evaluate((one) => window.store.saveMark(one).then(() => window.store.moveLastSeen(one, '2026-11-23T09:00:00.000Z')), mark(student)))
        const log = (await filesOf(userDataDir)).filter((path) => /leveldb.\d+\.log$/.test(path)).sort().at(-1)
        if (!log) return skip('This Chromium keeps no such log.')
        await truncate(log, (await stat(log)).size - 7)
      }
      const context = await launchChromium({ userDataDir })
      const page = await openPage(context, 'torn')
      const kept = await page.evaluate(() => window.store.unsentMarks(10))
      await context.close()
      expect(kept.map(({ student_id, sequence }) => [student_id, sequence])).toEqual([['S1', 1], ['S2', 2], ['S3', 3]])
    } finally {
      await rm(userDataDir, { recursive: true, force: true, maxRetries: 10 })
    }
  }, 60_000)

  test('of two tabs that mark the same student in the same lesson, one does', async () => {
    const name = freshName()
    const tabs = await Promise.all([openPage(chromium, name), openPage(chromium, name)])
    const saved = await Promise.all(
      tabs.map((tab, at) => tab.evaluate((marks) => Promise.all(marks.map((one) => window.store.saveMark(one))),
        Array.from({ length: 20 }, (_, student) => mark(student, { mark_id: `019ab000-0000-7000-800${at}-${String(student).padStart(12, '0')}` })))),
    )
    for (let student = 0; student < 20; student += 1) expect([saved[0]?.[student], saved[1]?.[student]].filter(Boolean)).toHaveLength(1)
    expect(await tabs[0]?.evaluate(() => window.store.countMarks())).toEqual({ unsent: 20, refused: 0 })
  })

  test('whatever is done to marks in whatever order, the store holds what a plain list would', async () => {
    const student = fc.integer({ min: 1, max: 4 })
    const day = fc.constantFrom('2026-11-21', '2026-11-22', '2026-11-23')
    const key = { student, day }
    const step = fc.oneof(
      fc.record({ do: fc.constant('save' as const), ...key, minute: fc.integer({ min: 10, max: 59 }) }),
      fc.record({ do: fc.constant('settle' as const), ...key, state: fc.constantFrom('stored' as const, 'refused' as const), same: fc.boolean() }),
      fc.record({ do: fc.constant('move' as const), ...key, minute: fc.integer({ min: 10, max: 59 }) }),
      fc.record({ do: fc.constant('doubt' as const), ...key, doubt: fc.constantFrom('no_life_seen' as const, 'looks_like_a_picture' as const) }),
      // What was under way as it was before a doubt came.
      fc.record({ do: fc.constant('settle early' as const), ...key }),
      fc.record({ do: fc.constant('sweep' as const), day }),
      fc.record({ do: fc.constant('forget' as const) }),
    )
    const page = await openPage(chromium, freshName())
    const at = (date: string, minute: number) => `${date}T08:${minute}:00.000Z`

    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const list = new Map<string, SavedMark>()
        const calls: [keyof Store, ...unknown[]][] = []
        const saves: boolean[] = []
        let counted = 0
        for (const [round, one] of steps.entries()) {
          if (one.do === 'sweep' || one.do === 'forget') {
            calls.push(one.do === 'sweep' ? ['sweepMarks', one.day] : ['forget'])
            for (const [name, saved] of list) if (saved.state === 'stored' && (one.do === 'forget' || saved.held_on < one.day)) list.delete(name)
            continue
          }
          const name = `${one.day} ${one.student}`
          const saved = list.get(name)
          const made = mark(one.student, { held_on: one.day, mark_id: `019ab000-0000-7000-8000-${String(round).padStart(12, '0')}` })
          if (one.do === 'save') {
            const fresh = { ...made, timestamp: at(one.day, one.minute), last_seen: at(one.day, one.minute) }
            calls.push(['saveMark', fresh])
            saves.push(!saved)
            if (!saved) list.set(name, { ...fresh, sequence: (counted += 1) })
          } else if (one.do === 'move') {
            calls.push(['moveLastSeen', made, at(one.day, one.minute)])
            if (saved && at(one.day, one.minute) > saved.last_seen) list.set(name, { ...saved, last_seen: at(one.day, one.minute) })
          } else if (one.do === 'doubt') {
            calls.push(['saveDoubt', made, one.doubt])
            const fresh = saved !== undefined && saved.doubt !== one.doubt && saved.doubt !== 'looks_like_a_picture'
            saves.push(fresh)
            if (fresh) list.set(name, { ...saved, doubt: one.doubt, state: saved.state === 'refused' ? 'refused' : 'unsent' })
          } else if (one.do === 'settle early') {
            if (!saved) continue
            const { doubt, ...sent } = saved
            calls.push(['settleMarks', [{ mark: sent, state: 'stored' }]])
            if (saved.state === 'unsent' && doubt === undefined) list.set(name, { ...saved, state: 'stored' })
          } else {
            calls.push(['settleMarks', [{ mark: saved && one.same ? saved : made, state: one.state, why: 'because' }]])
            if (saved?.state === 'unsent' && one.same) list.set(name, { ...saved, state: one.state, why: 'because' })
          }
        }
        const found = await page.evaluate(async (todo) => {
          const { kiosk } = window as unknown as { kiosk: StorePart }
          const database = `list-${crypto.randomUUID()}`
          const store = await kiosk.openStore({ name: database })
          const answers: unknown[] = []
          for (const [method, ...given] of todo) {
            const answer = await (store[method] as (...all: unknown[]) => Promise<unknown>)(...given)
            if (method === 'saveMark' || method === 'saveDoubt') answers.push(answer)
          }
          const lessons = await Promise.all(['2026-11-21', '2026-11-22', '2026-11-23'].map((held) => store.marksOfLesson(held, '7')))
          const result = { answers, all: lessons.flat(), unsent: await store.unsentMarks(100), first: await store.unsentMarks(1), counts: await store.countMarks(), state: await store.storeState() }
          store.close()
          indexedDB.deleteDatabase(database)
          return result
        }, calls)
        const all = [...list.values()].sort((a, b) => (a.held_on + a.student_id < b.held_on + b.student_id ? -1 : 1))
        const unsent = all.filter((one) => one.state === 'unsent')
        expect(found.answers).toEqual(saves)
        expect(found.all).toEqual(all)
        expect(found.unsent.map((one) => one.timestamp)).toEqual(unsent.map((one) => one.timestamp).sort())
        expect(found.first).toEqual(found.unsent.slice(0, 1))
        expect(found.counts).toEqual({ unsent: unsent.length, refused: all.filter((one) => one.state === 'refused').length })
        expect(found.state).toMatchObject({ made: counted, unsent: unsent.length })
      }),
      { numRuns: 60 },
    )
  })
})

describe('what a storage counts', () => {
  const state = (page: Page) => page.evaluate(() => window.store.storeState())
  const uuid = (n: number) => `019ab000-0000-4000-8000-${String(n).padStart(12, '0')}`

  test('every mark gets the next number with the mark itself: of two tabs, and through a failing disk, none is left out or given twice', async () => {
    const name = freshName()
    const tabs = await Promise.all([openPage(chromium, name), openPage(chromium, name)])
    const saved = await Promise.all(tabs.map((tab, at) => tab.evaluate(async (marks) => {
      const { add } = IDBObjectStore.prototype
      const kept: string[] = []
      for (const [i, one] of marks.entries()) {
        // The platform's fault, not ours: every third time the disk takes nothing.
        IDBObjectStore.prototype.add = i % 3 === 2 ? () => { throw new DOMException('The disk is full.', 'QuotaExceededError') } : add
        if (await window.store.saveMark(one).catch(() => false)) kept.push(one.student_id)
      }
      IDBObjectStore.prototype.add = add
      return kept
    }, Array.from({ length: 20 }, (_, student) => mark(student + 10 * at)))))
    const marks = await tabs[0]?.evaluate(() => window.store.unsentMarks(100)) ?? []
    expect(marks.map(({ student_id }) => student_id).sort()).toEqual(saved.flat().sort())
    expect(marks.map(({ sequence }) => sequence).sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual(marks.map((_, at) => at + 1))
    expect(await state(tabs[1] as Page)).toMatchObject({ made: marks.length, unsent: marks.length })
  })

  test('a fence that was drawn stays drawn until the server has heard of it, and then it is the fence', async () => {
    const page = await openPage(chromium, freshName())
    const step = (work: 'drawFence' | 'keepFence', n: number) => page.evaluate(([method, id]) => window.store[method](id) as Promise<boolean | void>, [work, uuid(n)] as const)
    const { fence, next_fence, store_id } = await state(page)
    expect(next_fence).toBe(fence)
    expect(await step('drawFence', 1)).toBe(true)
    expect(await step('drawFence', 2)).toBe(false)
    expect(await state(page)).toEqual({ store_id, made: 0, unsent: 0, fence, next_fence: uuid(1) })
    await step('keepFence', 2)
    expect((await state(page)).fence).toBe(fence)
    await step('keepFence', 1)
    await step('drawFence', 3)
    await step('keepFence', 1)
    expect(await state(page)).toMatchObject({ fence: uuid(1), next_fence: uuid(3) })
  })

  test("paired as another device it counts anew, under another name, and the marks that wait come first", async () => {
    const page = await openPage(chromium, freshName())
    const pair = (deviceId: string, key: string) => page.evaluate((pairing) => window.store.savePairing(pairing), { deviceId, roomId: 'LAB-301', key })
    await pair('pi-lab301', 'k')
    await page.evaluate(async ([one, two, three]) => {
      for (const each of [one, two, three]) await window.store.saveMark(each)
      await window.store.settleMarks([{ mark: one, state: 'stored' }])
    }, [mark(1), mark(2), mark(3)] as const)
    const before = await state(page)
    await pair('pi-lab301', 'a new key')
    expect(await state(page)).toEqual(before)
    await pair('pi-lab302', 'k2')
    const now = await state(page)
    expect(now).toMatchObject({ made: 2, unsent: 2 })
    expect(now.store_id).not.toBe(before.store_id)
    expect((await page.evaluate(() => window.store.unsentMarks(9))).map(({ student_id, sequence }) => [student_id, sequence])).toEqual([['S2', 1], ['S3', 2]])
  })

  test('what an older app has saved is all there, and only what waits is counted', async () => {
    const page = await chromium.newPage()
    await page.goto(server.origin)
    await page.waitForFunction(() => 'kiosk' in window)
    const name = freshName()
    const kept = [mark(3), mark(1), mark(2, { state: 'stored' }), mark(4, { state: 'refused', why: 'because' }), mark(1, { held_on: '2026-11-20', timestamp: '2026-11-20T08:05:00.000Z' })]
    const found = await page.evaluate(async ({ name: database, marks, saved }) => {
      // As version 1 of this storage was made.
      await new Promise<void>((resolve, reject) => {
        const request = indexedDB.open(database, 1)
        request.onerror = () => reject(request.error)
        request.onupgradeneeded = () => {
          request.result.createObjectStore('device').put({ deviceId: 'pi-lab301', roomId: 'LAB-301', key: 'k' }, 'pairing')
          request.result.createObjectStore('roster')
          const store = request.result.createObjectStore('marks', { keyPath: ['held_on', 'lesson_id', 'student_id'] })
          store.createIndex('state', ['state', 'held_on', 'timestamp'])
          for (const one of marks) store.add(one)
        }
        request.onsuccess = () => {
          request.result.close()
          resolve()
        }
      })
      const { kiosk } = window as unknown as { kiosk: StorePart }
      let store = await kiosk.openStore({ name: database })
      const first = await store.storeState()
      store.close()
      store = await kiosk.openStore({ name: database })
      await store.saveMark(saved)
      const lessons = [...(await store.marksOfLesson('2026-11-20', '7')), ...(await store.marksOfLesson('2026-11-23', '7'))]
      const result = { first, second: await store.storeState(), lessons, pairing: await store.savedPairing() }
      store.close()
      return result
    }, { name, marks: kept, saved: mark(9) })
    expect(found.first).toMatchObject({ made: 3, unsent: 3 })
    expect(found.second).toEqual({ ...found.first, made: 4, unsent: 4 })
    expect(found.pairing?.deviceId).toBe('pi-lab301')
    expect(found.lessons).toEqual([
      { ...kept[4], sequence: 1 }, { ...mark(1), sequence: 2 }, kept[2], { ...mark(3), sequence: 3 }, kept[3], { ...mark(9), sequence: 4 },
    ])
  })
})

describe('marks of an unsure time', () => {
  test('are put right all at once or not at all, those of an earlier life stay, and what goes into another mark is counted', async () => {
    const page = await openPage(chromium, freshName())
    const unsure = { life: 'now', monotonic: 60_000 }
    const lesson = { lesson_id: '6', held_on: '2026-11-23', course_id: 'C6', course_code: 'C6', course_name: 'C6', room_id: 'R', starts_at: '2026-11-23T06:00:00Z', ends_at: '2026-11-23T07:00:00Z', student_ids: ['S1', 'S2', 'S3'] }
    const found = await page.evaluate(async ({ marks, lessons, start }) => {
      const { store } = window
      for (const one of marks) await store.saveMark(one)
      const date = () => store.redateMarks('now', { schoolTime: (monotonic) => start + monotonic, lessons, knows: () => true })
      const { put } = IDBObjectStore.prototype
      let left = 1
      // The platform's fault, not ours: the disk is full at the second mark.
      IDBObjectStore.prototype.put = function (this: IDBObjectStore, ...given: Parameters<typeof put>) {
        if ((left -= 1) < 0) throw new DOMException('The disk is full.', 'QuotaExceededError')
        return put.apply(this, given)
      }
      const failed = await date().then(() => 'did', (error: Error) => error.message)
      IDBObjectStore.prototype.put = put
      const untouched = await store.marksOfLesson('2026-11-23', '7')
      const dated = await date()
      const after = { moved: await store.marksOfLesson('2026-11-23', '6'), left: await store.marksOfLesson('2026-11-23', '7'), state: await store.storeState(), again: await date() }
      return { failed, untouched, dated, ...after, old: await store.marksOfLesson('2026-11-23', '8') }
    }, {
      marks: [mark(1, { unsure }), mark(2, { unsure }), mark(2, { lesson_id: '6', timestamp: '2026-11-23T06:30:00.000Z', mark_id: '019ab000-0000-7000-8000-999999999999' }), mark(3), mark(1, { lesson_id: '8', unsure: { life: 'before', monotonic: 1 } })],
      lessons: [lesson], start: Date.parse('2026-11-23T06:10:00Z'),
    })
    expect(found.failed).toMatch(/^The time of the marks was not put right: this device's storage is full/)
    expect(found.untouched).toHaveLength(3)
    expect(found.dated).toBe(2)
    expect(found.moved).toEqual([1, 2].map((id) => expect.objectContaining({ mark_id: mark(id).mark_id, course_id: 'C6', timestamp: '2026-11-23T06:11:00.000Z', sequence: id })))
    expect(found.left.map(({ student_id }) => student_id)).toEqual(['S3'])
    // Five were made; four are left to be sent, and the server is never told of the fifth.
    expect(found.state).toMatchObject({ made: 5, unsent: 5 })
    expect(found.again).toBe(0)
    expect(found.old).toEqual([{ ...mark(1, { lesson_id: '8' }), unsure: { life: 'before', monotonic: 1 }, sequence: 5 }])
  })
})

describe('the roster', () => {
  test('a saved roster replaces the one before whole', async () => {
    const page = await openPage(chromium, freshName())
    await page.evaluate(([first, second]) => window.store.saveRoster(first).then(() => window.store.saveRoster(second)), [roster('Ada'), roster('Grace')] as const)
    expect(await page.evaluate((now) => window.store.savedRoster(now), MONDAY)).toEqual(roster('Grace'))
  })

  test('names and templates lie on the disk unreadable, under a key that nobody can take out', async () => {
    const userDataDir = await mkdtemp(join(tmpdir(), 'fastrackai-store-'))
    try {
      const context = await launchChromium({ userDataDir })
      const page = await openPage(context, 'sealed')
      await page.evaluate(([all, one]) => window.store.saveRoster(all).then(() => window.store.saveMark(one)), [roster('Euphemia'), mark(1, { lesson_id: 'in-plain-sight' })] as const)
      const sealed = await said(page, `new Promise((resolve, reject) => {
        const request = indexedDB.open('sealed')
        request.onsuccess = () => {
          const get = request.result.transaction('roster').objectStore('roster').get('roster')
          get.onsuccess = () => crypto.subtle.exportKey('raw', get.result.key).then(resolve, reject)
        }
      })`)
      await context.close()
      expect(sealed).toMatch(/^InvalidAccessError/)
      const disk = await bytesOf(userDataDir)
      expect(disk.includes('in-plain-sight'), 'a mark is found on the disk').toBe(true)
      for (const secret of ['Euphemia', 'Lovelace', 'embedding']) expect(disk.includes(secret), secret).toBe(false)
    } finally {
      await rm(userDataDir, { recursive: true, force: true, maxRetries: 10 })
    }
  })

  test('of a roster that is replaced or forgotten the sealed bytes go with it, whatever Chromium keeps of its key', async ({ skip }) => {
    const userDataDir = await mkdtemp(join(tmpdir(), 'fastrackai-store-'))
    try {
      const context = await launchChromium({ userDataDir })
      const page = await openPage(context, 'gone')
      const sealed = async (): Promise<Buffer[]> => Promise.all((await filesOf(userDataDir)).filter((path) => path.includes('.indexeddb.blob')).map((path) => readFile(path)))
      const holds = async (bytes: Buffer): Promise<boolean> => (await bytesOf(userDataDir)).includes(bytes.subarray(0, 64))
      await page.evaluate((all) => window.store.saveRoster(all), roster('Ada'))
      const [first] = await sealed()
      if (!first) return skip('This Chromium keeps no such file.')
      expect(await holds(first), 'it is found while it is there').toBe(true)
      // What has been read of it holds it until the page's memory is swept.
      await page.evaluate(([grace, now]) => window.store.savedRoster(now).then(() => window.store.saveRoster(grace)), [roster('Grace'), MONDAY] as const)
      await page.requestGC()
      await expect.poll(() => holds(first), { timeout: 10_000 }).toBe(false)
      const [second] = await sealed()
      expect(await holds(second!)).toBe(true)
      await page.evaluate(() => window.store.forget())
      await expect.poll(() => holds(second!), { timeout: 10_000 }).toBe(false)
      await context.close()
    } finally {
      await rm(userDataDir, { recursive: true, force: true, maxRetries: 10 })
    }
  })

  test('a roster whose file is gone from the disk is no roster, and the next one is saved', async ({ skip }) => {
    const userDataDir = await mkdtemp(join(tmpdir(), 'fastrackai-store-'))
    try {
      const before = await launchChromium({ userDataDir })
      await (await openPage(before, 'holed')).evaluate((all) => window.store.saveRoster(all), roster('Ada'))
      await killChromium(before)
      const files = (await filesOf(userDataDir)).filter((path) => path.includes('.indexeddb.blob'))
      if (files.length === 0) return skip('This Chromium keeps no such file.')
      for (const file of files) await rm(file)
      const context = await launchChromium({ userDataDir })
      const page = await openPage(context, 'holed')
      const kept = await page.evaluate((now) => window.store.savedRoster(now), MONDAY)
      await page.evaluate((all) => window.store.saveRoster(all), roster('Grace'))
      const next = await page.evaluate((now) => window.store.savedRoster(now), MONDAY)
      await context.close()
      expect(kept).toBeUndefined()
      expect(next).toEqual(roster('Grace'))
    } finally {
      await rm(userDataDir, { recursive: true, force: true, maxRetries: 10 })
    }
  })

  test('no two saves share a key or an IV', async () => {
    const page = await openPage(chromium, 'ivs')
    const seen = new Set<string>()
    for (let round = 0; round < 5; round += 1) {
      await page.evaluate((all) => window.store.saveRoster(all), roster('Ada'))
      seen.add(await said(page, `new Promise((resolve) => {
        const request = indexedDB.open('ivs')
        request.onsuccess = () => {
          const get = request.result.transaction('roster').objectStore('roster').get('roster')
          get.onsuccess = () => { request.result.close(); resolve([...get.result.iv]) }
        }
      })`))
    }
    expect(seen.size).toBe(5)
  })

  test('templates of a kiosk that heard nothing for seven days lapse, and the disk forgets them with the screen', async () => {
    const page = await openPage(chromium, freshName())
    const read = (now: number) => page.evaluate((at) => window.store.savedRoster(at), now)
    await page.evaluate((all) => window.store.saveRoster(all), roster('Ada'))
    expect(await read(MONDAY + 7 * DAY_MS - 1)).toEqual(roster('Ada'))
    const lapsed = await read(MONDAY + 7 * DAY_MS)
    expect(lapsed?.lapsed).toBe(true)
    expect(lapsed?.etag).toBeUndefined()
    expect(lapsed?.schedule.current_class).toEqual(roster('Ada').schedule.current_class)
    expect(lapsed?.schedule.students.map((student) => [student.first_name, student.templates])).toEqual([['Ada', []]])
    // Setting the clock back brings nothing back.
    expect(await read(MONDAY)).toEqual(lapsed)
  })

  test('a revoked kiosk keeps its unsent marks and nothing of its students', async () => {
    const page = await openPage(chromium, freshName())
    const pairing = { deviceId: 'pi-lab301', roomId: 'LAB-301', key: 'k' }
    const left = await page.evaluate(async ([all, one, two, paired, now]) => {
      await window.store.savePairing(paired)
      await window.store.saveRoster(all)
      await window.store.saveMark(one)
      await window.store.saveMark(two)
      await window.store.settleMarks([{ mark: one, state: 'stored' }])
      await window.store.forget()
      return { roster: await window.store.savedRoster(now), marks: await window.store.marksOfLesson('2026-11-23', '7'), pairing: await window.store.savedPairing() }
    }, [roster('Ada'), mark(1), mark(2), pairing, MONDAY] as const)
    expect(left).toEqual({ roster: undefined, marks: [{ ...mark(2), sequence: 2 }], pairing })
  })

  test('a kiosk paired to another room forgets the room before', async () => {
    const page = await openPage(chromium, freshName())
    const kept = await page.evaluate(async ([all, now]) => {
      const pairing = { deviceId: 'pi-lab301', roomId: 'LAB-301', key: 'k' }
      await window.store.savePairing(pairing)
      await window.store.saveRoster(all)
      await window.store.savePairing({ ...pairing, key: 'a new key' })
      const sameRoom = await window.store.savedRoster(now)
      await window.store.savePairing({ ...pairing, roomId: 'LAB-302' })
      return { sameRoom: sameRoom !== undefined, otherRoom: (await window.store.savedRoster(now)) !== undefined }
    }, [roster('Ada'), MONDAY] as const)
    expect(kept).toEqual({ sameRoom: true, otherRoom: false })
  })
})

describe('a storage that fails', () => {
  test('a full disk is said, and no mark is pretended', async () => {
    // An origin of its own: the browser asks how much is free only now and then, and remembers.
    const small = await servePage(server.files)
    const page = await chromium.newPage()
    const devtools = await chromium.newCDPSession(page)
    await devtools.send('Storage.overrideQuotaForOrigin', { origin: small.origin, quotaSize: 2_000_000 })
    await open(page, small, 'small')
    const tried = await page.evaluate(async (one) => {
      for (let student = 1; student <= 1_000; student += 1) {
        try {
          await window.store.saveMark({ ...one, student_id: `S${student}`, why: 'x'.repeat(100_000) })
        } catch (error) {
          return { saved: student - 1, said: String(error) }
        }
      }
      return { saved: 1_000, said: '' }
    }, mark(1))
    await devtools.send('Storage.overrideQuotaForOrigin', { origin: small.origin })
    await small.goAway()
    expect(tried.said).toMatch(/^StoreFailed: The mark was not saved: this device's storage is full/)
    expect(await page.evaluate(() => window.store.countMarks())).toEqual({ unsent: tried.saved, refused: 0 })
    expect(await page.evaluate((one) => window.store.saveMark(one), mark(5000))).toBe(true)
  })

  test('an app whose storage a newer version took over says so and saves nothing beside it', async () => {
    const name = freshName()
    const old = await openPage(chromium, name)
    await old.evaluate((one) => window.store.saveMark(one), mark(1))
    const newer = await chromium.newPage()
    await newer.goto(server.origin)
    const upgrade = await said(newer, `new Promise((resolve, reject) => {
      const request = indexedDB.open('${name}', 99)
      request.onsuccess = () => { request.result.close(); resolve('upgraded') }
      request.onerror = () => reject(request.error)
    })`)
    expect(upgrade).toBe('did: "upgraded"')
    expect(await said(old, `window.store.saveMark(${JSON.stringify(mark(2))})`)).toMatch(/^StoreFailed: A newer version of the app/)
    // The old app once more, after a restart.
    const again = await said(old, `window.kiosk.openStore({ name: '${name}' })`)
    expect(again).toMatch(/^StoreFailed: The storage did not open: a newer version of the app/)
  })

  test('a storage erased under the running app is made anew', async () => {
    const page = await openPage(chromium, freshName())
    await page.evaluate((one) => window.store.saveMark(one), mark(1))
    const devtools = await chromium.newCDPSession(page)
    await devtools.send('Storage.clearDataForOrigin', { origin: server.origin, storageTypes: 'indexeddb' })
    await expect.poll(() => said(page, `window.store.saveMark(${JSON.stringify(mark(2))})`)).toBe('did: true')
    expect(await page.evaluate(() => window.store.unsentMarks(10))).toEqual([{ ...mark(2), sequence: 1 }])
  })
})
