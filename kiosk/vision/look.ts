/**
 * A place in a frame where a face is, or was a moment ago -> that face's mesh, quality and embedding. The same
 * code in every worker and in Node, so that it gives the same numbers wherever it runs; knows no detector
 * and no track.
 */
import type { Pixels } from './align.ts'
import { shareOutside, similarityBetween, warp } from './align.ts'
import type { Detection } from './detection.ts'
import type { Embedder } from './embed.ts'
import type { Box, Quality } from './face.ts'
import type { Mesh } from './mesh.ts'
import { findMesh, fivePoints } from './mesh.ts'
import type { Network } from './networks.ts'
import { measure, refuse } from './quality.ts'

export interface Networks {
  mesh: Network
  embedder: Embedder
}

/** Which embeddings of a face are made: of its crop, of the crop's mirror image, of both. */
export type Embeddings = 'none' | 'crop' | 'mirror' | 'both'

/** Everything one worker must know to look at one face. */
export interface FaceJob {
  /** The detector's box, or where the box was last. */
  box: Box
  /** Where the mesh network looks: around a detection, or where the face's last mesh was (468 x 3 numbers). */
  near: Detection | Float32Array
  /** Runs of the mesh network; each one looks where the one before found the face. */
  passes: number
  embeddings: Embeddings
}

/** What was found there. Nothing in it depends on which worker found it. */
export interface LookedFace {
  quality: Quality
  /** How much of the crop lies outside of the frame, 0 to 1. */
  outside: number
  embedding: Float32Array | undefined
  mirrorEmbedding: Float32Array | undefined
  landmarks: Float32Array
  /** Milliseconds. */
  ms: { align: number; embed: number }
}

/** What is known of a face before it is embedded, which takes three times as long as all before it. */
export type OnMesh = (landmarks: Float32Array, presence: number) => void

/** @param stopwatch milliseconds */
export function lookAtFace({ mesh: network, embedder }: Networks, pixels: Pixels, job: FaceJob, stopwatch: () => number, onMesh?: OnMesh): LookedFace {
  const start = stopwatch()
  const mesh = findMesh(network, pixels, job.near, job.passes)
  const landmarks = flatten(mesh)
  onMesh?.(landmarks, mesh.presence)
  const toCrop = similarityBetween(fivePoints(mesh), embedder.template)
  const crop = warp(pixels, toCrop, embedder.cropSize)
  const quality = measure(job.box, mesh, crop)
  const outside = shareOutside(pixels, toCrop, embedder.cropSize)
  const wanted = refuse(quality, outside) === undefined ? job.embeddings : 'none'
  const aligned = stopwatch()
  const embedding = wanted === 'crop' || wanted === 'both' ? embedder.embed(crop) : undefined
  const mirrorEmbedding = wanted === 'mirror' || wanted === 'both' ? embedder.embed(mirror(crop)) : undefined
  return {
    quality,
    outside,
    embedding,
    mirrorEmbedding,
    landmarks,
    ms: { align: aligned - start, embed: stopwatch() - aligned },
  }
}

function flatten({ points }: Mesh): Float32Array {
  const flat = new Float32Array(3 * points.length)
  points.forEach(({ x, y, z }, i) => {
    flat[3 * i] = x
    flat[3 * i + 1] = y
    flat[3 * i + 2] = z
  })
  return flat
}

/** A square crop (3 numbers a pixel), left and right exchanged. */
export function mirror(crop: Float32Array): Float32Array {
  const size = Math.sqrt(crop.length / 3)
  const mirrored = new Float32Array(crop.length)
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const from = 3 * (row * size + column)
      const to = 3 * (row * size + size - 1 - column)
      for (let channel = 0; channel < 3; channel++) mirrored[to + channel] = crop[from + channel]!
    }
  }
  return mirrored
}
