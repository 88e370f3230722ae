/**
 * Whether what sees faces (models, WASM, the vision worker) is kept on this device. The service worker keeps it; here it is told
 * what the school's policy needs. Knows no policy. See the service worker's note "What sees faces is kept on demand".
 */

/** Agrees with kiosk/service-worker.ts. */
const VISION_CACHE = 'fastrackai-vision'
/** After a file could not be had: the server is away, or the disk is full. */
const RETRY_MS = 30_000
/** Nobody waits longer than this for the service worker, which may itself be on its way. */
const PATIENCE_MS = 20_000
/** 19 MB over a slow line. */
const ANSWER_MS = 10 * 60_000

export interface VisionFiles {
  /**
   * From now on they are kept, or not; tried again until it is done. Never rejects. Resolves when they are kept, or cannot be for now: who
   * waits for it before it loads them has them at the next power-on, cable or no cable.
   */
  want(wanted: boolean): Promise<void>
}

export function watchVisionFiles(): VisionFiles {
  let wanted: boolean | undefined
  let settled = Promise.resolve()
  // Not there in an insecure context: then they are loaded anew each time, and nothing is kept that could be dropped.
  const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined

  async function keep(answered: () => void): Promise<void> {
    while (workers && wanted === true) {
      const { active } = await workers.ready
      const kept = active !== null && (await tell(active, 'KEEP_VISION'))
      answered()
      if (kept) return
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }

  /** By our own hand as well: no worker may be there yet, or a new one being installed. */
  async function drop(): Promise<void> {
    await caches.delete(VISION_CACHE)
    const registration = await workers?.getRegistration()
    const all = [registration?.active, registration?.waiting, registration?.installing]
    await Promise.all(all.map((worker) => worker && tell(worker, 'DROP_VISION')))
    if (wanted === false) await caches.delete(VISION_CACHE)
  }

  return {
    want(next) {
      if (next === wanted) return settled
      wanted = next
      settled = !workers ? Promise.resolve() : next ? Promise.race([new Promise<void>((answered) => void keep(answered)), patience()]) : drop().catch(() => undefined)
      return settled
    },
  }
}

const patience = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))

function tell(worker: ServiceWorker, type: 'KEEP_VISION' | 'DROP_VISION'): Promise<boolean> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    const patience = setTimeout(() => resolve(false), ANSWER_MS)
    port1.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      clearTimeout(patience)
      resolve(data === true)
      port1.close()
    })
    port1.start()
    worker.postMessage({ type }, [port2])
  })
}
