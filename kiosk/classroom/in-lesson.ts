/**
 * A lesson as the kiosk holds it while it is on: who may be seen, who is here, and what one frame
 * changes about it. Knows the disk (a mark is saved before it counts) but no camera, screen or server.
 */
import { CURRENT_MODEL, type ModelId } from '#contract/model'
import type { Lesson, RosterStudent, Schedule } from '#contract/schedule'
import { packGallery } from '../attendance/gallery.ts'
import { type Mark, openRegister } from '../attendance/register.ts'
import { type SeenFace, followSightings } from '../attendance/sightings.ts'
import type { Store } from '../store/store.ts'
import type { Reason, SeenFrame } from '../vision/face.ts'
import type { OutlinedFace, PresentStudent } from './state.ts'

/** Cosine by which the best student must lead the second best. Measured with the threshold: README, Figures. */
const CLEAR_OF_RUNNER_UP = 0.08

export interface InLesson {
  readonly lesson: Lesson
  readonly enrolled: number
  /** Enrolled students without a template: the teacher marks them. */
  readonly withoutFace: number
  /** Newest first. */
  present(): PresentStudent[]
  /**
   * Looks at one frame. What it returns as marked is on disk.
   * @param at milliseconds since 1970, corrected clock
   */
  take(seen: SeenFrame, at: number): Promise<Taken>
}

export interface Taken {
  faces: OutlinedFace[]
  known: SeenFace[]
  marked: { mark: Mark; student: RosterStudent }[]
  /** Why the disk refused a mark; undefined: it took everything. Such a student is proposed again at the next sighting. */
  storageFault: unknown
}

/**
 * @param model undefined while the models are not loaded: nobody can be known yet
 * @param lapsed the saved templates are too old to be used
 */
export async function openInLesson(o: { schedule: Schedule; lesson: Lesson; lapsed: boolean; model: ModelId | undefined; store: Store }): Promise<InLesson> {
  const { schedule, lesson, store } = o
  const enrolled = new Set(lesson.student_ids)
  const everyone = [...schedule.students, ...schedule.ahead.students].filter((one) => enrolled.has(one.student_id))
  const students = new Map(everyone.map((one) => [one.student_id, one]))
  const gallery = packGallery(o.lapsed || !o.model ? [] : everyone, o.model ?? CURRENT_MODEL)
  const sightings = followSightings(gallery, { threshold: schedule.settings.recognition_threshold, margin: CLEAR_OF_RUNNER_UP })
  const register = openRegister(lesson, await store.marksOfLesson(lesson.held_on, lesson.lesson_id), {
    debounceMs: schedule.settings.debounce_seconds * 1000,
    model: gallery.model,
  })
  let present = listPresent()

  function listPresent(): PresentStudent[] {
    return register.present().map(({ studentId, markedAt, lastSeenAt }) => {
      const student = students.get(studentId)
      return { studentId, name: student ? fullName(student) : studentId, markedAt, lastSeenAt }
    })
  }

  async function take(seen: SeenFrame, at: number): Promise<Taken> {
    const known = sightings.add(seen)
    const marked: Taken['marked'] = []
    let storageFault: unknown
    for (const { verdict } of known) {
      if (verdict.kind !== 'student') continue
      const change = register.see({ studentId: verdict.studentId, confidence: verdict.confidence, at })
      if (!change) continue
      try {
        if (change.kind === 'seen_again') {
          await store.moveLastSeen({ held_on: lesson.held_on, lesson_id: lesson.lesson_id, student_id: change.studentId }, new Date(at).toISOString())
        } else if (await saveMark(change.mark)) {
          const student = students.get(change.mark.student_id)
          if (student) marked.push({ mark: change.mark, student })
        }
      } catch (fault) {
        if (change.kind === 'mark') register.release(change.mark)
        storageFault = fault
      }
      present = listPresent()
    }
    return { faces: outline(known), known, marked, storageFault }
  }

  /** False where the disk already held a mark of that student in that lesson: here, but not greeted again. */
  async function saveMark(mark: Mark): Promise<boolean> {
    const fresh = await store.saveMark({ ...mark, state: 'unsent', last_seen: mark.timestamp })
    register.confirm(mark)
    return fresh
  }

  function outline(known: SeenFace[]): OutlinedFace[] {
    const here = new Set(present.map((one) => one.studentId))
    return known.flatMap(({ face, track, verdict }): OutlinedFace[] => {
      if (face.refused === 'not_a_face') return []
      const outlined = { box: face.box, track, name: undefined, hint: undefined }
      if (verdict.kind === 'refused') return [{ ...outlined, kind: 'hint', hint: HINT_OF[face.refused ?? 'looks_away'] }]
      if (verdict.kind !== 'student') return [{ ...outlined, kind: verdict.kind }]
      const student = students.get(verdict.studentId)
      // A name is shown once its mark is on disk, not before.
      return [student && here.has(student.student_id) ? { ...outlined, kind: 'here', name: fullName(student) } : { ...outlined, kind: 'looking' }]
    })
  }

  return {
    lesson,
    enrolled: enrolled.size,
    withoutFace: everyone.filter((student) => student.templates.length === 0).length,
    present: () => present,
    take,
  }
}

const HINT_OF: Record<Reason, OutlinedFace['hint']> = {
  no_face: undefined,
  two_faces: undefined,
  not_a_face: undefined,
  cut_off: 'look_here',
  too_small: 'come_closer',
  too_dark: 'more_light',
  too_bright: 'more_light',
  looks_away: 'look_here',
  blurred: 'hold_still',
}

function fullName(student: RosterStudent): string {
  return `${student.first_name} ${student.last_name}`
}
