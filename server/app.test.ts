import { createConnection } from 'node:net'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Problem } from '#contract/problem'
import { createApp } from './app.ts'
import { listen } from './listener.ts'
import { whileStarting } from './routes/health.ts'
import { createLog } from './log.ts'
import { asked, startThrowawaySchool } from './throwaway-school.ts'
import type { ThrowawaySchool } from './throwaway-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool
let appDir: string

beforeAll(async () => {
  appDir = await mkdtemp(join(tmpdir(), 'fastrackai-app-'))
  await mkdir(join(appDir, 'assets'))
  await writeFile(join(appDir, 'index.html'), '<!doctype html><title>FastrackAI</title>')
  await writeFile(join(appDir, 'service-worker.js'), 'self')
  await writeFile(join(appDir, 'manifest.webmanifest'), '{}')
  await writeFile(join(appDir, 'assets', 'vision-1a2b3c.wasm'), Buffer.from([0, 97, 115, 109]))
  await writeFile(join(appDir, 'assets', 'face-4d5e6f.tflite'), Buffer.from([1, 2, 3]))
  await writeFile(join(appDir, 'assets', 'main-789abc.js'), 'export {}')
  await writeFile(join(tmpdir(), 'fastrackai-outside.txt'), 'secret')
  school = await startThrowawaySchool(() => NOW, { appDir })
})
afterAll(async () => {
  await school.stop()
  await rm(appDir, { recursive: true, force: true })
  await rm(join(tmpdir(), 'fastrackai-outside.txt'), { force: true })
})

const ask = (path: string, init: RequestInit = {}): Promise<Response> => Promise.resolve(school.app.request(path, init))

describe('every answer', () => {
  it('forbids the page everything but its own origin', async () => {
    for (const path of ['/', '/health', '/api/v1/schedule', '/nothing', '/assets/main-789abc.js']) {
      const { headers } = await ask(path)
      expect(headers.get('content-security-policy'), path).toBe(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'; img-src 'self' blob: data:; style-src 'self'; font-src 'self'; manifest-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
      )
      expect(headers.get('cross-origin-opener-policy')).toBe('same-origin')
      expect(headers.get('cross-origin-embedder-policy')).toBe('require-corp')
      expect(headers.get('cross-origin-resource-policy')).toBe('same-origin')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
      expect(headers.get('permissions-policy')).toMatch(/^camera=\(self\)(, [a-z-]+=\(\))+$/)
      expect(headers.get('strict-transport-security')).toBeNull()
    }
  })

  it('asks for TLS from then on only where it came over TLS', async () => {
    expect((await ask('/health', { headers: { 'x-forwarded-proto': 'https' } })).headers.get('strict-transport-security')).toMatch(/max-age=\d+/)
  })

  it('of the API is kept in no cache', async () => {
    expect((await ask('/api/v1/students', asked(school.apiKey))).headers.get('cache-control')).toBe('no-store')
    expect((await ask('/api/v1/students')).headers.get('cache-control')).toBe('no-store')
  })
})

describe('what is not there', () => {
  it('is a problem with its code', async () => {
    for (const path of ['/api', '/api/v1', '/api/v2/schedule', '/api/v1/schedule/', '/favicon.ico', '/office/deeper']) {
      const response = await ask(path)
      expect(response.status, path).toBe(404)
      expect(Problem.parse(await response.json()).code).toBe('not_found')
    }
  })

  it('by method says which methods there are', async () => {
    const cases: [string, string, string][] = [
      ['/api/v1/attendance', 'GET', 'POST'],
      ['/api/v1/students/S001', 'DELETE', 'GET, HEAD, PUT'],
      ['/api/v1/session', 'PUT', 'POST, GET, HEAD, DELETE'],
      ['/api/v1/schedule', 'OPTIONS', 'GET, HEAD'],
    ]
    for (const [path, method, allow] of cases) {
      const response = await ask(path, { method })
      expect(response.status, path).toBe(405)
      expect(response.headers.get('allow'), path).toBe(allow)
      expect(Problem.parse(await response.json()).code).toBe('method_not_allowed')
    }
  })

  it('by method can be read by a client that takes compressed answers', async () => {
    const response = await ask('/health', { method: 'PUT', headers: { 'accept-encoding': 'gzip' } })
    expect(response.status).toBe(405)
    const bytes = Buffer.from(await response.arrayBuffer())
    const text = response.headers.get('content-encoding') === 'gzip' ? gunzipSync(bytes).toString() : bytes.toString()
    expect(Problem.parse(JSON.parse(text)).code).toBe('method_not_allowed')
  })
})

describe('health', () => {
  it('is healthy when the database answers', async () => {
    const response = await ask('/health')
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('{"status":"healthy"}')
  })
})

