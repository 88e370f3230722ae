import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { drawn } from './mark-sample.ts'

const KEY = randomBytes(32)
const marks = (count: number, answered: readonly number[] = []) => Array.from({ length: count }, (_, n) => ({ student_id: `S${n}`, answer: answered.includes(n) ? 'yes' : null }))
const LESSON = { held_on: '2026-11-23', lesson_id: '12' }
const ids = (list: { student_id: string }[]): string[] => list.map(({ student_id }) => student_id)

test('at most three marks are asked about, the same each time, others in another lesson or under another key', () => {
  expect(drawn(KEY, LESSON, marks(30))).toHaveLength(3)
  expect(drawn(KEY, LESSON, marks(2))).toHaveLength(2)
  expect(drawn(KEY, LESSON, [])).toEqual([])
  expect(ids(drawn(KEY, LESSON, marks(30)))).toEqual(ids(drawn(KEY, LESSON, marks(30).toReversed())))
  const days = Array.from({ length: 20 }, (_, n) => ids(drawn(KEY, { ...LESSON, held_on: `2026-11-${String(n + 1).padStart(2, '0')}` }, marks(30))).join())
  expect(new Set(days).size).toBe(20)
  expect(ids(drawn(randomBytes(32), LESSON, marks(300)))).not.toEqual(ids(drawn(KEY, LESSON, marks(300))))
})

test('what was answered stays, and nobody is asked about a fourth because more marks came', () => {
  const [first] = drawn(KEY, LESSON, marks(3))
  const answered = Number(first?.student_id.slice(1))
  for (const count of [5, 50, 500]) {
    const later = drawn(KEY, LESSON, marks(count, [answered]))
    expect(ids(later)).toContain(first?.student_id)
    expect(later).toHaveLength(3)
  }
  expect(ids(drawn(KEY, LESSON, marks(500, [0, 1, 2]))).toSorted()).toEqual(['S0', 'S1', 'S2'])
})

test('every mark is as likely as every other', () => {
  const times = new Map<string, number>()
  for (let n = 0; n < 2_000; n++) for (const { student_id } of drawn(KEY, { ...LESSON, lesson_id: `L${n}` }, marks(20))) times.set(student_id, (times.get(student_id) ?? 0) + 1)
  // 300 on average, of 2,000 draws at .15: six times the spread of 16.
  for (const count of times.values()) expect(Math.abs(count - 300)).toBeLessThan(96)
  expect(times.size).toBe(20)
})
