/** Keeps vision running: loads the models, tells how far, tries again when they fail or when the worker dies. */
import { type Vision, startVision } from '../vision/vision.ts'
import { sentence } from './wording.ts'

/** Waiting time before the models are loaded again: 5 s, then twice as long each time, at most a minute. */
const RETRY_FIRST_MS = 5_000
const RETRY_MOST_MS = 60_000
/** A worker that has lived so long was healthy: the next failure starts again at the shortest wait. */
const HEALTHY_AFTER_MS = 60_000

export type EyesState =
  | { kind: 'loading'; /** What is being loaded, for a person. */ what: string; /** 0 to 1 */ progress: number }
  | { kind: 'failed'; problem: string; /** Raw clock, ms. */ retryAt: number }
  | { kind: 'ready'; vision: Vision }

export interface Eyes {
  readonly state: EyesState
  /** The worker of `vision` died; another one is started. */
  crashed(vision: Vision, fault: unknown): void
  close(): void
}

/** @param onState called after every change of `state` */
export function openEyes({ clock, onState }: { clock: () => number; onState: (state: EyesState) => void }): Eyes {
  let state: EyesState = { kind: 'loading', what: 'Starting', progress: 0 }
  let closed = false
  let wait = RETRY_FIRST_MS
  let readyAt = 0

  function become(next: EyesState): void {
    state = next
    if (!closed) onState(next)
  }

  async function load(): Promise<void> {
    while (!closed) {
      try {
        const vision = await startVision({ onProgress: ({ part, done }) => become({ kind: 'loading', what: part, progress: done }) })
        if (closed) return vision.close()
        readyAt = clock()
        return become({ kind: 'ready', vision })
      } catch (fault) {
        await retryLater(fault)
      }
    }
  }

  async function retryLater(fault: unknown): Promise<void> {
    become({ kind: 'failed', problem: sentence(fault), retryAt: clock() + wait })
    await new Promise((resolve) => setTimeout(resolve, wait))
    wait = Math.min(RETRY_MOST_MS, wait * 2)
  }

  void load()
  return {
    get state() {
      return state
    },
    crashed(vision, fault) {
      if (state.kind !== 'ready' || state.vision !== vision) return
      vision.close()
      if (clock() - readyAt > HEALTHY_AFTER_MS) wait = RETRY_FIRST_MS
      // A first crash is not waited for: the lesson is on.
      if (wait === RETRY_FIRST_MS) {
        wait *= 2
        become({ kind: 'loading', what: 'Starting again', progress: 0 })
        void load()
      } else void retryLater(fault).then(load)
    },
    close() {
      closed = true
      if (state.kind === 'ready') state.vision.close()
    },
  }
}
