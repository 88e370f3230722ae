import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Lesson } from '#contract/schedule'
import { OPENS_EARLY_MS, lessonAt, nextLesson } from './lesson-clock.ts'

const HOUR = 3600_000

function lesson(id: string, startsAt: number, endsAt: number): Lesson {
  return {
    lesson_id: id, held_on: '2026-11-23', course_id: 'C', course_code: 'C', course_name: 'C', room_id: 'R',
    starts_at: new Date(startsAt).toISOString(), ends_at: new Date(endsAt).toISOString(), student_ids: [],
  }
}

describe('lesson clock', () => {
  const day = [lesson('a', 0, HOUR), lesson('b', HOUR, 2 * HOUR), lesson('c', 4 * HOUR, 5 * HOUR)]

  it('is in the running lesson, also in its last ten minutes', () => {
    expect(lessonAt(day, HOUR - 1)?.lesson_id).toBe('a')
    expect(lessonAt(day, HOUR)?.lesson_id).toBe('b')
  })

  it('opens the next lesson a little early when the room is free', () => {
    expect(lessonAt(day, 4 * HOUR - OPENS_EARLY_MS)?.lesson_id).toBe('c')
    expect(lessonAt(day, 4 * HOUR - OPENS_EARLY_MS - 1)).toBeUndefined()
  })

  it('names as next only a lesson that has not begun, and the first of them', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 24 }), { maxLength: 10 }), fc.integer({ min: 0, max: 24 * HOUR }), (starts, now) => {
        const next = nextLesson(starts.map((start, i) => lesson(String(i), start * HOUR, (start + 1) * HOUR)), now)
        const later = starts.map((start) => start * HOUR).filter((start) => start > now)
        expect(next && Date.parse(next.starts_at)).toBe(later.length ? Math.min(...later) : undefined)
      }),
    )
  })
})
