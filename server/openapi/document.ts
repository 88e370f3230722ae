/** The API as one OpenAPI 3.1 document, made of the tables beside this file and of the contract's schemas. Knows no route's code and no HTTP. */
import type { ZodType } from 'zod'
import { Problem, STATUS_OF } from '#contract/problem'
import type { ProblemCode } from '#contract/problem'
import { SESSION_COOKIE } from '../identity.ts'
import { ACCOUNTS } from './accounts.ts'
import { DEVICES } from './devices.ts'
import { LESSONS } from './lessons.ts'
import type { Answer, For, Operation } from './operation.ts'
import { PEOPLE } from './people.ts'
import { PRIVACY } from './privacy.ts'
import { SCHOOL } from './school.ts'
import { members, openSchemas } from './schemas.ts'
import type { JsonSchema } from './schemas.ts'

/** By what they are about, in the order of the document. */
export const TABLES: Readonly<Record<string, readonly Operation[]>> = { 'Kiosks and scripts': DEVICES, 'Lessons and histories': LESSONS, 'People': PEOPLE, 'Privacy': PRIVACY, 'Accounts': ACCOUNTS, 'The school': SCHOOL }

export const OPERATIONS: readonly Operation[] = Object.values(TABLES).flat()

const INTRODUCTION = `Every instant is ISO 8601 with a zone, every date is one of the school's own zone, and every id is 1 to 64 letters, digits, dots, dashes or underscores.

**Errors** are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem details with a \`code\` from a closed list, a \`detail\` for a person, and where a field is at fault \`errors\` with its name and what it must be. A path that is not listed here is answered 404 \`not_found\`, another method of one that is 405 \`method_not_allowed\`. What is no HTTP at all is answered 400, 408 or 431 without a body, before anybody looks at what it asks for.

**Limits**: 100 requests a minute for each device, account and nameless address, ten times that for scripts, unless the school has set another number. Each answer says in \`RateLimit\` how many are left, and 429 says in \`Retry-After\` when to come again. 503 is passing: send the same request again after \`Retry-After\`. A body is at most a million bytes.

**Pages**: a list that may be long takes \`limit\` and \`before\` (or \`after\`), and says whether there is more. Answers may hold members that are not listed here: leave them aside.`

const BEARER: Readonly<Partial<Record<For, string>>> = { device: 'deviceKey', script: 'apiKey', monitor: 'metricsKey' }
const NAMED: Readonly<Record<For, string>> = { device: 'a kiosk', script: 'scripts', office: 'the office', teacher: 'teachers', privacy: 'the privacy officer', student: 'students', everybody: 'everybody', monitor: 'monitors' }

const SECURITY_SCHEMES = {
  apiKey: { type: 'http', scheme: 'bearer', description: 'The school\'s API key (API_KEY, or secrets.json in the data folder): what the office may, but for accounts and the audit log.' },
  deviceKey: { type: 'http', scheme: 'bearer', description: 'A kiosk\'s own key, which it drew when it was paired. It opens its own room alone.' },
  token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'A person\'s token of 15 minutes, from POST /api/v1/token.' },
  session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE, description: 'A person\'s session in the app, from POST /api/v1/session.' },
  metricsKey: { type: 'http', scheme: 'bearer', description: 'METRICS_KEY; the server keeps it in the file metrics-key of its data folder. The API key opens the same.' },
}

const RATE_HEADERS = {
  'RateLimit-Policy': { description: 'Who is counted, how many requests (q) in how many seconds (w). Absent where the school sets no limit.', schema: { type: 'string' }, example: '"device";q=100;w=60' },
  'RateLimit': { description: 'How many requests are left (r) until the window ends in t seconds.', schema: { type: 'string' }, example: '"device";r=97;t=41' },
}
const RETRY_AFTER = { description: 'Seconds after which asking again makes sense.', schema: { type: 'integer', minimum: 1 } }

/** Codes that a request of this kind may meet, whatever it is about. */
export function problemsOf(operation: Operation): ProblemCode[] {
  const { path, who, params, query, body, problems = [] } = operation
  const codes = new Set<ProblemCode>(['internal', 'busy', ...problems])
  if (path.startsWith('/api/')) for (const code of ['too_many_requests', 'body_too_large'] as const) codes.add(code)
  if (!who.includes('everybody')) {
    codes.add('unauthorized')
    if (!who.includes('monitor')) for (const code of ['forbidden', 'fenced'] as const) codes.add(code)
  }
  if (params || query || body) codes.add('invalid_request')
  if (body) for (const code of ['malformed_json', 'unsupported_media_type', 'invalid_request'] as const) codes.add(code)
  return [...codes].sort((a, b) => STATUS_OF[a] - STATUS_OF[b] || (a < b ? -1 : 1))
}

