/** Instants as the school reads them: in its own time zone, whatever zone the device is set to. */

const formats = new Map<string, Intl.DateTimeFormat>()

function format(timeZone: string, parts: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${timeZone} ${Object.keys(parts).join()}`
  let found = formats.get(key)
  if (!found) formats.set(key, (found = new Intl.DateTimeFormat('en-GB', { ...parts, timeZone })))
  return found
}

/** `09:05` */
export function clockTime(at: number, timeZone: string): string {
  return format(timeZone, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at)
}

/** `Monday 9 November` */
export function dayName(at: number, timeZone: string): string {
  return format(timeZone, { weekday: 'long', day: 'numeric', month: 'long' }).format(at).replace(',', '')
}

/** `09:05` today, `Mon` within six days, `9 Nov` otherwise. */
export function clockTimeOrDay(now: number, at: number, timeZone: string): string {
  if (dayName(at, timeZone) === dayName(now, timeZone)) return clockTime(at, timeZone)
  const near = Math.abs(at - now) < 6 * 24 * 3600_000
  return format(timeZone, near ? { weekday: 'short' } : { day: 'numeric', month: 'short' }).format(at)
}

/** `09:05` today, `Mon 09:05` within six days, `9 Nov 09:05` otherwise. */
export function clockTimeFrom(now: number, at: number, timeZone: string): string {
  const time = clockTime(at, timeZone)
  const day = clockTimeOrDay(now, at, timeZone)
  return day === time ? time : `${day} ${time}`
}

/** `09:00 – 10:00` */
export function span(from: number, to: number, timeZone: string): string {
  return `${clockTime(from, timeZone)} – ${clockTime(to, timeZone)}`
}
