/**
 * The picture of a face against an earlier picture of the same face: laid over it by the plane-to-plane mapping
 * (homography) that fits best, what is left? A flat picture, however it is moved, turned, tilted or brought nearer,
 * leaves noise; a head that turns, speaks or blinks leaves more. Pure; knows grey pixels and points.
 *
 * Inverse-compositional alignment (Baker and Matthews, "Lucas-Kanade 20 Years On", IJCV 56(3), 2004) of patches
 * with mean 0 and deviation 1 over an ellipse, so that light that swells or sinks leaves nothing.
 */
import type { Grey } from './grey.ts'
import { greyAt } from './grey.ts'

/** Samples of a patch's side. */
export const SIDE = 32
const SAMPLES = SIDE * SIDE

/** From the patch, where x and y go from -1 to 1, to the frame: turn, scale and shift. */
export interface FacePlace {
  a: number
  b: number
  x: number
  y: number
}

/** Half a patch's side in pixels of the frame. */
export const reachOf = ({ a, b }: FacePlace): number => Math.hypot(a, b)

/** Homography, row by row, patch to patch. */
export type Homography = readonly [number, number, number, number, number, number, number, number, number]

const IDENTITY: Homography = [1, 0, 0, 0, 1, 0, 0, 0, 1]

/** Points of the canonical face model: eye corners, the person's right first, and mouth corners. */
const RIGHT_EYE = [33, 133] as const
const LEFT_EYE = [362, 263] as const
const MOUTH = [61, 291] as const

/** Half a patch's side in distances of the eyes (or of eyes and mouth, if longer): brows to chin, without ears and hair. */
const REACH = 1.15

/** @param landmarks 468 x 3 */
export function placeOf(landmarks: Float32Array): FacePlace {
  const middle = ([one, other]: readonly [number, number]): { x: number; y: number } => ({
    x: (landmarks[3 * one]! + landmarks[3 * other]!) / 2,
    y: (landmarks[3 * one + 1]! + landmarks[3 * other + 1]!) / 2,
  })
  const [right, left, mouth] = [middle(RIGHT_EYE), middle(LEFT_EYE), middle(MOUTH)]
  const eyes = { x: (right.x + left.x) / 2, y: (right.y + left.y) / 2 }
  const reach = REACH * Math.max(1.05 * Math.hypot(left.x - right.x, left.y - right.y), Math.hypot(mouth.x - eyes.x, mouth.y - eyes.y))
  const angle = Math.atan2(left.y - right.y, left.x - right.x)
  return { a: reach * Math.cos(angle), b: reach * Math.sin(angle), x: (eyes.x + mouth.x) / 2, y: (eyes.y + mouth.y) / 2 }
}

/** The samples that count: an ellipse without the patch's rim. */
const INSIDE = Float32Array.from({ length: SAMPLES }, (_, k) => {
  const [row, column] = [Math.floor(k / SIDE), k % SIDE]
  if (row === 0 || column === 0 || row === SIDE - 1 || column === SIDE - 1) return 0
  const [u, v] = [(2 * column + 1) / SIDE - 1, (2 * row + 1) / SIDE - 1]
  return (u * u) / 0.9 + (v * v) / 0.95 < 1 ? 1 : 0
})
const COUNT = INSIDE.reduce((sum, value) => sum + value, 0)

/** Fills `patch` with the mean of points x points samples in each cell. */
function cut(grey: Grey, place: FacePlace, h: Homography, points: number, patch: Float32Array): void {
  const [h0, h1, h2, h3, h4, h5, h6, h7] = h
  const share = 1 / (points * points)
  for (let row = 0, k = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++, k++) {
      let sum = 0
      for (let i = 0; i < points; i++) {
        const v = (2 * (row + (i + 0.5) / points)) / SIDE - 1
        for (let j = 0; j < points; j++) {
          const u = (2 * (column + (j + 0.5) / points)) / SIDE - 1
          const w = 1 / (h6 * u + h7 * v + 1)
          const p = (h0 * u + h1 * v + h2) * w
          const q = (h3 * u + h4 * v + h5) * w
          sum += greyAt(grey, place.a * p - place.b * q + place.x, place.b * p + place.a * q + place.y)
        }
      }
      patch[k] = sum * share
    }
  }
}

/** Mean 0, deviation 1 over the ellipse, in place. @returns the deviation that it had, in luma levels. */
function normalise(patch: Float32Array): number {
  let [sum, squares] = [0, 0]
  for (let k = 0; k < SAMPLES; k++) {
    if (INSIDE[k] === 0) continue
    sum += patch[k]!
    squares += patch[k]! ** 2
  }
  const mean = sum / COUNT
  const deviation = Math.sqrt(Math.max(1e-6, squares / COUNT - mean * mean))
  for (let k = 0; k < SAMPLES; k++) patch[k] = (patch[k]! - mean) / deviation
  return deviation
}

