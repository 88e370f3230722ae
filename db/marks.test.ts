import fc from 'fast-check'
import { beforeAll, afterAll, describe, expect, test } from 'vitest'
import type { Database } from './connect.ts'
import { insertMarks, studentHistory } from './marks.ts'
import type { NewMark } from './marks.ts'
import { ensureMonths } from './partitions.ts'
import { openDemoSchool } from './test-school.ts'
import { watchRegisters } from './registers.ts'

/** A Monday, 10:05 in Stockholm. */
const NOW = new Date('2026-03-02T09:05:00Z')
const STUDENTS = Array.from({ length: 24 }, (_, i) => `S${String(i + 1).padStart(3, '0')}`)

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
})
afterAll(() => close())

interface Held { lesson_id: string; held_on: string; course_id: string; starts_at: string }

async function lessonsOfTheDay(): Promise<Held[]> {
  return db.sql<Held[]>`
    SELECT lesson_id, held_on::text, course_id, to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS starts_at
    FROM lessons_held('2026-03-02', '2026-03-02') WHERE classroom_id = 'LAB-301' ORDER BY starts_at`
}

function markOf(student_id: string, lesson: Held, minute: number): NewMark {
  const timestamp = new Date(Date.parse(lesson.starts_at) + minute * 60_000).toISOString()
  return { student_id, course_id: lesson.course_id, timestamp, confidence: 0.81, lesson_id: lesson.lesson_id, held_on: lesson.held_on, model: 'mobilefacenet-192-r1', device_id: 'pi-lab301' }
}

function scripted(over: Partial<NewMark> = {}): NewMark {
  return { student_id: 'S001', course_id: 'CS101', timestamp: NOW.toISOString(), confidence: 0.92, device_id: 'pi-lab301', ...over }
}

async function partitionOf(where: { student_id: string; timestamp: string }) {
  return db.sql`
    SELECT tableoid::regclass::text AS partition, held_on::text AS held_on, lesson_id FROM attendance_logs
    WHERE student_id = ${where.student_id} AND "timestamp" = ${where.timestamp}::timestamptz`
}

describe('a student is marked once per lesson, by key', () => {
  test('however marks are repeated, reordered, cut into batches and sent at the same time, each is stored once and no other is touched', async () => {
    const lessons = (await lessonsOfTheDay()).slice(0, 6)
    const arrival = fc.record({ student: fc.constantFrom(...STUDENTS.slice(0, 8)), lesson: fc.nat(lessons.length - 1), minute: fc.nat(59) })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(arrival, { minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 6 }), async (batches) => {
        await db.sql`DELETE FROM attendance_logs`
        const sent = batches.map((batch) => batch.flatMap(({ student, lesson, minute }) => {
          const held = lessons[lesson]
          return held ? [markOf(student, held, minute)] : []
        }))
        const outcomes = (await Promise.all([...sent, ...sent.toReversed()].map((batch) => insertMarks(db, batch, NOW)))).flat()
        const keys = new Set(sent.flat().map((mark) => `${mark.held_on} ${mark.lesson_id} ${mark.student_id}`))
        const rows = await db.sql<{ key: string }[]>`SELECT held_on || ' ' || lesson_id || ' ' || student_id AS key FROM attendance_logs`
        expect(rows.map((row) => row.key).sort()).toEqual([...keys].sort())
        expect(outcomes.filter(({ outcome }) => outcome === 'stored')).toHaveLength(keys.size)
        expect(outcomes.filter(({ outcome }) => outcome === 'duplicate')).toHaveLength(outcomes.length - keys.size)
      }),
      { numRuns: 25 },
    )
  })

  test('of two sightings in one batch the first is stored and the second is a duplicate', async () => {
    const [lesson] = await lessonsOfTheDay()
    if (!lesson) throw new Error('no lesson')
    await db.sql`DELETE FROM attendance_logs`
    expect(await insertMarks(db, [markOf('S001', lesson, 3), markOf('S001', lesson, 9)], NOW)).toEqual([{ outcome: 'stored' }, { outcome: 'duplicate' }])
    expect(await insertMarks(db, [markOf('S001', lesson, 1)], NOW)).toEqual([{ outcome: 'duplicate' }])
    const [row] = await db.sql<{ minute: number }[]>`
      SELECT (extract(epoch FROM "timestamp" - ${lesson.starts_at}::timestamptz) / 60)::integer AS minute FROM attendance_logs`
    expect(row?.minute).toBe(3)
  })

  test('a mark stays as it was written', async () => {
    await insertMarks(db, [scripted()], NOW)
    await expect(db.sql`UPDATE attendance_logs SET confidence = 1`).rejects.toThrow(/refused/)
  })
})

