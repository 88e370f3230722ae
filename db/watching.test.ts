/** Which beats make a register "taken", under each policy: db/heartbeats.ts, [Note: Who takes a register]. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { CameraState, Heartbeat } from '#contract/device'
import { SchoolPolicy } from '#contract/policy'
import type { Database } from './connect.ts'
import { saveHeartbeat } from './heartbeats.ts'
import { register } from './registers.ts'
import { openDemoSchool, roomSchedule } from './test-school.ts'

/** A Monday, 10:20 in Stockholm. */
const NOW = new Date('2026-03-02T09:20:00Z')
const MINUTE_MS = 60_000

let db: Database
let close: () => Promise<void>
let lesson: { lesson_id: string; held_on: string; starts_at: string; ends_at: string }
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
  lesson = (await roomSchedule(db, 'LAB-301', NOW))!.current_class!
})
afterAll(() => close())
beforeEach(() => db.sql`TRUNCATE lesson_watches`)

type Told = Pick<Heartbeat, 'camera' | 'model'> & { lesson?: Heartbeat['lesson'] }

/** The whole lesson long, once a minute, the kiosk tells this. @returns what stands of a student whom nobody marked */
async function statusAfter(policy: SchoolPolicy, told: Told): Promise<string | undefined> {
  await db.sql`UPDATE school SET policy = ${policy}`
  const { lesson_id, held_on } = lesson
  for (let at = Date.parse(lesson.starts_at); at < Date.parse(lesson.ends_at); at += MINUTE_MS) {
    await saveHeartbeat(db, { device_id: 'pi-lab301', lesson: { lesson_id, held_on }, ...told }, new Date(at))
  }
  return (await register(db, held_on, lesson_id, new Date(Date.parse(lesson.ends_at) + MINUTE_MS)))?.entries[0]?.status
}

const MODEL = 'mobilefacenet-192-r1'
const FAULTS: CameraState[] = ['none', 'denied', 'lost', 'black', 'frozen']

describe('a register is taken by a kiosk that could mark whoever came', () => {
  test.each(SchoolPolicy.options)('under %s by one with a live camera and a loaded model: an old app, or one that has not heard yet', async (policy) => {
    expect(await statusAfter(policy, { camera: 'live', model: MODEL })).toBe('absent')
  })

  test('under no-biometrics by one that has the lesson on its screen, with neither camera nor model', async () => {
    expect(await statusAfter('no-biometrics', { camera: 'off', model: null })).toBe('absent')
  })

  test('under verify-only by one whose camera rests and whose model is loaded', async () => {
    expect(await statusAfter('verify-only', { camera: 'off', model: MODEL })).toBe('absent')
    await db.sql`TRUNCATE lesson_watches`
    expect(await statusAfter('verify-only', { camera: 'starting', model: MODEL })).toBe('absent')
  })
})

describe('and by no other', () => {
  test('under default by none whose camera is closed', async () => {
    expect(await statusAfter('default', { camera: 'off', model: MODEL })).toBe('not_taken')
    expect(await statusAfter('default', { camera: 'off', model: null })).toBe('not_taken')
  })

  test('under verify-only by none that cannot compare: no model, or a camera that did not work when it was wanted', async () => {
    expect(await statusAfter('verify-only', { camera: 'off', model: null })).toBe('not_taken')
    for (const camera of FAULTS) expect(await statusAfter('verify-only', { camera, model: MODEL })).toBe('not_taken')
  })

  test.each(SchoolPolicy.options)('under %s by none that has no lesson on its screen, and by no script that says nothing of a camera', async (policy) => {
    expect(await statusAfter(policy, { camera: 'off', model: MODEL, lesson: null })).toBe('not_taken')
    expect(await statusAfter(policy, {})).toBe('not_taken')
  })

  test('under no-biometrics by none that was dead for most of the lesson', async () => {
    await db.sql`UPDATE school SET policy = 'no-biometrics'`
    const { lesson_id, held_on } = lesson
    for (let i = 0; i < 5; i++) await saveHeartbeat(db, { device_id: 'pi-lab301', camera: 'off', model: null, lesson: { lesson_id, held_on } }, new Date(Date.parse(lesson.starts_at) + i * MINUTE_MS))
    expect((await register(db, held_on, lesson_id, new Date(Date.parse(lesson.ends_at) + MINUTE_MS)))?.entries[0]?.status).toBe('not_taken')
  })
})
