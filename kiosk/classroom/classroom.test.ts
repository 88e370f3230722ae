import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Lesson } from '#contract/schedule'
import { OPENS_EARLY_MS, lessonAt, nextLesson } from './lesson-clock.ts'
import { readPairingLink } from './pairing-link.ts'
import { StageMedians } from './stage-medians.ts'

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

describe('pairing link', () => {
  it('is read whole, or refused with the missing part named', () => {
    const key = 'k'.repeat(43)
    expect(readPairingLink(`#device=pi-lab301&room=LAB-301&key=${key}`)).toEqual({ kind: 'pairing', pairing: { deviceId: 'pi-lab301', roomId: 'LAB-301', key } })
    expect(readPairingLink(`#device=pi-lab301&room=LAB-301&key=${key.slice(1)}`)).toMatchObject({ kind: 'broken', problem: expect.stringContaining('key') })
    expect(readPairingLink(`#device=pi-lab301&key=${key}`)).toMatchObject({ kind: 'broken', problem: expect.stringContaining('room') })
    expect(readPairingLink('')).toEqual({ kind: 'none' })
    expect(readPairingLink('#top')).toEqual({ kind: 'none' })
  })
})

describe('stage medians', () => {
  it('tells the middle of what was measured and starts afresh after each heartbeat', () => {
    const medians = new StageMedians()
    for (const frame of [30, 10, 20]) {
      medians.add({ takenAt: 0, width: 1, height: 1, faces: [{ embedding: new Float32Array(1) } as never], ms: { detect: 1, align: 2, embed: frame, frame } })
    }
    expect(medians.all()).toEqual({ detect: 1, align: 2, embed: 20, frame: 20 })
    expect(medians.takeSinceLast()).toEqual({ frame_ms: 20, embed_ms: 20, frames: 3, faces: 3 })
    expect(medians.takeSinceLast()).toEqual({ frame_ms: null, embed_ms: null, frames: 0, faces: 0 })
  })
})
