/** Retention: whole months whose time is over go, with all that belongs to them, and nothing else does. */
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { connect } from './connect.ts'
import type { Database } from './connect.ts'
import { dailyRound } from './daily-round.ts'
import { insertMarks } from './marks.ts'
import { ensureMonths } from './partitions.ts'
import { refreshReports } from './reports.ts'
import { dropMonths, monthsBeyond, retentionDue } from './retention.ts'
import type { What } from './retention.ts'
import { openDemoSchool as openSchool } from './test-school.ts'

const NOW = new Date('2026-03-02T09:05:00Z')
const DAY_MS = 86_400_000

const TABLES: [What, string, string][] = [
  ['marks', 'attendance_logs', 'held_on'],
  ['corrections', 'corrections', 'held_on'],
  ['doubts', 'mark_doubts', 'held_on'],
  ['watches', 'lesson_watches', 'held_on'],
  ['mark_ids', 'mark_ids', 'held_on'],
  ['set_aside', 'set_aside', `(last_at AT TIME ZONE 'Europe/Stockholm')::date`],
]

/** The dates of everything on record, in order. */
async function onRecord(db: Database): Promise<Record<What, string[]>> {
  const all: Partial<Record<What, string[]>> = {}
  for (const [what, table, date] of TABLES) {
    all[what] = (await db.sql.unsafe<{ date: string }[]>(`SELECT ${date}::text AS date FROM ${table} ORDER BY 1`)).map((row) => row.date)
  }
  return all as Record<What, string[]>
}

/** One lesson on each of these dates, with one of everything. */
async function record(db: Database, dates: readonly string[], room = 0): Promise<void> {
  const list = JSON.stringify(dates)
  const days = db.sql`(SELECT d.held_on::date AS held_on, 'L' || d.n || '-' || ${room}::integer AS lesson_id, d.n FROM jsonb_array_elements_text(${list}::text::jsonb) WITH ORDINALITY AS d (held_on, n)) d`
  await db.sql`INSERT INTO attendance_logs (student_id, course_id, "timestamp", confidence, lesson_id, held_on, received_at)
    SELECT 'S001', 'CS101', held_on + time '10:00', 0.9, lesson_id, held_on, held_on + time '10:00' FROM ${days}`
  await db.sql`INSERT INTO corrections (held_on, lesson_id, student_id, status, corrected_by, corrected_at)
    SELECT held_on, lesson_id, 'S001', 'late', 'office', held_on + time '12:00' FROM ${days}`
  await db.sql`INSERT INTO mark_doubts (held_on, lesson_id, student_id, doubt, received_at)
    SELECT held_on, lesson_id, 'S001', 'no_life_seen', held_on + time '10:00' FROM ${days}`
  await db.sql`INSERT INTO lesson_watches (held_on, lesson_id, device_id, first_at, last_at, beats)
    SELECT held_on, lesson_id, 'pi-lab301', held_on + time '10:00', held_on + time '11:00', 60 FROM ${days}`
  await db.sql`INSERT INTO mark_ids (mark_id, student_id, held_on, lesson_id) SELECT gen_random_uuid(), 'S001', held_on, lesson_id FROM ${days}`
  await db.sql`INSERT INTO set_aside (record_sha256, record, code, reason, first_at, last_at)
    SELECT sha256((lesson_id || held_on)::bytea), '{"timestamp": "1970-01-01T00:00:00Z"}', 'timestamp_out_of_range', 'is absurd', held_on, held_on + time '10:00' FROM ${days}`
}

const open: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

async function openDemoSchool(): Promise<{ db: Database; url: string; close(): Promise<void> }> {
  const school = await openSchool(NOW)
  open.push(school.close)
  return school
}

/** A school whose months reach back to 2023. */
async function openOldSchool(): Promise<{ db: Database; url: string; close(): Promise<void> }> {
  const school = await openDemoSchool()
  await makeOldMonths(school.db)
  return school
}

async function makeOldMonths(db: Database): Promise<void> {
  for (const at of ['2024-03-02', '2025-06-01']) await ensureMonths(db, new Date(at))
}

