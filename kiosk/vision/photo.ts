/** Which face of a photo is meant, when a student is enrolled. Pure rules; the enrol page and the encode command share them. */
import type { Box, Face, FaceOfPhoto, Reason } from './face.ts'

/** A second face at least this share of the widest one's width may be meant just as well; a smaller one stands behind. */
export const BYSTANDER_SHARE = 0.5

/** Degrees to either side: a template is met by many probes, and must be straighter than they. 99 % of LFW's are within 37. */
export const ENROLLED_YAW = 42

/** The one face that may be enrolled, with its embedding, or why there is none. */
export type PhotoFace = { face: Face & { embedding: Float32Array }; reason?: never } | { face?: never; reason: Reason }

/** @param faces of a photo, with their mirror images' embeddings where there are any */
export function chooseFace(faces: readonly (Face & Partial<Pick<FaceOfPhoto, 'mirrorEmbedding'>>)[]): PhotoFace {
  const real = faces.filter(({ refused }) => refused !== 'not_a_face').sort((one, other) => other.box.width - one.box.width)
  const [meant, next] = real
  if (!meant) return { reason: faces.length > 0 ? 'not_a_face' : 'no_face' }
  if (next && next.box.width >= BYSTANDER_SHARE * meant.box.width) return { reason: 'two_faces' }
  if (meant.refused !== undefined) return { reason: meant.refused }
  if (meant.quality && Math.abs(meant.quality.yaw) > ENROLLED_YAW) return { reason: 'looks_away' }
  const embedding = embeddingOfPhoto({ embedding: meant.embedding, mirrorEmbedding: meant.mirrorEmbedding })
  if (embedding === undefined) throw new Error('a face that was not refused has no embedding')
  return { face: { ...meant, embedding } }
}

/** The labelled face of a data set's photo: of the boxes that hold its central point the one whose own centre is nearest to it. */
export function faceOverCentre<T extends { box: Box }>(faces: readonly T[], { width, height }: { width: number; height: number }): T | undefined {
  const [x, y] = [width / 2, height / 2]
  const away = ({ box }: T): number => Math.hypot(box.x + box.width / 2 - x, box.y + box.height / 2 - y)
  return faces.filter(({ box }) => box.x <= x && x <= box.x + box.width && box.y <= y && y <= box.y + box.height).sort((one, other) => away(one) - away(other))[0]
}

/**
 * What a student is enrolled with: the mean of the crop's and its mirror image's embedding, of unit length, so
 * that neither side of a face counts more. LFW, 2 million pairs: misses 3.3 instead of 3.5 % at FMR 6e-5, 6.6 instead of 8.6 % at 1e-5.
 * undefined where the face was refused.
 */
export function embeddingOfPhoto({ embedding, mirrorEmbedding }: Pick<FaceOfPhoto, 'embedding' | 'mirrorEmbedding'>): Float32Array | undefined {
  if (!embedding || !mirrorEmbedding) return embedding
  const sum = embedding.map((value, i) => value + mirrorEmbedding[i]!)
  const norm = Math.hypot(...sum)
  return sum.map((value) => value / norm)
}
