/**
 * `npm run soak`: a school day in small. The real kiosk page watches a clip in a loop for as long as asked, lesson
 * after lesson, with its network pulled now and then; said at the end: how its memory grew, and whether a mark was lost.
 *
 * 1. start a throwaway school; give the kiosk's room a timetable of short lessons with breaks, in which the camera closes;
 * 2. enrol two people (or the list given), and open the kiosk with the clip as its camera;
 * 3. every second, note what the screen shows as marked; every ten seconds, read the processes' memory from /proc;
 * 4. pull the network for a while, over and over, once across a lesson's beginning;
 * 5. at the end give the network back, wait until the kiosk has nothing left to send, and compare the screen with PostgreSQL.
 *
 * [Note: What memory is] A process's own memory is what it alone holds and has written to (Private_Dirty of smaps_rollup);
 * of all renderers the one that holds most is taken, which is the page with its workers. Growth is the slope of a straight line
 * through the samples after the warm-up, times their span: the collector's saw-tooth does not decide it. After the last
 * sample the page's garbage is collected by force and the renderer weighed once more: what is left is held, not forgotten.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
// eslint-disable-next-line no-restricted-imports -- the timetable has no request, and what was stored only PostgreSQL itself can say
import postgres from 'postgres'
import type { Page } from 'playwright-core'
import type { Diagnostics, ScreenState } from '../kiosk/classroom/state.ts'
import { browserPid, launchChromium } from './chromium.ts'
import { ANNA_ENROLLED, ANNA_LATER, BEA, CLEO, clipOf, enrolPhotos } from './faces.ts'
import { type School, startSchool } from './school.ts'
import { type Sent, watchSent } from './sent.ts'
import { memoryBelow } from './processes.ts'
import { CannotTry, checkClip, encodePhotos, enrolList, readPhotos } from './student-list.ts'

const USAGE = `Runs the kiosk for a long time on a looping clip, and says what it lost and how it grew.

  npm run soak -- --minutes N [--camera CLIP --students FILE.csv] [--json]

  --minutes N           how long to watch (default 30)
  --camera CLIP         .mjpeg or .y4m, played in a loop (default: made from the sample photos of @vladmandic/face-api)
  --students FILE.csv   who is enrolled: columns student_id,name,image; with --camera only
  --json                one JSON object on stdout, nothing else

Reads memory from /proc: Linux alone. Ends with 0: nothing lost, doubled or refused, no picture sent and nothing to another origin; 1: something was; 2: it could not be tried.`

const SECOND = 1_000
const MINUTE = 60 * SECOND
const MEMORY_EVERY_MS = 10 * SECOND
/** The models, their compiled code and the first collections of garbage: 3 minutes, or a tenth of a long run. */
const WARM_UP_MS = 3 * MINUTE
/** Lessons end and begin in these rounds; the last seconds of each are a break. */
const LESSON_ROUND_MS = 150 * SECOND
const BREAK_MS = 20 * SECOND
/** The cable is out for a minute in four; not in step with the lessons, so that it is out at every part of one. */
const CABLE_ROUND_MS = 240 * SECOND
const CABLE_OUT_MS = 60 * SECOND
const READY_PATIENCE_MS = 3 * MINUTE
const DRAIN_PATIENCE_MS = 2 * MINUTE
const COURSES = ['CS101', 'MA110', 'CS205', 'PH120']

interface Megabytes {
  start: number
  after_warm_up: number
  end: number
  /** After the warm-up: the slope of a line through the samples, times their span. */
  growth: number
}

interface Outcome {
  minutes: number
  warm_up_minutes: number
  frames: number
  tensors: { after_warm_up: number | null; end: number | null }
  renderer_mb: Megabytes & { /** After the end, when the page's garbage was collected by force. */ collected: number }
  /** The whole browser: memory and shared memory, by proportional set size. */
  browser_mb: Megabytes
  by_process_mb: Record<string, { start: number; after_warm_up: number; end: number }>
  lessons: number
  offline_seconds: number
  marks: { shown: number; stored: number; lost: number; doubled: number; refused: number; unsent: number }
  sent: Sent
}

interface Sample {
  /** Milliseconds since the watch began. */
  at: number
  /** Bytes by kind of process; `renderer` is the largest one. */
  own: Record<string, number>
  pss: number
}

/** What the page says of itself. */
interface Shown {
  screen: ScreenState['screen'] | undefined
  lessonStartsAt: number | undefined
  present: string[]
  unsent: number
  refused: number
  frames: number
  tensors: number | null
}

