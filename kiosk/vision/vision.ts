/**
 * Vision for the main thread: starts the worker, hands it frames, hands back faces. Knows no pixel and
 * no network; a picture that goes in does not come out.
 */
import { CURRENT_MODEL } from '#contract/model'
import type { ModelId } from '#contract/model'
import type { SeenFrame, SeenPhoto, TrackWishes } from './face.ts'
import { whenDead } from './life.ts'
import type { LookRequest, WorkerAnswer } from './messages.ts'

/** A model or the runtime did not load; the message says which one, for a person. */
export class ModelFailed extends Error {
  override name = 'ModelFailed'
}

/** The worker died or stopped answering; this Vision is of no use any more, start another. */
export class VisionCrashed extends Error {
  override name = 'VisionCrashed'
}

export interface Vision {
  readonly model: ModelId
  /** Tensors alive in the worker after the newest frame; constant, or something leaks. */
  readonly tensors: number
  /**
   * A camera's frame; frames come in the order they were taken in. Transfers and closes the bitmap. Rejects with VisionCrashed.
   * Without `tracks` the frame is looked at by itself, as a photo is: everything is run on every face, no
   * crop is mirrored, and the tracks are new numbers. With `card` a card's code is looked for, too.
   */
  look(frame: ImageBitmap, takenAt: number, tracks?: TrackWishes, card?: 'too'): Promise<SeenFrame>
  /** What a card in the frame says; no face is looked for. Otherwise as `look`. */
  readCard(frame: ImageBitmap): Promise<string | undefined>
  /** The same for a photo: with the embedding of each face's mirror image. */
  lookAtPhoto(photo: ImageBitmap): Promise<SeenPhoto>
  close(): void
}

/** A frame takes 50 ms on a laptop and a fraction of a second on a Pi; a worker silent for so long hangs. */
const LOOK_TIMEOUT_MS = 20_000
/** Loading is told of part by part; where nothing was told for so long, it stands still. Compiling takes a Pi many seconds. */
const LOAD_TIMEOUT_MS = 120_000

interface Pending {
  resolve(frame: SeenFrame | SeenPhoto): void
  reject(error: VisionCrashed): void
  timer: ReturnType<typeof setTimeout>
}

/** @param onProgress `part` for a person, `done` 0 to 1 over all parts. Rejects with ModelFailed. */
export function startVision({ onProgress }: { onProgress: (progress: { part: string; done: number }) => void }): Promise<Vision> {
  return new Promise((started, failed) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'vision' })
    const pending = new Map<number, Pending>()
    let ids = 0
    let tensors = 0
    let crash: VisionCrashed | undefined
    let stopWaiting = (): void => undefined
    let loading: ReturnType<typeof setTimeout> | undefined

    const end = (why: string): void => {
      crash ??= new VisionCrashed(why)
      worker.terminate()
      stopWaiting()
      clearTimeout(loading)
      failed(new ModelFailed(`the vision worker did not start: ${why}`))
      for (const { reject, timer } of pending.values()) {
        clearTimeout(timer)
        reject(crash)
      }
      pending.clear()
    }

    const ask = (request: Omit<LookRequest, 'id'>): Promise<SeenFrame | SeenPhoto> => {
      if (crash) {
        request.frame.close()
        return Promise.reject(crash)
      }
      const id = ids++
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => end(`no answer for ${LOOK_TIMEOUT_MS / 1000} s`), LOOK_TIMEOUT_MS)
        pending.set(id, { resolve, reject, timer })
        worker.postMessage({ ...request, id } satisfies LookRequest, [request.frame])
      })
    }

    const vision: Vision = {
      model: CURRENT_MODEL,
      get tensors() {
        return tensors
      },
      look: (frame, takenAt, tracks, card) => ask({ frame, takenAt, tracks, mirror: false, card }),
      readCard: async (frame) => (await ask({ frame, takenAt: 0, tracks: undefined, mirror: false, card: 'only' })).card,
      lookAtPhoto: (photo) => ask({ frame: photo, takenAt: 0, tracks: undefined, mirror: true }) as Promise<SeenPhoto>,
      close: () => end('vision was closed'),
    }

    const expectProgress = (): void => {
      clearTimeout(loading)
      loading = setTimeout(() => end(`nothing was loaded for ${LOAD_TIMEOUT_MS / 1000} s`), LOAD_TIMEOUT_MS)
    }
    expectProgress()

    worker.addEventListener('error', (event) => end(event.message || 'the worker could not be loaded'))
    worker.addEventListener('messageerror', () => end('a message could not be read'))
    worker.addEventListener('message', ({ data }: MessageEvent<WorkerAnswer>) => {
      switch (data.kind) {
        case 'progress':
          expectProgress()
          return onProgress({ part: data.part, done: data.done })
        case 'ready':
          clearTimeout(loading)
          stopWaiting = whenDead(data.life, () => end('the worker died'))
          return started(vision)
        case 'failed':
          failed(new ModelFailed(`${data.part} did not load: ${data.why}`))
          return end(data.why)
        case 'crashed':
          return end(data.why)
        case 'seen': {
          const look = pending.get(data.id)
          pending.delete(data.id)
          clearTimeout(look?.timer)
          tensors = data.tensors
          return look?.resolve(data.frame)
        }
      }
    })
  })
}
