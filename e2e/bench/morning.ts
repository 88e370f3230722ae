/**
 * `npm run bench:morning -- --rooms 100 [--json]`: nine o'clock. The bell rings in every room at once; fifty students enter each within
 * five minutes, compressed into thirty seconds; the kiosks send them in tens, pull the new lesson's roster and beat meanwhile.
 *
 * 1. start a throwaway school with as many rooms, kiosks and students (each with a template); each room's lesson begins at the bell;
 * 2. before the bell each kiosk pulls its roster, as it has all morning;
 * 3. from the bell on, for 30 s: every kiosk beats every 6 s (once a minute, compressed alike) and posts ten marks as soon as it has them, the
 *    rest at the end; within 120 s, its own spread, not compressed, it pulls the new roster whole; an answer that is not 200 or 202 is an error, and its marks are sent again;
 * 4. when all is answered, the marks are counted in PostgreSQL.
 *
 * Each request leaves at its planned moment, whatever became of the others (open loop), and its time counts from that moment on.
 */
import { hkdfSync } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { v7 as uuidv7 } from 'uuid'
import { addSchoolOfRooms } from '../../db/bench/school-of-rooms.ts'
import type { BenchRoom } from '../../db/bench/school-of-rooms.ts'
import { countMarks } from '../../db/bench/count-marks.ts'
import { startThrowawayRedis } from '../../server/throwaway-redis.ts'
import { startSchool, type School } from '../school.ts'
import { openCaller } from './caller.ts'
import type { Called, Caller } from './caller.ts'
import { machine, percentiles } from './figures.ts'
import type { Percentiles } from './figures.ts'

const USAGE = `npm run bench:morning -- [--rooms N] [--students N] [--redis] [--json]

  --rooms N      rooms with a kiosk each (default 100)
  --students N   who enter each room (default 50)
  --redis        through a Redis stream instead of straight into PostgreSQL (wants redis-server on this machine)
  --json         one JSON object on stdout`

const SECONDS = 30
/** The kiosks' own (PACE.spreadMs): they know the lesson already. */
const PULL_SPREAD_SECONDS = 120
const BEAT_EVERY_SECONDS = 6
const BATCH = 10
/** From the start of the school to the bell: for the pulls before it. */
const PULLS_BEFORE_AT_ONCE = 4
const RETRY_MS = 1_000
const DRAIN_PATIENCE_MS = 240_000

/** Of each kiosk, what names its storage. */
const stores = new Map<string, string>()

type Kind = 'marks' | 'pull' | 'beat'

interface Result {
  rooms: number
  students: number
  through: 'group commit' | 'stream'
  machine: string
  marks: { made: number; in_record: number; lost: number }
  errors: number
  seconds_to_last_mark_recorded: number
  ms: Record<Kind | 'all', Percentiles>
  pulled_mb: number
}

const { values } = parseArgs({
  options: { rooms: { type: 'string', default: '100' }, students: { type: 'string', default: '50' }, redis: { type: 'boolean', default: false }, json: { type: 'boolean', default: false }, help: { type: 'boolean' } },
})
const wanted = { rooms: Number(values.rooms), students: Number(values.students) }
if (values.help || ![wanted.rooms, wanted.students].every((n) => Number.isInteger(n) && n > 0) || wanted.rooms > 5_000 || wanted.students > 99) {
  console.log(values.help ? USAGE : `--rooms must be a whole number from 1 to 5000, --students from 1 to 99\n\n${USAGE}`)
  process.exit(values.help ? 0 : 2)
}
const result = await morning({ ...wanted, redis: values.redis })
if (values.json) console.log(JSON.stringify(result))
else print(result)
process.exit(result.errors === 0 && result.marks.lost === 0 ? 0 : 1)

/** What the school's server wraps students' keys under: derived as server/school-key.ts does. */
function templatesKey(school: School): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(school.schoolKey, 'base64url'), Buffer.alloc(0), 'fastrackai templates', 32))
}

