/**
 * Vision without a browser: the same alignment, mesh, quality and embedding as the worker's, behind the
 * detector that runs in Node. For the encode command; reads the model files from kiosk/models/made.
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { DEFAULT_MODEL } from '#contract/model'
import type { ModelId } from '#contract/model'
import type { Pixels } from './align.ts'
import { workAlone } from './crew.ts'
import { detect } from './detect-node.ts'
import { openEmbedder } from './embed.ts'
import type { SeenFrame, SeenPhoto, TrackWishes } from './face.ts'
import { openView } from './view.ts'
import type { Network } from './networks.ts'
import { loadNetwork, startBackend } from './networks.ts'

export interface NodeVision {
  readonly model: ModelId
  /** Every face by itself, with the embedding of its mirror image if `mirror` (default: not). */
  look(pixels: Pixels, o?: { mirror?: boolean }): Promise<SeenPhoto>
  /** A camera of its own, whose frames come in order: with tracks, as the kiosk sees. Embeddings are made unless `watched` or `settled`. */
  watch(): { look(pixels: Pixels, takenAt: number, wishes?: TrackWishes): Promise<SeenFrame> }
  close(): void
}

const made = join(import.meta.dirname, '..', 'models', 'made')

async function readNetwork(name: string): Promise<Network> {
  const [json, bin] = await Promise.all([readFile(join(made, `${name}.json`), 'utf8'), readFile(join(made, `${name}.bin`))])
  return loadNetwork(JSON.parse(json), bin.buffer.slice(bin.byteOffset, bin.byteOffset + bin.byteLength))
}

/** Names of the made files. */
const EMBEDDING: Record<ModelId, string> = { 'mobilefacenet-192-r1': 'mobilefacenet', 'faceres-1024-r1': 'faceres' }

/** @param o.model the embedding model; default: the default model. Throws where the model files are missing (`npm run models` makes them). */
export async function openNodeVision({ model = DEFAULT_MODEL }: { model?: ModelId } = {}): Promise<NodeVision> {
  const wasmDir = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))
  await startBackend(`${wasmDir}/`)
  const [detector, mesh, embedding] = await Promise.all(['face-detector-node', 'face-mesh', EMBEDDING[model]].map(readNetwork))
  if (!detector || !mesh || !embedding) throw new Error('a model is missing')
  const stopwatch = (): number => performance.now()
  const crew = workAlone({ mesh, embedder: openEmbedder(model, embedding) })
  const sight = { read: async (pixels: Pixels) => pixels, detect: (pixels: Pixels) => detect(detector, pixels) }
  const view = openView(sight, crew, stopwatch)
  return {
    model,
    look: (pixels, { mirror = false } = {}) => view.lookAtPhoto(pixels, stopwatch(), mirror),
    watch() {
      const camera = openView(sight, crew, stopwatch)
      return { look: (pixels, takenAt, wishes = {}) => camera.look(pixels, takenAt, wishes) }
    },
    close() {
      for (const network of [detector, mesh, embedding]) network.dispose()
    },
  }
}
