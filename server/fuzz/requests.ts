/** Requests made of the document alone: what fits it, and what is spoilt in one of the ways in which requests are. Knows no route's code. */
import fc from 'fast-check'
import type { JsonSchema } from '../openapi/schemas.ts'
import type { Chance } from './chance.ts'
import type { Asker } from './school.ts'
import { ASKERS } from './school.ts'
import { NASTY, spoilt, valuesOf, withKnown } from './values.ts'
import type { Known } from './values.ts'
import { bytesOf } from './wire.ts'
import type { Sent } from './wire.ts'

export interface Document {
  paths: Record<string, Record<string, DocumentOperation>>
  components: { schemas: Record<string, JsonSchema>; responses: Record<string, JsonSchema> }
}

export interface DocumentOperation {
  'parameters'?: { name: string; in: 'path' | 'query' | 'header'; required: boolean; schema: JsonSchema }[]
  'requestBody'?: { required: boolean; content: Record<string, { schema: JsonSchema; example?: unknown }> }
  'responses': Record<string, JsonSchema>
  'x-who': readonly string[]
}

export type Spoilt = 'nothing' | 'body' | 'text' | 'query' | 'path' | 'method' | 'header' | 'wire'

export interface Made {
  method: string
  /** As the document names it. */
  path: string
  asker: Asker
  spoilt: Spoilt
  sent: Sent
}

interface Pool {
  method: string
  path: string
  operation: DocumentOperation
  weight: number
  params: readonly Record<string, unknown>[]
  queries: readonly Record<string, unknown>[]
  bodies: readonly unknown[]
}

/** So many of each are drawn beforehand. */
const DRAWN = 60
/** Slow by design (argon2), or the end of much that others ask for. */
const SELDOM = [/\/session$/, /\/token$/, /\/password$/, /second-factor/, /\/erasure$/, /\/revoke$/, /\/policy$/, /\/accounts$/, /\/sessions$/, /\/accounts\/\{account_id\}$/]
const OFTEN = [/\/schedule$/, /\/attendance/, /\/heartbeat$/]
const MAIN = new Set(['get', 'post', 'put', 'delete'])