describe('a bad mark never sinks a good one', () => {
  const bad: [string, Partial<NewMark>, { code: string; field: string }][] = [
    ['an unknown student', { student_id: 'S999' }, { code: 'unknown_student', field: 'student_id' }],
    ['an unknown course', { course_id: 'XX999' }, { code: 'unknown_course', field: 'course_id' }],
    ['a lesson that the timetable lacks', { lesson_id: '999999', held_on: '2026-03-02' }, { code: 'unknown_lesson', field: 'lesson_id' }],
    ['a lesson on a weekday on which it is not held', { lesson_id: '11', held_on: '2026-03-03' }, { code: 'unknown_lesson', field: 'lesson_id' }],
    ['a lesson held days after its timestamp', { lesson_id: '9', held_on: '2026-03-02', timestamp: '2026-02-27T09:00:00Z' }, { code: 'unknown_lesson', field: 'held_on' }],
    ['a held_on years off', { lesson_id: 'unscheduled.CS101', held_on: '1999-03-02' }, { code: 'unknown_lesson', field: 'held_on' }],
    ['a timestamp a year and two days ago', { timestamp: '2025-02-28T09:00:00Z' }, { code: 'timestamp_out_of_range', field: 'timestamp' }],
    ['a timestamp two days ahead', { timestamp: '2026-03-04T10:00:00Z' }, { code: 'timestamp_out_of_range', field: 'timestamp' }],
    ['a timestamp that is none', { timestamp: 'yesterday' }, { code: 'invalid_record', field: 'timestamp' }],
    ['a confidence of 7', { confidence: 7 }, { code: 'invalid_record', field: 'confidence' }],
    ['a confidence of NaN', { confidence: Number.NaN }, { code: 'invalid_record', field: 'confidence' }],
    ['a mark_id that is no UUID', { mark_id: 'seventeen' }, { code: 'invalid_record', field: 'mark_id' }],
    ['a 30th of February', { lesson_id: '9', held_on: '2026-02-30' }, { code: 'invalid_record', field: 'held_on' }],
    ['a student id with a NUL', { student_id: 'S0\u000001' }, { code: 'invalid_record', field: 'student_id' }],
    ['a model with a quote', { model: 'x"},{"' as 'mobilefacenet-192-r1' }, { code: 'invalid_record', field: 'model' }],
    ['half a surrogate pair', { course_id: '\ud800' }, { code: 'invalid_record', field: 'course_id' }],
  ]

  test.each(bad)('%s is refused by name, and its neighbours are stored', async (_what, over, why) => {
    await db.sql`DELETE FROM attendance_logs`
    const outcomes = await insertMarks(db, [scripted({ student_id: 'S002' }), scripted(over), scripted({ student_id: 'S003' })], NOW)
    expect(outcomes).toMatchObject([{ outcome: 'stored' }, { outcome: 'refused', ...why }, { outcome: 'stored' }])
    const [row] = await db.sql<{ n: number }[]>`SELECT count(*)::integer AS n FROM attendance_logs`
    expect(row?.n).toBe(2)
  })

  test('wherever the bad ones stand, each mark gets its own outcome', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(STUDENTS, { minLength: 1 }), fc.array(fc.tuple(fc.nat(30), fc.constantFrom(...bad)), { maxLength: 8 }), async (students, wrong) => {
        await db.sql`DELETE FROM attendance_logs`
        const batch: { mark: NewMark; expected: object }[] = students.map((student_id) => ({ mark: scripted({ student_id }), expected: { outcome: 'stored' } }))
        for (const [at, [, over, why]] of wrong) batch.splice(at, 0, { mark: scripted(over), expected: { outcome: 'refused', ...why } })
        expect(await insertMarks(db, batch.map(({ mark }) => mark), NOW)).toMatchObject(batch.map(({ expected }) => expected))
      }),
      { numRuns: 25 },
    )
  })

  test('a student who has left the course is still a good mark, and so is a device that is not known', async () => {
    await db.sql`DELETE FROM attendance_logs`
    await db.sql`UPDATE enrollments SET enrolled_to = now() WHERE student_id = 'S024' AND course_id = 'PH120'`
    expect(await insertMarks(db, [scripted({ student_id: 'S024', course_id: 'PH120', device_id: 'a-script' })], NOW)).toEqual([{ outcome: 'stored' }])
    expect(await db.sql`SELECT device_id FROM attendance_logs`).toEqual([{ device_id: null }])
  })

  test('no marks are no work', async () => {
    expect(await insertMarks(db, [], NOW)).toEqual([])
  })
})

