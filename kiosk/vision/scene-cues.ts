/**
 * What a face's pictures, a moment apart, say about whether it is a head or a picture of one. Pixels go in,
 * numbers come out; what must be remembered of a face's last moments is handed back to the caller, stays in the
 * worker and is dropped with the track. Pure.
 *
 * Two questions:
 *   1. has the face changed more than a plane can (plane-fit.ts)?
 *   2. what moves with it? Behind a head the room stays; a sheet or a screen in somebody's hand takes its own
 *      background and its edges along.
 */
import type { Pixels } from './align.ts'
import type { Grey } from './grey.ts'
import { greyAround, greyAt, holds } from './grey.ts'
import type { FacePlace, Reference, Remainder } from './plane-fit.ts'
import { carried, cutReference, layOver, placeOf, reachOf } from './plane-fit.ts'

/** The face against its own picture of a moment ago. Unit of the remainders: deviations of the face's luma. */
export interface FaceChange extends Omit<Remainder, 'homography'> {
  /** Milliseconds between the two. */
  ms: number
  /** How far the face's plane moved meanwhile: the mean over its corners, in face reaches (plane-fit.ts). */
  moved: number
}

/** Places beside and above the head that can be told: their look differs between moving along and staying. */
export interface Surroundings {
  follow: number
  stay: number
}

export interface SceneCues {
  /** Against the oldest moment remembered; undefined in a face's first moment. */
  change: FaceChange | undefined
  /** undefined: the face has not moved enough to say. */
  around: Surroundings | undefined
}

interface Moment {
  reference: Reference
  around: Grey | undefined
}

/** The last moments of one face, oldest first. */
export interface SceneMemory {
  readonly moments: readonly Moment[]
}

/** Milliseconds between two remembered moments, and how many there are: the oldest is 0.9 to 1.2 s old. */
const REMEMBER_EVERY_MS = 300
const REMEMBERED = 4
/** A face that was out of sight for so long is not compared with what it was before. */
const FORGET_AFTER_MS = 2_500
/** Milliseconds from which on two pictures are worth comparing. */
const COMPARE_AFTER_MS = 120

/** In face reaches (half a patch's side): how far around is looked. */
const VIEW = 4.4
/** Cells of the surroundings in a face reach. */
const CELLS = 14

/**
 * @param landmarks 468 x 3
 * @param at ms, not before the last call's
 * @param memory of this face's last call; undefined: the face is new
 */
export function lookAround(pixels: Pixels, landmarks: Float32Array, at: number, memory: SceneMemory | undefined): { cues: SceneCues; memory: SceneMemory } {
  const place = placeOf(landmarks)
  const reach = reachOf(place)
  const face = greyAround(pixels, place.x, place.y, 1.7 * reach, Math.max(1, reach / 40))
  if (!face || !(reach > 4)) return { cues: { change: undefined, around: undefined }, memory: { moments: [] } }
  const moments = (memory?.moments ?? []).filter(({ reference }) => at - reference.at <= FORGET_AFTER_MS)
  const around = greyAround(pixels, place.x, place.y, VIEW * reach, Math.max(1, reach / CELLS))

  const [oldest] = moments
  let change: FaceChange | undefined
  let surroundings: Surroundings | undefined
  if (oldest && at - oldest.reference.at >= COMPARE_AFTER_MS) {
    const { reference } = oldest
    const { homography, ...remainder } = layOver(reference, face, place)
    const carry = (x: number, y: number): { x: number; y: number } => carried(reference.place, homography, place, x, y)
    change = { ms: at - reference.at, moved: meanMove(reference.place, carry) / reach, ...remainder }
    if (oldest.around && around && remainder.whole < MOST_REMAINDER) surroundings = compareAround(oldest.around, around, carry, reference.place, reach)
  }

  const newest = moments[moments.length - 1]
  let kept = moments
  if (!newest || at - newest.reference.at >= REMEMBER_EVERY_MS) {
    const reference = cutReference(face, place, at)
    if (reference) kept = [...moments, { reference, around }].slice(-REMEMBERED)
  }
  return { cues: { change, around: surroundings }, memory: { moments: kept } }
}

/** A remainder from which on the pictures do not lie over each other at all: a hand before the face, or a mapping that was not found. */
const MOST_REMAINDER = 0.6

/** Pixels, mean over the patch's corners. */
function meanMove({ a, b, x, y }: FacePlace, carry: (x: number, y: number) => { x: number; y: number }): number {
  let sum = 0
  for (const i of [-1, 1]) {
    for (const j of [-1, 1]) {
      const from = { x: a * i - b * j + x, y: b * i + a * j + y }
      const to = carry(from.x, from.y)
      sum += Math.hypot(to.x - from.x, to.y - from.y) / 4
    }
  }
  return sum
}

