/** Marks in (`POST /api/v1/attendance`) and the histories of a student and of a course. */
import { Hono } from 'hono'
import { AttendanceBatch, AttendanceRecord } from '#contract/attendance'
import type { AttendanceAnswer, RecordResult } from '#contract/attendance'
import { CourseId, Instant, LessonId, StudentId } from '#contract/ids'
import { CourseHistoryQuery, StudentHistoryQuery } from '#contract/register'
import type { CourseHistory, HistoryEntry, StudentHistory } from '#contract/register'
import { z } from 'zod'
import { courseHistory, saveReceived, sequenceOf, setAsideMarks, studentHistory } from '../../db/marks.ts'
import type { NewMark } from '../../db/marks.ts'
import { roomTeaches } from '../../db/people.ts'
import type { Refused } from '../../db/set-aside.ts'
import type { HistoryBounds, HistoryPlace } from '../../db/registers.ts'
import type { Database } from '../../db/connect.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { onlyFor, refuseOtherDevices } from '../identity.ts'
import type { Identity } from '../identity.ts'
import type { TakenOutcome } from '../intake/intake.ts'
import { markOf, soundMark } from '../intake/sound-mark.ts'
import type { Sender } from '../intake/sound-mark.ts'
import { answerJson } from '../json-answer.ts'
import { faultsOf, Refusal, refusalOfField } from '../problem.ts'
import { KnownDate, parse, readJson } from '../request-body.ts'
import { openRoomScope } from '../room-scope.ts'
import { refuseForeignCourse, refuseForeignStudent, teacherOf } from '../rights.ts'

const NOBODYS: ReadonlySet<NewMark> = new Set()
const OTHER_ROOM = { code: 'other_room', field: 'lesson_id' } as const
const reasonOf = ({ lesson_id, course_id }: NewMark): string => (lesson_id === undefined ? `course ${course_id} is not taught in this device's room` : `lesson ${lesson_id} is not one of this device's room`)

/** As it is set aside: the record as it came, and who brought it. */
function asRecord({ device_id, store_id, ...record }: NewMark): Pick<Refused, 'record' | 'device_id' | 'store_id'> {
  return { record, device_id, ...(store_id === undefined ? {} : { store_id }) }
}

