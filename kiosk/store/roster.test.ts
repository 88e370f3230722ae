import { expect, test } from 'vitest'
import { packEmbedding } from '#contract/model'
import { outlineOf, seal, unseal, withoutTemplates } from './roster.ts'
import type { SavedRoster } from './roster.ts'

const roster: SavedRoster = {
  schedule: {
    room: { room_id: 'LAB-301', name: 'Lab 301' },
    school: { name: 'School', time_zone: 'Europe/Stockholm' },
    now: '2026-11-23T08:00:00Z',
    settings: { false_accept_budget: 0.003, liveness: 'watch', policy: 'default', score_floor: 0.5, recognition_threshold: 0.65, debounce_seconds: 30, frame_skip: 0, camera_fps: 15 },
    rotations: [],
    current_class: null,
    students: [{ student_id: 'S1', first_name: 'Åsa', last_name: 'Öberg', templates: [], look_alikes: ['S2'], pin: { salt: 'c2FsdA==', hash: 'aGFzaA==', iterations: 40_000 }, card: null }],
    ahead: { lessons: [], students: [] },
  },
  etag: undefined,
  pulledAt: 5,
  refusedTemplates: 0,
  lapsed: false,
}

test('what was sealed comes out as it went in', async () => {
  expect(await unseal(await seal(roster))).toEqual(roster)
})

test('a seal with one bit changed opens to nothing', async () => {
  const whole = await seal(roster)
  const bytes = await whole.sealed.bytes()
  bytes[3]! ^= 1
  expect(await unseal({ ...whole, sealed: new Blob([bytes]) })).toBeUndefined()
})

test('a roster that another version of the app wrote in another form is no roster', async () => {
  const other = { ...roster, schedule: { ...roster.schedule, settings: { threshold: 1 } } } as unknown as SavedRoster
  expect(await unseal(await seal(other))).toBeUndefined()
})

test('a roster whose templates have lapsed still lets a PIN in', () => {
  expect(withoutTemplates(roster).schedule.students).toEqual([{ ...roster.schedule.students[0], templates: [] }])
  expect(withoutTemplates(roster).schedule.students[0]?.pin).not.toBeNull()
})

test('the outline that stays in memory has the lessons and who takes them, and nothing that anybody could be recognised or checked by', () => {
  const [student] = roster.schedule.students
  const template = { template_id: '019ab000-0000-7000-8000-0000000000aa', model: 'mobilefacenet-192-r1' as const, embedding: packEmbedding(Array.from({ length: 192 }, (_, at) => Math.sin(at) / 10)) }
  const whole = { ...student!, templates: [template], card: 'dG9rZW4=' }
  const schedule = { ...roster.schedule, rotations: [{ model: 'mobilefacenet-192-r1', seed: 'c2VlZA==' }], students: [whole], ahead: { lessons: [], students: [whole] } }
  const text = JSON.stringify(outlineOf({ ...roster, etag: '"7"', schedule }))
  expect(outlineOf({ ...roster, etag: '"7"', schedule })).toMatchObject({ etag: '"7"', pulledAt: 5, lapsed: false, schedule: { students: [{ student_id: 'S1', first_name: 'Åsa' }], ahead: { students: [{ student_id: 'S1' }] } } })
  for (const secret of [template.embedding, 'c2VlZA==', 'aGFzaA==', 'dG9rZW4=']) expect(text).not.toContain(secret)
})