async function morning({ rooms: count, students, redis: withRedis }: { rooms: number; students: number; redis: boolean }): Promise<Result> {
  const redis = withRedis ? await startThrowawayRedis() : undefined
  const school = await startSchool({ env: { TIME_ZONE: 'UTC', ...(redis ? { REDIS_URL: redis.url } : {}) } })
  const caller = openCaller(school.url)
  try {
    // The rows take a while to write, and the bell's time is part of them.
    const patience = 20_000 + count * (30 + students)
    const bell = new Date(Math.ceil((Date.now() + patience) / 1000) * 1000)
    const { rooms } = await addSchoolOfRooms(school.databaseUrl, { rooms: count, students, bell, templates: templatesKey(school) })
    const etags = await pullAll(caller, rooms)
    const requests = rooms.flatMap((room) => morningOf(room, bell, etags.get(room.room_id)))
    if (Date.now() > bell.getTime()) throw new Error(`this machine took longer than ${patience / 1000} s to make ${count} rooms`)
    await sleep(bell.getTime() - Date.now())
    return await fromTheBell({ caller, rooms, requests, databaseUrl: school.databaseUrl, through: redis ? 'stream' : 'group commit' })
  } finally {
    caller.close()
    await school.stop()
    await redis?.stop()
  }
}

async function pullAll(caller: Caller, rooms: BenchRoom[]): Promise<Map<string, string | undefined>> {
  const etags = new Map<string, string | undefined>()
  const waiting = [...rooms]
  await Promise.all(
    Array.from({ length: PULLS_BEFORE_AT_ONCE }, async () => {
      for (let room = waiting.pop(); room; room = waiting.pop()) etags.set(room.room_id, (await caller.call(pullOf(room))).etag)
    }),
  )
  return etags
}

/** A request that leaves so many seconds after the bell. */
interface Planned {
  kind: Kind
  seconds: number
  ask: () => Omit<Parameters<Caller['call']>[0], 'planned'>
  isGood: (answer: Called) => boolean
}

/** Made before the bell, and so are the bodies of the marks: that is no work of the server's. */
function morningOf(room: BenchRoom, bell: Date, etag: string | undefined): Planned[] {
  const lesson = room.lessons[0]
  if (!lesson) return []
  const planned: Planned[] = [{ kind: 'pull', seconds: Math.random() * PULL_SPREAD_SECONDS, ask: () => pullOf(room, etag), isGood: ({ status }) => status === 200 || status === 304 }]
  const first = Math.random() * BEAT_EVERY_SECONDS
  for (let seconds = first; seconds < SECONDS; seconds += BEAT_EVERY_SECONDS) planned.push({ kind: 'beat', seconds, ask: () => beatOf(room, lesson.student_ids.length), isGood: ({ status }) => status === 200 })
  const entering = lesson.student_ids.map((student_id) => ({ student_id, at: Math.random() * SECONDS })).sort((a, b) => a.at - b.at)
  for (let from = 0; from < entering.length; from += BATCH) {
    const some = entering.slice(from, from + BATCH)
    const body = marksOf(room, lesson, bell, some, from)
    planned.push({ kind: 'marks', seconds: some.at(-1)?.at ?? 0, ask: () => ({ method: 'POST', path: '/api/v1/attendance', key: room.key, body }), isGood: ({ status }) => status === 200 || status === 202 })
  }
  return planned
}

