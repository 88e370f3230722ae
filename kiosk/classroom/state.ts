/**
 * All that the kiosk's screen can show, as plain data. The screen knows nothing else: it is handed a
 * ScreenState and fires events; `run.ts` makes the states.
 */
import type { MarkMethod } from '#contract/attendance'
import type { CameraState } from '#contract/device'
import type { SchoolPolicy } from '#contract/policy'
import type { Box, StageTimes } from '../vision/face.ts'

/** A face in the live picture. `name` is undefined for a stranger and for a face not yet decided. */
export interface OutlinedFace {
  box: Box
  /** The same number while the face is in view. */
  track: number
  name: string | undefined
  /** `here`: a student marked in this lesson. `looking`: not decided yet. `unknown`: nobody of this roster. `hint`: `hint` says what to do. */
  kind: 'here' | 'looking' | 'unknown' | 'hint'
  hint: 'come_closer' | 'look_here' | 'more_light' | 'hold_still' | 'show_eyes' | 'show_mouth' | 'turn_left' | 'turn_right' | 'use_pin' | undefined
}

export interface PresentStudent {
  studentId: string
  name: string
  /** Milliseconds since 1970, corrected clock. */
  markedAt: number
  lastSeenAt: number
}

/** A camera that does not show the room. */
export type CameraFault = Exclude<CameraState, 'starting' | 'live' | 'off'>

/** A student of this lesson who is not here yet. */
export interface WaitingStudent {
  studentId: string
  firstName: string
  name: string
  hasPin: boolean
}

/** Why a PIN that was typed made no mark. */
export type PinProblem =
  | { kind: 'wrong'; /** Tries before the PIN is locked. */ left: number }
  | { kind: 'locked'; /** Until the next try. */ seconds: number }
  | { kind: 'not_saved'; /** For a person. */ why: string }

/**
 * The way to a mark without a face, there as long as a lesson is on, whatever else is broken. The digits
 * that are being typed are not part of it: they stay in the keypad until they are handed over.
 */
export type PinPanel =
  | { step: 'closed' }
  | { step: 'names'; waiting: WaitingStudent[] }
  | { step: 'digits'; student: WaitingStudent; /** Tries so far that were judged: the keypad empties itself when it moves. */ tries: number; checking: boolean; problem: PinProblem | undefined }
  /** This student has no PIN, or needs more than one who has none can give. */
  | { step: 'see_teacher'; student: WaitingStudent }
  /** A card was shown, and made no mark. */
  | Exclude<CardPanel, { step: 'closed' }>
  /** Marked; shown where the lesson's own greeting is not. */
  | { step: 'greeting'; firstName: string; markedAt: number }

/** What is said of a card that made no mark. */
export type CardPanel =
  | { step: 'closed' }
  /** Of no student of this lesson, or not in force any more, or no card at all. */
  | { step: 'unknown_card' }
  | { step: 'here_already'; student: WaitingStudent }
  | { step: 'card_not_saved'; /** For a person. */ why: string }

/** What the camera shows where it is opened on demand. */
interface Picture {
  /** undefined: there is no picture yet. */
  video: HTMLVideoElement | undefined
  camera: CameraState
  /** Whether the models are loaded. */
  model: boolean
  faces: OutlinedFace[]
  frameSize: { width: number; height: number }
}

/** The camera on demand: for one student who has said by PIN or card who they are, or for a card. */
export type CheckPanel =
  | { step: 'closed' }
  | ({ step: 'card' } & Picture)
  | ({ step: 'face'; student: WaitingStudent; hint: OutlinedFace['hint']; /** The face is not this student's, so far. */ another: boolean; /** Confirmed and marked. */ done: boolean } & Picture)
  | { step: 'failed'; student: WaitingStudent; why: 'not_confirmed' | 'camera' | 'model' | 'not_saved'; /** In the machine's words. */ said: string; /** Whether another try is of use. */ again: boolean }

/** A face in view whose owner is asked who they are. */
export interface AskCard {
  track: number
  /** Best first; one: "Are you …?", more: "Who are you?". */
  candidates: WaitingStudent[]
  /** `pin`: a tap on the name leads to the keypad. */
  needs: 'tap' | 'pin'
}

export interface LessonCard {
  courseCode: string
  courseName: string
  startsAt: number
  endsAt: number
}

