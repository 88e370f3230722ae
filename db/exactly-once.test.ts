import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from './connect.ts'
import { insertMarks, saveReceived } from './marks.ts'
import type { NewMark } from './marks.ts'
import { openDemoSchool } from './test-school.ts'

/** The second day of a year: yesterday's lessons are in another month, and the day before's in another year. */
const NOW = new Date('2026-01-02T09:05:00Z')
const DATES = ['2025-11-30', '2025-12-01', '2025-12-31', '2026-01-01', '2026-01-02']
const STUDENTS = ['S001', 'S002', 'S003']
const STORES = ['01900000-0000-7000-8000-00000000000a', '01900000-0000-7000-8000-00000000000b']

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
})
afterAll(() => close())

async function forgetAll(): Promise<void> {
  await db.sql`TRUNCATE attendance_logs, mark_ids, mark_doubts, device_stores, device_alarms, set_aside`
}

/** One of a few marks, with whatever date, lesson and doubt it is sent this time. */
const sending = fc.record({
  mark: fc.nat(5), date: fc.constantFrom(...DATES), course: fc.constantFrom('CS101', 'MA110'),
  doubt: fc.constantFrom(undefined, undefined, 'no_life_seen' as const, 'looks_like_a_picture' as const),
  named: fc.boolean(), known: fc.constantFrom(true, true, true, true, false),
})
type Sending = typeof sending extends fc.Arbitrary<infer T> ? T : never

const idOf = (mark: number) => `01900000-0000-7000-8000-0000000001${String(mark).padStart(2, '0')}`

function markOf({ mark, date, course, doubt, named, known }: Sending): NewMark {
  return {
    student_id: known ? (STUDENTS[mark % STUDENTS.length] ?? 'S001') : 'S999', course_id: course, lesson_id: `unscheduled.${course}`, held_on: date,
    timestamp: `${date}T09:0${mark}:00.000Z`, confidence: 0.8, device_id: 'pi-lab301', ...(named ? { mark_id: idOf(mark) } : {}), ...(doubt ? { doubt } : {}),
  }
}

const keyOf = (mark: Pick<NewMark, 'student_id' | 'held_on' | 'lesson_id'>) => `${mark.held_on} ${mark.lesson_id} ${mark.student_id}`

const rows = () => db.sql<{ held_on: string; lesson_id: string; student_id: string; mark_id: string | null }[]>`
  SELECT held_on::text AS held_on, lesson_id, student_id, mark_id::text AS mark_id FROM attendance_logs ORDER BY held_on, lesson_id, student_id`
const places = () => db.sql<{ held_on: string; lesson_id: string; student_id: string; mark_id: string }[]>`
  SELECT held_on::text AS held_on, lesson_id, student_id, mark_id::text AS mark_id FROM mark_ids`
const doubts = () => db.sql<{ held_on: string; lesson_id: string; student_id: string; doubt: string }[]>`
  SELECT held_on::text AS held_on, lesson_id, student_id, doubt FROM mark_doubts`

