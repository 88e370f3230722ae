import { expect, test } from 'vitest'
import { countsWords, monthWords, percentWords, shortMonth } from './report-wording.ts'

const none = { present: 0, late: 0, absent: 0, excused: 0, not_taken: 0, percentage: null }

test('A percentage has one decimal, and is a dash where nothing counts', () => {
  expect([100, 97.5, 0, null].map((percentage) => percentWords({ percentage }))).toEqual(['100.0\u00a0%', '97.5\u00a0%', '0.0\u00a0%', '–'])
})

test('Of the counts only those are told that there are', () => {
  expect(countsWords({ ...none, present: 1112, not_taken: 2 })).toBe('1,112 present · 2 not taken')
  expect(countsWords(none)).toBe('nothing recorded')
})

test('Months have names', () => {
  expect([monthWords('2026-09'), shortMonth('2026-09'), shortMonth('2027-01')]).toEqual(['September 2026', 'Sep', 'Jan'])
})
