import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { memory } from '@tensorflow/tfjs-core'
import sharp from 'sharp'
import type { Sharp } from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EMBEDDING_LENGTH } from '#contract/model'
import { makeModels, MADE_DIR } from '../models/make.ts'
import type { Pixels } from './align.ts'
import { CROP_SIZE } from './align.ts'
import { openEmbedder } from './embed.ts'
import type { SeenFrame } from './face.ts'
import { loadNetwork } from './networks.ts'
import type { NodeVision } from './node.ts'
import { openNodeVision } from './node.ts'
import { FILES } from './parts.ts'

const project = join(import.meta.dirname, '..', '..')
const faces = join(project, '..', 'shared', 'faces')
const withFaces = existsSync(join(faces, 'reference', 'embeddings.json'))
const demo = join(project, 'node_modules', '@vladmandic', 'face-api', 'demo')

let vision: NodeVision
beforeAll(async () => {
  await makeModels()
  vision = await openNodeVision()
}, 120_000)
afterAll(() => vision.close())

async function decode(picture: Sharp): Promise<Pixels> {
  const { data, info } = await picture.ensureAlpha().raw().toBuffer({ resolveWithObject: true })
  return { data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.length), width: info.width, height: info.height }
}
const sample = (number: number): Sharp => sharp(join(demo, `sample${number}.jpg`)).resize({ width: 960 })
const cosine = (one: ArrayLike<number>, other: ArrayLike<number>): number => {
  let [dot, a, b] = [0, 0, 0]
  for (let i = 0; i < one.length; i++) {
    const [x, y] = [one[i] ?? 0, other[i] ?? 0]
    dot += x * y
    a += x * x
    b += y * y
  }
  return dot / Math.sqrt(a * b)
}
/** Good faces from left to right. */
const good = ({ faces: all }: SeenFrame): Float32Array[] =>
  all.filter(({ refused }) => refused === undefined).sort((one, other) => one.box.x - other.box.x).flatMap(({ embedding }) => (embedding ? [embedding] : []))

describe('vision in Node', () => {
  it.each([[1, 3], [2, 2], [3, 3], [4, 4], [5, 5], [6, 4]])('embeds everybody on the real group photo %i who does not look away: %i people, unit length', async (number, people) => {
    const frame = await vision.look(await decode(sample(number)))
    expect(good(frame)).toHaveLength(people)
    for (const embedding of good(frame)) {
      expect(embedding).toHaveLength(EMBEDDING_LENGTH[vision.model])
      expect(Math.hypot(...embedding)).toBeCloseTo(1, 5)
    }
  })

  it('refuses the one in full profile on photo 2, and only her', async () => {
    const { faces: found } = await vision.look(await decode(sample(2)))
    const refused = found.filter((face) => face.refused !== undefined)
    expect(refused).toHaveLength(1)
    expect(['looks_away', 'not_a_face']).toContain(refused[0]?.refused)
    expect(refused[0]?.quality.yaw).toBeLessThan(-30)
  })

  it('tells the people of one photo apart', async () => {
    const people = good(await vision.look(await decode(sample(5))))
    for (const [i, one] of people.entries()) for (const other of people.slice(i + 1)) expect(cosine(one, other)).toBeLessThan(0.5)
  })

  it('gives the same person nearly the same embedding in a smaller, a tilted and a darker copy', async () => {
    const original = good(await vision.look(await decode(sample(1))))
    const copies = {
      smaller: sharp(await sample(1).toBuffer()).resize({ width: 600 }),
      tilted: sharp(await sample(1).toBuffer()).rotate(12, { background: '#808080' }),
      darker: sharp(await sample(1).toBuffer()).linear(0.6, 0),
    }
    for (const [name, copy] of Object.entries(copies)) {
      const seen = good(await vision.look(await decode(copy)))
      expect(seen, name).toHaveLength(original.length)
      for (const [i, embedding] of seen.entries()) expect(cosine(embedding, original[i] ?? []), name).toBeGreaterThan(0.8)
    }
  })

  it('finds nobody in an even picture and in noise', async () => {
    const noise: Pixels = { data: new Uint8ClampedArray(320 * 240 * 4).map((_, i) => (i * 2654435761) >>> 24), width: 320, height: 240 }
    const even: Pixels = { data: new Uint8ClampedArray(320 * 240 * 4).fill(128), width: 320, height: 240 }
    expect(good(await vision.look(noise))).toEqual([])
    expect((await vision.look(even)).faces).toEqual([])
  })

  it('refuses a face that is too dark, too small or blurred, and does not embed it', async () => {
    const worse = {
      too_dark: sample(1).linear(0.12, 0),
      too_small: sample(1).resize({ width: 240 }),
      blurred: sharp(await sample(1).toBuffer()).blur(5),
    }
    for (const [reason, picture] of Object.entries(worse)) {
      const { faces: found } = await vision.look(await decode(picture))
      expect(found.length, reason).toBeGreaterThan(0)
      expect(found.map(({ refused }) => refused), reason).toContain(reason)
      for (const face of found) expect(face.embedding === undefined, reason).toBe(face.refused !== undefined)
    }
  })

  it('leaves no tensor behind, frame after frame', async () => {
    const pixels = await decode(sample(2))
    await vision.look(pixels)
    const { numTensors } = memory()
    for (let frame = 0; frame < 5; frame++) await vision.look(pixels)
    expect(memory().numTensors).toBe(numTensors)
  })
})

describe('the repaired network', () => {
  it.skipIf(!withFaces)('gives the reference embedding for each reference crop (skipped where the shared faces are not there)', async () => {
    const references = JSON.parse(await readFile(join(faces, 'reference', 'embeddings.json'), 'utf8')) as { crop: string; embedding: number[] }[]
    const bin = await readFile(join(MADE_DIR, 'mobilefacenet.bin'))
    const network = await loadNetwork(JSON.parse(await readFile(join(MADE_DIR, 'mobilefacenet.json'), 'utf8')), new Uint8Array(bin).buffer)
    const embedder = openEmbedder('mobilefacenet-192-r1', network)
    expect(references.length).toBeGreaterThan(0)
    for (const { crop, embedding } of references) {
      const { data, width } = await decode(sharp(join(faces, 'reference', crop)))
      expect(width).toBe(CROP_SIZE)
      const rgb = new Float32Array(data.length / 4 * 3).map((_, i) => data[Math.floor(i / 3) * 4 + (i % 3)] ?? 0)
      expect(cosine(embedder.embed(rgb), embedding)).toBeGreaterThan(0.9999)
    }
    network.dispose()
  })
})

describe('the parts that the worker loads', () => {
  it('have the sizes that progress is counted with', async () => {
    const folders: [RegExp, string][] = [
      [/^detector(Loader|Wasm)$/, join(project, 'node_modules/@mediapipe/tasks-vision/wasm')],
      [/^wasm/, join(project, 'node_modules/@tensorflow/tfjs-backend-wasm/dist')],
      [/./, MADE_DIR],
    ]
    for (const [name, { url, bytes }] of Object.entries(FILES)) {
      const folder = folders.find(([pattern]) => pattern.test(name))?.[1] ?? ''
      const file = (url.split('?')[0] ?? '').split('/').at(-1) ?? ''
      expect((await stat(join(folder, file))).size, name).toBe(bytes)
    }
  })
})
