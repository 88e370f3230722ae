/**
 * The vision worker: frame -> faces. Loads detector and networks once, then answers one frame after the
 * other. Knows no student, no storage, no network but the files it is made of. Pictures end here: what
 * leaves is boxes, qualities and embeddings.
 */
import { memory } from '@tensorflow/tfjs-core'
import type { Pixels } from './align.ts'
import { CROP_SIZE } from './align.ts'
import { DETECTOR_PICTURE } from './detection.ts'
import type { Detector } from './detect.ts'
import { openDetector } from './detect.ts'
import { embed } from './embed.ts'
import type { SeenFrame } from './face.ts'
import type { Networks } from './look.ts'
import { lookAtFace } from './look.ts'
import { warmMesh } from './mesh.ts'
import type { LookRequest, WorkerAnswer } from './messages.ts'
import { loadNetwork, startBackend } from './networks.ts'
import type { FileName, Part } from './parts.ts'
import { FILES, WASM_PATHS } from './parts.ts'

const answer = (message: WorkerAnswer, transfer: Transferable[] = []): void => self.postMessage(message, { transfer })

/** Share of the whole that is loading; the rest is starting the networks. */
const LOADING = 0.9

class PartFailed extends Error {
  constructor(
    readonly part: Part,
    cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

async function inPart<T>(part: Part, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw cause instanceof PartFailed ? cause : new PartFailed(part, cause)
  }
}

const totalBytes = Object.values(FILES).reduce((sum, { bytes }) => sum + bytes, 0)
let loadedBytes = 0

/** One file of our own origin, whole, counted byte by byte. */
async function loadFile(name: FileName): Promise<Uint8Array<ArrayBuffer>> {
  const { part, url, bytes: expected } = FILES[name]
  return inPart(part, async () => {
    // eslint-disable-next-line no-restricted-globals -- the app's own files, not the school's data: kiosk/sync has no part in them
    const response = await fetch(url)
    if (!response.ok || !response.body) throw new Error(`${new URL(url, self.location.href).pathname}: ${response.status} ${response.statusText}`)
    const whole = new Uint8Array(expected)
    let length = 0
    const reader = response.body.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (length + value.length > expected) throw new Error(`${new URL(url, self.location.href).pathname} is longer than it should be`)
      whole.set(value, length)
      length += value.length
      loadedBytes += value.length
      answer({ kind: 'progress', part, done: (LOADING * loadedBytes) / totalBytes })
    }
    if (length !== expected) throw new Error(`${new URL(url, self.location.href).pathname} is incomplete: ${length} of ${expected} bytes`)
    return whole
  })
}

const parse = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes))

/** A square of the detector's picture size, for warming up. */
const blank = (): OffscreenCanvas => {
  const canvas = new OffscreenCanvas(DETECTOR_PICTURE, DETECTOR_PICTURE)
  canvas.getContext('2d')
  return canvas
}

/** Throws PartFailed and nothing else. */
async function open(): Promise<{ detector: Detector; networks: Networks }> {
  const names = Object.keys(FILES) as FileName[]
  const loaded = new Map(await Promise.all(names.map(async (name) => [name, await loadFile(name)] as const)))
  const file = (name: FileName): Uint8Array<ArrayBuffer> => loaded.get(name) ?? new Uint8Array()
  answer({ kind: 'progress', part: 'starting', done: LOADING })
  await inPart('the vision runtime', () => startBackend(WASM_PATHS))
  const mesh = await inPart('the face mesh', async () => {
    const network = await loadNetwork(parse(file('meshJson')), file('meshBin').buffer)
    warmMesh(network)
    return network
  })
  const embedding = await inPart('the recognition model', async () => {
    const network = await loadNetwork(parse(file('embeddingJson')), file('embeddingBin').buffer)
    embed(network, new Float32Array(CROP_SIZE * CROP_SIZE * 3).fill(127))
    return network
  })
  answer({ kind: 'progress', part: 'starting', done: (1 + LOADING) / 2 })
  // MediaPipe fetches its runtime itself (compiled while it streams, and kept compiled by the browser);
  // the bytes counted above come from the cache this time.
  const detector = await inPart('the face detector', async () => {
    const opened = await openDetector({ loader: FILES.detectorLoader.url, wasm: FILES.detectorWasm.url }, file('detectorModel'))
    opened.detect(blank(), 1)
    return opened
  })
  answer({ kind: 'progress', part: 'starting', done: 1 })
  return { detector, networks: { mesh, embedding } }
}

const stopwatch = (): number => performance.now()

let canvas: OffscreenCanvas | undefined
let small: OffscreenCanvas | undefined

/** The frame's pixels, read once. */
function readPixels(frame: ImageBitmap): Pixels {
  const { width, height } = frame
  if (canvas?.width !== width || canvas.height !== height) canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d', { willReadFrequently: true, alpha: false })
  if (!context) throw new Error('no 2d canvas in this browser')
  context.drawImage(frame, 0, 0)
  return context.getImageData(0, 0, width, height)
}

/** The frame at the detector's size: the cheapest picture it can be handed. */
function shrink(frame: ImageBitmap): { picture: OffscreenCanvas | ImageBitmap; scale: number } {
  const scale = Math.max(frame.width, frame.height) / DETECTOR_PICTURE
  if (scale <= 1) return { picture: frame, scale: 1 }
  const [width, height] = [Math.round(frame.width / scale), Math.round(frame.height / scale)]
  if (small?.width !== width || small.height !== height) small = new OffscreenCanvas(width, height)
  const context = small.getContext('2d', { alpha: false })
  if (!context) throw new Error('no 2d canvas in this browser')
  context.imageSmoothingQuality = 'medium'
  context.drawImage(frame, 0, 0, width, height)
  return { picture: small, scale }
}

function look({ detector, networks }: { detector: Detector; networks: Networks }, { frame, takenAt }: LookRequest): SeenFrame {
  const start = stopwatch()
  try {
    const { picture, scale } = shrink(frame)
    const detections = detector.detect(picture, scale)
    const detected = stopwatch()
    const times = { align: 0, embed: 0 }
    const pixels = detections.length > 0 ? readPixels(frame) : undefined
    times.align = stopwatch() - detected
    const faces = pixels ? detections.map((detection) => lookAtFace(networks, pixels, detection, stopwatch, times)) : []
    return { takenAt, width: frame.width, height: frame.height, faces, ms: { detect: detected - start, ...times, frame: stopwatch() - start } }
  } finally {
    frame.close()
  }
}

try {
  const opened = await open()
  self.addEventListener('message', ({ data }: MessageEvent<LookRequest>) => {
    try {
      const frame = look(opened, data)
      const embeddings = frame.faces.flatMap(({ embedding }) => (embedding ? [embedding.buffer as ArrayBuffer] : []))
      answer({ kind: 'seen', id: data.id, frame, tensors: memory().numTensors }, embeddings)
    } catch (error) {
      // A WebAssembly runtime that threw once is not to be trusted again.
      answer({ kind: 'crashed', why: error instanceof Error ? error.message : String(error) })
      self.close()
    }
  })
  answer({ kind: 'ready' })
} catch (error) {
  const { part, message } = error instanceof PartFailed ? error : new PartFailed('the vision runtime', error)
  answer({ kind: 'failed', part, why: message })
  self.close()
}