/** 1 2 1 in both directions. */
function soften(patch: Float32Array, soft: Float32Array): void {
  for (let row = 1; row < SIDE - 1; row++) {
    for (let column = 1; column < SIDE - 1; column++) {
      const k = row * SIDE + column
      soft[k] =
        (4 * patch[k]! +
          2 * (patch[k - 1]! + patch[k + 1]! + patch[k - SIDE]! + patch[k + SIDE]!) +
          patch[k - SIDE - 1]! + patch[k - SIDE + 1]! + patch[k + SIDE - 1]! + patch[k + SIDE + 1]!) / 16
    }
  }
}

/** A face's picture that later ones are laid over. */
export interface Reference {
  at: number
  place: FacePlace
  patch: Float32Array
  /** How the patch changes with each of the mapping's eight numbers. */
  steps: Float32Array[]
  /** Inverse of the steps' 8 x 8 products. */
  inverse: Float64Array
}

/** More points a cell where a cell shows more pixels. */
const pointsFor = (place: FacePlace): number => Math.min(3, Math.max(1, Math.round((2 * reachOf(place)) / SIDE)))

/** undefined: the face is one even grey, which lies over everything. */
export function cutReference(grey: Grey, place: FacePlace, at: number): Reference | undefined {
  const patch = new Float32Array(SAMPLES)
  cut(grey, place, IDENTITY, pointsFor(place), patch)
  if (normalise(patch) < FLATTEST) return undefined
  const soft = new Float32Array(SAMPLES)
  soften(patch, soft)
  const steps = Array.from({ length: 8 }, () => new Float32Array(SAMPLES))
  for (let k = 0; k < SAMPLES; k++) {
    if (INSIDE[k] === 0) continue
    const [u, v] = [(2 * (k % SIDE) + 1) / SIDE - 1, (2 * Math.floor(k / SIDE) + 1) / SIDE - 1]
    const gx = ((soft[k + 1]! - soft[k - 1]!) * SIDE) / 4
    const gy = ((soft[k + SIDE]! - soft[k - SIDE]!) * SIDE) / 4
    const along = -(gx * u + gy * v)
    for (const [i, value] of [gx * u, gx * v, gx, gy * u, gy * v, gy, along * u, along * v].entries()) steps[i]![k] = value
  }
  const products = new Float64Array(64)
  let trace = 0
  for (let i = 0; i < 8; i++) {
    for (let j = i; j < 8; j++) {
      let sum = 0
      for (let k = 0; k < SAMPLES; k++) sum += steps[i]![k]! * steps[j]![k]!
      products[8 * i + j] = products[8 * j + i] = sum
    }
    trace += products[9 * i]!
  }
  // A little of the identity: the numbers that a face's picture says nothing about stay where they are.
  for (let i = 0; i < 8; i++) products[9 * i]! += (1e-3 * trace) / 8
  const inverse = inverted(products)
  return inverse && { at, place, patch, steps, inverse }
}

/** Deviation of the luma over the face, levels of 255, below which nothing can be laid over anything. */
const FLATTEST = 4

/** Gauss-Jordan of 8 x 8. */
function inverted(matrix: Float64Array): Float64Array | undefined {
  const n = 8
  const left = matrix.slice()
  const right = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0))
  for (let i = 0; i < n; i++) {
    // Symmetric and positive: the diagonal is a good pivot.
    const pivot = left[i * n + i]!
    if (!(Math.abs(pivot) > 1e-12)) return undefined
    for (let j = 0; j < n; j++) {
      left[i * n + j]! /= pivot
      right[i * n + j]! /= pivot
    }
    for (let row = 0; row < n; row++) {
      const factor = left[row * n + i]!
      if (row === i || factor === 0) continue
      for (let j = 0; j < n; j++) {
        left[row * n + j]! -= factor * left[i * n + j]!
        right[row * n + j]! -= factor * right[i * n + j]!
      }
    }
  }
  return right
}

/** one after other, as 3 x 3 products; scaled so that the last number is 1. */
function composed(one: Homography, other: Homography): Homography {
  const product = Array.from({ length: 9 }, (_, i) => {
    const [row, column] = [3 * Math.floor(i / 3), i % 3]
    return one[row]! * other[column]! + one[row + 1]! * other[column + 3]! + one[row + 2]! * other[column + 6]!
  })
  const last = product[8]!
  return product.map((value) => value / last) as unknown as Homography
}

function inverse3([a, b, c, d, e, f, g, h, i]: Homography): Homography {
  return [e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f, d * h - e * g, b * g - a * h, a * e - b * d]
}

/** What is left of a face's picture when an earlier one is laid over it. Unit: deviations of the face's own luma. */
export interface Remainder {
  /** From the earlier patch to the later one. */
  homography: Homography
  /** Root mean square over the face. */
  whole: number
  /** Of the softened remainder, root mean square in the third worst of the 8 x 8 blocks of the patch: what three blocks agree on. */
  blocks: number
  /** Softened remainder against what softening took away: noise has 0.5 to 0.7, a change of the face 1 and more. */
  structure: number
  /** Softened remainder over the eyes and over the mouth, root mean square. */
  eyes: number
  mouth: number
  /** How much sharper the later picture is than the earlier one: energies of their gradients, 1 = alike. */
  sharper: number
}