/** The first of the month that is so many months before `now`'s, in Stockholm, worked out here for itself. */
function boundOf(now: Date, keptMonths: number): string {
  const [year = 0, month = 0] = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Europe/Stockholm', year: 'numeric', month: '2-digit' }).format(now).split('-').map(Number)
  return new Date(Date.UTC(year, month - 1 - keptMonths, 1)).toISOString().slice(0, 10)
}

describe('what a policy drops', () => {
  test('is every month that is over for longer than it says, whole and with all that belongs to it; what it keeps is untouched; and the dry run said so before', async () => {
    const from = Date.UTC(2023, 1, 1)
    const day = fc.integer({ min: 0, max: Math.floor((NOW.getTime() - from) / DAY_MS) }).map((n) => new Date(from + n * DAY_MS).toISOString().slice(0, 10))
    const edge = fc.tuple(fc.integer({ min: 2023, max: 2025 }), fc.integer({ min: 2, max: 11 }), fc.integer({ min: -1, max: 0 }))
      .map(([year, month, days]) => new Date(Date.UTC(year, month, 1) + days * DAY_MS).toISOString().slice(0, 10))
    const instant = fc.oneof(
      fc.integer({ min: Date.UTC(2025, 6, 1), max: NOW.getTime() }),
      // The hours in which Stockholm's month and UTC's are not the same.
      fc.tuple(fc.integer({ min: 6, max: 14 }), fc.integer({ min: -180, max: 60 })).map(([month, minutes]) => Date.UTC(2025, month, 1) + minutes * 60_000),
    ).map((at) => new Date(at))
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.oneof(day, edge), { minLength: 5, maxLength: 60 }), instant, fc.integer({ min: 13, max: 26 }), async (dates, now, keptMonths) => {
        const school = await openSchool(NOW)
        try {
          await makeOldMonths(school.db)
          await record(school.db, dates)
          await refreshReports(school.db, NOW)
          expect((await school.db.sql`SELECT FROM report_months`).length).toBeGreaterThan(0)
          await dropsWhatItSays(school.db, now, keptMonths)
        } finally {
          await school.close()
        }
      }),
      { numRuns: 6, interruptAfterTimeLimit: 150_000 },
    )
  }, 240_000)

  test('is not made again in the hours in which the school has another month than UTC', async () => {
    const { db } = await openOldSchool()
    await record(db, ['2023-02-01', '2023-03-01', '2024-05-31', '2024-06-01'])
    await dropsWhatItSays(db, new Date('2025-06-30T23:59:00Z'), 13)
  })

  async function dropsWhatItSays(db: Database, now: Date, keptMonths: number): Promise<void> {
    const before = await onRecord(db)
    const bound = boundOf(now, keptMonths)
    const said = await monthsBeyond(db, { now, keptMonths })
    expect(said.before).toBe(bound)
    const dropped = await dropMonths(db, { now, keptMonths, by: 'a test' })

    const after = await onRecord(db)
    for (const [what] of TABLES) {
      expect(after[what]).toEqual(before[what].filter((date) => date >= bound))
      const gone = before[what].length - after[what].length
      expect(dropped.reduce((sum, { rows }) => sum + rows[what], 0)).toBe(gone)
      expect(said.months.reduce((sum, { rows }) => sum + rows[what], 0)).toBe(gone)
    }
    expect(dropped.map(({ partition }) => partition)).toEqual(said.months.map(({ partition }) => partition))
    const [first] = await db.sql<{ from: string }[]>`SELECT min(from_date)::text AS from FROM months_made()`
    expect(first?.from).toBe(bound > '2023-02-01' ? bound : '2023-02-01')

    expect(await dropMonths(db, { now, keptMonths, by: 'a test' })).toEqual([])
    expect((await monthsBeyond(db, { now, keptMonths })).months).toEqual([])
    await ensureMonths(db, now)
    expect(await db.sql`SELECT from_date FROM months_made() WHERE to_date <= ${bound}::date`).toEqual([])
    await refreshReports(db, now)
    expect(await db.sql`SELECT DISTINCT month FROM report_months WHERE month < ${bound}::date`).toEqual([])
  }

  test('is noted: one row for each month, which stays', async () => {
    const { db } = await openOldSchool()
    await record(db, ['2023-02-28', '2023-03-01', '2023-03-31', '2025-02-01'])
    const dropped = await dropMonths(db, { now: NOW, keptMonths: 13, by: 'the office' })
    expect(dropped.at(-1)?.partition).toBe('attendance_logs_2025_01')
    expect(await db.sql`
      SELECT run_by, kept_months, partition, before::text, marks::integer, corrections::integer, doubts::integer, watches::integer, mark_ids::integer, set_aside::integer, bytes > 0 AS weighed
      FROM retention_runs WHERE marks > 0 ORDER BY before`).toEqual([
      { run_by: 'the office', kept_months: 13, partition: 'attendance_logs_2023_02', before: '2023-03-01', marks: 1, corrections: 1, doubts: 1, watches: 1, mark_ids: 1, set_aside: 1, weighed: true },
      { run_by: 'the office', kept_months: 13, partition: 'attendance_logs_2023_03', before: '2023-04-01', marks: 2, corrections: 2, doubts: 2, watches: 2, mark_ids: 2, set_aside: 2, weighed: true },
    ])
    expect(await db.sql`SELECT oldest_month_kept()::text AS first`).toEqual([{ first: '2025-02-01' }])
    await expect(db.sql`DELETE FROM retention_runs`).rejects.toThrow(/refused/)
    await expect(db.sql`UPDATE retention_runs SET marks = 0`).rejects.toThrow(/refused/)
  })

  test('is what came late for a month that is gone, too', async () => {
    const { db } = await openOldSchool()
    await dropMonths(db, { now: NOW, keptMonths: 13, by: 'a test' })
    await db.sql`INSERT INTO corrections (held_on, lesson_id, student_id, status, corrected_by, corrected_at) VALUES ('2024-05-06', 'L1', 'S001', 'late', 'office', now())`
    expect((await monthsBeyond(db, { now: NOW, keptMonths: 13 })).months).toMatchObject([{ month: '2024-05', partition: undefined, bytes: 0, rows: { corrections: 1, marks: 0 } }])
    expect(await dropMonths(db, { now: NOW, keptMonths: 13, by: 'a test' })).toMatchObject([{ partition: undefined, before: '2025-02-01', rows: { corrections: 1, marks: 0 } }])
    expect(await db.sql`SELECT FROM corrections`).toHaveLength(0)
  })

  test('is never a part of a longer partition that a person made: it goes when its last month does', async () => {
    const { db } = await openDemoSchool()
    await db.sql`DROP TABLE attendance_logs_2025_02, attendance_logs_2025_03`
    await db.sql`CREATE TABLE the_spring PARTITION OF attendance_logs FOR VALUES FROM ('2024-12-01') TO ('2025-04-01')`
    await record(db, ['2024-12-24', '2025-01-31', '2025-03-31', '2025-04-01'])
    const before = await onRecord(db)
    expect((await monthsBeyond(db, { now: new Date('2026-04-30T12:00:00Z'), keptMonths: 13 })).months).toEqual([])
    expect(await dropMonths(db, { now: new Date('2026-04-30T12:00:00Z'), keptMonths: 13, by: 'a test' })).toEqual([])
    expect(await onRecord(db)).toEqual(before)
    expect(await dropMonths(db, { now: new Date('2026-05-01T12:00:00Z'), keptMonths: 13, by: 'a test' })).toMatchObject([{ partition: 'the_spring', rows: { marks: 3, corrections: 3 } }])
    expect((await onRecord(db)).corrections).toEqual(['2025-04-01'])
  })

  test('is never less than thirteen months old, so that no mark finds its month gone', async () => {
    const { db } = await openOldSchool()
    for (const keptMonths of [12, 1, 0, -5]) {
      await expect(dropMonths(db, { now: NOW, keptMonths, by: 'a test' })).rejects.toThrow(/at least 13 whole months/)
      await expect(monthsBeyond(db, { now: NOW, keptMonths })).rejects.toThrow(/at least 13 whole months/)
    }
    // To the day: the oldest mark that is taken, at every day of a leap year and the next.
    for (let at = Date.UTC(2027, 11, 28); at < Date.UTC(2029, 2, 3); at += DAY_MS) {
      const oldest = new Date(at - 366 * DAY_MS - 3 * DAY_MS).toISOString().slice(0, 10)
      expect(boundOf(new Date(at), 13) <= oldest).toBe(true)
    }
    await dropMonths(db, { now: NOW, keptMonths: 13, by: 'a test' })
    const oldest = new Date(NOW.getTime() - 366 * DAY_MS)
    const mark = { student_id: 'S001', course_id: 'CS101', confidence: 0.9, device_id: 'pi-lab301' }
    expect(await insertMarks(db, [{ ...mark, timestamp: oldest.toISOString() }, { ...mark, timestamp: '2025-01-31T10:00:00Z' }], NOW))
      .toMatchObject([{ outcome: 'stored' }, { outcome: 'refused', code: 'timestamp_out_of_range' }])
  })
})

