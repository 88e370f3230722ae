/**
 * `npm run calibrate -- --images DIR [--without FILE.csv] [--model ID]`: measures how near two different people
 * come under an embedding model -> kiosk/models/calibration/<model>.json, which the app sets its acceptance
 * scores by. What is kept are a mean over hundreds of people and a few points of a distribution: no
 * photo, no embedding, no name.
 *
 * Protocol: DIR holds a folder of photos for each person; the face over a photo's centre is theirs. Each photo is
 * embedded as the app enrols it (mean of crop and mirror image), then its smaller copies, whose faces are as
 * wide as a classroom camera shows them: scaled (Lanczos), JPEG quality 70, on plain grey. The share of pairs of two people
 * that come nearer than a score is counted between photos as they are and the copies of each width.
 */
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { parse } from 'csv-parse/sync'
import sharp, { type Sharp } from 'sharp'
import { DEFAULT_MODEL, EMBEDDING_LENGTH, ModelId } from '#contract/model'
import type { Pixels } from '../vision/align.ts'
import { embeddingOfPhoto, faceOverCentre } from '../vision/photo.ts'
import type { NodeVision } from '../vision/node.ts'
import { openNodeVision } from '../vision/node.ts'
import { makeModels } from './make.ts'

const USAGE = `npm run calibrate -- --images DIR [--without FILE.csv] [--model ID]

  --images DIR        a folder of photos for each person, DIR/PERSON/*.jpg
  --without FILE.csv  people left out (column name), so that figures can be measured on them
  --model ID          ${Object.keys(EMBEDDING_LENGTH).join(', ')} (default ${DEFAULT_MODEL})`

/** Pixels of a face's box in the smaller copies. */
const WIDTHS = [72, 56, 44]
/** Shares for which the score is kept; each must be reached by this many pairs, or it is chance. */
const RATES = [1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 6e-5, 3e-5, 1e-5]
const LEAST_PAIRS = 10

interface Face {
  person: string
  width: number
  template: Float32Array
}

async function pixelsOf(picture: Sharp): Promise<Pixels> {
  const { data, info } = await picture.rotate().ensureAlpha().raw().toBuffer({ resolveWithObject: true })
  return { data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.length), width: info.width, height: info.height }
}

async function centralFace(vision: NodeVision, person: string, pixels: Pixels): Promise<Face | undefined> {
  const face = faceOverCentre((await vision.look(pixels, { mirror: true })).faces, pixels)
  const template = face && embeddingOfPhoto(face)
  return template && { person, width: face.box.width, template }
}

/** The photo as a small face before a plain wall. */
async function shrunk(file: string, scale: number): Promise<Pixels> {
  const { width = 0, height = 0 } = await sharp(file).metadata()
  const size = { width: Math.max(16, Math.round(width * scale)), height: Math.max(16, Math.round(height * scale)) }
  const small = await sharp(file).resize({ ...size, fit: 'fill' }).jpeg({ quality: 70 }).toBuffer()
  const margin = 40
  const wall = { width: size.width + 2 * margin, height: size.height + 2 * margin, channels: 3 as const, background: { r: 128, g: 126, b: 122 } }
  return pixelsOf(sharp(await sharp({ create: wall }).composite([{ input: small, left: margin, top: margin }]).png().toBuffer()))
}

/** Centred and of unit length. */
function centred(vector: Float32Array, mean: Float32Array): Float32Array {
  const moved = vector.map((value, i) => value - mean[i]!)
  const norm = Math.hypot(...moved)
  return moved.map((value) => value / norm)
}

function meanOver(faces: Face[]): Float32Array {
  const photosOf = new Map<string, number>()
  for (const { person } of faces) photosOf.set(person, (photosOf.get(person) ?? 0) + 1)
  const mean = new Float32Array(faces[0]?.template.length ?? 0)
  for (const { person, template } of faces) {
    const weight = 1 / photosOf.get(person)! / photosOf.size
    for (let i = 0; i < mean.length; i++) mean[i]! += weight * template[i]!
  }
  return mean
}