const MOST_STEPS = 8
/** Half a patch's sides; a twentieth of a sample. */
const SMALLEST_STEP = 0.003

const BLOCK = 4
const BLOCKS = SIDE / BLOCK

const laid = new Float32Array(SAMPLES)
const difference = new Float32Array(SAMPLES)
const softened = new Float32Array(SAMPLES)

/** Lays the earlier picture over the face at `place`. On the way one point a cell is near enough; what is left is judged with all. */
export function layOver(reference: Reference, grey: Grey, place: FacePlace): Remainder {
  let h = IDENTITY
  let best: { h: Homography; error: number } | undefined
  for (let step = 0; step < MOST_STEPS; step++) {
    cut(grey, place, h, 1, laid)
    normalise(laid)
    let error = 0
    for (let k = 0; k < SAMPLES; k++) {
      const value = INSIDE[k]! * (laid[k]! - reference.patch[k]!)
      difference[k] = value
      error += value * value
    }
    if (!best || error < best.error) best = { h, error }
    const pull = reference.steps.map((ofNumber) => {
      let sum = 0
      for (let k = 0; k < SAMPLES; k++) sum += ofNumber[k]! * difference[k]!
      return sum
    })
    const p = Array.from({ length: 8 }, (_, i) => pull.reduce((sum, value, j) => sum + reference.inverse[8 * i + j]! * value, 0))
    h = composed(h, inverse3([1 + p[0]!, p[1]!, p[2]!, p[3]!, 1 + p[4]!, p[5]!, p[6]!, p[7]!, 1]))
    if (!h.every(Number.isFinite) || Math.max(...p.map(Math.abs)) < SMALLEST_STEP) break
  }
  const homography = best?.h ?? IDENTITY
  cut(grey, place, homography, pointsFor(place), laid)
  normalise(laid)
  return remainderOf(reference, homography)
}

function remainderOf(reference: Reference, homography: Homography): Remainder {
  for (let k = 0; k < SAMPLES; k++) difference[k] = INSIDE[k]! * (laid[k]! - reference.patch[k]!)
  soften(difference, softened)
  const blocks = new Float64Array(BLOCKS * BLOCKS)
  let [whole, soft, rough, eyes, eyeCount, mouth, mouthCount, later, earlier] = [0, 0, 0, 0, 0, 0, 0, 0, 0]
  for (let k = 0; k < SAMPLES; k++) {
    if (INSIDE[k] === 0) continue
    const [row, column] = [Math.floor(k / SIDE), k % SIDE]
    const square = softened[k]! ** 2
    whole += difference[k]! ** 2
    soft += square
    rough += (difference[k]! - softened[k]!) ** 2
    blocks[Math.floor(row / BLOCK) * BLOCKS + Math.floor(column / BLOCK)]! += square / BLOCK ** 2
    // Where placeOf puts them: eyes 0.4 to 0.5 of the side above the middle, the mouth as far below it.
    if (row >= 4 && row < 13) {
      eyes += square
      eyeCount++
    } else if (row >= 19 && row < 29 && column >= 7 && column < 25) {
      mouth += square
      mouthCount++
    }
    later += (laid[k + 1]! - laid[k]!) ** 2 + (laid[k + SIDE]! - laid[k]!) ** 2
    earlier += (reference.patch[k + 1]! - reference.patch[k]!) ** 2 + (reference.patch[k + SIDE]! - reference.patch[k]!) ** 2
  }
  blocks.sort()
  return {
    homography,
    whole: Math.sqrt(whole / COUNT),
    blocks: Math.sqrt(blocks[BLOCKS * BLOCKS - 3]!),
    structure: Math.sqrt(soft / Math.max(1e-9, rough)),
    eyes: Math.sqrt(eyes / eyeCount),
    mouth: Math.sqrt(mouth / mouthCount),
    sharper: later / Math.max(1e-9, earlier),
  }
}

/** Where a point of the earlier frame, taken for a part of the face's plane, lies in the later one. */
export function carried(reference: FacePlace, [h0, h1, h2, h3, h4, h5, h6, h7]: Homography, place: FacePlace, x: number, y: number): { x: number; y: number } {
  const square = reference.a ** 2 + reference.b ** 2
  const [dx, dy] = [x - reference.x, y - reference.y]
  const [u, v] = [(reference.a * dx + reference.b * dy) / square, (reference.a * dy - reference.b * dx) / square]
  const w = 1 / (h6 * u + h7 * v + 1)
  const [p, q] = [(h0 * u + h1 * v + h2) * w, (h3 * u + h4 * v + h5) * w]
  return { x: place.a * p - place.b * q + place.x, y: place.b * p + place.a * q + place.y }
}
