import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EMBEDDING_LENGTH } from '#contract/model'
import { LATE_AFTER_MINUTES } from '#contract/register'
import { connect } from './connect.ts'
import type { Database } from './connect.ts'
import { insertMarks } from './marks.ts'
import { migrate } from './migrate.ts'
import { ensureMonths } from './partitions.ts'
import { openDemoSchool, openTestDatabase } from './test-school.ts'

let db: Database
let url: string
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, url, close } = await openDemoSchool(new Date()))
})
afterAll(() => close())

const partitions = (from: Database) => from.sql<{ name: string }[]>`
  SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'attendance_logs'::regclass ORDER BY 1`

describe('migrations', () => {
  test('run again, and by two servers at once, they change nothing', async () => {
    const before = await db.sql`SELECT name, applied_at FROM schema_migrations ORDER BY name`
    const other = await connect(url)
    await Promise.all([migrate(db), migrate(other), migrate(db)])
    await other.close()
    expect(await db.sql`SELECT name, applied_at FROM schema_migrations ORDER BY name`).toEqual(before)
    expect(before.length).toBeGreaterThan(0)
  })

  test('a database made by a newer version is refused', async () => {
    const fresh = await openTestDatabase()
    await fresh.db.sql`INSERT INTO schema_migrations (name, sha256) VALUES ('9999_later.sql', 'x')`
    await expect(migrate(fresh.db)).rejects.toThrow(/newer version.*9999_later\.sql/)
    await fresh.close()
  })

  test('a database made with another text of a migration is refused', async () => {
    const fresh = await openTestDatabase()
    await fresh.db.sql`UPDATE schema_migrations SET sha256 = 'x' WHERE name = '0001_school.sql'`
    await expect(migrate(fresh.db)).rejects.toThrow(/0001_school\.sql/)
    await fresh.close()
  })
})

describe('attendance_logs is partitioned by month', () => {
  test('PostgreSQL says that it is partitioned by range of held_on', async () => {
    const [table] = await db.sql`
      SELECT p.partstrat, a.attname FROM pg_partitioned_table p
      JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
      WHERE p.partrelid = 'attendance_logs'::regclass`
    expect(table).toEqual({ partstrat: 'r', attname: 'held_on' })
  })

  test('months are made once, 13 back and 3 ahead, by however many ask at the same time, and there is no default partition', async () => {
    const fresh = await openTestDatabase()
    const now = new Date('2026-11-30T23:59:00Z')
    await Promise.all([ensureMonths(fresh.db, now), ensureMonths(fresh.db, now), ensureMonths(fresh.db, now)])
    const names = (await partitions(fresh.db)).map((row) => row.name)
    expect(names).toHaveLength(17)
    expect(names.at(0)).toBe('attendance_logs_2025_10')
    expect(names.at(-1)).toBe('attendance_logs_2027_02')
    await ensureMonths(fresh.db, new Date('2026-12-01T00:01:00Z'))
    expect((await partitions(fresh.db)).map((row) => row.name)).toEqual([...names, 'attendance_logs_2027_03'])
    const [table] = await fresh.db.sql`SELECT partdefid::integer FROM pg_partitioned_table WHERE partrelid = 'attendance_logs'::regclass`
    expect(table?.partdefid).toBe(0)
    await fresh.close()
  })

  test('a query of some dates reads their months only', async () => {
    const fresh = await openTestDatabase()
    await ensureMonths(fresh.db, new Date('2026-11-15T00:00:00Z'))
    const plan = await fresh.db.sql.unsafe(`EXPLAIN SELECT * FROM attendance_logs WHERE held_on BETWEEN '2026-09-30' AND '2026-10-02'`)
    const months = plan.map((row) => String(row['QUERY PLAN'])).join(' ').match(/attendance_logs_\d{4}_\d{2}/g)
    expect(new Set(months)).toEqual(new Set(['attendance_logs_2026_09', 'attendance_logs_2026_10']))
    await fresh.close()
  })
})

