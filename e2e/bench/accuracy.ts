/**
 * `npm run bench:accuracy -- --images DIR [--pairs FILE] [--classroom FILE] [--runtime browser|node] [--model ID] [--json]`: how
 * often does the shipped pipeline take two people for one, miss one, or mark the wrong one? Faces go through the
 * kiosk's own worker in a real Chromium (or, with `--runtime node`, through the encode command's pipeline), scores and
 * decisions through kiosk/attendance, at the score that the product itself sets for the roster.
 *
 * The labelled face of a photo is the one over its centre. A photo whose face is not found, or is refused by the quality
 * gate, is not left out silently: its pairs are counted as not found, a student's probe as missed.
 */
import { readFile, stat } from 'node:fs/promises'
import { cpus } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { parse } from 'csv-parse/sync'
import { z } from 'zod'
import { FALSE_ACCEPT_BUDGET } from '#contract/device'
import { DEFAULT_MODEL, ModelId, cosine, modelIds } from '#contract/model'
import { acceptanceFor, predictedFpir } from '../../kiosk/attendance/acceptance.ts'
import { calibrationOf } from '../../kiosk/attendance/calibration.ts'
import { centre, packGallery } from '../../kiosk/attendance/gallery.ts'
import { matchFaces } from '../../kiosk/attendance/matcher.ts'
import { makeModels } from '../../kiosk/models/make.ts'
import { openNodeVision } from '../../kiosk/vision/node.ts'
import { embeddingOfPhoto, faceOverCentre } from '../../kiosk/vision/photo.ts'
import { readPicture } from '../clip.ts'
import { openVisionPage } from './vision-page.ts'

const USAGE = `npm run bench:accuracy -- --images DIR [--pairs FILE] [--classroom FILE] [--runtime browser|node] [--model ID] [--json]

  --images DIR        the folder of the photos (paths in the files count from it, or from the folder above)
  --pairs FILE        columns image_a,image_b,same (1 or 0)
  --classroom FILE    columns student_id,name,role,image; role is enrol, probe or stranger
  --runtime WHERE     browser: the kiosk's worker in a real Chromium (default); node: the encode command's pipeline
  --model ID          ${modelIds.join(', ')} (default ${DEFAULT_MODEL})
  --json              one JSON object on stdout, nothing else`

class CannotMeasure extends Error {}

const Pair = z.object({ image_a: z.string().min(1), image_b: z.string().min(1), same: z.enum(['0', '1']) })
const Row = z.object({ student_id: z.string(), name: z.string(), role: z.enum(['enrol', 'probe', 'stranger']), image: z.string().min(1) })
type Row = z.infer<typeof Row>

/** A photo's labelled face, as the app would enrol it. */
interface Shot {
  template: Float32Array
  faceWidth: number
}

type Look = (file: string) => Promise<Shot | 'no_face' | 'refused'>

async function rowsOf<T>(file: string, schema: z.ZodType<T>): Promise<T[]> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new CannotMeasure(`${file}: there is no such file, or it may not be read`)
  })
  const rows = parse(text, { columns: true, bom: true, trim: true, skip_empty_lines: true }) as unknown[]
  return rows.map((row, i) => {
    const parsed = schema.safeParse(row)
    if (!parsed.success) throw new CannotMeasure(`${file}, line ${i + 2}: ${parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ')}`)
    return parsed.data
  })
}

/** Where a file names an image: from the folder of the images, or from the one above it. */
async function findImage(folder: string, image: string): Promise<string> {
  for (const path of [join(folder, image), join(dirname(folder), image)]) if ((await stat(path).catch(() => undefined))?.isFile()) return path
  throw new CannotMeasure(`${image}: there is no such photo in ${folder} or ${dirname(folder)}`)
}

async function openEyes(runtime: 'browser' | 'node', model: ModelId): Promise<{ look: Look; close(): Promise<void> }> {
  await makeModels()
  const floats = (numbers: number[] | undefined): Float32Array | undefined => numbers && Float32Array.from(numbers)
  if (runtime === 'node') {
    const vision = await openNodeVision({ model })
    const look: Look = async (file) => {
      const pixels = await readPicture(file)
      const face = faceOverCentre((await vision.look(pixels, { mirror: true })).faces, pixels)
      const template = face && embeddingOfPhoto(face)
      return template ? { template, faceWidth: face.box.width } : face ? 'refused' : 'no_face'
    }
    return { look, close: async () => vision.close() }
  }
  const page = await openVisionPage({ model })
  const look: Look = async (file) => {
    const seen = await page.look(await readFile(file))
    const face = faceOverCentre(seen.faces, seen)
    const template = face && embeddingOfPhoto({ embedding: floats(face.embedding), mirrorEmbedding: floats(face.mirrorEmbedding) })
    return template ? { template, faceWidth: face.box.width } : face ? 'refused' : 'no_face'
  }
  return { look, close: () => page.close() }
}

