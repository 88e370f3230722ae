/**
 * Who looks at the faces of a frame: this thread, and as many face workers as the machine has cores for. Knows no
 * track and no frame but its pixels.
 *
 * The jobs of a frame lie in one list with one counter in shared memory; whoever is free takes the next one. So
 * nobody waits while there is a job left, and it does not matter how fast each of them is.
 */
import { memory } from '@tensorflow/tfjs-core'
import type { Pixels } from './align.ts'
import type { FaceJob, LookedFace, Networks, OnMesh } from './look.ts'
import { lookAtFace } from './look.ts'

/** Told once for each job, on this thread, while the face's embedding may still be in work elsewhere. */
export type OnMeshOf = (job: number, ...mesh: Parameters<OnMesh>) => void

/** Jobs that are under way. */
export interface Batch {
  /** Takes part until there is no job left, then waits for the others. Answers are in the order of the jobs. */
  finish(): Promise<LookedFace[]>
}

export interface Crew {
  /** Face workers beside this thread. */
  readonly workers: number
  /** Tensors alive in all of them. */
  tensors(): number
  /** The face workers start at once. One batch's pixels stand until all batches of the frame are finished. */
  begin(pixels: Pixels, jobs: readonly FaceJob[], onMesh?: OnMeshOf): Batch
  close(): void
}

export interface BatchMessage {
  kind: 'batch'
  id: number
  /** In shared memory. */
  pixels: Pixels
  /** One number: the next job that nobody has taken. In shared memory. */
  next: Int32Array<SharedArrayBuffer>
  jobs: readonly FaceJob[]
}

export type CrewAnswer =
  | { kind: 'ready'; /** See life.ts. */ life: string | undefined }
  | { kind: 'meshed'; batch: number; job: number; landmarks: Float32Array; presence: number }
  | { kind: 'looked'; batch: number; job: number; face: LookedFace; tensors: number }
  | { kind: 'crashed'; why: string }

const stopwatch = (): number => performance.now()

/** This thread alone. */
export function workAlone(networks: Networks): Crew {
  return {
    workers: 0,
    tensors: () => memory().numTensors,
    begin: (pixels, jobs, onMesh) => ({ finish: async () => jobs.map((job, i) => lookAtFace(networks, pixels, job, stopwatch, (...mesh) => onMesh?.(i, ...mesh))) }),
    close: () => undefined,
  }
}

/** Takes jobs of the batch until none is left. */
export function workOn({ pixels, next, jobs }: Pick<BatchMessage, 'pixels' | 'next' | 'jobs'>, networks: Networks, looked: (job: number, face: LookedFace) => void, onMesh: OnMeshOf): void {
  for (let taken = Atomics.add(next, 0, 1); ; taken = Atomics.add(next, 0, 1)) {
    const job = jobs[taken]
    if (!job) return
    looked(taken, lookAtFace(networks, pixels, job, stopwatch, (...mesh) => onMesh(taken, ...mesh)))
  }
}

interface Open {
  faces: LookedFace[]
  left: number
  onMesh: OnMeshOf
  done(): void
}

/**
 * @param workers face workers that said they are ready.
 * @param onCrash one of them died: the whole vision is of no use any more.
 */
export function workTogether(networks: Networks, workers: readonly Worker[], onCrash: (why: string) => void): Crew {
  const open = new Map<number, Open>()
  const tensors = new Map<Worker, number>()
  let ids = 0

  const give = (id: number, job: number, face: LookedFace): void => {
    const batch = open.get(id)
    if (!batch) return
    batch.faces[job] = face
    batch.left--
    if (batch.left === 0) batch.done()
  }

  for (const worker of workers) {
    worker.onerror = (event) => onCrash(event.message || 'a face worker died')
    worker.onmessage = ({ data }: MessageEvent<CrewAnswer>) => {
      if (data.kind === 'crashed') return onCrash(data.why)
      if (data.kind === 'meshed') return open.get(data.batch)?.onMesh(data.job, data.landmarks, data.presence)
      if (data.kind !== 'looked') return
      tensors.set(worker, data.tensors)
      give(data.batch, data.job, data.face)
    }
  }

  return {
    workers: workers.length,
    tensors: () => [...tensors.values()].reduce((sum, own) => sum + own, memory().numTensors),
    begin(pixels, jobs, onMesh = () => undefined) {
      if (jobs.length === 0) return { finish: async () => [] }
      const batch: BatchMessage = { kind: 'batch', id: ids++, pixels, next: new Int32Array(new SharedArrayBuffer(4)), jobs }
      const finished = new Promise<void>((done) => open.set(batch.id, { faces: [], left: jobs.length, onMesh, done }))
      for (const worker of workers) worker.postMessage(batch, [])
      return {
        async finish() {
          workOn(batch, networks, (job, face) => give(batch.id, job, face), onMesh)
          await finished
          const { faces } = open.get(batch.id) ?? { faces: [] }
          open.delete(batch.id)
          return faces
        },
      }
    },
    close() {
      for (const worker of workers) worker.terminate()
    },
  }
}