function look(page: Page): Promise<Shown> {
  return page.evaluate(() => {
    const screen = document.querySelector('classroom-screen') as { state?: ScreenState; diagnostics?: Diagnostics } | null
    const state = screen?.state
    const badge = state && 'place' in state ? state.place?.badge : undefined
    return {
      screen: state?.screen,
      lessonStartsAt: state?.screen === 'lesson' ? state.lesson.startsAt : undefined,
      present: state?.screen === 'lesson' ? state.present.map(({ studentId }) => studentId) : [],
      unsent: badge?.unsentMarks ?? 0,
      refused: badge?.refusedMarks ?? 0,
      frames: screen?.diagnostics?.frames ?? 0,
      tensors: screen?.diagnostics?.tensors ?? null,
    }
  })
}

// ---------- the school ----------

/** The room's own lessons make way for short ones, one after the other, from now until the watch is long over. */
async function ringOften(school: School, forMs: number): Promise<number> {
  const sql = postgres(school.databaseUrl, { max: 1 })
  try {
    const { room_id } = school.device
    await sql`DELETE FROM schedules WHERE classroom_id = ${room_id}`
    const first = Math.floor(Date.now() / SECOND) * SECOND
    const count = Math.ceil((forMs + READY_PATIENCE_MS + DRAIN_PATIENCE_MS) / LESSON_ROUND_MS) + 2
    for (let n = 0; n < count; n++) {
      const from = new Date(first + n * LESSON_ROUND_MS)
      const to = new Date(from.getTime() + LESSON_ROUND_MS - BREAK_MS)
      await sql`
        INSERT INTO schedules (course_id, classroom_id, day_of_week, start_time, end_time, effective_from)
        VALUES (${COURSES[n % COURSES.length] ?? 'CS101'}, ${room_id}, ${from.getUTCDay() || 7}, ${timeOfDay(from)}, ${timeOfDay(to)}, ${from.toISOString().slice(0, 10)})`
    }
    return first
  } finally {
    await sql.end()
  }
}

/** The school's zone is UTC. */
function timeOfDay(at: Date): string {
  return at.toISOString().slice(11, 19)
}

/** Marks by lesson and student, as PostgreSQL holds them: how often each. */
async function storedMarks(school: School): Promise<Map<string, number>> {
  const sql = postgres(school.databaseUrl, { max: 1 })
  try {
    const rows = await sql<{ starts_at: Date; student_id: string; times: number }[]>`
      SELECT lesson_starts_at(a.held_on, s.start_time, 'UTC') AS starts_at, a.student_id, count(*)::integer AS times
      FROM attendance_logs a JOIN schedules s ON s.schedule_id = a.lesson_id::text GROUP BY 1, 2`
    return new Map(rows.map(({ starts_at, student_id, times }) => [nameOf(starts_at.getTime(), student_id), times]))
  } finally {
    await sql.end()
  }
}

function nameOf(lessonStartsAt: number, studentId: string): string {
  return `${new Date(lessonStartsAt).toISOString()} ${studentId}`
}

// ---------- the watch ----------

/** What the Pi's browser is started with, so that the memory weighed here is the memory that it has there. */
async function kioskJsFlags(): Promise<string> {
  const flags = /--js-flags=\S+/.exec(await readFile(join(import.meta.dirname, '../infra/pi/start-kiosk'), 'utf8'))
  if (!flags) throw new Error('infra/pi/start-kiosk has no --js-flags')
  return flags[0]
}

