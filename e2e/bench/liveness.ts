/**
 * `npm run bench:liveness -- [--clips DIR] [--faces N] [--kind TEXT] [--json]`: does the kiosk tell a head from a picture of one? Through the
 * vision that ships (Node runtime) and the app's own life signs under `require`, the stricter policy.
 *
 * Living people: the clips of DIR (.mjpeg, .y4m), one person each, started every 0.2 s and played to and fro. Attacks: MADE, not
 * filmed (attacks.ts): faces of the clips and of the photos of the dev dependency @vladmandic/face-api, printed on sheets or
 * played on a screen that is held up, with sensor noise and JPEG. When the screen asks for a turn, the made attacker obeys:
 * tilts the sheet by 40 degrees to that side.
 *
 * Words of ISO/IEC 30107-3: APCER, share of an attack's presentations that pass as alive; BPCER, share of living presentations
 * that do not, within 3 s and without being asked. A living person who is asked to turn the head is not refused; how well
 * people do it is not measured here: no clip shows it.
 */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import sharp from 'sharp'
import { openLifeSigns } from '../../kiosk/attendance/liveness.ts'
import type { LifeSigns, LifeVerdict, Turn } from '../../kiosk/attendance/liveness.ts'
import { makeModels } from '../../kiosk/models/make.ts'
import { openNodeVision } from '../../kiosk/vision/node.ts'
import type { NodeVision } from '../../kiosk/vision/node.ts'
import type { Frame } from '../clip.ts'
import { readClip, readPicture } from '../clip.ts'
import { emptied, film, madeRoom, motionOf, seeded } from './attacks.ts'
import type { Motion, MotionName, Pose, Sheet } from './attacks.ts'

const USAGE = `npm run bench:liveness -- [--clips DIR] [--faces N] [--kind TEXT] [--json]

  --clips DIR   clips of living people, .mjpeg or .y4m, 30 frames a second, one person each
  --faces N     faces each kind of attack is made with (default 6; evenly picked)
  --kind TEXT   only attacks whose name has this in it, and no living people
  --json        one JSON object on stdout`

const FPS = 10
const CLIP_FPS = 30
/** Seconds in which a living person should pass. */
const LIVE_SECONDS = 3
/** Milliseconds between two starts in a clip. */
const START_EVERY_MS = 200
/** Seconds that an attack lasts, until it is asked to turn, and milliseconds from there on: its answer is given by then, or is none. */
const ATTACK_SECONDS = 4
const AFTER_ASKING_MS = 2_200
/** How an attacker answers the screen: degrees of tilt, reached in so many seconds. */
const ANSWER_DEGREES = 40
const ANSWER_SECONDS = 1

/** Pixels of a printed face: more than the camera sees of it. */
const PRINTED = 140

const SAMPLES = 'node_modules/@vladmandic/face-api/demo'
/** The faces of this photo and, of the clips it was made with, those of two people served to choose the constants of liveness.ts. They are left out. */
const USED_FOR_CHOOSING = 'sample1.jpg'

interface Material {
  name: string
  picture: Frame
  face: { x: number; y: number; width: number }
  room: Frame | undefined
  clip: readonly Frame[] | undefined
}

interface Kind {
  name: string
  motion: MotionName
  /** What is held, beyond the picture. */
  sheet: (material: Material, random: () => number) => Partial<Sheet>
  /** Only what moves can be played. */
  clipOnly?: boolean
}

const PRINT = { cut: { left: 1.1, right: 1.1, up: 1.2, down: 1.4 }, border: { width: 0.12, colour: [235, 235, 232] as const } }
const SCREEN = { cut: { left: 0.95, right: 0.95, up: 1.1, down: 2.4 }, border: { width: 0.1, colour: [18, 18, 20] as const } }

