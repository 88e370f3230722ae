/**
 * A school as large as a measurement wants: rooms that all have a lesson on, a kiosk in each, students with
 * templates. Knows no server: it writes into a database that the server has migrated. For benches alone.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { EMBEDDING_LENGTH } from '#contract/model'
import { connect } from '../connect.ts'
import type { Database } from '../connect.ts'
import { byteaArray, createKeyring, textArray } from '../keyring.ts'
import type { Keyring } from '../keyring.ts'
import { sealFace, sealTemplate } from '../sealed-templates.ts'

const MODEL = 'mobilefacenet-192-r1'
/** Lessons of a room in a day, an hour apart from bell to bell. */
export const LESSONS_A_DAY = 6
const LESSON_MINUTES = 45
const STUDENTS_AT_ONCE = 2_000

export interface BenchRoom {
  room_id: string
  device_id: string
  /** The device's bearer key. */
  key: string
  /** Of the day, from the bell on, an hour apart; the same on each day of the week but for the schedule's own id. */
  lessons: { course_id: string; student_ids: string[]; lesson_id: (weekday: number) => string }[]
}

export interface SchoolOfRooms {
  rooms: BenchRoom[]
  /** Local time of the first lesson's start, minutes and seconds included. */
  bell: string
}

const pad = (n: number, digits: number): string => String(n).padStart(digits, '0')
const course = (of: number): string => `BC${pad(of, 4)}`
const room = (of: number): string => `BR-${pad(of, 4)}`
const student = (of: number, place: number): string => `B${pad(of, 4)}-${pad(place, 2)}`

/**
 * Adds `rooms` rooms; class k of `students` students is in room k in the first hour, in room k - 1 in the second, and so on, on every
 * day of the week, for the first time so many days back. The first lesson begins at `bell`. `templates`: the server's key for them; without it nobody has one.
 */
export async function addSchoolOfRooms(url: string, o: { rooms: number; students?: number; bell: Date; daysBack?: number; templates?: Buffer }): Promise<SchoolOfRooms> {
  const { rooms, students = 50, daysBack = 2 } = o
  const db = await connect(url)
  try {
    const [{ bell } = { bell: '' }] = await db.sql<{ bell: string }[]>`
      SELECT to_char(${o.bell.toISOString()}::timestamptz AT TIME ZONE time_zone, 'HH24:MI:SS') AS bell FROM school`
    const keys = Array.from({ length: rooms }, () => randomBytes(32).toString('base64url'))
    await addRows(db, { rooms, students, bell, keys, daysBack })
    if (o.templates) await addTemplates(db, createKeyring({ now: o.templates }), rooms, students)
    // Rows that came this fast have no statistics yet, and autovacuum would gather them in the middle of the measurement.
    await db.sql.unsafe('ANALYZE')
    return { rooms: keys.map((key, of) => benchRoom(of, key, rooms, students)), bell }
  } finally {
    await db.close()
  }
}

function benchRoom(of: number, key: string, rooms: number, students: number): BenchRoom {
  const lessons = Array.from({ length: LESSONS_A_DAY }, (_, slot) => {
    const taught = (of + slot) % rooms
    return {
      course_id: course(taught),
      student_ids: Array.from({ length: students }, (_, place) => student(taught, place)),
      lesson_id: (weekday: number) => `b${pad(of, 4)}.${weekday}.${slot}`,
    }
  })
  return { room_id: room(of), device_id: `bench-${pad(of, 4)}`, key, lessons }
}

