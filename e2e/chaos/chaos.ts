/**
 * `npm run chaos -- --kills N [--json]`: two kiosks, two servers, two recorders, Redis and PostgreSQL, each a process of its own, and
 * kill -9 for each of them at random, over and over; beside it Redis is emptied, finds its memory or its disk full, and every connection
 * may be cut in the middle of an answer. The kiosks' own list of what they showed as marked is what the record is held against.
 *
 * 1. PostgreSQL (`npm run database`), Redis, servers (`npm run serve`), recorders (`npm run record`), all spoken to through links that can be cut;
 * 2. two real Chromiums with the real store and sync mark students, one after the other, of lessons all over a year;
 * 3. fault after fault; whoever was killed is started again within a few seconds, and may be killed again while it starts;
 * 4. after the last fault everybody runs: how long until no kiosk has an unsent mark?
 * 5. every mark shown must be in PostgreSQL, once; what is there must have been shown (or be on a kiosk that died before it could say so).
 *
 * The faults and their order come from --seed; what they hit does not, because processes and disks keep their own time.
 */
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
// eslint-disable-next-line no-restricted-imports -- what was stored only PostgreSQL itself can say
import postgres from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import { addSchoolOfRooms, LESSONS_A_DAY } from '../../db/bench/school-of-rooms.ts'
import type { BenchRoom } from '../../db/bench/school-of-rooms.ts'
import { freePort, startThrowawayRedis } from '../../server/throwaway-redis.ts'
import type { ThrowawayRedis } from '../../server/throwaway-redis.ts'
import { answersReady, programActor } from '../program.ts'
import type { Actor } from '../program.ts'
import { chanceOf } from '../simulation/chance.ts'
import { killPostmaster, redisActor } from './actors.ts'
import { openChaosKiosk } from './kiosk.ts'
import type { ChaosKiosk, MarkToSave } from './kiosk.ts'
import { openLink } from './link.ts'
import type { Link } from './link.ts'

const USAGE = `npm run chaos -- --kills N [--seed S] [--json]

  --kills N   how many times somebody is killed with kill -9 (default 50)
  --seed S    draws the same faults in the same order (default: drawn, and told)
  --json      one JSON object on stdout

Wants redis-server on this machine. Ends with 0: nothing lost or doubled; 1: something was; 2: it could not be tried.`

const KIOSKS = 2
const SERVERS = 2
const RECORDERS = 2
/** Between two marks of a kiosk. */
const MARK_EVERY_MS = 60
/** Between two faults, on average; and until who was killed is started again, at most. */
const FAULT_EVERY_MS = 1_200
const DOWN_AT_MOST_MS = 2_500
const DRAIN_PATIENCE_MS = 300_000
const DAYS_BACK = 360
const DAY_MS = 86_400_000

interface Outcome {
  kills: number
  marked: number
  in_record: number
  lost: number
  doubled: number
  /** In the record, and never made by a kiosk. */
  invented: number
  refused: number
  seconds_to_drain: number
  seed: number
  seconds: number
  killed: Record<string, number>
  other_faults: Record<string, number>
  alarms: number
}

const { values } = parseArgs({ options: { kills: { type: 'string', default: '50' }, seed: { type: 'string' }, json: { type: 'boolean', default: false }, help: { type: 'boolean' } } })
const kills = Number(values.kills)
const seed = values.seed === undefined ? randomBytes(4).readUInt32LE() : Number(values.seed)
if (values.help || !Number.isInteger(kills) || kills < 1 || !Number.isInteger(seed)) {
  console.log(values.help ? USAGE : `--kills must be a whole number from 1, --seed a whole number\n\n${USAGE}`)
  process.exit(values.help ? 0 : 2)
}
const say = (line: string): void => void (values.json ? process.stderr : process.stdout).write(`${line}\n`)

const outcome = await chaos(kills, seed).catch((error: unknown) => {
  console.error(error)
  process.exit(2)
})
if (values.json) console.log(JSON.stringify(outcome))
else console.log(outcome)
process.exit(outcome.lost + outcome.doubled + outcome.invented + outcome.refused === 0 && outcome.seconds_to_drain >= 0 ? 0 : 1)

