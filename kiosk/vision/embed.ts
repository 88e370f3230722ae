/** An aligned crop -> a unit-length embedding. Knows one network, no face. */
import { CROP_SIZE } from './align.ts'
import type { Network } from './networks.ts'
import { run } from './networks.ts'

/** @param crop 112 x 112 x 3, RGB 0 to 255. @returns 192 numbers, length 1. Throws where the network gives anything else. */
export function embed(network: Network, crop: Float32Array): Float32Array {
  const [embedding] = run(network, crop.map((value) => (value - 127.5) / 127.5), CROP_SIZE, ['embeddings'])
  if (!embedding) throw new Error('the embedding network gave no answer')
  const norm = Math.hypot(...embedding)
  if (!(norm > 0.5 && norm < 2)) throw new Error(`the embedding network gave a vector of length ${norm}`)
  // The graph normalises already; in single precision.
  return embedding.map((value) => value / norm)
}
