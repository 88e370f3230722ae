/**
 * How near is near enough, for this roster: from a budget of strangers accepted to a score. Pure.
 *
 * [Note: A budget, not a threshold]
 *   1. The school says which share of strangers may be taken for a student (0.3 %).
 *   2. A stranger is compared with every student of the roster, so each comparison may err in only 1 - (1 - budget)^(1/students).
 *   3. The model's measured impostor distribution (calibration.ts), at the width of this face, says which score that is.
 *   4. Scores are first cleared of what this face has in common with the whole roster (`likeness`): before one
 *      camera, in one light, or in a class whose faces are more alike than the adults that the distribution was
 *      measured on, *everybody* scores higher with everybody. Four adults before one camera: mean score between
 *      different people .31, where LFW's is .00. If a share c of two embeddings is common, cosines become c + (1 - c) x cosine; so that is undone.
 */
import { falseMatchRateAt, scoreAt } from './calibration.ts'
import type { Gallery } from './gallery.ts'

export interface AcceptanceRule {
  /** Share of strangers, each appearing once, who may be taken for a student; 0 to 1. */
  budget: number
  /** Centred cosine below which nobody is taken for anybody, whatever the budget allows. */
  floor: number
}

/** A face that stays within so many times the budget is not taken for the student, but asked. */
const ASK_BUDGETS = 5

/**
 * What two faces before one camera have in common, as long as the roster does not show it: its weight in students, and its size. Chosen
 * so that a roster of one to four, in one camera's pictures, keeps the budget (the nine clips; README, Figures); with fifty students it hardly counts.
 */
const PRIOR_WEIGHT = 2
const PRIOR_COMMON = 0.4
/** However alike all are: no score is blown up more than ten times. */
const MOST_COMMON = 0.9

/** The likeness that a face of this width must reach: `accept` to be taken for a student, `ask` to be asked. */
export function acceptanceFor({ calibration, studentIds }: Gallery, { budget }: AcceptanceRule, faceWidth: number): { accept: number; ask: number } {
  const perComparison = (share: number): number => 1 - (1 - share) ** (1 / Math.max(1, studentIds.length))
  return {
    accept: scoreAt(calibration, perComparison(budget), faceWidth),
    ask: scoreAt(calibration, perComparison(Math.min(0.5, ASK_BUDGETS * budget)), faceWidth),
  }
}

/** The share of strangers expected to reach this likeness with anybody of the roster; the inverse of acceptanceFor. */
export function predictedFpir({ calibration, studentIds }: Gallery, likeness: number, faceWidth: number): number {
  return 1 - (1 - falseMatchRateAt(calibration, likeness, faceWidth)) ** studentIds.length
}

/**
 * Scores of one probe -> likenesses, at most 1: what is left of each score when that is taken away which the probe, and
 * the student, have in common with everybody else of the roster (see the note above, 4).
 */
export function likenesses({ likeOthers }: Gallery, scores: Float32Array): Float32Array {
  const total = scores.reduce((sum, score) => sum + score, 0)
  const weight = PRIOR_WEIGHT + scores.length - 1
  const prior = PRIOR_WEIGHT * PRIOR_COMMON
  return scores.map((score, row) => {
    const ofProbe = (prior + total - score) / weight
    const ofStudent = (prior + likeOthers[row]!) / weight
    const common = Math.min(MOST_COMMON, Math.max(0, (ofProbe + ofStudent) / 2))
    return (score - common) / (1 - common)
  })
}
