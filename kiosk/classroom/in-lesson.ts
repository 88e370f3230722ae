/**
 * A lesson as the kiosk holds it while it is on: who may be seen, who is here, and what one frame
 * changes about it. Knows the disk (a mark is saved before it counts) but no camera, screen or server.
 */
import type { Doubt, MarkMethod } from '#contract/attendance'
import { CURRENT_MODEL, type ModelId, unpackEmbedding } from '#contract/model'
import { openRotation, seedOfText } from '#contract/rotation'
import type { Rotation } from '#contract/rotation'
import type { Lesson, PinCheck, RosterStudent, Schedule } from '#contract/schedule'
import { packGallery } from '../attendance/gallery.ts'
import { type Mark, type Moment, type Seen, type Sighting, openRegister } from '../attendance/register.ts'
import { type SeenFace, followSightings } from '../attendance/sightings.ts'
import { type Verification, followVerification } from '../attendance/verification.ts'
import type { Store } from '../store/store.ts'
import type { Box, Reason, SeenFrame, TrackWishes } from '../vision/face.ts'
import type { OutlinedFace, PresentStudent, WaitingStudent } from './state.ts'

export interface InLesson {
  readonly lesson: Lesson
  readonly enrolled: number
  /** Enrolled students without a template: the teacher marks them. */
  readonly withoutFace: number
  /** Newest first. */
  present(): PresentStudent[]
  /** Enrolled and not here yet, A to Z by first name. */
  waiting(): WaitingStudent[]
  /** What the student's PIN is checked against; undefined: there is none, or nobody by that id. */
  pinOf(studentId: string): PinCheck | undefined
  /** Whether anybody has a card that could be shown. */
  readonly cards: boolean
  /** Whose card has this hash (attendance/card-check.ts); undefined: nobody's of this lesson. */
  ownerOf(cardHash: string): WaitingStudent | undefined
  /** Whether there is a face on record to compare with, by this app's model. */
  hasFace(studentId: string): boolean
  /** Begins to compare one face with that one student's; undefined: there is nothing to compare with. */
  verify(studentId: string): Verification | undefined
  /** Puts a doubt beside the student's mark, on the disk; false where that is nothing new. Rejects with StoreFailed. */
  doubt(studentId: string, doubt: Doubt): Promise<boolean>
  /**
   * Makes somebody present by what a person did: a tap on their own name, or a PIN. On disk when it resolves.
   * Never rejects: what the disk refused comes back as a fault.
   * @param track the face that it was said of, if it was of one: it bears the name from then on
   */
  markBy(sighting: Sighting & { method: MarkMethod }, track?: number): Promise<MarkedBy>
  /**
   * Looks at one frame. What it returns as marked is on disk.
   * @param moment when the frame was looked at
   */
  take(seen: SeenFrame, moment: Moment): Promise<Taken>
  /** What vision need not do for a frame taken at `now`, on the clock of SeenFrame.takenAt. */
  wishes(now: number): TrackWishes
  /** The lesson is over, or another roster takes the place of this one: its templates are overwritten in memory, and from now on nobody is known by their face. */
  forget(): void
}

/** A face whose owner must say who they are. */
export interface Ask {
  track: number
  box: Box
  /** Student ids, best first. */
  candidates: string[]
  /** `tap`: near, but not near enough or not clear of the runner-up. `pin`: look-alikes, whom a tap does not tell apart. */
  needs: 'tap' | 'pin'
  /** Cosine of the best candidate. */
  score: number
}

/** `here`: was here already, or is being marked this very moment. `nobody`: not of this lesson. */
export type MarkedBy = { kind: 'marked'; mark: Mark; student: RosterStudent } | { kind: 'here' } | { kind: 'nobody' } | { kind: 'not_saved'; fault: unknown }

export interface Taken {
  faces: OutlinedFace[]
  known: SeenFace[]
  /** Faces of this frame to be asked about. */
  asks: Ask[]
  /** Marks that got a doubt and are to be sent again. */
  doubted: number
  marked: { mark: Mark; student: RosterStudent }[]
  /** Why the disk refused a mark; undefined: it took everything. Such a student is proposed again at the next sighting. */
  storageFault: unknown
}

/** As the schedule's templates were turned. A rotation of another model is none of ours: that model's templates are not in the roster. */
async function rotationFor({ rotations }: Schedule, model: ModelId): Promise<Rotation | undefined> {
  const told = rotations.find((one) => one.model === model)
  return told && openRotation(model, seedOfText(told.seed))
}

/** With its templates' embeddings as numbers. */
function unpacked({ templates, ...student }: RosterStudent) {
  return { ...student, templates: templates.map(({ model, embedding }) => ({ model, embedding: unpackEmbedding(embedding) })) }
}

