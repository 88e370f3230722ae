/** What a process has started and must stop, last first. Knows nothing of what it is. */
import { describeFault } from './log.ts'
import type { Log } from './log.ts'

export interface Running {
  add(what: string, stop: () => void | Promise<void>): void
  /** @returns whether everything stopped without a fault; a fault is logged, and the rest is stopped all the same. */
  stopAll(): Promise<boolean>
}

export function createRunning(log: Log): Running {
  const started: { what: string; stop: () => void | Promise<void> }[] = []
  return {
    add: (what, stop) => void started.push({ what, stop }),
    async stopAll() {
      let whole = true
      for (let last = started.pop(); last; last = started.pop()) {
        try {
          await last.stop()
        } catch (error) {
          whole = false
          log({ event: 'not_stopped_cleanly', what: last.what, ...describeFault(error) })
        }
      }
      return whole
    },
  }
}