/** Always on the screen, whatever else is. */
export interface Badge {
  connection: 'online' | 'offline'
  /** When the server last answered; undefined: never. */
  lastContactAt: number | undefined
  unsentMarks: number
  refusedMarks: number
  /** A newer app waits and is taken between two lessons. */
  updateReady: boolean
  /** The disk refused a mark: nothing can be marked until this is gone. */
  storageProblem: string | undefined
  /** Two copies of this kiosk's storage are in use: what is marked stays here until the office has said which is right. */
  fenced: boolean
}

export interface Place {
  roomName: string
  timeZone: string
  /** Corrected clock. */
  now: number
  badge: Badge
}

/** How far a pairing code is on its way. */
export interface PairingStep {
  /** It is with the server. */
  busy: boolean
  /** Why the last one did not work, for a person. */
  problem: string | undefined
}

export type ScreenState =
  /** `problem`: why a pairing link was refused, if one was, or the disk. `pairing` undefined: nothing can be kept, so nothing can be paired. */
  | { screen: 'not_paired'; problem: string | undefined; pairing: PairingStep | undefined }
  | { screen: 'revoked'; pairing: PairingStep }
  | { screen: 'loading'; place: Place | undefined; /** 0 to 1. */ progress: number; /** What is being loaded, for a person. */ what: string; /** undefined: no lesson is on. */ pin: PinPanel | undefined }
  | { screen: 'model_failed'; place: Place; problem: string; /** Seconds until the next try. */ retryIn: number; pin: PinPanel }
  | { screen: 'no_lesson'; place: Place; next: LessonCard | undefined }
  | { screen: 'no_roster'; place: Place; /** Never reached the server, the saved roster has lapsed, or the school has a newer one that has not come yet. */ why: 'never_reached' | 'lapsed' | 'behind'; /** undefined: no lesson is known. */ pin: PinPanel | undefined }
  | { screen: 'out_of_date'; place: Place; /** The server refuses this app's version. */ problem: string }
  | { screen: 'fenced'; place: Place; /** Two copies of this kiosk's storage are in use: what the server says of it. */ problem: string }
  | { screen: 'no_camera'; place: Place; lesson: LessonCard; /** `denied`: permission refused; `lost`: was there, is gone; `none`: never found; `black`: it sees nothing; `frozen`: its picture stands still. */ why: CameraFault; pin: PinPanel }
  | {
      /** A lesson without a camera, or with one that rests: everybody says who they are. */
      screen: 'desk'
      place: Place
      lesson: LessonCard
      policy: Exclude<SchoolPolicy, 'default'>
      /** Not here yet, A to Z. */
      waiting: WaitingStudent[]
      /** Newest first. */
      present: PresentStudent[]
      enrolled: number
      /** Whether anybody of the lesson has a card. */
      cards: boolean
      greeting: { studentId: string; firstName: string; markedAt: number } | undefined
      pin: PinPanel
    }
  | { screen: 'check'; place: Place; lesson: LessonCard; check: Exclude<CheckPanel, { step: 'closed' }>; greeting: { studentId: string; firstName: string; markedAt: number } | undefined }
  | {
      screen: 'lesson'
      place: Place
      lesson: LessonCard
      video: HTMLVideoElement
      faces: OutlinedFace[]
      /** Pixels of the frame that the boxes are measured in. */
      frameSize: { width: number; height: number }
      /** Newest first. */
      present: PresentStudent[]
      enrolled: number
      /** Enrolled students without a template: the teacher marks them. */
      withoutFace: number
      /** The newest mark, for a few seconds. */
      greeting: { studentId: string; firstName: string; markedAt: number } | undefined
      /** The one question on the screen, if there is one. */
      ask: AskCard | undefined
      pin: PinPanel
    }

/** For the technician's panel and the rehearsal: what the kiosk has seen since it started. */
export interface Diagnostics {
  appVersion: string
  model: string | undefined
  frames: number
  facesSeen: number
  /** Faces decided to be nobody of the roster, each counted once while it stays in view. */
  unknownFaces: number
  /** Sightings of such faces, a face in a frame each. */
  unknownSightings: number
  /** performance.now() of the first frame that showed a face; undefined: none yet. */
  firstFaceAt: number | undefined
  marked: { studentId: string; method: MarkMethod; confidence: number; /** performance.now() when it was on disk and on screen. */ at: number }[]
  /** Medians of the last 300 frames with a face. */
  ms: StageTimes | undefined
  camera: CameraState
  /** Tensors alive in the worker after the newest frame; constant, or something leaks. */
  tensors: number | undefined
}
