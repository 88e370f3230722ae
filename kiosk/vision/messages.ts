/** What the main thread and the vision worker say to each other. */
import type { SeenFrame, SeenPhoto, TrackWishes } from './face.ts'
import type { Part } from './parts.ts'

export interface LookRequest {
  id: number
  /** Transferred; the worker closes it. */
  frame: ImageBitmap
  takenAt: number
  /** What to do with which track; undefined: a photo, looked at by itself. */
  tracks: TrackWishes | undefined
  /** Of a photo: the embeddings of the mirror images too. */
  mirror: boolean
  /** `too`: a card's code is looked for in the frame as well. `only`: nothing but that; no face is looked for. */
  card?: 'too' | 'only' | undefined
}

export type WorkerAnswer =
  | { kind: 'progress'; part: string; done: number }
  | { kind: 'ready'; /** See life.ts. */ life: string | undefined }
  | { kind: 'failed'; part: Part; why: string }
  | { kind: 'seen'; id: number; frame: SeenFrame | SeenPhoto; /** Tensors alive after the frame; constant, or something leaks. */ tensors: number }
  | { kind: 'crashed'; why: string }
