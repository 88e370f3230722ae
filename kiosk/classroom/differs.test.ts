import fc from 'fast-check'
import { expect, test } from 'vitest'
import { differs } from './differs.ts'

test('data differs from a copy of itself never, and from other data exactly when it reads otherwise', () => {
  const data = fc.jsonValue({ maxDepth: 3 })
  fc.assert(
    fc.property(data, data, (one, other) => {
      expect(differs(one, structuredClone(one))).toBe(false)
      expect(differs(one, other)).toBe(JSON.stringify(sorted(one)) !== JSON.stringify(sorted(other)))
    }),
  )
})

test('nothing differs from something, and a missing field from an undefined one', () => {
  expect(differs(undefined, { a: 1 })).toBe(true)
  expect(differs({ a: undefined }, {})).toBe(true)
  expect(differs([1], { 0: 1 })).toBe(true)
  expect(differs(undefined, undefined)).toBe(false)
})

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  // JSON writes -0 as 0; to the screen they are two numbers.
  if (Object.is(value, -0)) return '-0'
  if (typeof value !== 'object' || value === null) return value
  return { entries: Object.entries(value).map(([key, one]) => [key, sorted(one)]).sort() }
}