export function openRequests(document: Document, { seed, around }: { seed: number; around: Date }): (known: Known, chance: Chance) => Omit<Made, 'asker'> & { operation: DocumentOperation } {
  const { schemas } = document.components
  const drawn = <T>(arbitrary: fc.Arbitrary<T>): T[] => fc.sample(arbitrary, { numRuns: DRAWN, seed })
  const of = (schema: JsonSchema): fc.Arbitrary<unknown> => valuesOf(schema, schemas, around)
  const pools: Pool[] = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).filter(([method]) => MAIN.has(method)).map(([method, operation]) => {
      const recordOf = (where: string): Record<string, unknown>[] => {
        const some = (operation.parameters ?? []).filter((one) => one.in === where)
        return drawn(fc.record(Object.fromEntries(some.map(({ name, schema }) => [name, of(schema)])), { requiredKeys: some.filter(({ required }) => required).map(({ name }) => name), noNullPrototype: true }))
      }
      const body = operation.requestBody?.content['application/json']
      const bodies = body ? [...drawn(of(body.schema)), ...(body.example === undefined ? [] : Array.from({ length: DRAWN / 4 }, () => body.example))] : []
      const weight = method !== 'get' && SELDOM.some((one) => one.test(path)) ? 1 : OFTEN.some((one) => one.test(path)) ? 16 : 8
      return { method, path, operation, weight, params: recordOf('path'), queries: recordOf('query'), bodies }
    }),
  )
  const weighted = pools.flatMap((pool) => Array.from({ length: pool.weight }, () => pool))

  return (known, chance) => {
    const { method, path, operation, params, queries, bodies } = chance.pick(weighted)
    const told = (value: unknown): Record<string, unknown> => withKnown(value, known, chance) as Record<string, unknown>
    const inPath = Object.fromEntries(Object.entries(told(chance.pick(params))).map(([name, value]) => [name, encoded(value)]))
    let query = Object.entries(told(chance.pick(queries))).map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    let body: Buffer | undefined = bodies.length > 0 ? Buffer.from(JSON.stringify(told(chance.pick(bodies)))) : undefined
    let headers: [string, string][] = body ? [['content-type', 'application/json']] : []
    if (chance.happens(0.15)) headers.push(['accept-encoding', chance.pick(['gzip', 'br', 'gzip, br', '*', 'identity', 'gzip;q=0'])])
    let sentMethod = method.toUpperCase()
    let target = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => inPath[name] ?? 'x')
    const kind = kindOf(chance)
    switch (kind) {
      case 'nothing':
        break
      case 'body':
        body = body && chance.happens(0.85) ? Buffer.from(JSON.stringify(spoilt(JSON.parse(body.toString()), chance)) ?? 'null') : Buffer.from(JSON.stringify(chance.pick(NASTY)) ?? 'null')
        headers = withType(headers, 'application/json')
        break
      case 'text':
        ;({ body, headers } = spoiltText(body ?? Buffer.from('{}'), withType(headers, 'application/json'), chance))
        break
      case 'query':
        query = spoiltQuery(query, operation, chance)
        break
      case 'path':
        target = spoiltPath(path, inPath, chance)
        break
      case 'method':
        sentMethod = chance.pick(['PATCH', 'DELETE', 'PUT', 'POST', 'GET', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'M-SEARCH', 'QUERY'])
        break
      case 'header':
        headers.push(...chance.pick(ODD_HEADERS))
        break
      // Once it is known who asks.
      case 'wire':
        break
    }
    if (query.length > 0) target += `?${query.join('&')}`
    return { method, path, operation, spoilt: kind, sent: { method: sentMethod, target, headers, body } }
  }
}

function kindOf(chance: Chance): Spoilt {
  const at = chance.next()
  if (at < 0.4) return 'nothing'
  if (at < 0.58) return 'body'
  if (at < 0.68) return 'text'
  if (at < 0.78) return 'query'
  if (at < 0.85) return 'path'
  if (at < 0.88) return 'method'
  return at < 0.96 ? 'header' : 'wire'
}

/** Half of all requests are by somebody who may. */
export function askerFor({ 'x-who': who }: DocumentOperation, chance: Chance): Asker {
  const allowed = ASKERS.filter((asker) => who.includes(asker))
  return allowed.length > 0 && chance.happens(0.6) ? chance.pick(allowed) : chance.pick(ASKERS)
}

/** With who asks; what goes over the wire broken is broken only now. */
export function signed({ sent, spoilt: kind }: Pick<Made, 'sent' | 'spoilt'>, who: readonly (readonly [string, string])[], chance: Chance): Sent {
  const names = new Set(sent.headers.map(([name]) => name.toLowerCase()))
  const whole: Sent = { ...sent, headers: [...who.filter(([name]) => !names.has(name)), ...sent.headers] }
  return kind === 'wire' ? { ...whole, raw: brokenBytes(whole, chance) } : whole
}

/** Also of what no URL may hold: a lone surrogate goes as the bytes that it would have. */
function encoded(value: unknown): string {
  const text = typeof value === 'string' ? value : String(JSON.stringify(value) ?? value)
  return [...text].map((one) => (one >= '\uD800' && one <= '\uDFFF' ? '%ED%A0%80' : encodeURIComponent(one))).join('')
}

const withType = (headers: [string, string][], type: string): [string, string][] => [...headers.filter(([name]) => name !== 'content-type'), ['content-type', type]]

const TYPES = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'multipart/form-data', 'application/json; charset=utf-16', 'application/json;', 'APPLICATION/JSON', 'application/problem+json', 'application', '', '*/*', 'image/png', 'application/json, application/json', 'é']

