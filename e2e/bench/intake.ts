/**
 * `npm run bench:intake [-- --seconds S --rounds N] [--json]`: POSTs of ten marks, at 32 and at 100 connections, through group commit and through
 * the Redis stream, beside both ceilings in the same run: an authenticated POST of `{}` to a route of the same app that does nothing, and the raw
 * multi-row INSERT of ready-made rows into the same PostgreSQL, two at a time as the intake has them.
 *
 * In each round, one after the other, each for S seconds: empty POSTs; group commit; the stream with no recorder at work (as on a machine of its
 * own, or while PostgreSQL is away), then the recorder alone until it has drained; the stream with the recorder beside it; the raw INSERT.
 * The figures are medians over the rounds. Generator, servers, Redis and PostgreSQL share the machine; the generator is made to ask for little of it (poster.ts).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { v7 as uuidv7 } from 'uuid'
import { closeCounts, countMarks } from '../../db/bench/count-marks.ts'
import { openRawInsert } from '../../db/bench/raw-insert.ts'
import type { RawTable } from '../../db/bench/raw-insert.ts'
import { addSchoolOfRooms, LESSONS_A_DAY } from '../../db/bench/school-of-rooms.ts'
import type { BenchRoom } from '../../db/bench/school-of-rooms.ts'
import { answersReady, programActor } from '../program.ts'
import type { Actor } from '../program.ts'
import { freePort, startThrowawayRedis } from '../../server/throwaway-redis.ts'
import { startSchool } from '../school.ts'
import type { School } from '../school.ts'
import { machine, median, percentiles, round } from './figures.ts'
import { postFor } from './poster.ts'
import type { Post } from './poster.ts'

const USAGE = `npm run bench:intake -- [--seconds S] [--rounds N] [--json]

  --seconds S   of each measurement (default 8)
  --rounds N    of all measurements in turn (default 3)
  --json        one JSON object on stdout

Wants redis-server on this machine for the stream; without it that part is left out, and said so.`

const CONNECTIONS = [32, 100]
const BATCH = 10
const ROOMS = 1_000
const DAYS_BACK = 15
const DAY_MS = 86_400_000
const DRAIN_PATIENCE_MS = 180_000
const RAW_ROWS = 2_000
/** The stream is bounded; what it would not take went straight to PostgreSQL and would be measured as something else. */
const STREAM_SECONDS = 3
const GOOD = new Set([200, 202])
const READY_POSTS_A_SECOND = 5_000

interface Load {
  requests_per_second: number
  p50_ms: number
  p95_ms: number
  p99_ms: number
  errors: number
}
interface Taken extends Load {
  /** Marks that reached PostgreSQL, over the time from the first POST until the last of them was there. */
  marks_per_second: number
}

interface Figures {
  empty_post: Load
  group_commit: Taken & { of_raw_insert: number; of_empty_post: number }
  /** `marks_per_second`: of the recorder alone, which drains it. */
  stream: (Taken & { of_empty_post: number; of_raw_insert: number }) | null
  stream_and_recorder: (Taken & { of_empty_post: number; of_raw_insert: number }) | null
}

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '8' }, rounds: { type: 'string', default: '3' }, json: { type: 'boolean', default: false }, help: { type: 'boolean' } } })
const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)]
if (values.help || !(seconds >= 1) || !Number.isInteger(rounds) || rounds < 1) {
  console.log(values.help ? USAGE : `--seconds must be at least 1, --rounds a whole number from 1\n\n${USAGE}`)
  process.exit(values.help ? 0 : 2)
}

