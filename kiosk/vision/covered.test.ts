/** Real faces of an npm package's group photos, with things painted over them; the real networks, in Node. */
import { join } from 'node:path'
import fc from 'fast-check'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeModels } from '../models/make.ts'
import { CROP_SIZE } from './align.ts'
import { COVER_LIMITS, coverCues, coveredPart } from './covered.ts'
import type { CoverCues } from './covered.ts'
import type { Face, Reason } from './face.ts'
import { mirror } from './look.ts'
import type { NodeVision } from './node.ts'
import { openNodeVision } from './node.ts'
import { luma } from './quality.ts'

const DEMO = join(import.meta.dirname, '..', '..', 'node_modules', '@vladmandic', 'face-api', 'demo')

describe('what is covered', () => {
  const open: CoverCues = { skin: 0.25, lips: 0.2, mouthLine: 0.25, lowerFace: 0.07, eyeLine: 0.3 }

  it('is the eyes without a dark line in either, and the mouth without red and without a line', () => {
    expect(coveredPart(open)).toBeUndefined()
    expect(coveredPart({ ...open, eyeLine: COVER_LIMITS.eyeLine / 2 })).toBe('eyes_covered')
    expect(coveredPart({ ...open, lips: 0, mouthLine: 0.01 })).toBe('mouth_covered')
    expect(coveredPart({ ...open, lowerFace: 1 })).toBe('mouth_covered')
  })

  it('is never the mouth for pale lips alone, for a mouth without a line alone, or in a grey picture', () => {
    const number = fc.double({ min: -0.5, max: 0.5, noNaN: true })
    fc.assert(
      fc.property(number, number, (lips, mouthLine) => {
        expect(coveredPart({ ...open, lips })).toBeUndefined()
        expect(coveredPart({ ...open, mouthLine })).toBeUndefined()
        expect(coveredPart({ ...open, skin: 0, lips, mouthLine })).toBeUndefined()
      }),
    )
  })

  it('of a crop is the same in its mirror image and in another brightness', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 60, max: 120 }), { minLength: 300, maxLength: 300 }), (seed) => {
        const crop = Float32Array.from({ length: CROP_SIZE * CROP_SIZE * 3 }, (_, i) => seed[(i * 7919) % seed.length] ?? 0)
        const [cues, mirrored] = [coverCues(crop, luma(crop)), coverCues(mirror(crop), luma(mirror(crop)))]
        // The regions lie in the middle of the crop to within a pixel or two.
        for (const name of ['skin', 'lowerFace', 'eyeLine'] as const) expect(Math.abs(cues[name] - mirrored[name])).toBeLessThan(0.25)
      }),
      { numRuns: 10 },
    )
  })
})

describe('a real face', () => {
  let vision: NodeVision
  beforeAll(async () => {
    await makeModels()
    vision = await openNodeVision()
  }, 120_000)
  afterAll(() => vision.close())

  async function look(photo: Buffer): Promise<Face[]> {
    const { data, info } = await sharp(photo).ensureAlpha().raw().toBuffer({ resolveWithObject: true })
    return (await vision.look({ data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.length), width: info.width, height: info.height })).faces
  }

  /** Points of the canonical face model: inner edge of a surgical mask from ear to ear, round the chin and over the nose. */
  const MASK = [227, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 447, 346, 347, 197, 118, 117]
  /** The lower half alone: the nose stays free. */
  const SCARF = [132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 2]
  const BAND = [127, 143, 111, 117, 118, 197, 347, 346, 340, 372, 356, 251, 301, 293, 334, 296, 336, 9, 107, 66, 105, 63, 71, 21]

  function painted(face: Face, points: readonly number[], fill: string): string {
    const at = (i: number): string => `${(face.landmarks?.[3 * i] ?? 0).toFixed(1)},${(face.landmarks?.[3 * i + 1] ?? 0).toFixed(1)}`
    return `<polygon points="${points.map(at).join(' ')}" fill="${fill}"/>`
  }

  /** What becomes of every good face of the group photos with this painted over it. */
  async function reasons(points: readonly number[], fill: string): Promise<(Reason | undefined | 'not found')[]> {
    const found: (Reason | undefined | 'not found')[] = []
    for (const number of [3, 4, 5]) {
      const photo = await sharp(join(DEMO, `sample${number}.jpg`)).resize({ width: 960 }).png().toBuffer()
      const { width, height } = await sharp(photo).metadata()
      const faces = (await look(photo)).filter(({ refused }) => refused === undefined)
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${faces.map((face) => painted(face, points, fill)).join('')}</svg>`
      const after = await look(await sharp(photo).composite([{ input: Buffer.from(svg) }]).png().toBuffer())
      for (const { box } of faces) {
        const same = after.find((one) => Math.abs(one.box.x + one.box.width / 2 - box.x - box.width / 2) < box.width / 2 && Math.abs(one.box.y + one.box.height / 2 - box.y - box.height / 2) < box.height / 2)
        found.push(same ? same.refused : 'not found')
      }
    }
    return found
  }

  const embedded = (found: readonly unknown[]): number => found.filter((reason) => reason === undefined).length

  it.each([['light blue', '#9ec8de'], ['white', '#e8e8e4'], ['black', '#222226']])('behind a %s mask is hardly ever embedded, and the reason is the mouth or that it is no face', async (_, fill) => {
    const found = await reasons(MASK, fill)
    expect(found).toHaveLength(12)
    expect(embedded(found)).toBeLessThanOrEqual(2)
    for (const reason of found) expect([undefined, 'not found', 'not_a_face', 'mouth_covered']).toContain(reason)
  })

  it('with a scarf up to the nose is refused for the mouth', async () => {
    expect((await reasons(SCARF, '#5c6e8a')).filter((reason) => reason === 'mouth_covered').length).toBeGreaterThanOrEqual(9)
  })

  it('with a band over both eyes is hardly ever embedded', async () => {
    expect(embedded(await reasons(BAND, '#202024'))).toBeLessThanOrEqual(4)
  })
})