async function fromTheBell(o: { caller: Caller; rooms: BenchRoom[]; requests: Planned[]; databaseUrl: string; through: Result['through'] }): Promise<Result> {
  const { caller, rooms } = o
  const start = performance.now()
  const times: Record<Kind, number[]> = { marks: [], pull: [], beat: [] }
  let errors = 0
  let pulledBytes = 0
  const made = rooms.reduce((sum, { lessons }) => sum + (lessons[0]?.student_ids.length ?? 0), 0)

  /** At its moment, and again after a while for as long as it is refused, as a kiosk would. */
  async function send({ kind, seconds, ask, isGood }: Planned): Promise<void> {
    for (let planned = start + seconds * 1000; ; planned = performance.now() + RETRY_MS) {
      await sleep(Math.max(0, planned - performance.now()))
      const answer = await caller.call({ ...ask(), planned })
      times[kind].push(answer.ms)
      if (kind === 'pull') pulledBytes += answer.bytes
      if (isGood(answer)) return
      errors += 1
      if (performance.now() - start > DRAIN_PATIENCE_MS) return
    }
  }

  await Promise.all(o.requests.map(send))
  let inRecord = await countMarks(o.databaseUrl, 'bench-%')
  while (inRecord < made && performance.now() - start < DRAIN_PATIENCE_MS) {
    await sleep(50)
    inRecord = await countMarks(o.databaseUrl, 'bench-%')
  }
  const all = [...times.marks, ...times.pull, ...times.beat]
  return {
    rooms: rooms.length,
    students: rooms[0]?.lessons[0]?.student_ids.length ?? 0,
    through: o.through,
    machine: machine(),
    marks: { made, in_record: inRecord, lost: made - inRecord },
    errors,
    seconds_to_last_mark_recorded: Number(((performance.now() - start) / 1000).toFixed(1)),
    ms: { all: percentiles(all), marks: percentiles(times.marks), pull: percentiles(times.pull), beat: percentiles(times.beat) },
    pulled_mb: Math.round(pulledBytes / 1e6),
  }
}

function pullOf(room: BenchRoom, etag?: string) {
  return { method: 'GET' as const, path: `/api/v1/schedule?room_id=${room.room_id}`, key: room.key, etag }
}

/** Of a kiosk that has let go of none of its marks yet, and drawn no fence since the beat before. */
function beatOf(room: BenchRoom, made: number) {
  const now = new Date().toISOString()
  const store_id = storeOf(room)
  const body = JSON.stringify({ device_id: room.device_id, timestamp: now, app_version: 'bench', model: 'mobilefacenet-192-r1', camera: 'live', lesson: lessonNamed(room, new Date()), frame_ms: 35, unsent_marks: made, refused_marks: 0, roster_pulled_at: now, roster_version: '0', store: { store_id, made, unsent: made, fence: store_id, next_fence: store_id } })
  return { method: 'POST' as const, path: '/api/v1/heartbeat', key: room.key, body }
}

function weekdayOf(at: Date): number {
  return at.getUTCDay() || 7
}

function lessonNamed(room: BenchRoom, at: Date): { held_on: string; lesson_id: string } {
  return { held_on: at.toISOString().slice(0, 10), lesson_id: room.lessons[0]?.lesson_id(weekdayOf(at)) ?? '' }
}

/** As a kiosk sends them. */
function marksOf(room: BenchRoom, lesson: BenchRoom['lessons'][number], bell: Date, some: { student_id: string; at: number }[], made: number): string {
  const { held_on, lesson_id } = lessonNamed(room, bell)
  const records = some.map(({ student_id, at }, place) => ({
    student_id,
    course_id: lesson.course_id,
    timestamp: new Date(bell.getTime() + at * 1000).toISOString(),
    confidence: 0.8123,
    mark_id: uuidv7(),
    lesson_id,
    held_on,
    model: 'mobilefacenet-192-r1',
    method: 'face',
    sequence: made + place + 1,
    clock_offset_ms: 12,
  }))
  return JSON.stringify({ device_id: room.device_id, store_id: storeOf(room), records })
}

function storeOf({ device_id }: BenchRoom): string {
  const store = stores.get(device_id) ?? uuidv7()
  stores.set(device_id, store)
  return store
}

function print({ machine, rooms, students, through, marks, errors, ms, pulled_mb, seconds_to_last_mark_recorded }: Result): void {
  console.log(`${rooms} rooms x ${students} students in ${SECONDS} s, through ${through}; generator, server and PostgreSQL on one machine: ${machine}`)
  console.table(Object.fromEntries(Object.entries(ms).map(([kind, { n, p50, p95, p99, max }]) => [kind, { requests: n, 'P50 ms': p50, 'P95 ms': p95, 'P99 ms': p99, 'max ms': max }])))
  console.log(`errors ${errors}; marks made ${marks.made}, in the record ${marks.in_record}, lost ${marks.lost}; all recorded ${seconds_to_last_mark_recorded} s after the bell; rosters pulled ${pulled_mb} MB`)
}
