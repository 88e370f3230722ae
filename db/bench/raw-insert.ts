/**
 * The ceiling of an intake: the plain multi-row INSERT of ready-made rows, with nothing judged, found, counted or told. Into a scratch database
 * on the same PostgreSQL, of the same schema, so that nothing measured beside it grows. For benches alone.
 */
import { randomBytes } from 'node:crypto'
import { connect } from '../connect.ts'
import type { Database } from '../connect.ts'
import { migrate } from '../migrate.ts'
import { ensureMonths } from '../partitions.ts'
import { addSchoolOfRooms, LESSONS_A_DAY } from './school-of-rooms.ts'

/**
 * `attendance_logs`: the table itself, in its months, with all its indexes, domains and triggers. `with foreign keys`: the same, with the four foreign
 * keys that its triggers stand for. `plain`: one table of the same columns and indexes, with nothing to check.
 */
export type RawTable = 'attendance_logs' | 'with foreign keys' | 'plain'

export interface RawInsert {
  /** One statement of `rows` new rows, committed when it resolves. */
  insert(): Promise<void>
  rows: number
  /** Throws its database away. */
  close(): Promise<void>
}

const ROOMS = 100
const STUDENTS = 50
const DAYS = 360
const DAY_MS = 86_400_000
const PLAIN = 'plain_marks'

/** The rows are marks as bench kiosks send them: ten students of a lesson, from one room to the next, over all days of a year. */
export async function openRawInsert(url: string, { rows, into = 'attendance_logs' }: { rows: number; into?: RawTable }): Promise<RawInsert> {
  const name = `raw_insert_${randomBytes(4).toString('hex')}`
  const admin = await connect(url, { statementTimeoutMs: 0 })
  await admin.sql`CREATE DATABASE ${admin.sql(name)}`
  const address = new URL(url)
  address.pathname = `/${name}`
  const db = await connect(address.href)
  const now = new Date()
  try {
    await migrate(db)
    await ensureMonths(db, now)
    await db.sql`INSERT INTO school (name, time_zone) VALUES ('Raw', 'UTC')`
    await addSchoolOfRooms(address.href, { rooms: ROOMS, students: STUDENTS, bell: new Date(Date.UTC(2026, 0, 1, 8)), daysBack: DAYS + 2 })
    if (into === 'with foreign keys') await addForeignKeys(db)
    if (into === 'plain') await db.sql.unsafe(`CREATE TABLE ${PLAIN} (${COLUMNS}, PRIMARY KEY (held_on, lesson_id, student_id)); CREATE INDEX ON ${PLAIN} (student_id, held_on); CREATE INDEX ON ${PLAIN} (course_id, held_on)`)
  } catch (error) {
    await close()
    throw error
  }
  const table = into === 'plain' ? PLAIN : 'attendance_logs'
  const statement = `
    INSERT INTO ${table} (student_id, course_id, "timestamp", device_timestamp, confidence, mark_id, lesson_id, held_on, classroom_id, device_id, model, method, received_at)
    SELECT r.student_id, r.course_id, r.at, r.device_at, r.confidence, r.mark_id, r.lesson_id, r.held_on, r.classroom_id, r.device_id, 'mobilefacenet-192-r1', 'face', $11::text::timestamptz
    FROM unnest($1::text::text[], $2::text::text[], $3::text::timestamptz[], $4::text::timestamptz[], $5::text::double precision[], $6::text::uuid[], $7::text::text[], $8::text::date[], $9::text::text[], $10::text::text[])
      AS r (student_id, course_id, at, device_at, confidence, mark_id, lesson_id, held_on, classroom_id, device_id)
    ON CONFLICT DO NOTHING`
  const today = Math.floor(now.getTime() / DAY_MS)
  let made = 0

  async function close(): Promise<void> {
    await db.close()
    await admin.sql`DROP DATABASE IF EXISTS ${admin.sql(name)} WITH (FORCE)`
    await admin.close()
  }

  return {
    rows,
    async insert() {
      const marks = Array.from({ length: rows }, () => markAt(made++, today))
      const column = (of: (mark: RawMark) => string | number): string => `{${marks.map(of).join(',')}}`
      const written = await db.sql.unsafe(
        statement,
        [
          column((mark) => mark.student_id), column((mark) => mark.course_id), column((mark) => mark.at), column((mark) => mark.device_at), column(() => 0.8123), column((mark) => mark.mark_id),
          column((mark) => mark.lesson_id), column((mark) => mark.held_on), column((mark) => mark.classroom_id), column((mark) => mark.device_id), now.toISOString(),
        ],
        { prepare: true },
      )
      if (written.count !== rows) throw new Error(`of ${rows} rows ${written.count} were new: the bench has used up its year`)
    },
    close,
  }
}

interface RawMark { student_id: string; course_id: string; at: string; device_at: string; mark_id: string; lesson_id: string; held_on: string; classroom_id: string; device_id: string }

const AT_ONCE = 10
const pad = (n: number, digits: number): string => String(n).padStart(digits, '0')

/** The nth of a year's marks: none comes twice in ROOMS x STUDENTS x LESSONS_A_DAY x DAYS. */
function markAt(n: number, today: number): RawMark {
  const place = n % AT_ONCE
  const post = Math.floor(n / AT_ONCE)
  const room = post % ROOMS
  const nth = Math.floor(post / ROOMS)
  const part = nth % (STUDENTS / AT_ONCE)
  const slot = Math.floor(nth / (STUDENTS / AT_ONCE)) % LESSONS_A_DAY
  const day = new Date((today - 1 - (Math.floor(nth / (STUDENTS / AT_ONCE) / LESSONS_A_DAY) % DAYS)) * DAY_MS)
  const taught = pad((room + slot) % ROOMS, 4)
  const held_on = day.toISOString().slice(0, 10)
  const second = `${held_on}T${pad(8 + slot, 2)}:00:${pad(place, 2)}`
  return {
    student_id: `B${taught}-${pad(part * AT_ONCE + place, 2)}`, course_id: `BC${taught}`, at: `${second}.012Z`, device_at: `${second}.000Z`,
    mark_id: `01900000-0000-7000-8000-${pad(n, 12)}`, lesson_id: `b${pad(room, 4)}.${day.getUTCDay() || 7}.${slot}`, held_on, classroom_id: `BR-${pad(room, 4)}`, device_id: `bench-${pad(room, 4)}`,
  }
}

const COLUMNS = `
  student_id text NOT NULL, course_id text NOT NULL, "timestamp" timestamptz NOT NULL, confidence double precision NOT NULL, mark_id uuid, lesson_id text NOT NULL, held_on date NOT NULL,
  classroom_id text, device_id text, model text, received_at timestamptz NOT NULL, method text, device_timestamp timestamptz`

/** In the place of the triggers that keep what they keep. */
async function addForeignKeys({ sql }: Database): Promise<void> {
  await sql.unsafe(`
    ALTER TABLE attendance_logs DISABLE TRIGGER marks_name_what_is_there;
    ALTER TABLE attendance_logs ADD FOREIGN KEY (student_id) REFERENCES students, ADD FOREIGN KEY (course_id) REFERENCES courses, ADD FOREIGN KEY (classroom_id) REFERENCES classrooms, ADD FOREIGN KEY (device_id) REFERENCES devices`)
}