const print = (name: string, motion: MotionName): Kind => ({ name: `print ${name}`, motion, sheet: () => PRINT })
/** A screen that plays the clip, brighter than the room and flickering by 3 %. */
const replay = (name: string, motion: MotionName): Kind => ({
  name: `replay ${name}`,
  motion,
  clipOnly: true,
  sheet: ({ clip }) => ({ ...SCREEN, picture: (at) => toAndFro(clip ?? [], Math.floor(at * CLIP_FPS)), light: (at) => 0.1 + 0.03 * Math.sin(2 * Math.PI * 13.7 * at) }),
})

const KINDS: readonly Kind[] = [
  print('held still', 'still'),
  print('shaken by a hand', 'hand_jitter'),
  print('moved', 'moved'),
  print('tilted sideways', 'tilted_sideways'),
  print('tilted up and down', 'tilted_up_down'),
  print('rolled', 'rolled'),
  print('zoomed', 'zoomed'),
  print('waved', 'waved'),
  { name: 'picture fills the view, shaken', motion: 'hand_jitter', sheet: () => ({ cut: undefined, border: undefined }) },
  { name: 'picture fills the view, waved', motion: 'waved', sheet: () => ({ cut: undefined, border: undefined }) },
  { name: 'head cut out, moved', motion: 'moved', sheet: () => ({ cut: undefined, border: undefined, scissors: true }) },
  { name: 'head cut out, waved', motion: 'waved', sheet: () => ({ cut: undefined, border: undefined, scissors: true }) },
  { name: 'print bent, tilted sideways', motion: 'tilted_sideways', sheet: () => ({ ...PRINT, bend: () => 1.3 }) },
  { name: 'print bent to and fro, waved', motion: 'waved', sheet: () => ({ ...PRINT, bend: (at) => 1.6 + 0.5 * Math.sin(4 * at) }) },
  replay('on a stand', 'still'),
  replay('in a hand', 'hand_jitter'),
  replay('waved', 'waved'),
]

function refuse(why: string): never {
  console.error(`${why}\n\n${USAGE}`)
  process.exit(2)
}

function readArguments() {
  try {
    return parseArgs({ options: { clips: { type: 'string' }, faces: { type: 'string', default: '6' }, kind: { type: 'string' }, json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } } }).values
  } catch (fault) {
    return refuse((fault as Error).message)
  }
}

/** Forwards, then backwards: a clip has no jump where it starts over. */
function toAndFro<T>(frames: readonly T[], index: number): T {
  const round = Math.max(1, 2 * (frames.length - 1))
  const at = index % round
  return frames[at < frames.length ? at : round - at]!
}

interface Outcome {
  verdict: LifeVerdict
  /** Milliseconds to the verdict; to the end where there is none. */
  at: number
  /** When the screen first asked for a turn. */
  askedAt: number | undefined
  frames: number
}

/**
 * One presentation: frames in the order of time through the shipped vision; each track has its own life signs, as at the kiosk. It ends
 * when a track is alive, and some time after the screen asked.
 */
async function present(vision: NodeVision, frames: AsyncIterable<{ at: number; frame: Frame }>, random: () => number, o: { onAsk?: (turn: Turn, at: number) => void; endsAsked: boolean }): Promise<Outcome> {
  const camera = vision.watch()
  const lives = new Map<number, LifeSigns>()
  let askedAt: number | undefined
  let [last, count] = [0, 0]
  let verdict: LifeVerdict = { kind: 'undecided' }
  for await (const { at, frame } of frames) {
    last = at
    count++
    const seen = await camera.look(frame, at, { watched: [...lives.keys()] })
    for (const face of seen.faces) {
      if (face.refused === 'not_a_face') continue
      const life = lives.get(face.track) ?? openLifeSigns({ policy: 'require', random })
      lives.set(face.track, life)
      life.add(at, face)
      const says = life.verdict(at)
      if (says.kind === 'alive') return { verdict: says, at, askedAt, frames: count }
      if (says.kind === 'challenge' && askedAt === undefined) {
        askedAt = at
        if (o.endsAsked) return { verdict: says, at, askedAt, frames: count }
        o.onAsk?.(says.turn, at)
      }
      if (says.kind !== 'undecided') verdict = says
    }
    if (askedAt !== undefined && at - askedAt >= AFTER_ASKING_MS) break
  }
  return { verdict, at: last, askedAt, frames: count }
}