describe('a doubt comes beside its mark', () => {
  const doubts = () => db.sql<{ held_on: string; lesson_id: string; student_id: string; doubt: string; device_id: string | null }[]>`
    SELECT held_on::text AS held_on, lesson_id, student_id, doubt, device_id FROM mark_doubts ORDER BY held_on, lesson_id, student_id, doubt`

  test('with the mark or later, once however often it is sent, and the mark stays as it was written', async () => {
    await db.sql`DELETE FROM attendance_logs`
    await db.sql`DELETE FROM mark_doubts`
    const [lesson] = await lessonsOfTheDay()
    if (!lesson) throw new Error('no lesson')
    const mark = { ...markOf('S001', lesson, 3), method: 'face' as const }
    expect(await insertMarks(db, [mark, { ...markOf('S002', lesson, 3), method: 'pin', confidence: 1, doubt: 'no_life_seen' }], NOW)).toEqual([{ outcome: 'stored' }, { outcome: 'stored' }])
    const before = await db.sql`SELECT * FROM attendance_logs ORDER BY student_id`
    const again = { ...mark, method: 'face_and_tap' as const, doubt: 'looks_like_a_picture' as const }
    for (let i = 0; i < 3; i++) expect(await insertMarks(db, [again, again], NOW)).toEqual([{ outcome: 'duplicate' }, { outcome: 'duplicate' }])
    expect(await db.sql`SELECT * FROM attendance_logs ORDER BY student_id`).toEqual(before)
    expect(before.map((row) => row.method)).toEqual(['face', 'pin'])
    expect(await doubts()).toEqual([
      { held_on: lesson.held_on, lesson_id: lesson.lesson_id, student_id: 'S001', doubt: 'looks_like_a_picture', device_id: 'pi-lab301' },
      { held_on: lesson.held_on, lesson_id: lesson.lesson_id, student_id: 'S002', doubt: 'no_life_seen', device_id: 'pi-lab301' },
    ])
    await expect(db.sql`UPDATE mark_doubts SET doubt = 'no_life_seen'`).rejects.toThrow(/refused/)
  })

  test('however doubts and marks are repeated, cut into batches and sent at the same time, each is kept once, and none of a refused mark', async () => {
    const lessons = (await lessonsOfTheDay()).slice(0, 2)
    const arrival = fc.record({
      student: fc.constantFrom('S001', 'S002', 'S003', 'S999'), lesson: fc.nat(1), minute: fc.nat(59),
      doubt: fc.constantFrom(undefined, undefined, 'no_life_seen' as const, 'looks_like_a_picture' as const),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(arrival, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 5 }), async (batches) => {
        await db.sql`DELETE FROM attendance_logs`
        await db.sql`DELETE FROM mark_doubts`
        const sent = batches.map((batch) => batch.flatMap(({ student, lesson, minute, doubt }) => {
          const held = lessons[lesson]
          return held ? [{ ...markOf(student, held, minute), ...(doubt ? { doubt } : {}) }] : []
        }))
        await Promise.all([...sent, ...sent.toReversed()].map((batch) => insertMarks(db, batch, NOW)))
        const expected = new Set(sent.flat().filter((mark) => mark.doubt && mark.student_id !== 'S999').map((mark) => `${mark.held_on} ${mark.lesson_id} ${mark.student_id} ${mark.doubt}`))
        expect((await doubts()).map((row) => `${row.held_on} ${row.lesson_id} ${row.student_id} ${row.doubt}`).sort()).toEqual([...expected].sort())
      }),
      { numRuns: 25 },
    )
  })

  test('a method or a doubt that nobody knows is refused by name', async () => {
    const wrong = { ...scripted(), method: 'smell' } as unknown as NewMark
    const odd = { ...scripted(), doubt: 'x"},{"' } as unknown as NewMark
    expect(await insertMarks(db, [wrong, odd], NOW)).toMatchObject([{ outcome: 'refused', field: 'method' }, { outcome: 'refused', field: 'doubt' }])
  })
})

