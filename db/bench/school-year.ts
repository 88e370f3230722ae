/**
 * A school year of so many marks: made in SQL as fast as PostgreSQL takes it, without the rules that keep a real record
 * (they would only cost time: the rows are right), then put to order as a record that grew has been. Knows no question.
 *
 * The school: classes of 50 in ten blocks; each student is in one class of each block, with other students in each.
 * A block has two or three hours a week, together 25: five lessons a day, 200 days. One mark in sixteen is missing, one in
 * 25 is late, one lesson's entry in 200 was corrected, and kiosks watched every lesson.
 */
import { DatabaseRefused } from '../connect.ts'
import type { Database } from '../connect.ts'
import { migrate } from '../migrate.ts'

const FIRST_DAY = '2025-09-01'
const DAYS = 200
const CLASS = 50
const BLOCKS = 10
const LESSONS_OF_A_STUDENT = 1_000
const SEEN = 0.94
const ZONE = 'Europe/Stockholm'
/** The last lesson has ended. */
const NOW = new Date('2026-06-05T15:00:00Z')
/** So many lessons are picked for the questions. */
const SAMPLE = 1_000

export interface SchoolYear {
  marks: number
  students: number
  courses: number
  lessons: number
  now: Date
  firstMonth: string
  lastMonth: string
  /** Another one for each number, over and over. */
  student(number: number): string
  lesson(number: number): { held_on: string; lesson_id: string; course_id: string }
}

/**
 * Makes the year unless it is there; one that was made for another number of rows, or with other migrations, is made again.
 * Whatever else is in the database is refused: it may be a school.
 */
export async function ensureSchoolYear(db: Database, rows: number, say: (line: string) => void): Promise<SchoolYear> {
  const [found] = await db.sql<{ year: boolean; tables: number }[]>`
    SELECT to_regclass('bench_school') IS NOT NULL AS year, count(*)::integer AS tables FROM pg_tables WHERE schemaname = 'public'`
  if (found && !found.year && found.tables > 0) throw new Error('there is something else in this database; name another folder')
  const [before] = found?.year ? await db.sql<{ rows: number }[]>`SELECT rows::double precision AS rows FROM bench_school` : []
  const fits = before?.rows === rows && (await migrate(db).then(() => true, (refused: unknown) => {
    if (refused instanceof DatabaseRefused) return false
    throw refused
  }))
  if (!fits) {
    await db.sql.unsafe('DROP SCHEMA public CASCADE; CREATE SCHEMA public').simple()
    await db.sql`CREATE TABLE bench_school (rows bigint PRIMARY KEY)`
    await migrate(db)
  }
  const classes = Math.max(1, Math.round(rows / (LESSONS_OF_A_STUDENT * SEEN) / CLASS))
  if (!fits) {
    const from = performance.now()
    await fill(db, classes, say)
    await db.sql`INSERT INTO bench_school (rows) VALUES (${rows})`
    say(`made in ${Math.round((performance.now() - from) / 1000)} s`)
  }
  const [size] = await db.sql<{ marks: number; students: number; courses: number; lessons: number }[]>`
    SELECT (SELECT count(*) FROM attendance_logs)::double precision AS marks, (SELECT count(*) FROM students)::integer AS students,
      (SELECT count(*) FROM courses)::integer AS courses, (SELECT count(*) FROM lesson_watches)::integer AS lessons`
  const students = await db.sql<{ student_id: string }[]>`SELECT student_id FROM students ORDER BY md5(student_id) LIMIT ${SAMPLE}`
  const lessons = await db.sql<{ held_on: string; lesson_id: string; course_id: string }[]>`
    SELECT w.held_on::text AS held_on, w.lesson_id, s.course_id FROM lesson_watches w JOIN schedules s ON s.schedule_id = w.lesson_id
    ORDER BY md5(w.held_on || w.lesson_id) LIMIT ${SAMPLE}`
  const [noStudent, noLesson] = [students[0], lessons[0]]
  if (!size || !noStudent || !noLesson) throw new Error('the school year is empty')
  return {
    ...size,
    now: NOW,
    firstMonth: FIRST_DAY.slice(0, 7),
    lastMonth: NOW.toISOString().slice(0, 7),
    student: (number) => (students[number % students.length] ?? noStudent).student_id,
    lesson: (number) => lessons[number % lessons.length] ?? noLesson,
  }
}