async function addRows(db: Database, { rooms, students, bell, keys, daysBack }: { rooms: number; students: number; bell: string; keys: string[]; daysBack: number }): Promise<void> {
  const last = rooms - 1
  await db.sql.begin(async (sql) => {
    await sql`SELECT set_config('statement_timeout', '0', true)`
    await sql`INSERT INTO classrooms (classroom_id, name) SELECT 'BR-' || lpad(n::text, 4, '0'), 'Bench room ' || n FROM generate_series(0, ${last}::integer) n`
    await sql`INSERT INTO courses (course_id, course_code, course_name) SELECT 'BC' || lpad(n::text, 4, '0'), 'BC' || n, 'Bench course ' || n FROM generate_series(0, ${last}::integer) n`
    await sql`
      INSERT INTO students (student_id, first_name, last_name)
      SELECT 'B' || lpad(n::text, 4, '0') || '-' || lpad(p::text, 2, '0'), 'Student ' || p, 'of class ' || n
      FROM generate_series(0, ${last}::integer) n CROSS JOIN generate_series(0, ${students - 1}::integer) p`
    await sql`
      INSERT INTO enrollments (student_id, course_id, enrolled_from)
      SELECT 'B' || lpad(n::text, 4, '0') || '-' || lpad(p::text, 2, '0'), 'BC' || lpad(n::text, 4, '0'), now() - ${daysBack + 4}::integer * interval '1 day'
      FROM generate_series(0, ${last}::integer) n CROSS JOIN generate_series(0, ${students - 1}::integer) p`
    await sql`
      INSERT INTO schedules (schedule_id, course_id, classroom_id, day_of_week, start_time, end_time, effective_from)
      SELECT 'b' || lpad(n::text, 4, '0') || '.' || d || '.' || s, 'BC' || lpad(((n + s) % ${rooms}::integer)::text, 4, '0'), 'BR-' || lpad(n::text, 4, '0'), d,
        ${bell}::text::time + s * interval '1 hour', ${bell}::text::time + s * interval '1 hour' + ${LESSON_MINUTES}::integer * interval '1 minute',
        (now() - ${daysBack + 4}::integer * interval '1 day')::date
      FROM generate_series(0, ${last}::integer) n CROSS JOIN generate_series(1, 7) d CROSS JOIN generate_series(0, ${LESSONS_A_DAY - 1}::integer) s`
    const hashes = keys.map((key) => `\\\\x${createHash('sha256').update(key).digest('hex')}`)
    await sql`
      INSERT INTO devices (device_id, classroom_id, key_sha256)
      SELECT 'bench-' || lpad((n - 1)::text, 4, '0'), 'BR-' || lpad((n - 1)::text, 4, '0'), k
      FROM unnest(${`{${hashes.map((hash) => `"${hash}"`).join(',')}}`}::text::bytea[]) WITH ORDINALITY AS u (k, n)`
  })
}

/** One template a student, of random direction: as far from everybody as a stranger, and compared with everybody already. */
async function addTemplates(db: Database, keyring: Keyring, rooms: number, students: number): Promise<void> {
  const ids = Array.from({ length: rooms * students }, (_, n) => student(Math.floor(n / students), n % students))
  for (let from = 0; from < ids.length; from += STUDENTS_AT_ONCE) {
    const some = ids.slice(from, from + STUDENTS_AT_ONCE)
    const names = `{${some.join(',')}}`
    const all = some.map((student_id) => sealedRow(keyring, student_id))
    const [template_ids, wrapped, templates, faces] = [textArray(all.map((one) => one.template_id)), byteaArray(all.map((one) => one.wrapped)), byteaArray(all.map((one) => one.template)), byteaArray(all.map((one) => one.face))]
    await db.sql.begin(async (sql) => {
      await sql`SELECT set_config('statement_timeout', '0', true)`
      await sql`
        INSERT INTO consents (student_id, statement, given_by, given_at)
        SELECT s, 'for a measurement', 'bench', now() FROM unnest(${names}::text::text[]) s`
      await sql`INSERT INTO keyring.students (student_id, wrapped) SELECT * FROM unnest(${names}::text::text[], ${wrapped}::text::bytea[])`
      await sql`
        INSERT INTO templates (template_id, student_id, model, sealed, enrolled_at)
        SELECT t, s, ${MODEL}, f, now() FROM unnest(${template_ids}::text::uuid[], ${names}::text::text[], ${templates}::text::bytea[]) AS u (t, s, f)`
      await sql`
        INSERT INTO compared_faces (student_id, model, sealed)
        SELECT s, ${MODEL}, f FROM unnest(${names}::text::text[], ${faces}::text::bytea[]) AS u (s, f)`
    })
  }
}

/** A random direction is as random when it is turned. */
function sealedRow(keyring: Keyring, student_id: string): { template_id: string; wrapped: Buffer; template: Buffer; face: Buffer } {
  const [key, row, face] = [randomBytes(32), { template_id: randomUUID(), student_id, model: MODEL }, randomFace()]
  return { template_id: row.template_id, wrapped: keyring.wrapKey(student_id, key), template: sealTemplate(key, row, face), face: sealFace(key, student_id, MODEL, face) }
}

function randomFace(): Float32Array {
  const face = Float32Array.from({ length: EMBEDDING_LENGTH[MODEL] }, () => Math.random() - 0.5)
  const norm = Math.hypot(...face)
  return face.map((value) => value / norm)
}