/** The attacker's answer: the sheet is tilted to the side that was asked for. The person's left is the picture's right. */
function obeying(motion: Motion): { motion: Motion; obey(turn: Turn, at: number): void } {
  let asked: { sign: number; at: number } | undefined
  return {
    motion: (at): Pose => {
      const pose = motion(at)
      if (!asked) return pose
      return { ...pose, yaw: pose.yaw + asked.sign * ANSWER_DEGREES * Math.min(1, Math.max(0, (at - asked.at) / ANSWER_SECONDS)) }
    },
    // A sheet whose right edge goes away from the camera shows a face that looks to the picture's right.
    obey: (turn, at) => (asked = { sign: turn === 'left' ? -1 : 1, at: at / 1000 }),
  }
}

async function presentAttack(vision: NodeVision, kind: Kind, material: Material, seed: number): Promise<Outcome> {
  const random = seeded(seed)
  const pixels = 55 + 55 * random()
  const { motion, obey } = obeying(motionOf(kind.motion, pixels, random))
  const sheet: Sheet = { picture: () => material.picture, face: material.face, cut: undefined, border: undefined, ...kind.sheet(material, random) }
  const shoot = { room: material.room ?? madeRoom(random), sheet, motion, seconds: ATTACK_SECONDS + AFTER_ASKING_MS / 1000, fps: FPS, noise: 1 + 2 * random(), jpegQuality: 80, random }
  async function* decoded(): AsyncGenerator<{ at: number; frame: Frame }> {
    for await (const { at, jpeg } of film(shoot)) yield { at, frame: await readPicture(jpeg) }
  }
  return present(vision, decoded(), random, { onAsk: obey, endsAsked: false })
}

/** The widest faces of a photo. */
async function facesOf(vision: NodeVision, picture: Frame, most: number): Promise<Material['face'][]> {
  const { faces } = await vision.look(picture)
  return faces
    .filter(({ refused, box }) => refused === undefined && box.width >= 50)
    .sort((one, other) => other.box.width - one.box.width)
    .slice(0, most)
    .map(({ box }) => ({ x: box.x + box.width / 2, y: box.y + box.height / 2, width: box.width }))
}

async function materialOfPhotos(vision: NodeVision): Promise<Material[]> {
  const files = (await readdir(SAMPLES)).filter((name) => /^sample\d\.jpg$/.test(name) && name !== USED_FOR_CHOOSING).sort()
  const materials: Material[] = []
  for (const file of files) {
    const photo = join(SAMPLES, file)
    for (const [i, face] of (await facesOf(vision, await readPicture(photo), 2)).entries()) {
      materials.push({ name: `${file} face ${i + 1}`, ...(await printOf(photo, face)), room: undefined, clip: undefined })
    }
  }
  return materials
}

/** The photo around one face, so large that the face is PRINTED pixels wide at most. */
async function printOf(photo: string, { x, y, width }: Material['face']): Promise<Pick<Material, 'picture' | 'face'>> {
  const { width: wide, height: high } = await sharp(photo).metadata()
  const [left, top] = [Math.max(0, Math.round(x - 4.5 * width)), Math.max(0, Math.round(y - 3.5 * width))]
  const part = { left, top, width: Math.min(wide, Math.round(x + 4.5 * width)) - left, height: Math.min(high, Math.round(y + 3.5 * width)) - top }
  const scale = Math.min(1, PRINTED / width)
  const size = { width: Math.round(scale * part.width), height: Math.round(scale * part.height), fit: 'fill' as const }
  const picture = await readPicture(await sharp(photo).extract(part).resize(size).png().toBuffer())
  return { picture, face: { x: scale * (x - left), y: scale * (y - top), width: scale * width } }
}

