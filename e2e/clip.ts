/**
 * Films for Chromium's fake camera, made and read without ffmpeg: .y4m from pictures, pictures from .y4m
 * and .mjpeg. Knows pixels only; nothing of faces, browsers or the school.
 *
 * [Note: Studio range] Chromium shows every y4m as BT.601 in studio range (luma 16..235), whatever the file
 * says: measured with Chromium 156, luma 16 comes out of the camera as 0, 235 as 255. So that is what is
 * written, and read back.
 */
import { open, readFile } from 'node:fs/promises'
import sharp, { type Sharp } from 'sharp'

/** One picture: RGBA bytes, row by row. */
export interface Frame {
  data: Uint8ClampedArray
  width: number
  height: number
}

export interface Size {
  width: number
  height: number
}

/** The kiosk's usual camera. */
export const VGA: Size = { width: 640, height: 480 }
export const HD: Size = { width: 1280, height: 720 }

// ---------- pictures ----------

const GREY = { r: 128, g: 126, b: 122 }

/**
 * A photo placed on a camera's canvas so that the face in it is `faceWidth` pixels wide and its centre lies at
 * `at` (default: the middle). `face` says where the face is in the photo, in the photo's pixels (default: the
 * middle 40 % of its width, as in portraits cut around a face). What the photo does not cover is plain grey.
 */
export async function photoOnCanvas(
  photo: string | Buffer,
  o: { canvas?: Size; faceWidth: number; face?: { x: number; y: number; width: number }; at?: { x: number; y: number } },
): Promise<Frame> {
  const canvas = o.canvas ?? VGA
  const upright = await sharp(photo).rotate().removeAlpha().png({ compressionLevel: 0 }).toBuffer({ resolveWithObject: true })
  const face = o.face ?? { x: upright.info.width / 2, y: upright.info.height / 2, width: upright.info.width * 0.4 }
  const at = o.at ?? { x: canvas.width / 2, y: canvas.height / 2 }
  const scale = o.faceWidth / face.width
  const scaled = await sharp(upright.data)
    .resize(Math.max(1, Math.round(upright.info.width * scale)), Math.max(1, Math.round(upright.info.height * scale)), { fit: 'fill' })
    .png({ compressionLevel: 0 })
    .toBuffer({ resolveWithObject: true })
  // The part of the scaled photo that falls on the canvas: sharp refuses what hangs over the edge.
  const [x, y] = [Math.round(at.x - face.x * scale), Math.round(at.y - face.y * scale)]
  const [left, top] = [Math.max(0, -x), Math.max(0, -y)]
  const [width, height] = [Math.min(scaled.info.width - left, canvas.width - Math.max(0, x)), Math.min(scaled.info.height - top, canvas.height - Math.max(0, y))]
  const empty = sharp({ create: { ...canvas, channels: 3, background: GREY } })
  const seen = width > 0 && height > 0
  const part = seen ? [{ input: await sharp(scaled.data).extract({ left, top, width, height }).png({ compressionLevel: 0 }).toBuffer(), left: Math.max(0, x), top: Math.max(0, y) }] : []
  return fromSharp(empty.composite(part))
}

/** An empty room: plain, in one colour. Black by default, as with a covered lens. */
export function plainFrame(size: Size = VGA, colour: { r: number; g: number; b: number } = { r: 0, g: 0, b: 0 }): Frame {
  const data = new Uint8ClampedArray(size.width * size.height * 4)
  for (let i = 0; i < data.length; i += 4) data.set([colour.r, colour.g, colour.b, 255], i)
  return { data, width: size.width, height: size.height }
}

/** The same picture `times` times: a pause. */
export function held(frame: Frame, times: number): Frame[] {
  return Array.from({ length: times }, () => frame)
}

/** The picture drifting slowly to and fro by at most `reach` pixels, one round in `frames` frames; its edges are drawn out. A live camera is never quite still. */
export function drifting(frame: Frame, frames: number, reach = 4): Frame[] {
  return Array.from({ length: frames }, (_, i) => {
    const turn = (2 * Math.PI * i) / frames
    return shifted(frame, Math.round(reach * Math.sin(turn)), Math.round((reach / 2) * Math.sin(2 * turn)))
  })
}

function shifted(frame: Frame, dx: number, dy: number): Frame {
  const { width, height } = frame
  const from = new Uint32Array(frame.data.buffer, frame.data.byteOffset, width * height)
  const to = new Uint32Array(width * height)
  for (let y = 0; y < height; y++) {
    const row = Math.min(height - 1, Math.max(0, y - dy)) * width
    for (let x = 0; x < width; x++) to[y * width + x] = from[row + Math.min(width - 1, Math.max(0, x - dx))]!
  }
  return { data: new Uint8ClampedArray(to.buffer), width, height }
}

