import { expect, test } from 'vitest'
import { seal, unseal, withoutTemplates } from './roster.ts'
import type { SavedRoster } from './roster.ts'

const roster: SavedRoster = {
  schedule: {
    room: { room_id: 'LAB-301', name: 'Lab 301' },
    school: { name: 'School', time_zone: 'Europe/Stockholm' },
    now: '2026-11-23T08:00:00Z',
    settings: { false_accept_budget: 0.003, liveness: 'watch', score_floor: 0.5, recognition_threshold: 0.65, debounce_seconds: 30, frame_skip: 0, camera_fps: 15 },
    current_class: null,
    students: [{ student_id: 'S1', first_name: 'Åsa', last_name: 'Öberg', templates: [], look_alikes: ['S2'], pin: { salt: 'c2FsdA==', hash: 'aGFzaA==', iterations: 40_000 } }],
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
  const sealed = await seal(roster)
  new Uint8Array(sealed.sealed)[3]! ^= 1
  expect(await unseal(sealed)).toBeUndefined()
})

test('a roster that another version of the app wrote in another form is no roster', async () => {
  const other = { ...roster, schedule: { ...roster.schedule, settings: { threshold: 1 } } } as unknown as SavedRoster
  expect(await unseal(await seal(other))).toBeUndefined()
})

test('a roster whose templates have lapsed still lets a PIN in', () => {
  expect(withoutTemplates(roster).schedule.students).toEqual([{ ...roster.schedule.students[0], templates: [] }])
  expect(withoutTemplates(roster).schedule.students[0]?.pin).not.toBeNull()
})