function spoiltText(body: Buffer, headers: [string, string][], chance: Chance): { body: Buffer; headers: [string, string][] } {
  const text = body.toString()
  const at = chance.below(body.length + 1)
  const kept = (changed: Buffer | string): { body: Buffer; headers: [string, string][] } => ({ body: Buffer.from(changed as string), headers })
  switch (chance.below(15)) {
    case 0:
      return kept(body.subarray(0, at))
    case 1:
      return kept(Buffer.concat([body.subarray(0, at), Buffer.from([chance.below(256)]), body.subarray(at)]))
    case 2:
      return kept(Buffer.concat([body.subarray(0, at), chance.pick([Buffer.from([0xc3, 0x28]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xf8, 0x88, 0x80, 0x80, 0x80]), Buffer.from([0]), Buffer.from([0xff, 0xfe])]), body.subarray(at)]))
    case 3:
      return kept(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), body]))
    case 4:
      return kept(Buffer.from(text, 'utf16le'))
    case 5:
      return kept('['.repeat(chance.pick([100, 20_000, 400_000])))
    case 6:
      return kept(`${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`)
    case 7:
      return kept(text.replace(/:\s*("[^"]*"|[\d.]+)/, () => `: ${chance.pick(['1e999', '-1e999', 'NaN', 'Infinity', '0x10', '01', '1.', '.5', '+1', '"\\ud800"', '"\\u0000"', '"\\x"', `1${'0'.repeat(400)}`, "'a'", 'undefined'])}`))
    case 8:
      return kept(text.replace(/^\{/, () => `{${text.slice(1, -1) || '"a":1'}, `))
    case 9:
      return kept(text.replace(/^\{/, () => '{"__proto__": {"role": "office"}, "constructor": 1, '))
    case 10:
      return kept(chance.pick(['', ' ', '\n', 'null', '"', '{}', '[]', '0', 'true', '{"a"', '{,}', '{}{}', '/* */{}', '<xml/>', '\u0000']))
    case 11:
      return { body, headers: withType(headers, chance.pick(TYPES)) }
    case 12:
      return { body, headers: [...headers, ['content-encoding', chance.pick(['gzip', 'br', 'deflate', 'identity', 'x', 'gzip, gzip', ''])]] }
    case 13:
      return kept(Buffer.alloc(chance.pick([999_999, 1_000_001, 1_200_000]), chance.pick([' ', 'a', '['])))
    default:
      return { body, headers: headers.filter(([name]) => name !== 'content-type') }
  }
}

function spoiltQuery(query: readonly string[], { parameters = [] }: DocumentOperation, chance: Chance): string[] {
  const name = chance.pick([...parameters.filter((one) => one.in === 'query').map((one) => one.name), 'limit', 'before', 'from', 'more'])
  const nasty = chance.pick(NASTY)
  switch (chance.below(7)) {
    case 0:
      return [...query, `${name}=${encoded(nasty).slice(0, 8_000)}`]
    case 1:
      return [...query.filter((one) => !one.startsWith(`${name}=`)), `${name}=${chance.pick(['%00', '%zz', '%', '%ff', '%c3%28', '%ed%a0%80', '%u0041', '+', '', '5%20', '0x10', '1e3', '1e999', '-0', 'NaN', '٣', '%EF%BC%95'])}`]
    case 2:
      return [...query, ...query, `${name}=1`, `${name}=2`]
    case 3:
      return [name, '=', '&&', `${name}[]=1`, `${name}[a]=1`, '?', '#x']
    case 4:
      return Array.from({ length: 800 }, (_, i) => `p${i}=${i}`)
    case 5:
      return [...query.filter((one) => !one.startsWith(`${name}=`)), `${name}=${encoded(nasty).slice(0, 8_000)}`]
    default:
      return ['__proto__=1', 'constructor=1', 'toString=1', ...query]
  }
}

function spoiltPath(path: string, inPath: Readonly<Record<string, string>>, chance: Chance): string {
  const filled = (change: (value: string) => string): string => path.replaceAll(/\{(\w+)\}/g, (_, name: string) => change(inPath[name] ?? 'x'))
  const plain = filled((value) => value)
  switch (chance.below(8)) {
    case 0:
    case 1:
    case 2:
      return filled(() => encoded(chance.pick(NASTY)).slice(0, 8_000))
    case 3:
      return filled((value) => `${value}${chance.pick(['%00', '%2f', '%2F..%2f', '%5c', '..', '%2e%2e', ';a=1', '%', '%zz', '%ff', '%c3%28', '%', "'", '"', '%0d%0a', '%20', '%25'])}`)
    case 4:
      return `${plain}${chance.pick(['/', '//', '/..', '/../', '/.', '/%2e%2e/', '%00', '%2f', '/extra', '.json', ';x'])}`
    case 5:
      return chance.pick(['/', '//', '/api', '/api/v1', '/api/v1/', '/api//v1/students', '/API/V1/students', '/api/v1/../v1/students', '/%61pi/v1/students', '/..%2f..%2fetc%2fpasswd', '/%00', '/\u00e9', '/docs/..%2fpackage.json', '/docs/../openapi.json', '/.git/config', '/api/v2/students', `/${'a'.repeat(9_000)}`, '/api/v1/students/%', '/?', '/*', '/docs/'])
    case 6:
      return plain.replaceAll(/[a-z]/g, (one) => (chance.happens(0.1) ? one.toUpperCase() : one))
    default:
      return plain.replaceAll(/[a-z]/g, (one) => (chance.happens(0.1) ? `%${one.charCodeAt(0).toString(16)}` : one))
  }
}

const ODD_HEADERS: readonly (readonly [string, string][])[] = [
  [['if-none-match', '*']], [['if-none-match', '"a", W/"b", "c']], [['if-none-match', '\u00ff']], [['if-match', '"x"']], [['if-modified-since', 'yesterday']], [['if-unmodified-since', 'Thu, 01 Jan 1970 00:00:00 GMT']],
  [['range', 'bytes=0-1']], [['range', 'bytes=5-1,-']], [['expect', '100-continue']], [['accept', 'image/png']], [['accept', ';;q=x']], [['accept-encoding', ';q=1, gzip;q=NaN, br;q=2']], [['accept-encoding', 'zstd']], [['accept-language', '*;q=9']],
  [['host', 'evil.example']], [['host', 'a b']], [['host', '[::1']], [['host', 'localhost:99999']], [['host', '']], [['host', 'a/b?c#d']], [['host', 'é']],
  [['origin', 'null']], [['origin', 'https://evil.example']], [['origin', 'x']], [['sec-fetch-site', 'cross-site']], [['sec-fetch-site', 'none'], ['origin', 'http://localhost']],
  [['cookie', 'fastrack_session=%E0%A4%A']], [['cookie', '=;;=a; fastrack_session']], [['cookie', `fastrack_session=${'a'.repeat(5_000)}`]], [['cookie', 'fastrack_session=\u0001']], [['cookie', 'fastrack_school_login=x; fastrack_session=a%00b']],
  [['authorization', '']], [['authorization', 'Bearer']], [['authorization', 'Bearer a b']], [['authorization', 'Basic YTpi']], [['authorization', `Bearer ${'a'.repeat(6_000)}`]], [['authorization', 'Bearer eyJhbGciOiJub25lIn0.e30.']], [['authorization', 'Bearer eyJ.eyJ.eyJ']], [['authorization', 'bearer \u00e9']], [['authorization', 'Bearer a'], ['authorization', 'Bearer b']],
  [['x-forwarded-for', 'a, , 1.2.3.4:99999']], [['x-forwarded-proto', 'https']], [['x-forwarded-proto', 'javascript']], [['x-forwarded-host', 'evil.example']], [['forwarded', 'for="[::1"']],
  [['x-http-method-override', 'DELETE']], [['upgrade', 'websocket'], ['connection', 'Upgrade'], ['sec-websocket-key', 'x']], [['upgrade', 'h2c'], ['connection', 'Upgrade, HTTP2-Settings'], ['http2-settings', '']], [['te', 'trailers']], [['trailer', 'x']],
  [['content-length', 'x']], [['content-length', '-1']], [['content-length', '1, 2']], [['content-length', '99999999999999999999']], [['transfer-encoding', 'gzip']], [['transfer-encoding', 'chunked'], ['content-length', '3']], [['x-long', 'a'.repeat(20_000)]], [['x-odd', 'a\u0000b']], [['x odd', '1']], [['', '1']],
  Array.from({ length: 300 }, (_, i): [string, string] => [`x-${i}`, 'a']),
]

/** What breaks off, contradicts itself, or is no HTTP. */
function brokenBytes(sent: Sent, chance: Chance): Buffer {
  const whole = bytesOf(sent)
  const headEnd = whole.indexOf('\r\n\r\n') + 4
  const chunked = (chunks: string): Buffer => bytesOf({ ...sent, headers: [...sent.headers.filter(([name]) => name !== 'content-length'), ['content-type', 'application/json'], ['transfer-encoding', 'chunked']], body: Buffer.from(chunks) })
  const body = sent.body?.toString() ?? '{}'
  switch (chance.below(14)) {
    case 0:
      return whole.subarray(0, chance.below(whole.length))
    case 1:
      return bytesOf({ ...sent, body: Buffer.from(body), headers: [...sent.headers, ['content-length', String(Buffer.byteLength(body) + 50)]] })
    case 2:
      return bytesOf({ ...sent, body: Buffer.from(body), headers: [...sent.headers, ['content-length', '1']] })
    case 3:
      return chunked(`${body.length.toString(16)}\r\n${body}`)
    case 4:
      return chunked('zz\r\nabc\r\n0\r\n\r\n')
    case 5:
      return chunked(`ffffffffffffffff\r\n${body}`)
    case 6:
      return chunked(`${[...body].map((one) => `${Buffer.byteLength(one).toString(16)};x=y\r\n${one}\r\n`).join('')}0\r\nx-trailer: 1\r\n\r\n`)
    case 7:
      return Buffer.from(whole.toString('latin1').replace('HTTP/1.1', chance.pick(['HTTP/1.0', 'HTTP/2.0', 'HTTP/9.9', 'HTTP', '', 'http/1.1'])), 'latin1')
    case 8:
      return Buffer.from(whole.toString('latin1').replace(/^(\S+) (\S+)/, (_, method: string, target: string) => chance.pick([`${method} http://evil.example${target}`, `${method} ${target} ${target}`, `${method}  ${target}`, `${method} *`, `${method} evil.example:443`, `${method.toLowerCase()} ${target}`, `\u0000${method} ${target}`, `${method} ${target}#a`, `${method} /\u0001`, `FOO ${target}`])), 'latin1')
    case 9:
      return Buffer.from(whole.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
    case 10:
      return Buffer.concat([whole, whole.subarray(0, headEnd), Buffer.from('garbage\r\n\r\n')])
    case 11:
      return Buffer.from(whole.toString('latin1').replace(/host: [^\r]*\r\n/, chance.pick(['', 'host: a\r\nhost: b\r\n', 'host : a\r\n', ' host: a\r\n'])), 'latin1')
    case 12:
      return Buffer.from(Array.from({ length: 200 }, () => chance.below(256)))
    default:
      return Buffer.concat([whole.subarray(0, headEnd - 2), Buffer.from('x-folded: a\r\n b\r\n\r\n'), whole.subarray(headEnd)])
  }
}
