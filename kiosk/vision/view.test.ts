import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeModels } from '../models/make.ts'
import type { Pixels } from './align.ts'
import type { Face, SeenFrame } from './face.ts'
import type { NodeVision } from './node.ts'
import { openNodeVision } from './node.ts'
import { DETECT_EVERY, MOST_LOOKS } from './view.ts'

const demo = join(import.meta.dirname, '..', '..', 'node_modules', '@vladmandic', 'face-api', 'demo')
const FRAME_MS = 66

let vision: NodeVision
beforeAll(async () => {
  await makeModels()
  vision = await openNodeVision()
}, 120_000)
afterAll(() => vision.close())

/** People of the sample photos, each on a tile of their own. Centre and width of the face in the photo. */
const PEOPLE = [
  { sample: 3, x: 1169, y: 370, width: 250 },
  { sample: 6, x: 364, y: 635, width: 220 },
  { sample: 5, x: 1181, y: 335, width: 199 },
  { sample: 6, x: 1575, y: 423, width: 244 },
] as const
const TILE = 240

async function tile(person: number): Promise<Buffer> {
  const { sample, x, y, width } = PEOPLE[person % PEOPLE.length]!
  const side = Math.round(width * 1.9)
  return sharp(join(demo, `sample${sample}.jpg`))
    .extract({ left: Math.round(x - side / 2), top: Math.round(y - side / 2), width: side, height: side })
    .resize(TILE, TILE)
    .png()
    .toBuffer()
}

/** The people side by side before a grey wall, all of them shifted by (dx, dy); nobody where undefined. */
async function room(people: readonly (number | undefined)[], dx = 0, dy = 0): Promise<Pixels> {
  const columns = Math.min(4, people.length)
  const rows = Math.ceil(people.length / 4)
  const tiles = await Promise.all(
    people.flatMap((person, i) => (person === undefined ? [] : [tile(person).then((input) => ({ input, left: 20 + dx + (i % 4) * (TILE + 20), top: 20 + dy + Math.floor(i / 4) * (TILE + 20) }))])),
  )
  const { data, info } = await sharp({ create: { width: columns * (TILE + 20) + 40, height: rows * (TILE + 20) + 40, channels: 4, background: '#8a8680' } })
    .composite(tiles)
    .raw()
    .toBuffer({ resolveWithObject: true })
  return { data: new Uint8ClampedArray(data), width: info.width, height: info.height }
}

const idsOf = ({ faces }: SeenFrame): number[] => faces.map(({ track }) => track).sort((a, b) => a - b)
const detected = ({ ms }: SeenFrame): boolean => ms.detect > 0
const cosine = (one: Float32Array, other: Float32Array): number => one.reduce((sum, value, i) => sum + value * other[i]!, 0)

function only({ faces }: SeenFrame): Face {
  const [face, ...others] = faces
  if (!face || others.length > 0) throw new Error(`${faces.length} faces`)
  return face
}

