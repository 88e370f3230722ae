/**
 * The school's side of the worlds: the real API handler with its intake on a real PostgreSQL, one world after the other
 * in the same database. Knows no kiosk and no network.
 */
import { createHash } from 'node:crypto'
import { DEFAULT_MODEL, EMBEDDING_LENGTH } from '#contract/model'
import { connect } from '../../db/connect.ts'
import type { Database } from '../../db/connect.ts'
import { allDevices } from '../../db/devices.ts'
import type { KeyedDevice } from '../../db/devices.ts'
import { createKeyring } from '../../db/keyring.ts'
import { insertMarks } from '../../db/marks.ts'
import type { NewMark } from '../../db/marks.ts'
import { migrate } from '../../db/migrate.ts'
import { openKeyring } from '../../db/open-keyring.ts'
import { ensureMonths } from '../../db/partitions.ts'
import { sealTemplate } from '../../db/sealed-templates.ts'
import { setAside } from '../../db/set-aside.ts'
import { openAudit } from '../../server/audit.ts'
import { createApp } from '../../server/app.ts'
import { createGroupCommit } from '../../server/intake/group-commit.ts'
import { IntakeFull } from '../../server/intake/intake.ts'
import type { Intake, TakenOutcome } from '../../server/intake/intake.ts'
import type { LogEvent } from '../../server/log.ts'
import { openSchoolKey } from '../../server/school-key.ts'
import type { Asked, Answered } from './network.ts'
import { FIRST_DATE, LAST_DATE } from './plan.ts'
import type { Plan } from './plan.ts'

export const API_KEY = 'simulation-api-key'
const SCHOOL_KEY = openSchoolKey('simulation-school-key'.padEnd(43, '-'))
const KEYRING_KEYS = { now: SCHOOL_KEY.derive('templates') }
const KEYRING = createKeyring(KEYRING_KEYS)

/** What a world is for its school. */
export interface Guest {
  now: () => number
  log: (event: LogEvent) => void
  /** Between the handler and the group commit; the group commit alone where there is none. */
  intake: (commit: Intake) => Intake
  /** Around the insert that the group commit and the recorder use. */
  insert: (insert: (marks: NewMark[]) => Promise<TakenOutcome[]>) => (marks: NewMark[]) => Promise<TakenOutcome[]>
}

export interface School {
  db: Database
  /** Clears what the world before left, and makes this one's school. */
  open(plan: Plan, guest: Guest): Promise<void>
  /** Requests that arrive at the same time, in this order. */
  answer(asked: Asked[]): Promise<Answered[]>
  /** Changes the record from outside of the kiosks: a teacher, the office. */
  ask(method: string, path: string, body?: unknown): Promise<Answered>
  /** Everything that the world left in the record. */
  record(plan: Plan, at: number): Promise<SchoolRecord>
  /** Clears away what cleared worlds leave in the tables. To be called every so many worlds. */
  tidy(): Promise<void>
  close(): Promise<void>
}

export interface RecordedMark {
  mark_id: string | null
  student_id: string
  lesson_id: string
  held_on: string
  timestamp: string
  received_at: string
  device_timestamp: string | null
}

export interface SchoolRecord {
  marks: RecordedMark[]
  aside: { mark_id: string | null; student_id: string | null; first_at: string; code: string; reason: string }[]
  doubts: { student_id: string; lesson_id: string; held_on: string; doubt: string }[]
  alarms: { device_id: string; kind: string; store_id: string; marks: number }[]
  stores: { device_id: string; store_id: string; made: number; unsent: number; received: number }[]
  statuses: { student_id: string; lesson_id: string; held_on: string; status: string }[]
}