export function attendanceRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, devices, intake, now } = parts
  const scope = openRoomScope(db, parts.log)
  const routes = new Hono<AppEnv>()

  routes.post('/api/v1/attendance', onlyFor(parts, 'device', 'script'), async (c) => {
    const { device_id, store_id, records } = await readJson(c, AttendanceBatch)
    await refuseOtherDevices(devices, c.var.identity, device_id)
    const answer = await takeRecords(records, { device_id, store_id }, c.var.identity)
    parts.metrics?.records(answer)
    // 200 is final for every record; 202: some are not in the record yet and must be sent again.
    return answerJson(c, answer, answer.queued > 0 ? 202 : 200)
  })

  /** Each record by itself: a bad one is refused with its field, the good ones go to the intake together. */
  async function takeRecords(records: unknown[], from: Sender, by: Identity): Promise<AttendanceAnswer> {
    let marks: NewMark[] = []
    let places: number[] = []
    const refused: RecordResult[] = []
    for (let index = 0; index < records.length; index++) {
      const raw = records[index]
      const sound = soundMark(raw, from, marks.at(-1))
      const parsed = sound ? { success: true as const, data: sound } : AttendanceRecord.safeParse(raw)
      if (parsed.success) {
        marks.push(sound ?? markOf(parsed.data, from))
        places.push(index)
      } else refused.push(refusedRecord(index, raw, parsed.error))
    }
    // What the contract refuses has its outcome, too: it must not be missed among what the storage has sent.
    if (refused.length > 0) await saveReceived(db, refused.flatMap(({ index }) => sequenceOf(records[index], from.device_id, from.store_id)), now())
    const foreign = by.kind === 'device' && marks.length > 0 ? await scope.outside(by, marks, now()) : NOBODYS
    if (foreign.size > 0) {
      await setAsideMarks(db, marks.filter((mark) => foreign.has(mark)).map((mark) => ({ ...asRecord(mark), ...OTHER_ROOM, reason: reasonOf(mark) })), now())
      for (const [i, mark] of marks.entries()) {
        if (foreign.has(mark)) refused.push({ index: places[i] ?? 0, ...(mark.mark_id === undefined ? {} : { mark_id: mark.mark_id }), student_id: mark.student_id, outcome: 'refused', ...OTHER_ROOM, message: reasonOf(mark) })
      }
      places = places.filter((_place, i) => !foreign.has(marks[i] as NewMark))
      marks = marks.filter((mark) => !foreign.has(mark))
    }
    const outcomes = marks.length > 0 ? await intake.take(marks) : []
    const answer: AttendanceAnswer = { stored: 0, duplicate: 0, queued: 0, refused: refused.length, results: refused }
    for (const [i, mark] of marks.entries()) {
      const [index, outcome] = [places[i], outcomes[i]]
      if (index === undefined || !outcome) throw new Error('the intake named fewer outcomes than it was given marks')
      answer[outcome.outcome] += 1
      answer.results.push(resultOf(index, mark, outcome))
    }
    if (marks.length < records.length) answer.results.sort((a, b) => a.index - b.index)
    return answer
  }

  routes.get('/api/v1/attendance/student/:student_id', onlyFor(parts, 'device', 'script', 'office', 'teacher', 'student'), async (c) => {
    const { student_id } = parse(z.object({ student_id: StudentId }), c.req.param())
    const bounds = readBounds(parse(StudentHistoryQuery, c.req.query()), now())
    await refuseOtherRooms(db, c.var.identity, { student_id })
    await refuseForeignStudent(db, c.var.identity, student_id)
    const history = await studentHistory(db, student_id, { ...bounds, ...shareOf(c.var.identity) }, now())
    if (!history) throw new Refusal('not_found', `there is no student ${student_id}`)
    const answer: StudentHistory = { ...history, records: history.records.map((entry) => asMayBeSeenBy(c.var.identity, entry)), next: asCursor(history.next) }
    return c.json(answer)
  })

  routes.get('/api/v1/attendance/course/:course_id', onlyFor(parts, 'device', 'script', 'office', 'teacher'), async (c) => {
    const { course_id } = parse(z.object({ course_id: CourseId }), c.req.param())
    const bounds = readBounds(parse(CourseHistoryQuery, c.req.query()), now())
    await refuseOtherRooms(db, c.var.identity, { course_id })
    await refuseForeignCourse(db, c.var.identity, course_id)
    const history = await courseHistory(db, course_id, { ...bounds, ...shareOf(c.var.identity) }, now())
    if (!history) throw new Refusal('not_found', `there is no course ${course_id}`)
    const answer: CourseHistory = { ...history, records: history.records.map((entry) => asMayBeSeenBy(c.var.identity, entry)), next: asCursor(history.next) }
    return c.json(answer)
  })

  return routes
}

/** Of a student a device sees only what is taught in its room, and a teacher what they teach themself. */
function shareOf(identity: Identity): Pick<HistoryBounds, 'room_id' | 'taught_by'> {
  if (identity.kind === 'device') return { room_id: identity.room_id }
  const taught_by = teacherOf(identity)
  return taught_by === undefined ? {} : { taught_by }
}

/** What a teacher wrote about a student is no business of a screen on the classroom's wall. */
function asMayBeSeenBy(identity: Identity, entry: HistoryEntry): HistoryEntry {
  if (identity.kind !== 'device') return entry
  return { ...entry, corrections: entry.corrections.map((correction) => ({ ...correction, note: '', corrected_by: '' })) }
}

async function refuseOtherRooms(db: Database, identity: Identity, what: { student_id: string } | { course_id: string }): Promise<void> {
  if (identity.kind !== 'device' || (await roomTeaches(db, identity.room_id, what))) return
  throw new Refusal('forbidden', `device ${identity.device_id} may see only what is taught in room ${identity.room_id}`)
}

