/**
 * Refusals: RFC 9457 problem details with the contract's closed list of codes.
 * Routes throw a Refusal; what is thrown otherwise is either PostgreSQL being away, a value it will not
 * keep, or a bug, and all of it is answered in one place, answerFault. Nothing of a bug leaks.
 */
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { z } from 'zod'
import type { NearStudent } from '#contract/look-alike'
import { STATUS_OF } from '#contract/problem'
import type { Problem, ProblemCode } from '#contract/problem'
import { databaseFault } from './database-fault.ts'
import { IntakeFull } from './intake/intake.ts'
import { describeFault } from './log.ts'
import type { Log } from './log.ts'

export interface FieldFault {
  field: string
  message: string
}

const TITLE: Record<ProblemCode, string> = {
  malformed_json: 'The body is not JSON',
  invalid_request: 'The request does not fit the contract',
  unauthorized: 'Who is asking is not known',
  second_factor: 'A code is wanted, too',
  forbidden: 'Not allowed',
  consent_missing: 'No consent on record',
  policy_forbids: 'The school\'s policy forbids it',
  fenced: 'Two copies of this kiosk are in use',
  not_found: 'Not found',
  method_not_allowed: 'Wrong method',
  unknown_device: 'Unknown device',
  conflict: 'Conflict',
  same_person: 'This face is another student\'s',
  body_too_large: 'The body is too large',
  unsupported_media_type: 'Wrong content type',
  too_many_requests: 'Too many requests',
  busy: 'Busy',
  internal: 'A fault in the server',
}

/** Seconds after which asking again makes sense when the database is away or the intake full. */
export const RETRY_AFTER_SECONDS = 5

/** An expected refusal, on its way to the client. */
export class Refusal extends Error {
  override name = 'Refusal'
  readonly errors: FieldFault[] | undefined
  readonly others: NearStudent[] | undefined
  readonly headers: Record<string, string>

  constructor(readonly code: ProblemCode, detail: string, more: { errors?: FieldFault[]; others?: NearStudent[]; headers?: Record<string, string> } = {}) {
    super(detail)
    this.errors = more.errors
    this.others = more.others
    this.headers = more.headers ?? {}
  }
}

export function refusalOfField(code: ProblemCode, field: string, message: string): Refusal {
  return new Refusal(code, `${field} ${message}`, { errors: [{ field, message }] })
}

export function busy(detail: string, retryAfterSeconds = RETRY_AFTER_SECONDS): Refusal {
  return new Refusal('busy', detail, { headers: { 'retry-after': String(retryAfterSeconds) } })
}

export function answerProblem(refusal: Refusal): Response {
  const status = STATUS_OF[refusal.code]
  const problem: Problem = {
    type: `urn:fastrackai:problem:${refusal.code}`,
    title: TITLE[refusal.code],
    status,
    code: refusal.code,
    detail: refusal.message,
    ...(refusal.errors ? { errors: refusal.errors } : {}),
    ...(refusal.others ? { others: refusal.others } : {}),
  }
  return new Response(JSON.stringify(problem), {
    status,
    headers: { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store', ...refusal.headers },
  })
}

/** The one place that everything thrown travels to. */
export function answerFault(error: unknown, c: Context, log: Log): Response {
  return answerProblem(refusalOf(error, c, log))
}

function refusalOf(error: unknown, c: Context, log: Log): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof IntakeFull) return busy(error.message, error.retryAfterSeconds)
  if (error instanceof HTTPException && error.status < 500) return new Refusal('invalid_request', error.message || 'the request cannot be read')
  // Nobody is left to read this answer; and the code is one that a lost database has too.
  if (error instanceof Error && error.message === 'aborted' && 'code' in error && error.code === 'ECONNRESET') return new Refusal('malformed_json', 'the body broke off before its end')
  const fault = databaseFault(error)
  log({ event: 'request_failed', method: c.req.method, route: c.req.routePath, ...describeFault(error) })
  if (fault === 'away' || fault === 'conflict') return busy('the database does not answer just now; send the same request again')
  if (fault === 'data') return new Refusal('invalid_request', 'the database cannot keep one of these values; check dates, numbers and odd characters')
  return new Refusal('internal', 'this is a fault of the server, not of the request; it is in the server\'s log')
}

/** `records[2].confidence` from a zod path. */
export function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>((name, part) => (typeof part === 'number' ? `${name}[${part}]` : name === '' ? String(part) : `${name}.${String(part)}`), '')
}

/** So many faults of one request are told at once. */
export const MAX_FAULTS = 20

/** Every faulty field with its first fault, in words that say what the value must be. */
export function faultsOf(error: z.ZodError, input: unknown): FieldFault[] {
  const faults = new Map<string, string>()
  for (const issue of error.issues) {
    const field = fieldName(issue.path)
    if (!faults.has(field) && faults.size < MAX_FAULTS) faults.set(field, messageOf(issue, valueAt(input, issue.path)))
  }
  return [...faults].map(([field, message]) => ({ field, message }))
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input
  for (const part of path) value = typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined
  return value
}

function messageOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (value === undefined) return issue.code === 'custom' ? issue.message : 'is missing'
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')) return `must be ${article(issue.expected)}, got ${kindOf(value)}`
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}`
  return issue.message
}

function article(kind: string): string {
  const name = kind === 'int' ? 'integer' : kind
  return `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : article(typeof value)
}
