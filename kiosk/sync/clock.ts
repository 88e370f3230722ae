/** How far this device's clock is off, by the server's. Knows no clock of its own. */
import { TIMEOUT_MS } from './request.ts'

/**
 * The server read its clock somewhere between our asking and its answer's arrival; the middle is wrong by
 * half the round trip at most (Cristian's algorithm).
 * @returns ms to add to this device's clock; undefined when the clock was set in the meantime.
 */
export function clockOffset(askedAt: number, answeredAt: number, serverNow: number): number | undefined {
  const roundTrip = answeredAt - askedAt
  if (roundTrip < 0 || roundTrip > TIMEOUT_MS || !Number.isFinite(serverNow)) return undefined
  return Math.round(serverNow - (askedAt + roundTrip / 2))
}
