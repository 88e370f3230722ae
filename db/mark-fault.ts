/**
 * What is wrong with one mark by itself, before the database is asked: what would make the statement of its whole batch fail, and times
 * that no lesson can have. The server has parsed its records with the contract; a queue may hold what an older version parsed.
 */
import type { Doubt, MarkMethod, RefusalCode } from '#contract/attendance'
import type { MarkOutcome, NewMark } from './marks.ts'

/** Marks are taken from so many days back: the months that ensureMonths keeps, less what a lesson over midnight needs. */
const OLDEST_DAYS = 366
/** A script's clock or zone may be wrong by less than a day; beyond that the record is about no lesson we know. */
const NEWEST_HOURS = 24

export function refusal(code: RefusalCode, field: string, message: string): MarkOutcome {
  return { outcome: 'refused', code, field, message }
}

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const DATE = /^\d{4}-\d{2}-\d{2}$/
const METHODS: ReadonlySet<MarkMethod> = new Set(['face', 'face_and_tap', 'face_and_pin', 'pin', 'face_and_qr', 'qr'])
const DOUBTS: ReadonlySet<Doubt> = new Set(['no_life_seen', 'looks_like_a_picture'])
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** The contract's MAX_CLOCK_OFFSET_MS. */
const LONGEST_OFFSET_MS = 100 * 366 * 86_400_000
/** A range of integers also names the one after its last. */
const LAST_SEQUENCE = 2_147_483_646

const invalid = (field: string, message: string) => refusal('invalid_record', field, message)

/** What the marks of one kiosk in one lesson have in common: it is looked at once for all of them. */
export type Sheet = Pick<NewMark, 'device_id' | 'course_id' | 'lesson_id' | 'held_on' | 'model' | 'method'>

export function faultOfSheet({ device_id, course_id, lesson_id, held_on, model, method }: Sheet): MarkOutcome | undefined {
  if (!isId(course_id)) return invalid('course_id', 'must be an identifier')
  if (!isId(device_id)) return invalid('device_id', 'must be an identifier')
  if (`unscheduled.${course_id}`.length > 64 && lesson_id === undefined) return invalid('course_id', 'is too long for a record without a lesson')
  if (lesson_id !== undefined && !isId(lesson_id)) return invalid('lesson_id', 'must be an identifier')
  if (held_on !== undefined && !isDate(held_on)) return invalid('held_on', 'must be a date such as 2024-01-15')
  if ((lesson_id === undefined) !== (held_on === undefined)) return invalid('held_on', 'must be sent together with lesson_id, or both left out')
  if (model !== undefined && !isId(model)) return invalid('model', 'must be an identifier')
  if (method !== undefined && !METHODS.has(method)) return invalid('method', `must be one of ${[...METHODS].join(', ')}`)
  return undefined
}

/** `at`: the mark's timestamp in milliseconds; NaN where it is none. */
export function faultOfMark({ student_id, mark_id, doubt, confidence, clock_offset_ms }: NewMark, at: number, receivedAt: Date): MarkOutcome | undefined {
  if (!isId(student_id)) return invalid('student_id', 'must be an identifier')
  if (mark_id !== undefined && !UUID.test(mark_id)) return invalid('mark_id', 'must be a UUID')
  if (doubt !== undefined && !DOUBTS.has(doubt)) return invalid('doubt', `must be one of ${[...DOUBTS].join(', ')}`)
  if (!(confidence >= 0 && confidence <= 1)) return invalid('confidence', 'must be between 0 and 1')
  if (clock_offset_ms !== undefined && !(Number.isInteger(clock_offset_ms) && Math.abs(clock_offset_ms) <= LONGEST_OFFSET_MS)) return invalid('clock_offset_ms', 'must be whole milliseconds, of at most a hundred years')
  const age = receivedAt.getTime() - at
  if (Number.isNaN(age)) return invalid('timestamp', 'must be an ISO 8601 instant with a zone, such as 2024-01-15T09:05:23Z')
  if (age > OLDEST_DAYS * 86_400_000) return refusal('timestamp_out_of_range', 'timestamp', `is more than ${OLDEST_DAYS} days ago`)
  if (age < -NEWEST_HOURS * 3_600_000) return refusal('timestamp_out_of_range', 'timestamp', `is more than ${NEWEST_HOURS} hours ahead`)
  return undefined
}

function isId(value: unknown): boolean {
  return typeof value === 'string' && ID.test(value)
}

function isDate(text: string): boolean {
  // JavaScript counts a year 0, PostgreSQL does not.
  return DATE.test(text) && !text.startsWith('0000') && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().startsWith(text)
}

/** Whether this can be a place in the count of a device's storage. */
export function isPlace(sequence: number | undefined): sequence is number {
  return sequence !== undefined && Number.isInteger(sequence) && sequence >= 1 && sequence <= LAST_SEQUENCE
}

/** Whether these can name a storage. */
export function isStore(device_id: string, store_id: string): boolean {
  return UUID.test(store_id) && ID.test(device_id)
}
