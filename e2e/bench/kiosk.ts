/**
 * `npm run bench:kiosk [-- --runs N] [--json]`: this app's vision against its peers, on the same pictures in one Chromium, one after
 * the other in turn. Everybody finds and embeds every face in every run: "cold" is ours while no face is decided, "first look" the same for
 * faces that were not there a frame before, "steady" once all faces are decided.
 *
 * Ours is the worker as it ships, built and minified, under the app's own headers, timed from the page: with the messages to the
 * worker and back. @vladmandic/human and @vladmandic/face-api run on pages of their own on the same TensorFlow.js WASM files, each with
 * and without threads, and the faster of the two is what counts.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { makeModels, MADE_DIR } from '../../kiosk/models/make.ts'
import { launchChromium } from '../chromium.ts'
import { toJpeg } from '../clip.ts'
import { ANNA_ENROLLED, BEA, CLEO, before, portrait, type FaceInPhoto } from '../faces.ts'
import { APP_HEADERS, buildVisionPage, serveFolder } from './vision-page.ts'

const ROOT = resolve(import.meta.dirname, '../..')

const USAGE = `npm run bench:kiosk -- [--runs N] [--json]

  --runs N   runs of each, at least 30 for a figure worth quoting (default 40)
  --json     one JSON object on stdout`

/** Pictures of each scene, a pixel or two apart: no camera is quite still. */
const SHIFTS = [[0, 0], [2, 0], [3, 1], [2, 2], [0, 2], [-1, 1]] as const
/** Runs before the first that counts; a runtime is compiled to its best while it runs. */
const WARM_UP = 8
/** Frames of one steady run: a whole round of the detector's turn, so that its mean holds the dear frame and the cheap ones. */
const STEADY_CYCLE = 3
/** The tiny detector's input sizes, cheapest first. */
const TINY_INPUTS = [128, 160, 224, 320, 416, 512, 608]

type Scene = 'one_face' | 'five_faces'
const SCENES: Scene[] = ['one_face', 'five_faces']
const EXPECTED: Record<Scene, number> = { one_face: 1, five_faces: 5 }

interface Ran {
  /** Milliseconds; of a steady run, of its mean frame. */
  ms: number
  /** Faces found, and faces embedded. */
  faces: number
  embedded: number
  stages?: { detect: number; align: number; embed: number }
}

/** What every page offers. */
interface Bench {
  load(scene: string, pictures: string[]): Promise<void>
  run(scene: string, picture: number, way: string): Promise<Ran>
}

const OURS = `
import { startVision } from '${ROOT}/kiosk/vision/vision.ts'
const vision = await startVision({ onProgress: () => {} })
const canvases = {}
let tracks = []
let at = 0
const grab = (scene, picture) => createImageBitmap(canvases[scene][picture])
window.bench = {
  async load(scene, pictures) {
    canvases[scene] = await Promise.all(pictures.map(async (base64) => {
      const bitmap = await createImageBitmap(await (await fetch('/pictures/' + base64)).blob())
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height)
      canvas.getContext('2d', { willReadFrequently: true, alpha: false }).drawImage(bitmap, 0, 0)
      return canvas
    }))
  },
  async run(scene, picture, way) {
    const steady = way === 'steady'
    const frames = steady ? ${STEADY_CYCLE} : 1
    let ms = 0
    let seen
    for (let i = 0; i < frames; i++) {
      const frame = await grab(scene, (picture + i) % canvases[scene].length)
      at += way === 'first_look' ? 10_000 : 66
      const start = performance.now()
      seen = await vision.look(frame, at, steady ? { settled: tracks } : {})
      ms += performance.now() - start
    }
    tracks = seen.faces.map(({ track }) => track)
    return { ms: ms / frames, faces: seen.faces.length, embedded: seen.faces.filter(({ embedding }) => embedding?.length > 0).length, stages: seen.ms }
  },
}
`

/** Shared by the peers: pictures lie on a canvas that is quick to read. */
const PEER = `
const canvases = {}
async function load(scene, pictures) {
  canvases[scene] = await Promise.all(pictures.map(async (name) => {
    const bitmap = await createImageBitmap(await (await fetch('/pictures/' + name)).blob())
    const canvas = document.createElement('canvas')
    canvas.width = bitmap.width
    canvas.height = bitmap.height
    canvas.getContext('2d', { willReadFrequently: true }).drawImage(bitmap, 0, 0)
    return canvas
  }))
}
`

