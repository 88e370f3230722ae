/**
 * Marks that were made before the kiosk knew the time, put right once it does: their time, and the lesson
 * that was on then. Pure; knows no clock, no disk and no server.
 *
 * [Note: A mark is re-dated before it is sent, or never] The server's record is by lesson and student. Until a mark
 * has been sent it may move to the lesson it belongs to; once it may have arrived there, it stays what it was.
 *
 * [Note: A mark without a place] A kiosk knows the lessons of the rosters that it held, and those reach half a day. Of a time that none of them covers (it
 * stood switched off for a week, and was not heard until the lesson was over) it cannot tell which lesson was on, and must not guess the next one: the
 * school knows, and finds it by course and time. Here such a mark stays under the lesson that it was made in.
 */
import type { Doubt } from '#contract/attendance'
import { MAX_CLOCK_OFFSET_MS } from '#contract/attendance'
import type { Lesson } from '#contract/schedule'
import { lessonAt } from './lesson-clock.ts'
import type { Mark } from './register.ts'

/** A mark as it is kept. */
export interface KeptMark extends Omit<Mark, 'method'> {
  state: 'unsent' | 'stored' | 'refused'
  last_seen: string
  /** See [Note: A mark without a place]. */
  unplaced?: true
}

export interface Redating<M extends KeptMark> {
  /** To be put in the place of these, */
  put: M[]
  /** after these were taken away: their keys are free again. */
  remove: M[]
  /** Marks that went into another one of the same student and lesson, and will never be sent by themselves. */
  merged: number
}

/** What a kiosk knows once it knows the time. */
export interface Redated {
  /** The school's time, ms since 1970, when `monotonic` ms had passed since this page began. */
  schoolTime: (monotonic: number) => number
  /** Of the room, as far as they are known. */
  lessons: readonly Lesson[]
  /** Whether they are all that the room had at this time, ms since 1970. */
  knows: (at: number) => boolean
}

/** A correction below this, in ms, moves nobody to another lesson: the bell's own second belongs to both. */
const MOVES_NOBODY_MS = 1_000

const keyOf = ({ held_on, lesson_id, student_id }: KeptMark): string => `${held_on} ${lesson_id} ${student_id}`

/**
 * 1. each unsure mark of this life gets its true time, by the clock that nobody sets;
 * 2. if the room then had a lesson on in which the student is enrolled, the mark moves to it, with the same mark_id; if that cannot be known, it has no place;
 * 3. of two marks of one student and lesson the earlier stays, unless the later may be on record already; doubts are kept.
 * Marks of an earlier life stay as they are: nothing tells how long ago they were made.
 * @param all every mark on the disk
 */
export function redate<M extends KeptMark>(all: readonly M[], o: Redated & { life: string }): Redating<M> {
  const isUnsure = (mark: M): boolean => mark.state === 'unsent' && mark.unsure?.life === o.life
  const before = all.filter(isUnsure)
  const held = new Map(all.filter((mark) => !isUnsure(mark)).map((mark) => [keyOf(mark), mark]))
  const corrected = before.map((mark) => correct(mark, o)).sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1))
  let merged = 0
  for (const mark of corrected) {
    const there = held.get(keyOf(mark))
    if (there) merged += 1
    held.set(keyOf(mark), there ? merge(there, mark) : mark)
  }
  const known = new Set<M>(all)
  return { put: [...held.values()].filter((mark) => !known.has(mark)), remove: before, merged }
}

function correct<M extends KeptMark>(mark: M, { schoolTime, lessons, knows }: Redated): M {
  const { unsure, ...rest } = mark
  const at = schoolTime(unsure?.monotonic ?? 0)
  const moved = at - Date.parse(mark.timestamp)
  const redated = { ...rest, timestamp: new Date(at).toISOString(), last_seen: new Date(Date.parse(mark.last_seen) + moved).toISOString() }
  // What the device's own clock said stays known: the offset takes up what the time was moved by.
  const offset = (mark.clock_offset_ms ?? 0) + moved
  if (Math.abs(offset) <= MAX_CLOCK_OFFSET_MS) redated.clock_offset_ms = offset
  else delete redated.clock_offset_ms
  const moves = Math.abs(moved) >= MOVES_NOBODY_MS
  const lesson = moves ? lessonAt(lessons, at) : undefined
  // Who comes early comes to the next lesson only where none was on.
  const isKnown = knows(at) || (lesson !== undefined && Date.parse(lesson.starts_at) <= at)
  if (moves && !isKnown) redated.unplaced = true
  else if (lesson?.student_ids.includes(mark.student_id)) {
    redated.held_on = lesson.held_on
    redated.lesson_id = lesson.lesson_id
    redated.course_id = lesson.course_id
  }
  // `rest` is M without its optional `unsure`.
  return redated as unknown as M
}

/** @param there what holds the place; @param mark what has come to it */
function merge<M extends KeptMark>(there: M, mark: M): M {
  const mayMove = there.state === 'unsent' && mark.timestamp < there.timestamp
  const stays = mayMove ? mark : there
  const last_seen = there.last_seen < mark.last_seen ? mark.last_seen : there.last_seen
  const doubt = graver(there.doubt, mark.doubt)
  if (stays === there && last_seen === there.last_seen && doubt === there.doubt) return there
  // What is doubted anew is sent anew, but what was refused for good is refused with a doubt, too.
  const state = doubt !== stays.doubt && stays.state === 'stored' ? 'unsent' : stays.state
  return { ...stays, last_seen, state, ...(doubt === undefined ? {} : { doubt }) }
}

function graver(one: Doubt | undefined, other: Doubt | undefined): Doubt | undefined {
  return one === 'looks_like_a_picture' || other === undefined ? one : other
}
