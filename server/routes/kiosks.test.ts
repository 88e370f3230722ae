import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { AlarmKind } from '#contract/kiosks'
import { Kiosk, Kiosks } from '#contract/kiosks'
import { Problem } from '#contract/problem'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
})
afterAll(() => school.stop())
beforeEach(async () => {
  await school.db.sql`DELETE FROM device_alarms`
})

const ask = (path: string, body?: unknown, key: string = school.apiKey): Promise<Response> => Promise.resolve(school.app.request(`/api/v1/${path}`, asked(key, body)))
const beat = (more: object = {}): Promise<Response> => ask('heartbeat', { device_id: 'pi-lab301', ...more }, school.deviceKey)

async function raise(kind: AlarmKind): Promise<number> {
  const [row] = await school.db.sql<{ alarm_id: number }[]>`
    INSERT INTO device_alarms (device_id, kind, store_id, marks, raised_at) VALUES ('pi-lab301', ${kind}, ${randomUUID()}, 2, ${NOW.toISOString()}::timestamptz) RETURNING alarm_id`
  return row?.alarm_id ?? 0
}

it('each kiosk is listed as its newest heartbeat told it', async () => {
  const before = Kiosks.parse(await (await ask('kiosks')).json())
  expect(before).toMatchObject({ now: NOW.toISOString(), time_zone: 'Europe/Stockholm', app_version: '0.0.0+test', kiosks: [{ device_id: 'pi-lab301', room_id: 'LAB-301', last_seen_at: null, camera: null, unsent_marks: null, alarms: [] }] })
  await beat({ camera: 'black', app_version: '1.0', unsent_marks: 3, refused_marks: 1, clock_offset_ms: -7_200_000, storage_persisted: false, roster_pulled_at: '2026-11-23T09:10:00Z' })
  const { kiosks } = Kiosks.parse(await (await ask('kiosks')).json())
  expect(kiosks).toMatchObject([{
    last_seen_at: NOW.toISOString(), camera: 'black', app_version: '1.0', unsent_marks: 3, refused_marks: 1, clock_offset_ms: -7_200_000, storage_persisted: false, roster_pulled_at: '2026-11-23T09:10:00Z', fenced_at: null, revoked_at: null,
  }])
})

it('an alarm is closed by whoever has looked at it, once', async () => {
  const id = await raise('marks_missing')
  const answer = await ask(`kiosks/pi-lab301/alarms/${id}/close`, {})
  expect(Kiosk.parse(await answer.json())).toMatchObject({ device_id: 'pi-lab301', alarms: [] })
  expect((await ask(`kiosks/pi-lab301/alarms/${id}/close`, {})).status).toBe(409)
  expect((await ask(`kiosks/pi-lab301/alarms/${id + 1}/close`, {})).status).toBe(404)
  expect((await ask('kiosks/pi-lab301/alarms/0/close', {})).status).toBe(422)
  expect(await school.db.sql`SELECT closed_by FROM device_alarms WHERE alarm_id = ${id}`).toEqual([{ closed_by: 'script' }])
})

it('a fenced kiosk is shut out until the office says that it is the right one, and then is let in at once', async () => {
  const id = await raise('storage_copied')
  await school.db.sql`UPDATE devices SET fenced_at = ${NOW.toISOString()}::timestamptz WHERE device_id = 'pi-lab301'`
  await school.parts.devices.reload()
  expect(Problem.parse(await (await beat()).json()).code).toBe('fenced')

  const looking = await ask(`kiosks/pi-lab301/alarms/${id}/close`, {})
  expect(looking.status).toBe(409)
  expect(Problem.parse(await looking.json()).detail).toContain('clear the fence')

  expect(Kiosk.parse(await (await ask('kiosks/pi-lab301/clear-fence', {})).json())).toMatchObject({ fenced_at: null, alarms: [] })
  expect((await beat()).status).toBe(200)
  expect((await ask('kiosks/nobody/clear-fence', {})).status).toBe(404)
})