/** @param name of a database of this school's own */
export async function openSchool(cluster: string, name: string): Promise<School> {
  const address = await freshDatabase(cluster, name)
  const db = await connect(address)
  await migrate(db)
  await openKeyring(db, KEYRING_KEYS)
  for (const date of [FIRST_DATE, LAST_DATE]) await ensureMonths(db, new Date(date))
  const tables = await prepare(db)
  const builder = await connect(withNoTrigger(address))
  let guest: Guest | undefined
  let intake: Intake | undefined
  let known: KeyedDevice[] = []
  const reload = async (): Promise<void> => {
    known = await allDevices(db)
  }
  const now = (): Date => new Date(guest?.now() ?? 0)
  const app = createApp({
    db,
    devices: {
      byKey: (key) => Promise.resolve(known.find(({ key_sha256 }) => key_sha256 === sha256(key))),
      byKeyHash: (hash) => Promise.resolve(known.find(({ key_sha256 }) => key_sha256 === hash)),
      byId: (id) => Promise.resolve(known.find(({ device_id }) => device_id === id)),
      reload,
      close() {},
    },
    intake: { take: (marks) => takeTogether(marks), drain: () => Promise.resolve() },
    now,
    settings: { false_accept_budget: 0.003, score_floor: 0.5, recognition_threshold: 0.65, debounce_seconds: 30, frame_skip: 0, camera_fps: 15 },
    model: DEFAULT_MODEL,
    schoolKey: SCHOOL_KEY,
    keyring: KEYRING,
    audit: openAudit({ db, key: SCHOOL_KEY.derive('audit'), now }),
    apiKey: API_KEY,
    appVersion: 'simulated',
    appDir: undefined,
    secureCookies: false,
    log: (event) => guest?.log(event),
  })

  /**
   * Requests at once go through PostgreSQL on several connections, and which comes first there is not the seed's to say. So each
   * waits at the intake's door until all have come or ended, and they go in together, in the order that they arrived.
   */
  let waiting: { place: number; go: () => void }[] = []
  let under = 0
  const places = new Map<string, number>()

  function takeTogether(marks: NewMark[]): Promise<TakenOutcome[]> {
    const door = intake
    if (!door) return Promise.reject(new IntakeFull('stopping', 1))
    return new Promise((resolve, reject) => {
      waiting.push({ place: places.get(marks[0]?.device_id ?? '') ?? 0, go: () => door.take(marks).then(resolve, reject) })
      openDoor()
    })
  }

  function openDoor(): void {
    if (waiting.length < under) return
    const all = waiting.sort((a, b) => a.place - b.place)
    waiting = []
    for (const { go } of all) go()
  }

  async function answerOne({ method, path, headers, body }: Asked): Promise<Answered> {
    try {
      const response = await app.fetch(new Request(`http://school.example${path}`, { method, headers, ...(body === undefined ? {} : { body }) }))
      return { status: response.status, headers: response.headers, text: await response.text() }
    } finally {
      under -= 1
      openDoor()
    }
  }

  return {
    db,
    async open(plan, next) {
      guest = next
      await builder.sql.unsafe(schoolAsSql(plan))
      await reload()
      const insert = next.insert((marks) => insertMarks(db, marks, now()))
      intake = next.intake(createGroupCommit({ insert, setAside: (refused) => setAside(db, refused, now()), log: next.log, maxInFlight: 1 }))
    },
    async answer(asked) {
      const answered: Answered[] = []
      for (let from = 0, to = 1; from < asked.length; from = to, to = from + 1) {
        // Marks that come at once go into one insert; everything else goes one after the other.
        if (bringsMarks(asked[from])) while (bringsMarks(asked[to])) to += 1
        const together = asked.slice(from, to)
        under = together.length
        places.clear()
        for (const [place, { body }] of together.entries()) places.set(/"device_id":"([^"]*)"/.exec(body ?? '')?.[1] ?? '', place)
        answered.push(...(await Promise.all(together.map(answerOne))))
      }
      return answered
    },
    async ask(method, path, body) {
      under = 1
      return answerOne({
        method,
        path,
        headers: new Headers({ authorization: `Bearer ${API_KEY}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }),
        body: body === undefined ? undefined : JSON.stringify(body),
      })
    },
    async record(plan, at) {
      const [first, last] = [plan.lessons[0]?.held_on ?? FIRST_DATE, plan.lessons.at(-1)?.held_on ?? LAST_DATE]
      const [row] = await db.sql<{ record: string }[]>`SELECT simulation.record(${first}::date, ${last}::date, ${new Date(at).toISOString()}::timestamptz)::text AS record`
      return JSON.parse(row?.record ?? '{}') as SchoolRecord
    },
    async tidy() {
      await db.sql.unsafe(`VACUUM ${tables.join(', ')}`)
    },
    async close() {
      await builder.close()
      await db.close()
    },
  }
}

const bringsMarks = (asked: Asked | undefined): boolean => asked?.path === '/api/v1/attendance'

/** @returns its address */
async function freshDatabase(cluster: string, name: string): Promise<string> {
  const admin = await connect(cluster)
  await admin.sql`DROP DATABASE IF EXISTS ${admin.sql(name)}`
  await admin.sql`CREATE DATABASE ${admin.sql(name)}`
  // What a crash of PostgreSQL would lose is not the question here.
  await admin.sql`ALTER DATABASE ${admin.sql(name)} SET synchronous_commit = off`
  // A handful of rows in each table: a plan for these very values costs more than it saves.
  await admin.sql`ALTER DATABASE ${admin.sql(name)} SET plan_cache_mode = force_generic_plan`
  await admin.close()
  const address = new URL(cluster)
  address.pathname = `/${name}`
  return address.href
}

/**
 * For what clears a world away and makes the next one's school: no trigger and no foreign key. On connections of its own and from their
 * beginning: a connection that is told so forgets every plan that it has made.
 */
function withNoTrigger(database: string): string {
  const address = new URL(database)
  address.searchParams.set('session_replication_role', 'replica')
  return address.href
}

/** Functions of the simulation's own, so that their plans are made once: to clear the record, and to read it whole. */
async function prepare(db: Database): Promise<string[]> {
  const tables = await db.sql<{ name: string }[]>`
    SELECT c.oid::regclass::text AS name FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'schema_migrations' ORDER BY 1`
  await db.sql.unsafe(`
    CREATE SCHEMA simulation;
    CREATE FUNCTION simulation.clear() RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      ${tables.map(({ name }) => `DELETE FROM ${name};`).join('\n      ')}
    END $$;
    CREATE FUNCTION simulation.record(from_date date, to_date date, instant timestamptz) RETURNS json LANGUAGE plpgsql AS $$
    BEGIN
      RETURN json_build_object(
        'marks', (SELECT coalesce(json_agg(json_build_object('mark_id', mark_id, 'student_id', student_id, 'lesson_id', lesson_id, 'held_on', held_on,
                    'timestamp', "timestamp", 'received_at', received_at, 'device_timestamp', device_timestamp) ORDER BY held_on, lesson_id, student_id), '[]')
                  FROM attendance_logs),
        'aside', (SELECT coalesce(json_agg(json_build_object('mark_id', record ->> 'mark_id', 'student_id', record ->> 'student_id', 'first_at', first_at, 'code', code, 'reason', reason)), '[]') FROM set_aside),
        'doubts', (SELECT coalesce(json_agg(json_build_object('student_id', student_id, 'lesson_id', lesson_id, 'held_on', held_on, 'doubt', doubt)), '[]') FROM mark_doubts),
        'alarms', (SELECT coalesce(json_agg(json_build_object('device_id', device_id, 'kind', kind, 'store_id', store_id, 'marks', marks) ORDER BY alarm_id), '[]') FROM device_alarms),
        'stores', (SELECT coalesce(json_agg(json_build_object('device_id', device_id, 'store_id', store_id, 'made', made, 'unsent', unsent,
                    'received', (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(received) r))), '[]') FROM device_stores),
        'statuses', (SELECT coalesce(json_agg(json_build_object('student_id', student_id, 'lesson_id', lesson_id, 'held_on', held_on, 'status', status)), '[]')
                     FROM register_entries(from_date, to_date, instant, NULL, NULL, NULL)));
    END $$;`)
  return tables.map(({ name }) => name)
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`
const rows = (each: string[]): string => each.join(', ')

interface Face {
  template_id: string
  /** Both as SQL has them. */
  wrapped: string
  sealed: string
}

/** Sealed once, for all worlds: sealing draws at random, and a world must not. */
const faces = new Map<string, Face>()

function faceOf(student_id: string): Face {
  const known = faces.get(student_id)
  if (known) return known
  const template_id = `00000000-0000-4000-8000-${String(faces.size + 1).padStart(12, '0')}`
  const key = createHash('sha256').update(student_id).digest()
  const embedding = Float32Array.from({ length: EMBEDDING_LENGTH[DEFAULT_MODEL] }, (_, i) => (i === faces.size ? 1 : 0))
  const asSql = (bytes: Buffer): string => `\\x${bytes.toString('hex')}`
  const face = { template_id, wrapped: asSql(KEYRING.wrapKey(student_id, key)), sealed: asSql(sealTemplate(key, { template_id, student_id, model: DEFAULT_MODEL }, embedding)) }
  faces.set(student_id, face)
  return face
}

/** One round trip, and so one transaction: the world before is cleared, and this one's school is there, with no trigger run. */
function schoolAsSql(plan: Plan): string {
  const since = quoted(new Date(plan.startsAt - 30 * 86_400_000).toISOString())
  const enrolled = Object.entries(plan.enrolled).flatMap(([course, students]) => students.map((student) => `(${quoted(student)}, ${quoted(course)}, ${since})`))
  return [
    'SELECT simulation.clear()',
    `INSERT INTO school (name, time_zone) VALUES ('A school', ${quoted(plan.zone)})`,
    `INSERT INTO classrooms (classroom_id, name) VALUES ${rows(plan.rooms.map((room) => `(${quoted(room)}, 'Room')`))}`,
    `INSERT INTO courses (course_id, course_code, course_name) VALUES ${rows(Object.keys(plan.enrolled).map((course) => `(${quoted(course)}, 'C', 'A course')`))}`,
    `INSERT INTO students (student_id, first_name, last_name) VALUES ${rows(plan.students.map((student) => `(${quoted(student)}, 'A', 'Student')`))}`,
    ...(enrolled.length > 0 ? [`INSERT INTO enrollments (student_id, course_id, enrolled_from) VALUES ${rows(enrolled)}`] : []),
    `INSERT INTO schedules (schedule_id, course_id, classroom_id, day_of_week, start_time, end_time, effective_from) VALUES ${rows(
      plan.timetable.map(({ schedule_id, course_id, room_id, day_of_week, starts, ends }) =>
        `(${quoted(schedule_id)}, ${quoted(course_id)}, ${quoted(room_id)}, ${day_of_week}, ${timeOfDay(starts)}, ${timeOfDay(ends)}, ${quoted(plan.effectiveFrom)})`),
    )}`,
    `INSERT INTO devices (device_id, classroom_id, key_sha256) VALUES ${rows(plan.kiosks.map(({ device_id, room_id, key }) => `(${quoted(device_id)}, ${quoted(room_id)}, '\\x${sha256(key)}')`))}`,
    ...(plan.consenting.length > 0
      ? [
          `INSERT INTO consent_texts (text_id, version, language, words, made_at, made_by) VALUES ('own-words', 1, 'und', 'yes', ${since}, 'simulation') ON CONFLICT DO NOTHING`,
          `INSERT INTO consents (student_id, statement, text_id, text_version, language, given_by, given_at, recorded_at) VALUES ${rows(plan.consenting.map((student) => `(${quoted(student)}, 'yes', 'own-words', 1, 'und', 'a guardian', ${since}, ${since})`))}`,
          `INSERT INTO keyring.students (student_id, wrapped) VALUES ${rows(plan.consenting.map((student) => `(${quoted(student)}, '${faceOf(student).wrapped}')`))} ON CONFLICT (student_id) DO UPDATE SET wrapped = EXCLUDED.wrapped`,
          `INSERT INTO templates (template_id, student_id, model, sealed, enrolled_at) VALUES ${rows(
            plan.consenting.map((student) => `('${faceOf(student).template_id}', ${quoted(student)}, ${quoted(DEFAULT_MODEL)}, '${faceOf(student).sealed}', ${since})`),
          )}`,
        ]
      : []),
  ].join(';\n')
}

function timeOfDay(minutes: number): string {
  const inDay = minutes % 1440
  return quoted(`${String(Math.floor(inDay / 60)).padStart(2, '0')}:${String(inDay % 60).padStart(2, '0')}`)
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
