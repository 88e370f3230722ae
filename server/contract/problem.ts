/** Errors on the wire: RFC 9457 problem details with a closed list of codes. */
import { z } from 'zod'
import { NearStudent } from './look-alike.ts'

export const STATUS_OF = {
  malformed_json: 400,
  invalid_request: 422,
  unauthorized: 401,
  second_factor: 401,
  forbidden: 403,
  consent_missing: 403,
  policy_forbids: 403,
  fenced: 403,
  not_found: 404,
  method_not_allowed: 405,
  unknown_device: 422,
  conflict: 409,
  same_person: 409,
  body_too_large: 413,
  unsupported_media_type: 415,
  too_many_requests: 429,
  busy: 503,
  internal: 500,
} as const

export type ProblemCode = keyof typeof STATUS_OF
export const problemCodes = Object.keys(STATUS_OF) as [ProblemCode, ...ProblemCode[]]

export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.enum(problemCodes),
  /** What is wrong and what to do about it, for a person. */
  detail: z.string(),
  /** Every fault of the request, by field. */
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  /** Of `same_person`, which only the office meets: whose face it is by the templates on record, the nearest first. */
  others: z.array(NearStudent).optional(),
})
export type Problem = z.infer<typeof Problem>
