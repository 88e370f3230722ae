/**
 * Unsent marks -> server, until each is stored or refused there. Knows no timer and no screen.
 *
 * [Note: Marks are pushed until stored] A kiosk lets go of a mark only when an answer names that very
 * mark stored, duplicate or refused. A 200 alone is no receipt, `queued` is none, and an answer that
 * leaves a mark out has not named it: the mark stays unsent and is sent again, with the same mark_id and
 * the same key, which makes every repetition harmless on the server. A mark that is doubted later is unsent
 * again and goes out once more with its doubt; the answer to what was sent before the doubt settles nothing of it.
 * A mark that is unsure of its time is not sent by the life of the page that made it before it was re-dated.
 */
import { z } from 'zod'
import { MAX_CLOCK_OFFSET_MS, RecordResult } from '#contract/attendance'
import type { AttendanceRecord } from '#contract/attendance'
import type { Pairing, SavedMark, SettledMark, Store } from '../store/store.ts'
import type { Host } from './host.ts'
import { Refused, request } from './request.ts'

/** As much of the answer as a kiosk acts on. A result that a newer server words otherwise is simply not a receipt. */
const Result = RecordResult.extend({ code: z.string().optional() })
const Answer = z.object({ results: z.array(z.unknown()) })

/**
 * So many failed POSTs in a row end a visit: enough to cut a batch of 100 down to one bad mark and to get
 * past a few more beside it, few enough that a broken server is not hammered.
 */
const FAILURES_TO_GIVE_UP = 20

export interface PushVisit {
  /** Answers that came. */
  answers: number
  /** Marks that were named stored or refused. */
  settled: number
  /** Marks that are still unsent, although they were sent or because nobody tells the time they were made, */
  left: number
  /** and of those, marks that wait to be recorded: nothing is wrong with them. */
  queued: number
}

/**
 * Sends what is unsent, oldest first:
 * 1. take a batch of the marks not yet sent in this visit; where some are unsure of their time, have them re-dated and take them again, or leave them out
 * 2. POST it; where the server cannot take it as it is, in halves, so that one bad mark does not hold up the others
 * 3. settle what the answer names
 * 4. until none is left that was not sent in this visit
 * Throws Refused or Unreachable of the POST that ended the visit, or StoreFailed; what was settled by then is settled.
 */
export async function pushUnsent(o: {
  store: Store
  pairing: Pairing
  batch: number
  host: Host
  /** This life of the page. */
  life: string
  /** Leaves no mark of this life unsure; false where that cannot be done yet. */
  redate: () => Promise<boolean>
  onSettled: () => void
}): Promise<PushVisit> {
  const { store, pairing } = o
  const sent = new Set<string>()
  const settled = new Set<string>()
  const queued = new Set<string>()
  /** Unsure of their time, and nobody tells it. */
  const held = new Set<string>()
  let answers = 0
  let failures = 0

  async function send(storeId: string, marks: SavedMark[]): Promise<void> {
    let results: unknown[]
    try {
      results = await post(o.host, pairing, storeId, marks)
    } catch (error) {
      failures += 1
      if (!mayBeOneMark(error) || failures >= FAILURES_TO_GIVE_UP) throw error
      if (marks.length === 1) return
      const half = Math.ceil(marks.length / 2)
      await send(storeId, marks.slice(0, half))
      await send(storeId, marks.slice(half))
      return
    }
    failures = 0
    answers += 1
    for (const mark of queuedMarks(marks, results)) queued.add(sending(mark))
    const named = namedMarks(marks, results)
    if (named.length === 0) return
    await store.settleMarks(named)
    for (const { mark } of named) settled.add(sending(mark))
    o.onSettled()
  }

  for (;;) {
    const { store_id: storeId } = await store.storeState()
    const unsent = await store.unsentMarks(sent.size - settled.size + held.size + o.batch)
    const marks = unsent.filter((mark) => !sent.has(sending(mark)) && !held.has(sending(mark))).slice(0, o.batch)
    if (marks.length === 0) return { answers, settled: settled.size, left: sent.size - settled.size + held.size, queued: [...queued].filter((mark) => !settled.has(mark)).length }
    const unsure = marks.filter((mark) => mark.unsure?.life === o.life)
    if (unsure.length > 0) {
      if (held.size > 0 || !(await o.redate())) for (const mark of unsure) held.add(sending(mark))
      continue
    }
    for (const mark of marks) sent.add(sending(mark))
    await send(storeId, marks)
  }
}

/** Names a mark as it is sent: with a doubt that came meanwhile it is another thing to send. */
const sending = ({ mark_id, doubt }: SavedMark): string => `${mark_id} ${doubt ?? ''}`

/** The server could not cope with these records, and perhaps one of them is to blame. */
function mayBeOneMark(error: unknown): boolean {
  return error instanceof Refused && ['internal', 'invalid_request', 'body_too_large'].includes(error.problem.code)
}

async function post(host: Host, { deviceId, key }: Pairing, storeId: string, marks: SavedMark[]): Promise<unknown[]> {
  const answer = await request('/api/v1/attendance', {
    method: 'POST',
    key,
    body: { device_id: deviceId, store_id: storeId, records: marks.map(recordOf) },
    answer: Answer,
    host,
  })
  return answer?.value.results ?? []
}

/** What travels of a mark, and nothing else. */
export function recordOf({ student_id, course_id, timestamp, confidence, mark_id, lesson_id, held_on, unplaced, model, method, doubt, sequence, clock_offset_ms }: SavedMark): AttendanceRecord {
  // A cosine of two unit vectors of 32-bit numbers can come out a hair above 1.
  const rounded = Math.min(1, Math.max(0, Math.round(confidence * 10_000) / 10_000))
  return {
    student_id, course_id, timestamp, confidence: rounded, mark_id, ...(unplaced ? {} : { lesson_id, held_on }), model, method,
    ...(doubt === undefined ? {} : { doubt }),
    ...(sequence === undefined ? {} : { sequence }),
    // A clock that is wrong by more than a hundred years tells nothing.
    ...(clock_offset_ms === undefined || Math.abs(clock_offset_ms) > MAX_CLOCK_OFFSET_MS ? {} : { clock_offset_ms }),
  }
}

/** The marks that the answer names, with what became of them. A result whose ids are another mark's names nobody. */
export function namedMarks(marks: SavedMark[], results: unknown[]): SettledMark[] {
  const named = new Map<SavedMark, SettledMark>()
  for (const { mark, result } of resultsOf(marks, results)) {
    const { outcome, code, message } = result
    if (outcome === 'queued') continue
    named.set(mark, outcome === 'refused' ? { mark, state: 'refused', why: message ?? code ?? 'refused' } : { mark, state: 'stored' })
  }
  return [...named.values()]
}

/** The marks that the server says it has, and has not recorded yet. */
export function queuedMarks(marks: SavedMark[], results: unknown[]): SavedMark[] {
  return [...new Set(resultsOf(marks, results).flatMap(({ mark, result }) => (result.outcome === 'queued' ? [mark] : [])))]
}

function resultsOf(marks: SavedMark[], results: unknown[]): { mark: SavedMark; result: z.infer<typeof Result> }[] {
  return results.flatMap((each) => {
    const result = Result.safeParse(each)
    if (!result.success) return []
    const { index, mark_id, student_id } = result.data
    const mark = marks[index]
    if (!mark || (mark_id !== undefined && mark_id !== mark.mark_id) || (student_id !== undefined && student_id !== mark.student_id)) return []
    return [{ mark, result: result.data }]
  })
}
