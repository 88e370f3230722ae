import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Correction, LessonSummary, RegisterEntry } from '#contract/register'
import { Refused, Unreachable } from '../sync/request.ts'
import { correctionWords, dateAfter, dateOf, dateWords, doubtWords, inOrderOfInterest, methodWords, phaseOf, problemWords, rowWords, timeOf, whyWords } from './wording.ts'

const zone = 'Europe/Stockholm'

const lesson = (o: Partial<LessonSummary> = {}): LessonSummary => ({
  lesson_id: '12',
  held_on: '2026-11-23',
  course_id: 'CS101',
  course_code: 'CS101',
  course_name: 'Computing',
  room_id: 'LAB-301',
  starts_at: '2026-11-23T08:00:00Z',
  ends_at: '2026-11-23T09:00:00Z',
  enrolled: 24,
  here: 1,
  taken: true,
  ...o,
})

const entry = (o: Partial<RegisterEntry> = {}): RegisterEntry => ({ student_id: 'S001', first_name: 'Ada', last_name: 'Lovelace', status: 'expected', mark: null, corrections: [], ...o })
const mark = { timestamp: '2026-11-23T08:05:23Z', confidence: 0.871, device_id: 'pi-lab301', model: 'mobilefacenet-192-r1', method: 'face' as const, doubt: null }
const excused: Correction = { status: 'excused', note: '', corrected_by: 'office', corrected_at: '2026-11-23T08:20:00Z' }

test('A corrected row shows the correction beside the mark, never over it', () => {
  const row = entry({ status: 'excused', mark, corrections: [excused] })
  expect(rowWords(row, zone, '2026-11-23')).toBe('seen 09:05, 0.87 by pi-lab301 · set to excused by office 09:20')
})

test('A row that nobody has touched says only what is known', () => {
  expect(rowWords(entry({ mark, status: 'present' }), zone, '2026-11-23')).toBe('seen 09:05, 0.87 by pi-lab301')
  expect(rowWords(entry({ mark: { ...mark, device_id: null } }), zone, '2026-11-23')).toBe('seen 09:05, 0.87')
  expect(rowWords(entry(), zone, '2026-11-23')).toBe('not seen yet')
  expect(rowWords(entry({ status: 'not_taken' }), zone, '2026-11-23')).toBe('not seen')
})

test('A mark says what more than a face made it, and what is doubted of it until a person has decided', () => {
  const pin = { ...mark, method: 'pin' as const, confidence: 1, model: null }
  expect(rowWords(entry({ mark: pin, status: 'present' }), zone, '2026-11-23')).toBe('PIN typed 09:05 at pi-lab301')
  expect(whyWords(entry({ mark: pin, status: 'present' }), lesson(), zone).join(' ')).not.toContain('Confidence')
  expect([pin, mark, { ...mark, method: null }, { ...mark, method: 'face_and_tap' as const }, { ...mark, method: 'face_and_pin' as const }, { ...mark, method: 'qr' as const }, { ...mark, method: 'face_and_qr' as const }].map(methodWords)).toEqual([
    'by PIN', undefined, undefined, 'confirmed by tap', 'confirmed by PIN', 'by card', 'confirmed by card',
  ])
  const doubted = entry({ mark: { ...mark, doubt: 'looks_like_a_picture' }, status: 'present' })
  expect(doubtWords(doubted)).toContain('picture')
  expect(doubtWords({ ...doubted, corrections: [excused] })).toBeUndefined()
  expect(doubtWords(entry({ mark }))).toBeUndefined()
  expect(doubtWords(entry())).toBeUndefined()
  expect(whyWords(doubted, lesson(), zone).join(' ')).toContain('flat picture')
})

test('A correction made on another day says which, and its note is quoted', () => {
  const late = { ...excused, corrected_at: '2026-11-24T08:20:00Z', note: 'dentist' }
  expect(correctionWords(late, zone, '2026-11-23')).toBe('set to excused by office Tue 24 Nov 09:20 (“dentist”)')
})

test('Why a row stands as it does names the one who decided first, and every earlier correction', () => {
  const earlier = { ...excused, status: 'absent' as const, corrected_at: '2026-11-23T08:15:00Z' }
  const why = whyWords(entry({ status: 'excused', mark, corrections: [excused, earlier] }), lesson(), zone)
  expect(why[0]).toContain('set to excused by office 09:20')
  expect(why.join(' ')).toContain('09:05:23, 5 minutes after the start')
  expect(why.join(' ')).toContain('mobilefacenet-192-r1')
  expect(why.at(-1)).toContain('set to absent by office 09:15')
})

test('A lesson that nobody watched is told as not taken, never as an absence', () => {
  const why = whyWords(entry({ status: 'not_taken' }), lesson({ taken: false }), zone).join(' ')
  expect(why).toContain('not an absence')
  expect(why).not.toContain('so absent')
})

test('Times are the school’s, on both sides of the change of the clocks', () => {
  expect(timeOf('2026-10-25T00:30:00Z', zone)).toBe('02:30')
  expect(timeOf('2026-10-25T01:30:00Z', zone)).toBe('02:30')
  expect(timeOf('2026-10-25T02:30:00Z', zone)).toBe('03:30')
  expect(dateOf('2026-11-23T23:30:00Z', zone)).toBe('2026-11-24')
  expect(dateWords('2026-11-23')).toBe('Monday 23 November 2026')
})

test('Going a day forth and a day back ends where it began', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date('2000-01-02'), max: new Date('2099-12-30'), noInvalidDate: true }), fc.integer({ min: -400, max: 400 }), (day, days) => {
      const date = day.toISOString().slice(0, 10)
      expect(dateAfter(dateAfter(date, days), -days)).toBe(date)
    }),
  )
  expect(dateAfter('2026-03-28', 1)).toBe('2026-03-29')
})

test('Every lesson of a day is listed once: on now, to come, then over with the last one first', () => {
  const hour = fc.integer({ min: 0, max: 23 }).map((h) => lesson({ lesson_id: String(h), starts_at: `2026-11-23T${String(h).padStart(2, '0')}:00:00Z`, ends_at: `2026-11-23T${String(h).padStart(2, '0')}:45:00Z` }))
  fc.assert(
    fc.property(fc.uniqueArray(hour, { selector: (l) => l.lesson_id }), fc.integer({ min: 0, max: 1439 }), (lessons, minute) => {
      const now = new Date(Date.UTC(2026, 10, 23, 0, minute)).toISOString()
      const sorted = inOrderOfInterest(lessons, now)
      expect([...sorted.now, ...sorted.later, ...sorted.over].map((l) => l.lesson_id).toSorted()).toEqual(lessons.map((l) => l.lesson_id).toSorted())
      expect(sorted.now.every((l) => phaseOf(l, now) === 'now')).toBe(true)
      const starts = (of: LessonSummary[]): string[] => of.map((l) => l.starts_at)
      expect(starts(sorted.later)).toEqual(starts(sorted.later).toSorted())
      expect(starts(sorted.over)).toEqual(starts(sorted.over).toSorted().toReversed())
    }),
  )
})

test('What went wrong is told in the server’s words, or that there is no answer', () => {
  const refused = new Refused(
    { type: 'about:blank', title: 'Invalid', status: 422, code: 'invalid_request', detail: 'the request is not right', errors: [{ field: 'note', message: 'is too long' }] },
    undefined,
  )
  expect(problemWords(refused)).toBe('The request is not right (note is too long).')
  expect(problemWords(new Unreachable('GET /x: no answer'))).toContain('does not answer')
})
