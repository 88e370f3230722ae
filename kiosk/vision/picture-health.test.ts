import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BLACK_AFTER_MS, FROZEN_AFTER_MS, SAMPLE, type PictureHealth, watchPictures } from './picture-health.ts'

const PIXELS = SAMPLE.width * SAMPLE.height

/** A picture by the grey of each of its pixels. */
function picture(grey: (pixel: number) => number): Uint8ClampedArray {
  const rgba = new Uint8ClampedArray(PIXELS * 4)
  for (let i = 0; i < PIXELS; i++) rgba.set([grey(i), grey(i), grey(i), 255], i * 4)
  return rgba
}

const room = (i: number): number => 40 + ((i * 37) % 180)
/** A room as a sensor sees it: at each moment some pixel is another. */
const noisy = (moment: number): Uint8ClampedArray => picture((i) => room(i) + (i === moment % PIXELS ? 1 + Math.floor(moment / PIXELS) : 0))

/** One picture a second. */
function watch(pictures: (Uint8ClampedArray | undefined)[], everyMs = 1_000): (PictureHealth['state'] | undefined)[] {
  const watching = watchPictures()
  return pictures.map((one, i) => one && watching.add(one, i * everyMs).state)
}

const many = (times: number, of: (moment: number) => Uint8ClampedArray | undefined) => Array.from({ length: times }, (_, i) => of(i))

describe('the picture of a camera', () => {
  it('is live for as long as a pixel of it changes, however little', () => {
    expect(new Set(watch(many(300, noisy)))).toEqual(new Set(['live']))
  })

  it('is black when nothing is seen for some seconds, whatever the noise of a covered sensor, and live with the first light', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 32 }), fc.infiniteStream(fc.integer({ min: 0, max: 255 })), (gain, noise) => {
        const covered = (): Uint8ClampedArray => picture(() => ((noise.next().value ?? 0) * gain) / 255)
        const told = watch([...many(3, noisy), ...many(9, covered), noisy(50)])
        const dark = BLACK_AFTER_MS / 1_000
        expect(told).toEqual([...many(3 + dark, () => undefined).map(() => 'live'), ...many(9 - dark, () => undefined).map(() => 'black'), 'live'])
      }),
      { numRuns: 20 },
    )
  })

  it('is not black where a small lamp is seen in the dark', () => {
    expect(watch(many(30, (moment) => picture((i) => (i < PIXELS * 0.03 ? 120 + (moment % 3) : 4)))).at(-1)).toBe('live')
  })

  it('is black, too, when all of it is one colour, as a broken cable shows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 252 }), (colour) => {
        expect(watch(many(10, (moment) => picture((i) => colour + ((i + moment) % 3)))).at(-1)).toBe('black')
      }),
    )
  })

  it('is frozen when it comes again to the bit for half a minute, and live with the first pixel that changes', () => {
    const told = watch([...many(5, noisy), ...many(60, () => noisy(900)), noisy(901)])
    // The first of the sixty is new; the second is the first that came again.
    const frozenFrom = 5 + FROZEN_AFTER_MS / 1_000
    expect(told.indexOf('frozen')).toBe(frozenFrom)
    expect(new Set(told.slice(frozenFrom, -1))).toEqual(new Set(['frozen']))
    expect(told.at(-1)).toBe('live')
  })

  it('is not frozen by a film that holds a still for half a minute less a second, again and again', () => {
    const still = FROZEN_AFTER_MS / 1_000
    expect(new Set(watch(many(still * 4, (moment) => noisy(Math.floor(moment / still)))))).toEqual(new Set(['live']))
  })

  it('is not judged by time in which nobody watched', () => {
    const watching = watchPictures()
    const black = picture(() => 0)
    for (const at of [0, 4_000, 604_000, 608_000]) expect(watching.add(black, at).state).toBe('live')
    const still = watchPictures()
    for (const at of [0, 9_000, 900_000, 909_000, 918_000]) expect(still.add(noisy(7), at).state).toBe('live')
  })

  it('says for how long it has been at fault, and that it is not', () => {
    const watching = watchPictures()
    const faulty = many(8, () => picture(() => 0)).map((one, i) => watching.add(one!, i * 1_000).faultyMs)
    expect(faulty).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((seconds) => seconds * 1_000))
    expect(watching.add(noisy(1), 8_000).faultyMs).toBe(0)
  })
})