interface Pairs {
  n: number
  not_found: number
  accuracy: number
  threshold: number
  tar_at_fmr_1pct: number
  tar_at_fmr_0_1pct: number
}

/** Scores are the product's: centred cosines of two enrolled photos. */
async function measurePairs(pairs: z.infer<typeof Pair>[], look: Look, model: ModelId): Promise<Pairs> {
  const calibration = calibrationOf(model)
  const scores: { score: number; same: boolean }[] = []
  for (const { image_a, image_b, same } of pairs) {
    const [a, b] = [await look(image_a), await look(image_b)]
    if (typeof a === 'string' || typeof b === 'string') continue
    const [one, other] = [Float32Array.from(a.template), Float32Array.from(b.template)]
    centre(one, calibration)
    centre(other, calibration)
    scores.push({ score: cosine(one, other), same: same === '1' })
  }
  const best = bestThreshold(scores)
  return { n: pairs.length, not_found: pairs.length - scores.length, ...best, tar_at_fmr_1pct: tarAt(scores, 0.01), tar_at_fmr_0_1pct: tarAt(scores, 0.001) }
}

function bestThreshold(scores: readonly { score: number; same: boolean }[]): { accuracy: number; threshold: number } {
  const sorted = scores.toSorted((a, b) => b.score - a.score)
  // Above the highest score everybody is called different: right for all who are.
  let right = sorted.filter(({ same }) => !same).length
  let best = { right, threshold: 1 }
  for (const [i, { score, same }] of sorted.entries()) {
    right += same ? 1 : -1
    const next = sorted[i + 1]?.score ?? -1
    if (right > best.right && next !== score) best = { right, threshold: (score + next) / 2 }
  }
  return { accuracy: best.right / sorted.length, threshold: round(best.threshold, 3) }
}

/** Share of the same people's pairs over the lowest threshold that lets no greater share of different people's pass. */
function tarAt(scores: readonly { score: number; same: boolean }[], falseMatchRate: number): number {
  const different = scores.filter(({ same }) => !same).map(({ score }) => score).sort((a, b) => b - a)
  const same = scores.filter((one) => one.same)
  const threshold = different[Math.floor(falseMatchRate * different.length)] ?? -1
  return same.filter(({ score }) => score > threshold).length / same.length
}

interface Classroom {
  enrolled_photos: number
  students: number
  probes: number
  strangers: number
  /** Likeness that a probe of the median width must reach (kiosk/attendance/acceptance.ts). */
  score: number
  predicted_fpir: number
  fpir: number
  fnir: number
  wrong_identity: number
  /** 95 %, exact (Clopper and Pearson, Biometrika 26, 1934). */
  intervals: { fpir: [number, number]; fnir: [number, number]; wrong_identity: [number, number] }
  counts: { strangers_accepted: number; probes_missed: number; wrong_identities: number; probes_asked: number; strangers_asked: number; probes_not_found: number; strangers_not_found: number; students_without_template: number }
}

