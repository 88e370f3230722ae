/** Is a face good enough to be embedded? Pure; knows points and pixels, no network. */
import { CROP_SIZE } from './align.ts'
import type { Box, Quality, Reason } from './face.ts'
import type { Mesh } from './mesh.ts'
import { at } from './mesh.ts'

/** Points of the canonical face model: outer eye corners, top of the forehead, chin. */
const RIGHT_EYE_CORNER = 33
const LEFT_EYE_CORNER = 263
const FOREHEAD = 10
const CHIN = 152

const degrees = (radians: number): number => (radians * 180) / Math.PI

/** Luma (Rec. 601) of a size x size x 3 crop. */
export function luma(crop: Float32Array): Float32Array {
  const grey = new Float32Array(crop.length / 3)
  for (let i = 0; i < grey.length; i++) grey[i] = 0.299 * (crop[3 * i] ?? 0) + 0.587 * (crop[3 * i + 1] ?? 0) + 0.114 * (crop[3 * i + 2] ?? 0)
  return grey
}

const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) of a square grey picture. */
export function sharpness(grey: Float32Array, size: number): number {
  let [sum, squares, count] = [0, 0, 0]
  for (let row = 1; row < size - 1; row++) {
    for (let column = 1; column < size - 1; column++) {
      const i = row * size + column
      const value = (grey[i - 1] ?? 0) + (grey[i + 1] ?? 0) + (grey[i - size] ?? 0) + (grey[i + size] ?? 0) - 4 * (grey[i] ?? 0)
      sum += value
      squares += value * value
      count++
    }
  }
  return squares / count - (sum / count) ** 2
}

export function pose({ points }: Mesh): Pick<Quality, 'yaw' | 'pitch' | 'roll'> {
  const [right, left, top, chin] = [at(points, RIGHT_EYE_CORNER), at(points, LEFT_EYE_CORNER), at(points, FOREHEAD), at(points, CHIN)]
  const across = Math.hypot(left.x - right.x, left.y - right.y)
  const down = Math.hypot(chin.x - top.x, chin.y - top.y)
  return {
    yaw: degrees(Math.atan2(left.z - right.z, across)),
    pitch: degrees(Math.atan2(chin.z - top.z, down)),
    roll: degrees(Math.atan2(left.y - right.y, left.x - right.x)),
  }
}

export function measure(box: Box, mesh: Mesh, crop: Float32Array): Quality {
  const grey = luma(crop)
  return { width: box.width, brightness: mean(grey), sharpness: sharpness(grey, CROP_SIZE), ...pose(mesh), presence: mesh.presence }
}

/** @param outside how much of the crop lies outside of the frame, 0 to 1. @returns why the face is not to be embedded; undefined: it is good. */
export function refuse(_quality: Quality, _outside: number): Reason | undefined {
  return undefined
}
