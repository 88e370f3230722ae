import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ModelEmbedding, cosine } from '#contract/model'
import { NOT_STEADY, someoneElse, steadier, templateOf, type Steadiness } from './shots.ts'

const unit = fc
  .array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 192, maxLength: 192 })
  .filter((numbers) => Math.hypot(...numbers) > 0.1)
  .map((numbers) => {
    const norm = Math.hypot(...numbers)
    return Float32Array.from(numbers, (n) => n / norm)
  })

test('What is sent of a shot is a template that the contract takes, and is the shot still', () => {
  fc.assert(
    fc.property(unit, (embedding) => {
      const template = ModelEmbedding.parse(templateOf(embedding, 'mobilefacenet-192-r1'))
      expect(cosine(template.embedding, embedding)).toBeGreaterThan(0.9999)
    }),
  )
})

test('A shot unlike every other is someone else; one like any of them is not', () => {
  const axis = (i: number): Float32Array => Float32Array.from({ length: 192 }, (_, at) => (at === i ? 1 : 0))
  const between = Float32Array.from({ length: 192 }, (_, at) => (at < 2 ? Math.SQRT1_2 : 0))
  expect(someoneElse(axis(0), [])).toBeUndefined()
  expect(someoneElse(axis(0), [axis(1), axis(2)])).toBe(0)
  expect(someoneElse(axis(0), [axis(1), between])).toBeUndefined()
})

/** Times of the shots that a run of looks, 100 ms apart, leads to. */
function shotsOf(looks: boolean[]): number[] {
  let now: Steadiness = NOT_STEADY
  const shots: number[] = []
  for (const [i, good] of looks.entries()) {
    const next = steadier(now, good, i * 100)
    if (next.due) shots.push(i * 100)
    now = next
  }
  return shots
}

test('A face that holds still is shot, and shot again only after a pause', () => {
  const shots = shotsOf(Array.from({ length: 60 }, () => true))
  expect(shots[0]).toBe(500)
  expect(shots.length).toBeGreaterThan(2)
})

test('No shot is taken within half a second of a bad look, and no two within a second', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (looks) => {
      const shots = shotsOf(looks)
      for (const [i, at] of shots.entries()) {
        expect(looks.slice(at / 100 - 5, at / 100 + 1)).not.toContain(false)
        if (i > 0) expect(at - (shots[i - 1] ?? 0)).toBeGreaterThan(1000)
      }
    }),
  )
})