describe('corrections', () => {
  test('are deleted by retention alone, in its own transaction and of its own months', async () => {
    const { db } = await openOldSchool()
    await record(db, ['2023-02-28', '2023-04-01'])
    await expect(db.sql`DELETE FROM corrections`).rejects.toThrow(/refused/)
    await expect(db.sql`TRUNCATE corrections`).rejects.toThrow(/refused/)
    await expect(db.sql`UPDATE corrections SET note = 'x'`).rejects.toThrow(/refused/)
    expect(await dropMonths(db, { now: new Date('2024-04-30T12:00:00Z'), keptMonths: 13, by: 'a test' })).toHaveLength(1)
    await db.sql`INSERT INTO corrections (held_on, lesson_id, student_id, status, corrected_by, corrected_at) VALUES ('2023-02-15', 'L1', 'S001', 'late', 'office', now())`
    // An older run's row allows nothing, and a run's own nothing of later months.
    await expect(db.sql`DELETE FROM corrections WHERE held_on = '2023-02-15'`).rejects.toThrow(/refused/)
    await expect(db.sql.begin(async (sql) => {
      await sql`INSERT INTO retention_runs (run_at, run_by, kept_months, before, marks, corrections, doubts, watches, mark_ids, set_aside, bytes) VALUES (now(), 'x', 13, '2023-03-01', 0, 0, 0, 0, 0, 0, 0)`
      await sql`DELETE FROM corrections WHERE held_on = '2023-04-01'`
    })).rejects.toThrow(/refused/)
    expect((await onRecord(db)).corrections).toEqual(['2023-02-15', '2023-04-01'])
  })
})

