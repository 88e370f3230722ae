/** Detected faces of one frame -> faces with quality and embedding. The same code in the worker and in Node; knows no detector. */
import type { Pixels } from './align.ts'
import { CROP_SIZE, shareOutside, similarityBetween, TEMPLATE, warp } from './align.ts'
import type { Detection } from './detection.ts'
import { embed } from './embed.ts'
import type { Face } from './face.ts'
import { findMesh, fivePoints } from './mesh.ts'
import type { Network } from './networks.ts'
import { measure, refuse } from './quality.ts'

export interface Networks {
  mesh: Network
  embedding: Network
}

/** Milliseconds, on the caller's stopwatch. */
export interface FaceTimes {
  align: number
  embed: number
}

export function lookAtFace(networks: Networks, pixels: Pixels, detection: Detection, stopwatch: () => number, times: FaceTimes): Face {
  const start = stopwatch()
  const mesh = findMesh(networks.mesh, pixels, detection)
  const toCrop = similarityBetween(fivePoints(mesh), TEMPLATE)
  const crop = warp(pixels, toCrop, CROP_SIZE)
  const quality = measure(detection.box, mesh, crop)
  const refused = refuse(quality, shareOutside(pixels, toCrop, CROP_SIZE))
  const aligned = stopwatch()
  const embedding = refused === undefined ? embed(networks.embedding, crop) : undefined
  times.align += aligned - start
  times.embed += stopwatch() - aligned
  return { box: detection.box, score: detection.score, quality, refused, embedding }
}
