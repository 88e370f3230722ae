/**
 * The camera on demand, where a PIN or a card says who somebody is: it is opened for one student, compares the face before it with that
 * student's templates, and is closed again. Also opened to read a card; then no face is looked for. Knows the lesson and the camera, but no
 * screen and no server; `panel` is what the screen shows of it.
 *
 *   1. start: somebody has proven by PIN or card to be this student, and has a face on record; the camera is asked for;
 *   2. frame by frame until the face is confirmed (marked, on disk), the time is over, or somebody leaves;
 *   3. confirmed: where more frames may yet bring a doubt they are looked at, for a few seconds; then the camera is closed;
 *   4. not confirmed: the student may try again a few times in this lesson; then the teacher marks them. So a PIN that was told to a friend
 *      marks nobody, and nobody is kept from being present.
 */
import type { MarkMethod } from '#contract/attendance'
import type { CameraState } from '#contract/device'
import type { Verification } from '../attendance/verification.ts'
import type { Camera } from '../vision/camera.ts'
import type { SeenFrame } from '../vision/face.ts'
import type { Vision } from '../vision/vision.ts'
import { HINT_OF, type InLesson, type MarkedBy } from './in-lesson.ts'
import type { CheckPanel, OutlinedFace, WaitingStudent } from './state.ts'
import { sentence } from './wording.ts'
import type { Moment } from '../store/store.ts'

/** How long a face is looked at before it counts as not confirmed: a turn of the head that is asked for fits in. */
const FACE_MS = 20_000
/** A camera or models that are not there for so long will not be there for this student. */
const START_MS = 30_000
/** How long a card is waited for. */
const CARD_MS = 20_000
/** Milliseconds between two looks for a card: a code is read in a tenth of it on a small machine. */
const CARD_EVERY_MS = 200
/** After the mark the face is watched for so long at most: until a picture would have shown itself. */
const LINGER_MS = 5_500
/** What went wrong stands for so long, then the next student begins. */
const TOLD_MS = 15_000
/** So often a student may try in one lesson. */
const MOST_TRIES = 3

export type ProvenBy = 'pin' | 'qr'
const METHOD = { pin: 'face_and_pin', qr: 'face_and_qr' } as const satisfies Record<ProvenBy, MarkMethod>

type Marked = Extract<MarkedBy, { kind: 'marked' }>

interface Checking {
  step: 'face'
  student: WaitingStudent
  by: ProvenBy
  /** Opened anew where a roster has come meanwhile: the old one's templates are gone then. */
  lesson: InLesson
  verification: Verification
  since: number
  /** When the first frame came. */
  seenAt: number | undefined
  markedAt: number | undefined
  hint: OutlinedFace['hint']
  another: boolean
}

type Step =
  | { step: 'closed' }
  | { step: 'card'; since: number }
  | Checking
  | { step: 'failed'; student: WaitingStudent; by: ProvenBy; since: number; why: 'not_confirmed' | 'camera' | 'model' | 'not_saved'; said: string }

export interface FaceCheck {
  readonly panel: CheckPanel
  /** As the heartbeat tells it: `off` at rest; a camera that did not work when it was last wanted says how. */
  readonly cameraState: CameraState
  /** False where the student has no face on record: then the PIN or the card is enough. */
  start(student: WaitingStudent, by: ProvenBy): boolean
  showCard(): void
  again(): void
  close(): void
  /** To be called every second. */
  tick(): void
}

export interface FaceCheckOptions {
  clock: () => number
  moment: () => Moment
  lesson: () => InLesson | undefined
  vision: () => Vision | undefined
  openCamera: (onState: (state: CameraState) => void) => Camera
  /** On disk. */
  onMarked: (marked: Marked) => void
  onDoubted: () => void
  /** What a card that was held before the camera says. */
  onCard: (text: string) => void
  onSeen: (seen: SeenFrame) => void
  onCrash: (vision: Vision, fault: unknown) => void
  onChange: () => void
}

