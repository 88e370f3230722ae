/**
 * What sync needs of the machine it runs on: timers, a network, its word on that network, and ids. The browser's by
 * default; a simulation hands in its own and runs the same sync outside a browser, in its own time.
 */
import { v4 as uuidv4 } from 'uuid'
import { hearRosterChange } from './same-browser.ts'

export interface Host {
  setTimeout(run: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
  /** As the global; it must heed `signal`. */
  fetch(path: string, init: RequestInit): Promise<Response>
  /**
   * The machine's word, a hint to look and never a verdict: the network is back or gone, or there is a reason to ask what has changed (somebody looks
   * again, another tab enrolled a student). @returns an end to the hearing.
   */
  hear(hints: { online(): void; offline(): void; look(): void }): () => void
  /** A random UUID. */
  uuid(): string
}

/** Of a page. */
export const BROWSER: Host = {
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
  // eslint-disable-next-line no-restricted-globals -- request.ts asks through it, and nobody else
  fetch: (path, init) => fetch(path, init),
  hear({ online, offline, look }) {
    const lookIfSeen = (): void => {
      if (!document.hidden) look()
    }
    window.addEventListener('online', online)
    window.addEventListener('offline', offline)
    document.addEventListener('visibilitychange', lookIfSeen)
    const stopHearing = hearRosterChange(lookIfSeen)
    return () => {
      window.removeEventListener('online', online)
      window.removeEventListener('offline', offline)
      document.removeEventListener('visibilitychange', lookIfSeen)
      stopHearing()
    }
  },
  uuid: () => uuidv4(),
}
