import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Lesson } from '#contract/schedule'
import { lessonAt } from './lesson-clock.ts'
import { redate } from './redate.ts'
import type { KeptMark } from './redate.ts'

const MONDAY = Date.parse('2026-11-23T08:00:00Z')
const HOUR = 3_600_000
/** The page began on Monday at eight. */
const schoolTime = (monotonic: number): number => MONDAY + Math.round(monotonic)

const lesson = (id: number, student_ids: string[]): Lesson => ({
  lesson_id: String(id), held_on: '2026-11-23', course_id: `C${id}`, course_code: 'C', course_name: 'C', room_id: 'R',
  starts_at: new Date(MONDAY + id * HOUR).toISOString(), ends_at: new Date(MONDAY + (id + 1) * HOUR - 900_000).toISOString(), student_ids,
})
/** S1 and S2 take every course, S3 the first alone. A quarter of an hour between lessons, of which ten minutes belong to the next. */
const LESSONS = [0, 1, 2, 3].map((id) => lesson(id, id === 0 ? ['S1', 'S2', 'S3'] : ['S1', 'S2']))

let made = 0
/** @param wrongBy by how much the clock was ahead as it was made, `monotonic` ms after the page began */
function mark(student: string, at: Lesson, o: { monotonic: number; wrongBy?: number; sure?: boolean; life?: string } & Partial<Omit<KeptMark, 'unsure'>>): KeptMark {
  const { monotonic, wrongBy = 0, sure = false, life = 'now', ...over } = o
  const timestamp = new Date(schoolTime(monotonic) + wrongBy).toISOString()
  return {
    mark_id: `mark-${(made += 1)}`, student_id: student, course_id: at.course_id, lesson_id: at.lesson_id, held_on: at.held_on,
    timestamp, last_seen: timestamp, confidence: 0.9, model: 'mobilefacenet-192-r1', state: 'unsent', clock_offset_ms: wrongBy + 500,
    ...(sure ? {} : { unsure: { life, monotonic } }), ...over,
  } as KeptMark
}
const at = (id: number): Lesson => LESSONS[id] as Lesson
const put = (all: KeptMark[], lessons = LESSONS, knows = (_at: number) => true) => redate(all, { life: 'now', schoolTime, lessons, knows })
const keyOf = (one: KeptMark) => `${one.held_on} ${one.lesson_id} ${one.student_id}`
/** What lies on the disk afterwards. */
function after(all: KeptMark[], lessons = LESSONS): Map<string, KeptMark> {
  const result = put(all, lessons)
  const disk = new Map(all.map((one) => [keyOf(one), one]))
  for (const one of result.remove) disk.delete(keyOf(one))
  for (const one of result.put) disk.set(keyOf(one), one)
  return disk
}

test('a mark made while the clock was two and a half hours ahead moves to the lesson that was on, with the same mark_id and the raw time it had', () => {
  const wrong = mark('S1', at(2), { monotonic: 600_000, wrongBy: 2.5 * HOUR })
  const raw = Date.parse(wrong.timestamp) - (wrong.clock_offset_ms ?? 0)
  const [moved, ...others] = after([wrong]).values()
  expect(others).toEqual([])
  expect(moved).toMatchObject({ mark_id: wrong.mark_id, lesson_id: '0', course_id: 'C0', held_on: '2026-11-23', timestamp: new Date(MONDAY + 600_000).toISOString(), state: 'unsent' })
  expect(moved).not.toHaveProperty('unsure')
  expect(Date.parse(moved?.timestamp ?? '') - (moved?.clock_offset_ms ?? 0)).toBe(raw)
})

test('a mark of a student who is not in the lesson that was on, and one from when there was none, keep their lesson and get the right time', () => {
  const stranger = mark('S3', at(0), { monotonic: 1.5 * HOUR, wrongBy: -1.4 * HOUR })
  const between = mark('S1', at(2), { monotonic: 0.76 * HOUR, wrongBy: 1.5 * HOUR })
  for (const one of [stranger, between]) {
    const [kept] = after([one]).values()
    expect(kept).toMatchObject({ lesson_id: one.lesson_id, timestamp: new Date(schoolTime(one.unsure?.monotonic ?? 0)).toISOString() })
  }
})

test('a mark of a time that no roster covered has no place unless a lesson was on that is known: it is never put into the next one', () => {
  const lastWeek = { ...at(2), held_on: '2026-11-16' }
  // Ten to nine: the lesson of eight is over and not known any more, and the one of nine opens early.
  const early = mark('S1', lastWeek, { monotonic: 50 * 60_000, wrongBy: -7 * 24 * HOUR })
  const inLesson = mark('S2', lastWeek, { monotonic: 1.2 * HOUR, wrongBy: -7 * 24 * HOUR })
  const right = mark('S1', lastWeek, { monotonic: 51 * 60_000, wrongBy: 400 })
  const { put: found, remove, merged } = put([early, inLesson], LESSONS.slice(1), () => false)
  expect(found).toEqual([
    expect.objectContaining({ mark_id: early.mark_id, held_on: '2026-11-16', lesson_id: '2', unplaced: true, timestamp: new Date(schoolTime(50 * 60_000)).toISOString() }),
    expect.objectContaining({ mark_id: inLesson.mark_id, held_on: '2026-11-23', lesson_id: '1' }),
  ])
  expect(found[1]).not.toHaveProperty('unplaced')
  expect({ remove, merged }).toEqual({ remove: [early, inLesson], merged: 0 })
  // As it always was where the lessons are known, and where the time was right all along.
  expect(put([early], LESSONS.slice(1)).put[0]).toMatchObject({ lesson_id: '1' })
  expect(put([right], LESSONS.slice(1), () => false).put[0]).not.toHaveProperty('unplaced')
})

