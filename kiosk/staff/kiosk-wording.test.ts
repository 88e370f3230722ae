import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RefusalCode } from '#contract/attendance'
import { AlarmKind } from '#contract/kiosks'
import type { SetAside } from '#contract/set-aside'
import { alarmWords, cameWords, cameraFails, clockWords, durationWords, heardWords, marksWords, reasonWords, serverTroubles, silentWords, whoWords } from './kiosk-wording.ts'

const zone = 'Europe/Stockholm'
const NOW = '2026-11-23T09:20:00Z'

const says = (o: Partial<SetAside['says']> = {}): SetAside['says'] => ({
  student_id: 'S001', student_name: 'Ada Lovelace', course_id: 'CS101', course_name: 'Computing', timestamp: '2026-11-23T09:05:00Z', held_on: null, lesson_id: null, ...o,
})

test('A time is told as exactly as a person needs it, and never as none', () => {
  expect([0, 8_000, 89_000, 300_000, 3_599_000, 9_000_000, 90_000_000, 1_763_882_400_000].map(durationWords)).toEqual([
    '1 second', '8 seconds', '89 seconds', '5 minutes', '1 hour', '2 hours 30 minutes', '25 hours', '20,415 days',
  ])
  fc.assert(fc.property(fc.double({ min: 0, max: 1e13, noNaN: true }), (ms) => {
    expect(durationWords(ms)).toMatch(/^[1-9][\d,]* (second|minute|hour|day)s?( [1-9]\d* minutes?)?$/)
  }))
})

test('When a kiosk was last heard of is told from now, then by the school’s clock, then with the day', () => {
  expect(heardWords(null, NOW, zone)).toBe('never')
  expect(heardWords('2026-11-23T09:19:10Z', NOW, zone)).toBe('just now')
  expect(heardWords('2026-11-23T09:08:00Z', NOW, zone)).toBe('12 minutes ago')
  expect(heardWords('2026-11-23T07:00:00Z', NOW, zone)).toBe('today 08:00')
  expect(heardWords('2026-11-22T22:30:00Z', NOW, zone)).toBe('Sun 22 Nov 23:30')
})

test('A clock is right, or so much slow or fast', () => {
  expect([null, 0, -1_999, 9_000_000, -9_000_000, 1_763_882_400_000].map(clockWords)).toEqual([null, 'right', 'right', '2 hours 30 minutes slow', '2 hours 30 minutes fast', '20,415 days slow'])
})

test('Marks that wait or were refused are told, and nothing is made of what was not said', () => {
  expect(marksWords({ unsent_marks: null, refused_marks: null })).toBeNull()
  expect(marksWords({ unsent_marks: 0, refused_marks: 0 })).toBe('all sent')
  expect(marksWords({ unsent_marks: 2, refused_marks: 1 })).toBe('2 not sent yet, 1 refused')
  expect(cameraFails(null)).toBe(false)
  expect(cameraFails('off')).toBe(false)
  expect(cameraFails('black')).toBe(true)
})

test('Every alarm says what it means and what to do', () => {
  for (const kind of AlarmKind.options) {
    for (const marks of [0, 1, 12]) {
      const { title, what } = alarmWords({ kind, marks })
      expect(title.length).toBeGreaterThan(10)
      expect(what).toMatch(/(registers|Switch the wrong one off)/)
    }
  }
  expect(alarmWords({ kind: 'storage_replaced', marks: 12 }).what).toContain('at least 12 marks')
  expect(alarmWords({ kind: 'marks_missing', marks: 1 }).title).toBe('1 mark is missing')
})

test('The server’s own troubles are told only when there are any', () => {
  const well = { now: NOW, time_zone: zone, months_ahead: 3, queue: null }
  expect(serverTroubles(well)).toEqual([])
  expect(serverTroubles({ ...well, months_ahead: 1, queue: { waiting: 900, oldest_ms: 400 } })).toEqual([])
  expect(serverTroubles({ ...well, months_ahead: 0 })[0]).toContain('after Monday 30 November 2026')
  // In New York it is still November.
  expect(serverTroubles({ ...well, now: '2026-12-01T02:00:00Z', time_zone: 'America/New_York', months_ahead: 0 })[0]).toContain('30 November 2026')
  expect(serverTroubles({ ...well, queue: { waiting: null, oldest_ms: null } })[0]).toContain('Redis')
  expect(serverTroubles({ ...well, queue: { waiting: 1, oldest_ms: 180_000 } })[0]).toContain('1 mark waits in the queue, the oldest for 3 minutes')
})

test('A silent kiosk is named with the lesson that it misses', () => {
  const lesson = { lesson_id: '12', held_on: '2026-11-23', course_name: 'Computing', starts_at: '2026-11-23T09:00:00Z', ends_at: '2026-11-23T10:00:00Z' }
  expect(silentWords({ last_seen_at: '2026-11-23T09:08:00Z', lesson }, NOW, zone)).toContain('Last heard of 12 minutes ago, and Computing is on until 11:00.')
  expect(silentWords({ last_seen_at: null, lesson }, NOW, zone)).toContain('never heard of')
})

test('Why a record waits is said in plain words, whatever a record can be refused for', () => {
  for (const code of [...RefusalCode.options, 'a code of a later server']) {
    const words = reasonWords({ code, reason: 'the reason', says: says() }, zone)
    expect(words).not.toContain(code)
    expect(words.endsWith('.')).toBe(true)
  }
  expect(reasonWords({ code: 'timestamp_out_of_range', reason: 'is more than 366 days ago', says: says({ timestamp: '1970-01-01T00:00:10Z' }) }, zone)).toContain('Thursday 1 January 1970, 01:00')
  expect(reasonWords({ code: 'timestamp_out_of_range', reason: 'is more than 366 days ago', says: says({ timestamp: 'garbled' }) }, zone)).toContain('is more than 366 days ago')
})

test('Who a record is about is named as far as the school knows, and where it came from how often', () => {
  expect(whoWords(says())).toBe('Ada Lovelace')
  expect(whoWords(says({ student_name: null, student_id: 'S999' }))).toBe('Student S999')
  expect(whoWords(says({ student_name: null, student_id: null }))).toBe('A record without a student')
  const came = { device_id: 'pi-lab301', room_id: 'LAB-301', times: 1, first_at: NOW, last_at: NOW }
  expect(cameWords(came, zone)).toBe('from pi-lab301 in LAB-301, Mon 23 Nov 10:20')
  expect(cameWords({ ...came, times: 3 }, zone)).toBe('from pi-lab301 in LAB-301, 3 times, last Mon 23 Nov 10:20')
  expect(cameWords({ ...came, device_id: null, room_id: null }, zone)).toContain('nobody who could be read')
})
