/** A mark is on disk before it is on screen: the kiosk's lesson with its real store, in a real Chromium. */
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CURRENT_MODEL, EMBEDDING_LENGTH, packEmbedding } from '#contract/model'
import { openRotation } from '#contract/rotation'
import type { Schedule } from '#contract/schedule'
import type { openInLesson } from '../kiosk/classroom/in-lesson.ts'
import type { Store } from '../kiosk/store/store.ts'
import type { SeenFrame } from '../kiosk/vision/face.ts'
import { launchChromium } from './chromium.ts'
import { type PartPage, buildParts, pageOf, servePage } from './part-page.ts'

interface Parts {
  openStore(o: { name: string }): Promise<Store>
  openInLesson: typeof openInLesson
}

let chromium: BrowserContext
let server: PartPage
let page: Page

beforeAll(async () => {
  const parts = await buildParts({ store: 'kiosk/store/store.ts', lesson: 'kiosk/classroom/in-lesson.ts' })
  parts.set('/', pageOf(['store', 'lesson']))
  server = await servePage(parts)
  chromium = await launchChromium()
  page = await chromium.newPage()
  await page.goto(server.origin)
  await page.waitForFunction(() => 'kiosk' in window)
})

afterAll(async () => {
  await chromium?.close()
  await server?.goAway()
})

const embedding = Array.from({ length: EMBEDDING_LENGTH[CURRENT_MODEL] }, (_, i) => (i === 0 ? 1 : 0))
const schedule = {
  room: { room_id: 'R', name: 'Room' },
  school: { name: 'School', time_zone: 'UTC' },
  now: '2026-11-23T09:01:00.000Z',
  settings: { false_accept_budget: 0.003, liveness: 'off', policy: 'default', score_floor: 0.5, recognition_threshold: 0.65, debounce_seconds: 30, frame_skip: 0, camera_fps: 15 },
  rotations: [],
  current_class: {
    lesson_id: '7', held_on: '2026-11-23', course_id: 'C', course_code: 'C', course_name: 'Course', room_id: 'R',
    starts_at: '2026-11-23T09:00:00.000Z', ends_at: '2026-11-23T10:00:00.000Z', student_ids: ['S1'],
  },
  students: [{ student_id: 'S1', first_name: 'Ada', last_name: 'L', templates: [{ template_id: '0190a5d0-ac96-774b-8cce-b302099a8057', model: CURRENT_MODEL, embedding: packEmbedding(embedding) }], look_alikes: [], pin: null, card: null }],
  ahead: { lessons: [], students: [] },
} satisfies Schedule

/** Shows the student's face for some frames; what the screen would say while each is in work, and after it. */
function attend(o: { database: string; frames: number; diskFailsUntil: number; given?: Schedule; forgottenAt?: number }) {
  return page.evaluate(async ({ given, embedding: face, database, frames, diskFailsUntil, forgottenAt }) => {
    const { openStore, openInLesson: openLesson } = (window as unknown as { kiosk: Parts }).kiosk
    const store = await openStore({ name: database })
    const lesson = await openLesson({ schedule: given, lesson: given.current_class!, lapsed: false, model: 'mobilefacenet-192-r1', store })
    const told: { during: number; after: number; named: boolean; marked: number; fault: boolean; onDisk: number }[] = []
    const { add } = IDBObjectStore.prototype
    const { put } = IDBObjectStore.prototype
    for (let i = 0; i < frames; i++) {
      if (i === forgottenAt) lesson.forget()
      // The platform's fault, not ours: the disk takes nothing.
      const full = (): never => {
        throw new DOMException('The disk is full.', 'QuotaExceededError')
      }
      IDBObjectStore.prototype.add = i < diskFailsUntil ? full : add
      IDBObjectStore.prototype.put = i < diskFailsUntil ? full : put
      const seen: SeenFrame = {
        takenAt: i * 100, width: 640, height: 480, ms: { detect: 0, align: 0, embed: 0, frame: 0 },
        faces: [{
          box: { x: 0, y: 0, width: 100, height: 100 }, score: 1, track: 1, mirrored: false, landmarks: undefined, cues: undefined, refused: undefined, embedding: Float32Array.from(face),
          quality: { width: 100, brightness: 120, sharpness: 100, yaw: 0, pitch: 0, roll: 0, presence: 1 },
        }],
      }
      const taking = lesson.take(seen, { at: Date.parse(given.now) + i * 100 })
      const during = lesson.present().length
      const taken = await taking
      told.push({
        during, after: lesson.present().length, named: taken.faces.some(({ name }) => name !== undefined),
        marked: taken.marked.length, fault: taken.storageFault !== undefined, onDisk: (await store.marksOfLesson('2026-11-23', '7')).length,
      })
    }
    IDBObjectStore.prototype.add = add
    IDBObjectStore.prototype.put = put
    store.close()
    return told
  }, { given: schedule as Schedule, embedding, ...o })
}

