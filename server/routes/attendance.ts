/** Marks in (`POST /api/v1/attendance`) and the histories of a student and of a course. */
import { Hono } from 'hono'
import { AttendanceBatch, AttendanceRecord } from '#contract/attendance'
import type { AttendanceAnswer, RecordResult } from '#contract/attendance'
import { CourseId, StudentId } from '#contract/ids'
import { HistoryQuery } from '#contract/register'
import type { HistoryEntry } from '#contract/register'
import { z } from 'zod'
import { courseHistory, saveReceived, sequenceOf, studentHistory } from '../../db/marks.ts'
import type { NewMark } from '../../db/marks.ts'
import { roomTeaches } from '../../db/people.ts'
import type { HistoryBounds } from '../../db/registers.ts'
import type { Database } from '../../db/connect.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { onlyFor, refuseOtherDevices } from '../identity.ts'
import type { Identity } from '../identity.ts'
import type { TakenOutcome } from '../intake/intake.ts'
import { answerJson } from '../json-answer.ts'
import { faultsOf, Refusal, refusalOfField } from '../problem.ts'
import { parse, readJson } from '../request-body.ts'

export function attendanceRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, devices, intake, now } = parts
  const routes = new Hono<AppEnv>()

  routes.post('/api/v1/attendance', onlyFor(parts, 'device', 'script'), async (c) => {
    const { device_id, store_id, records } = await readJson(c, AttendanceBatch)
    await refuseOtherDevices(devices, c.var.identity, device_id)
    const answer = await takeRecords(records, store_id === undefined ? { device_id } : { device_id, store_id })
    // 200 is final for every record; 202: some are not in the record yet and must be sent again.
    return answerJson(c, answer, answer.queued > 0 ? 202 : 200)
  })

  /** Each record by itself: a bad one is refused with its field, the good ones go to the intake together. */
  async function takeRecords(records: unknown[], from: Pick<NewMark, 'device_id' | 'store_id'>): Promise<AttendanceAnswer> {
    const results: RecordResult[] = []
    const good: { index: number; mark: NewMark }[] = []
    for (const [index, raw] of records.entries()) {
      const parsed = AttendanceRecord.safeParse(raw)
      if (parsed.success) good.push({ index, mark: { ...parsed.data, ...from } })
      else results.push(refusedRecord(index, raw, parsed.error))
    }
    // What the contract refuses has its outcome, too: it must not be missed among what the storage has sent.
    if (good.length < records.length) await saveReceived(db, records.flatMap((raw, index) => (good.some((one) => one.index === index) ? [] : sequenceOf(raw, from.device_id, from.store_id))), now())
    const outcomes = good.length > 0 ? await intake.take(good.map(({ mark }) => mark)) : []
    for (const [place, { index, mark }] of good.entries()) {
      const outcome = outcomes[place]
      if (!outcome) throw new Error('the intake named fewer outcomes than it was given marks')
      results.push(resultOf(index, mark, outcome))
    }
    if (good.length < records.length) results.sort((a, b) => a.index - b.index)
    const answer: AttendanceAnswer = { stored: 0, duplicate: 0, queued: 0, refused: 0, results }
    for (const { outcome } of results) answer[outcome] += 1
    return answer
  }

  routes.get('/api/v1/attendance/student/:student_id', onlyFor(parts, 'device', 'script', 'office', 'teacher'), async (c) => {
    const { student_id } = parse(z.object({ student_id: StudentId }), c.req.param())
    const bounds = readBounds(c.req.query(), now())
    await refuseOtherRooms(db, c.var.identity, { student_id })
    const history = await studentHistory(db, student_id, { ...bounds, ...roomOf(c.var.identity) }, now())
    if (!history) throw new Refusal('not_found', `there is no student ${student_id}`)
    return c.json({ ...history, records: history.records.map((entry) => asMayBeSeenBy(c.var.identity, entry)) })
  })

  routes.get('/api/v1/attendance/course/:course_id', onlyFor(parts, 'device', 'script', 'office', 'teacher'), async (c) => {
    const { course_id } = parse(z.object({ course_id: CourseId }), c.req.param())
    const bounds = readBounds(c.req.query(), now())
    await refuseOtherRooms(db, c.var.identity, { course_id })
    const history = await courseHistory(db, course_id, { ...bounds, ...roomOf(c.var.identity) }, now())
    if (!history) throw new Refusal('not_found', `there is no course ${course_id}`)
    return c.json({ ...history, records: history.records.map((entry) => asMayBeSeenBy(c.var.identity, entry)) })
  })

  return routes
}

/** A device sees of a student only what is taught in its room. */
function roomOf(identity: Identity): { room_id?: string } {
  return identity.kind === 'device' ? { room_id: identity.room_id } : {}
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
function readBounds(query: Record<string, string>, now: Date): HistoryBounds {
  const { from, to, limit } = parse(HistoryQuery, query)
  const end = instantOf('to', to) ?? now.getTime() + DAY_MS
  const start = instantOf('from', from) ?? Math.max(EARLIEST, Math.min(end, now.getTime()) - DEFAULT_DAYS * DAY_MS)
  if (start >= end) throw refusalOfField('invalid_request', 'from', 'must be before to (default: a day from now)')
  if (end - start > LONGEST_DAYS * DAY_MS) throw refusalOfField('invalid_request', 'from', `must be at most ${LONGEST_DAYS} days before to; ask for a longer time in parts`)
  return { from: new Date(start).toISOString(), to: new Date(end).toISOString(), limit }
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

function resultOf(index: number, mark: NewMark, outcome: TakenOutcome): RecordResult {
  const named = { index, ...(mark.mark_id === undefined ? {} : { mark_id: mark.mark_id }), student_id: mark.student_id, outcome: outcome.outcome }
  if (outcome.outcome === 'refused') return { ...named, code: outcome.code, ...(outcome.field === '' ? {} : { field: outcome.field }), message: outcome.message }
  if (outcome.outcome === 'queued') return { ...named, message: 'not stored yet; keep it and send it again' }
  return named
}
