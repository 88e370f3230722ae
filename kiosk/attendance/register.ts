/**
 * One lesson's marks at the kiosk: a student is marked once, and later sightings only move "last
 * seen". Pure; the caller saves a mark before it confirms it, so what the register shows is on disk.
 *
 * [Note: A mark is on disk before it is on screen]
 * `see` only proposes. The caller saves the proposal with strict durability and then calls `confirm`,
 * which is what makes the student present; if saving fails it calls `release`, and the next sighting
 * proposes again.
 */
import { v7 as uuidv7 } from 'uuid'
import { showsFace, type Doubt, type MarkMethod } from '#contract/attendance'
import type { ModelId } from '#contract/model'
import type { Lesson } from '#contract/schedule'

/**
 * That a mark was made while the kiosk could not know the time: the server had not been heard in this life of the page, or the
 * device's clock was set since. `monotonic` counts on, ms since the page began; `life` says which page that was.
 */
export interface Unsure {
  life: string
  monotonic: number
}

/** When something happened, and how well the kiosk knew the time as it did. */
export interface Moment {
  /** Milliseconds since 1970, corrected clock. */
  at: number
  /** Milliseconds that were added to the device's own clock to get `at`. */
  clockOffsetMs?: number | undefined
  unsure?: Unsure | undefined
}

export interface Mark {
  /** UUIDv7 made with the mark; a replay carries the same one. */
  mark_id: string
  student_id: string
  course_id: string
  lesson_id: string
  /** The lesson's date in the school's zone. */
  held_on: string
  /** ISO 8601 UTC, whole milliseconds, corrected clock. */
  timestamp: string
  /** Cosine, 0 to 1, three decimals; 1 for a PIN or a card alone. */
  confidence: number
  /** Of the face; undefined where no face was part of it. */
  model: ModelId | undefined
  method: MarkMethod
  /** Why a teacher should look at it, where that is known already as the mark is made. */
  doubt?: Doubt
  /** Milliseconds that were added to the device's own clock to get `timestamp`. */
  clock_offset_ms?: number
  /** Until it is re-dated, or sent as it is. */
  unsure?: Unsure
}

/** What makes somebody present: a face in a frame, or a person's tap, PIN or card. */
export interface Sighting extends Moment {
  studentId: string
  /** Cosine; 1 for a PIN alone. */
  confidence: number
  /** Default: the face alone. */
  method?: MarkMethod
  doubt?: Doubt | undefined
}

export interface Present {
  studentId: string
  /** Milliseconds since 1970. */
  markedAt: number
  lastSeenAt: number
}

export type Seen =
  | { kind: 'mark'; mark: Mark }
  | { kind: 'seen_again'; studentId: string; at: number }

export interface Register {
  readonly lesson: Lesson
  /** Undefined: nothing to do. */
  see(sighting: Sighting): Seen | undefined
  confirm(mark: Mark): void
  release(mark: Mark): void
  /** Newest mark first. */
  present(): Present[]
}

/**
 * @param saved what the disk already holds of this lesson: a restart in mid-lesson greets nobody twice
 * @param debounceMs time in which another sighting of the same student changes nothing
 */
export function openRegister(
  lesson: Lesson,
  saved: readonly { student_id: string; timestamp: string; last_seen: string }[],
  { debounceMs, model }: { debounceMs: number; model: ModelId },
): Register {
  const here = new Map<string, Present>()
  const proposed = new Map<string, string>()
  const enrolled = new Set(lesson.student_ids)
  for (const mark of saved) {
    here.set(mark.student_id, { studentId: mark.student_id, markedAt: Date.parse(mark.timestamp), lastSeenAt: Date.parse(mark.last_seen) })
  }
  return {
    lesson,
    see({ studentId, confidence, at, clockOffsetMs, unsure, method = 'face', doubt }) {
      const present = here.get(studentId)
      if (present) {
        if (at - present.lastSeenAt < debounceMs) return undefined
        present.lastSeenAt = at
        return { kind: 'seen_again', studentId, at }
      }
      if (proposed.has(studentId) || !enrolled.has(studentId)) return undefined
      const mark: Mark = {
        mark_id: uuidv7({ msecs: at }),
        student_id: studentId,
        course_id: lesson.course_id,
        lesson_id: lesson.lesson_id,
        held_on: lesson.held_on,
        timestamp: new Date(at).toISOString(),
        confidence: Math.round(Math.min(1, Math.max(0, confidence)) * 1000) / 1000,
        model: showsFace(method) ? model : undefined,
        method,
        ...(doubt === undefined ? {} : { doubt }),
        ...(clockOffsetMs === undefined ? {} : { clock_offset_ms: clockOffsetMs }),
        ...(unsure === undefined ? {} : { unsure }),
      }
      proposed.set(studentId, mark.mark_id)
      return { kind: 'mark', mark }
    },
    confirm(mark) {
      if (proposed.get(mark.student_id) !== mark.mark_id) return
      proposed.delete(mark.student_id)
      const at = Date.parse(mark.timestamp)
      here.set(mark.student_id, { studentId: mark.student_id, markedAt: at, lastSeenAt: at })
    },
    release(mark) {
      if (proposed.get(mark.student_id) === mark.mark_id) proposed.delete(mark.student_id)
    },
    present: () => [...here.values()].sort((a, b) => b.markedAt - a.markedAt || (a.studentId < b.studentId ? -1 : 1)),
  }
}
