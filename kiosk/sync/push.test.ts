import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AttendanceRecord } from '#contract/attendance'
import type { SavedMark } from '../store/store.ts'
import { namedMarks, queuedMarks, recordOf } from './push.ts'

function mark(student: number, over: Partial<SavedMark> = {}): SavedMark {
  return {
    mark_id: `019ab000-0000-7000-8000-${String(student).padStart(12, '0')}`,
    student_id: `S${student}`,
    course_id: 'CS101',
    lesson_id: '7',
    held_on: '2026-11-23',
    timestamp: '2026-11-23T08:05:00.123Z',
    confidence: 0.91,
    model: 'mobilefacenet-192-r1',
    state: 'unsent',
    last_seen: '2026-11-23T08:25:00.000Z',
    ...over,
  }
}

test('what is sent of a mark fits the contract, says nothing more than the server needs and takes less than 400 bytes', () => {
  fc.assert(
    fc.property(fc.double({ min: -1.1, max: 1.1, noNaN: true }), (confidence) => {
      const record = recordOf(mark(1, { confidence, why: 'x', method: 'face_and_tap', doubt: 'looks_like_a_picture', course_id: 'MATH-ADV-2026.A', lesson_id: '123456', sequence: 123_456, clock_offset_ms: -1_795_000_000_000, unsure: { life: 'one', monotonic: 12_345.6 } }))
      expect(AttendanceRecord.parse(record)).toEqual(record)
      for (const kept of ['last_seen', 'state', 'why', 'unsure']) expect(Object.keys(record)).not.toContain(kept)
      expect(new TextEncoder().encode(JSON.stringify(record)).length).toBeLessThan(400)
    }),
  )
})

test('a mark says how it came about and what is doubted of it, and one of an older app says neither', () => {
  expect(recordOf(mark(1))).not.toHaveProperty('doubt')
  expect(AttendanceRecord.parse(recordOf(mark(1))).method).toBeUndefined()
  const pin = recordOf(mark(1, { method: 'pin', confidence: 1, model: undefined, doubt: 'no_life_seen' }))
  expect(AttendanceRecord.parse(JSON.parse(JSON.stringify(pin)))).toMatchObject({ method: 'pin', confidence: 1, doubt: 'no_life_seen' })
  expect(JSON.stringify(pin)).not.toContain('model')
})

test('a mark tells its number and how far the clock was off, and a clock that is off by more than a century tells nothing', () => {
  expect(recordOf(mark(1, { sequence: 7, clock_offset_ms: 9_000_000 }))).toMatchObject({ sequence: 7, clock_offset_ms: 9_000_000 })
  expect(recordOf(mark(1, { clock_offset_ms: 1e15 }))).not.toHaveProperty('clock_offset_ms')
  expect(recordOf(mark(1))).not.toHaveProperty('sequence')
})

test('a mark whose lesson nobody can know here is sent without one, and is the same mark', () => {
  const { lesson_id, held_on, ...rest } = recordOf(mark(1))
  expect([lesson_id, held_on]).not.toContain(undefined)
  expect(recordOf(mark(1, { unplaced: true }))).toEqual(rest)
  expect(AttendanceRecord.parse(rest)).toEqual(rest)
})

test('a mark that waits to be recorded is told apart from one that the answer leaves out', () => {
  const marks = [mark(1), mark(2), mark(3)]
  const results = [{ index: 0, outcome: 'queued' }, { index: 1, outcome: 'stored' }, { index: 0, outcome: 'queued' }, { index: 2, outcome: 'queued', student_id: 'S1' }, { index: 9, outcome: 'queued' }]
  expect(queuedMarks(marks, results).map(({ student_id }) => student_id)).toEqual(['S1'])
  expect(namedMarks(marks, results).map(({ mark: { student_id } }) => student_id)).toEqual(['S2'])
})

test('only a result that names the mark settles it', () => {
  const marks = [mark(1), mark(2), mark(3)]
  const stored = (index: number, ids: object = {}) => ({ index, outcome: 'stored', ...ids })
  const settled = (results: unknown[]) => namedMarks(marks, results).map(({ mark: { student_id }, state, why }) => [student_id, state, why])
  expect(settled([])).toEqual([])
  expect(settled([stored(0), { index: 1, outcome: 'duplicate' }])).toEqual([['S1', 'stored', undefined], ['S2', 'stored', undefined]])
  expect(settled([{ index: 0, outcome: 'queued', mark_id: mark(1).mark_id }])).toEqual([])
  expect(settled([stored(0, { mark_id: mark(2).mark_id }), stored(1, { student_id: 'S1' })])).toEqual([])
  expect(settled([stored(7), stored(-1), stored(0.5), null, 'stored', { index: 0 }, { outcome: 'stored' }])).toEqual([])
  expect(settled([{ index: 2, outcome: 'refused', code: 'unknown_student', message: 'there is no student S3' }])).toEqual([['S3', 'refused', 'there is no student S3']])
})

test('an outcome or a code that this app has never heard of does not cost the others their receipts', () => {
  const marks = [mark(1), mark(2), mark(3)]
  const named = namedMarks(marks, [{ index: 0, outcome: 'archived' }, { index: 1, outcome: 'refused', code: 'not_invented_yet' }, { index: 2, outcome: 'stored', colour: 'green' }])
  expect(named.map(({ mark: { student_id }, state, why }) => [student_id, state, why])).toEqual([['S2', 'refused', 'not_invented_yet'], ['S3', 'stored', undefined]])
})

test('whatever an answer holds, no mark is settled twice or without being sent', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.anything(), fc.record({ index: fc.integer({ min: -2, max: 5 }), outcome: fc.constantFrom('stored', 'duplicate', 'queued', 'refused') }))), (results) => {
      const marks = [mark(1), mark(2)]
      const named = namedMarks(marks, results).map((each) => each.mark)
      expect(new Set(named).size).toBe(named.length)
      for (const each of named) expect(marks).toContain(each)
    }),
  )
})
