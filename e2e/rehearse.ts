/**
 * `npm run rehearse`: a school tries its own photos and a recorded clip before it buys a Pi. Everything is
 * the real thing: server, database, encode command, kiosk page, Chromium; nothing it made is left behind.
 *
 * 1. read the list of photos and check every file, before anything is started;
 * 2. start a throwaway school and put the list's students, and nobody else, into the lesson that is on;
 * 3. enrol the photos with the encode command;
 * 4. open the kiosk's page in Chromium with the clip as its camera, and watch what it marks;
 * 5. say what happened; take everything down.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Page } from 'playwright-core'
import type { Diagnostics } from '../kiosk/classroom/state.ts'
import { launchChromium } from './chromium.ts'
import { type School, startSchool } from './school.ts'
import { CannotTry, type Photo, type RefusedPhoto, checkClip, encodePhotos, enrolList, readPhotos } from './student-list.ts'

const USAGE = `Tries a school's own photos and a recorded clip on the real kiosk.

  npm run rehearse -- --students FILE.csv --camera CLIP [--seconds N] [--json]

  --students FILE.csv   columns student_id,name,image; several rows a student allowed, images relative to the file
  --camera CLIP         .mjpeg or .y4m, played in a loop as the kiosk's camera
  --seconds N           how long to watch, from the first frame that shows a face (default 15)
  --json                one JSON object on stdout, nothing else

Ends with 0: it ran; 1: it ran, but some photos were refused; 2: it could not be tried.`

/** Looking for a first face takes so long at most. */
const NO_FACE_PATIENCE_S = 60
/** Loading the app and the models in a cold browser on a slow machine. */
const READY_PATIENCE_MS = 180_000

interface Outcome {
  marked: { student_id: string; confidence: number; seconds: number }[]
  unknown_sightings: number
  unknown_faces: number
  frames: number
  ms: { detect: number; align: number; embed: number; frame: number } | null
  refused_photos: RefusedPhoto[]
}

/** What the page's technician's panel would show. */
async function diagnostics(page: Page): Promise<Diagnostics | undefined> {
  return page.evaluate(() => (document.querySelector('classroom-screen') as { diagnostics?: Diagnostics } | null)?.diagnostics)
}

async function watchKiosk(school: School, clip: string, seconds: number, note: (line: string) => void): Promise<Omit<Outcome, 'refused_photos'>> {
  const browser = await launchChromium({ camera: clip, viewport: { width: 1280, height: 720 } })
  try {
    const page = browser.pages()[0] ?? (await browser.newPage())
    await page.goto(school.kioskLink)
    const state = () => page.evaluate(() => (document.querySelector('classroom-screen') as { state?: { screen: string } } | null)?.state?.screen)
    const readyBy = performance.now() + READY_PATIENCE_MS
    while ((await state()) !== 'lesson') {
      if (performance.now() > readyBy) throw new CannotTry(`The kiosk did not open a lesson; its screen says: ${await state()}`)
      await page.waitForTimeout(200)
    }
    note('The kiosk watches.')
    let told = 0
    const startedAt = performance.now()
    let faceAt: number | undefined
    let seen: Diagnostics | undefined
    for (;;) {
      seen = await diagnostics(page)
      const now = performance.now()
      if (seen?.firstFaceAt !== undefined) faceAt ??= now
      for (const mark of seen?.marked.slice(told) ?? []) note(`  ${mark.studentId} marked after ${secondsAfterFace(seen!, mark.at).toFixed(1)} s, cosine ${mark.confidence.toFixed(2)}`)
      told = seen?.marked.length ?? 0
      if (faceAt === undefined ? now - startedAt > NO_FACE_PATIENCE_S * 1000 : now - faceAt > seconds * 1000) break
      await page.waitForTimeout(100)
    }
    if (!seen) throw new CannotTry('The kiosk saw no frame of the clip.')
    return {
      // Each student's first: where the bell rang during the rehearsal, the next lesson's marks are new ones.
      marked: seen.marked.filter((mark, i, all) => all.findIndex((one) => one.studentId === mark.studentId) === i).map((mark) => ({ student_id: mark.studentId, confidence: mark.confidence, seconds: Math.round(secondsAfterFace(seen, mark.at) * 1000) / 1000 })),
      unknown_sightings: seen.unknownSightings,
      unknown_faces: seen.unknownFaces,
      frames: seen.frames,
      ms: seen.ms ?? null,
    }
  } finally {
    await browser.close()
  }
}