export function openApiDocument(version: string): JsonSchema {
  const answers = (operation: Operation): Answer[] => Object.values(operation.answers)
  const isSchema = (schema: ZodType | undefined): schema is ZodType => schema !== undefined
  const schemas = openSchemas(OPERATIONS.map(({ body }) => body).filter(isSchema), [Problem, ...OPERATIONS.flatMap((one) => answers(one).map(({ schema }) => schema)).filter(isSchema)])
  const problems: Record<string, JsonSchema> = {}

  function problemAnswers(operation: Operation): Record<string, JsonSchema> {
    const all = problemsOf(operation)
    return Object.fromEntries([...new Set(all.map((code) => STATUS_OF[code]))].map((status) => {
      const codes = all.filter((code) => STATUS_OF[code] === status)
      const name = codes.join('-or-')
      problems[name] ??= problemAnswer(status, codes)
      return [String(status), { $ref: `#/components/responses/${name}` }]
    }))
  }

  function problemAnswer(status: number, codes: readonly ProblemCode[]): JsonSchema {
    return {
      description: codes.map((code) => `\`${code}\``).join(' or '),
      ...(status === 429 || status === 503 ? { headers: { 'Retry-After': RETRY_AFTER } } : {}),
      content: { 'application/problem+json': { schema: { allOf: [schemas.of(Problem, 'output'), { type: 'object', properties: { status: { const: status }, code: { enum: codes } } }] } } },
    }
  }

  function answerOf(operation: Operation, { says, schema, type, headers = {}, example }: Answer): JsonSchema {
    const counted = operation.path.startsWith('/api/') ? Object.fromEntries(Object.keys(RATE_HEADERS).map((name) => [name, { $ref: `#/components/headers/${name}` }])) : {}
    const own = Object.fromEntries(Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]))
    const content = schema ? { 'application/json': { schema: schemas.of(schema, 'output'), ...(example === undefined ? {} : { example }) } } : type === undefined ? undefined : Object.fromEntries([type].flat().map((one) => [one, { schema: { type: 'string' } }]))
    return { description: says, headers: { ...own, ...counted }, ...(content ? { content } : {}) }
  }

  function operationOf(tag: string, operation: Operation): JsonSchema {
    const { summary, more, who, params, query, headers = {}, body, bodyOptional, example } = operation
    const given = (name: string, where: 'params' | 'query'): { example?: unknown } => {
      const value = example?.[where]?.[name]
      return value === undefined ? {} : { example: value }
    }
    const parameters = [
      ...(params ? members(params).map(({ name, schema }) => ({ name, in: 'path', required: true, schema, ...given(name, 'params') })) : []),
      ...(query ? members(query).map(({ name, required, schema }) => ({ name, in: 'query', required, schema, ...given(name, 'query') })) : []),
      ...Object.entries(headers).map(([name, description]) => ({ name, in: 'header', required: false, description, schema: { type: 'string' } })),
    ]
    return {
      operationId: idOf(operation),
      tags: [tag],
      summary,
      description: [more, `For ${who.map((one) => NAMED[one]).join(', ')}.`].filter(Boolean).join('\n\n'),
      ...(parameters.length > 0 ? { parameters } : {}),
      ...(body ? { requestBody: { required: bodyOptional !== true, content: { 'application/json': { schema: schemas.of(body, 'input'), ...(example?.body === undefined ? {} : { example: example.body }) } } } } : {}),
      responses: { ...Object.fromEntries(Object.entries(operation.answers).map(([status, answer]) => [status, answerOf(operation, answer)])), ...problemAnswers(operation) },
      'security': securityOf(who),
      'x-who': who,
    }
  }

  const paths: Record<string, JsonSchema> = {}
  for (const [tag, operations] of Object.entries(TABLES)) {
    for (const operation of operations) paths[operation.path] = { ...paths[operation.path], [operation.method]: operationOf(tag, operation) }
  }
  return {
    openapi: '3.1.1',
    info: { title: 'FastrackAI', version, summary: 'Classroom attendance of one school', description: INTRODUCTION, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    tags: Object.keys(TABLES).map((name) => ({ name })),
    paths,
    components: { schemas: schemas.components, responses: problems, headers: RATE_HEADERS, securitySchemes: SECURITY_SCHEMES },
  }
}

/** An empty one: none is needed. */
function securityOf(who: readonly For[]): JsonSchema[] {
  const schemes = new Set(who.flatMap((one) => (one === 'everybody' ? [] : [BEARER[one]].filter((scheme) => scheme !== undefined))))
  if (who.some((one) => one === 'office' || one === 'teacher' || one === 'privacy' || one === 'student')) {
    schemes.add('session')
    schemes.add('token')
  }
  if (who.includes('everybody')) return [{}, ...[...schemes].map((scheme) => ({ [scheme]: [] }))]
  return [...schemes].map((scheme) => ({ [scheme]: [] }))
}

/** Such as `put_students_student_id_pin`; what lies outside of the API is the server's: `get_server_health`. */
function idOf({ method, path }: Operation): string {
  return `${method}_${path.replace(/^\/api\/v1\//, '').replace(/^\//, 'server_').replaceAll(/[{}]/g, '').replaceAll(/[^A-Za-z0-9]+/g, '_')}`
}
