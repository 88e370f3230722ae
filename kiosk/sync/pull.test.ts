import { expect, test } from 'vitest'
import { packEmbedding } from '#contract/model'
import { Schedule } from '#contract/schedule'
import { keepOwnTemplates } from './pull.ts'

const axis = Array.from({ length: 192 }, (_, at) => (at === 7 ? 1 : 0))
const good = { template_id: '019ab000-0000-7000-8000-0000000000aa', model: 'mobilefacenet-192-r1', embedding: packEmbedding(axis) }
const student = (student_id: string, templates: unknown[]) => ({ student_id, first_name: 'Ada', last_name: 'Lovelace', templates, look_alikes: [], pin: null, card: null })

test("another model's templates, broken ones and such as are none stay out of the roster and are counted; the students stay", () => {
  const { schedule, refusedTemplates } = keepOwnTemplates({
    room: { room_id: 'LAB-301', name: 'Lab 301' },
    school: { name: 'School', time_zone: 'Europe/Stockholm' },
    now: '2026-11-23T08:00:00Z',
    settings: { false_accept_budget: 0.003, liveness: 'watch', policy: 'default', score_floor: 0.5, recognition_threshold: 0.65, debounce_seconds: 30, frame_skip: 0, camera_fps: 15 },
    rotations: [],
    current_class: null,
    students: [student('S1', [good, { ...good, model: 'mobilefacenet-192-r2' }]), student('S2', [[1, 0], axis.map((value) => value / 2), axis].map((embedding) => ({ ...good, embedding: packEmbedding(embedding).slice(embedding === axis ? 1 : 0) }))), student('S5', [{ ...good, embedding: axis }])],
    ahead: { lessons: [], students: [student('S3', [null, good]), student('S4', [])] },
  })
  expect(schedule.students.map((one) => one.templates)).toEqual([[good], [], []])
  expect(schedule.ahead.students.map((one) => one.templates)).toEqual([[good], []])
  expect(refusedTemplates).toBe(6)
  expect(Schedule.parse(schedule)).toEqual(schedule)
})