async function watch(school: School, clip: string, minutes: number, note: (line: string) => void): Promise<Outcome> {
  const browser = await launchChromium({ camera: clip, args: [await kioskJsFlags()] })
  try {
    const sent = watchSent(browser, new URL(school.url).origin)
    const page = browser.pages()[0] ?? (await browser.newPage())
    const pid = await browserPid(browser)
    await page.goto(school.kioskLink)
    const readyBy = performance.now() + READY_PATIENCE_MS
    let shown = await look(page)
    for (; shown.frames === 0; shown = await look(page)) {
      if (performance.now() > readyBy) throw new CannotTry(`The kiosk looked at no frame; its screen says: ${shown.screen}`)
      await sleep(200)
    }
    note(`The kiosk watches for ${minutes} minute${minutes === 1 ? '' : 's'}.`)

    const seen = new Set<string>()
    const samples: Sample[] = []
    const startedAt = performance.now()
    const firstFrames = shown.frames
    const lengthMs = minutes * MINUTE
    const warmUpMs = Math.min(Math.max(WARM_UP_MS, lengthMs / 10), lengthMs / 2)
    let cableOut = false
    let offlineMs = 0
    let warmTensors: number | null = null
    for (let at = 0; at < lengthMs; at = performance.now() - startedAt) {
      const wantOut = at % CABLE_ROUND_MS >= CABLE_ROUND_MS - CABLE_OUT_MS
      if (wantOut !== cableOut) {
        await browser.setOffline(wantOut)
        cableOut = wantOut
      }
      if (cableOut) offlineMs += SECOND
      shown = await look(page)
      for (const studentId of shown.present) if (shown.lessonStartsAt !== undefined) seen.add(nameOf(shown.lessonStartsAt, studentId))
      if (at <= warmUpMs) warmTensors = shown.tensors
      if (samples.length * MEMORY_EVERY_MS <= at) {
        const sample = await weigh(pid, at)
        samples.push(sample)
        note(`  ${(at / MINUTE).toFixed(1).padStart(5)} min  renderer ${mb(sample.own['renderer'])} MB, browser ${mb(sample.pss)} MB, ${shown.frames} frames, ${shown.tensors} tensors, ${seen.size} marks shown, ${shown.unsent} unsent${cableOut ? ', no network' : ''}`)
      }
      await sleep(SECOND)
    }
    samples.push(await weigh(pid, performance.now() - startedAt))
    const frames = shown.frames - firstFrames
    await browser.setOffline(false)
    const session = await browser.newCDPSession(page)
    await session.send('HeapProfiler.collectGarbage')
    await sleep(2 * SECOND)
    const collected = (await weigh(pid, 0)).own['renderer']
    const end = await drain(page)
    const stored = await storedMarks(school)
    return {
      minutes,
      warm_up_minutes: warmUpMs / MINUTE,
      frames,
      tensors: { after_warm_up: warmTensors, end: end.tensors },
      renderer_mb: { ...growthOf(samples, warmUpMs, ({ own }) => own['renderer'] ?? 0), collected: mb(collected) },
      browser_mb: growthOf(samples, warmUpMs, ({ pss }) => pss),
      by_process_mb: Object.fromEntries(
        [...new Set(samples.flatMap(({ own }) => Object.keys(own)))].map((kind) => {
          const { start, after_warm_up, end } = growthOf(samples, warmUpMs, ({ own }) => own[kind] ?? 0)
          return [kind, { start, after_warm_up, end }]
        }),
      ),
      lessons: new Set([...seen].map((name) => name.split(' ')[0])).size,
      offline_seconds: Math.round(offlineMs / SECOND),
      marks: {
        shown: seen.size,
        stored: stored.size,
        lost: [...seen].filter((name) => !stored.has(name)).length,
        doubled: [...stored.values()].filter((times) => times > 1).length,
        refused: end.refused,
        unsent: end.unsent,
      },
      sent: sent(),
    }
  } finally {
    await browser.close()
  }
}

/** Until nothing is left to send, or until patience ends: then what is unsent is said. */
async function drain(page: Page): Promise<Shown> {
  const until = performance.now() + DRAIN_PATIENCE_MS
  await page.evaluate(() => window.dispatchEvent(new Event('online')))
  for (;;) {
    const shown = await look(page)
    if (shown.unsent === 0 || performance.now() > until) return shown
    await sleep(SECOND)
  }
}

async function weigh(browser: number, at: number): Promise<Sample> {
  const own: Record<string, number> = {}
  let pss = 0
  for (const one of await memoryBelow(browser)) {
    const kind = one.kind || 'other'
    own[kind] = kind === 'renderer' ? Math.max(own[kind] ?? 0, one.own) : (own[kind] ?? 0) + one.own
    pss += one.pss
  }
  return { at, own, pss }
}

function growthOf(samples: Sample[], warmUpMs: number, of: (sample: Sample) => number): Megabytes {
  const after = samples.filter(({ at }) => at >= warmUpMs)
  const span = (after.at(-1)?.at ?? 0) - (after[0]?.at ?? 0)
  return {
    start: mb(of(samples[0]!)),
    after_warm_up: mb(median(after.slice(0, 3).map(of))),
    end: mb(median(after.slice(-3).map(of))),
    growth: mb(slope(after.map((one) => [one.at, of(one)])) * span),
  }
}

