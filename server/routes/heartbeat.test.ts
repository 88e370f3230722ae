import { afterAll, beforeAll, expect, it } from 'vitest'
import { HeartbeatAnswer } from '#contract/device'
import type { Heartbeat } from '#contract/device'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
})
afterAll(() => school.stop())

const beat = (body: unknown, key: string | undefined = school.deviceKey): Promise<Response> => Promise.resolve(school.app.request('/api/v1/heartbeat', asked(key, body)))

it('is kept, and answered with the time and the build to run', async () => {
  const full: Heartbeat = { device_id: 'pi-lab301', app_version: '1', model: 'mobilefacenet-192-r1', lesson: null, camera: 'live', frame_ms: 40.5, embed_ms: null, frames: 900, faces: 3, unsent_marks: 2, refused_marks: 0, roster_pulled_at: NOW.toISOString(), storage_persisted: false }
  const response = await beat(full)
  expect(HeartbeatAnswer.parse(await response.json())).toEqual({ now: NOW.toISOString(), app_version: '0.0.0+test', roster_version: expect.stringMatching(/^\d+$/) })
  const [device] = await school.db.sql<{ last_seen_at: string; unsent: number }[]>`
    SELECT last_seen_at::text AS last_seen_at, (last_heartbeat->>'unsent_marks')::integer AS unsent FROM devices WHERE device_id = 'pi-lab301'`
  expect(device).toMatchObject({ unsent: 2 })
  expect(Date.parse(device?.last_seen_at ?? '')).toBe(NOW.getTime())
})

it('needs no more than the device\'s name, so that a script can beat too', async () => {
  expect((await beat({ device_id: 'pi-lab301' })).status).toBe(200)
  expect((await beat({ device_id: 'pi-lab301' }, school.apiKey)).status).toBe(200)
})

it('of another device, an unknown device or nobody is refused', async () => {
  expect((await beat({ device_id: 'pi-other' })).status).toBe(403)
  expect((await beat({ device_id: 'pi-other' }, school.apiKey)).status).toBe(422)
  expect((await beat({ device_id: 'pi-lab301' }, 'wrong')).status).toBe(401)
})

it('that makes no sense is refused by field, never with a fault of ours', async () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ frames: -1 }, 'frames'],
    [{ frame_ms: 1e12 }, 'frame_ms'],
    [{ camera: 'exploded' }, 'camera'],
    [{ lesson: { lesson_id: '1', held_on: 'today' } }, 'lesson.held_on'],
    [{ storage_persisted: 'yes' }, 'storage_persisted'],
  ]
  for (const [more, field] of cases) {
    const response = await beat({ device_id: 'pi-lab301', ...more })
    expect(response.status).toBe(422)
    expect(await response.json()).toMatchObject({ errors: [{ field }] })
  }
  expect((await beat({ device_id: 'pi-lab301', model: 'mobilefacenet-192-r1', camera: 'live', lesson: { lesson_id: '999999', held_on: '0000-01-01' } })).status).toBeLessThan(500)
  expect((await beat({ device_id: 'pi-lab301', app_version: 'a\0b' })).status).toBeLessThan(500)
})
