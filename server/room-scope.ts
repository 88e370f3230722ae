/**
 * Whether a kiosk may mark for a lesson: one of its room, or of a room where it or the lesson has been lately (db/room-scope.ts). What is found to be
 * its own is remembered, so that a mark costs no query but the first of each lesson. Knows no identity: a script speaks for the office and is not asked.
 *
 * While the record does not answer nobody is refused: the key has opened the door, and the mark is not lost for want of an answer.
 */
import type { NewMark } from '../db/marks.ts'
import type { Database } from '../db/connect.ts'
import { outsideRooms } from '../db/room-scope.ts'
import { describeFault } from './log.ts'
import type { Log } from './log.ts'

export interface RoomScope {
  /** Those of the marks, all of one device, that are of lessons of other rooms. */
  outside(device: { device_id: string; room_id: string }, marks: readonly NewMark[], now: Date): Promise<Set<NewMark>>
}

/** A mark waits no longer than this for the answer of a record that hangs. */
const PATIENCE_MS = 1_000
/** What was found is asked anew after this: a lesson may be moved away, and a device, too. */
const REMEMBERED_MS = 10 * 60_000
const MAX_REMEMBERED = 100_000

const UNSCHEDULED = 'unscheduled.'

export function openRoomScope(db: Database, log: Log): RoomScope {
  /** `<device> <room> <lesson or course>` of what is the device's own. */
  let inside = new Set<string>()
  let since = performance.now()

  /** A lesson by its row of the timetable; a record that names none, or one outside of it, by its course. */
  const subjectOf = ({ lesson_id, course_id }: NewMark): string => (lesson_id === undefined || lesson_id.startsWith(UNSCHEDULED) ? `course ${course_id}` : `schedule ${lesson_id}`)

  return {
    async outside(device, marks, now) {
      if (performance.now() - since > REMEMBERED_MS || inside.size > MAX_REMEMBERED) {
        inside = new Set()
        since = performance.now()
      }
      const prefix = `${device.device_id} ${device.room_id} `
      const unknown = new Set<string>()
      for (const mark of marks) {
        const subject = subjectOf(mark)
        if (!inside.has(prefix + subject)) unknown.add(subject)
      }
      if (unknown.size === 0) return new Set()
      const outside = await look(device, unknown, now)
      for (const subject of unknown) if (outside && !outside.has(subject)) inside.add(prefix + subject)
      return new Set(marks.filter((mark) => outside?.has(subjectOf(mark))))
    },
  }

  async function look(device: { device_id: string; room_id: string }, subjects: Set<string>, now: Date): Promise<Set<string> | void> {
    const named = (kind: string): string[] => [...subjects].filter((subject) => subject.startsWith(kind)).map((subject) => subject.slice(kind.length))
    const asked = outsideRooms(db, { ...device, schedules: named('schedule '), courses: named('course '), now }).then(
      ({ schedules, courses }) => new Set([...schedules.map((id) => `schedule ${id}`), ...courses.map((id) => `course ${id}`)]),
      (error: unknown) => log({ event: 'room_not_checked', device_id: device.device_id, ...describeFault(error) }),
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
