import { expect, test } from 'vitest'
import { confirmedWords, giverWords, kioskWords, textWords, timeWords } from './privacy-wording.ts'

test('says who consented, what they are to the student, and how', () => {
  expect(giverWords({ giver: 'guardian', given_by: 'Maria Berg', relationship: 'mother', way: 'paper' })).toBe('Maria Berg (mother), on paper')
  expect(giverWords({ giver: 'student', given_by: 'Anna Berg', relationship: '', way: 'screen' })).toBe('Anna Berg (the student), on screen')
  expect(giverWords({ giver: null, given_by: 'the guardian', relationship: '', way: null })).toBe('the guardian')
  expect(textWords({ text: { text_id: 'school', version: 2, language: 'sv' } })).toBe('school, version 2, sv')
  expect(textWords({ text: { text_id: 'own-words', version: 7, language: 'und' } })).toBe('words of its own')
})

test('says how many of the kiosks have confirmed, and of each how it stands', () => {
  const kiosk = { device_id: 'pi-1', room_id: 'LAB-301', how: null, confirmed_at: null, last_seen_at: null }
  expect(confirmedWords({ confirmed: 0, kiosks: [] })).toBe('no kiosk was paired')
  expect(confirmedWords({ confirmed: 1, kiosks: [kiosk] })).toBe('1 of 1 kiosk has confirmed')
  expect(confirmedWords({ confirmed: 2, kiosks: [kiosk, kiosk, kiosk] })).toBe('2 of 3 kiosks have confirmed')
  expect(kioskWords(kiosk, 'UTC')).toMatch(/^not yet; last seen never/)
  expect(kioskWords({ ...kiosk, how: 'told', confirmed_at: '2026-03-02T09:20:00Z' }, 'Europe/Stockholm')).toBe('has confirmed, 2 Mar 2026, 10:20')
  expect(kioskWords({ ...kiosk, how: 'lapsed' }, 'UTC')).toMatch(/lapsed/)
})

test('says how long things are kept', () => {
  expect([timeWords({ days: 30, months: null }), timeWords({ days: 1, months: null }), timeWords({ days: 0, months: null }), timeWords({ days: null, months: 24 }), timeWords({ days: null, months: null })]).toEqual([
    '30 days', '1 day', 'not at all', '24 months', '—',
  ])
})