/** Enrols the first photos of each student (the `enrol` row, then `probe` rows); the others, and the strangers, stand before the kiosk one by one. */
async function measureClassroom(rows: readonly Row[], photos: number, look: Look, model: ModelId): Promise<Classroom> {
  const students = [...new Set(rows.flatMap(({ role, student_id }) => (role === 'stranger' ? [] : [student_id])))].map((id) => {
    const own = rows.filter(({ role, student_id }) => role !== 'stranger' && student_id === id)
    const inOrder = [...own.filter(({ role }) => role === 'enrol'), ...own.filter(({ role }) => role === 'probe')]
    return { id, enrolled: inOrder.slice(0, photos), probes: inOrder.slice(Math.max(photos, own.filter(({ role }) => role === 'enrol').length)) }
  })
  const enrolled = []
  for (const { id, enrolled: own } of students) {
    const shots = (await Promise.all(own.map(({ image }) => look(image)))).filter((shot) => typeof shot !== 'string')
    enrolled.push({ student_id: id, templates: shots.map(({ template }) => ({ template_id: '00000000-0000-7000-8000-000000000000', model, embedding: [...template] })) })
  }
  const gallery = packGallery(enrolled, model)
  const rule = { budget: FALSE_ACCEPT_BUDGET, floor: 0 }
  const judge = async (image: string): Promise<{ kind: 'match' | 'ask' | 'nobody' | 'not_found'; studentId?: string; accept?: number; predicted?: number; width?: number }> => {
    const shot = await look(image)
    if (typeof shot === 'string') return { kind: 'not_found' }
    const { accept } = acceptanceFor(gallery, rule, shot.faceWidth)
    const [match] = matchFaces(gallery, [{ embedding: shot.template, faceWidth: shot.faceWidth }], rule)
    const said = { accept, predicted: predictedFpir(gallery, accept, shot.faceWidth), width: shot.faceWidth }
    return match?.kind === 'match' ? { kind: 'match', studentId: match.studentId, ...said } : { kind: match?.kind ?? 'nobody', ...said }
  }
  const strangers = []
  for (const { image } of rows.filter(({ role }) => role === 'stranger')) strangers.push(await judge(image))
  const probes = []
  for (const { id, probes: own } of students) for (const { image } of own) probes.push({ id, ...(await judge(image)) })
  const count = <T,>(list: readonly T[], which: (one: T) => boolean): number => list.filter(which).length
  const counts = {
    strangers_accepted: count(strangers, ({ kind }) => kind === 'match'),
    probes_missed: count(probes, ({ kind, id, studentId }) => !(kind === 'match' && studentId === id)),
    wrong_identities: count(probes, ({ kind, id, studentId }) => kind === 'match' && studentId !== id),
    probes_asked: count(probes, ({ kind }) => kind === 'ask'),
    strangers_asked: count(strangers, ({ kind }) => kind === 'ask'),
    probes_not_found: count(probes, ({ kind }) => kind === 'not_found'),
    strangers_not_found: count(strangers, ({ kind }) => kind === 'not_found'),
    students_without_template: students.length - gallery.studentIds.length,
  }
  const predicted = strangers.flatMap((one) => (one.predicted === undefined ? [] : [one.predicted]))
  return {
    enrolled_photos: photos,
    students: students.length,
    probes: probes.length,
    strangers: strangers.length,
    score: round(acceptanceFor(gallery, rule, median([...strangers, ...probes].flatMap(({ width }) => (width === undefined ? [] : [width])))).accept, 4),
    predicted_fpir: round(predicted.reduce((sum, one) => sum + one, 0) / predicted.length, 5),
    fpir: counts.strangers_accepted / strangers.length,
    fnir: counts.probes_missed / probes.length,
    wrong_identity: counts.wrong_identities / probes.length,
    intervals: {
      fpir: exactInterval(counts.strangers_accepted, strangers.length),
      fnir: exactInterval(counts.probes_missed, probes.length),
      wrong_identity: exactInterval(counts.wrong_identities, probes.length),
    },
    counts,
  }
}

/** The shares under which so few, and so many, would each be seen in 2.5 % of such trials. */
function exactInterval(hits: number, trials: number): [number, number] {
  if (trials === 0) return [0, 1]
  const atMost = (k: number, share: number): number => {
    let term = (1 - share) ** trials
    let sum = term
    for (let i = 1; i <= k; i++) sum += term *= ((trials - i + 1) / i) * (share / (1 - share))
    return sum
  }
  const solve = (below: (share: number) => boolean): number => {
    let [low, high] = [0, 1]
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2
      if (below(middle)) low = middle
      else high = middle
    }
    return round((low + high) / 2, 5)
  }
  const low = hits === 0 ? 0 : solve((share) => 1 - atMost(hits - 1, share) < 0.025)
  const high = hits === trials ? 1 : solve((share) => atMost(hits, share) > 0.025)
  return [low, high]
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

