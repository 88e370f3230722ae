import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { problemCodes, STATUS_OF } from '#contract/problem'
import { byCookie, signedIn } from '../throwaway-people.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'
import { openApiDocument, OPERATIONS, problemsOf } from './document.ts'
import type { Operation } from './operation.ts'
import type { JsonSchema } from './schemas.ts'
import { openStrict } from './strict.ts'

/** A Monday at 09:20 in Stockholm. */
const NOW = new Date('2026-11-23T08:20:00Z')

const DOCUMENT = openApiDocument('0.0.0+test')
const components = (DOCUMENT.components as { schemas: Record<string, JsonSchema> }).schemas
const addressed = ({ method, path }: Pick<Operation, 'method' | 'path'>): string => `${method.toUpperCase()} ${path}`

const strict = openStrict(components)

let school: ThrowawaySchool
beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
})
afterAll(() => school.stop())

/** Every member of every object and list, with the path to it. */
function* nodes(value: unknown, path = '#'): Generator<[string, Record<string, unknown>]> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield [path, value as Record<string, unknown>]
  for (const [key, one] of Object.entries(value)) yield* nodes(one, `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`)
}

describe('the document', () => {
  it('names every route of the app, and no other', () => {
    const served = new Set(school.app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`))
    expect(OPERATIONS.map(addressed).toSorted()).toEqual([...served].toSorted())
    expect(new Set(OPERATIONS.map(addressed)).size).toBe(OPERATIONS.length)
  })

  it('refers to nothing that it does not hold, and holds nothing that it does not refer to', () => {
    const places = new Map(nodes(DOCUMENT))
    const referred = new Set([...places.values()].flatMap(({ $ref }) => (typeof $ref === 'string' ? [$ref] : [])))
    expect([...referred].filter((ref) => !places.has(ref))).toEqual([])
    for (const kind of ['schemas', 'responses', 'headers']) {
      const held = Object.keys((DOCUMENT.components as Record<string, object>)[kind] ?? {}).map((name) => `#/components/${kind}/${name}`)
      expect(held.filter((place) => !referred.has(place))).toEqual([])
    }
  })

  it('holds JSON Schemas that a validator takes, all of them', () => {
    let compiled = 0
    for (const [path, { schema }] of nodes({ paths: DOCUMENT.paths, responses: (DOCUMENT.components as Record<string, unknown>).responses })) {
      if (schema === undefined) continue
      compiled += 1
      expect(() => strict(schema), path).not.toThrow()
    }
    for (const [name, schema] of Object.entries(components)) expect(() => strict(schema), name).not.toThrow()
    expect(compiled).toBeGreaterThan(OPERATIONS.length)
  })

  it('says of each operation what OpenAPI wants: one id, its path parameters, an answer', () => {
    const ids = new Set<unknown>()
    for (const operation of OPERATIONS) {
      const told = (DOCUMENT.paths as Record<string, Record<string, JsonSchema>>)[operation.path]?.[operation.method] as { operationId: string; parameters?: { name: string; in: string }[]; responses: object }
      ids.add(told.operationId)
      const inPath = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      expect(told.parameters?.filter((one) => one.in === 'path').map(({ name }) => name) ?? [], operation.path).toEqual(inPath)
      expect(Object.keys(told.responses).every((status) => /^[2345]\d\d$/.test(status))).toBe(true)
      expect(Number(Object.keys(told.responses)[0])).toBeLessThan(400)
    }
    expect(ids.size).toBe(OPERATIONS.length)
  })

  it('knows every problem of the closed list but the one of a wrong method, which no operation has', () => {
    const told = new Set(OPERATIONS.flatMap(problemsOf))
    expect(problemCodes.filter((code) => !told.has(code))).toEqual(['method_not_allowed'])
    expect(STATUS_OF.method_not_allowed).toBe(405)
  })

  it('is served with an ETag, and not a second time to who holds it', async () => {
    const first = await school.app.request('/openapi.json')
    expect([first.status, first.headers.get('content-type'), first.headers.get('cache-control')]).toEqual([200, 'application/json', 'public, no-cache'])
    expect(await first.json()).toEqual(JSON.parse(JSON.stringify(openApiDocument('0.0.0+test'))))
    const again = await school.app.request('/openapi.json', { headers: { 'if-none-match': `"other", W/${first.headers.get('etag')}` } })
    expect([again.status, await again.text()]).toEqual([304, ''])
  })

  it('comes with a page whose files are ours', async () => {
    const page = await (await school.app.request('/docs')).text()
    const files = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => address)
    expect(files).toEqual(['data:,', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js', '/docs/start.js'])
    expect(page).not.toMatch(/<script(?![^>]* src=)|<style|style=|\son\w+=/)
    for (const file of files.slice(1)) expect((await school.app.request(file)).status).toBe(200)
    for (const file of ['package.json', 'swagger-ui.js', '..%2fpackage.json', 'constructor', '__proto__']) expect((await school.app.request(`/docs/${file}`)).status).toBe(404)
  })
})

/** What an answer is made of, without its values: members and their types, and of a list its first. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf)
  if (value === null) return 'null'
  return typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shapeOf(one)])) : typeof value
}

describe('the examples', () => {
  it('are there for what a school\'s own program needs first', () => {
    const shown = OPERATIONS.filter(({ example, answers }) => example && Object.values(answers)[0]?.example !== undefined).map(addressed)
    expect(shown).toEqual(expect.arrayContaining(['GET /api/v1/schedule', 'POST /api/v1/attendance', 'POST /api/v1/heartbeat', 'GET /api/v1/attendance/student/{student_id}', 'GET /api/v1/attendance/course/{course_id}']))
  })

  it('are answered by a school as they say', { timeout: 60_000 }, async () => {
    const privacy = await signedIn(school, { username: 'examples', role: 'privacy' })
    // A record is stored before it is looked for.
    const inOrder = OPERATIONS.filter(({ example }) => example).toSorted((a, b) => Number(b.path === '/api/v1/attendance') - Number(a.path === '/api/v1/attendance'))
    for (const operation of inOrder) {
      const { method, who, example, answers } = operation
      const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => example?.params?.[name] ?? '')
      const query = new URLSearchParams(example?.query).toString()
      const request = who.includes('script') || who.includes('everybody') ? asked(school.apiKey, example?.body, method.toUpperCase()) : byCookie(privacy.cookie, method.toUpperCase(), example?.body)
      const response = await school.app.request(query === '' ? path : `${path}?${query}`, request)
      const [status, answer] = Object.entries(answers)[0] ?? []
      const body: unknown = await response.json()
      expect([addressed(operation), response.status, response.status < 300 ? '' : body]).toEqual([addressed(operation), Number(status), ''])
      const content = ((DOCUMENT.paths as Record<string, Record<string, { responses: Record<string, { content: Record<string, { schema: unknown }> }> }>>)[operation.path]?.[method]?.responses[String(status)]?.content ?? {})['application/json']
      const fits = strict(content?.schema)
      expect([addressed(operation), fits(body), fits.errors]).toEqual([addressed(operation), true, null])
      if (answer?.example === undefined) continue
      expect([addressed(operation), fits(answer.example), fits.errors]).toEqual([addressed(operation), true, null])
      expect([addressed(operation), shapeOf(answer.example)]).toEqual([addressed(operation), shapeOf(body)])
    }
  })
})
