/**
 * The vision worker: frame -> faces. Loads detector and networks once, then answers one frame after the
 * other. Knows no student, no storage, no network but the files it is made of. Pictures end here: what
 * leaves is boxes, qualities, landmarks and embeddings.
 */
import { openCardReader } from './card-reader.ts'
import { workAlone, workTogether } from './crew.ts'
import { DETECTOR_PICTURE } from './detection.ts'
import type { Detector } from './detect.ts'
import { openDetector } from './detect.ts'
import type { Face, FaceOfPhoto } from './face.ts'
import type { FaceWorker } from './face-worker.ts'
import { FACE_WORKER, openEmbedding, openMesh, serveFaces, startFaceWorkers } from './face-worker.ts'
import { openFrameReader } from './frame-reader.ts'
import { holdLife, whenDead } from './life.ts'
import type { Networks } from './look.ts'
import type { LookRequest, WorkerAnswer } from './messages.ts'
import { startBackend } from './networks.ts'
import type { FileName, Part } from './parts.ts'
import { FILES, WASM_PATHS } from './parts.ts'
import { openView } from './view.ts'

/**
 * Face workers beside this one, at most: with the four cores of a Raspberry Pi all are used. Each holds both networks and a
 * runtime of its own: 50 MB (the page's process with one of them and with none, Chromium 156).
 */
const MOST_FACE_WORKERS = 3

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

/** A square of the detector's picture size, for warming up. */
const blank = (): OffscreenCanvas => {
  const canvas = new OffscreenCanvas(DETECTOR_PICTURE, DETECTOR_PICTURE)
  canvas.getContext('2d')
  return canvas
}

const stopwatch = (): number => performance.now()

const NO_TIMES = { detect: 0, align: 0, embed: 0, frame: 0 }

interface Opened {
  detector: Detector
  networks: Networks
  faceWorkers: FaceWorker[]
}

/**
 * Throws PartFailed and nothing else. What it returns holds none of the 19 MB of files; a function made in here that lives on would
 * hold them all.
 */
async function open(): Promise<Opened> {
  const names = Object.keys(FILES) as FileName[]
  const loaded = new Map(await Promise.all(names.map(async (name) => [name, await loadFile(name)] as const)))
  const file = (name: FileName): Uint8Array<ArrayBuffer> => loaded.get(name) ?? new Uint8Array()
  const files = { meshJson: file('meshJson'), meshBin: file('meshBin'), embeddingJson: file('embeddingJson'), embeddingBin: file('embeddingBin') }
  answer({ kind: 'progress', part: 'starting', done: LOADING })
  const count = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency - 1, MOST_FACE_WORKERS) : 0
  const others = inPart('the vision runtime', () => startFaceWorkers(count, files))
  await inPart('the vision runtime', () => startBackend(WASM_PATHS))
  const mesh = await inPart('the face mesh', () => openMesh(files))
  const embedder = await inPart('the recognition model', () => openEmbedding(files))
  answer({ kind: 'progress', part: 'starting', done: (1 + LOADING) / 2 })
  // MediaPipe fetches its runtime itself (compiled while it streams, and kept compiled by the browser);
  // the bytes counted above come from the cache this time.
  const detector = await inPart('the face detector', async () => {
    const opened = await openDetector({ loader: FILES.detectorLoader.url, wasm: FILES.detectorWasm.url }, file('detectorModel'))
    opened.detect(blank(), 1)
    return opened
  })
  const faceWorkers = await others
  answer({ kind: 'progress', part: 'starting', done: 1 })
  return { detector, networks: { mesh, embedder }, faceWorkers }
}

let small: OffscreenCanvas | undefined

/** Looks at the frame at the detector's size: the cheapest picture it can be handed. */
function detectIn(detector: Detector, frame: ImageBitmap): ReturnType<Detector['detect']> {
  const scale = Math.max(frame.width, frame.height) / DETECTOR_PICTURE
  if (scale <= 1) return detector.detect(frame, 1)
  const [width, height] = [Math.round(frame.width / scale), Math.round(frame.height / scale)]
  if (small?.width !== width || small.height !== height) small = new OffscreenCanvas(width, height)
  const context = small.getContext('2d', { alpha: false })
  if (!context) throw new Error('no 2d canvas in this browser')
  context.imageSmoothingQuality = 'medium'
  context.drawImage(frame, 0, 0, width, height)
  return detector.detect(small, scale)
}

const buffersOf = (face: Face | FaceOfPhoto): ArrayBuffer[] =>
  [face.embedding, face.landmarks, 'mirrorEmbedding' in face ? face.mirrorEmbedding : undefined].flatMap((numbers) => (numbers ? [numbers.buffer as ArrayBuffer] : []))

async function serveFrames(): Promise<void> {
  const crash = (fault: unknown): void => {
    // A WebAssembly runtime that threw once is not to be trusted again.
    answer({ kind: 'crashed', why: fault instanceof Error ? fault.message : String(fault) })
    self.close()
  }
  const { detector, networks, faceWorkers } = await open()
  for (const { life } of faceWorkers) whenDead(life, () => crash('a face worker died'))
  const crew = faceWorkers.length > 0 ? workTogether(networks, faceWorkers.map(({ worker }) => worker), crash) : workAlone(networks)
  const { read } = openFrameReader()
  const view = openView({ read, detect: (frame: ImageBitmap) => detectIn(detector, frame) }, crew, stopwatch)

  const cards = openCardReader()

  const look = async ({ id, frame, takenAt, tracks, mirror, card: wanted }: LookRequest): Promise<void> => {
    try {
      const card = wanted === undefined ? undefined : await cards.read(frame)
      if (wanted === 'only') return answer({ kind: 'seen', id, frame: { takenAt, width: frame.width, height: frame.height, faces: [], ms: NO_TIMES, card }, tensors: crew.tensors() })
      const seen = await (tracks ? view.look(frame, takenAt, tracks) : view.lookAtPhoto(frame, takenAt, mirror))
      answer({ kind: 'seen', id, frame: wanted === undefined ? seen : { ...seen, card }, tensors: crew.tensors() }, seen.faces.flatMap(buffersOf))
    } finally {
      frame.close()
    }
  }
  // One after the other: a look waits for other workers, and the next frame may be here already.
  let last = Promise.resolve()
  self.addEventListener('message', ({ data }: MessageEvent<LookRequest>) => {
    last = last.then(() => look(data)).catch(crash)
  })
  answer({ kind: 'ready', life: await holdLife() })
}

if (self.name === FACE_WORKER) serveFaces()
else {
  serveFrames().catch((error: unknown) => {
    const { part, message } = error instanceof PartFailed ? error : new PartFailed('the vision runtime', error)
    answer({ kind: 'failed', part, why: message })
    self.close()
  })
}
