/**
 * The way to a mark without a face, or with more than a face: a name, then a PIN. Knows the lesson and the disk,
 * but no camera, screen or server, so it works whatever else is broken; `panel` is what the screen shows of it.
 */
import { type PinTries, isRightPin, lockedFor, triesLeft, withTry, withoutTries } from '../attendance/second-factor.ts'
import type { Moment, Store } from '../store/store.ts'
import type { InLesson, MarkedBy } from './in-lesson.ts'
import type { PinPanel, PinProblem, WaitingStudent } from './state.ts'
import { sentence } from './wording.ts'

/** Left alone for so long it closes: it covers the lesson, and the next student begins at the names. */
const IDLE_MS = 20_000

/** The face that led to the keypad, if one did. */
export interface FromFace {
  track: number
  /** Cosine. */
  score: number
}

export type PinMarked = Extract<MarkedBy, { kind: 'marked' }>

export interface PinPath {
  /** Also closes what has become pointless: the lesson is over, or the student was marked meanwhile. */
  readonly panel: PinPanel
  open(): void
  /** A name was tapped, in the list or as the answer to a question. */
  pick(studentId: string, fromFace?: FromFace): void
  enter(pin: string): Promise<void>
  /** One step back; from the first step it closes. */
  back(): void
  close(): void
  /** Somebody is at it. */
  touch(): void
  /** To be called every second. */
  tick(): void
}

type Step =
  | { step: 'closed' }
  | { step: 'names' }
  | { step: 'see_teacher'; student: WaitingStudent }
  | { step: 'digits'; student: WaitingStudent; fromFace: FromFace | undefined; tries: number; checking: boolean; problem: PinProblem | undefined }

interface PinPathOptions {
  store: Store
  /** Corrected clock, ms since 1970. */
  now: () => number
  /** The same, with what a mark must say of it. */
  moment: () => Moment
  /** The lesson that is on. */
  lesson: () => InLesson | undefined
  /** The PIN is right; whether the face must confirm it, which has taken over then. Not asked where a face led to the keypad. */
  confirms: (student: WaitingStudent) => boolean
  /** On disk. */
  onMarked: (marked: PinMarked, fromFace: FromFace | undefined) => void
  onChange: () => void
}

/** Rejects with StoreFailed. */
export async function openPinPath({ store, now, moment, lesson, confirms, onMarked, onChange }: PinPathOptions): Promise<PinPath> {
  let tries: PinTries = await store.savedPinTries()
  let at: Step = { step: 'closed' }
  let touchedAt = now()

  function go(next: Step): void {
    at = next
    touchedAt = now()
    onChange()
  }

  function waiting(studentId: string): WaitingStudent | undefined {
    return lesson()?.waiting().find((student) => student.studentId === studentId)
  }

  function panel(): PinPanel {
    if (at.step === 'closed') return at
    if (!lesson() || (at.step === 'digits' && !at.checking && !waiting(at.student.studentId))) at = { step: 'closed' }
    if (at.step === 'names') return { step: 'names', waiting: lesson()?.waiting() ?? [] }
    if (at.step !== 'digits') return at
    const { step, student, tries: judged, checking, problem } = at
    return { step, student, tries: judged, checking, problem: locked(student.studentId) ?? (problem?.kind === 'locked' ? undefined : problem) }
  }

  function locked(studentId: string): PinProblem | undefined {
    const wait = lockedFor(tries, studentId, now())
    return wait > 0 ? { kind: 'locked', seconds: Math.ceil(wait / 1000) } : undefined
  }

  /** [Note: A try is counted before it is judged] */
  async function judge(student: WaitingStudent, pin: string, fromFace: FromFace | undefined): Promise<PinProblem | undefined> {
    const { studentId } = student
    const on = lesson()
    const check = on?.pinOf(studentId)
    if (!on || !check || locked(studentId)) return undefined
    const counted = withTry(tries, studentId, now())
    await store.savePinTries(counted)
    tries = counted
    if (!(await isRightPin(pin, check))) return { kind: 'wrong', left: triesLeft(tries, studentId) }
    if (!fromFace && confirms(student)) {
      tries = withoutTries(tries, studentId)
      await store.savePinTries(tries)
      return undefined
    }
    const by = await on.markBy({ studentId, ...moment(), ...(fromFace ? { method: 'face_and_pin', confidence: fromFace.score } : { method: 'pin', confidence: 1 }) }, fromFace?.track)
    tries = withoutTries(tries, studentId)
    await store.savePinTries(tries)
    if (by.kind === 'not_saved') throw by.fault
    if (by.kind === 'marked') onMarked(by, fromFace)
    return undefined
  }

  async function enter(pin: string): Promise<void> {
    if (at.step !== 'digits' || at.checking) return
    const { student, fromFace, tries: before } = at
    go({ ...at, checking: true, problem: undefined })
    let problem: PinProblem | undefined
    try {
      problem = await judge(student, pin, fromFace)
    } catch (fault) {
      problem = { kind: 'not_saved', why: sentence(fault) }
    }
    if (problem || locked(student.studentId)) go({ step: 'digits', student, fromFace, tries: before + 1, checking: false, problem })
    else go({ step: 'closed' })
  }

  const busy = (): boolean => at.step === 'digits' && at.checking

  return {
    get panel() {
      return panel()
    },
    open() {
      if (at.step === 'closed' && lesson()) go({ step: 'names' })
    },
    pick(studentId, fromFace) {
      const student = waiting(studentId)
      if (!student || busy()) return
      if (student.hasPin) go({ step: 'digits', student, fromFace, tries: 0, checking: false, problem: undefined })
      else go({ step: 'see_teacher', student })
    },
    enter,
    back() {
      if (!busy()) go(at.step === 'digits' && !at.fromFace ? { step: 'names' } : { step: 'closed' })
    },
    close() {
      if (!busy()) go({ step: 'closed' })
    },
    touch() {
      touchedAt = now()
    },
    tick() {
      // A clock that was set meanwhile counts as a touch.
      if (now() < touchedAt) touchedAt = now()
      if (at.step !== 'closed' && !busy() && now() - touchedAt >= IDLE_MS) go({ step: 'closed' })
    },
  }
}
