import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Pixels } from './align.ts'
import type { SceneCues, SceneMemory } from './scene-cues.ts'
import { lookAround } from './scene-cues.ts'

const [WIDTH, HEIGHT] = [320, 240]

/** Frame -> sheet, row by row; the sheet's unit is a face reach, its origin the face's middle. */
type Plane = readonly [number, number, number, number, number, number, number, number]

interface Blob {
  x: number
  y: number
  size: number
  level: number
}

/** Soft light and dark places, drawn once: CELLS x CELLS levels over a square of `reach` to each side of its middle. */
interface Texture {
  levels: Float32Array
  reach: number
}
const CELLS = 320

function textureOf(random: () => number, count: number, reach: number, size: number): Texture {
  const levels = new Float32Array(CELLS * CELLS)
  for (let i = 0; i < count; i++) draw({ levels, reach }, { x: (2 * random() - 1) * reach, y: (2 * random() - 1) * reach, size: size * (0.6 + random()), level: (random() - 0.5) * 160 })
  return { levels, reach }
}

function draw({ levels, reach }: Texture, { x, y, size, level }: Blob): void {
  const [cell, far] = [(2 * reach) / CELLS, 3.5 * size]
  const within = (value: number): number => Math.min(CELLS - 1, Math.max(0, Math.floor((value + reach) / cell)))
  for (let row = within(y - far); row <= within(y + far); row++) {
    for (let column = within(x - far); column <= within(x + far); column++) {
      const [u, v] = [(column + 0.5) * cell - reach - x, (row + 0.5) * cell - reach - y]
      levels[row * CELLS + column]! += level * Math.exp(-(u * u + v * v) / (2 * size * size))
    }
  }
}

function levelOf({ levels, reach }: Texture, x: number, y: number): number {
  const [column, row] = [x, y].map((value) => Math.min(CELLS - 1.001, Math.max(0, ((value + reach) * CELLS) / (2 * reach) - 0.5))) as [number, number]
  const [i, j] = [Math.floor(column), Math.floor(row)]
  const [toRight, down] = [column - i, row - j]
  const at = j * CELLS + i
  const above = levels[at]! + toRight * (levels[at + 1]! - levels[at]!)
  const below = levels[at + CELLS]! + toRight * (levels[at + CELLS + 1]! - levels[at + CELLS]!)
  return above + down * (below - above)
}

function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 4294967296
}

interface Scene {
  face: Texture
  /** What is on the sheet around the face. */
  sheet: Texture
  room: Texture
  /** Only the head moves, or the sheet with all that is on it. */
  head: boolean
}

/** The frame, with a level of noise, and the landmarks exactly where the face is. */
function shoot({ face, sheet, room, head }: Scene, plane: Plane, random: () => number): { pixels: Pixels; landmarks: Float32Array } {
  const data = new Uint8ClampedArray(4 * WIDTH * HEIGHT).fill(255)
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const w = plane[6] * x + plane[7] * y + 1
      const [u, v] = [(plane[0] * x + plane[1] * y + plane[2]) / w, (plane[3] * x + plane[4] * y + plane[5]) / w]
      const onFace = (u / 1.2) ** 2 + (v / 1.5) ** 2 < 1
      const level = onFace ? levelOf(face, u, v) : head ? levelOf(room, x, y) : levelOf(sheet, u, v)
      data.fill(128 + level + 3 * (random() + random() - 1), 4 * (y * WIDTH + x), 4 * (y * WIDTH + x) + 3)
    }
  }
  const landmarks = new Float32Array(3 * 468)
  // Where placeOf looks for eyes and mouth, so that the patch is the sheet's square from -1 to 1.
  const points: [number, number, number][] = [[33, -0.55, -0.43], [133, -0.28, -0.43], [362, 0.28, -0.43], [263, 0.55, -0.43], [61, -0.25, 0.43], [291, 0.25, 0.43]]
  for (const [index, u, v] of points) {
    const { x, y } = toFrame(plane, u, v)
    landmarks.set([x, y, 0], 3 * index)
  }
  return { pixels: { data, width: WIDTH, height: HEIGHT }, landmarks }
}

/** The frame's point that shows (u, v) of the sheet. */
function toFrame([a, b, c, d, e, f, g, h]: Plane, u: number, v: number): { x: number; y: number } {
  const [p, q, r, s] = [a - u * g, b - u * h, d - v * g, e - v * h]
  const [m, n] = [u - c, v - f]
  const det = p * s - q * r
  return { x: (m * s - q * n) / det, y: (p * n - m * r) / det }
}

