/** What a browser has sent, and to whom: every request that its pages and their workers make. What its service worker fetches is the app's own files (tested in headers.test.ts and under the CSP). */
import type { BrowserContext, Request } from 'playwright-core'

export interface Sent {
  requests: number
  /** Requests to anybody but the school. */
  foreign: number
  /** Bodies that are, or hold, a picture. */
  pictures: number
  largest_body_bytes: number
}

/** First bytes of JPEG, PNG, GIF, WebP and its like, BMP and TIFF. */
const MAGIC = [/^\xff\xd8\xff/, /^\x89PNG/, /^GIF8/, /^RIFF....WEBP/s, /^....ftyp/s, /^BM....\0\0/s, /^II\*\0/, /^MM\0\*/]
/** The same in base64, or as an address, inside of JSON or of a form. */
const INSIDE = /data:(image|video)\/|"(\/9j\/|iVBORw0KGgo|R0lGOD|UklGR)/
const PICTURE_TYPES = /^(image|video|multipart|application\/octet-stream)/

/** Counts from now on. @returns what was sent so far, at each call. */
export function watchSent(browser: BrowserContext, origin: string): () => Sent {
  const sent: Sent = { requests: 0, foreign: 0, pictures: 0, largest_body_bytes: 0 }
  browser.on('request', (request) => {
    if (/^(blob|data):/.test(request.url())) return
    sent.requests += 1
    if (new URL(request.url()).origin !== origin) sent.foreign += 1
    if (isPicture(request)) sent.pictures += 1
    sent.largest_body_bytes = Math.max(sent.largest_body_bytes, request.postDataBuffer()?.length ?? 0)
  })
  return () => ({ ...sent })
}

function isPicture(request: Request): boolean {
  const body = request.postDataBuffer()
  if (!body || body.length === 0) return false
  const text = body.toString('latin1')
  return PICTURE_TYPES.test(request.headers()['content-type'] ?? '') || MAGIC.some((magic) => magic.test(text)) || INSIDE.test(text)
}