interface Clip {
  name: string
  frames: Frame[]
}

async function materialOfClip(vision: NodeVision, { name, frames }: Clip): Promise<Material[]> {
  const picture = frames[0]!
  const [face] = await facesOf(vision, picture, 1)
  // The room of the clip, with its person drawn over by what is to both sides.
  return face ? [{ name, picture, face, room: emptied(picture, face.x - 2.4 * face.width, face.x + 2.4 * face.width), clip: frames }] : []
}

// ---------- figures ----------

interface AttackFigure {
  kind: string
  presentations: number
  passed: number
  apcer: number
  /** Asked to turn the head; who then does not is doubtful when the time is over, and not marked. */
  asked: number
  /** Median seconds until the screen asked; null: it never did. */
  seconds_to_asking: number | null
  materials_passed: string[]
}

interface LiveFigure {
  clip: string
  presentations: number
  passed: number
  bpcer: number
  asked: number
  seconds_to_alive: number | null
  slowest_seconds: number | null
}

const median = (values: number[]): number | null => (values.length === 0 ? null : values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!)
const rate = (part: number, whole: number): number => (whole === 0 ? 0 : Math.round((1000 * part) / whole) / 1000)
const inSeconds = (ms: number | null): number | null => (ms === null ? null : ms / 1000)

async function attackFigure(vision: NodeVision, kind: Kind, materials: readonly Material[], faces: number): Promise<AttackFigure> {
  const usable = kind.clipOnly ? materials.filter(({ clip }) => clip) : materials
  const used = usable.length <= faces ? usable : Array.from({ length: faces }, (_, i) => usable[Math.floor((i * usable.length) / faces)]!)
  const outcomes: { material: Material; outcome: Outcome }[] = []
  for (const [i, material] of used.entries()) outcomes.push({ material, outcome: await presentAttack(vision, kind, material, 1000 * (KINDS.indexOf(kind) + 1) + i) })
  const passed = outcomes.filter(({ outcome }) => outcome.verdict.kind === 'alive')
  const asked = outcomes.flatMap(({ outcome }) => (outcome.askedAt === undefined ? [] : [outcome.askedAt]))
  return {
    kind: kind.name,
    presentations: outcomes.length,
    passed: passed.length,
    apcer: rate(passed.length, outcomes.length),
    asked: asked.length,
    seconds_to_asking: inSeconds(median(asked)),
    materials_passed: passed.map(({ material }) => material.name),
  }
}

async function liveFigure(vision: NodeVision, { name, frames }: Clip): Promise<LiveFigure> {
  const outcomes: Outcome[] = []
  for (let start = 0; start < frames.length; start += (START_EVERY_MS * CLIP_FPS) / 1000) {
    async function* played(): AsyncGenerator<{ at: number; frame: Frame }> {
      for (let i = 0; i <= LIVE_SECONDS * FPS; i++) yield { at: (1000 * i) / FPS, frame: toAndFro(frames, start + i * (CLIP_FPS / FPS)) }
    }
    outcomes.push(await present(vision, played(), seeded(start), { endsAsked: true }))
  }
  const alive = outcomes.filter(({ verdict }) => verdict.kind === 'alive')
  const times = alive.map(({ at }) => at)
  return {
    clip: name,
    presentations: outcomes.length,
    passed: alive.length,
    bpcer: rate(outcomes.length - alive.length, outcomes.length),
    asked: outcomes.filter(({ askedAt }) => askedAt !== undefined).length,
    seconds_to_alive: inSeconds(median(times)),
    slowest_seconds: times.length === 0 ? null : Math.max(...times) / 1000,
  }
}

// ---------- the command ----------

