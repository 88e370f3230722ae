import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Operations } from '#contract/kiosks'
import { setAside } from '../../db/set-aside.ts'
import { createApp } from '../app.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

/** A Monday, 10:20 in Stockholm; LAB-301 has a lesson at any hour. */
let now = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => now)
})
afterAll(() => school.stop())

async function operations(app = school.app): Promise<Operations> {
  return Operations.parse(await (await app.request('/api/v1/operations', asked(school.apiKey))).json())
}

it('tells of a school in which nothing needs anybody', async () => {
  await school.app.request('/api/v1/heartbeat', asked(school.deviceKey, { device_id: 'pi-lab301' }))
  expect(await operations()).toEqual({ now: now.toISOString(), time_zone: 'Europe/Stockholm', months_ahead: 3, queue: null, set_aside: 0, alarms: 0, silent: [] })
})

it('counts what is set aside, the open alarms and the months that are left', async () => {
  await setAside(school.db, [1, 2].map((n) => ({ record: { n }, device_id: undefined, code: 'set_aside', field: '', reason: 'none' })), now)
  await school.db.sql`INSERT INTO device_alarms (device_id, kind, store_id, raised_at) VALUES ('pi-lab301', 'marks_missing', ${randomUUID()}, now())`
  await school.db.sql`DROP TABLE attendance_logs_2027_01`
  expect(await operations()).toMatchObject({ set_aside: 2, alarms: 1, months_ahead: 1 })
  await school.db.sql`DROP TABLE attendance_logs_2026_12`
  // February is there; but a mark of December could not be stored.
  expect(await operations()).toMatchObject({ months_ahead: 0 })
  await school.db.sql`DELETE FROM set_aside`
  await school.db.sql`DELETE FROM device_alarms`
})

it('names the kiosk of which nothing was heard for five minutes while a lesson is on in its room', async () => {
  const before = now
  now = new Date(before.getTime() + 300_000)
  expect((await operations()).silent).toEqual([])
  now = new Date(before.getTime() + 300_001)
  expect((await operations()).silent).toMatchObject([{ device_id: 'pi-lab301', room_id: 'LAB-301', last_seen_at: before.toISOString(), lesson: { held_on: '2026-11-23' } }])
  now = before
})

it('tells how many marks wait in the queue, and that it does not know while Redis is away', async () => {
  const withQueue = (queueState: () => Promise<{ waiting: number; oldest_ms: number } | undefined>) => createApp({ ...school.parts, queueState })
  expect((await operations(withQueue(async () => ({ waiting: 7, oldest_ms: 1200 })))).queue).toEqual({ waiting: 7, oldest_ms: 1200 })
  expect((await operations(withQueue(async () => undefined))).queue).toEqual({ waiting: null, oldest_ms: null })
  expect((await operations(withQueue(() => Promise.reject(new Error('connection lost'))))).queue).toEqual({ waiting: null, oldest_ms: null })
})