describe('while the school works', () => {
  test('two servers that drop at once share the work, and each month is dropped once', async () => {
    const { db, url } = await openOldSchool()
    await record(db, ['2023-02-28', '2023-05-05', '2023-06-06', '2024-07-07', '2025-12-24'])
    const other = await connect(url)
    const shares = await Promise.all([db, other].map((server) => dropMonths(server, { now: NOW, keptMonths: 13, by: 'a test' })))
    const partitions = shares.flat().map(({ partition }) => partition)
    expect(new Set(partitions).size).toBe(partitions.length)
    expect(shares.flat().reduce((sum, { rows }) => sum + rows.marks, 0)).toBe(4)
    expect((await onRecord(db)).marks).toEqual(['2025-12-24'])
    await other.close()
  })

  test('one who reads for long is waited for, and marks are written meanwhile', async () => {
    const { db, url } = await openOldSchool()
    await record(db, ['2023-02-28', '2023-03-01'])
    const reading = await connect(url)
    const reader = await reading.sql.reserve()
    await reader`BEGIN`
    await reader`SELECT count(*) FROM attendance_logs`
    let done = false
    const dropping = dropMonths(db, { now: new Date('2024-04-30T12:00:00Z'), keptMonths: 13, by: 'a test' }).finally(() => (done = true))
    const until = Date.now() + 3_000
    let written = 0
    for (let n = 0; Date.now() < until; n++) {
      await insertMarks(db, [{ student_id: `S${String((n % 24) + 1).padStart(3, '0')}`, course_id: 'CS101', timestamp: NOW.toISOString(), confidence: 0.9, device_id: 'pi-lab301' }], NOW)
      written++
    }
    expect(done).toBe(false)
    expect(written).toBeGreaterThan(2)
    await reader`ROLLBACK`
    reader.release()
    await reading.close()
    expect(await dropping).toHaveLength(1)
    expect((await onRecord(db)).corrections).toEqual(['2023-03-01'])
  })

  test('a drop that is broken off has dropped nothing of its month', async () => {
    const { db, url } = await openOldSchool()
    await record(db, ['2023-02-28', '2023-03-01'])
    const before = await onRecord(db)
    const reading = await connect(url)
    const reader = await reading.sql.reserve()
    await reader`BEGIN`
    await reader`SELECT count(*) FROM attendance_logs`
    const broken = expect(dropMonths(db, { now: new Date('2024-04-30T12:00:00Z'), keptMonths: 13, by: 'a test' })).rejects.toThrow()
    await new Promise((resolve) => setTimeout(resolve, 700))
    await reader`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%drop_oldest_month%' AND pid <> pg_backend_pid()`
    await broken
    await reader`ROLLBACK`
    reader.release()
    await reading.close()
    expect(await onRecord(db)).toEqual(before)
    expect(await db.sql`SELECT FROM retention_runs`).toHaveLength(0)
  })
})

