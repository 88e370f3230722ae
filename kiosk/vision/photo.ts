/** Which face of a photo is meant, when a student is enrolled. Pure rules; the enrol page and the encode command share them. */
import type { Face, Reason } from './face.ts'

/** A second face at least this share of the widest one's width may be meant just as well; a smaller one stands behind. */
export const BYSTANDER_SHARE = 0.5

/** The one face that may be enrolled, with its embedding, or why there is none. */
export type PhotoFace = { face: Face & { embedding: Float32Array }; reason?: never } | { face?: never; reason: Reason }

export function chooseFace(faces: readonly Face[]): PhotoFace {
  const real = faces.filter(({ refused }) => refused !== 'not_a_face').sort((one, other) => other.box.width - one.box.width)
  const [meant, next] = real
  if (!meant) return { reason: faces.length > 0 ? 'not_a_face' : 'no_face' }
  if (next && next.box.width >= BYSTANDER_SHARE * meant.box.width) return { reason: 'two_faces' }
  if (meant.refused !== undefined) return { reason: meant.refused }
  if (meant.embedding === undefined) throw new Error('a face that was not refused has no embedding')
  return { face: { ...meant, embedding: meant.embedding } }
}
