import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LIKENESS_LEVELS } from '#contract/look-alike'
import { CURRENT_MODEL, EMBEDDING_LENGTH, cosine, unpackEmbedding } from '#contract/model'
import { openRotation, seedOfText } from '#contract/rotation'
import { Schedule } from '#contract/schedule'
import { saveConsent } from '../../db/consents.ts'
import { saveStudent, saveTemplates } from '../../db/people.ts'
import { startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

let now = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => now)
})
afterAll(() => school.stop())

const get = (query: string, more: Record<string, string> = {}, key: string | undefined = school.deviceKey): Promise<Response> =>
  Promise.resolve(school.app.request(`/api/v1/schedule${query}`, { headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), ...more } }))

it('tells a room\'s kiosk its lesson, its students and how to work', async () => {
  const response = await get('?room_id=LAB-301')
  expect(response.status).toBe(200)
  const schedule = Schedule.parse(await response.json())
  expect(schedule.room.room_id).toBe('LAB-301')
  expect(schedule.now).toBe(now.toISOString())
  expect(schedule.settings).toEqual({ ...school.parts.settings, liveness: 'watch', policy: 'default' })
  expect(schedule.current_class?.student_ids.length).toBeGreaterThan(0)
  expect(schedule.students).toHaveLength(schedule.current_class?.student_ids.length ?? 0)
})

it('is unchanged as long as only the clock moves, and changed when a student is', async () => {
  const etag = (await get('?room_id=LAB-301')).headers.get('etag') ?? ''
  expect(etag).toMatch(/^"[\w-]+"$/)
  now = new Date(now.getTime() + 60_000)
  for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    const response = await get('?room_id=LAB-301', { 'if-none-match': tag })
    expect(response.status, tag).toBe(304)
    expect(await response.text()).toBe('')
    expect(response.headers.get('etag')).toBe(etag)
  }
  await saveStudent(school.db, 'S001', { first_name: 'Renamed', last_name: 'Student', email: null })
  const changed = await get('?room_id=LAB-301', { 'if-none-match': etag })
  expect(changed.status).toBe(200)
  expect(changed.headers.get('etag')).not.toBe(etag)
})

it('travels compressed, and its weakened tag still counts', async () => {
  const response = await get('?room_id=LAB-301', { 'accept-encoding': 'gzip' })
  expect(response.headers.get('content-encoding')).toBe('gzip')
  const schedule = Schedule.parse(JSON.parse(gunzipSync(Buffer.from(await response.arrayBuffer())).toString()))
  expect(schedule.room.room_id).toBe('LAB-301')
  const again = await get('?room_id=LAB-301', { 'accept-encoding': 'gzip', 'if-none-match': response.headers.get('etag') ?? '' })
  expect(again.status).toBe(304)
})

it('shows a device its own room alone, a script every room, and a stranger none', async () => {
  expect((await get('?room_id=HALL-1')).status).toBe(403)
  expect((await get('?room_id=HALL-1', {}, school.apiKey)).status).toBe(200)
  expect((await get('?room_id=LAB-301', {}, '')).status).toBe(401)
})

it('brings templates to the room\'s kiosk alone, turned by the rotation that comes with them, and none to a script', async () => {
  const embedding = Array.from({ length: EMBEDDING_LENGTH[CURRENT_MODEL] }, (_, i) => (i === 3 ? 1 : 0))
  await saveConsent(school.db, 'S002', { statement: 'I agree', given_by: 'the guardian' }, now)
  await saveTemplates(school.db, school.parts.keyring, 'S002', [{ model: CURRENT_MODEL, embedding }], now, { levels: LIKENESS_LEVELS })
  const toldTo = async (key: string) => Schedule.parse(await (await get('?room_id=LAB-301', {}, key)).json())
  const [kiosk, script] = [await toldTo(school.deviceKey), await toldTo(school.apiKey)]
  const [template] = kiosk.students.flatMap(({ templates }) => templates)
  const [told] = kiosk.rotations
  expect(told?.model).toBe(CURRENT_MODEL)
  const sent = unpackEmbedding(template?.embedding ?? '')
  const rotation = await openRotation(CURRENT_MODEL, seedOfText(told?.seed ?? ''))
  expect(cosine(rotation.rotate(embedding), sent)).toBeCloseTo(1, 4)
  expect(Math.abs(cosine(embedding, sent))).toBeLessThan(0.5)
  expect(script.students.map(({ student_id }) => student_id)).toEqual(kiosk.students.map(({ student_id }) => student_id))
  expect([...script.students, ...script.ahead.students].flatMap(({ templates }) => templates)).toEqual([])
  expect(script.rotations).toEqual([])
})

it('refuses a room that is missing, malformed or unknown', async () => {
  expect((await get('')).status).toBe(422)
  expect(await (await get('?room_id=')).json()).toMatchObject({ code: 'invalid_request', errors: [{ field: 'room_id', message: 'must not be empty' }] })
  expect((await get('?room_id=%27%3B--')).status).toBe(422)
  expect((await get('?room_id=NOWHERE', {}, school.apiKey)).status).toBe(404)
})