/** A face of `reach` pixels around (x, y), turned and tilted. */
function planeAt(x: number, y: number, reach: number, roll: number, tiltX: number, tiltY: number): Plane {
  const [cos, sin] = [Math.cos(roll) / reach, Math.sin(roll) / reach]
  const [a, b, d, e] = [cos, sin, -sin, cos]
  const [c, f] = [-(a * x + b * y), -(d * x + e * y)]
  const last = 1 - tiltX * x - tiltY * y
  return [a / last, b / last, c / last, d / last, e / last, f / last, tiltX / last, tiltY / last]
}

const seed = fc.integer({ min: 1, max: 1e9 })
const motion = fc.record({
  x: fc.double({ min: 120, max: 200, noNaN: true }),
  y: fc.double({ min: 100, max: 140, noNaN: true }),
  reach: fc.double({ min: 26, max: 34, noNaN: true }),
  roll: fc.double({ min: -0.25, max: 0.25, noNaN: true }),
  tiltX: fc.double({ min: -0.0008, max: 0.0008, noNaN: true }),
  tiltY: fc.double({ min: -0.0008, max: 0.0008, noNaN: true }),
})

function sceneOf(random: () => number, head: boolean): Scene {
  return { face: textureOf(random, 60, 1.6, 0.14), sheet: textureOf(random, 400, 6, 0.25), room: textureOf(random, 500, 320, 9), head }
}

function lookTwice(first: { pixels: Pixels; landmarks: Float32Array }, second: { pixels: Pixels; landmarks: Float32Array }): SceneCues {
  const { memory } = lookAround(first.pixels, first.landmarks, 0, undefined)
  return lookAround(second.pixels, second.landmarks, 500, memory).cues
}

const START = planeAt(160, 120, 30, 0, 0, 0)

test('A picture that is moved, turned, tilted and brought nearer leaves noise and nothing else', () => {
  fc.assert(
    fc.property(seed, motion, (number, { x, y, reach, roll, tiltX, tiltY }) => {
      const random = generator(number)
      const scene = sceneOf(random, false)
      const { change } = lookTwice(shoot(scene, START, random), shoot(scene, planeAt(x, y, reach, roll, tiltX, tiltY), random))
      expect(change).toBeDefined()
      expect(change!.blocks).toBeLessThan(0.12)
    }),
    { numRuns: 8 },
  )
})

test('A mouth that opens leaves more than any plane does, and it is at the mouth', () => {
  const random = generator(7)
  const scene = sceneOf(random, true)
  const open = { ...scene, face: { ...scene.face, levels: scene.face.levels.slice() } }
  for (const x of [-0.12, 0.12]) draw(open.face, { x, y: 0.45, size: 0.16, level: -120 })
  const { change } = lookTwice(shoot(scene, START, random), shoot(open, planeAt(166, 118, 30.5, 0.05, 0, 0), random))
  expect(change!.blocks).toBeGreaterThan(0.25)
  expect(change!.structure).toBeGreaterThan(1)
  expect(change!.mouth).toBeGreaterThan(1.5 * change!.eyes)
})

test('Around a sheet everything moves along with the face; around a head the room stays', () => {
  for (const number of [1, 2, 3]) {
    const seen = (head: boolean): SceneCues => {
      const random = generator(number)
      const scene = sceneOf(random, head)
      return lookTwice(shoot(scene, START, random), shoot(scene, planeAt(170, 116, 30, 0.03, 0, 0), random))
    }
    const [sheet, head] = [seen(false).around, seen(true).around]
    expect(sheet!.follow).toBeGreaterThan(4)
    expect(sheet!.stay).toBe(0)
    expect(head!.stay).toBeGreaterThan(4)
    expect(head!.follow).toBeLessThanOrEqual(1)
  }
})

test('A face that was out of sight for long begins anew, and what is remembered does not grow', () => {
  const random = generator(5)
  const seen = shoot(sceneOf(random, false), START, random)
  let memory: SceneMemory | undefined
  for (let at = 0; at <= 6_000; at += 100) {
    const look = lookAround(seen.pixels, seen.landmarks, at, memory)
    memory = look.memory
    expect(memory.moments.length).toBeLessThanOrEqual(4)
    if (at >= 200) expect(look.cues.change?.ms).toBeLessThanOrEqual(1_300)
  }
  expect(lookAround(seen.pixels, seen.landmarks, 20_000, memory).cues).toEqual({ change: undefined, around: undefined })
})
