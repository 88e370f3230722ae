import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { AlarmKind } from '#contract/kiosks'
import { clearFence, closeAlarm, openAlarms } from './alarms.ts'
import type { Database } from './connect.ts'
import { saveDevice } from './devices.ts'
import { kiosks, silentKiosks } from './kiosks.ts'
import { openDemoSchool } from './test-school.ts'

/** A Monday, 10:20 in Stockholm. */
const NOW = new Date('2026-03-02T09:20:00Z')
const FIVE_MINUTES_AGO = new Date(NOW.getTime() - 300_000)

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
  await saveDevice(db, { device_id: 'pi-hall', room_id: 'HALL-1', key: 'h'.repeat(43) })
})
afterAll(() => close())
beforeEach(async () => {
  await db.sql`DELETE FROM device_alarms`
  await db.sql`DELETE FROM device_stores`
  await db.sql`UPDATE devices SET fenced_at = NULL, revoked_at = NULL, last_seen_at = NULL, last_heartbeat = NULL`
})

async function raise(kind: AlarmKind, device_id = 'pi-lab301', store_id = randomUUID()): Promise<number> {
  const [row] = await db.sql<{ alarm_id: number }[]>`
    INSERT INTO device_alarms (device_id, kind, store_id, marks, raised_at) VALUES (${device_id}, ${kind}, ${store_id}, 3, ${NOW.toISOString()}::timestamptz) RETURNING alarm_id`
  return row?.alarm_id ?? 0
}

test('an alarm stands until somebody has looked, and its row stays after that', async () => {
  const id = await raise('marks_missing')
  expect(await openAlarms(db)).toMatchObject([{ device_id: 'pi-lab301', alarm_id: id, kind: 'marks_missing', marks: 3, raised_at: NOW.toISOString() }])
  expect(await closeAlarm(db, 'pi-hall', id, 'office', NOW)).toBe('absent')
  expect(await closeAlarm(db, 'pi-lab301', id, 'office', NOW)).toBe('done')
  expect(await closeAlarm(db, 'pi-lab301', id, 'somebody else', NOW)).toBe('closed')
  expect(await openAlarms(db)).toEqual([])
  expect(await db.sql`SELECT closed_by FROM device_alarms WHERE alarm_id = ${id}`).toEqual([{ closed_by: 'office' }])
})

test('a copied storage is not looked away: its alarm goes with the fence alone, and the next heartbeat is believed', async () => {
  const [copied, missing] = [await raise('storage_copied'), await raise('marks_missing')]
  const store = randomUUID()
  await db.sql`UPDATE devices SET fenced_at = ${NOW.toISOString()}::timestamptz WHERE device_id = 'pi-lab301'`
  await db.sql`
    INSERT INTO device_stores (device_id, store_id, first_at, last_at, made, received, fence, fence_from)
    VALUES ('pi-lab301', ${store}, now(), now(), 7, '{[1,8)}', ${randomUUID()}, ${randomUUID()})`
  expect(await closeAlarm(db, 'pi-lab301', copied, 'office', NOW)).toBe('fenced')
  expect(await closeAlarm(db, 'pi-lab301', missing, 'office', NOW)).toBe('done')
  expect((await kiosks(db)).find(({ device_id }) => device_id === 'pi-lab301')).toMatchObject({ fenced_at: NOW.toISOString(), alarms: [{ alarm_id: copied }] })

  expect(await clearFence(db, 'nobody', 'office', NOW)).toBe(false)
  expect(await clearFence(db, 'pi-lab301', 'office', NOW)).toBe(true)
  expect((await kiosks(db)).find(({ device_id }) => device_id === 'pi-lab301')).toMatchObject({ fenced_at: null, alarms: [] })
  // What was received from it is still known: only the fence is forgotten.
  expect(await db.sql`SELECT made, received::text AS received, fence, fence_from FROM device_stores`).toEqual([{ made: 7, received: '{[1,8)}', fence: null, fence_from: null }])
  expect(await db.sql`SELECT closed_by FROM device_alarms WHERE alarm_id = ${copied}`).toEqual([{ closed_by: 'office' }])
})

test('each kiosk is told as its newest heartbeat told it; what an older app did not say is null', async () => {
  const beat = { device_id: 'pi-lab301', app_version: '1.2', camera: 'live', unsent_marks: 2, refused_marks: 0, clock_offset_ms: -9_000_000, storage_persisted: true, roster_pulled_at: '0000-01-01T00:00:00Z', later: { nothing: 'we know' } }
  await db.sql`UPDATE devices SET last_seen_at = ${NOW.toISOString()}::timestamptz, last_heartbeat = ${JSON.stringify(beat)}::text::jsonb WHERE device_id = 'pi-lab301'`
  const known = await kiosks(db)
  expect(known.map(({ device_id }) => device_id)).toEqual(['pi-hall', 'pi-lab301'])
  expect(known[0]).toMatchObject({ room_id: 'HALL-1', last_seen_at: null, app_version: null, camera: null, unsent_marks: null, clock_offset_ms: null, storage_persisted: null, alarms: [] })
  expect(known[1]).toMatchObject({ room_id: 'LAB-301', last_seen_at: NOW.toISOString(), app_version: '1.2', camera: 'live', unsent_marks: 2, refused_marks: 0, clock_offset_ms: -9_000_000, storage_persisted: true })
})

test('silent is a kiosk in whose room a lesson is on and of which nothing was heard for too long; a revoked one is not missed', async () => {
  const silent = async () => (await silentKiosks(db, FIVE_MINUTES_AGO, NOW)).map(({ device_id }) => device_id)
  // HALL-1 has no lesson at this hour.
  expect(await silent()).toEqual(['pi-lab301'])
  expect((await silentKiosks(db, FIVE_MINUTES_AGO, NOW))[0]).toMatchObject({ room_id: 'LAB-301', last_seen_at: null, lesson: { held_on: '2026-03-02' } })
  const heard = (at: number) => db.sql`UPDATE devices SET last_seen_at = ${new Date(at).toISOString()}::timestamptz WHERE device_id = 'pi-lab301'`
  await heard(FIVE_MINUTES_AGO.getTime())
  expect(await silent()).toEqual([])
  await heard(FIVE_MINUTES_AGO.getTime() - 1)
  expect(await silent()).toEqual(['pi-lab301'])
  await db.sql`UPDATE devices SET revoked_at = now() WHERE device_id = 'pi-lab301'`
  expect(await silent()).toEqual([])
})
