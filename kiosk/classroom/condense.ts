/** How a list of any length is shown in the space there is: all in full rows, or the newest in full rows and the rest in pairs. */
export interface Condensed {
  /** The newest, one to a row, with the time. */
  full: number
  /** The others, two to a row. */
  paired: number
  /** Not seen without scrolling. */
  hidden: number
}

/** Of a condensed list so many stay in full rows: the last arrivals look for their own names. */
const NEWEST_IN_FULL = 2

/** Heights in CSS pixels. */
export function condense(count: number, height: number, rows: { full: number; pair: number }): Condensed {
  const fewest = Math.min(count, NEWEST_IN_FULL)
  for (let full = count; full >= fewest; full--) {
    const paired = count - full
    if (full * rows.full + Math.ceil(paired / 2) * rows.pair <= height) return { full, paired, hidden: 0 }
  }
  const fullSeen = Math.min(fewest, Math.max(0, Math.floor(height / rows.full)))
  const pairsSeen = Math.max(0, Math.floor((height - fewest * rows.full) / rows.pair))
  return { full: fewest, paired: count - fewest, hidden: count - fullSeen - 2 * pairsSeen }
}
