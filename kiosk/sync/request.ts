/** One request to our own server: the only place in the app that asks over the network. Both sides parse. */
import type { ZodType } from 'zod'
import { Problem } from '#contract/problem'
import { BROWSER } from './host.ts'
import type { Host } from './host.ts'

/** The server answered, and refused: `problem` says why in a person's words. */
export class Refused extends Error {
  constructor(readonly problem: Problem, readonly retryAfterSeconds: number | undefined) {
    super(problem.detail)
    this.name = 'Refused'
  }
}

/** No answer of ours came: no network, a time-out, or something in between (a captive portal's page, a proxy's 502) that is not our server. */
export class Unreachable extends Error {
  override name = 'Unreachable'
  retryAfterSeconds: number | undefined
}

/** Our server answered well, in a form that this app does not know: one of the two is older than the other. */
export class Misfit extends Unreachable {
  override name = 'Misfit'
}

export interface Ask<T> {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  body?: unknown
  /** Bearer key of a device; people are known by their cookie. */
  key?: string | undefined
  /** ETag of what we hold; an unchanged answer is `undefined`. */
  etag?: string | undefined
  /** What the answer must be. */
  answer: ZodType<T>
  /** Told of the headers of every answer that is ours, "not modified" included. */
  heard?: (headers: Headers) => void
  timeoutMs?: number
  /** Default: the browser's. */
  host?: Pick<Host, 'fetch' | 'setTimeout' | 'clearTimeout'>
}

/** After so long without an answer there is none. */
export const TIMEOUT_MS = 15_000

/** @returns the parsed answer with its ETag, or `undefined` where the server said 304. Throws Refused or Unreachable, nothing else. */
export async function request<T>(path: string, { method = 'GET', body, key, etag, answer, heard, timeoutMs = TIMEOUT_MS, host = BROWSER }: Ask<T>): Promise<{ value: T; etag: string | undefined } | undefined> {
  const headers = new Headers({ accept: 'application/json, application/problem+json' })
  if (body !== undefined) headers.set('content-type', 'application/json')
  if (key) headers.set('authorization', `Bearer ${key}`)
  if (etag) headers.set('if-none-match', etag)
  let response: Response
  let text: string
  const patience = new AbortController()
  const timer = host.setTimeout(() => patience.abort(new DOMException('no answer in time', 'TimeoutError')), timeoutMs)
  try {
    response = await host.fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      signal: patience.signal,
    })
    text = await response.text()
  } catch (cause) {
    throw new Unreachable(`${method} ${path}: no answer from the server`, { cause })
  } finally {
    host.clearTimeout(timer)
  }
  if (response.status === 304 && etag) {
    heard?.(response.headers)
    return undefined
  }
  let json: unknown
  try {
    json = text === '' ? undefined : JSON.parse(text)
  } catch (cause) {
    throw notOurs(`${method} ${path}`, response, cause)
  }
  if (!response.ok) {
    const problem = Problem.safeParse(json)
    if (!problem.success) throw notOurs(`${method} ${path}`, response, problem.error)
    throw new Refused(problem.data, retryAfterSeconds(response))
  }
  const parsed = answer.safeParse(json)
  if (!parsed.success) {
    const { path: at, message } = parsed.error.issues[0] ?? { path: [], message: '' }
    throw new Misfit(`${method} ${path}: the answer does not fit the contract: ${at.join('.')} ${message}`.trimEnd(), { cause: parsed.error })
  }
  heard?.(response.headers)
  return { value: parsed.data, etag: response.headers.get('etag') ?? undefined }
}

function notOurs(asked: string, response: Response, cause: unknown): Unreachable {
  const error = new Unreachable(`${asked}: the answer is not from our server (${response.status})`, { cause })
  error.retryAfterSeconds = retryAfterSeconds(response)
  return error
}

/** Undefined also for the form with a date: our server sends seconds, and a date needs a clock that agrees. */
function retryAfterSeconds(response: Response): number | undefined {
  const header = response.headers.get('retry-after')?.trim() ?? ''
  return /^\d{1,9}$/.test(header) ? Number(header) : undefined
}
