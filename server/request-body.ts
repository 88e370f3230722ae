/** A request's JSON body and parts of its address, parsed by the contract; a fault names its field. */
import type { Context } from 'hono'
import { z } from 'zod'
import type { ZodType } from 'zod'
import { SchoolDate } from '#contract/ids'
import { faultsOf, Refusal } from './problem.ts'

/** Throws unsupported_media_type, malformed_json or invalid_request. */
export async function readJson<S extends ZodType>(c: Context, schema: S): Promise<z.output<S>> {
  const type = c.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json') throw new Refusal('unsupported_media_type', `the body must be sent as content-type application/json, got ${type ?? 'none'}`)
  const encoding = c.req.header('content-encoding')
  if (encoding && encoding.toLowerCase() !== 'identity') throw new Refusal('unsupported_media_type', 'the body must not be compressed; send it without content-encoding')
  let text: string
  try {
    text = await c.req.text()
  } catch {
    throw new Refusal('malformed_json', 'the body broke off before its end')
  }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new Refusal('malformed_json', text.trim() === '' ? 'the body is empty; it must be JSON' : 'the body is not JSON')
  }
  return parse(schema, body)
}

/** Throws invalid_request with every fault. */
export function parse<S extends ZodType>(schema: S, input: unknown): z.output<S> {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const errors = faultsOf(parsed.error, input)
  throw new Refusal('invalid_request', errors.map(({ field, message }) => `${field || 'the body'} ${message}`).join('; '), { errors })
}

/** A date that PostgreSQL knows too: it counts no year 0. */
export const KnownDate = SchoolDate.refine((date) => !date.startsWith('0000'), 'must lie in the years 0001 to 9999')