describe('a record without a lesson finds its own', () => {
  test('the lesson that is on, else the one that begins within ten minutes, else none', async () => {
    await db.sql`DELETE FROM attendance_logs`
    const lessons = await lessonsOfTheDay()
    const music = await db.sql<Held[]>`SELECT lesson_id, starts_at::text FROM lessons_held('2026-03-02', '2026-03-02') WHERE course_id = 'MU140' ORDER BY starts_at`
    const at = async (course_id: string, timestamp: string) => {
      await db.sql`DELETE FROM attendance_logs`
      await insertMarks(db, [scripted({ course_id, timestamp })], NOW)
      return (await db.sql<{ lesson_id: string; classroom_id: string }[]>`SELECT lesson_id, classroom_id FROM attendance_logs`)[0]
    }
    const nine = lessons.find((lesson) => lesson.starts_at === '2026-03-02T08:00:00Z')
    expect(await at(nine?.course_id ?? '', '2026-03-02T08:30:00Z')).toEqual({ lesson_id: nine?.lesson_id, classroom_id: 'LAB-301' })
    expect(await at('MU140', '2026-03-02T07:50:00Z')).toEqual({ lesson_id: music[0]?.lesson_id, classroom_id: 'ROOM-204' })
    expect(await at('MU140', '2026-03-02T07:49:59Z')).toEqual({ lesson_id: 'unscheduled.MU140', classroom_id: 'LAB-301' })
    expect(await at('MU140', '2026-03-02T09:00:00Z')).toEqual({ lesson_id: 'unscheduled.MU140', classroom_id: 'LAB-301' })
  })

  test('when a course is taught in two rooms at once it is the lesson of the room in which the device stands', async () => {
    await db.sql`DELETE FROM attendance_logs`
    const here = (await lessonsOfTheDay())[10]
    await db.sql`
      INSERT INTO schedules (schedule_id, course_id, classroom_id, day_of_week, start_time, end_time, effective_from)
      VALUES ('0-elsewhere', ${here?.course_id ?? ''}, 'HALL-1', 1, '10:00', '11:00', '2026-01-01')`
    await db.sql`INSERT INTO devices (device_id, classroom_id, key_sha256) VALUES ('pi-hall1', 'HALL-1', sha256('hall'))`
    const mark = scripted({ course_id: here?.course_id ?? '', timestamp: '2026-03-02T09:30:00Z' })
    await insertMarks(db, [mark, { ...mark, student_id: 'S002', device_id: 'pi-hall1' }], NOW)
    expect(await db.sql`SELECT student_id, lesson_id FROM attendance_logs ORDER BY student_id`).toEqual([
      { student_id: 'S001', lesson_id: here?.lesson_id },
      { student_id: 'S002', lesson_id: '0-elsewhere' },
    ])
  })
})

