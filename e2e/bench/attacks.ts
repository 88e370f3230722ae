/**
 * Pictures held before a camera, made by arithmetic: a flat or bent sheet (print, or screen that plays a clip)
 * with a border moves through the space before a pinhole camera, over a room that stays; then sensor noise
 * and JPEG. What comes out looks like what a kiosk would see of a photo in somebody's hand. Made, not filmed:
 * a print's gloss, a real screen's moire and a hand's fingers are not in it. Knows pixels and geometry only.
 */
import type { Frame, Size } from '../clip.ts'
import { VGA, toJpeg } from '../clip.ts'

/** Deterministic numbers 0 to 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Where a sheet's centre is and how it is turned. Camera coordinates: x right, y down, z away; in widths of the face on the sheet. Degrees. */
export interface Pose {
  x: number
  y: number
  z: number
  yaw: number
  pitch: number
  roll: number
}

/** What is held up. Lengths in widths of the face. */
export interface Sheet {
  /** What it shows at a time in seconds: a print shows always the same. */
  picture: (at: number) => Frame
  /** Where the face is in the picture, its pixels. */
  face: { x: number; y: number; width: number }
  /** Part of the picture that is on the sheet, to each side of the face's centre; undefined: all there is. */
  cut: { left: number; right: number; up: number; down: number } | undefined
  /** Only what lies in the ellipse of the head: scissors went round it. */
  scissors?: boolean
  border: { width: number; colour: readonly [number, number, number] } | undefined
  /** Radius of the cylinder that it is bent to, standing axis; undefined: flat. */
  bend?: (at: number) => number
  /** Share by which its light swells and sinks, 0 to 1. */
  light?: (at: number) => number
}

export type Motion = (at: number) => Pose

/** Pinhole: pixels of focal length for a frame 640 wide; 53 degrees across, as a webcam's. */
const FOCAL = 640

/** A classroom's exposure, and how many moments of it are drawn: one for each ray of a pixel, in turns. */
const SHUTTER_SECONDS = 0.02
const MOMENTS = 4

/** Distance, in face widths, at which a face is `pixels` wide. */
export const distanceFor = (pixels: number): number => FOCAL / pixels

type Row = readonly [number, number, number]

interface Matrix {
  rows: readonly [Row, Row, Row]
}

function rotation({ yaw, pitch, roll }: Pose): Matrix {
  const [a, b, c] = [yaw, pitch, roll].map((degrees) => (degrees * Math.PI) / 180) as [number, number, number]
  const [ca, sa, cb, sb, cc, sc] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b), Math.cos(c), Math.sin(c)]
  // Roll in the sheet's own plane, then pitch about the level axis, then yaw about the upright one.
  return {
    rows: [
      [ca * cc + sa * sb * sc, -ca * sc + sa * sb * cc, sa * cb],
      [cb * sc, cb * cc, -sb],
      [-sa * cc + ca * sb * sc, sa * sc + ca * sb * cc, ca * cb],
    ],
  }
}

/** Where a point of the sheet stands before the camera, as the frame's pixel. */
function project(turn: Matrix, pose: Pose, bend: number | undefined, { width, height }: Size, u: number, v: number): { x: number; y: number } {
  const point = bend === undefined ? [u, v, 0] : [bend * Math.sin(u / bend), v, bend * (1 - Math.cos(u / bend))]
  const [x, y, z] = turn.rows.map((row) => row[0]! * point[0]! + row[1]! * point[1]! + row[2]! * point[2]!) as [number, number, number]
  const depth = Math.max(0.1, z + pose.z)
  return { x: width / 2 + (FOCAL * (x + pose.x)) / depth, y: height / 2 + (FOCAL * (y + pose.y)) / depth }
}

/** A sheet's place for the rays of a moment: its turn, and the camera in its coordinates. */
interface Placed {
  pose: Pose
  turn: Matrix
  ox: number
  oy: number
  oz: number
}

function place(pose: Pose): Placed {
  const turn = rotation(pose)
  const [[a, b, c], [d, e, f], [g, h, i]] = turn.rows
  return {
    pose,
    turn,
    ox: -(a * pose.x + d * pose.y + g * pose.z),
    oy: -(b * pose.x + e * pose.y + h * pose.z),
    oz: -(c * pose.x + f * pose.y + i * pose.z),
  }
}

