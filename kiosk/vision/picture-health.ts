/**
 * What a camera's pictures say of the camera itself: whether it shows a room, shows nothing, or shows the same
 * picture for ever. Pure; looks at a few thousand pixels of a picture now and then, keeps two of them, and tells nobody.
 *
 * [Note: Two pictures are never the same] A sensor is never quiet: of a wall at noon two pictures differ in some of
 * 2,304 pixels, taken as they are, not averaged. So a picture that comes again to the bit, for half a minute, is a
 * driver's that hangs. Films in tests hold stills for seconds, and a coder may repeat blocks of an empty room: that is
 * why it takes so long, why it ends with the first changed pixel, and why frames are handed out all the while.
 */

/** Pixels of a picture that are looked at. */
export const SAMPLE = { width: 64, height: 36 }

/** Luma, 0 to 255, up to which a pixel is dark: a covered sensor's noise at full gain. Not measured on a Pi's camera. */
const DARK = 32
/** Where more than this share of the pixels is brighter, something is to be seen: a window, a lamp, a screen. */
const LIT_SHARE = 0.02
/** Luma between a picture's darkest and brightest pixel, up to which it is of one colour: no lens shows that, a broken cable does. */
const ONE_COLOUR = 3

/** So long nothing may be seen before it is said, ms: somebody may pass close by. */
export const BLACK_AFTER_MS = 5_000
/** So long a picture may come again and again before it is said, ms. The camera is started again 5 s earlier, which mends most. */
export const FROZEN_AFTER_MS = 35_000
/** Pictures further apart were not watched between: a hidden page, a camera that was away. */
const UNWATCHED_MS = 10_000

export interface PictureHealth {
  state: 'live' | 'black' | 'frozen'
  /** Milliseconds for which there has been nothing to see, or always the same. */
  faultyMs: number
}

export interface PictureWatch {
  /**
   * @param pixels RGBA of a picture's SAMPLE; read, not kept
   * @param at ms of any clock that never goes back
   */
  add(pixels: ArrayLike<number>, at: number): PictureHealth
}

export function watchPictures(): PictureWatch {
  let newest = new Uint8Array()
  let newestAt = -Infinity
  /** Since when there is nothing to see, and since when the picture is the same; undefined: it is not so. */
  let nothingSince: number | undefined
  let sameSince: number | undefined
  return {
    add(pixels, at) {
      const luma = lumaOf(pixels)
      const watched = at - newestAt <= UNWATCHED_MS
      nothingSince = showsNothing(luma) ? (watched ? (nothingSince ?? at) : at) : undefined
      sameSince = watched && same(luma, newest) ? (sameSince ?? newestAt) : undefined
      newest = luma
      newestAt = at
      const nothingMs = nothingSince === undefined ? 0 : at - nothingSince
      const sameMs = sameSince === undefined ? 0 : at - sameSince
      // A covered lens gives the same black again and again: what helps there is to uncover it.
      const state = nothingMs >= BLACK_AFTER_MS ? 'black' : sameMs >= FROZEN_AFTER_MS ? 'frozen' : 'live'
      return { state, faultyMs: Math.max(nothingMs, sameMs) }
    },
  }
}

/** The pixels of a picture that are looked at, as they are: averaged, they would lose the noise that tells a living picture from a frozen one. */
export function samplePixels({ data, width, height }: { data: Uint8ClampedArray; width: number; height: number }): Uint8ClampedArray {
  const sample = new Uint8ClampedArray(4 * SAMPLE.width * SAMPLE.height)
  for (let y = 0; y < SAMPLE.height; y++) {
    const row = Math.floor(((y + 0.5) * height) / SAMPLE.height) * width
    for (let x = 0; x < SAMPLE.width; x++) {
      const at = 4 * (row + Math.floor(((x + 0.5) * width) / SAMPLE.width))
      sample.set(data.subarray(at, at + 4), 4 * (y * SAMPLE.width + x))
    }
  }
  return sample
}

function lumaOf(pixels: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const luma = new Uint8Array(pixels.length / 4)
  for (let i = 0; i < luma.length; i++) luma[i] = 0.299 * pixels[i * 4]! + 0.587 * pixels[i * 4 + 1]! + 0.114 * pixels[i * 4 + 2]!
  return luma
}

function showsNothing(luma: Uint8Array): boolean {
  let [lit, lowest, highest] = [0, 255, 0]
  for (const value of luma) {
    if (value > DARK) lit += 1
    if (value < lowest) lowest = value
    if (value > highest) highest = value
  }
  return lit <= luma.length * LIT_SHARE || highest - lowest <= ONE_COLOUR
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((value, i) => value === other[i])
}