function embeddingsOf({ templates }: ReturnType<typeof unpacked>, model: ModelId): Float32Array[] {
  return templates.filter((template) => template.model === model).map(({ embedding }) => embedding)
}

/**
 * [Note: Templates in memory] This is handed the roster as it comes out of the store, with its templates, and keeps of it what the lesson needs; whoever
 * hands it keeps none of them. Between lessons no template is in memory, in the clear.
 * @param model undefined while the models are not loaded: nobody can be known yet
 * @param lapsed the saved templates are too old to be used
 */
export async function openInLesson(o: { schedule: Schedule; lesson: Lesson; lapsed: boolean; model: ModelId | undefined; store: Store }): Promise<InLesson> {
  const { schedule, lesson, store } = o
  const enrolled = new Set(lesson.student_ids)
  const onRoster = [...schedule.students, ...schedule.ahead.students].filter((one) => enrolled.has(one.student_id)).map(unpacked)
  const { policy } = schedule.settings
  const rotation = await rotationFor(schedule, o.model ?? CURRENT_MODEL)
  // Where a PIN or a card says who it is, nobody is searched for: there is nobody in the gallery.
  const gallery = packGallery(o.lapsed || !o.model || policy !== 'default' ? [] : onRoster, o.model ?? CURRENT_MODEL, undefined, rotation)
  /** What one face is compared with, where a PIN or a card says whose: by student, of this app's model. */
  const faces = new Map(o.lapsed || policy !== 'verify-only' ? [] : onRoster.map((one) => [one.student_id, embeddingsOf(one, CURRENT_MODEL)]))
  const withFace = new Set(onRoster.filter((one) => embeddingsOf(one, gallery.model).length > 0).map((one) => one.student_id))
  // From here on templates are nowhere but in the gallery and among the faces, which go with the lesson.
  const everyone = onRoster.map((one) => ({ ...one, templates: [] }))
  const students = new Map(everyone.map((one) => [one.student_id, one]))
  const { false_accept_budget: budget, score_floor: floor, liveness } = schedule.settings
  const lookAlikes = new Map(everyone.map((one) => [one.student_id, one.look_alikes]))
  const sightings = followSightings(gallery, { budget, floor, liveness, lookAlikes, random: Math.random })
  const register = openRegister(lesson, await store.marksOfLesson(lesson.held_on, lesson.lesson_id), {
    debounceMs: schedule.settings.debounce_seconds * 1000,
    model: gallery.model,
  })
  const byName = everyone
    .map((student): WaitingStudent => ({ studentId: student.student_id, firstName: student.first_name, name: fullName(student), hasPin: student.pin !== null }))
    .sort((a, b) => a.name.localeCompare(b.name))
  const owners = new Map(everyone.flatMap(({ card, student_id }) => (card === null ? [] : [[card, student_id] as const])))
  /** By track: who the person behind it has said to be, by tap or PIN. */
  const saidToBe = new Map<number, string>()
  /** Students whose doubt is on disk. */
  const doubts = new Set<string>()
  let present = listPresent()

  function listPresent(): PresentStudent[] {
    return register.present().map(({ studentId, markedAt, lastSeenAt }) => {
      const student = students.get(studentId)
      return { studentId, name: student ? fullName(student) : studentId, markedAt, lastSeenAt }
    })
  }

  async function take(seen: SeenFrame, moment: Moment): Promise<Taken> {
    const known = sightings.add(seen)
    const marked: Taken['marked'] = []
    let doubted = 0
    let storageFault: unknown
    for (const { verdict } of known) {
      if (verdict.kind !== 'student') continue
      const { studentId, confidence, doubt } = verdict
      const change = register.see({ studentId, confidence, doubt, ...moment })
      const doubtful = doubt !== undefined && !doubts.has(studentId)
      if (!change && !doubtful) continue
      const key = { held_on: lesson.held_on, lesson_id: lesson.lesson_id, student_id: studentId }
      try {
        if (change?.kind === 'mark' && (await saveMark(change.mark))) {
          const student = students.get(studentId)
          if (student) marked.push({ mark: change.mark, student })
        } else if (change?.kind === 'seen_again') await store.moveLastSeen(key, new Date(moment.at).toISOString())
        if (doubtful) {
          if (await store.saveDoubt(key, doubt)) doubted += 1
          doubts.add(studentId)
        }
      } catch (fault) {
        if (change?.kind === 'mark') register.release(change.mark)
        storageFault = fault
      }
      present = listPresent()
    }
    return { faces: outline(known), known, asks: asksOf(known), doubted, marked, storageFault }
  }

  async function markBy(sighting: Sighting & { method: MarkMethod }, track?: number): Promise<MarkedBy> {
    const student = students.get(sighting.studentId)
    if (!student) return { kind: 'nobody' }
    let change: Seen | undefined
    try {
      change = register.see(sighting)
      if (change?.kind !== 'mark' || !(await saveMark(change.mark))) return { kind: 'here' }
      if (track !== undefined) saidToBe.set(track, sighting.studentId)
      return { kind: 'marked', mark: change.mark, student }
    } catch (fault) {
      if (change?.kind === 'mark') register.release(change.mark)
      return { kind: 'not_saved', fault }
    } finally {
      present = listPresent()
    }
  }

  function waiting(): WaitingStudent[] {
    const here = new Set(present.map((one) => one.studentId))
    return byName.filter(({ studentId }) => !here.has(studentId))
  }

  /** False where the disk already held a mark of that student in that lesson: here, but not greeted again. */
  async function saveMark(mark: Mark): Promise<boolean> {
    const fresh = await store.saveMark({ ...mark, state: 'unsent', last_seen: mark.timestamp })
    register.confirm(mark)
    return fresh
  }

  /** Only those who are not here yet are asked about. */
  function asksOf(known: SeenFace[]): Ask[] {
    const here = new Set(present.map((one) => one.studentId))
    return known.flatMap(({ face, verdict }): Ask[] => {
      if (verdict.kind !== 'ask') return []
      const candidates = verdict.candidates.filter((id) => !here.has(id))
      return candidates.length > 0 ? [{ track: face.track, box: face.box, candidates, needs: verdict.needs, score: verdict.score }] : []
    })
  }

  function outline(known: SeenFace[]): OutlinedFace[] {
    const here = new Set(present.map((one) => one.studentId))
    return known.flatMap(({ face, verdict }): OutlinedFace[] => {
      if (face.refused === 'not_a_face') return []
      const outlined = { box: face.box, track: face.track, name: undefined, hint: undefined }
      if (verdict.kind === 'refused') return [{ ...outlined, kind: 'hint', hint: HINT_OF[face.refused ?? 'looks_away'] }]
      const studentId = verdict.kind === 'student' ? verdict.studentId : saidToBe.get(face.track)
      if (studentId === undefined && verdict.kind === 'challenge') return [{ ...outlined, kind: 'hint', hint: verdict.turn === 'left' ? 'turn_left' : 'turn_right' }]
      if (studentId === undefined && verdict.kind === 'doubtful') return [{ ...outlined, kind: 'hint', hint: 'use_pin' }]
      if (studentId === undefined) return [{ ...outlined, kind: verdict.kind === 'unknown' ? 'unknown' : 'looking' }]
      const student = students.get(studentId)
      // A name is shown once its mark is on disk, not before.
      return [student && here.has(student.student_id) ? { ...outlined, kind: 'here', name: fullName(student) } : { ...outlined, kind: 'looking' }]
    })
  }

  return {
    lesson,
    enrolled: enrolled.size,
    withoutFace: policy === 'no-biometrics' ? 0 : everyone.length - withFace.size,
    present: () => present,
    waiting,
    pinOf: (studentId) => students.get(studentId)?.pin ?? undefined,
    cards: owners.size > 0,
    ownerOf: (hash) => byName.find(({ studentId }) => studentId === owners.get(hash)),
    hasFace: (studentId) => !o.lapsed && policy !== 'no-biometrics' && withFace.has(studentId),
    verify(studentId) {
      const templates = faces.get(studentId) ?? []
      return templates.length === 0 ? undefined : followVerification({ templates, rotation, threshold: schedule.settings.recognition_threshold, liveness, random: Math.random })
    },
    async doubt(studentId, doubt) {
      return store.saveDoubt({ held_on: lesson.held_on, lesson_id: lesson.lesson_id, student_id: studentId }, doubt)
    },
    markBy,
    take,
    forget() {
      gallery.rows.fill(0)
      for (const embeddings of faces.values()) for (const embedding of embeddings) embedding.fill(0)
    },
    wishes(now) {
      const { settled, watched } = sightings.wishes(now)
      // Who has said who they are is not looked at any more either.
      return { settled: [...settled, ...saidToBe.keys()], watched: watched.filter((track) => !saidToBe.has(track)) }
    },
  }
}

/** What a person can do about a face that is not good enough to be looked at. */
export const HINT_OF: Record<Reason, OutlinedFace['hint']> = {
  no_face: undefined,
  two_faces: undefined,
  not_a_face: undefined,
  cut_off: 'look_here',
  too_small: 'come_closer',
  too_dark: 'more_light',
  too_bright: 'more_light',
  looks_away: 'look_here',
  blurred: 'hold_still',
  eyes_covered: 'show_eyes',
  mouth_covered: 'show_mouth',
}

function fullName(student: RosterStudent): string {
  return `${student.first_name} ${student.last_name}`
}