/** The room with the sheet in it, moving while the shutter is open; no noise. */
function render(room: Frame, sheet: Sheet, motion: Motion, at: number): Frame {
  const { width, height } = room
  const data = new Uint8ClampedArray(room.data)
  const picture = sheet.picture(at)
  const { face } = sheet
  const moments = Array.from({ length: MOMENTS }, (_, k) => place(motion(at + (SHUTTER_SECONDS * k) / MOMENTS)))
  const bend = sheet.bend?.(at)
  const light = 1 + (sheet.light?.(at) ?? 0)
  const border = sheet.border?.width ?? 0
  const cut = sheet.cut ?? {
    left: face.x / face.width,
    right: (picture.width - face.x) / face.width,
    up: face.y / face.width,
    down: (picture.height - face.y) / face.width,
  }
  const paper = sheet.border?.colour ?? [0, 0, 0]
  let [red, green, blue] = [0, 0, 0]

  /** Sets the colour that a ray meets. @returns false: it misses the sheet. */
  function lookAt({ turn, ox, oy, oz }: Placed, px: number, py: number): boolean {
    const [[a, b, c], [d, e, f], [g, h, i]] = turn.rows
    const dx = (px - width / 2) / FOCAL
    const dy = (py - height / 2) / FOCAL
    const rx = a * dx + d * dy + g
    const ry = b * dx + e * dy + h
    const rz = c * dx + f * dy + i
    let u: number
    let v: number
    if (bend === undefined) {
      const s = -oz / rz
      if (!(s > 0)) return false
      u = ox + s * rx
      v = oy + s * ry
    } else {
      // A cylinder whose nearest line to the camera is the sheet's middle: x^2 + (z - bend)^2 = bend^2.
      const qa = rx * rx + rz * rz
      const qb = ox * rx + (oz - bend) * rz
      const root = qb * qb - qa * (ox * ox + (oz - bend) ** 2 - bend * bend)
      if (root < 0) return false
      const s = (-qb - Math.sqrt(root)) / qa
      if (!(s > 0)) return false
      u = bend * Math.atan2(ox + s * rx, bend - oz - s * rz)
      v = oy + s * ry
    }
    if (sheet.scissors && (u / 0.72) ** 2 + ((v + 0.05) / 1.02) ** 2 > 1) return false
    if (u < -cut.left - border || u > cut.right + border || v < -cut.up - border || v > cut.down + border) return false
    if (u < -cut.left || u > cut.right || v < -cut.up || v > cut.down) {
      ;[red, green, blue] = paper
      return true
    }
    const x = Math.min(Math.max(face.x + u * face.width - 0.5, 0), picture.width - 1.001)
    const y = Math.min(Math.max(face.y + v * face.width - 0.5, 0), picture.height - 1.001)
    const left = Math.floor(x)
    const top = Math.floor(y)
    const toRight = x - left
    const down = y - top
    const from = 4 * (top * picture.width + left)
    const under = from + 4 * picture.width
    const [w11, w10, w01, w00] = [toRight * down, (1 - toRight) * down, toRight * (1 - down), (1 - toRight) * (1 - down)]
    const pixels = picture.data
    red = light * (w00 * pixels[from]! + w01 * pixels[from + 4]! + w10 * pixels[under]! + w11 * pixels[under + 4]!)
    green = light * (w00 * pixels[from + 1]! + w01 * pixels[from + 5]! + w10 * pixels[under + 1]! + w11 * pixels[under + 5]!)
    blue = light * (w00 * pixels[from + 2]! + w01 * pixels[from + 6]! + w10 * pixels[under + 2]! + w11 * pixels[under + 6]!)
    return true
  }

  // The part of the frame that the sheet can touch: its outline, projected.
  let [minX, maxX, minY, maxY] = [width, 0, height, 0]
  for (let step = 0; step <= 12; step++) {
    const u = -cut.left - border + (step / 12) * (cut.left + cut.right + 2 * border)
    for (const v of [-cut.up - border, cut.down + border]) for (const { turn, pose } of moments) {
      const { x, y } = project(turn, pose, bend, room, u, v)
      minX = Math.min(minX, x - 2)
      maxX = Math.max(maxX, x + 2)
      minY = Math.min(minY, y - 2)
      maxY = Math.max(maxY, y + 2)
    }
  }
  // So many rays a side and pixel that no pixel of the picture is skipped.
  const rays = Math.min(5, Math.max(2, Math.ceil((0.8 * face.width * moments[0]!.pose.z) / FOCAL)))
  for (let row = Math.max(0, Math.floor(minY)); row < Math.min(height, maxY); row++) {
    for (let column = Math.max(0, Math.floor(minX)); column < Math.min(width, maxX); column++) {
      let [r, gr, bl, hits] = [0, 0, 0, 0]
      for (let k = 0; k < rays * rays; k++) {
        if (!lookAt(moments[k % MOMENTS]!, column + ((k % rays) + 0.5) / rays, row + (Math.floor(k / rays) + 0.5) / rays)) continue
        hits++
        r += red
        gr += green
        bl += blue
      }
      if (hits === 0) continue
      const share = hits / (rays * rays)
      const to = 4 * (row * width + column)
      data[to] = (1 - share) * data[to]! + (share * r) / hits
      data[to + 1] = (1 - share) * data[to + 1]! + (share * gr) / hits
      data[to + 2] = (1 - share) * data[to + 2]! + (share * bl) / hits
    }
  }
  return { data, width, height }
}

