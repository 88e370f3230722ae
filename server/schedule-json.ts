/**
 * A schedule as JSON. All but a few of its bytes are embeddings, some 50,000 numbers of a few decimals for a room's day, and at the bell every room
 * asks: written digit by digit they take half the time of `JSON.stringify`, which looks for the shortest form of each. Knows no request.
 */
import type { Schedule } from '#contract/schedule'
import { EMBEDDING_DECIMALS as DECIMALS } from '../db/roster.ts'

const SCALE = 10 ** DECIMALS
/** "-0.12345," */
const MOST_BYTES = DECIMALS + 4
const [COMMA, MINUS, POINT, ZERO] = [0x2c, 0x2d, 0x2e, 0x30]

/** @param schedule its embeddings rounded to EMBEDDING_DECIMALS, each below 1 in size or written as it is. What JSON.parse makes of it is what it makes of JSON.stringify's. */
export function scheduleJson(schedule: Schedule): string {
  const written: string[] = []
  const rest = JSON.stringify(schedule, (key, value: unknown) => (key === 'embedding' && Array.isArray(value) ? String(written.push(numbers(value as number[])) - 1) : value))
  // No text of anybody's looks so: in theirs each quotation mark has a backslash before it.
  return rest.replaceAll(/"embedding":"(\d+)"/g, (_, at: string) => `"embedding":[${written[Number(at)]}]`)
}

function numbers(values: readonly number[]): string {
  if (!values.every((value) => Math.round(Math.abs(value) * SCALE) < SCALE)) return values.join()
  const bytes = Buffer.allocUnsafe(values.length * MOST_BYTES)
  let end = 0
  for (const value of values) {
    if (end > 0) bytes[end++] = COMMA
    const scaled = Math.round(value * SCALE)
    if (scaled < 0) bytes[end++] = MINUS
    bytes[end++] = ZERO
    bytes[end++] = POINT
    let left = Math.abs(scaled)
    for (let place = DECIMALS - 1; place >= 0; place -= 1) {
      bytes[end + place] = ZERO + (left % 10)
      left = Math.floor(left / 10)
    }
    end += DECIMALS
  }
  return bytes.toString('latin1', 0, end)
}