const HUMAN = `<!doctype html><meta charset="utf-8"><title>human</title><script type="module">
import { Human } from '/packages/@vladmandic/human/dist/human.esm.js'
${PEER}
const human = new Human({
  backend: 'wasm',
  wasmPath: '/packages/@tensorflow/tfjs-backend-wasm/dist/',
  modelBasePath: '/packages/@vladmandic/human/models/',
  debug: false,
  async: false,
  // Nothing is taken from the run before: every run finds, meshes and describes every face.
  cacheSensitivity: 0,
  cacheModels: false,
  filter: { enabled: false },
  face: {
    enabled: true,
    detector: { rotation: false, maxDetected: 8, skipFrames: 0, skipTime: 0, return: false, mask: false },
    mesh: { enabled: true, keepInvalid: false },
    attention: { enabled: false }, iris: { enabled: false }, emotion: { enabled: false }, antispoof: { enabled: false }, liveness: { enabled: false }, gear: { enabled: false },
    description: { enabled: true, skipFrames: 0, skipTime: 0 },
  },
  body: { enabled: false }, hand: { enabled: false }, object: { enabled: false }, gesture: { enabled: false }, segmentation: { enabled: false },
})
await human.load()
await human.tf.ready()
window.bench = {
  load,
  async run(scene, picture) {
    const start = performance.now()
    const { face } = await human.detect(canvases[scene][picture])
    return { ms: performance.now() - start, faces: face.length, embedded: face.filter(({ embedding }) => embedding?.length > 0).length }
  },
  about: () => ({ backend: human.tf.getBackend(), threads: human.tf.env().getBool('WASM_HAS_MULTITHREAD_SUPPORT') }),
  /** Multiply-adds a second of this core, in the same runtime: one large product of matrices, and one of the shape that the network is made of. */
  async rate(m, k, n) {
    const a = human.tf.randomUniform([m, k])
    const b = human.tf.randomUniform([k, n])
    const times = []
    for (let i = 0; i < 24; i++) {
      const start = performance.now()
      const c = human.tf.matMul(a, b)
      c.dataSync()
      times.push(performance.now() - start)
      c.dispose()
    }
    return (m * k * n) / (Math.min(...times) / 1000)
  },
}
</script>`

const FACE_API = `<!doctype html><meta charset="utf-8"><title>face-api</title><script type="module">
import * as faceapi from '/packages/@vladmandic/face-api/dist/face-api.esm.js'
${PEER}
faceapi.tf.setWasmPaths('/packages/@tensorflow/tfjs-backend-wasm/dist/')
await faceapi.tf.setBackend('wasm')
await faceapi.tf.ready()
for (const net of [faceapi.nets.tinyFaceDetector, faceapi.nets.faceLandmark68Net, faceapi.nets.faceRecognitionNet]) await net.load('/packages/@vladmandic/face-api/model/')
window.bench = {
  load,
  async run(scene, picture, way) {
    const options = new faceapi.TinyFaceDetectorOptions({ inputSize: Number(way), scoreThreshold: 0.4 })
    const start = performance.now()
    const faces = await faceapi.detectAllFaces(canvases[scene][picture], options).withFaceLandmarks().withFaceDescriptors()
    return { ms: performance.now() - start, faces: faces.length, embedded: faces.filter(({ descriptor }) => descriptor?.length > 0).length }
  },
  about: () => ({ backend: faceapi.tf.getBackend(), threads: faceapi.tf.env().getBool('WASM_HAS_MULTITHREAD_SUPPORT') }),
}
</script>`

// ---------- the pictures ----------

const photo = (n: number): string => join(ROOT, `node_modules/@vladmandic/face-api/demo/sample${n}.jpg`)

const FIVE: FaceInPhoto[] = [
  ANNA_ENROLLED,
  BEA,
  CLEO,
  { file: photo(6), x: 1575, y: 423, width: 244 },
  { file: photo(6), x: 1275, y: 465, width: 242 },
]
const FACE_WIDTH = 150
const ROOM = { r: 138, g: 134, b: 128 }

