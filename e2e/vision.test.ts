import { availableParallelism } from 'node:os'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeModels } from '../kiosk/models/make.ts'
import { type LookedFrame, type VisionPage, openVisionPage } from './bench/vision-page.ts'

const ROOT = resolve(import.meta.dirname, '..')
const group = async (n: number): Promise<Buffer> => sharp(await readFile(join(ROOT, `node_modules/@vladmandic/face-api/demo/sample${n}.jpg`))).resize({ width: 1280 }).png().toBuffer()

let together: VisionPage
let alone: VisionPage
beforeAll(async () => {
  await makeModels()
  together = await openVisionPage()
  alone = await openVisionPage({ isolated: false })
}, 300_000)
afterAll(async () => {
  await together?.close()
  await alone?.close()
})

const numbers = ({ faces }: LookedFrame): unknown[] => faces.map(({ box, quality, refused, embedding, mirrorEmbedding, landmarks }) => ({ box, quality, refused, embedding, mirrorEmbedding, landmarks }))

describe('the vision worker in Chromium', () => {
  it.skipIf(availableParallelism() < 2)('gives the same numbers to the last bit, whichever of its workers looked at which face, and where one worker does it all (skipped on one core)', async () => {
    for (const photo of [5, 4]) {
      const picture = await group(photo)
      const first = await together.look(picture)
      expect(first.faces.filter(({ embedding }) => embedding !== undefined).length).toBeGreaterThanOrEqual(4)
      for (let again = 0; again < 4; again++) expect(numbers(await together.look(picture))).toEqual(numbers(first))
      expect(numbers(await alone.look(picture))).toEqual(numbers(first))
    }
  })

  it('embeds each face and its mirror image, which are alike and not the same', async () => {
    for (const face of (await together.look(await group(5))).faces) {
      expect(face.embedding === undefined).toBe(face.refused !== undefined)
      if (!face.embedding || !face.mirrorEmbedding) continue
      const cosine = face.embedding.reduce((sum, value, i) => sum + value * face.mirrorEmbedding![i]!, 0)
      expect(cosine).toBeGreaterThan(0.8)
      expect(cosine).toBeLessThan(0.9999)
    }
  })
})
