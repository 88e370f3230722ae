/**
 * The words of the staff screens: statuses, times in the school's zone, and the line that says why a
 * row stands as it does. Pure; knows no element and no server.
 */
import { showsFace, type Doubt } from '#contract/attendance'
import { LATE_AFTER_MINUTES, type Correction, type LessonSummary, type RegisterEntry, type Status } from '#contract/register'
import { Refused } from '../sync/request.ts'

export const STATUS_WORD: Record<Status, string> = {
  present: 'Present',
  late: 'Late',
  absent: 'Absent',
  excused: 'Excused',
  expected: 'Expected',
  not_taken: 'Not taken',
}

const MINUTE_MS = 60_000

const format = (timeZone: string, o: Intl.DateTimeFormatOptions): Intl.DateTimeFormat => new Intl.DateTimeFormat('en-GB', { timeZone, ...o })

/** Such as `09:05`, in the school's zone. */
export const timeOf = (instant: string, timeZone: string): string =>
  format(timeZone, { hour: '2-digit', minute: '2-digit' }).format(new Date(instant))

/** Such as `09:05:23`. */
export const timeToTheSecond = (instant: string, timeZone: string): string =>
  format(timeZone, { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(new Date(instant))

/** The calendar date of an instant in the school's zone, such as `2026-11-23`. */
export function dateOf(instant: string, timeZone: string): string {
  const parts = Object.fromEntries(
    format(timeZone, { year: 'numeric', month: '2-digit', day: '2-digit' }).formatToParts(new Date(instant)).map(({ type, value }) => [type, value]),
  )
  return `${parts['year']}-${parts['month']}-${parts['day']}`
}

/** Such as `Monday 23 November 2026`. */
export const dateWords = (date: string): string =>
  format('UTC', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }).format(new Date(`${date}T00:00:00Z`)).replace(',', '')

/** Such as `Mon 23 Nov`. */
export const shortDate = (date: string): string =>
  format('UTC', { weekday: 'short', day: 'numeric', month: 'short' }).format(new Date(`${date}T00:00:00Z`)).replace(',', '')

/** The date `days` later. */
export function dateAfter(date: string, days: number): string {
  const day = new Date(`${date}T00:00:00Z`)
  day.setUTCDate(day.getUTCDate() + days)
  return day.toISOString().slice(0, 10)
}

export type Phase = 'now' | 'later' | 'over'

export function phaseOf(lesson: Pick<LessonSummary, 'starts_at' | 'ends_at'>, now: string): Phase {
  const at = Date.parse(now)
  if (at < Date.parse(lesson.starts_at)) return 'later'
  return at < Date.parse(lesson.ends_at) ? 'now' : 'over'
}

/** The lessons that are on come first, then those to come, then those that are over, the last one first. */
export function inOrderOfInterest(lessons: readonly LessonSummary[], now: string): { now: LessonSummary[]; later: LessonSummary[]; over: LessonSummary[] } {
  const byStart = lessons.toSorted((a, b) => Date.parse(a.starts_at) - Date.parse(b.starts_at) || a.course_code.localeCompare(b.course_code))
  const of = (phase: Phase): LessonSummary[] => byStart.filter((lesson) => phaseOf(lesson, now) === phase)
  return { now: of('now'), later: of('later'), over: of('over').toReversed() }
}

type Mark = NonNullable<RegisterEntry['mark']>

/** Such as `seen 09:05, 0.87 by pi-lab301`. */
export function markWords(mark: Mark, timeZone: string): string {
  if (mark.method === 'pin' || mark.method === 'qr') return `${mark.method === 'pin' ? 'PIN typed' : 'card shown'} ${timeOf(mark.timestamp, timeZone)}${mark.device_id === null ? '' : ` at ${mark.device_id}`}`
  return `seen ${timeOf(mark.timestamp, timeZone)}, ${mark.confidence.toFixed(2)}${mark.device_id === null ? '' : ` by ${mark.device_id}`}`
}

/** What more than a face made the mark; undefined: the face alone, or nobody said. */
export function methodWords({ method }: Mark): string | undefined {
  switch (method) {
    case 'pin':
      return 'by PIN'
    case 'qr':
      return 'by card'
    case 'face_and_tap':
      return 'confirmed by tap'
    case 'face_and_pin':
      return 'confirmed by PIN'
    case 'face_and_qr':
      return 'confirmed by card'
    default:
      return undefined
  }
}

/** What a teacher is asked to look at; undefined: nothing is doubted, or a person has decided since. */
export function doubtWords({ mark, corrections }: Pick<RegisterEntry, 'mark' | 'corrections'>): string | undefined {
  if (!mark?.doubt || corrections.length > 0) return undefined
  return DOUBT_WORDS[mark.doubt].chip
}

const DOUBT_WORDS: Record<Doubt, { chip: string; why: string }> = {
  looks_like_a_picture: { chip: 'A picture? Please check', why: 'The face moved like a flat picture: perhaps a photo or a screen was held before the camera.' },
  no_life_seen: { chip: 'Hardly moved: please check', why: 'The face neither turned nor blinked while it was seen: perhaps a photo was held before the camera.' },
}

/** Such as `set to excused by office 09:20`; with the date when it was not made on the lesson's own. */
export function correctionWords(correction: Correction, timeZone: string, heldOn: string): string {
  const date = dateOf(correction.corrected_at, timeZone)
  const when = `${date === heldOn ? '' : `${shortDate(date)} `}${timeOf(correction.corrected_at, timeZone)}`
  return `set to ${STATUS_WORD[correction.status].toLowerCase()} by ${correction.corrected_by} ${when}${correction.note === '' ? '' : ` (“${correction.note}”)`}`
}

/** What stands under a name: the mark, and beside it, never over it, the newest correction. */
export function rowWords(entry: Pick<RegisterEntry, 'status' | 'mark' | 'corrections'>, timeZone: string, heldOn: string): string {
  const [newest] = entry.corrections
  const said = [entry.mark ? markWords(entry.mark, timeZone) : undefined, newest ? correctionWords(newest, timeZone, heldOn) : undefined]
  const words = said.filter((part) => part !== undefined).join(' · ')
  if (words !== '') return words
  return entry.status === 'expected' ? 'not seen yet' : 'not seen'
}

/** Why a row has its status: one sentence a line, the deciding one first. */
export function whyWords(entry: RegisterEntry, lesson: LessonSummary, timeZone: string): string[] {
  const why: string[] = []
  const [newest, ...older] = entry.corrections
  const status = STATUS_WORD[entry.status].toLowerCase()
  if (newest) why.push(`A person decides: ${correctionWords(newest, timeZone, lesson.held_on)}.`)
  if (entry.mark) {
    const { timestamp, confidence, device_id, model, method, doubt } = entry.mark
    const withoutFace = method !== null && !showsFace(method)
    const shown = method === 'qr' ? 'card was shown' : 'PIN was typed'
    const seen = `${withoutFace ? `This student’s ${shown} at ${device_id ?? 'a kiosk'}` : `${device_id ?? 'A script'} saw this student`} at ${timeToTheSecond(timestamp, timeZone)}, ${minutesAfterStart(timestamp, lesson.starts_at)}`
    const rule = newest ? '' : ` ${STATUS_WORD[entry.status]}: from ${LATE_AFTER_MINUTES} minutes after the start it counts as late.`
    why.push(`${seen}.${rule}`)
    if (doubt) why.push(`${DOUBT_WORDS[doubt].why} Choose the status that is true, also where it is the one that stands.`)
    if (method === 'face_and_tap') why.push('The kiosk was not sure and asked; the student tapped the name.')
    if (method === 'face_and_pin') why.push('The student typed their PIN, and the face was compared.')
    if (method === 'face_and_qr') why.push('The student showed their card, and the face was compared.')
    if (!withoutFace) why.push(`Confidence ${confidence.toFixed(2)} of 1 (how alike the face and the one on record are)${model === null ? '' : `, by the model ${model}`}.`)
  } else if (!newest) {
    if (entry.status === 'expected') why.push('Not seen yet, and the lesson is not over.')
    else if (entry.status === 'not_taken') why.push('Not seen, and nobody took this register: no working kiosk watched the lesson and no teacher filled it in. So this is not an absence.')
    else why.push(`Not seen in a lesson whose register was taken, so ${status}.`)
  } else why.push('No kiosk saw this student in this lesson.')
  for (const correction of older) why.push(`Before that: ${correctionWords(correction, timeZone, lesson.held_on)}.`)
  return why
}

function minutesAfterStart(instant: string, start: string): string {
  const minutes = Math.floor((Date.parse(instant) - Date.parse(start)) / MINUTE_MS)
  if (minutes === 0) return 'as the lesson began'
  const count = `${Math.abs(minutes)} ${Math.abs(minutes) === 1 ? 'minute' : 'minutes'}`
  return minutes < 0 ? `${count} before the start` : `${count} after the start`
}

/** What went wrong, and what to do, for a person. */
export function problemWords(error: unknown): string {
  if (error instanceof Refused) {
    const faults = error.problem.errors?.map(({ field, message }) => `${field} ${message}`).join('; ')
    return asSentence(faults ? `${error.problem.detail} (${faults})` : error.problem.detail)
  }
  return 'The server does not answer. Check the network, then try again.'
}

const asSentence = (words: string): string => `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? '' : '.'}`

/** Counts of a register by status, for its headline. */
export function countOf(entries: readonly RegisterEntry[], ...statuses: Status[]): number {
  return entries.filter(({ status }) => statuses.includes(status)).length
}
