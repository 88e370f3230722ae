/** The luma of a part of a frame, read by the frame's own coordinates. Pure. */
import type { Pixels } from './align.ts'

export interface Grey {
  /** Luma (Rec. 601), row by row. */
  data: Float32Array
  width: number
  height: number
  /** The frame's point at the first cell's corner. */
  x: number
  y: number
  /** Pixels of the frame in a cell's side, 1 and up. */
  cell: number
}

/**
 * The square of `reach` pixels to each side of (x, y), as far as it lies in the frame; undefined where nothing of it does. A cell is the mean of two
 * points on its diagonal.
 */
export function greyAround({ data, width, height }: Pixels, x: number, y: number, reach: number, cell: number): Grey | undefined {
  const [left, top] = [Math.max(0, x - reach), Math.max(0, y - reach)]
  const columns = Math.floor((Math.min(width, x + reach) - left) / cell)
  const rows = Math.floor((Math.min(height, y + reach) - top) / cell)
  if (!(columns >= 2 && rows >= 2)) return undefined
  const grey = { data: new Float32Array(columns * rows), width: columns, height: rows, x: cell === 1 ? Math.floor(left) : left, y: cell === 1 ? Math.floor(top) : top, cell }
  const luma = (at: number): number => 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!
  for (let row = 0, out = 0; row < rows; row++) {
    const above = 4 * width * Math.floor(grey.y + (row + 0.25) * cell)
    const below = 4 * width * Math.floor(grey.y + (row + 0.75) * cell)
    for (let column = 0; column < columns; column++, out++) {
      if (cell === 1) {
        grey.data[out] = luma(4 * ((grey.y + row) * width + grey.x + column))
        continue
      }
      const near = 4 * Math.floor(grey.x + (column + 0.25) * cell)
      const far = 4 * Math.floor(grey.x + (column + 0.75) * cell)
      grey.data[out] = (luma(above + near) + luma(below + far)) / 2
    }
  }
  return grey
}

/** Bilinear; outside is the edge. */
export function greyAt({ data, width, height, x: left, y: top, cell }: Grey, x: number, y: number): number {
  const column = Math.min(Math.max((x - left) / cell - 0.5, 0), width - 1.001)
  const row = Math.min(Math.max((y - top) / cell - 0.5, 0), height - 1.001)
  const [i, j] = [Math.floor(column), Math.floor(row)]
  const at = j * width + i
  const [toRight, down] = [column - i, row - j]
  const above = data[at]! + toRight * (data[at + 1]! - data[at]!)
  const below = data[at + width]! + toRight * (data[at + width + 1]! - data[at + width]!)
  return above + down * (below - above)
}

export const holds = ({ width, height, x: left, y: top, cell }: Grey, x: number, y: number): boolean =>
  x > left + cell && y > top + cell && x < left + (width - 1) * cell && y < top + (height - 1) * cell
