import { describe, expect, it } from 'vitest'
import type { CameraState } from '#contract/device'
import type { Lesson } from '#contract/schedule'
import type { Vision } from '../vision/vision.ts'
import type { InLesson } from './in-lesson.ts'
import { type Facts, screenState } from './screen-state.ts'
import type { Place } from './state.ts'

const NOW = Date.parse('2026-11-23T09:05:00Z')

const lesson: Lesson = {
  lesson_id: '7', held_on: '2026-11-23', course_id: 'CS101', course_code: 'CS 101', course_name: 'Programming', room_id: 'LAB-301',
  starts_at: '2026-11-23T09:00:00Z', ends_at: '2026-11-23T10:00:00Z', student_ids: ['S1', 'S2'],
}
const later: Lesson = { ...lesson, lesson_id: '8', starts_at: '2026-11-23T11:00:00Z', ends_at: '2026-11-23T12:00:00Z' }
const place: Place = {
  roomName: 'Lab', timeZone: 'UTC', now: NOW,
  badge: { connection: 'online', lastContactAt: NOW, unsentMarks: 0, refusedMarks: 0, updateReady: false, storageProblem: undefined, fenced: false },
}
const inLesson: InLesson = {
  lesson, enrolled: 2, withoutFace: 1, present: () => [], waiting: () => [], pinOf: () => undefined,
  cards: false, ownerOf: () => undefined, hasFace: () => false, verify: () => undefined, doubt: () => Promise.resolve(false),
  markBy: () => Promise.reject(new Error('no mark here')), take: () => Promise.reject(new Error('no frame here')), wishes: () => ({ settled: [], watched: [] }), forget: () => {},
}
const camera = (state: CameraState) => ({ state, video: {} as HTMLVideoElement })

const allWell: Facts = {
  place, clock: 0, lessons: [lesson, later], lapsed: false, behind: false, outOfDate: undefined, fenced: undefined, inLesson,
  eyes: { kind: 'ready', vision: {} as Vision }, camera: camera('live'), faces: [], frameSize: { width: 640, height: 480 }, greeting: undefined, ask: undefined, pin: { step: 'closed' },
  card: { step: 'closed' }, policy: 'default', check: { step: 'closed' },
}