export function openFaceCheck(o: FaceCheckOptions): FaceCheck {
  let at: Step = { step: 'closed' }
  let camera: Camera | undefined
  let lastState: CameraState = 'off'
  let watching = false
  let faces: OutlinedFace[] = []
  let frameSize = { width: 1280, height: 720 }
  /** Of which lesson, and how often each student was not confirmed in it. */
  let failures: { lesson: string; by: Map<string, number> } = { lesson: '', by: new Map() }

  const wantsCamera = (): boolean => at.step === 'card' || at.step === 'face'

  function go(next: Step): void {
    at = next
    faces = []
    if (!wantsCamera()) closeCamera()
    o.onChange()
    if (wantsCamera()) void watch()
  }

  function closeCamera(): void {
    if (!camera) return
    lastState = camera.state === 'live' || camera.state === 'starting' ? 'off' : camera.state
    camera.close()
    camera = undefined
  }

  function begin(student: WaitingStudent, by: ProvenBy): boolean {
    const lesson = o.lesson()
    const verification = lesson?.verify(student.studentId)
    if (!lesson || !verification) return false
    if (failed(lesson, student) >= MOST_TRIES) go({ step: 'failed', student, by, since: o.clock(), why: 'not_confirmed', said: '' })
    else go({ step: 'face', student, by, lesson, verification, since: o.clock(), seenAt: undefined, markedAt: undefined, hint: undefined, another: false })
    return true
  }

  function failed({ lesson }: InLesson, { studentId }: WaitingStudent, more = 0): number {
    const name = `${lesson.held_on} ${lesson.lesson_id}`
    if (failures.lesson !== name) failures = { lesson: name, by: new Map() }
    const count = (failures.by.get(studentId) ?? 0) + more
    failures.by.set(studentId, count)
    return count
  }

  /** One frame in work at a time, as long as somebody stands there. */
  async function watch(): Promise<void> {
    if (watching) return
    watching = true
    try {
      while (wantsCamera()) {
        camera ??= o.openCamera(() => o.onChange())
        const vision = o.vision()
        if (!vision) return // the tick looks again
        const frame = await camera.nextFrame(0)
        try {
          if (at.step === 'card') await readCard(vision, frame)
          else if (at.step === 'face') await look(vision, frame, at)
          else frame.close()
        } catch (fault) {
          o.onCrash(vision, fault)
          return
        }
      }
    } catch {
      // The camera was closed while a frame was waited for.
    } finally {
      watching = false
    }
  }

  async function readCard(vision: Vision, frame: ImageBitmap): Promise<void> {
    const begun = o.clock()
    const text = await vision.readCard(frame)
    if (at.step !== 'card') return
    if (text !== undefined) return o.onCard(text)
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, CARD_EVERY_MS - (o.clock() - begun))))
  }

  /** Goes on with the lesson as it is now. False: it is over, or the student's face is not on record any more. */
  function follow(checking: Checking): boolean {
    const lesson = o.lesson()
    if (lesson === checking.lesson) return true
    const verification = lesson && sameLesson(lesson, checking.lesson) ? lesson.verify(checking.student.studentId) : undefined
    if (!lesson || !verification) {
      go({ step: 'closed' })
      return false
    }
    Object.assign(checking, { lesson, verification })
    return true
  }

  async function look(vision: Vision, frame: ImageBitmap, checking: Checking): Promise<void> {
    if (!follow(checking)) return frame.close()
    const takenAt = o.clock()
    const seen = await vision.look(frame, takenAt, checking.verification.wishes())
    if (at !== checking || !follow(checking)) return
    checking.seenAt ??= takenAt
    frameSize = { width: seen.width, height: seen.height }
    o.onSeen(seen)
    const { face, checked } = checking.verification.add(seen)
    checking.hint = undefined
    checking.another = checked.kind === 'another'
    if (checked.kind === 'refused' && face?.refused) checking.hint = HINT_OF[face.refused]
    if (checked.kind === 'challenge') checking.hint = checked.turn === 'left' ? 'turn_left' : 'turn_right'
    if (checked.kind === 'confirmed') await confirm(checking, checked)
    if (at !== checking) return
    // The name stands at the face once the mark is on disk.
    const named = checking.markedAt === undefined ? { name: undefined, kind: checking.hint ? ('hint' as const) : ('looking' as const) } : { name: checking.student.name, kind: 'here' as const }
    faces = face ? [{ box: face.box, track: face.track, hint: checking.hint, ...named }] : []
    if (checked.kind === 'doubtful') return fail(checking, 'not_confirmed')
    o.onChange()
  }

  async function confirm(checking: Checking, { confidence, doubt, watched }: { confidence: number; doubt: Parameters<InLesson['doubt']>[1] | undefined; watched: boolean }): Promise<void> {
    const { student, lesson, by } = checking
    if (checking.markedAt === undefined) {
      const marked = await lesson.markBy({ studentId: student.studentId, method: METHOD[by], confidence, doubt, ...o.moment() })
      if (at !== checking) return
      if (marked.kind === 'not_saved') {
        return go({ step: 'failed', student, by, since: o.clock(), why: 'not_saved', said: sentence(marked.fault) })
      }
      checking.markedAt = o.clock()
      failures.by.delete(student.studentId)
      if (marked.kind === 'marked') o.onMarked(marked)
    } else if (doubt && (await lesson.doubt(student.studentId, doubt).catch(() => false))) o.onDoubted()
    if (at === checking && !watched) go({ step: 'closed' })
  }

  function fail({ student, by, lesson, markedAt }: Checking, why: 'not_confirmed' | 'camera' | 'model'): void {
    if (markedAt !== undefined) return go({ step: 'closed' })
    if (why === 'not_confirmed') failed(lesson, student, 1)
    go({ step: 'failed', student, by, since: o.clock(), why, said: '' })
  }

  function tick(): void {
    const now = o.clock()
    if (at.step !== 'closed' && !o.lesson()) return go({ step: 'closed' })
    if (at.step === 'card' && now - at.since >= CARD_MS) go({ step: 'closed' })
    else if (at.step === 'failed' && now - at.since >= TOLD_MS) go({ step: 'closed' })
    else if (at.step === 'face') {
      if (at.markedAt !== undefined && now - at.markedAt >= LINGER_MS) go({ step: 'closed' })
      else if (at.seenAt === undefined && now - at.since >= START_MS) fail(at, o.vision() ? 'camera' : 'model')
      else if (at.seenAt !== undefined && now - at.seenAt >= FACE_MS) fail(at, 'not_confirmed')
    }
    if (wantsCamera()) void watch()
  }

  function panel(): CheckPanel {
    if (at.step === 'closed') return at
    if (at.step === 'failed') {
      const lesson = o.lesson()
      return { step: 'failed', student: at.student, why: at.why, said: at.said, again: at.why !== 'not_confirmed' || (lesson !== undefined && failed(lesson, at.student) < MOST_TRIES) }
    }
    const live = camera?.state === 'live' && o.vision() !== undefined
    const picture = { video: live ? camera?.video : undefined, camera: camera?.state ?? 'starting', model: o.vision() !== undefined, faces, frameSize }
    if (at.step === 'card') return { step: 'card', ...picture }
    return { step: 'face', student: at.student, hint: at.hint, another: at.another, done: at.markedAt !== undefined, ...picture }
  }

  return {
    get panel() {
      return panel()
    },
    get cameraState() {
      return camera?.state ?? lastState
    },
    start: begin,
    showCard() {
      if (at.step === 'closed' && o.lesson()) go({ step: 'card', since: o.clock() })
    },
    again() {
      if (at.step === 'failed') begin(at.student, at.by)
    },
    close() {
      if (at.step !== 'closed') go({ step: 'closed' })
    },
    tick,
  }
}

function sameLesson({ lesson: a }: InLesson, { lesson: b }: InLesson): boolean {
  return a.lesson_id === b.lesson_id && a.held_on === b.held_on
}
