/** Who goes with whom, so that all together fit best. Pure arithmetic. */

/**
 * The one-to-one assignment of rows to columns with the greatest sum of weights (Hungarian method, shortest
 * augmenting paths: Jonker and Volgenant, Computing 38, 1987). A pair that is not over 0 is not made.
 * @param weights rows x columns, finite
 * @returns for each row its column, or undefined
 */
export function assign(weights: readonly (readonly number[])[]): (number | undefined)[] {
  const rows = weights.length
  const columns = weights[0]?.length ?? 0
  // A column of its own for each row, at no gain, lets a row go without.
  const cost = (row: number, column: number): number => (column < columns ? -Math.max(0, weights[row]![column]!) : 0)
  const width = columns + rows
  const rowPrice = new Float64Array(rows + 1)
  const columnPrice = new Float64Array(width + 1)
  /** Row of each column, counted from 1; 0: free. Column 0 holds the row that is being placed. */
  const rowOf = new Int32Array(width + 1)
  for (let row = 1; row <= rows; row++) {
    rowOf[0] = row
    const least = new Float64Array(width + 1).fill(Infinity)
    const from = new Int32Array(width + 1)
    const used = new Uint8Array(width + 1)
    let at = 0
    do {
      used[at] = 1
      const here = rowOf[at]!
      let delta = Infinity
      let next = 0
      for (let column = 1; column <= width; column++) {
        if (used[column]) continue
        const reduced = cost(here - 1, column - 1) - rowPrice[here]! - columnPrice[column]!
        if (reduced < least[column]!) {
          least[column] = reduced
          from[column] = at
        }
        if (least[column]! < delta) {
          delta = least[column]!
          next = column
        }
      }
      for (let column = 0; column <= width; column++) {
        if (used[column]) {
          rowPrice[rowOf[column]!]! += delta
          columnPrice[column]! -= delta
        } else least[column]! -= delta
      }
      at = next
    } while (rowOf[at] !== 0)
    for (; at !== 0; at = from[at]!) rowOf[at] = rowOf[from[at]!]!
  }
  const columnOf: (number | undefined)[] = Array.from({ length: rows }, () => undefined)
  for (let column = 1; column <= columns; column++) {
    const row = rowOf[column]! - 1
    if (row >= 0 && weights[row]![column - 1]! > 0) columnOf[row] = column - 1
  }
  return columnOf
}
