/** What the main thread and the vision worker say to each other. */
import type { SeenFrame } from './face.ts'
import type { Part } from './parts.ts'

export interface LookRequest {
  id: number
  /** Transferred; the worker closes it. */
  frame: ImageBitmap
  takenAt: number
}

export type WorkerAnswer =
  | { kind: 'progress'; part: string; done: number }
  | { kind: 'ready' }
  | { kind: 'failed'; part: Part; why: string }
  | { kind: 'seen'; id: number; frame: SeenFrame; /** Tensors alive after the frame; constant, or something leaks. */ tensors: number }
  | { kind: 'crashed'; why: string }
