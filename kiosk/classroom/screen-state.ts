/** Which screen the kiosk shows, from the facts alone: the first that applies, worst news first. */
import type { CameraState } from '#contract/device'
import { type SchoolPolicy, watchesTheRoom } from '#contract/policy'
import type { Lesson } from '#contract/schedule'
import type { EyesState } from './eyes.ts'
import type { InLesson } from './in-lesson.ts'
import { nextLesson } from '../attendance/lesson-clock.ts'
import type { AskCard, CardPanel, CheckPanel, LessonCard, OutlinedFace, PinPanel, Place, ScreenState } from './state.ts'

export interface Facts {
  place: Place
  /** The clock that nobody sets, ms: what waiting times are counted on. */
  clock: number
  /** Every lesson of the saved roster; undefined: there is no roster. */
  lessons: readonly Lesson[] | undefined
  lapsed: boolean
  /** The school may have withdrawn somebody whom the saved roster knows, and the newer roster has not come yet, for some seconds. */
  behind: boolean
  outOfDate: string | undefined
  /** Why the server takes nothing from this storage, which has a copy. */
  fenced: string | undefined
  inLesson: InLesson | undefined
  eyes: EyesState
  camera: { state: CameraState; video: HTMLVideoElement } | undefined
  faces: OutlinedFace[]
  frameSize: { width: number; height: number }
  greeting: { studentId: string; firstName: string; markedAt: number } | undefined
  ask: AskCard | undefined
  /** What is open of the way without a face; counts while a lesson is on. */
  pin: PinPanel
  /** Of a card that was shown; comes before the PIN. */
  card: CardPanel
  policy: SchoolPolicy
  /** The camera on demand. */
  check: CheckPanel
}

export function screenState(given: Facts): ScreenState {
  const facts = given.card.step === 'closed' ? given : { ...given, pin: given.card }
  const { place, lessons, inLesson, eyes, camera } = facts
  if (!inLesson) {
    if (facts.fenced !== undefined) return { screen: 'fenced', place, problem: facts.fenced }
    if (facts.outOfDate !== undefined) return { screen: 'out_of_date', place, problem: facts.outOfDate }
    if (!lessons) return { screen: 'no_roster', place, why: 'never_reached', pin: undefined }
    const next = nextLesson(lessons, place.now)
    return { screen: 'no_lesson', place, next: next && lessonCard(next) }
  }
  if (!watchesTheRoom(facts.policy)) return atTheDesk(facts, inLesson)
  const pin = withGreeting(facts)
  if (facts.lapsed) return { screen: 'no_roster', place, why: 'lapsed', pin }
  if (facts.behind) return { screen: 'no_roster', place, why: 'behind', pin }
  if (eyes.kind === 'failed') {
    return { screen: 'model_failed', place, problem: eyes.problem, retryIn: Math.max(0, Math.ceil((eyes.retryAt - facts.clock) / 1000)), pin }
  }
  if (eyes.kind === 'loading') return { screen: 'loading', place, progress: eyes.progress, what: eyes.what, pin }
  if (!camera || camera.state === 'starting' || camera.state === 'off') return { screen: 'loading', place, progress: 1, what: 'Camera', pin }
  const lesson = lessonCard(inLesson.lesson)
  if (camera.state !== 'live') return { screen: 'no_camera', place, lesson, why: camera.state, pin }
  return {
    screen: 'lesson',
    place,
    lesson,
    video: camera.video,
    faces: facts.faces,
    frameSize: facts.frameSize,
    present: inLesson.present(),
    enrolled: inLesson.enrolled,
    withoutFace: inLesson.withoutFace,
    greeting: facts.greeting,
    ask: facts.ask,
    pin: facts.pin,
  }
}

/** Nothing that can be broken is needed but the kiosk itself: not the models, not the camera, not templates that have not lapsed. */
function atTheDesk({ place, policy, check, greeting, pin }: Facts, inLesson: InLesson): ScreenState {
  const lesson = lessonCard(inLesson.lesson)
  if (check.step !== 'closed' && pin.step === 'closed') return { screen: 'check', place, lesson, check, greeting }
  return {
    screen: 'desk',
    place,
    lesson,
    policy: policy === 'verify-only' ? policy : 'no-biometrics',
    waiting: inLesson.waiting(),
    present: inLesson.present(),
    enrolled: inLesson.enrolled,
    cards: inLesson.cards,
    greeting,
    pin,
  }
}

/** Where the lesson is not on the screen, whoever was marked by PIN is greeted all the same. */
function withGreeting({ pin, greeting }: Facts): PinPanel {
  return pin.step === 'closed' && greeting ? { step: 'greeting', firstName: greeting.firstName, markedAt: greeting.markedAt } : pin
}

function lessonCard(lesson: Lesson): LessonCard {
  return { courseCode: lesson.course_code, courseName: lesson.course_name, startsAt: Date.parse(lesson.starts_at), endsAt: Date.parse(lesson.ends_at) }
}