const values = readArguments()
if (values.help) {
  console.log(USAGE)
  process.exit(0)
}
const faces = Number(values.faces)
if (!(Number.isInteger(faces) && faces >= 1)) refuse(`--faces ${values.faces}: must be a whole number above 0`)
const folder = values.clips === undefined ? undefined : resolve(process.env['INIT_CWD'] ?? process.cwd(), values.clips)
if (folder !== undefined && !existsSync(folder)) refuse(`--clips ${folder}: there is no such folder`)
const files = folder === undefined ? [] : (await readdir(folder)).filter((name) => ['.mjpeg', '.y4m'].includes(extname(name).toLowerCase())).sort()
if (folder !== undefined && files.length === 0) refuse(`--clips ${folder}: there is no .mjpeg or .y4m in it`)

await makeModels()
const vision = await openNodeVision()
const say = (line: string): void => (values.json ? console.error(line) : console.log(line))

const clips: Clip[] = []
for (const file of files) {
  const frames: Frame[] = []
  for await (const frame of readClip(join(folder!, file))) frames.push(frame)
  if (frames.length > 1) clips.push({ name: basename(file, extname(file)), frames })
}

if (values.kind === undefined) say(clips.length === 0 ? 'No clips of living people were given (--clips DIR): nothing is said about them, and nothing is replayed.' : `Living people, ${clips.length} clips, real; passed = alive within ${LIVE_SECONDS} s without being asked:`)
const live: LiveFigure[] = []
for (const clip of values.kind === undefined ? clips : []) {
  const figure = await liveFigure(vision, clip)
  live.push(figure)
  say(`  ${figure.clip.padEnd(32)} passed ${figure.passed} of ${figure.presentations}, BPCER ${(100 * figure.bpcer).toFixed(1)} %, median ${figure.seconds_to_alive ?? '-'} s, slowest ${figure.slowest_seconds ?? '-'} s`)
}
const passedLive = live.reduce((sum, { passed }) => sum + passed, 0)
const presentedLive = live.reduce((sum, { presentations }) => sum + presentations, 0)
if (presentedLive > 0) say(`  all: passed ${passedLive} of ${presentedLive} = ${((100 * passedLive) / presentedLive).toFixed(1)} %`)

const materials = [...(await Promise.all(clips.map((clip) => materialOfClip(vision, clip)))).flat(), ...(await materialOfPhotos(vision))]
say(`Attacks, MADE by arithmetic, not filmed; ${materials.length} faces to choose from; policy require; the attacker tilts the sheet when asked to turn:`)
const attacks: AttackFigure[] = []
for (const kind of KINDS.filter(({ name }) => name.includes(values.kind ?? ''))) {
  const figure = await attackFigure(vision, kind, materials, faces)
  if (figure.presentations === 0) continue
  attacks.push(figure)
  say(
    `  ${figure.kind.padEnd(32)} passed ${figure.passed} of ${figure.presentations}, APCER ${(100 * figure.apcer).toFixed(1)} %, asked ${figure.asked} (median after ${figure.seconds_to_asking ?? '-'} s)${figure.passed > 0 ? `: ${figure.materials_passed.join(', ')}` : ''}`,
  )
}
const stills = attacks.filter(({ kind }) => !kind.startsWith('replay'))
const [passedStills, presentedStills] = [stills.reduce((sum, { passed }) => sum + passed, 0), stills.reduce((sum, { presentations }) => sum + presentations, 0)]
if (presentedStills > 0) say(`  still pictures in all: caught ${presentedStills - passedStills} of ${presentedStills} = ${((100 * (presentedStills - passedStills)) / presentedStills).toFixed(1)} %`)
if (values.json) {
  console.log(
    JSON.stringify({
      live: { label: 'real clips', presentations: presentedLive, passed: passedLive, pass_rate: presentedLive === 0 ? null : rate(passedLive, presentedLive), clips: live },
      attacks: { label: 'made by arithmetic, not filmed', policy: 'require', still_pictures: { presentations: presentedStills, passed: passedStills, caught: rate(presentedStills - passedStills, presentedStills) }, kinds: attacks },
    }),
  )
}
vision.close()
