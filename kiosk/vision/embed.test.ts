import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { memory } from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cosine, EMBEDDING_LENGTH, modelIds } from '#contract/model'
import type { ModelId } from '#contract/model'
import { cutTo } from '../models/feature-graph.ts'
import type { GraphFile } from '../models/graph-file.ts'
import { makeModels, MADE_DIR } from '../models/make.ts'
import type { Pixels } from './align.ts'
import { CROP_SIZE } from './align.ts'
import { enlarge, openEmbedder } from './embed.ts'
import * as secondFiles from './embedding-files.faceres.ts'
import * as firstFiles from './embedding-files.ts'
import type { Network } from './networks.ts'
import { loadNetwork, run, startBackend } from './networks.ts'
import { openNodeVision } from './node.ts'

const project = join(import.meta.dirname, '..', '..')
const demo = join(project, 'node_modules', '@vladmandic', 'face-api', 'demo')

/** Cosine that tells one person from two on LFW; each model's own (kiosk/models/LEDGER.md). */
const TELLS_APART: Record<ModelId, number> = { 'mobilefacenet-192-r1': 0.37, 'faceres-1024-r1': 0.32 }

async function sample(number: number, middle: { x: number; y: number; width: number }): Promise<Pixels> {
  const side = Math.round(middle.width * 1.9)
  const cut = sharp(join(demo, `sample${number}.jpg`)).extract({ left: Math.round(middle.x - side / 2), top: Math.round(middle.y - side / 2), width: side, height: side })
  const { data, info } = await cut.ensureAlpha().raw().toBuffer({ resolveWithObject: true })
  return { data: new Uint8ClampedArray(data), width: info.width, height: info.height }
}

describe.each(modelIds)('%s', (model) => {
  it('loads, knows one woman on two evenings from two other people, and makes unit vectors of its length', { timeout: 120_000 }, async () => {
    await makeModels()
    const vision = await openNodeVision({ model })
    try {
      expect(vision.model).toBe(model)
      // Boxes in pixels of face-api's sample photos; the first two show the same woman.
      const shown = [[3, 1168, 365, 247], [1, 1553, 334, 174], [6, 364, 635, 220], [5, 1181, 335, 199]] as const
      const embeddings = await Promise.all(
        shown.map(async ([number, x, y, width]) => {
          const { faces } = await vision.look(await sample(number, { x, y, width }))
          const [face] = faces.toSorted((one, other) => other.box.width - one.box.width)
          return face?.embedding ?? new Float32Array()
        }),
      )
      for (const embedding of embeddings) {
        expect(embedding).toHaveLength(EMBEDDING_LENGTH[model])
        expect(Math.hypot(...embedding)).toBeCloseTo(1, 5)
      }
      const [first = [], later = [], ...others] = embeddings
      expect(cosine(first, later)).toBeGreaterThan(TELLS_APART[model])
      for (const other of others) for (const woman of [first, later]) expect(cosine(woman, other)).toBeLessThan(TELLS_APART[model])
    } finally {
      vision.close()
    }
  })
})