describe('the policy is applied', () => {
  const hours = (n: number): Date => new Date(NOW.getTime() + n * 3_600_000)

  test('once a day by one server of several, from the day after it was first asked for', async () => {
    const { db, url } = await openDemoSchool()
    const other = await connect(url)
    expect(await retentionDue(db, NOW)).toBe('waits')
    expect(await retentionDue(other, hours(1))).toBe('done')
    for (const day of [1, 2, 3]) {
      const answers = await Promise.all([db, other, db, other].map((server) => retentionDue(server, hours(day * 24))))
      expect(answers.sort()).toEqual(['done', 'done', 'done', 'now'])
    }
    await other.close()
  })

  test('never on the word of a clock that has just jumped, forwards or back', async () => {
    const { db } = await openDemoSchool()
    await retentionDue(db, NOW)
    expect(await retentionDue(db, hours(24))).toBe('now')
    const jumped = 24 * 365 * 10
    expect(await retentionDue(db, hours(jumped))).toBe('waits')
    expect(await retentionDue(db, hours(jumped + 1))).toBe('done')
    // Put right within the day.
    expect(await retentionDue(db, hours(26))).toBe('waits')
    expect(await retentionDue(db, hours(27))).toBe('done')
    expect(await retentionDue(db, hours(50))).toBe('now')
  })

  test('by the round that also makes the months, which tells what it did and drops nothing without a policy', async () => {
    const { db } = await openOldSchool()
    await record(db, ['2023-02-28', '2026-01-15'])
    const events: { event: string; [detail: string]: unknown }[] = []
    const round = (at: Date, retentionMonths: number | undefined): Promise<void> => dailyRound(db, { now: at, retentionMonths, log: (event) => void events.push(event) })
    await round(hours(0), undefined)
    await round(hours(24), undefined)
    expect(events).toEqual([])
    await round(hours(25), 24)
    expect(events.map(({ event }) => event)).toEqual(['retention_waits'])
    await round(hours(50), 24)
    expect(events.slice(1).map(({ event }) => event)).toEqual(Array.from({ length: 13 }, () => 'month_dropped'))
    expect(events[1]).toMatchObject({ partition: 'attendance_logs_2023_02', before: '2023-03-01', marks: 1, corrections: 1 })
    await round(hours(24 * 35), 24)
    expect(events.slice(14).map(({ event }) => event)).toEqual(['months_made', 'month_dropped'])
    expect((await onRecord(db)).marks).toEqual(['2026-01-15'])
  })

  test('and never throws: a database that is away is told, and so is a month that cannot be made', async () => {
    const { db, url } = await openDemoSchool()
    const events: { event: string; [detail: string]: unknown }[] = []
    const log = (event: { event: string }): void => void events.push(event)
    await db.sql`CREATE TABLE attendance_logs_2026_07 (name_taken text)`
    await dailyRound(db, { now: new Date('2026-06-20T00:00:00Z'), retentionMonths: undefined, log })
    expect(events).toMatchObject([{ event: 'months_not_made', code: '42P07' }, { event: 'next_month_missing' }])
    const gone = await connect(url)
    await gone.close()
    await dailyRound(gone, { now: NOW, retentionMonths: 24, log })
    expect(events.slice(2).map(({ event }) => event)).toEqual(['months_not_made', 'months_not_counted', 'retention_failed'])
  })
})