const round = (value: number, decimals: number): number => Math.round(value * 10 ** decimals) / 10 ** decimals

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`

function tellPairs({ n, not_found, accuracy, threshold, tar_at_fmr_1pct, tar_at_fmr_0_1pct }: Pairs): string {
  return `Pairs: ${n}, of which ${not_found} not found or refused\n  accuracy ${percent(accuracy)} at ${threshold}   TAR at FMR 1 % ${percent(tar_at_fmr_1pct)}   at FMR 0.1 % ${percent(tar_at_fmr_0_1pct)}`
}

function tellClassroom({ enrolled_photos, students, probes, strangers, score, predicted_fpir, fpir, fnir, wrong_identity, intervals, counts }: Classroom): string {
  const between = ([low, high]: [number, number]): string => `95 %: ${percent(low)} to ${percent(high)}`
  return [
    `Classroom, ${enrolled_photos} photo${enrolled_photos === 1 ? '' : 's'} enrolled: ${students} students (${counts.students_without_template} without a usable photo), ${probes} probes, ${strangers} strangers, acceptance score ${score}`,
    `  strangers accepted (FPIR)   ${counts.strangers_accepted} = ${percent(fpir)} (${between(intervals.fpir)}), predicted ${percent(predicted_fpir)}; asked ${counts.strangers_asked}, face not found or refused ${counts.strangers_not_found}`,
    `  students missed (FNIR)      ${counts.probes_missed} = ${percent(fnir)} (${between(intervals.fnir)}); of them asked ${counts.probes_asked}, face not found or refused ${counts.probes_not_found}`,
    `  wrong identity              ${counts.wrong_identities} = ${percent(wrong_identity)} (${between(intervals.wrong_identity)})`,
  ].join('\n')
}

async function measure(argv: string[]): Promise<void> {
  const options = {
    images: { type: 'string' },
    pairs: { type: 'string' },
    classroom: { type: 'string' },
    runtime: { type: 'string', default: 'browser' },
    model: { type: 'string', default: DEFAULT_MODEL },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const
  const { values } = parseArgs({ args: argv, options })
  if (values.help) return console.log(USAGE)
  if (!values.images || (!values.pairs && !values.classroom)) throw new CannotMeasure(`--images and one of --pairs and --classroom are needed.\n\n${USAGE}`)
  const { runtime } = values
  if (runtime !== 'browser' && runtime !== 'node') throw new CannotMeasure(`--runtime ${runtime}: must be browser or node`)
  const model = ModelId.safeParse(values.model)
  if (!model.success) throw new CannotMeasure(`--model ${values.model}: must be one of ${modelIds.join(', ')}`)
  // eslint-disable-next-line node/no-process-env -- npm runs the command in the project's root; the person's paths are relative to where they stood
  const from = process.env['INIT_CWD'] ?? process.cwd()
  const folder = resolve(from, values.images)
  const pairs = values.pairs ? await rowsOf(resolve(from, values.pairs), Pair) : undefined
  const rows = values.classroom ? await rowsOf(resolve(from, values.classroom), Row) : undefined
  const images = [...new Set([...(pairs ?? []).flatMap(({ image_a, image_b }) => [image_a, image_b]), ...(rows ?? []).map(({ image }) => image)])]
  const files = new Map<string, string>()
  for (const image of images) files.set(image, await findImage(folder, image))

  const eyes = await openEyes(runtime, model.data)
  const seen = new Map<string, ReturnType<Look>>()
  // One photo at a time: what comes second waits.
  let last: Promise<unknown> = Promise.resolve()
  const look: Look = (image) => {
    let shot = seen.get(image)
    if (!shot) {
      shot = last.then(() => eyes.look(files.get(image) ?? image))
      last = shot.catch(() => undefined)
      seen.set(image, shot)
      if (seen.size % 200 === 0) console.error(`${seen.size} of ${files.size} photos`)
    }
    return shot
  }
  try {
    const measured = {
      ...(pairs && { pairs: await measurePairs(pairs, look, model.data) }),
      ...(rows && { classroom: [await measureClassroom(rows, 1, look, model.data), await measureClassroom(rows, 3, look, model.data)] }),
      model: model.data,
      runtime,
      machine: `${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}`,
    }
    if (values.json) return console.log(JSON.stringify(measured))
    if (measured.pairs) console.log(tellPairs(measured.pairs))
    for (const one of measured.classroom ?? []) console.log(tellClassroom(one))
    console.log(`${measured.model}, ${runtime}; ${measured.machine}`)
  } finally {
    await eyes.close()
  }
}

try {
  await measure(process.argv.slice(2))
} catch (fault) {
  const usage = fault instanceof TypeError && 'code' in fault && String(fault.code).startsWith('ERR_PARSE_ARGS')
  if (!(fault instanceof CannotMeasure) && !usage) throw fault
  console.error((fault as Error).message)
  process.exitCode = 2
}
