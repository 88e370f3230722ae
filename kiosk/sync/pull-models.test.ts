import { expect, test } from 'vitest'
import { EMBEDDING_LENGTH, packEmbedding } from '#contract/model'
import type { ModelId } from '#contract/model'
import type { RosterStudent } from '#contract/schedule'
import { keepOwnTemplates } from './pull.ts'

const TEMPLATE_ID = '019ab000-0000-7000-8000-0000000000aa'
const axis = (model: ModelId, at: number): number[] => Array.from({ length: EMBEDDING_LENGTH[model] }, (_, i) => (i === at ? 1 : 0))

function student(id: number, { first, second }: { first: number[]; second: number[] }): RosterStudent {
  const of = (model: ModelId) => (at: number) => ({ template_id: TEMPLATE_ID, model, embedding: packEmbedding(axis(model, at)) })
  return {
    student_id: `S${id}`,
    first_name: 'Ada',
    last_name: 'Lovelace',
    templates: [...first.map(of('mobilefacenet-192-r1')), ...second.map(of('faceres-1024-r1'))],
    look_alikes: [],
    pin: null,
    card: null,
  }
}

test('a kiosk keeps of a student who has both models\' templates those of its own alone', () => {
  const settings = { false_accept_budget: 0.003, score_floor: 0.5, recognition_threshold: 0.65, liveness: 'watch' as const, policy: 'default' as const, debounce_seconds: 30, frame_skip: 0, camera_fps: 15 }
  const { schedule, refusedTemplates } = keepOwnTemplates({
    room: { room_id: 'LAB-301', name: 'Lab 301' },
    school: { name: 'School', time_zone: 'Europe/Stockholm' },
    now: '2026-11-23T08:00:00Z',
    settings,
    rotations: [],
    current_class: null,
    students: [student(1, { first: [1], second: [2, 3] })],
    ahead: { lessons: [], students: [student(2, { first: [], second: [4] })] },
  })
  expect([...schedule.students, ...schedule.ahead.students].map(({ templates }) => templates.map(({ model }) => model))).toEqual([['mobilefacenet-192-r1'], []])
  expect(refusedTemplates).toBe(3)
})
