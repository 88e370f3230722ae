import { afterAll, beforeAll, expect, it } from 'vitest'
import { Problem } from '#contract/problem'
import { Room, Rooms } from '#contract/rooms'
import { Schedule } from '#contract/schedule'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => new Date('2026-11-23T09:20:00Z'))
})
afterAll(() => school.stop())

const ask = (path: string, method = 'GET', body?: unknown, key: string = school.apiKey): Promise<Response> => Promise.resolve(school.app.request(`/api/v1/${path}`, asked(key, body, method)))
const scheduleOf = async (room: string): Promise<Schedule> => Schedule.parse(await (await ask(`schedule?room_id=${room}`)).json())

it('a room watches for pictures until the office says otherwise', async () => {
  const { rooms } = Rooms.parse(await (await ask('rooms')).json())
  expect(rooms.length).toBeGreaterThan(1)
  for (const room of rooms) expect(room.liveness).toBe('watch')
  expect(rooms.find(({ room_id }) => room_id === 'LAB-301')).toMatchObject({ kiosks: 1 })
})

it('what the office sets is what the room\'s kiosk is told, and no other room\'s', async () => {
  const before = (await ask('schedule?room_id=LAB-301')).headers.get('etag')
  for (const liveness of ['require', 'off'] as const) {
    const answer = await ask('rooms/LAB-301', 'PUT', { liveness })
    expect(answer.status).toBe(200)
    expect(Room.parse(await answer.json())).toMatchObject({ room_id: 'LAB-301', liveness })
    expect((await scheduleOf('LAB-301')).settings.liveness).toBe(liveness)
    expect((await scheduleOf('HALL-1')).settings.liveness).toBe('watch')
  }
  expect((await ask('schedule?room_id=LAB-301')).headers.get('etag')).not.toBe(before)
})

it('an unknown room or policy is refused by name', async () => {
  expect((await ask('rooms/CELLAR-9', 'PUT', { liveness: 'off' })).status).toBe(404)
  const problem = Problem.parse(await (await ask('rooms/LAB-301', 'PUT', { liveness: 'sometimes' })).json())
  expect(problem.errors?.map(({ field }) => field)).toEqual(['liveness'])
})

it('a kiosk may neither list the rooms nor change its own policy', async () => {
  expect((await ask('rooms', 'GET', undefined, school.deviceKey)).status).toBe(403)
  expect((await ask('rooms/LAB-301', 'PUT', { liveness: 'off' }, school.deviceKey)).status).toBe(403)
})
