import { describe, expect, test } from 'vitest'
import { clockTime, clockTimeFrom, clockTimeOrDay, dayName, span } from './zoned-time.ts'

const at = Date.parse('2026-11-09T23:05:23Z')

describe('times on the screen', () => {
  test('are the school’s, not the device’s', () => {
    expect(clockTime(at, 'Europe/Stockholm')).toBe('00:05')
    expect(clockTime(at, 'Asia/Kathmandu')).toBe('04:50')
    expect(clockTime(at, 'America/New_York')).toBe('18:05')
    expect(dayName(at, 'Europe/Stockholm')).toBe('Tuesday 10 November')
    expect(dayName(at, 'America/New_York')).toBe('Monday 9 November')
  })

  test('midnight is 00:00', () => {
    expect(span(Date.parse('2026-11-09T23:00:00Z'), Date.parse('2026-11-10T00:30:00Z'), 'Europe/Stockholm')).toBe('00:00 – 01:30')
  })

  test('name the day when it is not today', () => {
    const zone = 'Europe/Stockholm'
    const now = Date.parse('2026-11-09T22:30:00Z')
    expect(clockTimeFrom(now, now - 60_000, zone)).toBe('23:29')
    expect(clockTimeFrom(now, at, zone)).toBe('Tue 00:05')
    expect(clockTimeFrom(now, now - 9 * 24 * 3600_000, zone)).toBe('31 Oct 23:30')
    expect(clockTimeOrDay(now, at, zone)).toBe('Tue')
    expect(clockTimeOrDay(now, now, zone)).toBe('23:30')
  })
})
