/**
 * Keeps the app itself on this device, and new: registers the service worker that precaches it, looks
 * for a newer one, and takes it when it is told to. Knows no lesson, so it never reloads by itself.
 */
import { Workbox } from 'workbox-window'

export interface AppUpdate {
  /** True once a newer app is wholly on this device and waits. */
  readonly updateReady: boolean
  /** Looks for a newer app. To be called whenever the server announces another one; asks no oftener than every 5 minutes. Never rejects. */
  check(): Promise<void>
  /** Puts the waiting app in charge and reloads the page. Resolves without either if none waits or it does not take over. */
  activate(): Promise<void>
}

const CHECK_EVERY_MS = 3_600_000

/** While the server announces another build, each heartbeat says so. */
const CHECK_AT_MOST_EVERY_MS = 300_000

/** Switching takes milliseconds; a worker that has not taken over by then does not. */
const ACTIVATION_MS = 10_000

/** @param o.onReady called once, when updateReady becomes true. */
export function watchAppUpdate(o: { onReady: () => void; script?: string; checkAtMostEveryMs?: number }): AppUpdate {
  const { script = '/service-worker.js', checkAtMostEveryMs = CHECK_AT_MOST_EVERY_MS } = o
  // Not there in an insecure context: then the app works, but only while the server does.
  const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined
  const workbox = new Workbox(script, { updateViaCache: 'none' })
  let registration: ServiceWorkerRegistration | undefined
  let ready = false
  let checkedAt = 0

  async function register(): Promise<void> {
    registration = await workbox.register({ immediate: true })
    checkedAt = performance.now()
    watch()
  }

  /**
   * workbox-window reports the first newer worker that was not there at the registration and then stops
   * listening, so that a download cut half-way would be the last one a kiosk that runs for months hears of.
   */
  function watch(): void {
    registration?.installing?.addEventListener('statechange', look)
    look()
  }

  function look(): void {
    // Without an active worker the waiting one is the first, and takes over by itself.
    if (ready || !registration?.waiting || !registration.active) return
    ready = true
    o.onReady()
  }

  async function check(): Promise<void> {
    if (!registration || ready || performance.now() - checkedAt < checkAtMostEveryMs) return
    checkedAt = performance.now()
    // Offline there is nothing to find; the next check comes.
    await registration.update().catch(() => undefined)
    watch()
  }

  if (workers) {
    workbox.addEventListener('waiting', look)
    register().catch(reportError)
    setInterval(() => void check(), CHECK_EVERY_MS)
  }

  return {
    get updateReady() {
      return ready
    },
    check,
    async activate() {
      if (!workers || !registration?.waiting) return
      const took = await new Promise<boolean>((resolve) => {
        workers.addEventListener('controllerchange', () => resolve(true), { once: true })
        setTimeout(() => resolve(false), ACTIVATION_MS)
        workbox.messageSkipWaiting()
      })
      if (took) location.reload()
    },
  }
}