const redis = await startThrowawayRedis('--maxmemory', '2gb').catch(() => undefined)
const direct = await startSchool({ env: { TIME_ZONE: 'UTC' } })
const stop: (() => Promise<void>)[] = []
try {
  // Before the rooms are there: a server begins with the reports of whatever school it finds, and those of so many lessons would be made beside the measurements.
  const queued = redis ? await startQueued(direct, redis.url) : undefined
  if (queued) stop.push(queued.stop)
  const { rooms } = await addSchoolOfRooms(direct.databaseUrl, { rooms: ROOMS, bell: new Date(Date.UTC(2026, 0, 1, 8)), daysBack: DAYS_BACK + 2 })
  const marks = writtenOut(newMarks(rooms))
  const empty = writtenOut(emptyPost(rooms))
  const nothing = await startNothing(direct.databaseUrl)
  stop.push(nothing.stop)
  const take = attendanceOf(direct.url)
  // The servers learn of their new kiosks, and compile what they do most.
  await sleep(1_500)
  await load(take, 32, 3, marks)
  await load(nothing.url, 32, 3, empty)
  if (queued) {
    await queued.recorder.start()
    await load(queued.url, 32, 3, marks)
    await recorded(direct)
    await queued.recorder.stop()
  }

  const raw = { marks_per_second: [] as number[], with_foreign_keys_per_second: [] as number[], plain_per_second: [] as number[] }
  const runs = new Map(CONNECTIONS.map((connections) => [connections, { empty: [] as Load[], group: [] as Taken[], stream: [] as Taken[], beside: [] as Taken[] }]))
  for (let turn = 0; turn < rounds; turn++) {
    for (const [connections, of] of runs) {
      of.empty.push(await load(nothing.url, connections, seconds, empty))
      of.group.push(await taken(direct, take, connections, marks))
      if (!queued) continue
      const intake = await load(queued.url, connections, Math.min(seconds, STREAM_SECONDS), marks)
      of.stream.push({ ...intake, marks_per_second: await drained(direct, queued.recorder) })
      of.beside.push(await taken(direct, queued.url, connections, marks))
      await queued.recorder.stop()
    }
    raw.marks_per_second.push(await rawInsert(direct, 'attendance_logs'))
    raw.with_foreign_keys_per_second.push(await rawInsert(direct, 'with foreign keys'))
    raw.plain_per_second.push(await rawInsert(direct, 'plain'))
  }

  const rawRate = median(raw.marks_per_second)
  const figures = Object.fromEntries(
    [...runs].map(([connections, of]): [string, Figures] => {
      const empty = middle(of.empty)
      const share = (part: number, whole: number): number => round(part / whole)
      const takenBy = (runsOf: Taken[]) => {
        const load = middle(runsOf)
        const marks_per_second = median(runsOf.map((one) => one.marks_per_second))
        return { ...load, marks_per_second, of_raw_insert: share(marks_per_second, rawRate), of_empty_post: share(load.requests_per_second, empty.requests_per_second) }
      }
      return [String(connections), { empty_post: empty, group_commit: takenBy(of.group), stream: of.stream.length > 0 ? takenBy(of.stream) : null, stream_and_recorder: of.beside.length > 0 ? takenBy(of.beside) : null }]
    }),
  )
  const result = {
    machine: machine(),
    seconds,
    rounds,
    marks_per_post: BATCH,
    raw_insert: { marks_per_second: rawRate, with_foreign_keys_per_second: median(raw.with_foreign_keys_per_second), plain_table_per_second: median(raw.plain_per_second), rows_in_one: RAW_ROWS },
    at_connections: figures,
  }
  if (values.json) console.log(JSON.stringify(result))
  else print(result)
} finally {
  for (const end of stop) await end()
  await closeCounts()
  await direct.stop()
  await redis?.stop()
}

// ---------- what is sent ----------

interface Posts {
  /** Writes out the next `count`, beforehand: what a kiosk's JSON costs to make is the kiosks' work, not the server's. What is left over from before counts. */
  prepare(count: number): void
  next: () => Post
}

function writtenOut(make: () => Post): Posts {
  let ready: Post[] = []
  let taken = 0
  return {
    prepare(count) {
      ready = ready.slice(taken)
      taken = 0
      while (ready.length < count) ready.push(make())
    },
    next: () => ready[taken++] ?? make(),
  }
}

/**
 * As kiosks send them: ten students of one lesson, from one room to the next; no mark twice, since a repeated one is not inserted and would be
 * measured as something else.
 * @throws Error when every student has been marked in every lesson of the days: measure for less time
 */