test('a mark of an earlier life, and one that is on record or refused, stay as they are', () => {
  const all = [mark('S1', at(2), { monotonic: 1, wrongBy: 2 * HOUR, life: 'before' }), mark('S2', at(2), { monotonic: 1, wrongBy: 2 * HOUR, state: 'stored' }), mark('S3', at(2), { monotonic: 1, state: 'refused' })]
  expect(put(all)).toEqual({ put: [], remove: [], merged: 0 })
})

test('where the lesson has a mark of the student already, the earlier one stays, and the later goes into it', () => {
  const early = mark('S1', at(2), { monotonic: 300_000, wrongBy: 2 * HOUR, doubt: 'no_life_seen' })
  const seenAgain = mark('S1', at(0), { monotonic: 1_200_000, sure: true })
  expect(put([early, seenAgain]).merged).toBe(1)
  expect([...after([early, seenAgain]).values()]).toEqual([expect.objectContaining({ mark_id: early.mark_id, lesson_id: '0', doubt: 'no_life_seen', last_seen: seenAgain.last_seen, state: 'unsent' })])
})

test('a mark that is on record already stays, whatever comes to its place, and is sent again for a doubt alone', () => {
  const stored = mark('S1', at(0), { monotonic: 1_200_000, sure: true, state: 'stored' })
  const early = mark('S1', at(2), { monotonic: 300_000, wrongBy: 2 * HOUR })
  expect([...after([early, stored]).values()]).toEqual([stored])
  const [doubted] = after([{ ...early, doubt: 'no_life_seen' }, stored]).values()
  expect(doubted).toEqual({ ...stored, doubt: 'no_life_seen', state: 'unsent' })
})

test('the place that a mark has left is free, also for a mark that moves into it', () => {
  const one = mark('S1', at(2), { monotonic: 300_000, wrongBy: 2 * HOUR })
  const other = mark('S1', at(3), { monotonic: 2.1 * HOUR, wrongBy: HOUR })
  const disk = after([one, other])
  expect([...disk.values()].map(({ mark_id, lesson_id }) => [mark_id, lesson_id]).sort()).toEqual([[one.mark_id, '0'], [other.mark_id, '2']].sort())
})

test("a correction of less than a second leaves a mark in the lesson whose last second it was made in", () => {
  const last = mark('S1', at(0), { monotonic: 0.75 * HOUR + 400, wrongBy: -800 })
  const [kept] = after([last]).values()
  expect(kept).toMatchObject({ lesson_id: '0', timestamp: new Date(schoolTime(0.75 * HOUR + 400)).toISOString() })
})

test('however the clock jumped, every student has one mark in each lesson they were seen in, the earliest, and nothing is lost or made up', () => {
  const student = fc.constantFrom('S1', 'S2', 'S3')
  const seen = fc.record({ student, lesson: fc.integer({ min: 0, max: 3 }), monotonic: fc.integer({ min: 0, max: 3.9 * HOUR }), wrongBy: fc.integer({ min: -4 * HOUR, max: 4 * HOUR }), unsure: fc.boolean(), state: fc.constantFrom('unsent' as const, 'stored' as const, 'refused' as const) })
  fc.assert(
    fc.property(fc.array(seen, { maxLength: 14 }), (sightings) => {
      const disk = new Map<string, KeptMark>()
      for (const { student: who, lesson: where, monotonic, wrongBy, unsure, state } of sightings) {
        const one = mark(who, at(where), unsure ? { monotonic, wrongBy } : { monotonic, sure: true, state })
        if (!disk.has(keyOf(one))) disk.set(keyOf(one), one)
      }
      const all = [...disk.values()]
      const result = put(all)
      const kept = after(all)
      expect(kept.size).toBe(all.length - result.merged)
      expect([...kept.values()].filter((one) => one.unsure)).toEqual([])
      // Nobody is put into a lesson without having been seen in it, or having been put there by the kiosk before.
      const ids = new Set(all.map((one) => one.mark_id))
      for (const one of kept.values()) expect(ids).toContain(one.mark_id)
      for (const was of all) {
        if (!was.unsure || was.state !== 'unsent') continue
        const truly = schoolTime(was.unsure.monotonic)
        const then = lessonAt(LESSONS, truly)
        const belongs = Math.abs(truly - Date.parse(was.timestamp)) >= 1_000 && then?.student_ids.includes(was.student_id) ? then.lesson_id : was.lesson_id
        const there = kept.get(`2026-11-23 ${belongs} ${was.student_id}`)
        expect(there).toBeDefined()
        if (there?.state === 'unsent') expect(Date.parse(there.timestamp)).toBeLessThanOrEqual(truly)
      }
      // Once more changes nothing.
      expect(put([...kept.values()])).toEqual({ put: [], remove: [], merged: 0 })
    }),
    { numRuns: 500 },
  )
})
