import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inGroup, initialOf, initialsOf } from './name-list.ts'

test('a name is found under its first letter, whatever accents it bears', () => {
  expect(['Åsa Öberg', 'anna', ' Éva', 'Žan', '李 Wei', '4Ever', ''].map((name) => initialOf({ name }))).toEqual(['A', 'A', 'E', 'Z', '李', '4', ''])
})

test('every name stands under exactly one of the letters', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }).map((name) => ({ name }))), (students) => {
      const initials = initialsOf(students)
      expect(new Set(initials).size).toBe(initials.length)
      for (const student of students) expect(initials.filter((initial) => inGroup(student, initial))).toHaveLength(1)
    }),
  )
})