/** Five people on one picture of 1280 x 720: three above, two below. */
async function five(): Promise<Buffer> {
  const side = Math.round(FACE_WIDTH * 1.9)
  const tiles = await Promise.all(
    FIVE.map(async (face, i) => ({
      input: await sharp(await portrait(face)).resize(side, side).toBuffer(),
      left: i < 3 ? 90 + i * 410 : 290 + (i - 3) * 410,
      top: i < 3 ? 40 : 380,
    })),
  )
  return sharp({ create: { width: 1280, height: 720, channels: 3, background: ROOM } }).composite(tiles).jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer()
}

async function shifted(picture: Buffer): Promise<Buffer[]> {
  const { width, height } = await sharp(picture).metadata()
  return Promise.all(
    SHIFTS.map(async ([x, y]) => {
      const wide = await sharp(picture).extend({ top: 4, bottom: 4, left: 4, right: 4, extendWith: 'copy' }).png().toBuffer()
      return sharp(wide).extract({ left: 4 + x, top: 4 + y, width, height }).png().toBuffer()
    }),
  )
}

// ---------- the network ----------

interface GraphNode {
  name: string
  op: string
  input?: string[]
  attr?: { strides?: { list: { i: (string | number)[] } }; padding?: { s: string } }
}

/** Multiply-adds of one run of the made model's graph on a square picture: of its convolutions, which are all but a hundredth of it. */
async function multiplyAdds(model: string, size: number): Promise<number> {
  const { modelTopology, weightsManifest } = JSON.parse(await readFile(join(MADE_DIR, `${model}.json`), 'utf8')) as {
    modelTopology: { node: GraphNode[] }
    weightsManifest: { weights: { name: string; shape: number[] }[] }[]
  }
  const weights = new Map(weightsManifest.flatMap(({ weights: list }) => list.map(({ name, shape }) => [name, shape] as const)))
  const sides = new Map<string, number>()
  let total = 0
  for (const { name, op, input = [], attr } of modelTopology.node) {
    const from = input.map((one) => one.split(':')[0] ?? '')
    const before = from.map((one) => sides.get(one)).find((side) => side !== undefined) ?? size
    if (!/Conv2[dD]/.test(op)) {
      sides.set(name, op === 'MaxPool' ? Math.ceil(before / Number(attr?.strides?.list.i[1] ?? 1)) : before)
      continue
    }
    const [height = 1, width = 1, channels = 1, out = 1] = weights.get(from[1] ?? '') ?? []
    const stride = Number(attr?.strides?.list.i[1] ?? 1)
    const same = Buffer.from(attr?.padding?.s ?? '', 'base64').toString() === 'SAME'
    const side = same ? Math.ceil(before / stride) : Math.floor((before - height) / stride) + 1
    sides.set(name, side)
    total += side * side * height * width * channels * out
  }
  return total
}

// ---------- running ----------

function readArguments() {
  try {
    return parseArgs({ options: { runs: { type: 'string', default: '40' }, json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } } }).values
  } catch (fault) {
    console.error(`${(fault as Error).message}\n\n${USAGE}`)
    return process.exit(2)
  }
}

const values = readArguments()
if (values.help) {
  console.log(USAGE)
  process.exit(0)
}
const runs = Number(values.runs)
if (!Number.isInteger(runs) || runs < 1) {
  console.error(`--runs ${values.runs}: must be a whole number above 0\n\n${USAGE}`)
  process.exit(2)
}

const median = (list: number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1] ?? Number.NaN
const round = (value: number, decimals = 1): number => Math.round(value * 10 ** decimals) / 10 ** decimals

type Contender = 'ours_cold' | 'ours_first_look' | 'ours_steady' | 'human' | 'face_api'
interface Entry {
  page: Page
  way: string
}

const call = async (page: Page, scene: Scene, picture: number, way: string): Promise<Ran> => {
  // A page in the background is held back; only one works at a time.
  await page.bringToFront()
  return page.evaluate(([s, p, w]) => (window as unknown as { bench: Bench }).bench.run(s, p, w), [scene, picture, way] as const)
}