/** Standard normal, Box-Muller. */
function gauss(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** A camera's noise: independent in each frame, stronger where it is bright (shot noise), `sigma` levels at mid grey. */
function addNoise(frame: Frame, sigma: number, pool: Float32Array, random: () => number): void {
  let at = Math.floor(random() * pool.length)
  for (let i = 0; i < frame.data.length; i++) {
    if ((i & 3) === 3) continue
    if ((i & 4095) === 0) at = Math.floor(random() * pool.length)
    const value = frame.data[i]!
    frame.data[i] = value + sigma * Math.sqrt((value + 16) / 144) * pool[at]!
    at = at + 1 < pool.length ? at + 1 : 0
  }
}

export interface Shoot {
  room: Frame
  sheet: Sheet
  motion: Motion
  seconds: number
  fps: number
  /** Levels of 255 at mid grey. */
  noise: number
  jpegQuality: number
  random: () => number
}

/** The frames that a camera takes of it, as JPEG, `at` in milliseconds. */
export async function* film({ room, sheet, motion, seconds, fps, noise, jpegQuality, random }: Shoot): AsyncGenerator<{ at: number; jpeg: Buffer }> {
  // A pool of numbers, entered at random places: a million logarithms a frame would take longer than the rest.
  const pool = Float32Array.from({ length: 65_537 }, () => gauss(random))
  for (let i = 0; i < seconds * fps; i++) {
    const at = i / fps
    const frame = render(room, sheet, motion, at)
    addNoise(frame, noise, pool, random)
    yield { at: 1000 * at, jpeg: await toJpeg(frame, jpegQuality) }
  }
}

// ---------- how it is moved ----------

const wave = (at: number, hertz: number, phase: number): number => Math.sin(2 * Math.PI * (hertz * at + phase))

/** A smooth random walk between -1 and 1: three waves of different beats. */
function wander(random: () => number, hertz: number): (at: number) => number {
  const phases = [random(), random(), random()] as const
  return (at) => 0.5 * wave(at, hertz, phases[0]) + 0.3 * wave(at, 1.7 * hertz, phases[1]) + 0.2 * wave(at, 3.1 * hertz, phases[2])
}

/** The ways of moving a sheet whose face is `pixels` wide and `at` so many pixels from the frame's middle. */
export const MOTIONS = ['still', 'moved', 'tilted_sideways', 'tilted_up_down', 'rolled', 'zoomed', 'hand_jitter', 'waved'] as const
export type MotionName = (typeof MOTIONS)[number]

export function motionOf(name: MotionName, pixels: number, random: () => number): Motion {
  const z = distanceFor(pixels)
  const rest: Pose = { x: (random() - 0.5) * 1.5, y: (random() - 0.6) * 0.8, z, yaw: (random() - 0.5) * 10, pitch: (random() - 0.5) * 10, roll: (random() - 0.5) * 8 }
  const [beat, phase, other] = [0.25 + 0.5 * random(), random(), random()]
  const [a, b, c, d, e, f] = Array.from({ length: 6 }, () => wander(random, 0.6)) as [Walk, Walk, Walk, Walk, Walk, Walk]
  const tremor = Array.from({ length: 6 }, () => wander(random, 2.5)) as [Walk, Walk, Walk, Walk, Walk, Walk]
  const shake = (pose: Pose, at: number, much: number): Pose => ({
    x: pose.x + 0.02 * much * tremor[0](at),
    y: pose.y + 0.02 * much * tremor[1](at),
    z: pose.z * (1 + 0.005 * much * tremor[2](at)),
    yaw: pose.yaw + 1.2 * much * tremor[3](at),
    pitch: pose.pitch + 1.2 * much * tremor[4](at),
    roll: pose.roll + 0.6 * much * tremor[5](at),
  })
  switch (name) {
    case 'still':
      return () => rest
    case 'moved':
      return (at) => shake({ ...rest, x: rest.x + 0.9 * wave(at, beat, phase), y: rest.y + 0.35 * wave(at, 1.3 * beat, other) }, at, 1)
    case 'tilted_sideways':
      return (at) => shake({ ...rest, yaw: rest.yaw + 32 * wave(at, beat, phase) }, at, 1)
    case 'tilted_up_down':
      return (at) => shake({ ...rest, pitch: rest.pitch + 28 * wave(at, beat, phase) }, at, 1)
    case 'rolled':
      return (at) => shake({ ...rest, roll: rest.roll + 18 * wave(at, beat, phase) }, at, 1)
    case 'zoomed':
      return (at) => shake({ ...rest, z: z * (1 + 0.25 * wave(at, beat, phase)) }, at, 1)
    case 'hand_jitter':
      return (at) => shake(rest, at, 2.5)
    case 'waved':
      return (at) =>
        shake({ x: rest.x + 1.1 * a(at), y: rest.y + 0.5 * b(at), z: z * (1 + 0.3 * c(at)), yaw: rest.yaw + 35 * d(at), pitch: rest.pitch + 25 * e(at), roll: rest.roll + 20 * f(at) }, at, 1.5)
  }
}
type Walk = (at: number) => number

// ---------- where it is held ----------

/** A wall in uneven light with a few boards and cupboards: a room for when no clip brings its own. */
export function madeRoom(random: () => number, { width, height }: Size = VGA): Frame {
  const data = new Uint8ClampedArray(4 * width * height)
  const wall = [150 + 60 * random(), 150 + 60 * random(), 145 + 60 * random()] as const
  const slope = [(random() - 0.5) * 60, (random() - 0.5) * 60] as const
  const boxes = Array.from({ length: 5 }, () => ({
    x: random() * width,
    y: random() * height,
    width: width * (0.08 + 0.3 * random()),
    height: height * (0.08 + 0.4 * random()),
    colour: [random() * 220, random() * 220, random() * 220] as const,
  }))
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 4) {
      const light = slope[0] * (x / width - 0.5) + slope[1] * (y / height - 0.5)
      const box = boxes.find((one) => x >= one.x && x < one.x + one.width && y >= one.y && y < one.y + one.height)
      for (let channel = 0; channel < 3; channel++) data[i + channel] = (box?.colour[channel] ?? wall[channel]!) + light
      data[i + 3] = 255
    }
  }
  return { data, width, height }
}

/** A clip's room without its person: the columns between `left` and `right` are drawn over from both sides. */
export function emptied(frame: Frame, left: number, right: number): Frame {
  const data = new Uint8ClampedArray(frame.data)
  const [from, to] = [Math.max(0, Math.round(left)), Math.min(frame.width - 1, Math.round(right))]
  for (let y = 0; y < frame.height; y++) {
    const row = 4 * y * frame.width
    for (let x = from; x < to; x++) {
      const share = (x - from) / (to - from)
      for (let channel = 0; channel < 3; channel++) {
        data[row + 4 * x + channel] = (1 - share) * frame.data[row + 4 * from + channel]! + share * frame.data[row + 4 * to + channel]!
      }
    }
  }
  return { data, width: frame.width, height: frame.height }
}