async function chaos(wanted: number, from: number): Promise<Outcome> {
  const random = chanceOf(String(from)).next
  const startedAt = Date.now()
  const stage = await setStage(random)
  try {
    const marking = stage.kiosks.map((kiosk, place) => keepMarking(kiosk, marksOf(stage.rooms[place]!, random)))
    const { killed, others } = await faults(stage, wanted, random)
    say(`the last fault is over after ${Math.round((Date.now() - startedAt) / 1000)} s; everybody is started again`)
    const drainingSince = Date.now()
    for (const each of marking) each.stop()
    const [shown, made] = await Promise.all([Promise.all(marking.map((each) => each.shown)), Promise.all(marking.map((each) => each.made))])
    await everybodyUp(stage)
    const seconds = await drained(stage, drainingSince)
    const verdict = await hold(stage.databaseUrl, shown.flat(), made.flat())
    const refused = (await Promise.all(stage.kiosks.map((kiosk) => kiosk.counts()))).reduce((sum, counts) => sum + counts.refused, 0)
    return { kills: wanted, ...verdict, refused, seconds_to_drain: seconds, seed: from, seconds: Math.round((Date.now() - startedAt) / 1000), killed, other_faults: others }
  } catch (error) {
    for (const actor of stage.actors) say(`--- ${actor.name}\n${actor.printed()}`)
    throw error
  } finally {
    await stage.strike()
  }
}

// ---------- the stage ----------

interface Stage {
  actors: Actor[]
  kiosks: ChaosKiosk[]
  links: Record<string, Link>
  redis: ThrowawayRedis
  rooms: BenchRoom[]
  databaseUrl: string
  strike(): Promise<void>
}

async function setStage(random: () => number): Promise<Stage> {
  const dataDir = await mkdtemp(join(tmpdir(), 'fastrackai-chaos-school-'))
  await chmod(dataDir, 0o711)
  const redis = await startThrowawayRedis()
  const API_KEY = randomBytes(32).toString('base64url')
  const database = programActor({
    name: 'postgresql',
    script: 'db/standalone.ts',
    args: ['--data', dataDir],
    env: {},
    ready: (printed) => Promise.resolve(/postgres:\/\/\S+/.test(printed)),
    kill: () => killPostmaster(dataDir),
  })
  await database.start()
  const databaseUrl = /postgres:\/\/\S+/.exec(database.printed())?.[0] ?? ''
  const links: Record<string, Link> = { database: await openLink(Number(new URL(databaseUrl).port), random), redis: await openLink(redis.port, random) }
  const throughLink = (url: string, link: Link): string => url.replace(/:\d+(?=\/|$)/, `:${link.port}`)
  const env = {
    HOST: '127.0.0.1',
    API_KEY,
    SCHOOL_KEY: randomBytes(32).toString('base64url'),
    OFFICE_PASSWORD: randomBytes(12).toString('base64url'),
    TIME_ZONE: 'UTC',
    // A faulty world asks again and again.
    RATE_LIMIT_PER_MINUTE: '0',
    DATABASE_URL: throughLink(databaseUrl, links['database']!),
    REDIS_URL: throughLink(redis.url, links['redis']!),
  }
  const servers: Actor[] = []
  for (let i = 0; i < SERVERS; i++) {
    const port = await freePort()
    servers.push(programActor({ name: `server ${i + 1}`, script: 'server/main.ts', args: ['serve'], env: { ...env, PORT: String(port), DATA_DIR: join(dataDir, `server-${i}`) }, ready: () => answersReady(`http://127.0.0.1:${port}`) }))
    links[`server ${i + 1}`] = await openLink(port, random)
  }
  // One after the other: the first makes the tables and the app.
  for (const server of servers) await server.start()
  const { rooms } = await addSchoolOfRooms(databaseUrl, { rooms: KIOSKS, bell: new Date(Date.UTC(2026, 0, 1, 8)), daysBack: DAYS_BACK + 2 })
  const recorders = Array.from({ length: RECORDERS }, (_, i) => programActor({ name: `recorder ${i + 1}`, script: 'server/main.ts', args: ['record'], env: { ...env, PORT: '0', DATA_DIR: join(dataDir, `recorder-${i}`) }, ready: (printed) => Promise.resolve(printed.includes('is ready')) }))
  for (const recorder of recorders) await recorder.start()
  const kiosks: ChaosKiosk[] = []
  for (const room of rooms) {
    const ports = servers.map((_, i) => links[`server ${i + 1}`]!.port)
    const kiosk = await openChaosKiosk({ name: `kiosk ${room.device_id}`, device: { deviceId: room.device_id, roomId: room.room_id, key: room.key }, ports, random })
    await kiosk.start()
    kiosks.push(kiosk)
  }
  const actors = [database, redisActor(redis), ...servers, ...recorders, ...kiosks]
  return {
    actors,
    kiosks,
    links,
    redis,
    rooms,
    databaseUrl,
    async strike() {
      for (const actor of [...kiosks, ...recorders, ...servers]) await actor.stop()
      await Promise.all(Object.values(links).map((link) => link.close()))
      await database.stop()
      await redis.stop()
      await rm(dataDir, { recursive: true, force: true }).catch(() => {})
    },
  }
}

