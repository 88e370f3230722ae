import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Quality } from './face.ts'
import { REASONS } from './face.ts'
import { LIMITS, luma, refuse, sharpness } from './quality.ts'

const good: Quality = { width: 100, brightness: 120, sharpness: 100, yaw: 0, pitch: 0, roll: 0, presence: 1 }

describe('the quality gate', () => {
  it('lets a good face through', () => {
    expect(refuse(good, 0)).toBeUndefined()
  })

  it.each([
    ['not_a_face', { presence: 0.5 }, 0],
    ['cut_off', {}, 0.5],
    ['too_small', { width: LIMITS.width - 1 }, 0],
    ['too_dark', { brightness: LIMITS.dark - 1 }, 0],
    ['too_bright', { brightness: LIMITS.bright + 1 }, 0],
    ['looks_away', { yaw: -60 }, 0],
    ['looks_away', { pitch: 60 }, 0],
    ['blurred', { sharpness: LIMITS.sharpness / 2 }, 0],
  ] as const)('refuses a face as %s that has %o and %d of it outside', (reason, worse, outside) => {
    expect(refuse({ ...good, ...worse }, outside)).toBe(reason)
  })

  it('names the first reason in the order of REASONS', () => {
    const faults: [(typeof REASONS)[number], Partial<Quality>][] = [
      ['not_a_face', { presence: 0 }],
      ['too_small', { width: 5 }],
      ['too_dark', { brightness: 1 }],
      ['looks_away', { yaw: 80 }],
      ['blurred', { sharpness: 0 }],
    ]
    fc.assert(
      fc.property(fc.subarray(faults, { minLength: 1 }), (some) => {
        expect(refuse(Object.assign({}, good, ...some.map(([, worse]) => worse)) as Quality, 0)).toBe(some[0]?.[0])
      }),
    )
  })

  it('refuses what is no number', () => {
    expect(refuse({ ...good, presence: Number.NaN }, 0)).toBe('not_a_face')
  })

  it('never refuses a face for leaning: alignment turns it upright', () => {
    fc.assert(fc.property(fc.double({ min: -180, max: 180, noNaN: true }), (roll) => {
      expect(refuse({ ...good, roll }, 0)).toBeUndefined()
    }))
  })
})

describe('sharpness', () => {
  const grey = fc.uint8Array({ minLength: 256, maxLength: 256 }).map((bytes) => Float32Array.from(bytes))

  it('does not see brightness, only differences', () => {
    fc.assert(
      fc.property(grey, fc.integer({ min: -100, max: 100 }), (picture, more) => {
        expect(sharpness(picture.map((value) => value + more), 16)).toBeCloseTo(sharpness(picture, 16), 1)
      }),
    )
  })

  it('of an even picture is zero', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 255 }), (value) => {
      expect(sharpness(new Float32Array(256).fill(value), 16)).toBe(0)
    }))
  })

  it('is a quarter for half the contrast', () => {
    fc.assert(fc.property(grey, (picture) => {
      expect(4 * sharpness(picture.map((value) => value / 2), 16)).toBeCloseTo(sharpness(picture, 16), 1)
    }))
  })
})

describe('luma', () => {
  it('of grey is that grey', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 255 }), (value) => {
      expect(luma(new Float32Array(3).fill(value))[0]).toBeCloseTo(value, 3)
    }))
  })
})

describe('a covered face', () => {
  it('is refused with what is covered, after every fault that would make the measurement doubtful', () => {
    for (const covered of ['mouth_covered', 'eyes_covered'] as const) {
      expect(refuse({ ...good, covered }, 0)).toBe(covered)
      expect(refuse({ ...good, covered, sharpness: 0 }, 0)).toBe('blurred')
      expect(refuse({ ...good, covered, presence: 0.5 }, 0)).toBe('not_a_face')
    }
  })
})
