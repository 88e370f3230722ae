/** What every kind of answer tells a browser it may not do, over the real wire; and that what is served knows no other origin. */
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startSchool } from './school.ts'
import type { School } from './school.ts'

const DIST = resolve(import.meta.dirname, '..', 'dist')

let school: School
beforeAll(async () => {
  school = await startSchool({ env: { NODE_ENV: 'production', RATE_LIMIT_PER_MINUTE: '100' } })
})
afterAll(() => school?.stop())

// eslint-disable-next-line no-restricted-globals -- a test's request, not the app's
const ask = (path: string, init: RequestInit = {}): Promise<Response> => fetch(`${school.url}${path}`, init)
const asScript = (): RequestInit => ({ headers: { authorization: `Bearer ${school.apiKey}` } })

/** One of every kind of answer. Those of documents and figures may be kept from strangers: their headers are the same. */
async function kinds(): Promise<Map<string, Response>> {
  const { held_on, lesson_id } = await school.lessonNow()
  const assets = (await readdir(DIST, { recursive: true })).map((name) => name.split(sep).join('/'))
  const one = (end: string): string => `/${assets.find((name) => name.endsWith(end)) ?? `none${end}`}`
  const closing = new AbortController()
  const answers = new Map<string, Response>()
  for (const path of ['/', '/kiosk', '/office', '/enrol', '/service-worker.js', '/manifest.webmanifest', '/icon.svg', one('.js'), one('.css'), one('.wasm')]) answers.set(path, await ask(path))
  for (const path of ['/livez', '/readyz', '/health', '/metrics', '/openapi.json', '/docs', '/docs/']) answers.set(path, await ask(path))
  answers.set('API 200', await ask('/api/v1/rooms', asScript()))
  answers.set('API 401', await ask('/api/v1/rooms'))
  answers.set('API 404', await ask('/api/v1/nothing', asScript()))
  answers.set('API 405', await ask('/api/v1/rooms', { method: 'DELETE' }))
  answers.set('API 413', await ask('/api/v1/attendance', { method: 'POST', body: 'x'.repeat(1_000_001), headers: { 'content-type': 'application/json' } }))
  answers.set('API 415', await ask('/api/v1/attendance', { ...asScript(), method: 'POST', body: 'x' }))
  answers.set('live line', await ask(`/api/v1/lessons/${held_on}/${lesson_id}/events`, { ...asScript(), signal: closing.signal }))
  answers.set('404', await ask('/nothing/here'))
  answers.set('401 of a key', await ask('/api/v1/rooms', { headers: { authorization: 'Bearer wrong' } }))
  for (let i = 0; i < 120; i++) answers.set('API 429', await ask('/api/v1/rooms'))
  expect(answers.get('API 200')?.status).toBe(200)
  expect(answers.get('API 429')?.status).toBe(429)
  expect(answers.get('live line')?.headers.get('content-type')).toMatch(/event-stream/)
  expect(answers.get(one('.wasm'))?.headers.get('content-type')).toBe('application/wasm')
  closing.abort()
  return answers
}