// ---------- the marks ----------

/** Another mark at each call, of lessons all over the year; a quarter of them made in the order of time. */
function marksOf(room: BenchRoom, random: () => number): () => MarkToSave {
  const today = Math.floor(Date.now() / DAY_MS)
  const used = new Set<string>()
  return () => {
    for (;;) {
      const day = new Date((today - 1 - Math.floor(random() * DAYS_BACK)) * DAY_MS)
      const slot = Math.floor(random() * LESSONS_A_DAY)
      const lesson = room.lessons[slot]!
      const student_id = lesson.student_ids[Math.floor(random() * lesson.student_ids.length)]!
      const held_on = day.toISOString().slice(0, 10)
      const lesson_id = lesson.lesson_id(day.getUTCDay() || 7)
      const key = `${held_on} ${lesson_id} ${student_id}`
      if (used.has(key)) continue
      used.add(key)
      const timestamp = new Date(day.getTime() + (8 + slot) * 3_600_000 + Math.floor(random() * 45 * 60_000)).toISOString()
      return { mark_id: uuidv7(), student_id, course_id: lesson.course_id, lesson_id, held_on, timestamp, confidence: 0.8, model: 'mobilefacenet-192-r1', method: 'face', state: 'unsent', last_seen: timestamp } as MarkToSave
    }
  }
}

interface Marking {
  stop(): void
  /** Resolve after `stop`: what the kiosk showed as marked, and all that it was given to mark. */
  shown: Promise<MarkToSave[]>
  made: Promise<MarkToSave[]>
}

function keepMarking(kiosk: ChaosKiosk, next: () => MarkToSave): Marking {
  const shown: MarkToSave[] = []
  const made: MarkToSave[] = []
  let stopped = false
  const done = (async () => {
    while (!stopped) {
      await sleep(MARK_EVERY_MS)
      if (!kiosk.runs) continue
      const mark = next()
      made.push(mark)
      try {
        if (await kiosk.save(mark)) shown.push(mark)
      } catch {
        // The browser died over it: perhaps on the disk, never shown.
      }
    }
  })()
  return { stop: () => void (stopped = true), shown: done.then(() => shown), made: done.then(() => made) }
}

// ---------- the faults ----------