function newMarks(rooms: BenchRoom[]): () => Post {
  const today = Math.floor(Date.now() / DAY_MS)
  const sequences = new Map<string, number>()
  const stores = new Map(rooms.map(({ device_id }) => [device_id, uuidv7()]))
  let turn = 0
  return () => {
    const room = rooms[turn % rooms.length]!
    const batches = room.lessons[0]!.student_ids.length / BATCH
    const nth = Math.floor(turn / rooms.length)
    turn += 1
    if (nth >= batches * LESSONS_A_DAY * DAYS_BACK) throw new Error(`all ${turn - 1} POSTs of new marks are used up: give fewer --rounds or --seconds`)
    const part = nth % batches
    const slot = Math.floor(nth / batches) % LESSONS_A_DAY
    const day = new Date((today - 1 - Math.floor(nth / batches / LESSONS_A_DAY)) * DAY_MS)
    const lesson = room.lessons[slot]!
    const held_on = day.toISOString().slice(0, 10)
    const lesson_id = lesson.lesson_id(day.getUTCDay() || 7)
    const before = sequences.get(room.device_id) ?? 0
    sequences.set(room.device_id, before + BATCH)
    const records = lesson.student_ids.slice(part * BATCH, part * BATCH + BATCH).map((student_id, place) => ({
      student_id,
      course_id: lesson.course_id,
      timestamp: new Date(day.getTime() + (8 + slot) * 3_600_000 + place * 1_000).toISOString(),
      confidence: 0.8123,
      mark_id: uuidv7(),
      lesson_id,
      held_on,
      model: 'mobilefacenet-192-r1',
      method: 'face',
      sequence: before + place + 1,
      clock_offset_ms: 12,
    }))
    return post(room, { device_id: room.device_id, store_id: stores.get(room.device_id), records })
  }
}

function emptyPost(rooms: BenchRoom[]): () => Post {
  let turn = 0
  return () => post(rooms[turn++ % rooms.length]!, {})
}

