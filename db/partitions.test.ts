/** The months of attendance_logs: there before a mark needs them, and made without anybody waiting. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from './connect.ts'
import type { Database } from './connect.ts'
import { insertMarks } from './marks.ts'
import { ensureMonths, monthsAhead } from './partitions.ts'
import { openDemoSchool, openTestDatabase } from './test-school.ts'

const NOW = new Date('2026-03-02T09:05:00Z')
const DAY_MS = 86_400_000

let db: Database
let url: string
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, url, close } = await openDemoSchool(NOW))
})
afterAll(() => close())

const names = async (from: Database = db) => (await from.sql<{ name: string }[]>`SELECT partition::text AS name FROM months_made() ORDER BY from_date`).map((row) => row.name)

const scripted = (timestamp: string, student_id = 'S001') => ({ student_id, course_id: 'CS101', timestamp, confidence: 0.9, device_id: 'pi-lab301' })

describe('a mark that is taken has its month', () => {
  test('at any time of any year, in any zone, from the oldest to the newest instant that is taken, and over midnight', async () => {
    const zones = ['Europe/Stockholm', 'Pacific/Kiritimati', 'Pacific/Pago_Pago', 'Australia/Lord_Howe']
    const edges = fc.tuple(fc.integer({ min: 2024, max: 2060 }), fc.integer({ min: 0, max: 11 }), fc.integer({ min: -36, max: 36 }))
      .map(([year, month, hours]) => Date.UTC(year, month, 1) + hours * 3_600_000)
    const anywhere = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2060, 0, 1) })
    const school = await openDemoSchool(new Date('2024-01-01T00:00:00Z'))
    await fc.assert(
      fc.asyncProperty(fc.oneof(edges, anywhere), fc.constantFrom(...zones), async (at, zone) => {
        const now = new Date(at)
        await school.db.sql`UPDATE school SET time_zone = ${zone}`
        await ensureMonths(school.db, now)
        const oldest = new Date(at - 366 * DAY_MS).toISOString()
        const newest = new Date(at + 24 * 3_600_000).toISOString()
        const outcomes = await insertMarks(school.db, [scripted(oldest, 'S001'), scripted(newest, 'S002'), scripted(now.toISOString(), 'S003')], now)
        expect(outcomes.map(({ outcome }) => outcome)).not.toContain('refused')
        // A named lesson may have started up to two days before its mark's timestamp (the clock's slack, and the night), or one after it.
        const [without] = await school.db.sql<{ n: number }[]>`
          SELECT count(*)::integer AS n
          FROM generate_series((${oldest}::timestamptz AT TIME ZONE ${zone})::date - 3, (${newest}::timestamptz AT TIME ZONE ${zone})::date + 3, interval '1 day') d
          WHERE NOT EXISTS (SELECT FROM months_made() m WHERE d >= m.from_date AND d < m.to_date)`
        expect(without?.n).toBe(0)
        const strays = await school.db.sql`SELECT held_on::text FROM attendance_logs WHERE tableoid::regclass::text <> 'attendance_logs_' || to_char(held_on, 'YYYY_MM')`
        expect(strays).toEqual([])
      }),
      { numRuns: 40 },
    )
    await school.close()
  })

  test.each([
    ['twelve months back', '2025-03-03T08:10:00Z', '2025-03-03', 'attendance_logs_2025_03'],
    ['in the last hour of last year', '2025-12-31T22:30:00Z', '2025-12-31', 'attendance_logs_2025_12'],
    ['in the first hour of this year, by the school\'s clock', '2025-12-31T23:30:00Z', '2026-01-01', 'attendance_logs_2026_01'],
    ['in the last quarter of an hour of February', '2026-02-28T22:45:00Z', '2026-02-28', 'attendance_logs_2026_02'],
    ['in the first millisecond of March', '2026-02-28T23:00:00Z', '2026-03-01', 'attendance_logs_2026_03'],
  ])('a late mark of a lesson %s lands in that lesson\'s month', async (_when, timestamp, held_on, partition) => {
    await db.sql`DELETE FROM attendance_logs`
    expect(await insertMarks(db, [scripted(timestamp)], NOW)).toEqual([{ outcome: 'stored' }])
    expect(await db.sql`SELECT tableoid::regclass::text AS partition, held_on::text AS held_on FROM attendance_logs WHERE "timestamp" = ${timestamp}::timestamptz`)
      .toEqual([{ partition, held_on }])
  })

  test('a mark after midnight belongs to the month in which its lesson started', async () => {
    const school = await openDemoSchool(new Date('2026-01-01T00:30:00Z'))
    await school.db.sql`DELETE FROM schedules`
    await school.db.sql`
      INSERT INTO schedules (schedule_id, course_id, classroom_id, day_of_week, start_time, end_time, effective_from)
      VALUES ('night', 'CS101', 'LAB-301', 3, '23:00', '01:30', '2025-01-01')`
    // 01:10 on New Year's morning; the lesson began on Wednesday, 31 December.
    await insertMarks(school.db, [scripted('2026-01-01T00:10:00Z')], new Date('2026-01-01T00:30:00Z'))
    expect(await school.db.sql`SELECT tableoid::regclass::text AS partition, held_on::text, lesson_id FROM attendance_logs`)
      .toEqual([{ partition: 'attendance_logs_2025_12', held_on: '2025-12-31', lesson_id: 'night' }])
    await school.close()
  })
})

describe('months are made', () => {
  test('by however many servers at once, each month once', async () => {
    const fresh = await openTestDatabase()
    const others = await Promise.all([1, 2, 3, 4].map(() => connect(fresh.url)))
    const made = await Promise.all([...others, ...others].map((server) => ensureMonths(server, NOW)))
    expect(made.reduce((sum, n) => sum + n, 0)).toBe(17)
    expect((await names(fresh.db)).length).toBe(17)
    await Promise.all([...others.map((server) => server.close()), fresh.close()])
  })

  test('while somebody reads and somebody writes marks in a long transaction, and neither waits', async () => {
    const [reading, writing] = await Promise.all([connect(url), connect(url)])
    const [reader, writer] = await Promise.all([reading.sql.reserve(), writing.sql.reserve()])
    try {
      await reader`BEGIN`
      await reader`SELECT count(*) FROM attendance_logs`
      await writer`BEGIN`
      await writer`INSERT INTO attendance_logs (student_id, course_id, "timestamp", confidence, lesson_id, held_on, received_at)
        VALUES ('S009', 'CS101', now(), 1, 'unscheduled.CS101', '2026-03-02', now())`
      expect(await ensureMonths(db, new Date('2026-04-15T00:00:00Z'))).toBe(1)
      await reader`SELECT count(*) FROM attendance_logs`
    } finally {
      await reader`ROLLBACK`
      await writer`ROLLBACK`
      reader.release()
      writer.release()
      await Promise.all([reading.close(), writing.close()])
    }
    expect(await names()).toContain('attendance_logs_2026_07')
  })

  test('once somebody who holds all marks for long has finished: until then they are asked for again', async () => {
    const school = await openDemoSchool(NOW)
    await school.db.sql`INSERT INTO students (student_id, first_name, last_name) VALUES ('S999', 'Nobody', 'Marked')`
    const eraser = await school.db.sql.reserve()
    await eraser`BEGIN`
    await eraser`DELETE FROM students WHERE student_id = 'S999'`
    const making = ensureMonths(school.db, new Date('2026-04-15T00:00:00Z'))
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    await eraser`COMMIT`
    eraser.release()
    expect(await making).toBe(1)
    await school.close()
  })

  test('with the keys, checks and triggers of the others', async () => {
    await ensureMonths(db, new Date('2026-06-15T00:00:00Z'))
    const shape = (name: string) => db.sql<{ what: string }[]>`
      SELECT 'index ' || regexp_replace(pg_get_indexdef(indexrelid), '\\m\\w*_\\d{4}_\\d{2}\\w*', '', 'g') AS what FROM pg_index WHERE indrelid = ${name}::regclass
      UNION ALL SELECT contype::text || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = ${name}::regclass
      UNION ALL SELECT 'trigger ' || tgtype::text || tgfoid::regproc::text || tgisinternal::text FROM pg_trigger WHERE tgrelid = ${name}::regclass ORDER BY 1`
    const [old, young, parent] = [await shape('attendance_logs_2025_03'), await shape('attendance_logs_2026_09'), await shape('attendance_logs')]
    expect(young).toEqual(old)
    expect(parent.filter(({ what }) => what.startsWith('p ')).length).toBe(1)
    for (const { what } of parent.filter(({ what }) => /^[cnpf] /.test(what))) expect(young.map((row) => row.what)).toContain(what)
    await db.sql`INSERT INTO attendance_logs (student_id, course_id, "timestamp", confidence, lesson_id, held_on, received_at)
      VALUES ('S009', 'CS101', '2026-09-02T08:00Z', 1, 'unscheduled.CS101', '2026-09-02', '2026-09-02T08:00Z')`
    await expect(db.sql`UPDATE attendance_logs SET confidence = 0 WHERE held_on = '2026-09-02'`).rejects.toThrow(/refused/)
    await expect(db.sql`INSERT INTO attendance_logs SELECT * FROM attendance_logs WHERE held_on = '2026-09-02'`).rejects.toThrow(/duplicate key/)
    await expect(db.sql`INSERT INTO attendance_logs (student_id, course_id, "timestamp", confidence, lesson_id, held_on, received_at)
      VALUES ('nobody!', 'CS101', now(), 1, 'x', '2026-09-02', now())`).rejects.toThrow(/wire_id/)
  })

  test('and nobody is asked to wait where all are there already', async () => {
    const other = await db.sql.reserve()
    await ensureMonths(db, NOW)
    await other`SELECT pg_advisory_lock(hashtext('fastrackai.ensure_months'))`
    expect(await ensureMonths(db, NOW)).toBe(0)
    await other`SELECT pg_advisory_unlock(hashtext('fastrackai.ensure_months'))`
    other.release()
  })

  test('around a partition that a person made, whatever its name and length', async () => {
    const fresh = await openTestDatabase()
    await fresh.db.sql`CREATE TABLE the_summer PARTITION OF attendance_logs FOR VALUES FROM ('2025-06-01') TO ('2025-09-01')`
    expect(await ensureMonths(fresh.db, NOW)).toBe(14)
    expect(await ensureMonths(fresh.db, NOW)).toBe(0)
    expect(await names(fresh.db)).toContain('the_summer')
    await fresh.close()
  })
})

describe('how many months are ahead', () => {
  test('three once they are made, none when next month is missing, and none is counted beyond a gap', async () => {
    const school = await openDemoSchool(NOW)
    expect(await monthsAhead(school.db, NOW)).toBe(3)
    expect(await monthsAhead(school.db, new Date('2026-05-20T00:00:00Z'))).toBe(1)
    expect(await monthsAhead(school.db, new Date('2026-06-20T00:00:00Z'))).toBe(0)
    expect(await monthsAhead(school.db, new Date('2031-06-20T00:00:00Z'))).toBe(0)
    await school.db.sql`DROP TABLE attendance_logs_2026_05`
    expect(await monthsAhead(school.db, NOW)).toBe(1)
    await school.db.sql`DROP TABLE attendance_logs_2026_04`
    expect(await monthsAhead(school.db, NOW)).toBe(0)
    await school.close()
  })

  test('is counted by the school\'s calendar', async () => {
    const school = await openDemoSchool(NOW, 'Pacific/Kiritimati')
    // The last of March in UTC is the first of April there.
    expect(await monthsAhead(school.db, new Date('2026-03-31T09:59:00Z'))).toBe(3)
    expect(await monthsAhead(school.db, new Date('2026-03-31T10:00:00Z'))).toBe(2)
    await school.close()
  })
})

test('the folder that holds no school yet counts its months too', async () => {
  const fresh = await openTestDatabase()
  expect(await monthsAhead(fresh.db, NOW)).toBe(0)
  await ensureMonths(fresh.db, NOW)
  expect(await monthsAhead(fresh.db, NOW)).toBe(3)
  await fresh.close()
})