describe('a mark is on disk before it is on screen', () => {
  test('nobody is shown while the mark is being written, and everybody shown is on the disk', async () => {
    const told = await attend({ database: 'well', frames: 6, diskFailsUntil: 0 })
    expect(told.map(({ marked }) => marked)).toEqual([0, 0, 1, 0, 0, 0])
    expect(told[2]).toMatchObject({ during: 0, after: 1, named: true, onDisk: 1 })
    for (const { after, onDisk } of told) expect(after).toBeLessThanOrEqual(onDisk)
  })

  test('a student whom the disk refuses is neither named nor counted, and is marked when it takes marks again', async () => {
    const told = await attend({ database: 'full', frames: 6, diskFailsUntil: 4 })
    expect(told.map(({ fault }) => fault)).toEqual([false, false, true, true, false, false])
    for (const { after, named, onDisk } of told.slice(0, 4)) expect({ after, named, onDisk }).toEqual({ after: 0, named: false, onDisk: 0 })
    expect(told[4]).toMatchObject({ after: 1, named: true, marked: 1, onDisk: 1 })
  })
})

describe('a roster whose templates came turned', () => {
  const [student] = schedule.students
  const seed = Uint8Array.from({ length: 32 }, (_, i) => i * 7)
  const rotations = [{ model: CURRENT_MODEL, seed: Buffer.from(seed).toString('base64') }]

  /** As the school sends it: turned by Node, which the browser must follow to the digit. */
  async function turned(): Promise<Schedule> {
    const rotation = await openRotation(CURRENT_MODEL, seed)
    const [template] = student?.templates ?? []
    return { ...schedule, rotations, students: [{ ...student!, templates: [{ ...template!, embedding: packEmbedding(rotation.rotate(embedding)) }] }] }
  }

  test('is recognised from as the unturned one, with the rotation that came with it, and with no other', async () => {
    expect((await attend({ database: 'turned', frames: 4, diskFailsUntil: 0, given: await turned() })).map(({ marked }) => marked)).toEqual([0, 0, 1, 0])
    const other = [{ model: CURRENT_MODEL, seed: Buffer.alloc(32, 9).toString('base64') }]
    for (const [database, told] of new Map<string, Schedule['rotations']>([['turned-otherwise', other], ['turned-unknown', []]])) {
      expect((await attend({ database, frames: 8, diskFailsUntil: 0, given: { ...(await turned()), rotations: told } })).map(({ marked }) => marked)).toEqual([0, 0, 0, 0, 0, 0, 0, 0])
    }
  })

  test('is forgotten with the lesson: the same face is nobody\'s from then on', async () => {
    expect((await attend({ database: 'forgotten', frames: 8, diskFailsUntil: 0, given: await turned(), forgottenAt: 1 })).map(({ marked }) => marked)).toEqual([0, 0, 0, 0, 0, 0, 0, 0])
  })
})

describe('a mark by tap or PIN', () => {
  test('is on disk before it is on screen, says how it came about, and is made once however often it is asked for', async () => {
    const told = await page.evaluate(async (given) => {
      const { openStore, openInLesson: openLesson } = (window as unknown as { kiosk: Parts }).kiosk
      const store = await openStore({ name: 'by-tap' })
      const lesson = await openLesson({ schedule: given, lesson: given.current_class, lapsed: true, model: undefined, store })
      const at = Date.parse(given.now)
      const waiting = lesson.waiting().map(({ studentId }) => studentId)
      const tapping = [lesson.markBy({ studentId: 'S1', method: 'pin', confidence: 1, at }), lesson.markBy({ studentId: 'S1', method: 'face_and_tap', confidence: 0.6, at })]
      const during = lesson.present().length
      const by = (await Promise.all(tapping)).map(({ kind }) => kind)
      by.push((await lesson.markBy({ studentId: 'S1', method: 'pin', confidence: 1, at: at + 60_000 })).kind, (await lesson.markBy({ studentId: 'S9', method: 'pin', confidence: 1, at })).kind)
      const saved = await store.marksOfLesson('2026-11-23', '7')
      const after = { present: lesson.present().length, waiting: lesson.waiting().length }
      store.close()
      return { waiting, during, by, after, saved }
    }, schedule)
    expect(told).toMatchObject({ waiting: ['S1'], during: 0, by: ['marked', 'here', 'here', 'nobody'], after: { present: 1, waiting: 0 } })
    expect(told.saved).toMatchObject([{ student_id: 'S1', method: 'pin', confidence: 1, state: 'unsent' }])
    expect(told.saved[0]?.model).toBeUndefined()
  })

  test('that the disk refuses is none, and can be made when it takes marks again', async () => {
    const told = await page.evaluate(async (given) => {
      const { openStore, openInLesson: openLesson } = (window as unknown as { kiosk: Parts }).kiosk
      const store = await openStore({ name: 'by-tap-full' })
      const lesson = await openLesson({ schedule: given, lesson: given.current_class, lapsed: false, model: undefined, store })
      const sighting = { studentId: 'S1', method: 'face_and_pin' as const, confidence: 0.61, at: Date.parse(given.now) }
      const { add } = IDBObjectStore.prototype
      // The platform's fault, not ours: the disk takes nothing.
      IDBObjectStore.prototype.add = () => {
        throw new DOMException('The disk is full.', 'QuotaExceededError')
      }
      const first = await lesson.markBy(sighting)
      const refused = { kind: first.kind, present: lesson.present().length }
      IDBObjectStore.prototype.add = add
      const second = await lesson.markBy(sighting)
      const saved = await store.marksOfLesson('2026-11-23', '7')
      const present = lesson.present().length
      store.close()
      return { refused, kind: second.kind, present, saved }
    }, schedule)
    expect(told).toMatchObject({ refused: { kind: 'not_saved', present: 0 }, kind: 'marked', present: 1 })
    expect(told.saved).toMatchObject([{ method: 'face_and_pin', confidence: 0.61, model: CURRENT_MODEL }])
  })
})