function tailBetween(sharp: Face[], probes: Face[], mean: Float32Array): { pairs: number; tail: { falseMatchRate: number; score: number }[] } {
  const rows = sharp.map(({ person, template }) => ({ person, vector: centred(template, mean) }))
  const bins = new Float64Array(20_001) // -1 to 1 in steps of 0.0001
  let pairs = 0
  for (const { person, template } of probes) {
    const probe = centred(template, mean)
    for (const row of rows) {
      if (row.person === person) continue
      let dot = 0
      for (let i = 0; i < probe.length; i++) dot += probe[i]! * row.vector[i]!
      bins[Math.round((dot + 1) * 10_000)]! += 1
      pairs += 1
    }
  }
  const tail = RATES.filter((rate) => rate * pairs >= LEAST_PAIRS).map((falseMatchRate) => {
    let above = 0
    let bin = bins.length - 1
    while (bin > 0 && above + bins[bin]! <= falseMatchRate * pairs) above += bins[bin--]!
    return { falseMatchRate, score: Math.round(bin - 10_000) / 10_000 }
  })
  return { pairs, tail }
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

async function calibrate(argv: string[]): Promise<void> {
  const { values } = parseArgs({ args: argv, options: { images: { type: 'string' }, without: { type: 'string' }, model: { type: 'string', default: DEFAULT_MODEL }, help: { type: 'boolean', default: false } } })
  if (values.help) return console.log(USAGE)
  if (!values.images) throw new TypeError(`--images is needed\n\n${USAGE}`)
  const model = ModelId.parse(values.model)
  // eslint-disable-next-line node/no-process-env -- npm runs the command in the project's root; the person's paths are relative to where they stood
  const from = process.env['INIT_CWD'] ?? process.cwd()
  const folder = resolve(from, values.images)
  const left = values.without ? (parse(await readFile(resolve(from, values.without), 'utf8'), { columns: true, bom: true }) as { name: string }[]) : []
  const without = new Set(left.map(({ name }) => name))
  const photos = (await readdir(folder, { recursive: true })).filter((name) => /\.(jpe?g|png)$/i.test(name) && !without.has(basename(dirname(name)))).sort()

  await makeModels()
  const vision = await openNodeVision({ model })
  const asTaken: Face[] = []
  const smaller = new Map<number, Face[]>(WIDTHS.map((width) => [width, []]))
  for (const [at, photo] of photos.entries()) {
    const file = join(folder, photo)
    const face = await centralFace(vision, basename(dirname(photo)), await pixelsOf(sharp(file)))
    if (!face) continue
    asTaken.push(face)
    for (const [width, faces] of smaller) {
      if (width >= face.width) continue
      const small = await centralFace(vision, face.person, await shrunk(file, width / face.width))
      if (small) faces.push(small)
    }
    if (at % 100 === 99) console.error(`${at + 1} of ${photos.length} photos`)
  }
  vision.close()

  const mean = meanOver(asTaken).map((value) => Math.round(value * 1e5) / 1e5)
  const groups = [asTaken, ...smaller.values()].filter((faces) => faces.length > 100)
  const impostors = groups.map((faces) => ({ faceWidth: Math.round(median(faces.map(({ width }) => width))), ...tailBetween(asTaken, faces, mean) }))
  const people = new Set(asTaken.map(({ person }) => person)).size
  const data = `${basename(resolve(folder, '..'))}/${basename(folder)}: one folder a person${without.size > 0 ? `, without the ${without.size} people of ${basename(values.without ?? '')}` : ''}`
  const calibration = { model, data, people, photos: asTaken.length, mean: [...mean].map((value) => Number(value.toFixed(5))), impostors }
  const file = join(import.meta.dirname, 'calibration', `${model}.json`)
  await writeFile(file, `${JSON.stringify(calibration, undefined, 1).replaceAll(/\n {2,}(?=[-\d"}\]])/g, ' ')}\n`)
  console.log(`${file}: ${people} people, ${asTaken.length} of ${photos.length} photos`)
  for (const { faceWidth, pairs, tail } of impostors) console.log(`faces ${faceWidth} px, ${pairs} pairs: ${tail.map(({ falseMatchRate, score }) => `${falseMatchRate}: ${score}`).join('  ')}`)
}

await calibrate(process.argv.slice(2))