describe('the app', () => {
  it('is one page at its own addresses, and asked for again at every visit', async () => {
    for (const path of ['/', '/kiosk', '/office', '/enrol', '/index.html']) {
      const response = await ask(path)
      expect(await response.text(), path).toContain('FastrackAI')
      expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
      expect(response.headers.get('cache-control')).toBe('no-cache')
      expect((await ask(path, { headers: { 'if-none-match': response.headers.get('etag') ?? '' } })).status).toBe(304)
    }
    for (const path of ['/service-worker.js', '/manifest.webmanifest']) expect((await ask(path)).headers.get('cache-control')).toBe('no-cache')
  })

  it('comes with the types that browsers insist on, and keeps what never changes', async () => {
    const types: [string, string][] = [
      ['/assets/vision-1a2b3c.wasm', 'application/wasm'],
      ['/assets/face-4d5e6f.tflite', 'application/octet-stream'],
      ['/assets/main-789abc.js', 'text/javascript; charset=utf-8'],
      ['/manifest.webmanifest', 'application/manifest+json'],
    ]
    for (const [path, type] of types) {
      const response = await ask(path)
      expect(response.headers.get('content-type'), path).toBe(type)
      if (path.startsWith('/assets/')) expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    }
    expect(Buffer.from(await (await ask('/assets/vision-1a2b3c.wasm')).arrayBuffer())).toEqual(Buffer.from([0, 97, 115, 109]))
    const head = await ask('/assets/vision-1a2b3c.wasm', { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '4', ''])
  })

  it('gives nothing from outside its folder', async () => {
    for (const path of ['/../fastrackai-outside.txt', '/..%2ffastrackai-outside.txt', '/assets/..%2f..%2ffastrackai-outside.txt', '/%2e%2e/fastrackai-outside.txt', '//etc/passwd', '/assets', '/%', '/%00']) {
      const response = await ask(path)
      expect(response.status, path).toBe(404)
    }
  })
})

describe('a fault of ours', () => {
  it('is answered without a word of it, and logged without a value', async () => {
    const lines: string[] = []
    const intake = {
      take: () => Promise.reject(Object.assign(new Error('Failed query: insert S001 0.123', { cause: new TypeError('x is not a function') }))),
      drain: () => Promise.resolve(),
    }
    const app = createApp({ ...school.parts, intake, log: createLog((line) => lines.push(line), () => NOW) })
    const response = await app.request('/api/v1/attendance', asked(school.deviceKey, { device_id: 'pi-lab301', records: [{ student_id: 'S001', course_id: 'CS101', timestamp: NOW.toISOString(), confidence: 0.9 }] }))
    expect(response.status).toBe(500)
    const text = await response.text()
    expect(Problem.parse(JSON.parse(text)).code).toBe('internal')
    expect(text).not.toMatch(/S001|function|query/)
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 'request_failed', route: '/api/v1/attendance', fault: 'TypeError' })
    expect(lines[0]).not.toMatch(/S001|0\.123/)
    expect(lines[0]).not.toContain(school.deviceKey)
  })
})

describe('a body of 50 MB', () => {
  /** Sends what it may and @returns the status and how many bytes were taken from it. */
  async function pour(head: string, port: number, chunked: boolean): Promise<{ status: number; sent: number }> {
    const socket = createConnection(port, '127.0.0.1')
    const total = 50_000_000
    const piece = Buffer.alloc(64 * 1024, 'a')
    let answer = ''
    let sent = 0
    const over = new Promise<void>((resolve) => {
      socket.on('data', (data) => {
        answer += data.toString()
        resolve()
      })
      socket.on('error', () => resolve())
      socket.on('close', () => resolve())
    })
    let ended = false
    void over.then(() => {
      ended = true
    })
    socket.write(head)
    while (sent < total && !ended) {
      const more = chunked ? Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]) : piece
      sent += piece.length
      if (!socket.write(more)) await Promise.race([over, new Promise((resolve) => socket.once('drain', resolve))])
      await new Promise((resolve) => setImmediate(resolve))
    }
    await over
    socket.destroy()
    return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0), sent }
  }

  it('is refused without being read, with and without a length', async () => {
    const listener = await listen('127.0.0.1', 0, whileStarting)
    listener.serve((request, env) => school.app.fetch(request, env as Record<string, unknown>))
    const head = `POST /api/v1/attendance HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer ${school.deviceKey}\r\n`
    const declared = await pour(`${head}Content-Length: 50000000\r\n\r\n`, listener.port, false)
    expect(declared.status).toBe(413)
    expect(declared.sent).toBeLessThan(20_000_000)
    const chunked = await pour(`${head}Transfer-Encoding: chunked\r\n\r\n`, listener.port, true)
    expect(chunked.status).toBe(413)
    expect(chunked.sent).toBeLessThan(20_000_000)
    const health = await new Promise<string>((resolve) => {
      const socket = createConnection(listener.port, '127.0.0.1', () => socket.write('GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'))
      socket.on('data', (data) => resolve(data.toString()))
    })
    expect(health).toContain('200 OK')
    await listener.close(1000)
  })
})
