import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EMBEDDING_LENGTH, PackedEmbedding, cosine, modelIds, packEmbedding, unpackEmbedding } from '#contract/model'

const vectorOf = (length: number) => fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: length, maxLength: length }).filter((numbers) => Math.hypot(...numbers) > 0.1).map((numbers) => numbers.map((value) => value / Math.hypot(...numbers)))
const template = fc.constantFrom(...modelIds).chain((model) => fc.record({ model: fc.constant(model), embedding: vectorOf(EMBEDDING_LENGTH[model]) }))
const axis = Array.from({ length: 192 }, (_, at) => (at === 0 ? -1 : 0))

test('an embedding comes out as it was packed, to half of a 32,767th, and the contract takes it', () => {
  fc.assert(
    fc.property(template, ({ model, embedding }) => {
      const packed = packEmbedding(embedding)
      const out = unpackEmbedding(packed)
      expect(PackedEmbedding.parse({ model, embedding: packed }).embedding).toBe(packed)
      expect(out).toHaveLength(embedding.length)
      expect(Math.max(...embedding.map((value, i) => Math.abs(value - (out[i] ?? 9))))).toBeLessThan(0.5 / 32_767 + 1e-7)
      expect(Math.abs(cosine(out, embedding) - 1)).toBeLessThan(5e-4)
      expect(packEmbedding(out)).toBe(packed)
    }),
    { numRuns: 200 },
  )
  expect([...unpackEmbedding(packEmbedding([1, -1, 0]))]).toEqual([1, -1, 0])
  expect([...unpackEmbedding(packEmbedding([1.009, -1.009, 0]))], 'a little too long, as the contract takes it: no sign is turned round').toEqual([1, -1, 0])
})

test('as bytes it is 16 bits with a sign, the low one first: what any other program would read', () => {
  fc.assert(
    fc.property(vectorOf(192), (embedding) => {
      const bytes = Buffer.from(packEmbedding(embedding), 'base64')
      expect(Array.from({ length: 192 }, (_, at) => bytes.readInt16LE(2 * at))).toEqual(embedding.map((value) => Math.round(value * 32_767) + 0))
    }),
    { numRuns: 100 },
  )
})

test('what is no embedding of its model is refused with its field: another length, no unit, no base64, the numbers themselves', () => {
  const model = 'mobilefacenet-192-r1'
  for (const [embedding, message] of [
    [packEmbedding(axis.slice(1)), /192 numbers for model mobilefacenet-192-r1, got 191/],
    [packEmbedding(axis.map((value) => value / 2)), /must have length 1/],
    [`${packEmbedding(axis)}?`, /base64/],
    [axis, /string/],
  ] as const) {
    const { error } = PackedEmbedding.safeParse({ model, embedding })
    expect(error?.issues.map(({ path }) => path.join('.'))).toContain('embedding')
    expect(error?.issues.map((issue) => issue.message).join('; ')).toMatch(message)
  }
})