describe('what people ask in SQL', () => {
  test('the four published statements run as they stand and answer', async () => {
    const [lesson] = await db.sql<{ course_id: string }[]>`SELECT course_id FROM current_schedule WHERE classroom_id = 'LAB-301'`
    expect(await insertMarks(db, [{ student_id: 'S001', course_id: lesson?.course_id ?? '', timestamp: new Date().toISOString(), confidence: 0.9, device_id: 'pi-lab301' }], new Date())).toEqual([{ outcome: 'stored' }])
    const now = await db.sql.unsafe(`SELECT * FROM current_schedule WHERE classroom_id = 'LAB-301'`)
    expect(now).toHaveLength(1)
    expect(Object.keys(now[0] ?? {})).toEqual(expect.arrayContaining(['lesson_id', 'held_on', 'starts_at', 'ends_at', 'course_name', 'classroom_name']))
    expect(await db.sql.unsafe(`SELECT s.first_name, s.last_name, al.timestamp FROM attendance_logs al JOIN students s ON al.student_id = s.student_id WHERE DATE(al.timestamp) = CURRENT_DATE`)).toMatchObject([{ first_name: 'Amina', last_name: 'Yusuf' }])
    expect(await db.sql.unsafe(`SELECT * FROM student_attendance_summary WHERE course_id = 'CS101'`)).toHaveLength(24)
    expect(await db.sql.unsafe(`SELECT * FROM get_enrolled_students_for_class('LAB-301', CURRENT_TIMESTAMP)`)).toHaveLength(24)
  })

  test('the published columns are there, by name', async () => {
    const published = {
      students: ['student_id', 'first_name', 'last_name', 'email'],
      courses: ['course_id', 'course_code', 'course_name', 'department', 'credits'],
      schedules: ['course_id', 'classroom_id', 'day_of_week', 'start_time', 'end_time', 'effective_from', 'effective_to'],
      attendance_logs: ['student_id', 'course_id', 'timestamp', 'confidence'],
      classrooms: ['classroom_id'], enrollments: ['student_id', 'course_id'], devices: ['device_id'], templates: ['student_id', 'model'], consents: ['student_id', 'withdrawn_at'],
    }
    for (const [table, columns] of Object.entries(published)) {
      const there = await db.sql<{ name: string }[]>`SELECT column_name::text AS name FROM information_schema.columns WHERE table_name = ${table}`
      expect(there.map((row) => row.name)).toEqual(expect.arrayContaining(columns))
    }
  })

  test('the day of the week is documented where people look', async () => {
    const [comment] = await db.sql<{ text: string }[]>`
      SELECT col_description('schedules'::regclass, attnum) AS text FROM pg_attribute WHERE attrelid = 'schedules'::regclass AND attname = 'day_of_week'`
    expect(comment?.text).toMatch(/ISO: 1 = Monday.*7 = Sunday/)
  })

  test('the numbers that SQL and the contract share are the same', async () => {
    const [late] = await db.sql<{ minutes: number }[]>`SELECT late_after_minutes() AS minutes`
    expect(late?.minutes).toBe(LATE_AFTER_MINUTES)
    for (const [model, length] of Object.entries(EMBEDDING_LENGTH)) {
      const [known] = await db.sql<{ length: number }[]>`SELECT embedding_length(${model}) AS length`
      expect(known?.length).toBe(length)
    }
  })
})