describe('a face before the camera', () => {
  it('is one track, and its crop and the crop’s mirror image are embedded in turn', async () => {
    const view = vision.watch()
    const seen = [only(await view.look(await room([0]), 0, {})), only(await view.look(await room([0], 2, 1), FRAME_MS, {})), only(await view.look(await room([0], 4, 1), 2 * FRAME_MS, {}))]
    expect(new Set(seen.map(({ track }) => track)).size).toBe(1)
    expect(seen.map(({ mirrored }) => mirrored)).toEqual([false, true, false])
    const [first, second, third] = seen.map(({ embedding }) => embedding!)
    expect(cosine(first!, third!)).toBeGreaterThan(0.97)
    expect(cosine(first!, second!)).toBeGreaterThan(0.85)
    expect(cosine(first!, second!)).toBeLessThan(0.9999)
    for (const { landmarks } of seen) expect(landmarks).toHaveLength(3 * 468)
  })

  it('is embedded as on a photo, though the mesh network is run once and near where the face was', async () => {
    const view = vision.watch()
    const [still, moved] = [await room([0, 1, 2]), await room([0, 1, 2], 6, 3)]
    for (const [i, picture] of [still, moved, moved].entries()) {
      const seen = await view.look(picture, i * FRAME_MS, {})
      const photo = await vision.look(picture, { mirror: true })
      for (const [at, face] of seen.faces.entries()) {
        const same = photo.faces[at]!
        expect(face.refused).toBeUndefined()
        expect(cosine(face.embedding!, (face.mirrored ? same.mirrorEmbedding : same.embedding)!)).toBeGreaterThan(0.97)
      }
      expect(seen.faces).toHaveLength(3)
    }
  })

  it('that is settled is followed: no mesh, no embedding, and the detector on every third frame only; the box stays on the face', async () => {
    const view = vision.watch()
    const settled = idsOf(await view.look(await room([0, 1]), 0, {}))
    const frames: SeenFrame[] = []
    const boxes = new Map<number, number>()
    for (let i = 1; i <= 2 * DETECT_EVERY; i++) {
      const frame = await view.look(await room([0, 1], 3 * i, 2 * i), i * FRAME_MS, { settled })
      frames.push(frame)
      expect(idsOf(frame)).toEqual(settled)
      for (const face of frame.faces) {
        expect([face.embedding, face.quality, face.landmarks, face.cues]).toEqual([undefined, undefined, undefined, undefined])
        const offset = face.box.x - 3 * i
        boxes.set(face.track, boxes.get(face.track) ?? offset)
        expect(Math.abs(offset - boxes.get(face.track)!)).toBeLessThan(8)
      }
    }
    expect(frames.map(detected)).toEqual(Array.from({ length: 2 * DETECT_EVERY }, (_, i) => (i + 1) % DETECT_EVERY === 0))
  })

  it('that is watched gets a mesh in every frame and no embedding', async () => {
    const view = vision.watch()
    const watched = idsOf(await view.look(await room([0]), 0, {}))
    for (let i = 1; i <= 4; i++) {
      const face = only(await view.look(await room([0], 2 * i), i * FRAME_MS, { watched }))
      expect([face.track]).toEqual(watched)
      expect(face.embedding).toBeUndefined()
      expect(face.landmarks).toHaveLength(3 * 468)
      expect(face.quality?.presence).toBeGreaterThan(0.9)
    }
  })

  it('that takes a settled one’s place has another number, and is embedded at once', async () => {
    const view = vision.watch()
    const settled = idsOf(await view.look(await room([0]), 0, {}))
    await view.look(await room([0], 1), FRAME_MS, { settled })
    const stranger = only(await view.look(await room([1], 1), 2 * FRAME_MS, { settled }))
    expect(settled).not.toContain(stranger.track)
    expect(stranger.embedding).toBeDefined()
  })

  it('that takes an undecided one’s place has another number', async () => {
    const view = vision.watch()
    const first = only(await view.look(await room([0]), 0, {}))
    const second = only(await view.look(await room([1]), FRAME_MS, {}))
    const third = only(await view.look(await room([1]), 2 * FRAME_MS, {}))
    expect(second.track).not.toBe(first.track)
    expect(third.track).toBe(second.track)
    expect(third.cues?.change).toBeUndefined()
  })

  it('that went is not reported, and is a new one when it comes back later', async () => {
    const view = vision.watch()
    const settled = idsOf(await view.look(await room([0]), 0, {}))
    const empty = await room([undefined])
    for (let i = 1; i <= 10; i++) expect((await view.look(empty, i * FRAME_MS, { settled })).faces).toEqual([])
    expect(settled).not.toContain(only(await view.look(await room([0]), 11 * FRAME_MS, { settled })).track)
  })
})

describe('a crowd', () => {
  it('is looked at in turns: never more than so many in a frame, everybody before anybody again, and a newcomer in the next frame at the latest', async () => {
    const view = vision.watch()
    const people = [0, 1, 2, 3, 3, 2, 1, 0, 2, 3]
    const looks = new Map<number, number>()
    for (let i = 0; i < 5; i++) {
      const here = i < 3 ? people : [...people, 1]
      const { faces } = await view.look(await room(here, i), i * FRAME_MS, {})
      const looked = faces.filter(({ quality }) => quality !== undefined)
      expect(faces).toHaveLength(here.length)
      expect(looked).toHaveLength(MOST_LOOKS)
      expect(faces.filter(({ embedding }) => embedding !== undefined).length).toBeLessThanOrEqual(MOST_LOOKS)
      for (const { track } of faces) looks.set(track, looks.get(track) ?? 0)
      for (const { track } of looked) looks.set(track, looks.get(track)! + 1)
      expect(looks.size).toBe(here.length)
      if (i < 3) expect(Math.max(...looks.values()) - Math.min(...looks.values())).toBeLessThanOrEqual(1)
    }
    expect(Math.min(...looks.values())).toBeGreaterThan(0)
  })
})
