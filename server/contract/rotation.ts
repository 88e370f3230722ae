/**
 * A school's secret rotation of a model's space: an orthogonal matrix that turns every embedding the school keeps, and every probe
 * that is compared with one. Cosines stay, so recognition stays; a template that leaks fits no other school's, and stops
 * fitting this one's as soon as the school takes another rotation, which needs no photo.
 *
 * [Note: A rotation is a seed] The matrix is made from 32 random bytes, in Node and in the browser alike: the seed's AES-256-CTR keystream
 * gives uniform numbers, Box-Muller makes them Gaussian (no draw is ever thrown away, so that a last bit that two
 * engines round differently moves a number and never the stream), and each n-th run of them a Householder reflection of the last n coordinates.
 * Their product is uniform over all orthogonal matrices (Stewart 1980, doi:10.1137/0717034; Diaconis & Shahshahani 1987), which fewer
 * reflections are not: k of them leave a subspace of all but k dimensions as it was. It is never multiplied out: the
 * reflections take half the memory of the matrix (1024 dimensions: 2.1 MB), no more steps, and no QR decomposition.
 *
 * It is no encryption: who holds the seed turns an embedding back, and a kiosk must hold it.
 */
import { z } from 'zod'
import { EMBEDDING_LENGTH, ModelId } from './model.ts'

export const SEED_BYTES = 32

/** As a kiosk is told it. */
export const RotationSeed = z.object({
  model: z.string(),
  /** 32 bytes. */
  seed: z.base64().length(44),
})
export type RotationSeed = z.infer<typeof RotationSeed>

export interface Rotation {
  readonly model: ModelId
  /** A new vector of the same length; cosines between two that were turned alike are kept. @throws RangeError for another model's length. */
  rotate(embedding: ArrayLike<number>): Float32Array
  /** The inverse. */
  rotateBack(embedding: ArrayLike<number>): Float32Array
}

/** The reflections, from the smallest: the one of the last `size` coordinates is I - scale[size] * normal * normal', after the sign. */
interface Reflections {
  length: number
  /** Normals one after the other: sizes 1, 2, ..., length. */
  normals: Float32Array
  scale: Float64Array
  /** Of the first coordinate that a reflection moves, before it. */
  sign: Int8Array
}

/** @param seed 32 random bytes. Same seed, same rotation, to the 15th digit on every machine. */
export async function openRotation(model: ModelId, seed: Uint8Array<ArrayBuffer>): Promise<Rotation> {
  if (seed.length !== SEED_BYTES) throw new RangeError(`a rotation's seed has ${SEED_BYTES} bytes, got ${seed.length}`)
  const length = EMBEDDING_LENGTH[model]
  const reflections = makeReflections(length, gaussians(await keystream(seed, 4 * evenUp(sumTo(length)))))

  function turned(embedding: ArrayLike<number>, turn: (vector: Float64Array, by: Reflections) => void): Float32Array {
    if (embedding.length !== length) throw new RangeError(`an embedding of model ${model} has ${length} numbers, got ${embedding.length}`)
    const vector = new Float64Array(embedding)
    turn(vector, reflections)
    return new Float32Array(vector)
  }
  return { model, rotate: (embedding) => turned(embedding, forwards), rotateBack: (embedding) => turned(embedding, backwards) }
}

export function seedOfText(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
}

/** The newest rotation of each model stays made: a lesson's change, or the next request, need not make it again. */
export function rememberRotations(): (model: ModelId, seed: Uint8Array<ArrayBuffer>) => Promise<Rotation> {
  const newest = new Map<ModelId, { seed: string; rotation: Promise<Rotation> }>()
  return (model, seed) => {
    const text = seed.join()
    const held = newest.get(model)
    if (held?.seed === text) return held.rotation
    const rotation = openRotation(model, seed)
    newest.set(model, { seed: text, rotation })
    return rotation
  }
}

