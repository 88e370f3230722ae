/**
 * Is the mouth or are the eyes of an aligned face hidden: by a mask, a hand, a scarf, dark glasses, hair? The mesh
 * puts a mouth on a mask, too, so the crop's pixels are asked: lips are redder than the skin around them, closed or
 * open mouths have a dark line, and so have eyes. Pure; knows pixels, no network. Grey pictures tell nothing of the mouth.
 */
import { CROP_SIZE } from './align.ts'

/** What hides a part of a face. */
export type Covered = 'mouth_covered' | 'eyes_covered'

/** What the pixels say; brightness as a share of the same face's skin, colours as logarithms of a ratio of channels. */
export interface CoverCues {
  /** How red the skin between and under the eyes is, ln(R / G): above 0 in every colour of skin. */
  skin: number
  /** How much redder the lips are than the skin around them. */
  lips: number
  /** How dark the line between the lips is. */
  mouthLine: number
  /** How far the colour of the lower face is from that of the upper. */
  lowerFace: number
  /** How dark the line of the eye is, of the eye that shows it better. */
  eyeLine: number
}

/**
 * Measured on the 2,013 labelled faces of LFW that pass all other checks: 1 is refused for the mouth and 1 for the eyes;
 * and on 169 of them with something painted over the face, of those that pass all other checks. Caught: masks of any
 * colour, a hand over the mouth, a scarf 91 to 100 %; a fist before the mouth 61 %; a fringe over both eyes 86 %, dark
 * glasses 88 %, brown ones 48 %, a hand or a band over both eyes 42 to 46 %. Not caught: mirrored glasses, and one eye
 * alone, which costs a face no more (cosine 0.87 to 0.93 with the uncovered one) than ordinary glasses do (0.79 to 0.87).
 * A hidden mouth costs more (masks 0.62 to 0.81), both eyes as well (0.53 to 0.79).
 */
export const COVER_LIMITS = {
  /** ln(R / G). A picture whose skin is less red has no colours to judge by: 23 of LFW's. */
  skin: 0.08,
  /** Both must fall short before a mouth is hidden: either alone also refuses 0.8 to 1.5 % of uncovered mouths. */
  lips: 0.018,
  mouthLine: 0.1,
  /** Alone enough: cloth of another colour. Uncovered, beards included: 0.51 at most. At 0.45 three were refused, and two of them had dark skin. */
  lowerFace: 0.55,
  /** Uncovered: 99.95 % are above. At 0.06 some frames of a soft face 50 pixels wide were refused. */
  eyeLine: 0.05,
} as const

/** Columns from, to, rows from, to (the ends not included), in pixels of the crop; see align.ts TEMPLATE. */
type Region = readonly [number, number, number, number]

const UPPER_SKIN: readonly Region[] = [[46, 66, 40, 50], [28, 46, 58, 63], [66, 84, 58, 63]]
const CHEEKS: readonly Region[] = [[26, 40, 64, 78], [72, 86, 64, 78]]
const LIPS: readonly Region[] = [[42, 70, 84, 102]]
const AROUND_LIPS: readonly Region[] = [[44, 68, 76, 82], [30, 40, 80, 96], [72, 82, 80, 96]]
const LOWER_FACE: readonly Region[] = [[36, 76, 80, 104]]
const MOUTH: readonly Region[] = [[46, 66, 82, 102]]
const EYES: readonly Region[] = [[30, 47, 45, 59], [65, 82, 45, 59]]

/** Keeps ratios calm in the dark; of 255. */
const FLOOR = 10
const LUMA_FLOOR = 8

/** A line is darker than what lies so many pixels above and below it. */
const LINE_REACH = 6
/** Pixels to either side over which a line, and a colour, are averaged. */
const AROUND = 2

/** One number for each pixel of the crop. */
type Plane = Float32Array

