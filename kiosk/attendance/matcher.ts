/**
 * Who the faces in view are: match, ask or nobody. Near enough *and* clear of the runner-up is a match; nearly, or not clear, is
 * asked; a face that meets no rule is nobody, never the nearest student. One student per face and one face per student, for all faces together.
 */
import { type AcceptanceRule, acceptanceFor, likenesses } from './acceptance.ts'
import { assign } from './assignment.ts'
import type { Gallery } from './gallery.ts'
import { scoreGallery } from './gallery.ts'

/** Score by which a student must lead the second best. Nine clips of four adults, each clip's mean: the right one leads by .38 and more, a stranger's nearest by up to .25: so it keeps look-alikes apart, and strangers the score. */
export const CLEAR_OF_RUNNER_UP = 0.08

export interface Probe {
  /** Unit length, as the model gives it: a mean over frames, or one frame's. */
  embedding: Float32Array
  /** Pixels of the box. */
  faceWidth: number
}

export type Match =
  | { kind: 'match'; studentId: string; /** Centred cosine with the student's row, 0 to 1. */ score: number }
  /** Best first; the first one is assigned to this face. */
  | { kind: 'ask'; candidates: string[]; score: number }

/**
 * @param probes faces in view at the same time whose owners are not known yet
 * @param here students of faces in view that are known: no other face is theirs
 * @returns for each probe what it is; undefined: nobody of this roster
 */
export function matchFaces(gallery: Gallery, probes: readonly Probe[], rule: AcceptanceRule, here: ReadonlySet<string> = new Set()): (Match | undefined)[] {
  if (gallery.studentIds.length === 0) return probes.map(() => undefined)
  const compared = probes.map((probe) => compare(gallery, probe, rule, here))
  const assigned = assign(compared.map(({ gains }) => gains))
  return compared.map((one, face) => {
    const row = assigned[face]
    return row === undefined ? undefined : judge(gallery, one, row, rule)
  })
}

interface Compared {
  scores: Float32Array
  likeness: Float32Array
  accept: number
  ask: number
  /** Students that count, best first. */
  order: number[]
  /** Likeness over what is needed to be asked; 0 and less: out of the question. */
  gains: number[]
}

function compare(gallery: Gallery, { embedding, faceWidth }: Probe, rule: AcceptanceRule, here: ReadonlySet<string>): Compared {
  const scores = scoreGallery(gallery, embedding)
  const likeness = likenesses(gallery, scores)
  const { accept, ask } = acceptanceFor(gallery, rule, faceWidth)
  const order = [...scores.keys()].filter((row) => !here.has(gallery.studentIds[row]!)).sort((a, b) => scores[b]! - scores[a]!)
  const gains = gallery.studentIds.map((id, row) => (here.has(id) || !(scores[row]! >= rule.floor) || !(likeness[row]! > ask) ? 0 : likeness[row]! - ask))
  return { scores, likeness, accept, ask, order, gains }
}

function judge({ studentIds }: Gallery, { scores, likeness, accept, ask, order }: Compared, row: number, { floor }: AcceptanceRule): Match {
  const score = scores[row]!
  const rival = order.find((other) => other !== row)
  const clear = rival === undefined || score - scores[rival]! >= CLEAR_OF_RUNNER_UP
  if (likeness[row]! >= accept && clear) return { kind: 'match', studentId: studentIds[row]!, score: Math.min(1, score) }
  const others = order.filter((other) => other !== row && likeness[other]! > ask && scores[other]! >= floor && Math.abs(score - scores[other]!) < CLEAR_OF_RUNNER_UP)
  return { kind: 'ask', candidates: [row, ...others].map((one) => studentIds[one]!), score: Math.min(1, score) }
}
