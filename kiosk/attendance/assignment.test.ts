import fc from 'fast-check'
import { expect, it } from 'vitest'
import { assign } from './assignment.ts'

const sumOf = (weights: number[][], columns: (number | undefined)[]): number => columns.reduce<number>((sum, column, row) => sum + (column === undefined ? 0 : weights[row]![column]!), 0)

/** Every way there is. */
function best(weights: number[][], row = 0, taken: readonly number[] = []): number {
  if (row === weights.length) return 0
  const without = best(weights, row + 1, taken)
  return weights[row]!.reduce((most, weight, column) => (taken.includes(column) ? most : Math.max(most, weight + best(weights, row + 1, [...taken, column]))), without)
}

it('finds the assignment with the greatest sum, as trying every one does', () => {
  const matrix = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })).chain(([rows, columns]) =>
    fc.array(fc.array(fc.integer({ min: -20, max: 100 }), { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows }),
  )
  fc.assert(
    fc.property(matrix, (weights) => {
      const columns = assign(weights)
      const taken = columns.filter((column) => column !== undefined)
      expect(new Set(taken).size).toBe(taken.length)
      columns.forEach((column, row) => column !== undefined && expect(weights[row]![column]).toBeGreaterThan(0))
      expect(sumOf(weights, columns)).toBe(best(weights))
    }),
  )
})

it('leaves everybody alone where there is nobody to go with', () => {
  expect(assign([])).toEqual([])
  expect(assign([[], []])).toEqual([undefined, undefined])
})
