/**
 * Real faces for the promises: people in the sample photos of the dev dependency @vladmandic/face-api,
 * and what is made of them. Two of the photos show the same woman on different evenings, so that nobody
 * here is recognised by the photo they were enrolled with. Boxes in pixels of the photo.
 */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import sharp from 'sharp'
import { HD, type Frame, type Size, VGA, drifting, held, photoOnCanvas, plainFrame, stillsToY4m } from './clip.ts'
import type { School } from './school.ts'

const ROOT = resolve(import.meta.dirname, '..')
const photo = (n: number): string => join(ROOT, `node_modules/@vladmandic/face-api/demo/sample${n}.jpg`)

export interface FaceInPhoto {
  file: string
  /** Centre and width of the face. */
  x: number
  y: number
  width: number
}

/** The same woman, twice. */
export const ANNA_ENROLLED: FaceInPhoto = { file: photo(3), x: 1168, y: 365, width: 247 }
export const ANNA_LATER: FaceInPhoto = { file: photo(1), x: 1553, y: 334, width: 174 }
/** Other people. */
export const BEA: FaceInPhoto = { file: photo(6), x: 364, y: 635, width: 220 }
export const CLEO: FaceInPhoto = { file: photo(5), x: 1181, y: 335, width: 199 }

const ROOM = { r: 138, g: 134, b: 128 }

/** An enrolment photo of one of them alone: a square three faces wide. */
export async function portrait({ file, x, y, width }: FaceInPhoto): Promise<Buffer> {
  const side = Math.round(width * 1.9)
  return sharp(file)
    .extract({ left: Math.max(0, Math.round(x - side / 2)), top: Math.max(0, Math.round(y - side / 2)), width: side, height: side })
    .jpeg({ quality: 95 })
    .toBuffer()
}

/** The face before an empty wall, so that no other guest of that evening is in the picture. */
export async function before(face: FaceInPhoto, o: { canvas?: Size; faceWidth?: number } = {}): Promise<Frame> {
  const side = Math.round(face.width * 1.9)
  return photoOnCanvas(await portrait(face), { canvas: o.canvas ?? VGA, faceWidth: o.faceWidth ?? 120, face: { x: side / 2, y: side / 2, width: face.width } })
}

/** A clip: for each person three seconds of them, then one of the empty room. 15 pictures a second; Chromium plays it in a loop. */
export async function clipOf(file: string, people: FaceInPhoto[], o: { canvas?: Size; faceWidth?: number } = {}): Promise<string> {
  const empty = plainFrame(o.canvas ?? VGA, ROOM)
  const frames: Frame[] = held(empty, 8)
  for (const person of people) frames.push(...drifting(await before(person, o), 45), ...held(empty, 15))
  await stillsToY4m(file, frames, 15)
  return file
}

/** Enrols through the encode command, as a school would: photos in, templates on the server. */
export async function enrolPhotos(school: School, people: Record<string, FaceInPhoto>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fastrackai-photos-'))
  try {
    await mkdir(folder, { recursive: true })
    for (const [studentId, face] of Object.entries(people)) await writeFile(join(folder, `${studentId}.jpg`), await portrait(face))
    const args = ['--import', 'tsx', 'kiosk/enrol/encode.ts', '--batch', folder, '--consent', 'I agree that my face is recognised in class.', '--server', school.url]
    // eslint-disable-next-line node/no-process-env -- the key goes by the environment, where no process list shows it
    const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...process.env, API_KEY: school.apiKey } })
    let printed = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (printed += text))
    const code = await new Promise((done) => child.once('close', done))
    if (code !== 0) throw new Error(`encode ended with ${code}:\n${printed}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export { HD, VGA }