describe('a mark is one mark', () => {
  test('whatever date and lesson it comes with, however it is repeated, cut into batches and sent at the same time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(sending, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 6 }), async (batches) => {
        await forgetAll()
        const sent = batches.map((batch) => batch.map(markOf))
        const outcomes = (await Promise.all([...sent, ...sent.toReversed()].map((batch) => insertMarks(db, batch, NOW)))).flat()
        const all = sent.flat()
        const good = all.filter(({ student_id }) => student_id !== 'S999')
        const record = await rows()

        const times = (of: (row: (typeof record)[number]) => string | null) => {
          const seen = new Map<string, number>()
          for (const row of record) {
            const name = of(row)
            if (name !== null) seen.set(name, (seen.get(name) ?? 0) + 1)
          }
          return [...seen.values()]
        }
        expect(times(keyOf).every((n) => n === 1)).toBe(true)
        expect(times(({ mark_id, student_id }) => mark_id && `${mark_id} ${student_id}`).every((n) => n === 1)).toBe(true)
        expect(outcomes.filter(({ outcome }) => outcome === 'stored')).toHaveLength(record.length)
        expect(outcomes.filter(({ outcome }) => outcome === 'refused')).toHaveLength(2 * (all.length - good.length))

        // Each is on record: where it stands is known, and a mark of the student is there.
        const kept = new Set(record.map(keyOf))
        const placeOf = new Map((await places()).map((place) => [`${place.mark_id} ${place.student_id}`, keyOf(place)]))
        const standsAt = (mark: NewMark) => (mark.mark_id ? placeOf.get(`${mark.mark_id} ${mark.student_id}`) : keyOf(mark))
        for (const mark of good) expect(kept.has(standsAt(mark) ?? 'nowhere')).toBe(true)
        // And what is there was sent.
        const were = new Set(good.map((mark) => `${keyOf(mark)} ${mark.mark_id}`))
        for (const row of record) expect(were.has(`${keyOf(row)} ${row.mark_id ?? undefined}`)).toBe(true)

        // Each doubt stands beside the mark on record, and nowhere else.
        const expected = new Set(good.filter(({ doubt }) => doubt).map((mark) => `${standsAt(mark)} ${mark.doubt}`))
        expect((await doubts()).map((row) => `${keyOf(row)} ${row.doubt}`).toSorted()).toEqual([...expected].toSorted())

        // Everything once more, in another order: nothing changes.
        const again = await insertMarks(db, all.toReversed(), NOW)
        expect(again.every(({ outcome }) => outcome !== 'stored')).toBe(true)
        expect(await rows()).toEqual(record)
      }),
      { numRuns: 40 },
    )
  }, 120_000)

  test('sent again with the lesson of another month, its doubt stands beside the mark on record', async () => {
    await forgetAll()
    const mark = markOf({ mark: 1, date: '2025-12-31', course: 'CS101', doubt: undefined, named: true, known: true })
    expect(await insertMarks(db, [mark], NOW)).toEqual([{ outcome: 'stored' }])
    const redated = { ...mark, held_on: '2026-01-01', timestamp: '2026-01-01T09:01:00.000Z', doubt: 'no_life_seen' as const }
    expect(await insertMarks(db, [redated], NOW)).toEqual([{ outcome: 'duplicate' }])
    expect((await rows()).map(keyOf)).toEqual([keyOf(mark)])
    expect((await doubts()).map(keyOf)).toEqual([keyOf(mark)])
  })

  test('and the same id of two students is two marks', async () => {
    await forgetAll()
    const mark = markOf({ mark: 0, date: '2026-01-01', course: 'CS101', doubt: undefined, named: true, known: true })
    expect(await insertMarks(db, [mark, { ...mark, student_id: 'S002' }], NOW)).toEqual([{ outcome: 'stored' }, { outcome: 'stored' }])
  })
})

test('batches with the same marks the other way round wait for each other, and never in a ring', async () => {
  await forgetAll()
  const deadlocks = async () => {
    // Each connection tells of its own within a second, with its next statement.
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    await Promise.all(Array.from({ length: 10 }, () => db.sql`SELECT pg_sleep(0.05)`))
    const [row] = await db.sql<{ deadlocks: number }[]>`SELECT deadlocks::integer AS deadlocks FROM pg_stat_database WHERE datname = current_database()`
    return row?.deadlocks
  }
  const before = await deadlocks()
  for (let round = 0; round < 8; round++) {
    const batch = Array.from({ length: 240 }, (_, i): NewMark => ({
      ...markOf({ mark: 0, date: DATES[round % DATES.length] ?? '', course: i < 120 ? 'CS101' : 'MA110', doubt: i % 3 === 0 ? 'no_life_seen' : undefined, named: true, known: true }),
      mark_id: `01900000-0000-7000-8000-${String((i * 7919) % 240).padStart(6, '0')}${String(round).padStart(6, '0')}`, student_id: `S${String((i % 24) + 1).padStart(3, '0')}`,
      lesson_id: `unscheduled.${i < 120 ? 'CS101' : 'MA110'}`, store_id: STORES[i % 2] ?? '', sequence: i + 1, timestamp: `${DATES[round % DATES.length]}T09:00:00.000Z`,
    }))
    const shuffled = batch.toSorted((a, b) => ((a.mark_id ?? '').slice(-9) < (b.mark_id ?? '').slice(-9) ? -1 : 1))
    await Promise.all([batch, batch.toReversed(), shuffled, shuffled.toReversed()].map((marks) => insertMarks(db, marks, NOW)))
  }
  expect(await deadlocks()).toBe(before)
})