async function faults(stage: Stage, wanted: number, random: () => number): Promise<{ killed: Record<string, number>; others: Record<string, number> }> {
  const killed: Record<string, number> = {}
  const others: Record<string, number> = {}
  const count = (of: Record<string, number>, what: string): void => void (of[what] = (of[what] ?? 0) + 1)
  const pick = <T>(from: T[]): T => from[Math.floor(random() * from.length)]!
  const rising = new Map<Actor, Promise<void>>()
  const lasting: Promise<void>[] = []
  let sum = 0

  const kindOf = (actor: Actor): string => actor.name.split(' ')[0] ?? actor.name

  /** As who watches over it does. It may be killed while it starts, and what it needs may be down. */
  function rise(actor: Actor, after: number): void {
    if (rising.has(actor)) return
    rising.set(actor, sleep(after).then(() => upAgain(actor)).finally(() => rising.delete(actor)))
  }

  const OTHER: Record<string, () => Promise<void> | void> = {
    'connections cut': () => pick(Object.values(stage.links)).cut(),
    'rough link': () => {
      const link = pick(Object.values(stage.links))
      link.rough(20_000)
      void sleep(2_000).then(() => link.rough(0))
    },
    'redis emptied': async () => void (await stage.redis.ask('FLUSHALL').catch(() => '')),
    'memory of redis full': async () => {
      await stage.redis.ask('CONFIG SET maxmemory 1').catch(() => '')
      void sleep(1_500).then(() => stage.redis.ask('CONFIG SET maxmemory 268435456').catch(() => ''))
    },
    'disk of redis full': async () => {
      if (!stage.redis.runs || !(await stage.redis.fillDisk().catch(() => false))) return
      // It ends by itself at its next write; where none came it is ended, and then started again as all who ended are.
      lasting.push(sleep(2_000).then(() => stage.redis.kill()))
    },
  }

  while (sum < wanted) {
    await sleep(random() * 2 * FAULT_EVERY_MS)
    // Who ended by itself, for want of another: a recorder without PostgreSQL, Redis without a disk.
    for (const actor of stage.actors) if (!actor.runs) rise(actor, 0)
    if (random() < 0.35) {
      const what = pick(Object.keys(OTHER))
      await OTHER[what]?.()
      count(others, what)
      continue
    }
    const kind = pick(['postgresql', 'redis', 'server', 'server', 'recorder', 'recorder', 'kiosk'])
    const victim = pick(stage.actors.filter((actor) => kindOf(actor) === kind))
    if (!victim.runs) continue
    await victim.kill9()
    sum += 1
    count(killed, kind)
    if (sum % 20 === 0) say(`${sum} of ${wanted} killed`)
    rise(victim, random() * DOWN_AT_MOST_MS)
  }
  await Promise.all(lasting)
  await Promise.all(rising.values())
  return { killed, others }
}

async function upAgain(actor: Actor): Promise<void> {
  while (!actor.runs) {
    await actor.start().catch((error: unknown) => say(String(error).split('\n')[0] ?? ''))
    if (!actor.runs) await sleep(200)
  }
}

async function everybodyUp(stage: Stage): Promise<void> {
  for (const link of Object.values(stage.links)) link.rough(0)
  for (const actor of stage.actors) await upAgain(actor)
}

// ---------- the verdict ----------

/** Seconds until no kiosk has an unsent mark; -1: not within the patience. */
async function drained(stage: Stage, since: number): Promise<number> {
  while (Date.now() - since < DRAIN_PATIENCE_MS) {
    const counts = await Promise.all(stage.kiosks.map((kiosk) => kiosk.counts().catch(() => ({ unsent: 1 }))))
    if (counts.every(({ unsent }) => unsent === 0)) return Math.round((Date.now() - since) / 100) / 10
    await sleep(100)
  }
  return -1
}

/** The kiosks' list against PostgreSQL itself. */
async function hold(databaseUrl: string, shown: MarkToSave[], made: MarkToSave[]): Promise<Pick<Outcome, 'marked' | 'in_record' | 'lost' | 'doubled' | 'invented' | 'alarms'>> {
  const sql = postgres(databaseUrl, { max: 1, fetch_types: false })
  try {
    const rows = await sql<{ key: string; mark_id: string }[]>`SELECT held_on::text || ' ' || lesson_id || ' ' || student_id AS key, mark_id FROM attendance_logs`
    const [alarms] = await sql<{ count: number }[]>`SELECT count(*)::integer AS count FROM device_alarms`
    const keys = new Set(rows.map(({ key }) => key))
    const keyOf = ({ held_on, lesson_id, student_id }: MarkToSave): string => `${held_on} ${lesson_id} ${student_id}`
    const known = new Set(made.map(keyOf))
    const ids = new Set(rows.map(({ mark_id }) => mark_id))
    const gone = shown.filter((mark) => !keys.has(keyOf(mark)))
    // Which alarm came with it tells a storage that its browser lost from a mark that was let go too early.
    if (gone.length > 0) {
      say(`lost: ${gone.map(({ mark_id }) => mark_id).join(' ')}`)
      for (const { kind, device_id, marks } of await sql<{ kind: string; device_id: string; marks: number }[]>`SELECT kind, device_id, marks FROM device_alarms`) say(`alarm: ${kind} of ${device_id}, ${marks} marks`)
    }
    return {
      marked: shown.length,
      in_record: shown.filter((mark) => keys.has(keyOf(mark))).length,
      lost: gone.length,
      doubled: rows.length - keys.size + (rows.length - ids.size),
      invented: rows.filter(({ key }) => !known.has(key)).length,
      alarms: alarms?.count ?? 0,
    }
  } finally {
    await sql.end()
  }
}
