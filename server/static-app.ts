/**
 * The built app as files. Serves exactly what was in the folder at the start, so no path can climb out of it.
 * Knows no API.
 */
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { Readable } from 'node:stream'
import { Hono } from 'hono'
import { getMimeType } from 'hono/utils/mime'
import type { AppEnv } from './app-parts.ts'

/** The app's own addresses; each is the same page, which looks at its address. */
const PAGES = ['/', '/kiosk', '/office', '/enrol']

/** Names that hold the content's hash never change their content. */
const IMMUTABLE = /^\/assets\//

interface File {
  path: string
  type: string
}

export function staticApp(appDir: string): Hono<AppEnv> {
  const routes = new Hono<AppEnv>()
  const files = listFiles(appDir)

  routes.get('*', async (c, next) => {
    const known = await files
    const file = known.get(PAGES.includes(c.req.path) ? '/index.html' : c.req.path)
    const found = file && (await stat(file.path).catch(() => undefined))
    if (!file || !found) return next()
    const etag = `"${found.size.toString(36)}-${Math.round(found.mtimeMs).toString(36)}"`
    const headers = { etag, 'cache-control': IMMUTABLE.test(c.req.path) ? 'public, max-age=31536000, immutable' : 'no-cache' }
    if (c.req.header('if-none-match')?.replace(/^W\//, '') === etag) return c.body(null, 304, headers)
    const length = String(found.size)
    if (c.req.method === 'HEAD') return c.body(null, 200, { ...headers, 'content-type': file.type, 'content-length': length })
    const body = Readable.toWeb(createReadStream(file.path)) as ReadableStream<Uint8Array<ArrayBuffer>>
    return c.body(body, 200, { ...headers, 'content-type': file.type, 'content-length': length })
  })
  return routes
}

async function listFiles(appDir: string): Promise<Map<string, File>> {
  const found = await readdir(appDir, { recursive: true, withFileTypes: true }).catch(() => [])
  return new Map(
    found
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name)
        return [`/${relative(appDir, path).split(sep).join('/')}`, { path, type: getMimeType(entry.name) ?? 'application/octet-stream' }]
      }),
  )
}
