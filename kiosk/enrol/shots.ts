/**
 * What enrolment knows of shots, wherever they come from (camera, photo file, command): whether they
 * show one person, what is sent of them, and when the camera's next one is due. Pure; knows no picture.
 */
import { CURRENT_MODEL, type ModelEmbedding, type ModelId, cosine } from '#contract/model'

/** So many shots by camera: three templates miss 0-1 % of a class where one misses 3 % (LFW, threshold .55). */
export const SHOTS_WANTED = 3

/** The server takes no more templates of one student (TemplatesRequest). */
export const SHOTS_MOST = 10

/**
 * Cosine under which two photos are taken for two people. mobilefacenet: on 6,000 pairs of LFW (View 2, mesh alignment) .374 tells
 * same from different with 99.4 % right; soft small faces of one person go down to .55, so this refuses hardly anyone.
 * faceres: the best threshold on 995 pairs of LFW (View 1), kiosk/models/LEDGER.md.
 */
export const SAME_PERSON_COSINE: Record<ModelId, number> = { 'mobilefacenet-192-r1': 0.37, 'faceres-1024-r1': 0.32 }

/**
 * Whether a further shot shows the person of those already taken. One that is like any of them is enough:
 * a left and a right half-profile are each like the one between them.
 * @returns the best cosine if it is someone else; undefined: the same person, or there is nothing to compare with
 */
export function someoneElse(shot: Float32Array, others: readonly Float32Array[], model: ModelId = CURRENT_MODEL): number | undefined {
  if (others.length === 0) return undefined
  const best = Math.max(...others.map((other) => cosine(shot, other)))
  return best < SAME_PERSON_COSINE[model] ? best : undefined
}

/** Digits after the point of a number on the wire: 5 keep the cosine to 0.0001 and halve the bytes. */
const DECIMALS = 5

/** What leaves the browser or the command of one shot. */
export function templateOf(embedding: Float32Array, model: ModelId): ModelEmbedding {
  return { model, embedding: Array.from(embedding, (value) => Number(value.toFixed(DECIMALS))) }
}

/** A face has to be good for so long before a shot is taken: the first good frame is often half a movement. */
const STEADY_MS = 500
/** And so long after the last one, that the next is not the same picture again. */
const BETWEEN_MS = 1_300

/** When the camera's next shot is due. */
export interface Steadiness {
  /** Since when every look was good; undefined: the last one was not. */
  goodSince: number | undefined
  /** undefined: none taken yet. */
  shotAt: number | undefined
}

export const NOT_STEADY: Steadiness = { goodSince: undefined, shotAt: undefined }

/** One look more. @param at milliseconds, the frame's own clock. */
export function steadier(before: Steadiness, good: boolean, at: number): Steadiness & { due: boolean } {
  const goodSince = good ? (before.goodSince ?? at) : undefined
  const steady = goodSince !== undefined && at - goodSince >= STEADY_MS
  const rested = before.shotAt === undefined || at - before.shotAt >= BETWEEN_MS
  const due = steady && rested
  return { goodSince, shotAt: due ? at : before.shotAt, due }
}
