import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EMBEDDING_LENGTH, modelIds } from '#contract/model'
import type { ModelId } from '#contract/model'
import { openRotation } from '#contract/rotation'
import { calibrationOf } from './calibration.ts'
import { packGallery, scoreGallery } from './gallery.ts'
import { matchFaces } from './matcher.ts'

const RULE = { budget: 0.003, floor: 0.5 }
const FLOOR: Readonly<Record<ModelId, number>> = { 'mobilefacenet-192-r1': 0.5, 'faceres-1024-r1': 0.41 }
const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes))
const models = fc.constantFrom(...modelIds)

/** Of unit length; as real ones do, all have the model's mean face in common. */
function face(model: ModelId, n: number): Float32Array {
  const { mean } = calibrationOf(model)
  const raw = unit(Float32Array.from({ length: EMBEDDING_LENGTH[model] }, (_, i) => {
    const x = Math.sin(n * 12.9898 + i * 78.233) * 43758.5453
    return x - Math.floor(x) - 0.5
  }))
  const own = Math.sqrt(1 - Math.hypot(...mean) ** 2)
  return unit(raw.map((value, i) => own * value + mean[i]!))
}

function unit(vector: Float32Array): Float32Array {
  const norm = Math.hypot(...vector)
  return vector.map((value) => value / norm)
}

const student = (model: ModelId, id: string, embedding: Float32Array) => ({ student_id: id, templates: [{ model, embedding: [...embedding] }] })

test('a roster that came turned gives every face the score that it would have unturned', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, models, fc.integer({ min: 1, max: 12 }), fc.nat({ max: 20 }), async (seed, model, size, n) => {
      const rotation = await openRotation(model, seed)
      const faces = Array.from({ length: size }, (_, i) => face(model, i))
      const plain = packGallery(faces.map((one, i) => student(model, `S${i}`, one)), model)
      const turned = packGallery(faces.map((one, i) => student(model, `S${i}`, rotation.rotate(one))), model, undefined, rotation)
      const probe = face(model, n)
      const [a, b] = [scoreGallery(plain, probe), scoreGallery(turned, probe)]
      for (const [i, score] of a.entries()) expect(Math.abs(score - b[i]!)).toBeLessThan(1e-5)
      for (const [i, like] of plain.likeOthers.entries()) expect(Math.abs(like - turned.likeOthers[i]!)).toBeLessThan(1e-4)
      expect(matchFaces(turned, [{ embedding: probe, faceWidth: 100 }], RULE).map((one) => one?.kind)).toEqual(matchFaces(plain, [{ embedding: probe, faceWidth: 100 }], RULE).map((one) => one?.kind))
    }),
    { numRuns: 30 },
  )
}, 120_000)

test('an app from before rotations knows nobody of a turned roster, and takes nobody for another: no score comes near the floor', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, models, fc.nat({ max: 1_000 }), async (seed, model, n) => {
      const rotation = await openRotation(model, seed)
      // As such an app does: it has no rotation, and compares with what it was given.
      const gallery = packGallery(Array.from({ length: 50 }, (_, i) => student(model, `S${i}`, rotation.rotate(face(model, n + i)))), model)
      const probe = { embedding: face(model, n), faceWidth: 100 }
      expect(Math.max(...scoreGallery(gallery, probe.embedding))).toBeLessThan(FLOOR[model])
      expect(matchFaces(gallery, [probe], { ...RULE, floor: FLOOR[model] })).toEqual([undefined])
    }),
    { numRuns: 40 },
  )
}, 120_000)
