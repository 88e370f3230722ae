/**
 * Unsent marks -> server, until each is stored or refused there. Knows no timer and no screen.
 *
 * [Note: Marks are pushed until stored] A kiosk lets go of a mark only when an answer names that very
 * mark stored, duplicate or refused. A 200 alone is no receipt, `queued` is none, and an answer that
 * leaves a mark out has not named it: the mark stays unsent and is sent again, with the same mark_id and
 * the same key, which makes every repetition harmless on the server. A mark that is doubted later is unsent
 * again and goes out once more with its doubt; the answer to what was sent before the doubt settles nothing of it.
 */
import { z } from 'zod'
import { RecordResult } from '#contract/attendance'
import type { AttendanceRecord } from '#contract/attendance'
import type { Pairing, SavedMark, SettledMark, Store } from '../store/store.ts'
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
  /** Marks that are still unsent although they were sent. */
  left: number
}

/**
 * Sends what is unsent, oldest first:
 * 1. take a batch of the marks not yet sent in this visit
 * 2. POST it; where the server cannot take it as it is, in halves, so that one bad mark does not hold up the others
 * 3. settle what the answer names
 * 4. until none is left that was not sent in this visit
 * Throws Refused or Unreachable of the POST that ended the visit, or StoreFailed; what was settled by then is settled.
 */
export async function pushUnsent(o: { store: Store; pairing: Pairing; batch: number; onSettled: () => void }): Promise<PushVisit> {
  const { store, pairing } = o
  const sent = new Set<string>()
  const settled = new Set<string>()
  let answers = 0
  let failures = 0

  async function send(marks: SavedMark[]): Promise<void> {
    let results: unknown[]
    try {
      results = await post(pairing, marks)
    } catch (error) {
      failures += 1
      if (!mayBeOneMark(error) || failures >= FAILURES_TO_GIVE_UP) throw error
      if (marks.length === 1) return
      const half = Math.ceil(marks.length / 2)
      await send(marks.slice(0, half))
      await send(marks.slice(half))
      return
    }
    failures = 0
    answers += 1
    const named = namedMarks(marks, results)
    if (named.length === 0) return
    await store.settleMarks(named)
    for (const { mark } of named) settled.add(sending(mark))
    o.onSettled()
  }

  for (;;) {
    const unsent = await store.unsentMarks(sent.size - settled.size + o.batch)
    const marks = unsent.filter((mark) => !sent.has(sending(mark))).slice(0, o.batch)
    if (marks.length === 0) return { answers, left: sent.size - settled.size }
    for (const mark of marks) sent.add(sending(mark))
    await send(marks)
  }
}

/** Names a mark as it is sent: with a doubt that came meanwhile it is another thing to send. */
const sending = ({ mark_id, doubt }: SavedMark): string => `${mark_id} ${doubt ?? ''}`

/** The server could not cope with these records, and perhaps one of them is to blame. */
function mayBeOneMark(error: unknown): boolean {
  return error instanceof Refused && ['internal', 'invalid_request', 'body_too_large'].includes(error.problem.code)
}

async function post({ deviceId, key }: Pairing, marks: SavedMark[]): Promise<unknown[]> {
  const answer = await request('/api/v1/attendance', {
    method: 'POST',
    key,
    body: { device_id: deviceId, records: marks.map(recordOf) },
    answer: Answer,
  })
  return answer?.value.results ?? []
}

/** What travels of a mark, and nothing else. */
export function recordOf({ student_id, course_id, timestamp, confidence, mark_id, lesson_id, held_on, model, method, doubt }: SavedMark): AttendanceRecord {
  // A cosine of two unit vectors of 32-bit numbers can come out a hair above 1.
  const rounded = Math.min(1, Math.max(0, Math.round(confidence * 10_000) / 10_000))
  return { student_id, course_id, timestamp, confidence: rounded, mark_id, lesson_id, held_on, model, method, ...(doubt === undefined ? {} : { doubt }) }
}

/** The marks that the answer names, with what became of them. A result whose ids are another mark's names nobody. */
export function namedMarks(marks: SavedMark[], results: unknown[]): SettledMark[] {
  const named = new Map<SavedMark, SettledMark>()
  for (const each of results) {
    const result = Result.safeParse(each)
    if (!result.success || result.data.outcome === 'queued') continue
    const { index, mark_id, student_id, outcome, code, message } = result.data
    const mark = marks[index]
    if (!mark || (mark_id !== undefined && mark_id !== mark.mark_id) || (student_id !== undefined && student_id !== mark.student_id)) continue
    named.set(mark, outcome === 'refused' ? { mark, state: 'refused', why: message ?? code ?? 'refused' } : { mark, state: 'stored' })
  }
  return [...named.values()]
}
