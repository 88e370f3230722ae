import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mirrored, overlap, pictureIn, within } from './picture.ts'

const size = fc.record({ width: fc.integer({ min: 1, max: 4000 }), height: fc.integer({ min: 1, max: 4000 }) })
/** A box inside the unit square, to be scaled to a frame. */
const part = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }))
const boxIn = (frame: { width: number; height: number }, [x, y, w, h]: [number, number, number, number]) => ({
  x: x * frame.width,
  y: y * frame.height,
  width: w * (1 - x) * frame.width,
  height: h * (1 - y) * frame.height,
})
const SLACK = 1e-6

describe('the picture in the stage', () => {
  test('is whole, centred, undistorted and as large as fits', () => {
    fc.assert(
      fc.property(size, size, (stage, frame) => {
        const picture = pictureIn(stage, frame)
        expect(picture.width / picture.height).toBeCloseTo(frame.width / frame.height, 6)
        expect(picture.x * 2 + picture.width).toBeCloseTo(stage.width, 6)
        expect(picture.y * 2 + picture.height).toBeCloseTo(stage.height, 6)
        expect(Math.max(picture.width / stage.width, picture.height / stage.height)).toBeCloseTo(1, 6)
      }),
    )
  })

  test('fills the stage while no frame has come', () => {
    expect(pictureIn({ width: 400, height: 300 }, { width: 0, height: 0 })).toEqual({ x: 0, y: 0, width: 400, height: 300 })
  })
})

describe('a box on the mirrored picture', () => {
  test('of a face on the right of the frame stands on the left of the picture', () => {
    const box = { x: 500, y: 100, width: 100, height: 120 }
    expect(mirrored(box, { width: 640, height: 480 }, { width: 320, height: 240 })).toEqual({ x: 20, y: 50, width: 50, height: 60 })
  })

  test('stays inside the picture as it was inside the frame, and mirrored twice it is itself again', () => {
    fc.assert(
      fc.property(size, size, part, (frame, stage, share) => {
        const picture = pictureIn(stage, frame)
        const box = boxIn(frame, share)
        const seen = mirrored(box, frame, picture)
        expect(within({ ...seen, x: seen.x + SLACK, y: seen.y + SLACK }, { width: picture.width + 3 * SLACK, height: picture.height + 3 * SLACK })).toBe(true)
        const back = mirrored(seen, picture, frame)
        for (const key of ['x', 'y', 'width', 'height'] as const) expect(Math.abs(back[key] - box[key])).toBeLessThan(SLACK * 4000)
      }),
    )
  })

  test('overlaps another exactly when the two overlap in the frame', () => {
    const frame = { width: 640, height: 480 }
    fc.assert(
      fc.property(fc.tuple(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 600 })), ([a, b]) => {
        const one = { x: a, y: 0, width: 40, height: 40 }
        const other = { x: b, y: 0, width: 40, height: 40 }
        expect(overlap(mirrored(one, frame, frame), mirrored(other, frame, frame))).toBe(Math.abs(a - b) < 40)
      }),
    )
  })
})
