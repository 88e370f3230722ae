import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { condense } from './condense.ts'

const ROWS = { full: 38, pair: 32 }
const count = fc.integer({ min: 0, max: 200 })
const height = fc.integer({ min: 0, max: 900 })

describe('a condensed list', () => {
  test('loses nobody: everyone stands in a full row or in a pair', () => {
    fc.assert(
      fc.property(count, height, (many, high) => {
        const { full, paired, hidden } = condense(many, high, ROWS)
        expect(full + paired).toBe(many)
        expect(Math.min(full, paired)).toBeGreaterThanOrEqual(0)
        expect(hidden).toBeGreaterThanOrEqual(0)
        expect(hidden).toBeLessThanOrEqual(many)
      }),
    )
  })

  test('hides nobody while everyone fits, and shows no row that does not fit', () => {
    fc.assert(
      fc.property(count, height, (many, high) => {
        const { full, paired, hidden } = condense(many, high, ROWS)
        const needed = full * ROWS.full + Math.ceil(paired / 2) * ROWS.pair
        expect(hidden === 0).toBe(needed <= high)
      }),
    )
  })

  test('keeps as many full rows as there is room for', () => {
    expect(condense(5, 200, ROWS)).toEqual({ full: 5, paired: 0, hidden: 0 })
    expect(condense(7, 200, ROWS)).toEqual({ full: 3, paired: 4, hidden: 0 })
    expect(condense(50, 200, ROWS)).toEqual({ full: 2, paired: 48, hidden: 42 })
  })

  test('hides no fewer when more people come', () => {
    fc.assert(
      fc.property(count, height, (many, high) => {
        expect(condense(many + 1, high, ROWS).hidden).toBeGreaterThanOrEqual(condense(many, high, ROWS).hidden)
      }),
    )
  })
})