describe('every kind of answer', () => {
  test('forbids scripts from elsewhere and code made of text, embedding, sniffing, referrers, and all sensors but our own camera', async () => {
    for (const [kind, { headers }] of await kinds()) {
      const policy = headers.get('content-security-policy') ?? ''
      const rules = new Map(policy.split(';').map((rule) => [rule.trim().split(/\s+/)[0] ?? '', rule.trim().split(/\s+/).slice(1)]))
      expect(rules.get('default-src'), kind).toEqual(["'none'"])
      for (const source of rules.get('script-src') ?? []) expect(["'self'", "'wasm-unsafe-eval'"], `${kind}: ${source}`).toContain(source)
      for (const [rule, sources] of rules) for (const source of sources) expect(source, `${kind}: ${rule}`).toMatch(/^('self'|'none'|'wasm-unsafe-eval'|blob:|data:|'sha256-[A-Za-z0-9+/=]+')$/)
      expect(rules.get('frame-ancestors'), kind).toEqual(["'none'"])
      expect(rules.get('base-uri'), kind).toEqual(["'none'"])
      expect(headers.get('cross-origin-opener-policy'), kind).toBe('same-origin')
      expect(headers.get('cross-origin-embedder-policy'), kind).toBe('require-corp')
      expect(headers.get('cross-origin-resource-policy'), kind).toBe('same-origin')
      expect(headers.get('x-content-type-options'), kind).toBe('nosniff')
      expect(headers.get('referrer-policy'), kind).toBe('no-referrer')
      expect(headers.get('permissions-policy'), kind).toMatch(/^camera=\(self\)(, [a-z-]+=\(\))+$/)
      expect(headers.get('access-control-allow-origin'), kind).toBeNull()
      expect(headers.get('server') ?? headers.get('x-powered-by'), kind).toBeNull()
    }
  })

  test('asks for TLS for a year where it came over TLS, and never over plain HTTP, where a browser must not believe it', async () => {
    for (const path of ['/', '/health', '/api/v1/rooms', '/nothing']) {
      expect((await ask(path, { headers: { 'x-forwarded-proto': 'https' } })).headers.get('strict-transport-security'), path).toMatch(/^max-age=31536000/)
      expect((await ask(path)).headers.get('strict-transport-security'), path).toBeNull()
    }
  })
})

test('in production a session’s cookie travels over TLS alone, to our own pages alone, and no script reads it', async () => {
  const answer = await ask('/api/v1/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'office', password: school.officePassword }) })
  // Who has asked too often from this address a moment ago waits as everybody does.
  if (answer.status === 429) {
    await new Promise((later) => setTimeout(later, (Number(answer.headers.get('retry-after')) + 1) * 1000))
    return expect((await ask('/api/v1/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'office', password: school.officePassword }) })).headers.get('set-cookie')).toMatch(COOKIE)
  }
  expect(answer.headers.get('set-cookie')).toMatch(COOKIE)
})

const COOKIE = /^(?=.*; ?Secure)(?=.*; ?HttpOnly)(?=.*; ?SameSite=Strict)(?=.*; ?Path=\/)(?!.*; ?Domain)/i

/** Hosts that are named in the text of what is served and never asked: names of XML and JSON schemas, licences, and where a message or a comment sends its reader. */
const NAMED_ONLY = [
  'www.w3.org', 'json-schema.org',
  'www.apache.org', 'github.com', 'www.tensorflow.org', 'emscripten.org', 'kripken.github.io', 'www.khronos.org', 'tools.ietf.org', 'www.ietf.org', 'unicode.org', 'pubs.opengroup.org',
  'developer.mozilla.org', 'webkit.org', 'bugzil.la', 'bit.ly', 'en.wikipedia.org', 'server.com',
  // Short links of the networks' makers, in their compiled code.
  'go', 'goto',
]

test('nothing that is served knows another origin, but for names in licences, schemas and messages', async () => {
  const files = (await readdir(DIST, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  expect(files.length).toBeGreaterThan(10)
  const found = new Set<string>()
  for (const entry of files) {
    const text = await readFile(join(entry.parentPath, entry.name), 'latin1')
    for (const [, host] of text.matchAll(/(?:https?|wss?|ftp):\/\/([A-Za-z0-9.-]+[A-Za-z0-9])/g)) {
      if (!NAMED_ONLY.includes(host!.toLowerCase())) found.add(`${entry.name}: ${host}`)
    }
    // What a page would fetch by itself, scheme or not.
    if (/\.(html|css|svg)$/.test(entry.name)) expect(text.replace(/xmlns(:\w+)?="[^"]*"/g, ''), entry.name).not.toMatch(/(?:src|href)\s*=\s*["']?(?:https?:)?\/\/|url\(\s*["']?(?:https?:)?\/\/|@import/)
  }
  expect([...found]).toEqual([])
})