test('both clocks are kept: the time by which the lesson was found, and the device\'s own', async () => {
  await forgetAll()
  const mark = markOf({ mark: 0, date: '2026-01-01', course: 'CS101', doubt: undefined, named: true, known: true })
  const since1970 = Date.parse(mark.timestamp)
  await insertMarks(db, [{ ...mark, clock_offset_ms: since1970 - 42 }, { ...mark, student_id: 'S002', clock_offset_ms: -9_000_000 }, { ...mark, student_id: 'S003' }], NOW)
  expect(await db.sql`
    SELECT to_char("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') AS at, to_char(device_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') AS device
    FROM attendance_logs ORDER BY student_id`).toEqual([
    { at: '2026-01-01 09:00:00.000', device: '1970-01-01 00:00:00.042' },
    { at: '2026-01-01 09:00:00.000', device: '2026-01-01 11:30:00.000' },
    { at: '2026-01-01 09:00:00.000', device: null },
  ])
})

test('of each storage it is known which of its marks have their outcome, in whatever order, batches and company they came', async () => {
  const counted = fc.record({
    store: fc.constantFrom(...STORES, undefined), sequence: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constantFrom(undefined, 2_147_483_646)),
    wrong: fc.constantFrom('', '', '', 'student', 'time'), device: fc.constantFrom('pi-lab301', 'pi-lab301', 'a-script'), direct: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(counted, { minLength: 1, maxLength: 15 }), { minLength: 1, maxLength: 5 }), async (batches) => {
      await forgetAll()
      await Promise.all(batches.map(async (batch, n) => {
        const sent = batch.map(({ store, sequence, wrong, device }, i): NewMark => ({
          ...markOf({ mark: i % 6, date: DATES[(n + i) % DATES.length] ?? '2026-01-01', course: 'CS101', doubt: undefined, named: false, known: wrong !== 'student' }),
          device_id: device, ...(wrong === 'time' ? { timestamp: '1970-01-01T00:00:00Z' } : {}), ...(store ? { store_id: store } : {}), ...(sequence ? { sequence } : {}),
        }))
        await (batch[0]?.direct ? saveReceived(db, sent, NOW) : insertMarks(db, sent, NOW))
      }))
      const expected = new Map<string, Set<number>>()
      for (const { store, sequence, device } of batches.flat()) {
        if (store && sequence && device === 'pi-lab301') expected.set(store, (expected.get(store) ?? new Set()).add(sequence))
      }
      const known = await db.sql<{ store_id: string; numbers: string }[]>`
        SELECT store_id::text AS store_id, (SELECT string_agg(n::text, ' ' ORDER BY n) FROM unnest(received) r CROSS JOIN generate_series(lower(r)::bigint, upper(r)::bigint - 1) n) AS numbers
        FROM device_stores ORDER BY store_id`
      expect(known).toEqual([...expected].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([store_id, numbers]) => ({ store_id, numbers: [...numbers].toSorted((a, b) => a - b).join(' ') })))
    }),
    { numRuns: 30 },
  )
}, 120_000)

describe('what is refused is set aside with its reason before it is answered', () => {
  const kept = () => db.sql<{ code: string; field: string; reason: string; student_id: string; times: number }[]>`
    SELECT code, field, reason, record ->> 'student_id' AS student_id, times FROM set_aside ORDER BY code`

  test('each record once, and counted when it comes again', async () => {
    await forgetAll()
    const mark = markOf({ mark: 0, date: '2026-01-01', course: 'CS101', doubt: undefined, named: true, known: true })
    const batch = [mark, { ...mark, student_id: 'S999' }, { ...mark, timestamp: '1970-01-01T00:00:07Z', student_id: 'S002' }, { ...mark, lesson_id: '999999', student_id: 'S003' }]
    const outcomes = await insertMarks(db, batch, NOW)
    expect(outcomes).toMatchObject([{ outcome: 'stored' }, { code: 'unknown_student' }, { code: 'timestamp_out_of_range' }, { code: 'unknown_lesson' }])
    await insertMarks(db, batch.slice(0, 2), NOW)
    expect(await kept()).toEqual([
      { code: 'timestamp_out_of_range', field: 'timestamp', reason: 'is more than 366 days ago', student_id: 'S002', times: 1 },
      { code: 'unknown_lesson', field: 'lesson_id', reason: 'the timetable has no lesson 999999 on 2026-01-01', student_id: 'S003', times: 1 },
      { code: 'unknown_student', field: 'student_id', reason: 'there is no student S999', student_id: 'S999', times: 2 },
    ])
  })

  test('and a try of the office\'s own is not', async () => {
    await forgetAll()
    const mark = markOf({ mark: 0, date: '2026-01-01', course: 'CS101', doubt: undefined, named: true, known: false })
    expect(await insertMarks(db, [mark], NOW, { keepRefused: false })).toMatchObject([{ code: 'unknown_student' }])
    expect(await kept()).toEqual([])
  })
})