async function fromSharp(image: Sharp): Promise<Frame> {
  const { data, info } = await image.ensureAlpha().raw().toBuffer({ resolveWithObject: true })
  // Copied: small Buffers share one pool, and a pool's offset is not always a multiple of four.
  return { data: new Uint8ClampedArray(data), width: info.width, height: info.height }
}

/** A JPEG or PNG (file or bytes) as a picture. */
export async function readPicture(picture: string | Buffer): Promise<Frame> {
  return fromSharp(sharp(picture).rotate())
}

/** A picture as the bytes of a JPEG. */
export async function toJpeg(frame: Frame, quality = 92): Promise<Buffer> {
  return sharp(frame.data, { raw: { width: frame.width, height: frame.height, channels: 4 } }).removeAlpha().jpeg({ quality, chromaSubsampling: '4:4:4' }).toBuffer()
}

// ---------- y4m ----------

/** Writes pictures of one even size as a .y4m of `fps` pictures a second. Chromium keeps that rate, and starts over at the end. */
export async function stillsToY4m(file: string, images: Iterable<Frame> | AsyncIterable<Frame>, fps: number): Promise<void> {
  if (!(fps > 0)) throw new RangeError(`fps must be above 0, got ${fps}`)
  const out = await open(file, 'w')
  try {
    let size: Size | undefined
    let last: { frame: Frame; planes: Buffer } | undefined
    for await (const frame of images) {
      if (!size) {
        size = { width: frame.width, height: frame.height }
        if (size.width % 2 || size.height % 2) throw new RangeError(`A y4m needs even sides, got ${size.width} x ${size.height}`)
        await out.write(`YUV4MPEG2 W${size.width} H${size.height} F${Math.round(fps * 1000)}:1000 Ip A1:1 C420jpeg\n`)
      }
      if (frame.width !== size.width || frame.height !== size.height) {
        throw new RangeError(`All pictures of a clip must be ${size.width} x ${size.height}; one is ${frame.width} x ${frame.height}`)
      }
      if (last?.frame !== frame) last = { frame, planes: toPlanes(frame) }
      await out.write('FRAME\n')
      await out.write(last.planes)
    }
    if (!size) throw new RangeError('A clip needs at least one picture')
  } finally {
    await out.close()
  }
}

/** RGBA -> Y, U and V planes (4:2:0, BT.601, studio range; see [Note: Studio range]). */
function toPlanes({ data, width, height }: Frame): Buffer {
  const [luma, chroma] = [width * height, (width / 2) * (height / 2)]
  const planes = Buffer.alloc(luma + 2 * chroma)
  for (let i = 0; i < luma; i++) planes[i] = Math.round(16 + 0.25679 * data[i * 4]! + 0.50413 * data[i * 4 + 1]! + 0.09791 * data[i * 4 + 2]!)
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 2) {
      const at = (y * width + x) * 4
      const below = at + width * 4
      const r = data[at]! + data[at + 4]! + data[below]! + data[below + 4]!
      const g = data[at + 1]! + data[at + 5]! + data[below + 1]! + data[below + 5]!
      const b = data[at + 2]! + data[at + 6]! + data[below + 2]! + data[below + 6]!
      const i = luma + (y / 2) * (width / 2) + x / 2
      planes[i] = Math.round(128 + (-0.14822 * r - 0.29099 * g + 0.43922 * b) / 4)
      planes[i + chroma] = Math.round(128 + (0.43922 * r - 0.36779 * g - 0.07143 * b) / 4)
    }
  }
  return planes
}

function toFrame(planes: Buffer, { width, height }: Size): Frame {
  const [luma, across] = [width * height, Math.ceil(width / 2)]
  const chroma = across * Math.ceil(height / 2)
  const data = new Uint8ClampedArray(luma * 4)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const c = luma + (y >> 1) * across + (x >> 1)
      const l = 1.16438 * (planes[y * width + x]! - 16)
      const u = planes[c]! - 128
      const v = planes[c + chroma]! - 128
      const at = (y * width + x) * 4
      data[at] = l + 1.59603 * v
      data[at + 1] = l - 0.39176 * u - 0.81297 * v
      data[at + 2] = l + 2.01723 * u
      data[at + 3] = 255
    }
  }
  return { data, width, height }
}