/** Least squares: by how much y grows with each x. */
function slope(points: [x: number, y: number][]): number {
  const mean = (at: 0 | 1): number => points.reduce((sum, point) => sum + point[at], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const spread = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
  return spread === 0 ? 0 : points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / spread
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
}

function mb(bytes = 0): number {
  return Math.round(bytes / 1024 / 102.4) / 10
}

// ---------- the command ----------

function tell(o: Outcome): string {
  const line = (what: string, { start, after_warm_up, end, growth }: Megabytes): string => `${what}: ${start} MB at the start, ${after_warm_up} after warm-up, ${end} at the end; grew by ${growth} MB after warm-up`
  return [
    '',
    `${o.minutes} minutes (${o.warm_up_minutes} of them warm-up), ${o.frames} frames, ${o.lessons} lessons, ${o.offline_seconds} s without network`,
    `${line('Renderer', o.renderer_mb)}; ${o.renderer_mb.collected} MB when its garbage was collected`,
    line('Whole browser', o.browser_mb),
    ...Object.entries(o.by_process_mb).map(([kind, { start, after_warm_up, end }]) => `  ${kind}: ${start}, ${after_warm_up}, ${end} MB`),
    `Tensors: ${o.tensors.after_warm_up} after warm-up, ${o.tensors.end} at the end`,
    `Marks: ${o.marks.shown} shown, ${o.marks.stored} stored, ${o.marks.lost} lost, ${o.marks.doubled} doubled, ${o.marks.refused} refused, ${o.marks.unsent} still unsent`,
    `Sent: ${o.sent.requests} requests, ${o.sent.foreign} to another origin, ${o.sent.pictures} with a picture; the largest body ${o.sent.largest_body_bytes} bytes`,
  ].join('\n')
}

async function soak(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: { minutes: { type: 'string', default: '30' }, camera: { type: 'string' }, students: { type: 'string' }, json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const minutes = Number(values.minutes)
  if (!(minutes > 0 && minutes <= 10_080)) throw new CannotTry(`--minutes ${values.minutes}: must be a number of minutes over 0, at most 10080`)
  if ((values.camera === undefined) !== (values.students === undefined)) throw new CannotTry(`--camera and --students go together.\n\n${USAGE}`)
  if (process.platform !== 'linux') throw new CannotTry('Memory is read from /proc, which only Linux has.')
  // npm runs the command in the project's root; the person's paths are relative to where they stood.
  // eslint-disable-next-line node/no-process-env -- see above
  const folder = process.env['INIT_CWD'] ?? process.cwd()
  const note = (line: string): void => console.error(line)
  const photos = values.students === undefined ? undefined : await readPhotos(resolve(folder, values.students))
  const given = values.camera === undefined ? undefined : await checkClip(resolve(folder, values.camera))

  const scratch = await mkdtemp(join(tmpdir(), 'fastrackai-soak-'))
  let school: School | undefined
  const takeDown = async (): Promise<void> => {
    await school?.stop()
    await rm(scratch, { recursive: true, force: true })
  }
  const stopEarly = (): void => void takeDown().finally(() => process.exit(130))
  process.once('SIGINT', stopEarly).once('SIGTERM', stopEarly)
  try {
    note('Starting a throwaway school.')
    school = await startSchool({ env: { TIME_ZONE: 'UTC' } })
    if (photos) {
      await enrolList(school, photos)
      await encodePhotos(school, photos, join(scratch, 'photos'), note)
    } else await enrolPhotos(school, { S001: ANNA_ENROLLED, S002: BEA })
    const clip = given ?? (await clipOf(join(scratch, 'clip.y4m'), [ANNA_LATER, CLEO, BEA], { faceWidth: 120 }))
    await ringOften(school, minutes * MINUTE)
    note('Opening the kiosk.')
    const outcome = await watch(school, clip, minutes, note)
    console.log(values.json ? JSON.stringify(outcome) : tell(outcome))
    const { lost, doubled, refused, unsent } = outcome.marks
    return lost + doubled + refused + unsent + outcome.sent.foreign + outcome.sent.pictures > 0 ? 1 : 0
  } finally {
    process.removeListener('SIGINT', stopEarly).removeListener('SIGTERM', stopEarly)
    await takeDown()
  }
}

try {
  process.exitCode = await soak(process.argv.slice(2))
} catch (fault) {
  const usage = fault instanceof TypeError && 'code' in fault && String(fault.code).startsWith('ERR_PARSE_ARGS')
  if (!(fault instanceof CannotTry) && !usage) throw fault
  console.error((fault as Error).message)
  process.exitCode = 2
}
