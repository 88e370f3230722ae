import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { Misfit, Refused, Unreachable, request } from './request.ts'

let server: Server | undefined

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener)
  await new Promise<void>((resolve) => (server as Server).listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${((server as Server).address() as AddressInfo).port}/`
}

const answer = z.object({ now: z.string() })
const failure = (asked: Promise<unknown>) => asked.then(() => 'an answer', (error: unknown) => error)
const problem = { type: 'about:blank', title: 'Busy', status: 503, code: 'busy', detail: 'the server is busy; try again' }

test('an answer that fits comes with its ETag, without what we do not know', async () => {
  const url = await serve((_, response) => response.setHeader('etag', '"a"').end('{"now":"x","extra":1}'))
  expect(await request(url, { answer })).toEqual({ value: { now: 'x' }, etag: '"a"' })
})

test('304 answers the ETag we sent, and is no answer where we sent none', async () => {
  const url = await serve((_, response) => response.writeHead(304).end())
  expect(await request(url, { answer, etag: '"a"' })).toBeUndefined()
  expect(await failure(request(url, { answer }))).toBeInstanceOf(Unreachable)
})

test('our refusal says why and when to come back', async () => {
  const url = await serve((_, response) => response.writeHead(503, { 'retry-after': '7' }).end(JSON.stringify(problem)))
  const error = await failure(request(url, { answer }))
  expect(error).toBeInstanceOf(Refused)
  expect(error).toMatchObject({ message: problem.detail, retryAfterSeconds: 7 })
})

test('a Retry-After that is no number of seconds is left out', async () => {
  const url = await serve((_, response) => response.writeHead(503, { 'retry-after': 'Mon, 23 Nov 2026 08:00:00 GMT' }).end(JSON.stringify(problem)))
  expect(await failure(request(url, { answer }))).toMatchObject({ name: 'Refused', retryAfterSeconds: undefined })
})

test.each<[string, RequestListener]>([
  ["a captive portal's page with 200", (_, response) => response.end('<html>Please sign in</html>')],
  ["a captive portal's 401", (_, response) => response.writeHead(401).end('{"error":"sign in"}')],
  ["a proxy's 502", (_, response) => response.writeHead(502, { 'retry-after': '3' }).end('<h1>Bad gateway</h1>')],
  ['an empty 200', (_, response) => response.end()],
  ['a redirect', (_, response) => response.writeHead(302, { location: '/elsewhere' }).end()],
  ['a cut in the middle of the answer', (_, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{"now":')
    setTimeout(() => response.destroy(), 20)
  }],
  ['a cut before the answer', (_, response) => void response.destroy()],
])('%s is not our server', async (_, listener) => {
  expect(await failure(request(await serve(listener), { answer }))).toBeInstanceOf(Unreachable)
})

test('a server that never answers is not waited for', async () => {
  const url = await serve(() => undefined)
  expect(await failure(request(url, { answer, timeoutMs: 50 }))).toBeInstanceOf(Unreachable)
})

test('our server in a form that we do not know is told apart from no server, and names the field', async () => {
  const url = await serve((_, response) => response.end('{"now":5}'))
  const error = await failure(request(url, { answer }))
  expect(error).toBeInstanceOf(Misfit)
  expect(String(error)).toContain('now')
})
