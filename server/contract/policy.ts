/** What a school does with faces at all: its policy, and what a person is told of each before it is chosen. */
import { z } from 'zod'
import { Instant } from './ids.ts'

/**
 * `default`: a kiosk recognises the students of its lesson. `verify-only`: a PIN or a card says who, and the camera is opened only
 * then, to compare that one face with that one student's templates; nobody is searched for. `no-biometrics`: PIN, card and teacher
 * only: no template, no model and no camera, anywhere.
 */
export const SchoolPolicy = z.enum(['default', 'verify-only', 'no-biometrics'])
export type SchoolPolicy = z.infer<typeof SchoolPolicy>

/** Whether a kiosk under it needs the models and, at times, the camera. */
export const seesFaces = (policy: SchoolPolicy): boolean => policy !== 'no-biometrics'

/** Whether a kiosk under it keeps its camera open while a lesson is on. */
export const watchesTheRoom = (policy: SchoolPolicy): boolean => policy === 'default'

/** Answer of `GET /api/v1/policy`. */
export const PolicyAnswer = z.object({
  policy: SchoolPolicy,
  /** null: never since the school began. */
  changed_at: Instant.nullable(),
  changed_by: z.string().nullable(),
  /** Students with templates on record now: what `no-biometrics` would erase. */
  students_with_templates: z.int().min(0),
})
export type PolicyAnswer = z.infer<typeof PolicyAnswer>

/**
 * Body of `PUT /api/v1/policy`. Asked twice: without `confirmed` a change is answered 409 `conflict`, whose detail says what follows, and nothing
 * has changed. To choose what is chosen already changes nothing and needs no confirmation.
 */
export const PolicyRequest = z.strictObject({ policy: SchoolPolicy, confirmed: z.boolean().default(false) })
export type PolicyRequest = z.infer<typeof PolicyRequest>
