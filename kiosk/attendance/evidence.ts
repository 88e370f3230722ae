/** What the frames of one track say together: its best frames' embeddings, weighted by quality. Pure. */
import { cosine } from '#contract/model'
import type { Quality } from '../vision/face.ts'
import { normalise } from './gallery.ts'

/** So many of the best frames are kept; crop and mirror image alternate, so both sides of the face count. */
const BEST_FRAMES = 12
/** A frame that comes less near than this to the others' mean shows another person who stepped into the track. */
const SAME_PERSON_COSINE = 0.3

/** Full weight from so many pixels and so sharp on; a face turned so many degrees to the side weighs 0.6. Chosen by reason, not fitted. */
const FULL_WIDTH = 64
const FULL_SHARPNESS = 30
const TURNED_DEGREES = 20

export interface Evidence {
  /** Frames seen, kept or not. */
  readonly frames: number
  /** Weighted mean width of the kept frames, pixels. */
  readonly faceWidth: number
  /** False where the face is another person's than the frames before: then nothing was added. */
  add(embedding: Float32Array, quality: Quality): boolean
  /** Unit length; undefined while there is nothing, or where the frames cancel out. */
  mean(): Float32Array | undefined
}

interface Frame {
  embedding: Float32Array
  weight: number
  width: number
}

export function gatherEvidence(): Evidence {
  let best: Frame[] = []
  let frames = 0
  let mean: Float32Array | undefined

  return {
    get frames() {
      return frames
    },
    get faceWidth() {
      const weight = best.reduce((sum, one) => sum + one.weight, 0)
      return best.reduce((sum, one) => sum + one.weight * one.width, 0) / weight
    },
    add(embedding, quality) {
      if (mean && cosine(embedding, mean) < SAME_PERSON_COSINE) return false
      frames += 1
      best.push({ embedding, weight: weightOf(quality), width: quality.width })
      // Of equal weight the older one goes: a hat that was taken off is forgotten.
      if (best.length > BEST_FRAMES) best = dropLightest(best)
      mean = meanOf(best)
      return true
    },
    mean: () => mean,
  }
}

/** 0 to 1: large, sharp and straight counts. */
export function weightOf({ width, sharpness, yaw, pitch }: Quality): number {
  const turned = (yaw / TURNED_DEGREES) ** 2 + (pitch / TURNED_DEGREES) ** 2 / 2
  return Math.max(1e-3, Math.min(1, width / FULL_WIDTH) * Math.min(1, sharpness / FULL_SHARPNESS) * Math.exp(-turned / 2))
}

function dropLightest(frames: Frame[]): Frame[] {
  const lightest = frames.reduce((least, one) => (one.weight < least.weight ? one : least))
  return frames.filter((one) => one !== lightest)
}

/** A first mean, then one in which frames count less the less they agree with it: a hand before the face, a wrong fit. */
function meanOf(frames: readonly Frame[]): Float32Array | undefined {
  const first = weighted(frames, (one) => one.weight)
  return first && weighted(frames, ({ embedding, weight }) => weight * Math.max(0.01, cosine(embedding, first)) ** 2)
}

function weighted(frames: readonly Frame[], weight: (frame: Frame) => number): Float32Array | undefined {
  const sum = new Float32Array(frames[0]?.embedding.length ?? 0)
  for (const frame of frames) {
    const by = weight(frame)
    for (let i = 0; i < sum.length; i++) sum[i]! += by * frame.embedding[i]!
  }
  return normalise(sum) ? sum : undefined
}
