import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Pixels, Similarity } from './align.ts'
import { apply, CROP_SIZE, invert, shareOutside, similarityBetween, squareAround, TEMPLATE, warp } from './align.ts'

const similarity = fc
  .record({
    scale: fc.double({ min: 0.05, max: 20, noNaN: true }),
    angle: fc.double({ min: -Math.PI, max: Math.PI, noNaN: true }),
    x0: fc.double({ min: -2000, max: 2000, noNaN: true }),
    y0: fc.double({ min: -2000, max: 2000, noNaN: true }),
  })
  .map(({ scale, angle, x0, y0 }): Similarity => ({ a: scale * Math.cos(angle), b: scale * Math.sin(angle), x0, y0 }))

const picture = fc
  .record({ width: fc.integer({ min: 1, max: 24 }), height: fc.integer({ min: 1, max: 24 }) })
  .chain(({ width, height }) =>
    fc.uint8Array({ minLength: 4 * width * height, maxLength: 4 * width * height }).map((bytes): Pixels => ({ data: new Uint8ClampedArray(bytes), width, height })),
  )

/** Red, green and blue of a pixel of the picture; black outside. */
function colour({ data, width, height }: Pixels, x: number, y: number): number[] {
  if (x < 0 || y < 0 || x >= width || y >= height) return [0, 0, 0]
  return [...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3)]
}

describe('the similarity between points', () => {
  it('brings the five points back to the template from wherever they were turned, scaled and shifted', () => {
    fc.assert(
      fc.property(similarity, (away) => {
        const back = similarityBetween(TEMPLATE.map((point) => apply(away, point)), TEMPLATE)
        for (const point of TEMPLATE) {
          const { x, y } = apply(back, apply(away, point))
          expect(Math.hypot(x - point.x, y - point.y)).toBeLessThan(1e-6)
        }
      }),
    )
  })

  it('is the best one: no small change of it brings the points nearer', () => {
    const points = fc.array(fc.record({ x: fc.integer({ min: -50, max: 50 }), y: fc.integer({ min: -50, max: 50 }) }), { minLength: 5, maxLength: 5 })
    const change = fc.tuple(...Array.from({ length: 4 }, () => fc.double({ min: -0.1, max: 0.1, noNaN: true })))
    fc.assert(
      fc.property(points, change, (from, [da = 0, db = 0, dx = 0, dy = 0]) => {
        fc.pre(from.some(({ x, y }) => x !== from[0]?.x || y !== from[0].y))
        const error = (s: Similarity): number => from.reduce((sum, p, i) => sum + Math.hypot(apply(s, p).x - (TEMPLATE[i]?.x ?? 0), apply(s, p).y - (TEMPLATE[i]?.y ?? 0)) ** 2, 0)
        const best = similarityBetween(from, TEMPLATE)
        expect(error({ a: best.a + da, b: best.b + db, x0: best.x0 + dx, y0: best.y0 + dy })).toBeGreaterThanOrEqual(error(best) - 1e-6)
      }),
    )
  })

  it('undone is where it began', () => {
    fc.assert(
      fc.property(similarity, fc.integer({ min: -500, max: 500 }), fc.integer({ min: -500, max: 500 }), (s, x, y) => {
        const back = apply(invert(s), apply(s, { x, y }))
        expect(Math.hypot(back.x - x, back.y - y)).toBeLessThan(1e-6)
      }),
    )
  })

  it('is refused for points that are all the same', () => {
    expect(() => similarityBetween(Array.from({ length: 5 }, () => ({ x: 3, y: 4 })), TEMPLATE)).toThrow(RangeError)
  })
})

describe('the warp', () => {
  it('by the identity gives the picture itself, and black where the picture ends', () => {
    fc.assert(
      fc.property(picture, fc.integer({ min: 1, max: 24 }), (pixels, size) => {
        const crop = warp(pixels, { a: 1, b: 0, x0: 0, y0: 0 }, size)
        for (let y = 0; y < size; y++) {
          for (let x = 0; x < size; x++) expect([...crop.subarray(3 * (y * size + x), 3 * (y * size + x) + 3)]).toEqual(colour(pixels, x, y))
        }
      }),
    )
  })

  it('by a quarter turn moves every pixel without changing it', () => {
    fc.assert(
      fc.property(picture, (pixels) => {
        const crop = warp(pixels, { a: 0, b: 1, x0: pixels.height, y0: 0 }, 24)
        for (let y = 0; y < pixels.height; y++) {
          for (let x = 0; x < pixels.width; x++) {
            const at = 3 * (x * 24 + (pixels.height - 1 - y))
            expect([...crop.subarray(at, at + 3)]).toEqual(colour(pixels, x, y))
          }
        }
      }),
    )
  })

  it('keeps the mean of what it shrinks', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4 * 64, maxLength: 4 * 64 }), fc.constantFrom(2, 4), (bytes, factor) => {
        const pixels: Pixels = { data: new Uint8ClampedArray(bytes), width: 8, height: 8 }
        const size = 8 / factor
        const crop = warp(pixels, { a: 1 / factor, b: 0, x0: 0, y0: 0 }, size)
        for (let channel = 0; channel < 3; channel++) {
          const [whole, small] = [Array.from({ length: 64 }, (_, i) => bytes[4 * i + channel] ?? 0), Array.from({ length: size * size }, (_, i) => crop[3 * i + channel] ?? 0)]
          const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
          expect(mean(small)).toBeCloseTo(mean(whole), 3)
        }
      }),
    )
  })

  it('never leaves the range of the picture, whatever the similarity', () => {
    fc.assert(
      fc.property(picture, similarity, (pixels, toCrop) => {
        fc.pre(Math.hypot(toCrop.a, toCrop.b) > 0.2)
        for (const value of warp(pixels, toCrop, 8)) expect(value >= 0 && value <= 255.001).toBe(true)
      }),
    )
  })
})

describe('the square around a face', () => {
  it('has the centre in its middle and the side as its side, however it is turned', () => {
    fc.assert(
      fc.property(fc.double({ min: 1, max: 900, noNaN: true }), fc.double({ min: -3, max: 3, noNaN: true }), (side, angle) => {
        const square = squareAround({ x: 70, y: 40 }, side, angle, 192)
        const middle = apply(square, { x: 70, y: 40 })
        expect(middle.x).toBeCloseTo(96)
        expect(middle.y).toBeCloseTo(96)
        const level = apply(square, { x: 70 + (side / 2) * Math.cos(angle), y: 40 + (side / 2) * Math.sin(angle) })
        expect(level.x).toBeCloseTo(192)
        expect(level.y).toBeCloseTo(96)
      }),
    )
  })

  it('knows how much of it lies outside of the frame', () => {
    const half: Similarity = { a: 1, b: 0, x0: CROP_SIZE / 2, y0: 0 }
    expect(shareOutside({ width: CROP_SIZE, height: CROP_SIZE }, { a: 1, b: 0, x0: 0, y0: 0 }, CROP_SIZE)).toBe(0)
    expect(shareOutside({ width: CROP_SIZE, height: CROP_SIZE }, half, CROP_SIZE)).toBe(0.5)
  })
})
