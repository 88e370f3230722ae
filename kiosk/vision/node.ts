/**
 * Vision without a browser: the same alignment, mesh, quality and embedding as the worker's, behind the
 * detector that runs in Node. For the encode command; reads the model files from kiosk/models/made.
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { CURRENT_MODEL } from '#contract/model'
import type { ModelId } from '#contract/model'
import type { Pixels } from './align.ts'
import { detect } from './detect-node.ts'
import type { SeenFrame } from './face.ts'
import { lookAtFace } from './look.ts'
import type { Network } from './networks.ts'
import { loadNetwork, startBackend } from './networks.ts'

export interface NodeVision {
  readonly model: ModelId
  look(pixels: Pixels): Promise<SeenFrame>
  close(): void
}

const made = join(import.meta.dirname, '..', 'models', 'made')

async function readNetwork(name: string): Promise<Network> {
  const [json, bin] = await Promise.all([readFile(join(made, `${name}.json`), 'utf8'), readFile(join(made, `${name}.bin`))])
  return loadNetwork(JSON.parse(json), bin.buffer.slice(bin.byteOffset, bin.byteOffset + bin.byteLength))
}

/** Throws where the model files are missing (`npm run models` makes them). */
export async function openNodeVision(): Promise<NodeVision> {
  const wasmDir = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))
  await startBackend(`${wasmDir}/`)
  const [detector, mesh, embedding] = await Promise.all(['face-detector-node', 'face-mesh', 'mobilefacenet'].map(readNetwork))
  if (!detector || !mesh || !embedding) throw new Error('a model is missing')
  const stopwatch = (): number => performance.now()
  return {
    model: CURRENT_MODEL,
    async look(pixels) {
      const start = stopwatch()
      const detections = detect(detector, pixels)
      const times = { align: 0, embed: 0 }
      const detected = stopwatch() - start
      const faces = detections.map((detection) => lookAtFace({ mesh, embedding }, pixels, detection, stopwatch, times))
      return { takenAt: start, width: pixels.width, height: pixels.height, faces, ms: { detect: detected, ...times, frame: stopwatch() - start } }
    },
    close() {
      for (const network of [detector, mesh, embedding]) network.dispose()
    },
  }
}
