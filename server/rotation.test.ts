import fc from 'fast-check'
import { expect, it } from 'vitest'
import { cosine, EMBEDDING_LENGTH, modelIds } from '#contract/model'
import type { ModelId } from '#contract/model'
import { openRotation, RotationSeed, seedOfText } from '#contract/rotation'

const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes))
const models = fc.constantFrom(...modelIds)

/** Of unit length, pseudo-random by `n`. */
function face(model: ModelId, n: number): Float32Array {
  let state = Math.imul(n, 0x9e3779b1) ^ 0x85ebca6b
  const vector = Float32Array.from({ length: EMBEDDING_LENGTH[model] }, () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x1234567
    return (((state ^ (state >>> 13)) >>> 0) / 2 ** 32) - 0.5
  })
  const norm = Math.hypot(...vector)
  return vector.map((value) => value / norm)
}

/** At this cosine from `one`. */
function near(one: Float32Array, other: Float32Array, at: number): Float32Array {
  const along = cosine(one, other)
  const across = other.map((value, i) => value - along * one[i]!)
  const norm = Math.hypot(...across)
  return one.map((value, i) => at * value + Math.sqrt(1 - at * at) * (across[i]! / norm))
}

it('keeps every cosine to 1e-5, and every length, whatever the seed and the model', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, models, fc.double({ min: -1, max: 1, noNaN: true }), fc.nat(), async (seed, model, at, n) => {
      const rotation = await openRotation(model, seed)
      const one = face(model, n)
      const other = near(one, face(model, n + 1), at)
      const [turned, turnedOther] = [rotation.rotate(one), rotation.rotate(other)]
      expect(Math.abs(cosine(turned, turnedOther) - cosine(one, other))).toBeLessThan(1e-5)
      expect(Math.abs(Math.hypot(...turned) - 1)).toBeLessThan(1e-5)
    }),
    { numRuns: 40 },
  )
}, 120_000)

it('puts a face as far from itself as a stranger is: turned by another school, or compared unturned', async () => {
  // Of strangers in n dimensions the cosines spread by 1/sqrt(n); six times that is once in 500 million.
  await fc.assert(
    fc.asyncProperty(seeds, seeds, models, fc.nat(), async (seed, other, model, n) => {
      fc.pre(seed.join() !== other.join())
      const [ours, theirs] = await Promise.all([openRotation(model, seed), openRotation(model, other)])
      const bound = 6 / Math.sqrt(EMBEDDING_LENGTH[model])
      const one = face(model, n)
      expect(Math.abs(cosine(ours.rotate(one), theirs.rotate(one)))).toBeLessThan(bound)
      expect(Math.abs(cosine(ours.rotate(one), one))).toBeLessThan(bound)
    }),
    { numRuns: 40 },
  )
}, 120_000)

it('is uniform: where it puts a given face is as spread in every coordinate as a random direction is', async () => {
  const model = 'mobilefacenet-192-r1'
  const [length, one, sum, squares] = [192, face(model, 1), new Float64Array(192), new Float64Array(192)]
  const rounds = 400
  for (let n = 0; n < rounds; n++) {
    const turned = (await openRotation(model, Uint8Array.from({ length: 32 }, (_, i) => (Math.imul(n + 1, 2654435761) >>> (i % 24)) & 255))).rotate(one)
    for (const [i, value] of turned.entries()) {
      sum[i]! += value
      squares[i]! += value * value
    }
  }
  // A coordinate's square averages 1/n with a relative spread of sqrt(2/rounds) = 7 %; five times that over 192 of them.
  for (let i = 0; i < length; i++) {
    expect(Math.abs((squares[i]! / rounds) * length - 1)).toBeLessThan(0.36)
    expect(Math.abs(sum[i]! / rounds)).toBeLessThan(5 / Math.sqrt(length * rounds))
  }
}, 120_000)

it('is the same for the same seed, and the one that this product has always made of it', async () => {
  const seed = Uint8Array.from({ length: 32 }, (_, i) => i)
  const numbers: Record<ModelId, number[]> = { 'mobilefacenet-192-r1': [-0.0378178, -0.013609, -0.0356575, 0.0071069], 'faceres-1024-r1': [-0.0271623, 0.0228807, -0.0169242, -0.0054341] }
  for (const model of modelIds) {
    const first = Float32Array.from({ length: EMBEDDING_LENGTH[model] }, (_, i) => (i === 0 ? 1 : 0))
    const turned = (await openRotation(model, seed)).rotate(first)
    for (const [i, expected] of numbers[model].entries()) expect(turned[i]).toBeCloseTo(expected, 6)
  }
})

it('turns back what it has turned', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, models, fc.nat(), async (seed, model, n) => {
      const rotation = await openRotation(model, seed)
      const one = face(model, n)
      const back = rotation.rotateBack(rotation.rotate(one))
      for (const [i, value] of back.entries()) expect(Math.abs(value - one[i]!)).toBeLessThan(1e-6)
    }),
    { numRuns: 20 },
  )
}, 120_000)

it('refuses an embedding of another model, and a seed of another length', async () => {
  const rotation = await openRotation('mobilefacenet-192-r1', new Uint8Array(32))
  expect(() => rotation.rotate(new Float32Array(1024))).toThrow('192')
  await expect(openRotation('mobilefacenet-192-r1', new Uint8Array(31))).rejects.toThrow('32 bytes')
})

it('travels as 32 bytes of base64 and as nothing else', () => {
  const text = Buffer.alloc(32, 7).toString('base64')
  expect(RotationSeed.parse({ model: 'mobilefacenet-192-r1', seed: text }).seed).toBe(text)
  expect([...seedOfText(text)]).toEqual(Array.from({ length: 32 }, () => 7))
  for (const seed of ['', text.slice(4), `${text}AAAA`, text.replace('=', '*')]) expect(RotationSeed.safeParse({ model: 'mobilefacenet-192-r1', seed }).success).toBe(false)
})
