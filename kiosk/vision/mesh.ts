/** One face of the frame -> 468 points and the belief that it is a face. Knows one network. */
import type { Pixels, Point, Similarity } from './align.ts'
import { apply, invert, squareAround, warp } from './align.ts'
import type { Detection } from './detection.ts'
import type { Box } from './face.ts'
import type { Network } from './networks.ts'
import { run } from './networks.ts'

const MESH_SIZE = 192
const MESH_POINTS = 468

/** How much wider than the face the network wants its picture (MediaPipe's face_landmark graphs). */
const MARGIN = 1.5

/** Points by their numbers in MediaPipe's canonical face model; "right" is the person's right. */
const RIGHT_EYE = [33, 133] as const
const LEFT_EYE = [362, 263] as const
const NOSE_TIP = 1
const RIGHT_MOUTH_CORNER = 61
const LEFT_MOUTH_CORNER = 291

export interface Point3 extends Point {
  /** In the same unit as x and y, smaller is nearer to the camera. */
  z: number
}

export interface Mesh {
  /** 468, pixels of the frame. */
  points: Point3[]
  /** 0 to 1. */
  presence: number
}

/** One picture for every face, and not one of 440 kB each: what is made anew 15 times a second is garbage as often. */
const crop = new Float32Array(3 * MESH_SIZE * MESH_SIZE)

/** The points of a face lie no better for seeing every pixel of a shrunk picture, and it takes four times as long: 3.1 ms for a face 200 pixels wide. */
const everyOtherPixel = (shrunk: number): number => Math.max(1, Math.ceil(shrunk / 2 - 0.25))

function meshIn(network: Network, pixels: Pixels, toCrop: Similarity): Mesh {
  warp(pixels, toCrop, MESH_SIZE, crop, everyOtherPixel)
  for (let i = 0; i < crop.length; i++) crop[i]! /= 255
  const [flat, flag] = run(network, crop, MESH_SIZE, ['Identity_2', 'Identity_1'])
  if (!flat || !flag || flat.length !== 3 * MESH_POINTS) throw new Error('the mesh network gave no 468 points')
  const back = invert(toCrop)
  const scale = Math.hypot(back.a, back.b)
  const points = Array.from({ length: MESH_POINTS }, (_, i): Point3 => {
    const { x, y } = apply(back, { x: flat[3 * i] ?? 0, y: flat[3 * i + 1] ?? 0 })
    return { x, y, z: scale * (flat[3 * i + 2] ?? 0) }
  })
  return { points, presence: flag[0] ?? 0 }
}

const angleOf = (from: Point, to: Point): number => Math.atan2(to.y - from.y, to.x - from.x)

/** The square that MediaPipe cuts around a detected face: 1.5 times its longer side, eyes level. */
function aroundDetection({ box, rightEye, leftEye }: Detection): Similarity {
  const centre = { x: box.x + box.width / 2, y: box.y + box.height / 2 }
  return squareAround(centre, MARGIN * Math.max(box.width, box.height), angleOf(rightEye, leftEye), MESH_SIZE)
}

/** The same square around a mesh: independent of where the detector put its box. */
function aroundMesh(points: readonly Point3[]): Similarity {
  const [right, left] = [middle(points, RIGHT_EYE), middle(points, LEFT_EYE)]
  const angle = angleOf(right, left)
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  let [minU, maxU, minV, maxV] = [Infinity, -Infinity, Infinity, -Infinity]
  for (const { x, y } of points) {
    const [u, v] = [cos * x + sin * y, cos * y - sin * x]
    minU = Math.min(minU, u)
    maxU = Math.max(maxU, u)
    minV = Math.min(minV, v)
    maxV = Math.max(maxV, v)
  }
  const [u, v] = [(minU + maxU) / 2, (minV + maxV) / 2]
  return squareAround({ x: cos * u - sin * v, y: sin * u + cos * v }, MARGIN * Math.max(maxU - minU, maxV - minV), angle, MESH_SIZE)
}

function middle(points: readonly Point3[], indices: readonly number[]): Point {
  const sum = indices.reduce((total, i) => ({ x: total.x + at(points, i).x, y: total.y + at(points, i).y }), { x: 0, y: 0 })
  return { x: sum.x / indices.length, y: sum.y / indices.length }
}

export function at(points: readonly Point3[], index: number): Point3 {
  const point = points[index]
  if (!point) throw new RangeError(`a mesh has no point ${index}`)
  return point
}

/**
 * Two passes: the second one looks where the first one found the face, so that the alignment depends
 * little on which detector drew the box. Measured on LFW with boxes moved by up to 6 % and scaled by up to
 * 10 %: cosine between the embeddings 0.998 on average and 0.974 at worst, against 0.995 and 0.940 after one
 * pass; costs one more run of the network. A third one (with a closer crop) was no better on average.
 */
export function findMesh(network: Network, pixels: Pixels, near: Detection | Float32Array, passes: number): Mesh {
  let mesh = meshIn(network, pixels, near instanceof Float32Array ? aroundMesh(pointsOf(near)) : aroundDetection(near))
  for (let pass = 1; pass < passes; pass++) mesh = meshIn(network, pixels, aroundMesh(mesh.points))
  return mesh
}

function pointsOf(flat: Float32Array): Point3[] {
  return Array.from({ length: flat.length / 3 }, (_, i) => ({ x: flat[3 * i]!, y: flat[3 * i + 1]!, z: flat[3 * i + 2]! }))
}

/** The box around a mesh's points (468 x 3 numbers). */
export function boxAround(landmarks: Float32Array): Box {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity]
  for (let i = 0; i + 1 < landmarks.length; i += 3) {
    left = Math.min(left, landmarks[i]!)
    right = Math.max(right, landmarks[i]!)
    top = Math.min(top, landmarks[i + 1]!)
    bottom = Math.max(bottom, landmarks[i + 1]!)
  }
  return { x: left, y: top, width: right - left, height: bottom - top }
}

/** Eyes, nose tip, mouth corners, in the order of align.ts TEMPLATE. */
export function fivePoints({ points }: Mesh): Point[] {
  return [middle(points, RIGHT_EYE), middle(points, LEFT_EYE), at(points, NOSE_TIP), at(points, RIGHT_MOUTH_CORNER), at(points, LEFT_MOUTH_CORNER)]
}

/** The first run of a network compiles it; better before the first face. */
export function warmMesh(network: Network): void {
  meshIn(network, { data: new Uint8ClampedArray(4), width: 1, height: 1 }, squareAround({ x: 0, y: 0 }, MESH_SIZE, 0, MESH_SIZE))
}