/** Reads every `everyN`th picture of a .y4m (4:2:0, 8 bit), first one first, as the camera will show it. Throws an Error that names the fault. */
export async function* readY4m(file: string, everyN = 1): AsyncGenerator<Frame> {
  if (!Number.isInteger(everyN) || everyN < 1) throw new RangeError(`everyN must be a whole number above 0, got ${everyN}`)
  const source = await open(file)
  try {
    let at = 0
    const line = async (): Promise<string | undefined> => {
      const { buffer, bytesRead } = await source.read(Buffer.alloc(512), 0, 512, at)
      const end = buffer.subarray(0, bytesRead).indexOf(0x0a)
      if (bytesRead === 0) return undefined
      if (end < 0) throw new Error(`${file}: a header line of this .y4m does not end`)
      at += end + 1
      return buffer.toString('latin1', 0, end)
    }
    const header = (await line().catch(() => undefined)) ?? ''
    if (!header.startsWith('YUV4MPEG2 ')) throw new Error(`${file} is not a .y4m: it does not start with YUV4MPEG2`)
    const tag = (letter: string) => header.split(' ').find((word) => word.startsWith(letter))?.slice(1)
    const size = { width: Number(tag('W')), height: Number(tag('H')) }
    if (!(size.width > 0 && size.height > 0)) throw new Error(`${file}: the .y4m gives no size (W and H)`)
    const colour = header.split(' ').slice(1).find((word) => /^C\d|^Cmono/.test(word))?.slice(1) ?? '420jpeg'
    if (!['420', '420jpeg', '420mpeg2', '420paldv'].includes(colour)) throw new Error(`${file}: colour ${colour} is not read here; make it 4:2:0 with 8 bits`)
    const length = size.width * size.height + 2 * Math.ceil(size.width / 2) * Math.ceil(size.height / 2)
    for (let index = 0; ; index++) {
      const start = await line()
      if (start === undefined) break
      if (!/^FRAME( |$)/.test(start)) throw new Error(`${file}: picture ${index} does not start with FRAME`)
      if (index % everyN === 0) {
        const planes = Buffer.alloc(length)
        const { bytesRead } = await source.read(planes, 0, length, at)
        if (bytesRead < length) throw new Error(`${file} ends within picture ${index}`)
        yield toFrame(planes, size)
      }
      at += length
    }
  } finally {
    await source.close()
  }
}

// ---------- mjpeg ----------

const [SOI, EOI, SOS] = [0xd8, 0xd9, 0xda]
/** Markers without a length: TEM and the restarts. */
const standsAlone = (marker: number) => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)

/** Where each whole JPEG of an .mjpeg lies. Walks the markers, for a thumbnail inside a JPEG ends like one. */
function* jpegSpans(clip: Buffer): Generator<[start: number, end: number]> {
  let start = clip.indexOf(Buffer.from([0xff, SOI]))
  while (start >= 0) {
    const end = endOfJpeg(clip, start)
    if (end !== undefined) yield [start, end]
    start = clip.indexOf(Buffer.from([0xff, SOI]), end ?? start + 2)
  }
}

/** The position after the JPEG that starts at `start`; undefined when it is cut off or is none. */
function endOfJpeg(clip: Buffer, start: number): number | undefined {
  let at = start + 2
  while (at + 1 < clip.length) {
    if (clip[at] !== 0xff) return undefined
    const marker = clip[at + 1]!
    if (marker === EOI) return at + 2
    if (marker === 0xff) at += 1
    else if (standsAlone(marker)) at += 2
    else if (at + 3 >= clip.length) return undefined
    else {
      at += 2 + clip.readUInt16BE(at + 2)
      // After a scan's header come coded bytes up to the next real marker (0xff00 is a coded 0xff).
      if (marker === SOS) while (at + 1 < clip.length && !(clip[at] === 0xff && clip[at + 1] !== 0 && !standsAlone(clip[at + 1]!))) at += 1
    }
  }
  return undefined
}

/** Every `everyN`th picture of an .mjpeg (file or bytes) as the JPEG it is, first one first. A picture that is cut off is left out. */
export async function cutFrames(clip: string | Buffer, everyN = 1): Promise<Buffer[]> {
  if (!Number.isInteger(everyN) || everyN < 1) throw new RangeError(`everyN must be a whole number above 0, got ${everyN}`)
  const bytes = typeof clip === 'string' ? await readFile(clip) : clip
  const frames: Buffer[] = []
  let index = 0
  for (const [start, end] of jpegSpans(bytes)) if (index++ % everyN === 0) frames.push(bytes.subarray(start, end))
  return frames
}

/** Every `everyN`th picture of a clip of either kind, decoded. */
export async function* readClip(file: string, everyN = 1): AsyncGenerator<Frame> {
  if (file.toLowerCase().endsWith('.y4m')) return yield* readY4m(file, everyN)
  for (const jpeg of await cutFrames(file, everyN)) yield await readPicture(jpeg)
}
