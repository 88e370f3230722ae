/** The words of the kiosks' page and of the records set aside: how a kiosk is, what an alarm means, why a record waits. Pure; knows no element and no server. */
import type { CameraState } from '#contract/device'
import type { Kiosk, KioskAlarm, Operations, SilentKiosk } from '#contract/kiosks'
import type { SetAside } from '#contract/set-aside'
import { dateOf, dateWords, shortDate, timeOf } from './wording.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

const counted = (count: number, one: string, many = `${one}s`): string => `${count.toLocaleString('en-GB')} ${count === 1 ? one : many}`

/** Such as `8 seconds`, `5 minutes`, `2 hours 30 minutes`, `20,415 days`: no more exact than a person needs. */
export function durationWords(ms: number): string {
  if (ms < 1.5 * MINUTE_MS) return counted(Math.max(1, Math.round(ms / 1000)), 'second')
  if (ms < HOUR_MS - MINUTE_MS / 2) return counted(Math.round(ms / MINUTE_MS), 'minute')
  if (ms >= 2 * DAY_MS) return counted(Math.round(ms / DAY_MS), 'day')
  const minutes = Math.round(ms / MINUTE_MS)
  return [counted(Math.floor(minutes / 60), 'hour'), minutes % 60 === 0 ? '' : counted(minutes % 60, 'minute')].filter((part) => part !== '').join(' ')
}

/** Such as `just now`, `12 minutes ago`, `today 09:05`, `Mon 23 Nov 09:05`. */
export function heardWords(at: string | null, now: string, timeZone: string): string {
  if (at === null) return 'never'
  const ago = Date.parse(now) - Date.parse(at)
  if (ago < 2 * MINUTE_MS) return 'just now'
  if (ago < HOUR_MS) return `${durationWords(ago)} ago`
  return dateOf(at, timeZone) === dateOf(now, timeZone) ? `today ${timeOf(at, timeZone)}` : `${shortDate(dateOf(at, timeZone))} ${timeOf(at, timeZone)}`
}

/** Below this a clock is right: no mark is late for it. */
const CLOCK_IS_RIGHT_MS = 2_000

/** What the device's own clock says; marks carry the school's time all the same. Null: it has not said. */
export function clockWords(offsetMs: number | null): string | null {
  if (offsetMs === null) return null
  if (Math.abs(offsetMs) < CLOCK_IS_RIGHT_MS) return 'right'
  return `${durationWords(Math.abs(offsetMs))} ${offsetMs > 0 ? 'slow' : 'fast'}`
}

/** Since when it has the key that it proves itself by. */
export function keyWords({ key_drawn_at, key_wanted, revoked_at }: Pick<Kiosk, 'key_drawn_at' | 'key_wanted' | 'revoked_at'>, now: string, timeZone: string): string {
  if (revoked_at !== null) return `opens nothing since ${heardWords(revoked_at, now, timeZone)}`
  const since = key_drawn_at === null ? 'from a link' : `drawn ${heardWords(key_drawn_at, now, timeZone)}`
  return key_wanted ? `${since}; a new one is asked for` : since
}

export const CAMERA_WORD: Record<CameraState, string> = {
  off: 'off (no lesson)',
  starting: 'starting',
  live: 'sees the room',
  none: 'not found',
  denied: 'not permitted',
  lost: 'unplugged',
  black: 'sees nothing',
  frozen: 'picture stands still',
}

/** A register is not taken with such a camera. */
export const cameraFails = (camera: CameraState | null): boolean => camera !== null && !['off', 'starting', 'live'].includes(camera)

/** Such as `2 not sent yet, 1 refused`; null: it has not said. */
export function marksWords({ unsent_marks: unsent, refused_marks: refused }: Pick<Kiosk, 'unsent_marks' | 'refused_marks'>): string | null {
  if (unsent === null && refused === null) return null
  const parts = [unsent ? `${unsent.toLocaleString('en-GB')} not sent yet` : '', refused ? `${refused.toLocaleString('en-GB')} refused` : ''].filter((part) => part !== '')
  return parts.length === 0 ? 'all sent' : parts.join(', ')
}

/** What an alarm means and what to do about it, for a person who knows kiosks by their rooms. */
export function alarmWords({ kind, marks }: Pick<KioskAlarm, 'kind' | 'marks'>): { title: string; what: string } {
  switch (kind) {
    case 'storage_copied':
      return {
        title: 'Two copies of its storage are in use',
        what: 'Perhaps its SD card was cloned. Nothing is taken from either copy until you say which is right; both keep their marks. Switch the wrong one off first, and pair it anew before it is used again.',
      }
    case 'storage_replaced':
      return {
        title: 'It came back with empty storage',
        what: marks === 0
          ? 'Its SD card was replaced or erased. Every mark that it is known to have made is on record. What it made after it was last heard of nobody can know: compare the registers of that time.'
          : `Its SD card was replaced or erased, and with it at least ${counted(marks, 'mark')} that never reached the school. Correct the registers of that time by hand.`,
      }
    case 'marks_missing':
      return {
        title: `${counted(marks, 'mark')} ${marks === 1 ? 'is' : 'are'} missing`,
        what: 'The kiosk made them and holds them no longer, and they are not on record. Look at the registers of its room and correct them by hand; tell whoever looks after the server.',
      }
  }
}

