/**
 * Keeps the app on the device, so that it boots with the cable out; and what sees faces (models, WASM, the vision worker), where a kiosk
 * says that its school's policy needs it. Knows the build's list of files and nothing else: it caches no answer of the API and no page at run time.
 *
 * [Note: What sees faces is kept on demand] The build puts those files under VISION_PATH. They are not of the precache but of a cache of their own, which
 * is there or not there: that it is there says that they are wanted.
 *   1. `KEEP_VISION`: every file of this build that is not kept yet is fetched; answered with true once all are
 *      there. Until then the worker fetches them from the server as it needs them.
 *   2. a newer app is installed only with them, where they are wanted: it is wholly on the device or not at all. Their names hold the
 *      content's hash, so the old app's and the new one's lie side by side until the new one has taken over.
 *   3. `DROP_VISION`: the cache is deleted, whatever is under way; a newer app that is being installed then does without.
 * An app from before kept them in its precache: that counts as wanted.
 */
import { clientsClaim } from 'workbox-core'
import { cleanupOutdatedCaches, createHandlerBoundToURL, precacheAndRoute } from 'workbox-precaching'
import type { PrecacheEntry } from 'workbox-precaching'
import { NavigationRoute, registerRoute } from 'workbox-routing'

declare const self: ServiceWorkerGlobalScope & { __WB_MANIFEST: (PrecacheEntry | string)[] }

/** Agrees with vite.config.ts, and with kiosk/sync/vision-files.ts, which deletes it too. */
const VISION_PATH = '/assets/vision/'
const VISION_CACHE = 'fastrackai-vision'
/** Where an app from before kept everything. */
const PRECACHES = /^workbox-precache/

const pathOf = (entry: PrecacheEntry | string): string => new URL(typeof entry === 'string' ? entry : entry.url, self.location.origin).pathname
const isVision = (path: string): boolean => path.startsWith(VISION_PATH)

const manifest = self.__WB_MANIFEST
const visionFiles = manifest.map(pathOf).filter(isVision)

cleanupOutdatedCaches()
precacheAndRoute(manifest.filter((entry) => !isVision(pathOf(entry))))
registerRoute(new NavigationRoute(createHandlerBoundToURL('/index.html'), { allowlist: [/^\/(?:(?:kiosk|office|enrol)(?:\/.*)?)?(?:\?.*)?$/] }))
registerRoute(
  ({ url, sameOrigin }) => sameOrigin && isVision(url.pathname),
  // eslint-disable-next-line no-restricted-globals -- the app's own files, not the school's data
  async ({ request, url }) => (await caches.match(url.pathname, { cacheName: VISION_CACHE })) ?? fetch(request),
)

/** Another number after each DROP_VISION: what began before it puts nothing back. */
let drops = 0

/** Rejects where a file cannot be had; what was had stays. */
async function keepVision(): Promise<void> {
  const begun = drops
  const cache = await caches.open(VISION_CACHE)
  for (const path of visionFiles) {
    if (await cache.match(path)) continue
    // eslint-disable-next-line no-restricted-globals -- the app's own files, not the school's data
    const file = await fetch(path)
    if (!file.ok) throw new Error(`${path}: ${file.status}`)
    if (drops === begun) await cache.put(path, file)
    // Dropped while the last one was written: the cache that was opened before is the one that is gone.
    if (drops !== begun) return
  }
}

async function dropVision(): Promise<void> {
  drops += 1
  await caches.delete(VISION_CACHE)
}

async function wantsVision(): Promise<boolean> {
  const names = await caches.keys()
  if (names.includes(VISION_CACHE)) return true
  for (const name of names.filter((one) => PRECACHES.test(one))) {
    const kept = await (await caches.open(name)).keys()
    if (kept.some(({ url }) => /\.(?:tflite|wasm)$/.test(new URL(url).pathname))) return true
  }
  return false
}

self.addEventListener('install', (event) => {
  event.waitUntil(wantsVision().then((wanted) => (wanted ? keepVision() : undefined)))
})

// The old app's files go once nobody runs it any more.
self.addEventListener('activate', (event) => {
  event.waitUntil(
    (async () => {
      if (!(await caches.has(VISION_CACHE))) return
      const cache = await caches.open(VISION_CACHE)
      for (const request of await cache.keys()) if (!visionFiles.includes(new URL(request.url).pathname)) await cache.delete(request)
    })(),
  )
})

// The very first visit is already one that the next power cut may end.
clientsClaim()

self.addEventListener('message', (event) => {
  const type = (event.data as { type?: unknown } | null)?.type
  const answer = (done: Promise<void>): void => {
    const [port] = event.ports
    event.waitUntil(done.then(() => port?.postMessage(true), () => port?.postMessage(false)))
  }
  // A newer app waits until it is told to take over, between two lessons.
  if (type === 'SKIP_WAITING') void self.skipWaiting()
  if (type === 'KEEP_VISION') answer(keepVision())
  if (type === 'DROP_VISION') answer(dropVision())
})