function valuesIn(regions: readonly Region[], plane: Plane): Float32Array {
  const values = new Float32Array(regions.reduce((sum, [fromX, toX, fromY, toY]) => sum + (toX - fromX) * (toY - fromY), 0))
  let at = 0
  for (const [fromX, toX, fromY, toY] of regions) {
    for (let y = fromY; y < toY; y++, at += toX - fromX) values.set(plane.subarray(y * CROP_SIZE + fromX, y * CROP_SIZE + toX), at)
  }
  return values
}

/** @param share 0 to 1: 0.5 is the median. */
function quantile(values: Float32Array, share: number): number {
  return values.sort()[Math.round(share * (values.length - 1))] ?? 0
}

/** The mean over the square of `around` pixels to every side; of what lies outside of the crop, nothing. */
function smoothed(plane: Plane, around: number): Plane {
  return alongStep(alongStep(plane, around, 1), around, CROP_SIZE)
}

/** Means of 2 * around + 1 numbers that lie `step` apart. The first and last of a row or column would mix with its neighbour's: nobody reads them. */
function alongStep(plane: Plane, around: number, step: number): Plane {
  const means = new Float32Array(plane.length)
  const reach = around * step
  for (let i = reach; i < plane.length - reach; i++) {
    let sum = 0
    for (let j = i - reach; j <= i + reach; j += step) sum += plane[j]!
    means[i] = sum / (2 * around + 1)
  }
  return means
}

/** How much darker a pixel is than both what lies above and below it. */
function darkLines(plane: Plane): Plane {
  const lines = new Float32Array(plane.length)
  const reach = LINE_REACH * CROP_SIZE
  for (let i = reach; i < plane.length - reach; i++) lines[i] = Math.min(plane[i - reach]!, plane[i + reach]!) - plane[i]!
  return lines
}

/** ln of one channel over green. */
function overGreen(crop: Float32Array, channel: 0 | 2): Plane {
  const plane = new Float32Array(crop.length / 3)
  for (let i = 0; i < plane.length; i++) plane[i] = Math.log((crop[3 * i + channel]! + FLOOR) / (crop[3 * i + 1]! + FLOOR))
  return plane
}

/** @param crop CROP_SIZE x CROP_SIZE x 3, RGB 0 to 255. @param luma its luma. */
export function coverCues(crop: Float32Array, luma: Plane): CoverCues {
  const [red, blue] = [overGreen(crop, 0), overGreen(crop, 2)]
  const calmRed = smoothed(red, AROUND)
  const line = smoothed(darkLines(smoothed(luma, 1)), AROUND)
  const skin = quantile(valuesIn(UPPER_SKIN, red), 0.5)
  const skinLuma = quantile(valuesIn(UPPER_SKIN, luma), 0.5) + LUMA_FLOOR
  const cheekLuma = quantile(valuesIn(CHEEKS, luma), 0.5) + LUMA_FLOOR
  const redder = quantile(valuesIn(LOWER_FACE, red), 0.5) - skin
  const bluer = quantile(valuesIn(LOWER_FACE, blue), 0.5) - quantile(valuesIn(UPPER_SKIN, blue), 0.5)
  return {
    skin,
    lips: quantile(valuesIn(LIPS, calmRed), 0.95) - quantile(valuesIn(AROUND_LIPS, calmRed), 0.5),
    mouthLine: quantile(valuesIn(MOUTH, line), 1) / skinLuma,
    lowerFace: Math.hypot(redder, bluer),
    eyeLine: quantile(valuesIn(EYES, line), 1) / cheekLuma,
  }
}

/** @returns what is hidden; undefined: nothing that the pixels would show. */
export function coveredPart({ skin, lips, mouthLine, lowerFace, eyeLine }: CoverCues): Covered | undefined {
  if (eyeLine < COVER_LIMITS.eyeLine) return 'eyes_covered'
  const noMouth = lips < COVER_LIMITS.lips && mouthLine < COVER_LIMITS.mouthLine
  return skin > COVER_LIMITS.skin && (noMouth || lowerFace > COVER_LIMITS.lowerFace) ? 'mouth_covered' : undefined
}