function secondsAfterFace(seen: Diagnostics, at: number): number {
  return Math.max(0, at - (seen.firstFaceAt ?? at)) / 1000
}

function tell({ marked, unknown_faces, unknown_sightings, frames, ms, refused_photos }: Outcome, photos: Photo[]): string {
  const nameOf = new Map(photos.map(({ studentId, name }) => [studentId, name]))
  const missing = [...nameOf.keys()].filter((id) => !marked.some((mark) => mark.student_id === id))
  return [
    '',
    marked.length === 0 ? 'Nobody was marked.' : 'Marked:',
    ...marked.map((mark) => `  ${mark.student_id}  ${nameOf.get(mark.student_id) ?? ''}  ${mark.seconds.toFixed(1)} s after the first face, cosine ${mark.confidence.toFixed(2)}`),
    `Not marked: ${missing.length === 0 ? 'nobody of the list' : missing.map((id) => `${id} ${nameOf.get(id)}`).join(', ')}`,
    `Faces that stayed unknown: ${unknown_faces} (${unknown_sightings} sightings)`,
    ...refused_photos.map(({ image, reason }) => `Photo refused: ${image}: ${reason}`),
    `Frames looked at: ${frames}`,
    ms ? `Median ms of a frame with a face: detect ${ms.detect}, align ${ms.align}, embed ${ms.embed}, whole frame ${ms.frame}` : 'No face was good enough to be embedded.',
  ].join('\n')
}

async function rehearse(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: { students: { type: 'string' }, camera: { type: 'string' }, seconds: { type: 'string', default: '15' }, json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  if (!values.students || !values.camera) throw new CannotTry(`--students and --camera are both needed.\n\n${USAGE}`)
  const seconds = Number(values.seconds)
  if (!(seconds > 0 && seconds <= 86_400)) throw new CannotTry(`--seconds ${values.seconds}: must be a number of seconds over 0`)
  // npm runs the command in the project's root; the person's paths are relative to where they stood.
  // eslint-disable-next-line node/no-process-env -- see above
  const folder = process.env['INIT_CWD'] ?? process.cwd()
  const note = (line: string): void => console.error(line)
  const photos = await readPhotos(resolve(folder, values.students))
  const clip = await checkClip(resolve(folder, values.camera))

  const scratch = await mkdtemp(join(tmpdir(), 'fastrackai-rehearsal-'))
  let school: School | undefined
  const takeDown = async (): Promise<void> => {
    await school?.stop()
    await rm(scratch, { recursive: true, force: true })
  }
  const stopEarly = (): void => void takeDown().finally(() => process.exit(130))
  process.once('SIGINT', stopEarly).once('SIGTERM', stopEarly)
  try {
    note('Starting a throwaway school.')
    school = await startSchool()
    await enrolList(school, photos)
    note(`Enrolling ${photos.length} photo${photos.length === 1 ? '' : 's'}.`)
    const refused_photos = await encodePhotos(school, photos, join(scratch, 'photos'), note)
    note('Opening the kiosk.')
    const outcome: Outcome = { ...(await watchKiosk(school, clip, seconds, note)), refused_photos }
    console.log(values.json ? JSON.stringify(outcome) : tell(outcome, photos))
    return refused_photos.length > 0 ? 1 : 0
  } finally {
    process.removeListener('SIGINT', stopEarly).removeListener('SIGTERM', stopEarly)
    await takeDown()
  }
}

try {
  process.exitCode = await rehearse(process.argv.slice(2))
} catch (fault) {
  const usage = fault instanceof TypeError && 'code' in fault && String(fault.code).startsWith('ERR_PARSE_ARGS')
  if (!(fault instanceof CannotTry) && !usage) throw fault
  console.error((fault as Error).message)
  process.exitCode = 2
}
