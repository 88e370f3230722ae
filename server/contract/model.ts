/**
 * The embedding models whose templates the school may hold. A template names its model, and
 * templates of different models are never compared: their spaces have nothing to do with each other.
 */
import { z } from 'zod'

/** Model id -> length of its embeddings. An id changes whenever the numbers it gives change. */
export const EMBEDDING_LENGTH = {
  'mobilefacenet-192-r1': 192,
  'faceres-1024-r1': 1024,
} as const

export type ModelId = keyof typeof EMBEDDING_LENGTH

export const modelIds = Object.keys(EMBEDDING_LENGTH) as [ModelId, ...ModelId[]]

export const ModelId = z.enum(modelIds)

/** What a school uses that has chosen no other (MODEL in the server's environment). */
export const DEFAULT_MODEL: ModelId = 'mobilefacenet-192-r1'

/** Set by the build of the app (kiosk/models/app-model.ts), nowhere else. */
declare const __MODEL__: string | undefined

/**
 * The model that this build of the app makes and compares templates with: the one that the server was set to when
 * it built the app. Outside of a build the default; a command or a server is told, or asks.
 */
export const CURRENT_MODEL: ModelId = typeof __MODEL__ === 'string' ? ModelId.parse(__MODEL__) : DEFAULT_MODEL

/** Cosine of two unit vectors of one model's space: their dot product. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0)
  return sum
}

/** How far from 1 the length of a unit vector may be: embeddings travel rounded to 5 decimals. */
const UNIT_TOLERANCE = 0.01

/**
 * A template with the model that made it: unit length, as many finite numbers as the model gives.
 * Anything else (NaN, which JSON sends as null; another length; an unnormalised vector) is refused.
 */
export const ModelEmbedding = z
  .object({
    model: ModelId,
    embedding: z.array(z.number({ error: 'must be a finite number; NaN and null are not' })),
  })
  .superRefine(({ model, embedding }, ctx) => {
    const length = EMBEDDING_LENGTH[model]
    if (embedding.length !== length) {
      ctx.addIssue({ code: 'custom', path: ['embedding'], message: `must hold ${length} numbers for model ${model}, got ${embedding.length}` })
      return
    }
    const norm = Math.hypot(...embedding)
    if (Math.abs(norm - 1) > UNIT_TOLERANCE) {
      ctx.addIssue({ code: 'custom', path: ['embedding'], message: `must have length 1 (L2), got ${norm.toFixed(3)}; divide it by its norm` })
    }
  })

export type ModelEmbedding = z.infer<typeof ModelEmbedding>
