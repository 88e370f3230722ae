/**
 * Steadies the hint that is written large: hints come and go with every frame, a sentence must stay
 * long enough to be read. Faces' own tags are not steadied.
 */
import type { OutlinedFace } from './state.ts'

export type Hint = NonNullable<OutlinedFace['hint']>

/** Times in ms of the caller's clock. */
export interface HeldHint {
  shown: Hint | undefined
  /** When the shown hint was last given. */
  shownAt: number
  /** What is given now, and since when without a break. */
  given: Hint | undefined
  givenSince: number
}

export const NO_HINT: HeldHint = { shown: undefined, shownAt: 0, given: undefined, givenSince: 0 }

/** A hint is written only after it was given for so long without a break. */
const SETTLE_MS = 400
/** A written hint stays for so long after it was last given. */
const STAY_MS = 1500

export function holdHint(held: HeldHint, given: Hint | undefined, now: number): HeldHint {
  const givenSince = given === held.given && now >= held.givenSince ? held.givenSince : now
  const shownAt = (held.shown !== undefined && given === held.shown) || now < held.shownAt ? now : held.shownAt
  const next = { shown: held.shown, shownAt, given, givenSince }
  const settled = now - givenSince >= SETTLE_MS
  const free = held.shown === undefined || now - shownAt >= STAY_MS
  return given !== held.shown && settled && free ? { ...next, shown: given, shownAt: now } : next
}

/** The hint of the nearest face that has one. */
export function nearestHint(faces: readonly OutlinedFace[]): Hint | undefined {
  let nearest: OutlinedFace | undefined
  for (const face of faces) if (face.hint && (!nearest || face.box.width > nearest.box.width)) nearest = face
  return nearest?.hint
}