describe('the screen', () => {
  it('shows the lesson when all is well', () => {
    expect(screenState(allWell)).toMatchObject({ screen: 'lesson', enrolled: 2, withoutFace: 1, lesson: { courseCode: 'CS 101' } })
  })

  it('goes on with the lesson that it has when the server refuses this app, and says so afterwards', () => {
    expect(screenState({ ...allWell, outOfDate: 'too old' }).screen).toBe('lesson')
    expect(screenState({ ...allWell, outOfDate: 'too old', inLesson: undefined })).toMatchObject({ screen: 'out_of_date', problem: 'too old' })
  })

  it('goes on with the lesson where a copy of its storage is in use, and says so afterwards', () => {
    expect(screenState({ ...allWell, fenced: 'two copies' }).screen).toBe('lesson')
    expect(screenState({ ...allWell, fenced: 'two copies', inLesson: undefined })).toMatchObject({ screen: 'fenced', problem: 'two copies' })
  })

  it('says what comes next when no lesson is on, whatever the models and the camera do', () => {
    expect(screenState({ ...allWell, inLesson: undefined, eyes: { kind: 'failed', problem: 'x', retryAt: 0 }, camera: undefined })).toMatchObject({
      screen: 'no_lesson', next: { startsAt: Date.parse(later.starts_at) },
    })
  })

  it('waits for the class list when none was ever had, and says so when it has lapsed', () => {
    expect(screenState({ ...allWell, lessons: undefined, inLesson: undefined })).toMatchObject({ screen: 'no_roster', why: 'never_reached' })
    expect(screenState({ ...allWell, lapsed: true })).toMatchObject({ screen: 'no_roster', why: 'lapsed' })
    expect(screenState({ ...allWell, behind: true })).toMatchObject({ screen: 'no_roster', why: 'behind', pin: { step: 'closed' } })
  })

  it('counts down to the next try of a model that failed, never below nothing', () => {
    const eyes = { kind: 'failed', problem: 'The detector did not load', retryAt: 4_200 } as const
    expect(screenState({ ...allWell, eyes })).toMatchObject({ screen: 'model_failed', retryIn: 5 })
    expect(screenState({ ...allWell, eyes, clock: 9_000 })).toMatchObject({ screen: 'model_failed', retryIn: 0 })
  })

  it('keeps the way by PIN on every screen of a lesson, and greets who took it', () => {
    const broken: Partial<Facts>[] = [
      {}, { lapsed: true }, { behind: true }, { outOfDate: 'too old' }, { fenced: 'two copies' }, { eyes: { kind: 'failed', problem: 'x', retryAt: 0 } }, { eyes: { kind: 'loading', what: 'Mesh', progress: 0.4 } },
      { camera: undefined }, ...(['starting', 'none', 'denied', 'lost', 'black', 'frozen'] as const).map((state) => ({ camera: camera(state) })),
    ]
    const greeting = { studentId: 'S1', firstName: 'Ada', markedAt: NOW }
    for (const fault of broken) {
      expect(screenState({ ...allWell, ...fault })).toMatchObject({ pin: { step: 'closed' } })
      expect(screenState({ ...allWell, ...fault, pin: { step: 'names', waiting: [] } })).toMatchObject({ pin: { step: 'names' } })
      const greeted = screenState({ ...allWell, ...fault, greeting })
      expect(greeted).toMatchObject(greeted.screen === 'lesson' ? { greeting, pin: { step: 'closed' } } : { pin: { step: 'greeting', firstName: 'Ada' } })
    }
    expect(screenState({ ...allWell, inLesson: undefined })).not.toHaveProperty('pin')
  })

  it('needs neither models nor a camera where the policy does without, whatever is broken, and the way by PIN and card stays', () => {
    const failing: Partial<Facts>[] = [{}, { lapsed: true }, { eyes: { kind: 'failed', problem: 'x', retryAt: 0 } }, { camera: camera('denied') }, { camera: undefined }, { outOfDate: 'too old' }]
    for (const policy of ['no-biometrics', 'verify-only'] as const) {
      for (const fault of failing) expect(screenState({ ...allWell, ...fault, policy })).toMatchObject({ screen: 'desk', policy, pin: { step: 'closed' } })
      expect(screenState({ ...allWell, policy, inLesson: undefined }).screen).toBe('no_lesson')
      expect(screenState({ ...allWell, policy, pin: { step: 'names', waiting: [] }, card: { step: 'unknown_card' } })).toMatchObject({ screen: 'desk', pin: { step: 'unknown_card' } })
    }
  })

  it('shows the camera on demand while somebody is before it, and what is said of a card before all', () => {
    const student = { studentId: 'S1', firstName: 'Ada', name: 'Ada Berg', hasPin: true }
    const check = { step: 'failed', student, why: 'not_confirmed', said: '', again: true } as const
    expect(screenState({ ...allWell, policy: 'verify-only', check })).toMatchObject({ screen: 'check', check: { student: { studentId: 'S1' } } })
    expect(screenState({ ...allWell, policy: 'verify-only', check, card: { step: 'unknown_card' } })).toMatchObject({ screen: 'desk', pin: { step: 'unknown_card' } })
    expect(screenState({ ...allWell, card: { step: 'here_already', student } })).toMatchObject({ screen: 'lesson', pin: { step: 'here_already' } })
  })

  it('names what is wrong with the camera', () => {
    for (const why of ['none', 'denied', 'lost', 'black', 'frozen'] as const) expect(screenState({ ...allWell, camera: camera(why) })).toMatchObject({ screen: 'no_camera', why })
    expect(screenState({ ...allWell, camera: camera('starting') })).toMatchObject({ screen: 'loading', what: 'Camera' })
  })
})
