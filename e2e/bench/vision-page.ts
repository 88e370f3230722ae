/**
 * The kiosk's vision alone in a real Chromium: the worker as it ships, built and minified, on a page under
 * the app's own headers. For figures about seeing; knows no student and no school.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, normalize, resolve } from 'node:path'
import { build } from 'vite'
import type { ModelId } from '#contract/model'
import { embeddingModel } from '../../kiosk/models/app-model.ts'
import type { SeenPhoto } from '../../kiosk/vision/face.ts'
import { launchChromium } from '../chromium.ts'

const ROOT = resolve(import.meta.dirname, '../..')

const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm', '.json': 'application/json' }

type Plain = 'embedding' | 'mirrorEmbedding' | 'landmarks'

/** A photo's faces with plain numbers, as they cross from the browser. */
export type LookedFrame = Omit<SeenPhoto, 'faces'> & { faces: (Omit<SeenPhoto['faces'][number], Plain> & Record<Plain, number[] | undefined>)[] }

export interface VisionPage {
  /** Looks at an encoded picture (JPEG or PNG bytes), drawn to `size` if given. */
  look(picture: Buffer, size?: { width: number; height: number }): Promise<LookedFrame>
  close(): Promise<void>
}

const PAGE = `
import { startVision } from '${ROOT}/kiosk/vision/vision.ts'
const vision = await startVision({ onProgress: () => {} })
const plain = (numbers) => numbers && [...numbers]
window.look = async (base64, size) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
  const bitmap = await createImageBitmap(new Blob([bytes]), size ? { resizeWidth: size.width, resizeHeight: size.height, resizeQuality: 'high' } : {})
  const seen = await vision.lookAtPhoto(bitmap)
  return { ...seen, faces: seen.faces.map((face) => ({ ...face, embedding: plain(face.embedding), mirrorEmbedding: plain(face.mirrorEmbedding), landmarks: plain(face.landmarks) })) }
}
`

/** The headers of the app's own page. */
export const APP_HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'content-security-policy': "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'; img-src 'self' blob:",
}

/** Builds a page that runs `script` (TypeScript; imports by absolute path), as the app is built. @returns the folder of the built files; it is inside `folder`. */
export async function buildVisionPage(folder: string, script: string, model?: ModelId): Promise<string> {
  await writeFile(join(folder, 'index.html'), '<!doctype html><meta charset="utf-8"><title>vision</title><script type="module" src="./page.ts"></script>')
  await writeFile(join(folder, 'page.ts'), script)
  const dist = join(folder, 'dist')
  await build({ root: folder, configFile: false, logLevel: 'error', plugins: [embeddingModel(model)], worker: { format: 'es' }, build: { outDir: dist, target: 'chrome120', assetsInlineLimit: 0, chunkSizeWarningLimit: 5000 } })
  return dist
}

/** Serves a folder on a free port. */
export async function serveFolder(folder: string, headers: (path: string) => Record<string, string>, fileOf = (path: string): string => join(folder, path === '/' ? 'index.html' : path)): Promise<{ origin: string; close(): void }> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname)
    const file = fileOf(path)
    readFile(file).then(
      (body) =>
        response
          .writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'cache-control': 'public, max-age=3600', ...headers(path) })
          .end(body),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((listening) => server.listen(0, 'localhost', listening))
  return { origin: `http://localhost:${(server.address() as AddressInfo).port}`, close: () => void server.close() }
}

/**
 * @param o.model the embedding model; default: the default model.
 * @param o.isolated false: a page that may not share memory between workers, so that one worker does everything.
 */
export async function openVisionPage({ model, isolated = true }: { model?: ModelId; isolated?: boolean } = {}): Promise<VisionPage> {
  const folder = await mkdtemp(join(tmpdir(), 'fastrackai-vision-'))
  const server = await serveFolder(await buildVisionPage(folder, PAGE, model), () => (isolated ? APP_HEADERS : { 'content-security-policy': APP_HEADERS['content-security-policy'] }))
  const browser = await launchChromium()
  const page = browser.pages()[0] ?? (await browser.newPage())
  await page.goto(server.origin)
  await page.waitForFunction(() => 'look' in window, undefined, { timeout: 120_000 })
  return {
    look: (picture, size) =>
      page.evaluate(([base64, wanted]) => (window as unknown as { look(b: string, s: unknown): Promise<LookedFrame> }).look(base64, wanted), [picture.toString('base64'), size] as const),
    async close() {
      await browser.close()
      server.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