/** A queue that works hands a mark on in less than a second. */
const QUEUE_STANDS_AFTER_MS = MINUTE_MS

/** What is wrong with the server's own work, one sentence each; empty: nothing. */
export function serverTroubles({ months_ahead, queue, now, time_zone }: Pick<Operations, 'months_ahead' | 'queue' | 'now' | 'time_zone'>): string[] {
  const troubles: string[] = []
  if (months_ahead === 0) troubles.push(`Next month is not prepared: after ${lastOfMonth(dateOf(now, time_zone))} no mark can be stored. The server prepares months by itself every day; look into its log.`)
  if (queue && queue.waiting === null) troubles.push('Redis, which holds marks while the database is away, does not answer. Marks go straight to the database meanwhile.')
  if (queue?.waiting && (queue.oldest_ms ?? 0) >= QUEUE_STANDS_AFTER_MS) {
    troubles.push(`${counted(queue.waiting, 'mark waits', 'marks wait')} in the queue, the oldest for ${durationWords(queue.oldest_ms ?? 0)}. Nothing is lost; but look whether a recorder runs and whether the database answers.`)
  }
  return troubles
}

function lastOfMonth(date: string): string {
  const [year, month] = date.split('-').map(Number)
  return dateWords(new Date(Date.UTC(year ?? 1970, month ?? 1, 0)).toISOString().slice(0, 10))
}

/** Such as `Nothing heard since 09:05, and Computing is on until 10:00.` */
export function silentWords({ last_seen_at, lesson }: Pick<SilentKiosk, 'last_seen_at' | 'lesson'>, now: string, timeZone: string): string {
  const heard = last_seen_at === null ? 'It was never heard of' : `Last heard of ${heardWords(last_seen_at, now, timeZone)}`
  return `${heard}, and ${lesson.course_name} is on until ${timeOf(lesson.ends_at, timeZone)}. Look whether it has power and network; it keeps its marks, and the teacher can fill in the register.`
}

/** Why a record waits, in plain words. */
export function reasonWords({ code, reason, says }: Pick<SetAside, 'code' | 'reason' | 'says'>, timeZone: string): string {
  const at = whenWords(says.timestamp, timeZone)
  switch (code) {
    case 'unknown_student':
      return `The school has no student ${says.student_id ?? ''}. Add the student first; then it can be recorded.`
    case 'unknown_course':
      return `The school has no course ${says.course_id ?? ''}. Add the course first; then it can be recorded.`
    case 'unknown_lesson':
      return says.held_on === null ? `It fits no lesson: ${reason}.` : `It names a lesson that it does not fit: ${reason}.`
    case 'other_room':
      return `It came from a kiosk of another room: ${reason}. Record it if you know why, such as a class that met elsewhere for once.`
    case 'timestamp_out_of_range':
      return `Its time cannot be right: ${at ?? reason}. Perhaps the clock of the device was wrong.`
    case 'set_aside':
      return `The database did not take it, for a reason that is the server’s: ${reason}.`
    default:
      return `It is not as a record must be: ${reason}.`
  }
}

/** Whether choosing the lesson may mend it. */
export const isAboutTime = ({ code }: Pick<SetAside, 'code'>): boolean => code === 'timestamp_out_of_range' || code === 'unknown_lesson'

/** Such as `Thursday 1 January 1970, 01:00`; undefined: it says no time. */
export function whenWords(timestamp: string | null, timeZone: string): string | undefined {
  if (timestamp === null || Number.isNaN(Date.parse(timestamp))) return undefined
  return `${dateWords(dateOf(timestamp, timeZone))}, ${timeOf(timestamp, timeZone)}`
}

/** Who it is about, as far as the school knows. */
export function whoWords({ student_id, student_name }: SetAside['says']): string {
  return student_name ?? (student_id === null ? 'A record without a student' : `Student ${student_id}`)
}

/** Such as `from pi-lab301 in LAB-301, 3 times, last Mon 23 Nov 09:20`. */
export function cameWords({ device_id, room_id, times, first_at, last_at }: Pick<SetAside, 'device_id' | 'room_id' | 'times' | 'first_at' | 'last_at'>, timeZone: string): string {
  const when = (at: string): string => `${shortDate(dateOf(at, timeZone))} ${timeOf(at, timeZone)}`
  const from = device_id === null ? 'from nobody who could be read' : `from ${device_id}${room_id === null ? '' : ` in ${room_id}`}`
  return times === 1 ? `${from}, ${when(first_at)}` : `${from}, ${times.toLocaleString('en-GB')} times, last ${when(last_at)}`
}