const EARLIEST = Date.UTC(1970, 0, 1)
const LATEST = Date.UTC(3000, 0, 1)
const DAY_MS = 86_400_000
const DEFAULT_DAYS = 90
/** A school year and some. Each day asked for costs PostgreSQL a look at the timetable, with or without a mark. */
const LONGEST_DAYS = 400

/** The last 90 days; marks may be a day ahead of our clock, and they belong to it. */
function readBounds({ from, to, before, ...only }: StudentHistoryQuery & CourseHistoryQuery, now: Date): HistoryBounds {
  const end = instantOf('to', to) ?? now.getTime() + DAY_MS
  const start = instantOf('from', from) ?? Math.max(EARLIEST, Math.min(end, now.getTime()) - DEFAULT_DAYS * DAY_MS)
  if (start >= end) throw refusalOfField('invalid_request', 'from', 'must be before to (default: a day from now)')
  if (end - start > LONGEST_DAYS * DAY_MS) throw refusalOfField('invalid_request', 'from', `must be at most ${LONGEST_DAYS} days before to; ask for a longer time in parts`)
  return { ...only, from: new Date(start).toISOString(), to: new Date(end).toISOString(), ...(before === undefined ? {} : { after: placeIn(before) }) }
}

/** What an address may hold, and nobody takes apart. */
function asCursor(place: HistoryPlace | undefined): string | undefined {
  return place && Buffer.from([place.held_on, place.starts_at, place.lesson_id, place.student_id].join(' ')).toString('base64url')
}

const Place = z.object({ held_on: KnownDate, starts_at: Instant, lesson_id: LessonId, student_id: StudentId })

function placeIn(cursor: string): HistoryPlace {
  const [held_on, starts_at, lesson_id, student_id] = Buffer.from(cursor, 'base64url').toString().split(' ')
  const place = Place.safeParse({ held_on, starts_at, lesson_id, student_id })
  if (place.success && instantOf('before', place.data.starts_at) !== undefined) return place.data
  throw refusalOfField('invalid_request', 'before', 'must be `next` of the page before, as it was told; leave it out to begin with the newest')
}

function instantOf(field: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const at = Date.parse(text)
  if (at >= EARLIEST && at < LATEST) return at
  throw refusalOfField('invalid_request', field, 'must lie between the years 1970 and 3000')
}

function refusedRecord(index: number, raw: unknown, error: z.ZodError): RecordResult {
  const faults = faultsOf(error, raw)
  const field = faults[0]?.field ?? ''
  return {
    index,
    ...echo(raw),
    outcome: 'refused',
    code: 'invalid_record',
    ...(field === '' ? {} : { field }),
    message: `${faults.map((fault) => `${fault.field || 'the record'} ${fault.message}`).join('; ')}; correct it and send the record again`,
  }
}

/** What names the record to its sender, as far as it can be read. */
function echo(raw: unknown): Pick<RecordResult, 'mark_id' | 'student_id'> {
  if (typeof raw !== 'object' || raw === null) return {}
  const named = raw as Record<string, unknown>
  const short = (value: unknown): value is string => typeof value === 'string' && value.length <= 64
  return { ...(short(named.mark_id) ? { mark_id: named.mark_id } : {}), ...(short(named.student_id) ? { student_id: named.student_id } : {}) }
}

function resultOf(index: number, { mark_id, student_id }: NewMark, outcome: TakenOutcome): RecordResult {
  if (outcome.outcome === 'refused') return { index, mark_id, student_id, outcome: 'refused', code: outcome.code, field: outcome.field || undefined, message: outcome.message }
  if (outcome.outcome === 'queued') return { index, mark_id, student_id, outcome: 'queued', message: 'not stored yet; keep it and send it again' }
  return { index, mark_id, student_id, outcome: outcome.outcome }
}
