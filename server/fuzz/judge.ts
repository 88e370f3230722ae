/** Whether an answer is one that the document allows. */
import { openStrict } from '../openapi/strict.ts'
import type { JsonSchema } from '../openapi/schemas.ts'
import type { Document, DocumentOperation, Made } from './requests.ts'
import type { Answered, Sent } from './wire.ts'
import { mayBreakOff } from './wire.ts'

export type Judge = (made: Pick<Made, 'spoilt'>, sent: Sent, answered: Answered) => string | undefined

/** What HTTP itself is answered with before any route is asked, without a body. */
const BARE = new Set([400, 408, 413, 417, 431, 501, 505])
/** More than the system reads ahead. */
const LONG_BODY = 60_000
/** Names no field: whoever sent it does not know what to mend. */
const UNNAMED = /the database cannot keep one of these values/

export function openJudge(document: Document): Judge {
  const { schemas, responses } = document.components
  const strict = openStrict(schemas)
  const templates = Object.entries(document.paths).map(([path, operations]) => ({ path: new RegExp(`^${path.replaceAll('.', String.raw`\.`).replaceAll(/\{\w+\}/g, '[^/]+')}$`), operations, fixed: !path.includes('{') }))

  /** Undefined: the document has no such path. */
  function operationsAt(target: string): Record<string, DocumentOperation> | undefined {
    if (!URL.canParse(target, 'http://localhost')) return undefined
    const { pathname } = new URL(target, 'http://localhost')
    const decoded = pathname.replaceAll(/(?:%[0-9a-f]{2})+/gi, (one) => {
      try {
        return decodeURI(one)
      } catch {
        return one
      }
    })
    const found = templates.filter(({ path }) => path.test(decoded) || path.test(pathname))
    return (found.find(({ fixed }) => fixed) ?? found[0])?.operations
  }

  function whyNotFitting(operation: DocumentOperation, { status, headers, body }: Answered, isHead: boolean): string | undefined {
    const told = operation.responses[String(status)]
    if (!told) return `status ${status} is not in the document: ${body.toString().slice(0, 200)}`
    const name = typeof told.$ref === 'string' ? told.$ref.slice(told.$ref.lastIndexOf('/') + 1) : undefined
    const { content } = (name === undefined ? told : (responses[name] ?? {})) as { content?: Record<string, { schema: JsonSchema }> }
    const type = headers['content-type']?.split(';', 1)[0]
    if (!content) return body.length > 0 ? `${status} has a body that the document does not know` : undefined
    const media = type === undefined ? undefined : content[type]
    if (!media) return `${status} comes as ${type ?? 'nothing'}, not as ${Object.keys(content).join(' or ')}`
    if (isHead || !type?.endsWith('json')) return undefined
    let value: unknown
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    } catch {
      return `${status} is not JSON in UTF-8: ${body.toString().slice(0, 100)}`
    }
    const fits = strict(media.schema)
    if (!fits(value)) return `${status} does not fit its schema: ${(fits.errors ?? []).slice(0, 3).map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`).join('; ')}`
    if (UNNAMED.test(body.toString())) return `${status} names no field: ${body.toString().slice(0, 200)}`
    return undefined
  }

  const problem: DocumentOperation['responses'] = {
    404: { content: { 'application/problem+json': { schema: { allOf: [{ $ref: '#/components/schemas/Problem' }, { type: 'object', properties: { code: { const: 'not_found' } } }] } } } },
    405: { content: { 'application/problem+json': { schema: { allOf: [{ $ref: '#/components/schemas/Problem' }, { type: 'object', properties: { code: { const: 'method_not_allowed' } } }] } } } },
    400: { content: { 'application/problem+json': { schema: { allOf: [{ $ref: '#/components/schemas/Problem' }, { type: 'object', properties: { code: { const: 'malformed_request' } } }] } } } },
  }
  const nothingThere: DocumentOperation = { 'responses': problem, 'x-who': [] }

  return ({ spoilt }, sent, answered) => {
    const { status, headers, body, fault } = answered
    if (fault?.startsWith('no end')) return fault
    if (status >= 500 && status !== 501 && status !== 505) return `status ${status}: ${body.toString().slice(0, 300)}`
    if (BARE.has(status) && body.length === 0 && headers['content-type'] === undefined) return mayBreakOff(sent) || spoilt === 'header' || spoilt === 'method' || sent.target.length > 8_000 || /[^!-~]/.test(sent.target) ? undefined : `${status} without a body`
    // Whoever breaks off may not be answered; and an answer that comes before a long body was read may be cut off by the system (RFC 9112, 9.6).
    if (mayBreakOff(sent) || ((sent.body?.length ?? 0) > LONG_BODY && (status === 0 || fault !== undefined))) return undefined
    if (fault !== undefined) return fault
    if (status === 0) return 'closed without an answer'
    const operations = operationsAt(sent.target)
    const isHead = sent.method === 'HEAD'
    const operation = operations?.[isHead ? 'get' : sent.method.toLowerCase()]
    if (!operation) return whyNotFitting(nothingThere, answered, isHead)
    const why = whyNotFitting(operation, answered, isHead)
    if (why !== undefined && (spoilt === 'path' || spoilt === 'header') && (status === 404 || status === 400 || status === 405)) return whyNotFitting(nothingThere, answered, isHead)
    return why
  }
}
