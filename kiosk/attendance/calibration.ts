/**
 * What is known of an embedding model's mistakes: how often two different people come how near. Measured, per
 * model, by `npm run calibrate` (kiosk/models/calibrate.ts); kept in kiosk/models/calibration. Pure.
 */
import type { ModelId } from '#contract/model'
import faceres from '../models/calibration/faceres-1024-r1.json' with { type: 'json' }
import mobilefacenet from '../models/calibration/mobilefacenet-192-r1.json' with { type: 'json' }

/** `falseMatchRate` of all pairs of photos of two people come at least as near as `score`. */
export interface TailPoint {
  falseMatchRate: number
  /** Centred cosine. */
  score: number
}

/** Pairs of a sharp photo with a face of about this width. */
export interface ImpostorTail {
  /** Pixels of the detected box. */
  faceWidth: number
  pairs: number
  /** Falling false-match rate, rising score; at least two points. */
  tail: TailPoint[]
}

export interface Calibration {
  model: string
  /** Which photos, how many people, which were left out. */
  data: string
  people: number
  photos: number
  /** Mean of the people's embeddings: what all faces have in common says nothing about who one is, and is subtracted before faces are compared. */
  mean: number[]
  /** Widest faces first. */
  impostors: ImpostorTail[]
}

const CALIBRATIONS: Readonly<Record<ModelId, Calibration>> = { 'mobilefacenet-192-r1': mobilefacenet, 'faceres-1024-r1': faceres }

export function calibrationOf(model: ModelId): Calibration {
  return CALIBRATIONS[model]
}

/**
 * The centred cosine that two people's faces reach in this share of comparisons. Between the measured points,
 * and beyond the last, the logarithm of the share falls in a straight line with the score.
 * @param faceWidth pixels of the probe's box: the nearest measured width counts
 */
export function scoreAt({ impostors }: Calibration, falseMatchRate: number, faceWidth: number): number {
  const { tail } = tailFor(impostors, faceWidth)
  const [from, to] = segment(tail, (point) => point.falseMatchRate <= falseMatchRate)
  const share = (Math.log(falseMatchRate) - Math.log(from.falseMatchRate)) / (Math.log(to.falseMatchRate) - Math.log(from.falseMatchRate))
  return Math.min(1, from.score + share * (to.score - from.score))
}

/** The inverse of scoreAt; 0 to 1. */
export function falseMatchRateAt({ impostors }: Calibration, score: number, faceWidth: number): number {
  const { tail } = tailFor(impostors, faceWidth)
  const [from, to] = segment(tail, (point) => point.score >= score)
  const share = (score - from.score) / (to.score - from.score)
  return Math.min(1, Math.exp(Math.log(from.falseMatchRate) + share * (Math.log(to.falseMatchRate) - Math.log(from.falseMatchRate))))
}

function tailFor(impostors: readonly ImpostorTail[], faceWidth: number): ImpostorTail {
  const [first, ...rest] = impostors
  if (!first) throw new RangeError('a calibration without a measured tail')
  // Widths are compared by their ratio: 40 and 50 pixels differ more than 90 and 100.
  const apart = (one: ImpostorTail): number => Math.abs(Math.log(one.faceWidth / faceWidth))
  return rest.reduce((best, one) => (apart(one) < apart(best) ? one : best), first)
}

/** The two points around the first one that is far enough; at the ends the outermost two. */
function segment(tail: readonly TailPoint[], reached: (point: TailPoint) => boolean): [TailPoint, TailPoint] {
  const found = tail.findIndex(reached)
  const to = Math.max(1, found < 0 ? tail.length - 1 : found)
  const [from, next] = [tail[to - 1], tail[to]]
  if (!from || !next) throw new RangeError('a tail needs two points')
  return [from, next]
}