/** Where is looked, in face reaches from the middle of the face: beside the head from its crown to its mouth, and above it; hair and shoulders are not. */
const SPOTS: readonly (readonly [number, number])[] = [
  ...[-3.8, -3.1, -2.4, 2.4, 3.1, 3.8].flatMap((x) => [-2.4, -1.6, -0.8, 0].map((y) => [x, y] as const)),
  ...[-3.9, -3.2].flatMap((y) => [-1.6, -0.8, 0, 0.8, 1.6].map((x) => [x, y] as const)),
]
/** Cells of a spot's side. */
const SPOT = 7
/** Cells that a spot must have moved, if it belongs to the face's plane, before its staying can be told from its following. */
const TELLING = 2.6
/** Luma levels: mean difference from which a spot's two stories differ, and contrast from which a spot is one at all. An even wall is itself everywhere. */
const LOUD = 5
/** A story is believed if the other one fits so many times worse. */
const CLEARLY = 2

function compareAround(
  before: Grey,
  now: Grey,
  carry: (x: number, y: number) => { x: number; y: number },
  { a, b, x, y }: FacePlace,
  reach: number,
): Surroundings | undefined {
  const { cell } = before
  const [cos, sin] = [a / Math.hypot(a, b), b / Math.hypot(a, b)]
  let [follow, stay, told] = [0, 0, 0]
  for (const [i, j] of SPOTS) {
    const from = { x: x + reach * (cos * i - sin * j), y: y + reach * (sin * i + cos * j) }
    const to = carry(from.x, from.y)
    if (Math.hypot(to.x - from.x, to.y - from.y) < TELLING * cell) continue
    const half = (cell * SPOT) / 2
    if (!holds(before, from.x - half, from.y - half) || !holds(before, from.x + half, from.y + half)) continue
    if (!holds(now, from.x, from.y) || !holds(now, to.x, to.y)) continue
    if (takeSpot(before, from) < LOUD) continue
    told++
    // The plane's mapping, extended so far out, is only roughly known: both stories may be off by a cell.
    const right = carry(from.x + half, from.y)
    const down = carry(from.x, from.y + half)
    const [ax, ay, bx, by] = [(right.x - to.x) / half, (right.y - to.y) / half, (down.x - to.x) / half, (down.y - to.y) / half]
    const stayed = misfit(now, from, cell, 1, 0, 0, 1)
    const followed = misfit(now, to, cell, ax, ay, bx, by)
    if (stayed > LOUD && stayed > CLEARLY * followed) follow++
    else if (followed > LOUD && followed > CLEARLY * stayed) stay++
  }
  return told > 0 ? { follow, stay } : undefined
}

/** The spot's samples as they were. */
const spot = new Float32Array(SPOT * SPOT)

/** @returns the mean difference of the samples from their mean. */
function takeSpot(grey: Grey, { x, y }: { x: number; y: number }): number {
  const first = -((SPOT - 1) / 2) * grey.cell
  let mean = 0
  for (let k = 0; k < spot.length; k++) {
    spot[k] = greyAt(grey, x + first + (k % SPOT) * grey.cell, y + first + Math.floor(k / SPOT) * grey.cell)
    mean += spot[k]! / spot.length
  }
  let contrast = 0
  for (let k = 0; k < spot.length; k++) contrast += Math.abs(spot[k]! - mean) / spot.length
  return contrast
}

/** Mean difference of the spot's samples and what is at `to` now, turned and stretched by the four numbers, at the best of nine places a cell apart. */
function misfit(now: Grey, to: { x: number; y: number }, cell: number, ax: number, ay: number, bx: number, by: number): number {
  let best = Infinity
  for (let shift = 0; shift < 9; shift++) {
    const [x, y] = [to.x + ((shift % 3) - 1) * cell, to.y + (Math.floor(shift / 3) - 1) * cell]
    let sum = 0
    for (let row = 0, k = 0; row < SPOT; row++) {
      const dv = (row - (SPOT - 1) / 2) * cell
      for (let column = 0; column < SPOT; column++, k++) {
        const du = (column - (SPOT - 1) / 2) * cell
        sum += Math.abs(spot[k]! - greyAt(now, x + ax * du + bx * dv, y + ay * du + by * dv))
      }
    }
    best = Math.min(best, sum / spot.length)
  }
  return best
}
