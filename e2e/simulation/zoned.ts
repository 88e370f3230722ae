/** Times of day of a zone as instants, by Intl: reckoned apart from PostgreSQL, to be held against it. */

const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone) ?? new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' })
  formats.set(zone, known)
  return known
}

/** What a clock on the wall shows, as if it were UTC: ms since 1970. */
function wallOf(zone: string, instant: number): number {
  const part = Object.fromEntries(formatOf(zone).formatToParts(instant).map(({ type, value }) => [type, Number(value)]))
  return Date.UTC(part.year ?? 0, (part.month ?? 1) - 1, part.day, part.hour, part.minute, part.second)
}

export function dateOf(zone: string, instant: number): string {
  return new Date(wallOf(zone, instant)).toISOString().slice(0, 10)
}

export function addDays(date: string, days: number): string {
  return new Date(Date.parse(date) + days * 86_400_000).toISOString().slice(0, 10)
}

/** ISO: 1 = Monday. */
export function dayOfWeek(date: string): number {
  return new Date(date).getUTCDay() || 7
}

/**
 * A time of day that the clocks leave out is read as if they had not moved yet; one that they show twice is the later one.
 * @param minutes since midnight; from 1440 on the next day's
 */
export function instantOf(zone: string, date: string, minutes: number): number {
  const wall = Date.parse(date) + minutes * 60_000
  const [before, after] = [-86_400_000, 86_400_000].map((aside) => wallOf(zone, wall + aside) - (wall + aside)) as [number, number]
  const found = [wall - before, wall - after].filter((instant) => wallOf(zone, instant) === wall)
  return found.length > 0 ? Math.max(...found) : wall - before
}