describe('what a mark names is there, without a foreign key', () => {
  const written = (over: Record<string, string | null>) => {
    const mark = { student_id: 'S001', course_id: 'CS101', classroom_id: 'LAB-301', device_id: 'pi-lab301', ...over }
    return db.sql`
      INSERT INTO attendance_logs (student_id, course_id, "timestamp", confidence, lesson_id, held_on, classroom_id, device_id, received_at)
      VALUES ('S002', 'CS101', now(), 1, 'x', '2026-01-01', NULL, NULL, now()),
        (${mark.student_id ?? null}, ${mark.course_id ?? null}, now(), 1, 'x', '2026-01-01', ${mark.classroom_id ?? null}, ${mark.device_id ?? null}, now())`
  }

  test.each([['student_id', 'S999'], ['course_id', 'XX999'], ['classroom_id', 'CELLAR'], ['device_id', 'pi-nowhere']])('a person who writes a mark with an unknown %s in SQL is refused, whole', async (column, value) => {
    await forgetAll()
    await expect(written({ [column]: value })).rejects.toMatchObject({ code: '23503', message: expect.stringContaining(value) as string })
    expect(await rows()).toEqual([])
    await written({ classroom_id: null, device_id: null })
    expect(await rows()).toHaveLength(2)
  })

  test.each([['students', 'student_id', 'S001'], ['courses', 'course_id', 'CS101'], ['classrooms', 'classroom_id', 'LAB-301'], ['devices', 'device_id', 'pi-lab301']])('of %s nothing that a mark names can be deleted or renamed', async (table, column, value) => {
    await forgetAll()
    await written({})
    const gone = async (statement: string) => {
      await db.sql.begin(async (sql) => {
        // Other tables refer to these rows by foreign keys; here only marks are asked.
        for (const { name, of } of await sql<{ name: string; of: string }[]>`SELECT conname AS name, conrelid::regclass::text AS of FROM pg_constraint WHERE contype = 'f' AND confrelid = ${table}::regclass`) await sql.unsafe(`ALTER TABLE ${of} DROP CONSTRAINT ${name}`)
        await sql.unsafe(statement)
        throw new Error('not refused')
      })
    }
    await expect(gone(`DELETE FROM ${table} WHERE ${column} = '${value}'`)).rejects.toMatchObject({ code: '23503' })
    await expect(gone(`UPDATE ${table} SET ${column} = 'other' WHERE ${column} = '${value}'`)).rejects.toMatchObject({ code: '23503' })
    await expect(gone(`UPDATE ${table} SET ${column} = ${column} WHERE ${column} = '${value}'`)).rejects.toThrow('not refused')
    await db.sql`DELETE FROM attendance_logs`
    await expect(gone(`DELETE FROM ${table} WHERE ${column} = '${value}'`)).rejects.toThrow('not refused')
  })

  test('a student who is erased while marks come in is either kept with the marks or gone without one', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 15 }), async (wait, waitToo) => {
        await forgetAll()
        await db.sql`INSERT INTO students (student_id, first_name, last_name) VALUES ('S777', 'Here', 'Today') ON CONFLICT DO NOTHING`
        const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
        const mark = markOf({ mark: 0, date: '2026-01-01', course: 'CS101', doubt: undefined, named: true, known: true })
        const others = Array.from({ length: 24 }, (_, i) => ({ ...mark, student_id: `S${String(i + 1).padStart(3, '0')}` }))
        const [outcomes, erased] = await Promise.all([
          pause(wait).then(() => insertMarks(db, [...others, { ...mark, student_id: 'S777' }], NOW)),
          pause(waitToo).then(() => db.sql`DELETE FROM students WHERE student_id = 'S777'`).then(() => true, (error: unknown) => {
            expect(error).toMatchObject({ code: '23503' })
            return false
          }),
        ])
        expect(outcomes.at(-1)?.outcome).toBe(erased ? 'refused' : 'stored')
        expect((await rows()).filter(({ student_id }) => student_id === 'S777')).toHaveLength(erased ? 0 : 1)
      }),
      { numRuns: 30 },
    )
  }, 120_000)
})
