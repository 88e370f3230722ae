/**
 * Whether a kiosk may mark for a lesson: one of its room, or of a room where it or the lesson has been lately (db/room-scope.ts). What is found to be
 * its own is remembered, so that a mark costs no query but the first of each lesson. Knows no identity: a script speaks for the office and is not asked.
 *
 * While the record does not answer nobody is refused: the key has opened the door, and the mark is not lost for want of an answer.
 */
import type { NewMark } from '../db/marks.ts'
import type { Database } from '../db/connect.ts'
import { outsideRooms } from '../db/room-scope.ts'
import type { Subject } from '../db/room-scope.ts'
import { describeFault } from './log.ts'
import type { Log } from './log.ts'

export interface RoomScope {
  /** Those of the marks, all of one device, that are of lessons of other rooms. */
  outside(device: { device_id: string; room_id: string }, marks: readonly NewMark[], now: Date): Promise<Set<NewMark>>
}

/** A record that hangs is not waited for any longer: a mark waits for its own answer, and for the one before it. */
const PATIENCE_MS = 1_000
/** What was found is asked anew after this: a lesson may be moved away, and a device, too. */
const REMEMBERED_MS = 10 * 60_000
const MAX_REMEMBERED = 100_000

const UNSCHEDULED = 'unscheduled.'

export function openRoomScope(db: Database, log: Log): RoomScope {
  /** `<device> <room> <lesson or course>` of what is the device's own. */
  let inside = new Set<string>()
  let since = performance.now()
  let underWay: Promise<unknown> = Promise.resolve()
  let next: Batch | undefined

  return {
    async outside({ device_id, room_id }, marks, now) {
      if (performance.now() - since > REMEMBERED_MS || inside.size > MAX_REMEMBERED) {
        inside = new Set()
        since = performance.now()
      }
      const prefix = `${device_id} ${room_id} `
      const unknown = new Map<string, Subject>()
      for (const mark of marks) {
        const name = nameOf(mark)
        if (!inside.has(prefix + name) && !unknown.has(name)) unknown.set(name, { device_id, room_id, ...subjectOf(mark) })
      }
      if (unknown.size === 0) return new Set()
      const outside = await look([...unknown.values()], now)
      for (const [name, subject] of unknown) if (outside && !outside.has(subject)) inside.add(prefix + name)
      return new Set(marks.filter((mark) => outside?.has(unknown.get(nameOf(mark))!)))
    },
  }

  /** What is asked while a query is under way goes together in the next: at the bell every room asks. */
  function look(subjects: Subject[], now: Date): Promise<ReadonlySet<Subject> | void> {
    if (!next) {
      const batch: Batch = { subjects: [], answer: underWay.then(() => ((next = undefined), ask(batch.subjects, now))) }
      underWay = batch.answer
      next = batch
    }
    next.subjects.push(...subjects)
    return next.answer
  }

  /** Undefined: there is no answer. Never throws. */
  async function ask(subjects: Subject[], now: Date): Promise<ReadonlySet<Subject> | void> {
    const asked = outsideRooms(db, subjects, now).then(
      (outside) => new Set(outside),
      (error: unknown) => log({ event: 'room_not_checked', devices: new Set(subjects.map(({ device_id }) => device_id)).size, ...describeFault(error) }),
    )
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS, undefined)
    })
    try {
      return await Promise.race([asked, late])
    } finally {
      clearTimeout(timer)
    }
  }
}

interface Batch {
  subjects: Subject[]
  answer: Promise<ReadonlySet<Subject> | void>
}

/** A lesson by its row of the timetable; a record that names none, or one outside of it, by its course. */
function subjectOf({ lesson_id, course_id }: NewMark): Pick<Subject, 'schedule_id' | 'course_id'> {
  return lesson_id === undefined || lesson_id.startsWith(UNSCHEDULED) ? { schedule_id: undefined, course_id } : { schedule_id: lesson_id, course_id: undefined }
}

function nameOf(mark: NewMark): string {
  const { schedule_id, course_id } = subjectOf(mark)
  return schedule_id === undefined ? `course ${course_id}` : `schedule ${schedule_id}`
}
