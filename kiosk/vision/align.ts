/**
 * Turns a face upright into a square crop of fixed size. Pure; knows points and pixels, no network.
 *
 * Coordinates are continuous: pixel i covers i to i + 1, its centre is i + 0.5.
 */

/** RGBA, 4 bytes a pixel, rows from the top. */
export interface Pixels {
  data: Uint8ClampedArray
  width: number
  height: number
}

export interface Point {
  x: number
  y: number
}

/** Turn, scale and shift: (x, y) -> (a x - b y + x0, b x + a y + y0). */
export interface Similarity {
  a: number
  b: number
  x0: number
  y0: number
}

/** Pixels of the side of an embedding network's crop. */
export const CROP_SIZE = 112

/**
 * Where the five points lie in the crop: eyes, nose tip, mouth corners, the person's right ones first.
 * The template of ArcFace (InsightFace, face_align.py), which the embedding network was trained on.
 */
export const TEMPLATE: readonly Point[] = [
  { x: 38.2946, y: 51.6963 },
  { x: 73.5318, y: 51.5014 },
  { x: 56.0252, y: 71.7366 },
  { x: 41.5493, y: 92.3655 },
  { x: 70.7299, y: 92.2041 },
]

export const apply = ({ a, b, x0, y0 }: Similarity, { x, y }: Point): Point => ({ x: a * x - b * y + x0, y: b * x + a * y + y0 })

/** Throws where the similarity shrinks everything to a point. */
export function invert({ a, b, x0, y0 }: Similarity): Similarity {
  const square = a * a + b * b
  if (!(square > 0)) throw new RangeError('a similarity of scale 0 has no inverse')
  const [c, d] = [a / square, -b / square]
  return { a: c, b: d, x0: -(c * x0 - d * y0), y0: -(d * x0 + c * y0) }
}

/**
 * The similarity without mirroring that brings `from` nearest to `to` (least squares; Umeyama, IEEE TPAMI
 * 13(4), 1991, which in the plane has this closed form). Throws where all of `from` is one point.
 */
export function similarityBetween(from: readonly Point[], to: readonly Point[]): Similarity {
  const centre = (points: readonly Point[]): Point => ({
    x: points.reduce((sum, { x }) => sum + x, 0) / points.length,
    y: points.reduce((sum, { y }) => sum + y, 0) / points.length,
  })
  const [p, q] = [centre(from), centre(to)]
  let [spread, along, across] = [0, 0, 0]
  for (const [i, point] of from.entries()) {
    const target = to[i]
    if (!target) throw new RangeError('both sides must have equally many points')
    const [px, py, qx, qy] = [point.x - p.x, point.y - p.y, target.x - q.x, target.y - q.y]
    spread += px * px + py * py
    along += px * qx + py * qy
    across += px * qy - py * qx
  }
  if (!(spread > 0)) throw new RangeError('the points are all the same')
  const [a, b] = [along / spread, across / spread]
  return { a, b, x0: q.x - (a * p.x - b * p.y), y0: q.y - (b * p.x + a * p.y) }
}

/** The similarity from the frame to a square crop of `size` pixels that shows `side` pixels around `centre`, turned by `angle` radians. */
export function squareAround(centre: Point, side: number, angle: number, size: number): Similarity {
  const scale = size / side
  const [a, b] = [scale * Math.cos(angle), -scale * Math.sin(angle)]
  return { a, b, x0: size / 2 - (a * centre.x - b * centre.y), y0: size / 2 - (b * centre.x + a * centre.y) }
}

/** Bilinear samples a side of a crop's pixel that shows `shrunk` pixels of the frame a side: no pixel is left out. */
const everyPixel = (shrunk: number): number => Math.max(1, Math.ceil(shrunk - 0.25))

/**
 * @param toCrop from the frame to the crop.
 * @param crop where to put it; default: a new one.
 * @returns size x size x 3 numbers 0 to 255, RGB. Bilinear; where the crop is smaller than what it
 * shows, the mean of evenly spread bilinear samples. Outside of the frame is black.
 */
export function warp({ data, width, height }: Pixels, toCrop: Similarity, size: number, crop = new Float32Array(size * size * 3), samplesOf = everyPixel): Float32Array {
  const { a, b, x0, y0 } = invert(toCrop)
  const samples = samplesOf(1 / Math.hypot(toCrop.a, toCrop.b))
  const step = 1 / samples
  const share = step * step
  for (let row = 0, out = 0; row < size; row++) {
    for (let column = 0; column < size; column++, out += 3) {
      let red = 0
      let green = 0
      let blue = 0
      for (let i = 0; i < samples; i++) {
        const v = row + (i + 0.5) * step
        const rowX = x0 - 0.5 - b * v
        const rowY = y0 - 0.5 + a * v
        for (let j = 0; j < samples; j++) {
          const u = column + (j + 0.5) * step
          const x = a * u + rowX
          const y = b * u + rowY
          const left = Math.floor(x)
          const top = Math.floor(y)
          const toRight = x - left
          const down = y - top
          // The four pixels around the sample; this loop runs a million times a frame, hence unrolled.
          if (left >= 0 && top >= 0 && left < width - 1 && top < height - 1) {
            const at = 4 * (top * width + left)
            const under = at + 4 * width
            const w11 = toRight * down
            const w10 = down - w11
            const w01 = toRight - w11
            const w00 = 1 - toRight - w10
            red += w00 * data[at]! + w01 * data[at + 4]! + w10 * data[under]! + w11 * data[under + 4]!
            green += w00 * data[at + 1]! + w01 * data[at + 5]! + w10 * data[under + 1]! + w11 * data[under + 5]!
            blue += w00 * data[at + 2]! + w01 * data[at + 6]! + w10 * data[under + 2]! + w11 * data[under + 6]!
          } else if (left >= -1 && top >= -1 && left < width && top < height) {
            for (let corner = 0; corner < 4; corner++) {
              const px = left + (corner & 1)
              const py = top + (corner >> 1)
              if (px < 0 || py < 0 || px >= width || py >= height) continue
              const weight = (corner & 1 ? toRight : 1 - toRight) * (corner >> 1 ? down : 1 - down)
              const at = 4 * (py * width + px)
              red += weight * data[at]!
              green += weight * data[at + 1]!
              blue += weight * data[at + 2]!
            }
          }
        }
      }
      crop[out] = share * red
      crop[out + 1] = share * green
      crop[out + 2] = share * blue
    }
  }
  return crop
}

/** How much of the crop lies outside of the frame, 0 to 1. */
export function shareOutside({ width, height }: { width: number; height: number }, toCrop: Similarity, size: number): number {
  const back = invert(toCrop)
  const steps = 16
  let outside = 0
  for (let row = 0; row < steps; row++) {
    for (let column = 0; column < steps; column++) {
      const { x, y } = apply(back, { x: ((column + 0.5) * size) / steps, y: ((row + 0.5) * size) / steps })
      if (x < 0 || y < 0 || x > width || y > height) outside++
    }
  }
  return outside / (steps * steps)
}
