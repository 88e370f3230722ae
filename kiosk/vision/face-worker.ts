/**
 * A face worker: looks at one face after the other beside the vision worker that started it, in memory they share. Knows no
 * frame but its pixels; holds the mesh and the embedding network, not the detector.
 */
import { memory } from '@tensorflow/tfjs-core'
import { CURRENT_MODEL } from '#contract/model'
import type { BatchMessage, CrewAnswer } from './crew.ts'
import { workOn } from './crew.ts'
import type { Embedder } from './embed.ts'
import { openEmbedder } from './embed.ts'
import { holdLife } from './life.ts'
import type { LookedFace, Networks } from './look.ts'
import { warmMesh } from './mesh.ts'
import type { Network } from './networks.ts'
import { loadNetwork, startBackend } from './networks.ts'
import { WASM_PATHS } from './parts.ts'

/** The name of the worker that tells it its part: both parts are one script, so that the app holds its runtime once. */
export const FACE_WORKER = 'faces'

export interface NetworkFiles {
  meshJson: Uint8Array<ArrayBuffer>
  meshBin: Uint8Array<ArrayBuffer>
  embeddingJson: Uint8Array<ArrayBuffer>
  embeddingBin: Uint8Array<ArrayBuffer>
}

interface OpenMessage {
  kind: 'open'
  files: NetworkFiles
}

const parse = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes))

/** Loads the network and runs it once, which compiles it. */
export async function openMesh({ meshJson, meshBin }: NetworkFiles): Promise<Network> {
  const network = await loadNetwork(parse(meshJson), meshBin.buffer)
  warmMesh(network)
  return network
}

/** The same for the recognition model. */
export async function openEmbedding({ embeddingJson, embeddingBin }: NetworkFiles): Promise<Embedder> {
  const embedder = openEmbedder(CURRENT_MODEL, await loadNetwork(parse(embeddingJson), embeddingBin.buffer))
  embedder.embed(new Float32Array(embedder.cropSize ** 2 * 3).fill(127))
  return embedder
}

export interface FaceWorker {
  worker: Worker
  /** Held as long as it lives; see life.ts. */
  life: string | undefined
}

/** Starts `count` face workers from the vision worker's own script. Rejects where one does not start. */
export function startFaceWorkers(count: number, files: NetworkFiles): Promise<FaceWorker[]> {
  return Promise.all(
    Array.from({ length: count }, () =>
      new Promise<FaceWorker>((started, failed) => {
        const worker = new Worker(self.location.href, { type: 'module', name: FACE_WORKER })
        worker.onerror = (event) => failed(new Error(event.message || 'a face worker could not be loaded'))
        worker.onmessage = ({ data }: MessageEvent<CrewAnswer>) => {
          if (data.kind === 'crashed') failed(new Error(data.why))
          else if (data.kind === 'ready') started({ worker, life: data.life })
        }
        worker.postMessage({ kind: 'open', files } satisfies OpenMessage, [])
      }),
    ),
  )
}

export function serveFaces(): void {
  const answer = (message: CrewAnswer, transfer: Transferable[] = []): void => self.postMessage(message, { transfer })
  const crash = (fault: unknown): void => {
    answer({ kind: 'crashed', why: fault instanceof Error ? fault.message : String(fault) })
    self.close()
  }
  let networks: Networks | undefined

  const open = async ({ files }: OpenMessage): Promise<void> => {
    await startBackend(WASM_PATHS)
    networks = { mesh: await openMesh(files), embedder: await openEmbedding(files) }
    answer({ kind: 'ready', life: await holdLife() })
  }

  const work = (batch: BatchMessage): void => {
    if (!networks) throw new Error('a face came before the networks')
    workOn(
      batch,
      networks,
      (job, face) => answer({ kind: 'looked', batch: batch.id, job, face, tensors: memory().numTensors }, buffersOf(face)),
      (job, landmarks, presence) => answer({ kind: 'meshed', batch: batch.id, job, landmarks, presence }),
    )
  }

  self.addEventListener('message', ({ data }: MessageEvent<OpenMessage | BatchMessage>) => {
    if (data.kind === 'open') return void open(data).catch(crash)
    try {
      work(data)
    } catch (fault) {
      crash(fault)
    }
  })
}

function buffersOf({ landmarks, embedding, mirrorEmbedding }: LookedFace): ArrayBuffer[] {
  return [landmarks, embedding, mirrorEmbedding].flatMap((numbers) => (numbers ? [numbers.buffer as ArrayBuffer] : []))
}