describe('the second model as made', () => {
  const OUTPUT = 'global_pooling/Mean'
  let published: Network
  let made: Network
  const buffer = (bytes: Buffer): ArrayBuffer => new Uint8Array(bytes).buffer

  beforeAll(async () => {
    await makeModels()
    await startBackend(`${join(project, 'node_modules', '@tensorflow', 'tfjs-backend-wasm', 'dist')}/`)
    const folder = join(project, 'node_modules', '@vladmandic', 'human-models', 'models')
    const graph = JSON.parse(await readFile(join(folder, 'faceres.json'), 'utf8')) as GraphFile
    // Cut, too: what guesses age and gender is loaded nowhere, not even here.
    const cut = cutTo(OUTPUT, { graph, weights: new Uint8Array(await readFile(join(folder, 'faceres.bin'))) })
    published = await loadNetwork(cut.graph, cut.weights.slice().buffer as ArrayBuffer)
    made = await loadNetwork(JSON.parse(await readFile(join(MADE_DIR, 'faceres.json'), 'utf8')), buffer(await readFile(join(MADE_DIR, 'faceres.bin'))))
  }, 120_000)
  afterAll(() => {
    published?.dispose()
    made?.dispose()
  })

  it('gives the published network\'s features, and has nothing else to give', () => {
    expect(made.outputs.map(({ name }) => name)).toEqual([OUTPUT])
    const size = 2 * CROP_SIZE
    for (let seed = 1; seed <= 3; seed++) {
      const picture = Float32Array.from({ length: size * size * 3 }, (_, i) => 110 * Math.sin(i * 0.0007 * seed + (i % 3)))
      const [[one = new Float32Array()], [other = new Float32Array()]] = [run(published, picture, size, [OUTPUT]), run(made, picture, size, [OUTPUT])]
      expect(one).toHaveLength(EMBEDDING_LENGTH['faceres-1024-r1'])
      expect(Math.max(...one.map((value, i) => Math.abs(value - (other[i] ?? NaN))))).toBeLessThan(1e-3)
    }
  })

  it('has the sizes that progress is counted with, as the first one has', async () => {
    for (const [name, { EMBEDDING_JSON, EMBEDDING_BIN }] of [['mobilefacenet', firstFiles], ['faceres', secondFiles]] as const) {
      expect((await stat(join(MADE_DIR, `${name}.json`))).size).toBe(EMBEDDING_JSON.bytes)
      expect((await stat(join(MADE_DIR, `${name}.bin`))).size).toBe(EMBEDDING_BIN.bytes)
    }
  })

  it('gives the same numbers for the same crop, and leaves no tensor behind', () => {
    const embedder = openEmbedder('faceres-1024-r1', made)
    const crop = Float32Array.from({ length: CROP_SIZE * CROP_SIZE * 3 }, (_, i) => (i * 7919) % 256)
    const first = embedder.embed(crop)
    const { numTensors } = memory()
    expect(embedder.embed(crop)).toEqual(first)
    expect(memory().numTensors).toBe(numTensors)
  })

  it('is not taken for the first one: a network that gives another length is refused', () => {
    expect(() => openEmbedder('mobilefacenet-192-r1', made).embed(new Float32Array(CROP_SIZE * CROP_SIZE * 3).fill(90))).toThrow()
  })
})

describe('enlarging a crop', () => {
  const crops = fc.integer({ min: 1, max: 8 }).chain((size) => fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 3 * size * size, maxLength: 3 * size * size }).map((values) => Float32Array.from(values)))

  it('keeps every colour within what it was, keeps the mean inside and is exact on a plain crop', () => {
    fc.assert(
      fc.property(crops, (crop) => {
        const large = enlarge(crop)
        expect(large).toHaveLength(4 * crop.length)
        expect(Math.max(...large)).toBeLessThanOrEqual(Math.max(...crop) + 1e-3)
        expect(Math.min(...large)).toBeGreaterThanOrEqual(Math.min(...crop) - 1e-3)
      }),
    )
    expect(new Set(enlarge(new Float32Array(48).fill(17)))).toEqual(new Set([17]))
  })

  it('turns with the picture: the mirror image enlarged is the enlarged one mirrored', () => {
    const mirror = (crop: Float32Array): Float32Array => {
      const size = Math.sqrt(crop.length / 3)
      return crop.map((_, i) => crop[3 * (Math.floor(i / 3 / size) * size + size - 1 - (Math.floor(i / 3) % size)) + (i % 3)] ?? NaN)
    }
    fc.assert(fc.property(crops, (crop) => {
      const [one, other] = [enlarge(mirror(crop)), mirror(enlarge(crop))]
      expect(Math.max(...one.map((value, i) => Math.abs(value - (other[i] ?? NaN))))).toBeLessThan(1e-3)
    }))
  })

  it('puts a straight ramp onto a straight ramp at half the step', () => {
    const ramp = Float32Array.from({ length: 3 * 8 * 8 }, (_, i) => 10 * (Math.floor(i / 3) % 8))
    const row = Array.from({ length: 16 }, (_, column) => enlarge(ramp)[3 * (16 * 5 + column)] ?? NaN)
    expect(row.slice(1, 15).map((value, i) => value - (row[i] ?? NaN)).slice(1)).toEqual(Array(13).fill(5))
  })
})
