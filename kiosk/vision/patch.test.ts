import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Pixels } from './align.ts'
import type { Box } from './face.ts'
import { cutPatch, followPatch } from './patch.ts'

const [WIDTH, HEIGHT] = [320, 240]

/** Smooth blotches: a picture with something to hold on to, another one for every seed; `x`, `y` is how far it is shifted. */
function blotches(seed: number, x = 0, y = 0, gain = 1, lift = 0): Pixels {
  const data = new Uint8ClampedArray(4 * WIDTH * HEIGHT)
  let state = seed
  const random = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const waves = Array.from({ length: 8 }, () => ({ fx: (random() - 0.5) / 3, fy: (random() - 0.5) / 3, phase: 2 * Math.PI * random() }))
  for (let row = 0; row < HEIGHT; row++) {
    for (let column = 0; column < WIDTH; column++) {
      const value = waves.reduce((sum, { fx, fy, phase }) => sum + Math.sin(fx * (column - x) + fy * (row - y) + phase), 0)
      data.fill(lift + gain * (128 + 18 * value), 4 * (row * WIDTH + column), 4 * (row * WIDTH + column) + 3)
    }
  }
  return { data, width: WIDTH, height: HEIGHT }
}

const BOX: Box = { x: 110, y: 70, width: 96, height: 96 }

describe('a patch', () => {
  it('is found again wherever it went within a quarter of its width, to within half a cell', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: -20, max: 20 }), fc.integer({ min: -20, max: 20 }), (seed, dx, dy) => {
        const { box, likeness } = followPatch(blotches(seed, dx, dy), cutPatch(blotches(seed), BOX), BOX)
        expect(likeness).toBeGreaterThan(0.85)
        expect(Math.hypot(box.x - BOX.x - dx, box.y - BOX.y - dy)).toBeLessThan(BOX.width / 24 / 2)
        expect([box.width, box.height]).toEqual([BOX.width, BOX.height])
      }),
      { numRuns: 15 },
    )
  })

  it('does not care for the light', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.double({ min: 0.4, max: 1, noNaN: true }), fc.integer({ min: 0, max: 20 }), (seed, gain, lift) => {
        expect(followPatch(blotches(seed, 4, 0, gain, lift), cutPatch(blotches(seed), BOX), BOX).likeness).toBeGreaterThan(0.85)
      }),
      { numRuns: 10 },
    )
  })

  it('is not found in another picture', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 51, max: 100 }), (seed, other) => {
        expect(followPatch(blotches(other), cutPatch(blotches(seed), BOX), BOX).likeness).toBeLessThan(0.8)
      }),
      { numRuns: 15 },
    )
  })

  it('of an even grey is like nothing, and nothing even is like a patch', () => {
    const even: Pixels = { data: new Uint8ClampedArray(4 * WIDTH * HEIGHT).fill(120), width: WIDTH, height: HEIGHT }
    expect(followPatch(blotches(1), cutPatch(even, BOX), BOX).likeness).toBeLessThan(1e-6)
    expect(followPatch(even, cutPatch(blotches(1), BOX), BOX).likeness).toBeLessThan(1e-6)
  })

  it('may hang over the edge of the frame', () => {
    for (const [x, y] of [[-40, -40], [280, 200], [-300, 900]] as const) {
      const box = { ...BOX, x, y }
      const followed = followPatch(blotches(3), cutPatch(blotches(3), box), box)
      expect(Number.isFinite(followed.likeness) && Number.isFinite(followed.box.x)).toBe(true)
    }
  })
})
