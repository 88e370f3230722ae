/**
 * `npm run bench:agreement -- --images DIR [--most N] [--json]`: do the encode command's pipeline (Node) and the
 * kiosk's (the shipped worker in a real Chromium) give the same embedding of the same photo? The face over
 * the photo's centre is compared. Also prints the medians of the stages in both.
 */
import { readFile, readdir } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { openNodeVision } from '../../kiosk/vision/node.ts'
import { faceOverCentre } from '../../kiosk/vision/photo.ts'
import type { StageTimes } from '../../kiosk/vision/face.ts'
import { makeModels } from '../../kiosk/models/make.ts'
import { readPicture } from '../clip.ts'
import { openVisionPage } from './vision-page.ts'

const STAGES = ['detect', 'align', 'embed', 'frame'] as const

const USAGE = `npm run bench:agreement -- --images DIR [--most N] [--json]

  --images DIR   a folder of .jpg or .png photos, searched through
  --most N       how many of them, evenly picked (default 200)
  --json         one JSON object on stdout`

function refuse(why: string): never {
  console.error(`${why}\n\n${USAGE}`)
  process.exit(2)
}

function readArguments() {
  try {
    return parseArgs({ options: { images: { type: 'string' }, most: { type: 'string', default: '200' }, json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } } }).values
  } catch (fault) {
    return refuse((fault as Error).message)
  }
}

const values = readArguments()
if (values.help) {
  console.log(USAGE)
  process.exit(0)
}
const most = Number(values.most)
if (!(most >= 1)) refuse(`--most ${values.most}: must be a number of photos`)
if (!values.images) refuse('--images is needed')
const folder = resolve(process.env['INIT_CWD'] ?? process.cwd(), values.images)
const entries = await readdir(folder, { recursive: true }).catch(() => [])
const all = entries.filter((name) => /\.(jpe?g|png)$/i.test(name)).sort()
if (all.length === 0) refuse(`--images ${folder}: there is no .jpg or .png in it`)
const photos = all.length <= most ? all : Array.from({ length: most }, (_, i) => all[Math.floor((i * all.length) / most)]!)

await makeModels()
const node = await openNodeVision()
const browser = await openVisionPage()
const compared: { photo: string; cosine: number }[] = []
const oneSided: string[] = []
const nobody: string[] = []
const times: { node: StageTimes[]; browser: StageTimes[] } = { node: [], browser: [] }
try {
  for (const photo of photos) {
    const path = join(folder, photo)
    const here = await node.look(await readPicture(path))
    const there = await browser.look(await readFile(path))
    const a = faceOverCentre(here.faces, here)
    const b = faceOverCentre(there.faces, there)
    if (a?.embedding && b?.embedding) {
      compared.push({ photo, cosine: a.embedding.reduce((sum, value, i) => sum + value * b.embedding![i]!, 0) })
      times.node.push(here.ms)
      times.browser.push(there.ms)
    } else if (a?.embedding || b?.embedding) oneSided.push(photo)
    else nobody.push(photo)
  }
} finally {
  node.close()
  await browser.close()
}

compared.sort((a, b) => a.cosine - b.cosine)
const result = {
  photos: photos.length,
  compared: compared.length,
  embedded_by_one_alone: oneSided.length,
  embedded_by_neither: nobody.length,
  mean_cosine: round(compared.reduce((sum, { cosine }) => sum + cosine, 0) / compared.length, 5),
  worst_cosine: round(compared[0]?.cosine ?? Number.NaN, 5),
  worst_photo: compared[0]?.photo,
  ms: { node: medians(times.node), browser: medians(times.browser) },
  machine: `${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}`,
}
if (values.json) console.log(JSON.stringify(result))
else {
  console.log(`${result.photos} photos: ${result.compared} compared, ${result.embedded_by_one_alone} embedded by one alone, ${result.embedded_by_neither} by neither`)
  console.log(`cosine of Node with browser: mean ${result.mean_cosine}, worst ${result.worst_cosine} (${result.worst_photo})`)
  for (const [where, ms] of Object.entries(result.ms)) console.log(`median ms, ${where.padEnd(7)} ${STAGES.map((stage) => `${stage} ${ms[stage]}`).join(', ')}   (${compared.length} runs)`)
  console.log(result.machine)
}

function medians(list: StageTimes[]): StageTimes {
  const median = (stage: keyof StageTimes): number => round(list.map((ms) => ms[stage]).sort((a, b) => a - b)[list.length >> 1] ?? Number.NaN, 1)
  return { detect: median('detect'), align: median('align'), embed: median('embed'), frame: median('frame') }
}

function round(value: number, decimals: number): number {
  return Math.round(value * 10 ** decimals) / 10 ** decimals
}