async function fill(db: Database, classes: number, say: (line: string) => void): Promise<void> {
  const students = classes * CLASS
  await db.sql`SELECT ensure_months(${NOW.toISOString()}::timestamptz)`
  await db.sql.begin(async (sql) => {
    await sql`SELECT set_config('statement_timeout', '0', true), set_config('synchronous_commit', 'off', true), setseed(0.42)`
    // No trigger and no foreign key: what they would say of these rows is known.
    await sql`SELECT set_config('session_replication_role', 'replica', true)`
    await sql`INSERT INTO school (name, time_zone) VALUES ('A school year', ${ZONE})`
    await sql`INSERT INTO students (student_id, first_name, last_name) SELECT 'S' || lpad(n::text, 5, '0'), 'First' || n % 97, 'Last' || n % 389 FROM generate_series(0, ${students - 1}::integer) n`
    await sql`INSERT INTO classrooms (classroom_id, name) SELECT 'R' || lpad(g::text, 3, '0'), 'Room ' || g FROM generate_series(0, ${classes - 1}::integer) g`
    await sql`INSERT INTO devices (device_id, classroom_id, key_sha256) SELECT 'pi-' || lpad(g::text, 3, '0'), 'R' || lpad(g::text, 3, '0'), sha256(g::text::bytea) FROM generate_series(0, ${classes - 1}::integer) g`
    await sql`
      INSERT INTO courses (course_id, course_code, course_name)
      SELECT 'C' || b || '-' || lpad(g::text, 3, '0'), 'C' || b || '-' || lpad(g::text, 3, '0'), 'Course ' || b || ' of class ' || g
      FROM generate_series(0, ${BLOCKS - 1}::integer) b CROSS JOIN generate_series(0, ${classes - 1}::integer) g`
    // In each block another student sits beside another: multiplied by a number without a common factor, and cut into classes.
    await sql`
      INSERT INTO enrollments (student_id, course_id, enrolled_from)
      SELECT 'S' || lpad(n::text, 5, '0'), 'C' || b || '-' || lpad(((n::bigint * f.factor % ${students}::integer) / ${CLASS}::integer)::text, 3, '0'), ${FIRST_DAY}::text::date - interval '7 days'
      FROM generate_series(0, ${BLOCKS - 1}::integer) b
      CROSS JOIN LATERAL (SELECT p AS factor FROM generate_series(1 + 100 * b, 100 + 100 * b) p WHERE gcd(p, ${students}::integer) = 1 LIMIT 1) f
      CROSS JOIN generate_series(0, ${students - 1}::integer) n`
    await sql`
      INSERT INTO schedules (schedule_id, course_id, classroom_id, day_of_week, start_time, end_time, effective_from)
      SELECT 'L' || h || '-' || lpad(g::text, 3, '0'), 'C' || h % ${BLOCKS}::integer || '-' || lpad(g::text, 3, '0'), 'R' || lpad(g::text, 3, '0'),
        h / 5 + 1, time '08:00' + h % 5 * interval '1 hour', time '08:50' + h % 5 * interval '1 hour', ${FIRST_DAY}::text::date
      FROM generate_series(0, 24) h CROSS JOIN generate_series(0, ${classes - 1}::integer) g`
    await sql.unsafe('ANALYZE school, students, courses, classrooms, enrollments, schedules, devices')
    // Made again as the migrations made them; what a table's partitions take part in is printed as if they did not.
    const indexes = await sql<{ made: string }[]>`SELECT replace(pg_get_indexdef(to_regclass(name)), ' ON ONLY ', ' ON ') AS made FROM unnest(ARRAY['attendance_logs_of_student', 'attendance_logs_of_course']) name`
    await sql`DROP INDEX attendance_logs_of_student, attendance_logs_of_course`
    for (let week = 0; week < DAYS / 5; week += 1) {
      await sql`
        INSERT INTO attendance_logs (student_id, course_id, "timestamp", confidence, mark_id, lesson_id, held_on, classroom_id, device_id, model, method, received_at)
        SELECT e.student_id, l.course_id, m."timestamp", 0.6 + 0.35 * random(), gen_random_uuid(), l.lesson_id, l.held_on, l.classroom_id,
          'pi-' || substr(l.classroom_id, 2), 'mobilefacenet-192-r1', 'face', m."timestamp" + interval '2 seconds'
        FROM (SELECT * FROM lessons_held(${FIRST_DAY}::text::date + 7 * ${week}::integer, ${FIRST_DAY}::text::date + 7 * ${week}::integer + 6) ORDER BY starts_at) l
        JOIN enrollments e ON e.course_id = l.course_id
        CROSS JOIN LATERAL (SELECT l.starts_at + CASE WHEN random() < 0.04 THEN 12 ELSE 8 * random() - 3 END * interval '1 minute' + 0 * length(e.student_id) * interval '1 second' AS "timestamp") m
        WHERE random() < ${SEEN}::double precision`
      if (week % 10 === 9) say(`${week + 1} of ${DAYS / 5} weeks`)
    }
    await sql`
      INSERT INTO lesson_watches (held_on, lesson_id, device_id, first_at, last_at, beats)
      SELECT l.held_on, l.lesson_id, 'pi-' || substr(l.classroom_id, 2), l.starts_at, l.ends_at, 50
      FROM lessons_held(${FIRST_DAY}::text::date, ${FIRST_DAY}::text::date + ${(DAYS / 5) * 7 - 1}::integer) l`
    await sql`
      INSERT INTO corrections (held_on, lesson_id, student_id, status, corrected_by, corrected_at)
      SELECT l.held_on, l.lesson_id, e.student_id, (ARRAY['excused', 'excused', 'present', 'absent'])[1 + floor(4 * random())::integer], 'office', l.ends_at
      FROM lessons_held(${FIRST_DAY}::text::date, ${FIRST_DAY}::text::date + ${(DAYS / 5) * 7 - 1}::integer) l
      JOIN enrollments e ON e.course_id = l.course_id
      WHERE random() < 0.005`
    say('indexes')
    for (const { made } of indexes) await sql.unsafe(made)
  })
  // VACUUM runs in no transaction; the limit is lifted for this one connection.
  const held = await db.sql.reserve()
  try {
    await held`SET statement_timeout = 0`
    await held.unsafe('VACUUM (ANALYZE)')
    await held.unsafe('CHECKPOINT')
    await held`RESET statement_timeout`
  } finally {
    held.release()
  }
}