async function keystream(seed: Uint8Array<ArrayBuffer>, bytes: number): Promise<Uint32Array> {
  const key = await crypto.subtle.importKey('raw', seed, 'AES-CTR', false, ['encrypt'])
  return new Uint32Array(await crypto.subtle.encrypt({ name: 'AES-CTR', counter: new Uint8Array(16), length: 64 }, key, new Uint8Array(bytes)))
}

/** Box-Muller: two uniform numbers, two Gaussian ones. */
function gaussians(uniform: Uint32Array): Float64Array {
  const numbers = new Float64Array(uniform.length)
  for (let i = 0; i < numbers.length; i += 2) {
    // Half a step from 0: its logarithm is finite.
    const radius = Math.sqrt(-2 * Math.log((uniform[i]! + 0.5) / 2 ** 32))
    const angle = (2 * Math.PI * uniform[i + 1]!) / 2 ** 32
    numbers[i] = radius * Math.cos(angle)
    numbers[i + 1] = radius * Math.sin(angle)
  }
  return numbers
}

/** For each size a direction, uniform on the sphere: sign and reflection together take the first axis there. */
function makeReflections(length: number, numbers: Float64Array): Reflections {
  const normals = new Float32Array(sumTo(length))
  const [scale, sign] = [new Float64Array(length + 1), new Int8Array(length + 1)]
  for (let size = 1, at = 0; size <= length; at += size, size++) {
    let square = 0
    for (let i = 0; i < size; i++) square += numbers[at + i]! ** 2
    const norm = Math.sqrt(square)
    const first = numbers[at]!
    // One dimension has two directions, and no reflection: sign alone.
    if (size === 1) {
      sign[size] = first < 0 ? -1 : 1
      continue
    }
    // Away from the direction's own side, so that nothing cancels out.
    sign[size] = first < 0 ? 1 : -1
    for (let i = 0; i < size; i++) normals[at + i] = (numbers[at + i]! - (i === 0 ? sign[size]! * norm : 0)) / norm
    // Of the normal as it was rounded: the reflection is one to the last digit.
    let rounded = 0
    for (let i = 0; i < size; i++) rounded += normals[at + i]! ** 2
    scale[size] = 2 / rounded
  }
  return { length, normals, scale, sign }
}

function forwards(vector: Float64Array, { length, normals, scale, sign }: Reflections): void {
  for (let size = 1, at = 0; size <= length; at += size, size++) {
    vector[length - size]! *= sign[size]!
    reflect(vector, length - size, normals, at, scale[size]!)
  }
}

function backwards(vector: Float64Array, { length, normals, scale, sign }: Reflections): void {
  for (let size = length, at = normals.length - length; size >= 1; size--, at -= size) {
    reflect(vector, length - size, normals, at, scale[size]!)
    vector[length - size]! *= sign[size]!
  }
}

/** Four sums side by side: one alone would wait for itself at every step. */
function reflect(vector: Float64Array, from: number, normals: Float32Array, at: number, scale: number): void {
  const end = vector.length
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  let i = from
  let k = at
  for (; i + 3 < end; i += 4, k += 4) {
    a += vector[i]! * normals[k]!
    b += vector[i + 1]! * normals[k + 1]!
    c += vector[i + 2]! * normals[k + 2]!
    d += vector[i + 3]! * normals[k + 3]!
  }
  for (; i < end; i++, k++) a += vector[i]! * normals[k]!
  const by = scale * (a + b + c + d)
  for (i = from, k = at; i + 3 < end; i += 4, k += 4) {
    vector[i]! -= by * normals[k]!
    vector[i + 1]! -= by * normals[k + 1]!
    vector[i + 2]! -= by * normals[k + 2]!
    vector[i + 3]! -= by * normals[k + 3]!
  }
  for (; i < end; i++, k++) vector[i]! -= by * normals[k]!
}

const sumTo = (n: number): number => (n * (n + 1)) / 2
const evenUp = (n: number): number => n + (n % 2)
