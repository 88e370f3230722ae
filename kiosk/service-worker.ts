/**
 * Keeps the app, its models and its WASM on the device, so that the kiosk boots with the cable out.
 * Knows the build's list of files and nothing else: it caches no answer of the API and no page at run time.
 */
import { clientsClaim } from 'workbox-core'
import { cleanupOutdatedCaches, createHandlerBoundToURL, precacheAndRoute } from 'workbox-precaching'
import type { PrecacheEntry } from 'workbox-precaching'
import { NavigationRoute, registerRoute } from 'workbox-routing'

declare const self: ServiceWorkerGlobalScope & { __WB_MANIFEST: (PrecacheEntry | string)[] }

cleanupOutdatedCaches()
precacheAndRoute(self.__WB_MANIFEST)
registerRoute(new NavigationRoute(createHandlerBoundToURL('/index.html'), { allowlist: [/^\/(?:(?:kiosk|office|enrol)(?:\/.*)?)?(?:\?.*)?$/] }))

// The very first visit is already one that the next power cut may end.
clientsClaim()

// A newer app waits until it is told to take over, between two lessons.
self.addEventListener('message', (event) => {
  if ((event.data as { type?: unknown } | null)?.type === 'SKIP_WAITING') void self.skipWaiting()
})
