/**
 * Who the faces in view are. Near enough *and* clear of the runner-up, one student per face and one
 * face per student; a face that meets no rule is nobody, never the nearest student.
 */
import type { Gallery } from './gallery.ts'
import { scoreGallery } from './gallery.ts'

export interface MatchRule {
  /** Cosine a probe must reach with the student's row. */
  threshold: number
  /** Cosine by which the best student must lead the second best. */
  margin: number
}

export interface Match {
  studentId: string
  /** Cosine with the student's row, 0 to 1. */
  score: number
}

/**
 * @param probes unit vectors of the faces in view at the same time
 * @returns for each probe its student, or undefined
 *
 * Of two faces that fit the same student only the better one is the student: the other is somebody
 * else. It is not given to its second best either, from whom it was not clear to begin with.
 */
export function matchFaces(gallery: Gallery, probes: readonly Float32Array[], rule: MatchRule): (Match | undefined)[] {
  const found = probes.map((probe) => nearest(gallery, probe, rule))
  const bestFaceOf = new Map<string, number>()
  found.forEach((match, face) => {
    if (!match) return
    const other = bestFaceOf.get(match.studentId)
    if (other === undefined || match.score > found[other]!.score) bestFaceOf.set(match.studentId, face)
  })
  return found.map((match, face) => (match && bestFaceOf.get(match.studentId) === face ? match : undefined))
}

function nearest(gallery: Gallery, probe: Float32Array, { threshold, margin }: MatchRule): Match | undefined {
  const scores = scoreGallery(gallery, probe)
  let best = -1
  let first = -Infinity
  let second = -Infinity
  for (let row = 0; row < scores.length; row++) {
    const score = scores[row]!
    if (score > first) {
      second = first
      first = score
      best = row
    } else if (score > second) second = score
  }
  // Written so that a NaN, which compares false with everything, is nobody.
  const near = first >= threshold
  const clear = second === -Infinity || first - second >= margin
  return near && clear ? { studentId: gallery.studentIds[best]!, score: Math.min(1, first) } : undefined
}