await makeModels()
const folder = await mkdtemp(join(tmpdir(), 'fastrackai-bench-'))
const pictures = new Map<string, Buffer>()
const names = {} as Record<Scene, string[]>
for (const [scene, picture] of [['one_face', await toJpeg(await before(CLEO, { faceWidth: FACE_WIDTH }), 95)], ['five_faces', await five()]] as const) {
  names[scene] = []
  for (const [i, bytes] of (await shifted(picture)).entries()) {
    pictures.set(`${scene}-${i}.png`, bytes)
    names[scene].push(`${scene}-${i}.png`)
  }
}
const dist = await buildVisionPage(folder, OURS)
await mkdir(join(folder, 'pictures'))
for (const [name, bytes] of pictures) await writeFile(join(folder, 'pictures', name), bytes)
await writeFile(join(folder, 'human.html'), HUMAN)
await writeFile(join(folder, 'face-api.html'), FACE_API)
const isolation = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }
const fileOf = (path: string): string => {
  if (path.startsWith('/packages/')) return join(ROOT, 'node_modules', path.slice('/packages/'.length))
  if (path.startsWith('/pictures/')) return join(folder, path)
  const peer = /^\/(?:alone|threads)\/(human|face-api)$/.exec(path)
  if (peer) return join(folder, `${peer[1]}.html`)
  return join(dist, path === '/' ? 'index.html' : path)
}
const server = await serveFolder(dist, (path) => (path.startsWith('/alone/') ? {} : /^\/(packages|threads)\//.test(path) ? isolation : APP_HEADERS), fileOf)
const browser = await launchChromium()

async function open(path: string): Promise<Page> {
  const page = await browser.newPage()
  page.on('pageerror', (error) => console.error(`${path}: ${error.message}`))
  await page.goto(`${server.origin}${path}`)
  await page.bringToFront()
  await page.waitForFunction(() => 'bench' in window, undefined, { timeout: 120_000 })
  for (const scene of SCENES) await page.evaluate(([s, list]) => (window as unknown as { bench: Bench }).bench.load(s, list), [scene, names[scene]] as const)
  return page
}

async function embedsAll(page: Page, scene: Scene, way: string): Promise<boolean> {
  for (const picture of SHIFTS.keys()) {
    const { faces, embedded } = await call(page, scene, picture, way)
    if (faces !== EXPECTED[scene] || embedded !== EXPECTED[scene]) return false
  }
  return true
}

/** The cheapest of the ways that embeds everybody on every picture of both scenes: before a camera nobody knows who will come. Throws where none does. */
async function cheapestWay(name: string, page: Page, ways: string[]): Promise<string> {
  for (const way of ways) if ((await embedsAll(page, 'five_faces', way)) && (await embedsAll(page, 'one_face', way))) return way
  throw new Error(`${name} does not embed everybody in any of its settings`)
}

/** The faster of the pages. */
async function fastest(scene: Scene, pages: Page[], way: string): Promise<Entry> {
  const times = pages.map((): number[] => [])
  for (let i = 0; i < WARM_UP; i++) for (const [at, page] of pages.entries()) times[at]!.push((await call(page, scene, i % SHIFTS.length, way)).ms)
  const medians = times.map((list) => median(list.slice(2)))
  return { page: pages[medians.indexOf(Math.min(...medians))]!, way }
}

try {
  const ours = await open('/')
  const peers = {
    human: [await open('/alone/human'), await open('/threads/human')],
    face_api: [await open('/alone/face-api'), await open('/threads/face-api')],
  }
  const tinyInput = await cheapestWay('face-api', peers.face_api[0]!, TINY_INPUTS.map(String))
  if (!(await embedsAll(peers.human[0]!, 'five_faces', 'wasm'))) throw new Error('human does not embed everybody')
  const result = { runs, machine: '' } as Record<string, unknown>
  const about: Record<string, unknown> = {}
  const fastestRuns: Record<string, unknown> = {}
  const stages = {} as Record<Scene, unknown>
  for (const scene of SCENES) {
    const entries: Record<Contender, Entry> = {
      ours_cold: { page: ours, way: 'cold' },
      ours_steady: { page: ours, way: 'steady' },
      ours_first_look: { page: ours, way: 'first_look' },
      human: await fastest(scene, peers.human, 'wasm'),
      face_api: await fastest(scene, peers.face_api, tinyInput),
    }
    const times: Record<Contender, number[]> = { ours_cold: [], ours_steady: [], ours_first_look: [], human: [], face_api: [] }
    const staged: NonNullable<Ran['stages']>[] = []
    for (let i = -WARM_UP; i < runs; i++) {
      for (const name of Object.keys(entries) as Contender[]) {
        const { page, way } = entries[name]
        const ran = await call(page, scene, (i + WARM_UP) % SHIFTS.length, way)
        const embedded = name === 'ours_steady' ? EXPECTED[scene] : ran.embedded
        if (i >= 0 && (ran.faces !== EXPECTED[scene] || embedded !== EXPECTED[scene])) throw new Error(`${name} found ${ran.faces} and embedded ${ran.embedded} of ${EXPECTED[scene]} faces`)
        if (i < 0) continue
        times[name].push(ran.ms)
        if (name === 'ours_cold' && ran.stages) staged.push(ran.stages)
      }
    }
    result[scene] = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, round(median(list))]))
    fastestRuns[scene] = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, round(Math.min(...list))]))
    stages[scene] = { detect: round(median(staged.map(({ detect }) => detect))), align: round(median(staged.map(({ align }) => align))), embed: round(median(staged.map(({ embed }) => embed))) }
    about[scene] = {
      human: { threads: entries.human.page === peers.human[1] },
      face_api: { threads: entries.face_api.page === peers.face_api[1], input_size: Number(entries.face_api.way) },
    }
  }
  const macs = await multiplyAdds('mobilefacenet', 112)
  const meshMacs = await multiplyAdds('face-mesh', 192)
  const [alone] = peers.human
  await alone?.bringToFront()
  const rate = (await alone?.evaluate(() => (window as unknown as { bench: { rate(m: number, k: number, n: number): Promise<number> } }).bench.rate(768, 512, 512))) ?? Number.NaN
  result['fastest_runs'] = fastestRuns
  result['ours_stages_ms'] = stages
  result['peers'] = about
  result['floor'] = {
    embedding_multiply_adds: macs,
    mesh_multiply_adds: meshMacs,
    wasm_simd_multiply_adds_per_second: Math.round(rate),
    embedding_floor_ms: round((macs / rate) * 1000),
    mesh_floor_ms: round((meshMacs / rate) * 1000),
  }
  result['machine'] = `${cpus().length} x ${cpus()[0]?.model.trim()}, ${browser.browser()?.version() ?? 'Chromium'}, Node ${process.version}`
  if (values.json) console.log(JSON.stringify(result))
  else print(result as never)
} finally {
  await browser.close()
  server.close()
  await rm(folder, { recursive: true, force: true })
}

