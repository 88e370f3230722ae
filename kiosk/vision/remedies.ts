/** What a person can do about a refused face: one sentence for the screens and for the encode command. */
import type { Reason } from './face.ts'

export interface Advice {
  /** What is wrong. */
  problem: string
  /** What to do. */
  remedy: string
}

export const ADVICE: Readonly<Record<Reason, Advice>> = {
  no_face: { problem: 'No face found', remedy: 'Use a photo that shows the face from the front, upright and not too small.' },
  two_faces: { problem: 'More than one face', remedy: 'Use a photo that shows only this student, or cut the others off.' },
  not_a_face: { problem: 'This does not look like a face', remedy: 'Show the bare face: no mask, no hand or hair over it, no printed picture.' },
  cut_off: { problem: 'The face is cut off', remedy: 'Move so that the whole face is in the picture, with some space around it.' },
  too_small: { problem: 'Too far away', remedy: 'Come closer, or use a larger photo.' },
  too_dark: { problem: 'Too dark', remedy: 'Turn on more light, or face the window.' },
  too_bright: { problem: 'Too bright', remedy: 'Step out of the direct light.' },
  looks_away: { problem: 'Looking away', remedy: 'Look straight into the camera.' },
  blurred: { problem: 'Blurred', remedy: 'Hold still, or use a sharper photo.' },
  eyes_covered: { problem: 'The eyes are covered', remedy: 'Show both eyes: take off dark glasses, and keep hair and hands away from them.' },
  mouth_covered: { problem: 'The mouth is covered', remedy: 'Show the mouth: take off the mask, and keep hands and scarf below the chin.' },
}

/** For example "Too far away. Come closer, or use a larger photo." */
export const remedyOf = (reason: Reason): string => `${ADVICE[reason].problem}. ${ADVICE[reason].remedy}`