describe('the timetable in the school\'s zone', () => {
  const ZONES = ['Europe/Stockholm', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'Pacific/Apia', 'UTC']

  test.each(ZONES)('in %s exactly one lesson is on in LAB-301 at any moment, in every night of a change of the clocks too', async (zone) => {
    const school = await openDemoSchool(new Date('2025-12-31T12:00:00Z'), zone)
    const from = Date.parse('2026-01-01T00:00:00Z')
    const changes = await school.db.sql<{ at: string }[]>`
      SELECT at::text FROM (
        SELECT t AS at, (t AT TIME ZONE ${zone}) - lag(t AT TIME ZONE ${zone}) OVER (ORDER BY t) AS step
        FROM generate_series(timestamptz '2026-01-01', timestamptz '2026-12-31', interval '1 hour') t) s
      WHERE step <> interval '1 hour'`
    const anywhere = fc.integer({ min: from, max: from + 364 * 86_400_000 })
    const near = changes.map(({ at }) => fc.integer({ min: Date.parse(at) - 4 * 3_600_000, max: Date.parse(at) + 4 * 3_600_000 }))
    const instants = [...new Set(fc.sample(fc.noBias(fc.oneof(anywhere, ...near)), 300))].map((ms) => new Date(ms).toISOString())
    const rows = await school.db.sql<{ at: string; n: number }[]>`
      SELECT i.at, count(l.lesson_id)::integer AS n
      FROM jsonb_array_elements_text(${JSON.stringify(instants)}::text::jsonb) AS i (at)
      LEFT JOIN LATERAL (SELECT * FROM lessons_at(i.at::timestamptz) WHERE classroom_id = 'LAB-301') l ON true
      GROUP BY i.at`
    expect(rows.filter((row) => row.n !== 1)).toEqual([])
    expect(rows.length).toBeGreaterThan(200)
    await school.close()
  })

  test('the hour that the clocks leave out holds no lesson, and its neighbours meet', async () => {
    const school = await openDemoSchool(new Date('2026-03-28T12:00:00Z'))
    const lessons = await school.db.sql<{ starts: string; ends: string }[]>`
      SELECT to_char(starts_at AT TIME ZONE 'UTC', 'HH24:MI') AS starts, to_char(ends_at AT TIME ZONE 'UTC', 'HH24:MI') AS ends
      FROM lessons_between('2026-03-29T00:00:00Z', '2026-03-29T02:00:00Z') WHERE classroom_id = 'LAB-301' ORDER BY starts_at`
    expect(lessons.map(({ starts, ends }) => [starts, ends])).toEqual([['00:00', '01:00'], ['01:00', '02:00']])
    await school.close()
  })

  test('a timetable row whose lessons are on record cannot be moved or deleted, only ended', async () => {
    const school = await openDemoSchool(new Date('2026-03-02T09:05:00Z'))
    await insertMarks(school.db, [{ student_id: 'S001', course_id: 'CS101', timestamp: '2026-03-02T07:05:00Z', confidence: 1, device_id: 'pi-lab301' }], new Date('2026-03-02T09:05:00Z'))
    const [row] = await school.db.sql<{ lesson_id: string }[]>`SELECT lesson_id FROM attendance_logs`
    expect(row?.lesson_id).toMatch(/^\d+$/)
    const id = row?.lesson_id ?? ''
    await expect(school.db.sql`UPDATE schedules SET start_time = '05:00' WHERE schedule_id = ${id}`).rejects.toThrow(/recorded/)
    await expect(school.db.sql`DELETE FROM schedules WHERE schedule_id = ${id}`).rejects.toThrow(/recorded/)
    await school.db.sql`UPDATE schedules SET effective_to = '2026-03-31' WHERE schedule_id = ${id}`
    await school.close()
  })

  test('a zone that does not exist is refused', async () => {
    await expect(db.sql`UPDATE school SET time_zone = 'Europe/Atlantis'`).rejects.toThrow(/Atlantis/)
  })
})

test('only an empty database is seeded', async () => {
  const [school] = await db.sql`SELECT name FROM school`
  const { seedDemoSchool } = await import('./seed.ts')
  expect(await seedDemoSchool(db, { now: new Date(), timeZone: 'UTC', deviceKey: 'x', officePassword: 'y' })).toBe(false)
  expect(await db.sql`SELECT name FROM school`).toEqual([school])
})
