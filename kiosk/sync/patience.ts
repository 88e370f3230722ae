/** For commands, which nobody watches: a server that is busy, or that says "not so many", is asked again when it said. Knows no request of its own. */
import { Refused } from './request.ts'

/** A server that names a longer wait is not obeyed: the command says what it was told, and ends. */
const LONGEST_WAIT_SECONDS = 120
/** So often in a row for one request. */
const TRIES = 10

/** @param wait resolves after so many milliseconds */
export async function patiently<T>(ask: () => Promise<T>, wait: (ms: number) => Promise<void> = pause): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      const seconds = error instanceof Refused && ['too_many_requests', 'busy'].includes(error.problem.code) ? error.retryAfterSeconds : undefined
      if (seconds === undefined || seconds > LONGEST_WAIT_SECONDS || tries === TRIES) throw error
      // A second more, so that of several commands none comes too early again.
      await wait(seconds * 1000 + Math.random() * 1000)
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