function post({ key }: BenchRoom, body: unknown): Post {
  return { headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

// ---------- measuring ----------

function attendanceOf(url: string): string {
  return `${url.replace('localhost', '127.0.0.1')}/api/v1/attendance`
}

/** A second server on the same PostgreSQL, which puts marks into the stream, and a recorder that is started when it is wanted. */
async function startQueued(school: School, redisUrl: string): Promise<{ url: string; recorder: Actor; stop: () => Promise<void> }> {
  const port = await freePort()
  const env = { HOST: '127.0.0.1', API_KEY: school.apiKey, SCHOOL_KEY: school.schoolKey, OFFICE_PASSWORD: school.officePassword, TIME_ZONE: 'UTC', RATE_LIMIT_PER_MINUTE: '0', DATABASE_URL: school.databaseUrl, REDIS_URL: redisUrl, DATA_DIR: school.dataDir, STOP_GRACE_SECONDS: '0' }
  const server = programActor({ name: 'server', script: 'server/main.ts', args: ['serve'], env: { ...env, PORT: String(port) }, ready: () => answersReady(`http://127.0.0.1:${port}`) })
  const recorder = programActor({ name: 'recorder', script: 'server/main.ts', args: ['record'], env: { ...env, PORT: '' }, ready: (printed) => Promise.resolve(printed.includes('recorder is ready')) })
  await server.start()
  return {
    url: attendanceOf(`http://127.0.0.1:${port}`),
    recorder,
    async stop() {
      await recorder.stop()
      await server.stop()
    },
  }
}

/** The app with a route that does nothing, beside the school. */
async function startNothing(databaseUrl: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'server/bench/empty-post.ts', databaseUrl], { cwd: join(import.meta.dirname, '../..'), stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const said = await Promise.race([once(child.stdout, 'data'), gone.then(() => [''])])
  const url = String(said[0]).trim()
  if (url === '') throw new Error('the ceiling of an empty POST did not start')
  return {
    url,
    async stop() {
      child.kill('SIGTERM')
      await gone
    },
  }
}

async function load(url: string, connections: number, forSeconds: number, posts: Posts): Promise<Load & { startedAt: number }> {
  posts.prepare(READY_POSTS_A_SECOND * forSeconds)
  const startedAt = performance.now()
  const { times, errors } = await postFor(url, { connections, seconds: forSeconds, good: GOOD, next: posts.next })
  const { p50, p95, p99 } = percentiles(times)
  return { requests_per_second: round(times.length / forSeconds, 0), p50_ms: p50, p95_ms: p95, p99_ms: p99, errors, startedAt }
}

async function taken(school: School, url: string, connections: number, posts: Posts): Promise<Taken> {
  const before = await countMarks(school.databaseUrl, 'bench-%')
  const ran = await load(url, connections, seconds, posts)
  // What was under way when the generator stopped is still written, and what the stream holds still drains.
  const { marks, at } = await recorded(school)
  return { ...ran, marks_per_second: round((marks - before) / ((at - ran.startedAt) / 1000), 0) }
}

/** The recorder alone against what waits in the stream. @returns marks per second, from its first row to its last. */
async function drained(school: School, recorder: Actor): Promise<number> {
  const before = await countMarks(school.databaseUrl, 'bench-%')
  await recorder.start()
  const start = performance.now()
  const { marks, at } = await recorded(school)
  return round((marks - before) / ((at - start) / 1000), 0)
}

/** Resolves when no more marks come; with how many there are, and since when. */
async function recorded(school: School): Promise<{ marks: number; at: number }> {
  const start = performance.now()
  let at = start
  let marks = await countMarks(school.databaseUrl, 'bench-%')
  for (let still = 0; still < 5 && performance.now() - start < DRAIN_PATIENCE_MS; ) {
    await sleep(200)
    const now = await countMarks(school.databaseUrl, 'bench-%')
    still = now === marks ? still + 1 : 0
    if (now > marks) at = performance.now()
    marks = now
  }
  return { marks, at }
}

/** Two at a time, as the intake has them. @returns rows per second. */
async function rawInsert(school: School, into: RawTable): Promise<number> {
  const raw = await openRawInsert(school.databaseUrl, { rows: RAW_ROWS, into })
  try {
    let inserts = 0
    const start = performance.now()
    const lane = async (): Promise<void> => {
      while (performance.now() - start < seconds * 1000) {
        await raw.insert()
        inserts += 1
      }
    }
    await Promise.all([lane(), lane()])
    return round((inserts * raw.rows) / ((performance.now() - start) / 1000), 0)
  } finally {
    await raw.close()
  }
}

function middle(of: Load[]): Load {
  const m = (figure: keyof Load): number => median(of.map((one) => one[figure]))
  return { requests_per_second: m('requests_per_second'), p50_ms: m('p50_ms'), p95_ms: m('p95_ms'), p99_ms: m('p99_ms'), errors: of.reduce((sum, { errors }) => sum + errors, 0) }
}

function print(result: { machine: string; raw_insert: { marks_per_second: number; with_foreign_keys_per_second: number; plain_table_per_second: number }; at_connections: Record<string, Figures> }): void {
  console.log(`${result.machine}; generator, server, PostgreSQL and Redis on it together; ${rounds} rounds of ${seconds} s, medians`)
  console.log(`raw INSERT of ${RAW_ROWS} rows: ${result.raw_insert.marks_per_second} marks/s into the same table; ${result.raw_insert.with_foreign_keys_per_second} with four foreign keys, ${result.raw_insert.plain_table_per_second} into a plain table`)
  const row = ({ requests_per_second, p50_ms, p95_ms, p99_ms, errors }: Load): Record<string, unknown> => ({ 'POSTs/s': requests_per_second, 'P50 ms': p50_ms, 'P95 ms': p95_ms, 'P99 ms': p99_ms, errors })
  const taking = (of: Figures['group_commit']): Record<string, unknown> => ({ ...row(of), 'marks/s': of.marks_per_second, 'of raw INSERT': percent(of.of_raw_insert), 'of empty POST': percent(of.of_empty_post) })
  const percent = (share: number): string => `${Math.round(share * 100)} %`
  console.table(
    Object.fromEntries(
      Object.entries(result.at_connections).flatMap(([connections, { empty_post, group_commit, stream, stream_and_recorder }]) => [
        [`empty POST, ${connections}`, row(empty_post)],
        [`group commit, ${connections}`, taking(group_commit)],
        ...(stream ? [[`stream, ${connections}`, taking(stream)] as const] : []),
        ...(stream_and_recorder ? [[`with recorder, ${connections}`, taking(stream_and_recorder)] as const] : []),
      ]),
    ),
  )
  if (Object.values(result.at_connections).some(({ stream }) => stream === null)) console.log('No redis-server on this machine: the stream was not measured.')
}
