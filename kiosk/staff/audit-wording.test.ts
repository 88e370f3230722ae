import { expect, test } from 'vitest'
import { actionWords, detailWords } from './audit-wording.ts'

test('an action and its details read as words', () => {
  expect(actionWords('device_key_rotated')).toBe('Device key rotated')
  expect(actionWords('pin_set')).toBe('PIN set')
  expect(detailWords({ students: 24, models: ['a', 'b'], again: false, device: null, match: true })).toBe('students 24, models a b, again no, device none, match yes')
  expect(detailWords({})).toBe('')
})