describe('a mark is in the month in which its lesson starts', () => {
  beforeAll(async () => {
    await db.sql`
      INSERT INTO schedules (schedule_id, course_id, classroom_id, day_of_week, start_time, end_time, effective_from)
      VALUES ('late-choir', 'MU140', 'HALL-1', 6, '23:30', '00:45', '2026-01-01')`
  })

  test('a lesson over midnight and over a month belongs to the day and the month in which it starts', async () => {
    const now = new Date('2026-10-31T23:20:00Z')
    await ensureMonths(db, now)
    const mark = scripted({ student_id: 'S005', course_id: 'MU140', timestamp: '2026-10-31T23:15:00.000Z' })
    expect(await insertMarks(db, [mark], now)).toEqual([{ outcome: 'stored' }])
    expect(await partitionOf(mark)).toEqual([{ partition: 'attendance_logs_2026_10', held_on: '2026-10-31', lesson_id: 'late-choir' }])
  })

  test('without a lesson the date is the school\'s, not that of UTC', async () => {
    const now = new Date('2026-10-31T23:20:00Z')
    await ensureMonths(db, now)
    const mark = scripted({ student_id: 'S006', course_id: 'MU140', timestamp: '2026-10-31T23:50:00.000Z' })
    await insertMarks(db, [mark], now)
    expect(await partitionOf(mark)).toEqual([{ partition: 'attendance_logs_2026_11', held_on: '2026-11-01', lesson_id: 'unscheduled.MU140' }])
  })

  test('in the night of the longer hour both two o\'clocks are in one lesson', async () => {
    const now = new Date('2026-10-25T02:00:00Z')
    await ensureMonths(db, now)
    const lessons = await db.sql<{ lesson_id: string; minutes: number; course_id: string }[]>`
      SELECT lesson_id, course_id, (extract(epoch FROM ends_at - starts_at) / 60)::integer AS minutes
      FROM lessons_between('2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z') WHERE classroom_id = 'LAB-301' ORDER BY starts_at`
    expect(lessons.map((lesson) => lesson.minutes)).toEqual([120, 60])
    const [first, second] = lessons
    for (const [student_id, lesson, timestamp] of [['S007', first, '2026-10-25T00:30:00Z'], ['S008', second, '2026-10-25T01:30:00Z']] as const) {
      await insertMarks(db, [scripted({ student_id, course_id: lesson?.course_id ?? '', timestamp })], now)
      expect(await partitionOf({ student_id, timestamp })).toMatchObject([{ held_on: '2026-10-25', lesson_id: lesson?.lesson_id }])
    }
  })

  test('every accepted timestamp has a partition to go to', async () => {
    await ensureMonths(db, NOW)
    const millis = fc.integer({ min: NOW.getTime() - 366 * 86_400_000, max: NOW.getTime() + 24 * 3_600_000 })
    await fc.assert(
      fc.asyncProperty(millis, fc.constantFrom(...STUDENTS), async (ms, student_id) => {
        const [outcome] = await insertMarks(db, [scripted({ student_id, timestamp: new Date(ms).toISOString() })], NOW)
        expect(outcome?.outcome).not.toBe('refused')
      }),
      { numRuns: 100 },
    )
  })
})

test('a stored mark is announced to whoever watches the registers, a duplicate is not', async () => {
  await db.sql`DELETE FROM attendance_logs`
  await db.sql`DELETE FROM mark_doubts`
  const heard: string[] = []
  let wake = () => {}
  const stop = await watchRegisters(db, ({ held_on, lesson_id }) => {
    heard.push(`${held_on} ${lesson_id}`)
    wake()
  })
  const [first, second] = await lessonsOfTheDay()
  if (!first || !second) throw new Error('no lessons')
  await insertMarks(db, [markOf('S001', first, 1), markOf('S002', first, 1)], NOW)
  await insertMarks(db, [markOf('S001', first, 1)], NOW)
  await insertMarks(db, [markOf('S001', second, 1)], NOW)
  while (heard.length < 2) await new Promise<void>((resolve) => { wake = resolve })
  expect(heard).toEqual([`2026-03-02 ${first.lesson_id}`, `2026-03-02 ${second.lesson_id}`])
  // A doubt is news, and news once.
  const doubted = { ...markOf('S002', first, 1), doubt: 'no_life_seen' as const }
  await insertMarks(db, [doubted], NOW)
  await insertMarks(db, [doubted], NOW)
  await insertMarks(db, [markOf('S002', second, 1)], NOW)
  while (heard.length < 4) await new Promise<void>((resolve) => { wake = resolve })
  expect(heard.slice(2)).toEqual([`2026-03-02 ${first.lesson_id}`, `2026-03-02 ${second.lesson_id}`])
  await stop()
})

test('a record is found in the student\'s history by its own timestamp, from inclusive and to exclusive', async () => {
  await db.sql`DELETE FROM attendance_logs`
  await insertMarks(db, [scripted({ course_id: 'MU140', timestamp: '2026-03-01T22:30:00Z' })], NOW)
  const within = async (from: string, to: string) => (await studentHistory(db, 'S001', { from, to, limit: 10 }, NOW))?.records.map((record) => record.lesson_id)
  expect(await within('2026-03-01T22:30:00Z', '2026-03-01T22:30:01Z')).toEqual(['unscheduled.MU140'])
  expect(await within('2026-03-01T22:00:00Z', '2026-03-01T22:30:00Z')).toEqual([])
  expect(await within('2026-03-01T23:30:00+01:00', '2026-03-02T23:30:00+01:00')).toEqual(['unscheduled.MU140'])
  expect(await studentHistory(db, 'S999', { from: '2026-03-01T22:30:00Z', to: '2026-03-01T22:30:01Z', limit: 10 }, NOW)).toBeUndefined()
})
