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

/** How far from 1 the length of a unit vector may be: embeddings travel rounded, to 5 decimals or to 16 bits. */
const UNIT_TOLERANCE = 0.01

/** Undefined: what the model gives. Else what is wrong with it. */
function faultOfEmbedding(model: ModelId, embedding: ArrayLike<number>): string | undefined {
  const length = EMBEDDING_LENGTH[model]
  if (embedding.length !== length) return `must hold ${length} numbers for model ${model}, got ${embedding.length}`
  const norm = Math.sqrt(cosine(embedding, embedding))
  return Math.abs(norm - 1) > UNIT_TOLERANCE ? `must have length 1 (L2), got ${norm.toFixed(3)}; divide it by its norm` : undefined
}

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
    const message = faultOfEmbedding(model, embedding)
    if (message !== undefined) ctx.addIssue({ code: 'custom', path: ['embedding'], message })
  })

export type ModelEmbedding = z.infer<typeof ModelEmbedding>

/** 1 in the whole numbers that a packed embedding is made of: the largest of 16 bits with a sign. */
const PACKED_ONE = 32_767

/**
 * [Note: How a roster's embedding travels] Each number times 32,767, rounded, as 16 bits with a sign, the low byte first; base64. A day of a room holds
 * some 50,000 numbers: so they are two fifths of the bytes that five decimals are, and a kiosk reads and checks them in half the time. A cosine moves by less than 2e-4.
 * @param embedding of unit length, or as near to it as ModelEmbedding takes: what is beyond 1 is cut off there
 */
export function packEmbedding(embedding: ArrayLike<number>): string {
  let bytes = ''
  for (let i = 0; i < embedding.length; i++) {
    const whole = Math.round(Math.max(-1, Math.min(1, embedding[i] ?? 0)) * PACKED_ONE)
    bytes += String.fromCharCode(whole & 0xff, (whole >> 8) & 0xff)
  }
  return btoa(bytes)
}

/** @throws Error for what is not base64 */
export function unpackEmbedding(packed: string): Float32Array {
  const bytes = atob(packed)
  const embedding = new Float32Array(bytes.length >> 1)
  for (let i = 0; i < embedding.length; i++) embedding[i] = (((bytes.charCodeAt(2 * i) | (bytes.charCodeAt(2 * i + 1) << 8)) << 16) >> 16) / PACKED_ONE
  return embedding
}

/** A template as a kiosk is sent it: see [Note: How a roster's embedding travels]. */
export const PackedEmbedding = z.object({ model: ModelId, embedding: z.base64() }).superRefine(({ model, embedding }, ctx) => {
  const message = faultOfPacked(model, embedding)
  if (message !== undefined) ctx.addIssue({ code: 'custom', path: ['embedding'], message })
})

function faultOfPacked(model: ModelId, packed: string): string | undefined {
  try {
    return faultOfEmbedding(model, unpackEmbedding(packed))
  } catch {
    return 'must be base64'
  }
}