interface Result extends Record<Scene, Record<Contender, number>> {
  ours_stages_ms: Record<Scene, { detect: number; align: number; embed: number }>
  peers: Record<Scene, { human: { threads: boolean }; face_api: { threads: boolean; input_size: number } }>
  floor: { embedding_multiply_adds: number; wasm_simd_multiply_adds_per_second: number; embedding_floor_ms: number; mesh_floor_ms: number }
  machine: string
}

function print({ floor, machine, ours_stages_ms, peers, ...scenes }: Result): void {
  for (const [scene, title] of [['one_face', 'one face, 640 x 480'], ['five_faces', 'five faces, 1280 x 720']] as const) {
    const { ours_cold, ours_first_look, ours_steady, human, face_api } = scenes[scene]
    const { detect, align, embed } = ours_stages_ms[scene]
    const settings = peers[scene]
    console.log(`${title}; median ms of ${runs} runs in turn, every face embedded`)
    console.log(`  ours, cold    ${ours_cold}   (detect ${detect}, align ${align}, embed ${embed}: summed over faces and workers, which run side by side)`)
    console.log(`  first look    ${ours_first_look}   (faces that were not there a frame before)`)
    console.log(`  ours, steady  ${ours_steady}   (all faces decided; mean of a round of ${STEADY_CYCLE} frames)`)
    console.log(`  human         ${human}   ${ratio(human, ours_cold)} x cold, ${ratio(human, ours_steady)} x steady   (${settings.human.threads ? 'threads' : 'one thread'})`)
    console.log(`  face-api      ${face_api}   ${ratio(face_api, ours_cold)} x cold, ${ratio(face_api, ours_steady)} x steady   (${settings.face_api.threads ? 'threads' : 'one thread'}, input ${settings.face_api.input_size})`)
  }
  console.log(`the embedding: ${round(floor.embedding_multiply_adds / 1e6, 0)} million multiply-adds; this core's WASM SIMD does ${round(floor.wasm_simd_multiply_adds_per_second / 1e9)} thousand million a second in one large matrix product,`)
  console.log(`so it cannot take less than ${floor.embedding_floor_ms} ms a face, and the mesh not less than ${floor.mesh_floor_ms} ms, on one core`)
  console.log(machine)
}

function ratio(peer: number, own: number): string {
  return (peer / own).toFixed(1)
}
