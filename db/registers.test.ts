import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Lessons, Register, StudentHistory } from '#contract/register'
import { LATE_AFTER_MINUTES } from '#contract/register'
import type { CorrectedStatus, HistoryEntry, Status } from '#contract/register'
import type { Database } from './connect.ts'
import { saveHeartbeat } from './heartbeats.ts'
import { courseHistory, insertMarks, studentHistory } from './marks.ts'
import { ensureMonths } from './partitions.ts'
import { saveEnrolment } from './people.ts'
import { lessonsOn, register, saveCorrection } from './registers.ts'
import type { HistoryPlace } from './registers.ts'
import { openDemoSchool } from './test-school.ts'

/** A Monday, 10:00 in Stockholm. */
const STARTS = Date.parse('2026-03-02T09:00:00Z')
const minute = (n: number) => new Date(STARTS + n * 60_000)
const OVER = minute(61)

let db: Database
let close: () => Promise<void>
let lesson: { held_on: string; lesson_id: string; course_id: string }
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(minute(0)))
  const [found] = await db.sql<(typeof lesson)[]>`
    SELECT lesson_id, held_on::text AS held_on, course_id FROM lessons_at(${minute(0).toISOString()}::timestamptz) WHERE classroom_id = 'LAB-301'`
  if (!found) throw new Error('no lesson')
  lesson = found
})
afterAll(() => close())

/** Corrections are never deleted, so each case takes a week of its own. */
let week = 0
async function nextWeek() {
  week += 1
  const shift = week * 7 * 86_400_000
  const at = (n: number) => new Date(STARTS + shift + n * 60_000)
  await ensureMonths(db, at(0))
  // Clocks change between the weeks: the lesson is asked where it is now.
  const [held] = await db.sql<{ lesson_id: string; held_on: string; course_id: string; starts_at: string }[]>`
    SELECT lesson_id, held_on::text AS held_on, course_id, to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS starts_at
    FROM lessons_between(${at(-120).toISOString()}::timestamptz, ${at(120).toISOString()}::timestamptz) WHERE lesson_id = ${lesson.lesson_id}`
  if (!held) throw new Error('no lesson')
  const from = Date.parse(held.starts_at)
  return { ...held, at: (n: number) => new Date(from + n * 60_000) }
}
type Held = Awaited<ReturnType<typeof nextWeek>>

const mark = (held: Held, student_id: string, n: number) =>
  insertMarks(db, [{ student_id, course_id: held.course_id, timestamp: held.at(n).toISOString(), confidence: 0.8, lesson_id: held.lesson_id, held_on: held.held_on, device_id: 'pi-lab301' }], held.at(n))
const correct = (held: Held, student_id: string, status: CorrectedStatus, at: Date) => saveCorrection(db, held, { student_id, status, note: '', corrected_by: 'office' }, at)
const beat = (held: Held, n: number, over = {}) =>
  saveHeartbeat(db, { device_id: 'pi-lab301', camera: 'live', model: 'mobilefacenet-192-r1', lesson: { lesson_id: held.lesson_id, held_on: held.held_on }, ...over }, held.at(n))
async function statusOf(held: Held, student_id: string, now: Date): Promise<Status | undefined> {
  return (await register(db, held.held_on, held.lesson_id, now))?.entries.find((entry) => entry.student_id === student_id)?.status
}

test('a register says how each mark came about, and of its doubts the gravest', async () => {
  const held = await nextWeek()
  const said = async () => Object.fromEntries(
    Register.parse(await register(db, held.held_on, held.lesson_id, held.at(5))).entries.flatMap(({ student_id, mark: seen }) => (seen ? [[student_id, [seen.method, seen.doubt]]] : [])),
  )
  const marked = (student_id: string, more: object) =>
    insertMarks(db, [{ student_id, course_id: held.course_id, timestamp: held.at(1).toISOString(), confidence: 0.8, lesson_id: held.lesson_id, held_on: held.held_on, device_id: 'pi-lab301', ...more }], held.at(1))
  await mark(held, 'S001', 1)
  for (const [i, method] of ['face', 'face_and_tap', 'face_and_pin', 'pin'].entries()) await marked(`S00${i + 2}`, { method })
  await marked('S002', { doubt: 'no_life_seen' })
  await marked('S003', { doubt: 'looks_like_a_picture' })
  expect(await said()).toEqual({ S001: [null, null], S002: ['face', 'no_life_seen'], S003: ['face_and_tap', 'looks_like_a_picture'], S004: ['face_and_pin', null], S005: ['pin', null] })
  await marked('S002', { doubt: 'looks_like_a_picture' })
  await marked('S003', { doubt: 'no_life_seen' })
  expect(await said()).toMatchObject({ S002: ['face', 'looks_like_a_picture'], S003: ['face_and_tap', 'looks_like_a_picture'] })
  // A doubt changes no status.
  expect(await statusOf(held, 'S002', held.at(5))).toBe('present')
})

test('a history that is cut short is the beginning of the whole one, whatever was recorded and however far from its lesson', async () => {
  const { at, course_id } = await nextWeek()
  const held = await db.sql<{ lesson_id: string; held_on: string; starts_at: string }[]>`
    SELECT lesson_id, held_on::text AS held_on, to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS starts_at
    FROM lessons_held(${at(0).toISOString()}::date, ${at(0).toISOString()}::date + 5) WHERE course_id = ${course_id} ORDER BY starts_at, lesson_id`
  expect(held.length).toBeGreaterThan(20)
  for (const [n, { lesson_id, held_on, starts_at }] of held.entries()) {
    const marked = (student_id: string, minutes: number) => ({ student_id, course_id, timestamp: new Date(Date.parse(starts_at) + minutes * 60_000).toISOString(), confidence: 0.8, lesson_id, held_on, device_id: 'pi-lab301' })
    // Up to a day before the lesson, and up to a day after it: a later lesson's mark may be days older.
    const stored = await insertMarks(db, [marked('S001', n % 2 === 0 ? -1430 : 1490), marked('S002', n < 12 ? 1490 : -1430), marked('S003', 1)], new Date(Date.parse(starts_at) + 1500 * 60_000))
    expect(stored).toEqual([{ outcome: 'stored' }, { outcome: 'stored' }, { outcome: 'stored' }])
    if (n % 5 === 0) await saveCorrection(db, { lesson_id, held_on }, { student_id: 'S004', status: 'excused', note: '', corrected_by: 'office' }, at(n))
  }
  const now = at(8 * 1440)
  for (const bounds of [{ from: at(-3 * 1440).toISOString(), to: now.toISOString() }, { from: at(1000).toISOString(), to: at(4000).toISOString() }]) {
    for (const student of ['S001', 'S002', 'S003', 'S004']) {
      const all = (await studentHistory(db, student, { ...bounds, limit: 1000 }, now))!.records
      for (let limit = 1; limit <= all.length; limit += 1) expect((await studentHistory(db, student, { ...bounds, limit }, now))!.records).toEqual(all.slice(0, limit))
    }
    const all = (await courseHistory(db, course_id, { ...bounds, limit: 1000 }, now))!.records
    expect(all.length).toBeGreaterThan(20)
    for (const limit of [1, 3, 7, 20, all.length]) {
      expect((await courseHistory(db, course_id, { ...bounds, limit }, now))!.records).toEqual(all.slice(0, limit))
      expect((await courseHistory(db, course_id, { ...bounds, limit, room_id: 'LAB-301' }, now))!.records).toEqual(all.slice(0, limit))
    }
  }
})

/** Asked page after page, as whoever follows `next` does. */
async function paged(of: (after: HistoryPlace | undefined) => Promise<{ records: HistoryEntry[]; next: HistoryPlace | undefined } | undefined>): Promise<HistoryEntry[][]> {
  const pages: HistoryEntry[][] = []
  for (let after: HistoryPlace | undefined; ;) {
    const page = await of(after)
    pages.push(page?.records ?? [])
    if (!page?.next) return pages
    after = page.next
  }
}

test('the pages of a history are the whole of it, each entry once, in whatever size, and also with a filter', async () => {
  const { at, course_id } = await nextWeek()
  const now = at(8 * 1440)
  const bounds = { from: at(-3 * 1440).toISOString(), to: now.toISOString() }
  const held = await db.sql<{ lesson_id: string; held_on: string; starts_at: string }[]>`
    SELECT lesson_id, held_on::text AS held_on, to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS starts_at
    FROM lessons_held(${at(0).toISOString()}::date, ${at(0).toISOString()}::date + 2) WHERE course_id = ${course_id} ORDER BY starts_at, lesson_id`
  for (const { lesson_id, held_on, starts_at } of held) {
    const timestamp = new Date(Date.parse(starts_at) + 60_000).toISOString()
    await insertMarks(db, ['S001', 'S002', 'S003'].map((student_id) => ({ student_id, course_id, timestamp, confidence: 0.8, lesson_id, held_on, device_id: 'pi-lab301' })), new Date(timestamp))
    await saveCorrection(db, { lesson_id, held_on }, { student_id: 'S004', status: 'excused', note: '', corrected_by: 'office' }, now)
  }
  for (const only of [{}, { status: 'excused' as const }, { student_id: 'S002' }, { lesson_id: held[3]?.lesson_id }]) {
    const all = (await courseHistory(db, course_id, { ...bounds, ...only, limit: 1000 }, now))?.records ?? []
    expect(all.length).toBeGreaterThan(only.lesson_id === undefined ? 8 : 0)
    for (const limit of [2, 7]) {
      const pages = await paged((after) => courseHistory(db, course_id, { ...bounds, ...only, limit, ...(after ? { after } : {}) }, now))
      expect(pages.flat()).toEqual(all)
      expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true)
    }
  }
  const all = (await studentHistory(db, 'S001', { ...bounds, limit: 1000 }, now))?.records ?? []
  expect((await paged((after) => studentHistory(db, 'S001', { ...bounds, limit: 3, ...(after ? { after } : {}) }, now))).flat()).toEqual(all)
  const ofCourse = (await studentHistory(db, 'S001', { ...bounds, course_id: 'MU140', limit: 1000 }, now))?.records ?? []
  expect(ofCourse).toEqual(all.filter((entry) => entry.course_id === 'MU140'))
  expect(new Set((await courseHistory(db, course_id, { ...bounds, status: 'excused', limit: 1000 }, now))?.records.map(({ status }) => status))).toEqual(new Set(['excused']))
})

test('marks that arrive between two pages move no entry from one to the other', async () => {
  const { at, course_id } = await nextWeek()
  const now = at(8 * 1440)
  const bounds = { from: at(-1440).toISOString(), to: now.toISOString(), limit: 5 }
  const held = await db.sql<{ lesson_id: string; held_on: string; starts_at: string }[]>`
    SELECT lesson_id, held_on::text AS held_on, to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS starts_at
    FROM lessons_held(${at(0).toISOString()}::date, ${at(0).toISOString()}::date + 1) WHERE course_id = ${course_id} ORDER BY starts_at DESC, lesson_id LIMIT 3`
  // A teacher took the registers: whoever is not marked is absent, and an entry.
  for (const lesson of held) await saveCorrection(db, lesson, { student_id: 'S004', status: 'present', note: '', corrected_by: 'office' }, now)
  const before = (await courseHistory(db, course_id, { ...bounds, limit: 1000 }, now))?.records ?? []
  const place = ({ held_on, lesson_id, student_id }: HistoryEntry) => `${held_on} ${lesson_id} ${student_id}`
  expect(before.length).toBeGreaterThan(20)
  const late = before.filter(({ timestamp, corrections }) => timestamp === null && corrections.length === 0)
  const pages = await paged(async (after) => {
    const page = await courseHistory(db, course_id, { ...bounds, ...(after ? { after } : {}) }, now)
    const entry = late.pop()
    const lesson = held.find(({ lesson_id, held_on }) => lesson_id === entry?.lesson_id && held_on === entry.held_on)
    if (entry && lesson) {
      const timestamp = new Date(Date.parse(lesson.starts_at) + 30 * 60_000).toISOString()
      await insertMarks(db, [{ student_id: entry.student_id, course_id, timestamp, confidence: 0.8, lesson_id: entry.lesson_id, held_on: entry.held_on, device_id: 'pi-lab301' }], new Date(timestamp))
    }
    return page
  })
  expect(pages.flat().map(place)).toEqual(before.map(place))
  expect(late.length).toBeLessThan(before.length - 4)
})

describe('absent is written only for a lesson whose register was really taken', () => {
  test('a student not seen is expected until the lesson ends, and then, when nobody watched, not taken', async () => {
    const held = await nextWeek()
    expect(await statusOf(held, 'S001', held.at(-600))).toBe('expected')
    expect(await statusOf(held, 'S001', held.at(59))).toBe('expected')
    expect(await statusOf(held, 'S001', held.at(60))).toBe('not_taken')
  })

  test('a mark alone does not make the others absent', async () => {
    const held = await nextWeek()
    await mark(held, 'S002', 1)
    expect(await statusOf(held, 'S001', held.at(60))).toBe('not_taken')
  })

  test('a kiosk that watched half of the minutes took the register, one minute less did not', async () => {
    const held = await nextWeek()
    for (let n = 0; n < 29; n += 1) await beat(held, n)
    expect(await statusOf(held, 'S001', held.at(60))).toBe('not_taken')
    await beat(held, 29)
    expect(await statusOf(held, 'S001', held.at(60))).toBe('absent')
    expect((await register(db, held.held_on, held.lesson_id, held.at(60)))?.lesson.taken).toBe(true)
  })

  test.each([
    ['without a camera', { camera: 'lost' }],
    ['with a covered lens', { camera: 'black' }],
    ['with a picture that stands still', { camera: 'frozen' }],
    ['without a model', { model: null }],
    ['from another room', { device_id: 'pi-hall' }],
  ])('heartbeats %s watch nothing', async (_what, over) => {
    await db.sql`INSERT INTO devices (device_id, classroom_id, key_sha256) VALUES ('pi-hall', 'HALL-1', sha256('pi-hall')) ON CONFLICT DO NOTHING`
    const held = await nextWeek()
    for (let n = 0; n < 60; n += 1) await beat(held, n, over)
    expect(await statusOf(held, 'S001', held.at(60))).toBe('not_taken')
  })

  test('a heartbeat that is repeated, or sent after the lesson, is not a minute of watching', async () => {
    const held = await nextWeek()
    for (let n = 0; n < 60; n += 1) await beat(held, 1 + n / 100)
    for (let n = 70; n < 130; n += 1) await beat(held, n)
    expect(await statusOf(held, 'S001', held.at(130))).toBe('not_taken')
    const watches = await db.sql<{ beats: number }[]>`SELECT beats FROM lesson_watches WHERE held_on = ${held.held_on} AND lesson_id = ${held.lesson_id}`
    expect(watches.map((row) => row.beats)).toEqual([1])
  })

  test('a teacher who corrects one student has taken the register', async () => {
    const held = await nextWeek()
    await correct(held, 'S002', 'present', held.at(20))
    expect(await statusOf(held, 'S001', held.at(59))).toBe('expected')
    expect(await statusOf(held, 'S001', held.at(60))).toBe('absent')
  })
})

test(`a mark is late from ${LATE_AFTER_MINUTES} minutes after the start`, async () => {
  const held = await nextWeek()
  await mark(held, 'S001', -3)
  await mark(held, 'S002', LATE_AFTER_MINUTES - 1 / 60_000)
  await mark(held, 'S003', LATE_AFTER_MINUTES)
  const found = await Promise.all(['S001', 'S002', 'S003'].map((id) => statusOf(held, id, OVER)))
  expect(found).toEqual(['present', 'present', 'late'])
})

describe('a correction by a person beats every mark, whenever either arrives', () => {
  test('the same facts give the same register in whatever order they arrive, and all of them are kept', async () => {
    const fact = fc.oneof(
      fc.record({ kind: fc.constant('mark' as const), minute: fc.constant(25) }),
      fc.record({ kind: fc.constant('correction' as const), minute: fc.integer({ min: -30, max: 2000 }), status: fc.constantFrom<CorrectedStatus>('present', 'late', 'absent', 'excused') }),
    )
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fact, { maxLength: 5, selector: (f) => `${f.kind} ${f.minute}` }), async (facts) => {
        const held = await nextWeek()
        for (const f of facts) {
          if (f.kind === 'mark') await mark(held, 'S001', f.minute)
          else expect(await correct(held, 'S001', f.status, held.at(f.minute))).toBe(true)
        }
        const corrections = facts.filter((f) => f.kind === 'correction').sort((a, b) => b.minute - a.minute)
        const marked = facts.some((f) => f.kind === 'mark')
        const entry = (await register(db, held.held_on, held.lesson_id, held.at(3000)))?.entries.find(({ student_id }) => student_id === 'S001')
        expect(entry?.status).toBe(corrections[0]?.status ?? (marked ? 'late' : 'not_taken'))
        expect(entry?.corrections.map(({ status }) => status)).toEqual(corrections.map(({ status }) => status))
        expect(entry?.mark?.timestamp ?? null).toBe(marked ? held.at(25).toISOString() : null)
      }),
      { numRuns: 25 },
    )
  })

  test('nobody can change or delete a correction', async () => {
    const held = await nextWeek()
    await correct(held, 'S001', 'excused', held.at(5))
    await expect(db.sql`UPDATE corrections SET status = 'absent'`).rejects.toThrow(/refused/)
    await expect(db.sql`DELETE FROM corrections`).rejects.toThrow(/refused/)
    await expect(db.sql`TRUNCATE corrections`).rejects.toThrow(/refused/)
    expect(await statusOf(held, 'S001', OVER)).toBe('excused')
  })

  test('a correction of no lesson or of no student is not saved', async () => {
    const held = await nextWeek()
    expect(await correct({ ...held, lesson_id: '999999' }, 'S001', 'present', held.at(1))).toBe(false)
    expect(await correct({ ...held, held_on: '2026-03-03' }, 'S001', 'present', held.at(1))).toBe(false)
    expect(await correct(held, 'S999', 'present', held.at(1))).toBe(false)
  })

  test('a note with any character is kept', async () => {
    const held = await nextWeek()
    await saveCorrection(db, held, { student_id: 'S001', status: 'late', note: 'bus \u0000 \ud800 "né" 🚌', corrected_by: 'office' }, held.at(1))
    const entry = (await register(db, held.held_on, held.lesson_id, OVER))?.entries.find(({ student_id }) => student_id === 'S001')
    expect(entry?.corrections[0]?.note).toBe('bus \uFFFD \uFFFD "né" 🚌')
  })
})

describe('who is in a register', () => {
  test('a student who has left keeps the registers of lessons before, and leaves the later ones unless marked or corrected in them', async () => {
    const [before, after, seen] = [await nextWeek(), await nextWeek(), await nextWeek()]
    await saveEnrolment(db, before.course_id, Array.from({ length: 23 }, (_, i) => `S${String(i + 1).padStart(3, '0')}`), before.at(90))
    await mark(seen, 'S024', 2)
    expect(await statusOf(before, 'S024', OVER)).toBe('expected')
    expect(await statusOf(after, 'S024', OVER)).toBeUndefined()
    expect(await statusOf(seen, 'S024', OVER)).toBe('present')
    const sums = (await register(db, seen.held_on, seen.lesson_id, OVER))?.lesson
    expect(sums).toMatchObject({ enrolled: 23, here: 1 })
    await correct(after, 'S024', 'excused', after.at(3))
    expect(await statusOf(after, 'S024', OVER)).toBe('excused')
  })

  test('the sums of a lesson are those of its entries, alone and in the list of the day', async () => {
    const held = await nextWeek()
    await mark(held, 'S001', 1)
    await mark(held, 'S002', 30)
    await mark(held, 'S003', 1)
    await correct(held, 'S003', 'absent', held.at(40))
    await correct(held, 'S004', 'present', held.at(40))
    const one = Register.parse(await register(db, held.held_on, held.lesson_id, held.at(61)))
    expect(one.lesson.here).toBe(one.entries.filter(({ status }) => status === 'present' || status === 'late').length)
    expect(one.lesson.here).toBe(3)
    const day = Lessons.parse(await lessonsOn(db, undefined, held.at(0)))
    expect(day.date).toBe(held.held_on)
    expect(day.lessons.filter(({ room_id }) => room_id === 'LAB-301')).toHaveLength(24)
    const { taken, here, enrolled } = one.lesson
    expect(day.lessons.find(({ lesson_id }) => lesson_id === held.lesson_id)).toMatchObject({ taken, here, enrolled })
  })

  test('a lesson that the timetable does not have has no register', async () => {
    expect(await register(db, '2026-03-03', lesson.lesson_id, OVER)).toBeUndefined()
    expect(await register(db, '2026-03-02', 'unscheduled.CS101', OVER)).toBeUndefined()
  })
})

test('the histories and the summary say of each lesson what its register says', async () => {
  const held = await nextWeek()
  await mark(held, 'S005', 1)
  await mark(held, 'S006', 12)
  await correct(held, 'S007', 'excused', held.at(30))
  const now = held.at(100)
  const entries = (await register(db, held.held_on, held.lesson_id, now))?.entries ?? []
  const bounds = { from: held.at(-5).toISOString(), to: held.at(60).toISOString(), limit: 1000 }
  const course = await courseHistory(db, held.course_id, bounds, now)
  const byStudent = (list: { student_id: string; status: string }[]) => Object.fromEntries(list.map(({ student_id, status }) => [student_id, status]))
  expect(byStudent(course?.records.filter((record) => record.lesson_id === held.lesson_id) ?? [])).toEqual(byStudent(entries))
  expect(new Set(entries.map(({ status }) => status))).toEqual(new Set(['present', 'late', 'excused', 'absent']))
  for (const id of ['S005', 'S006', 'S007', 'S008']) {
    const history = StudentHistory.parse(await studentHistory(db, id, bounds, now))
    expect(history.records.find((record) => record.lesson_id === held.lesson_id)?.status).toBe(byStudent(entries)[id])
  }
  const limited = await courseHistory(db, held.course_id, { ...bounds, limit: 3 }, now)
  expect(limited?.records).toEqual(course?.records.slice(0, 3))
  expect(await courseHistory(db, 'XX999', bounds, now)).toBeUndefined()
})

test('the summary counts statuses of the last year, leaves lessons that nobody took out of the percentage, and gives a correction its due', async () => {
  const school = await openDemoSchool(new Date(Date.now() - 20 * 86_400_000))
  const held = await school.db.sql<{ lesson_id: string; held_on: string; starts: string }[]>`
    SELECT lesson_id, held_on::text AS held_on, to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS starts
    FROM lessons_held((now() - interval '10 days')::date, (now() - interval '9 days')::date) WHERE course_id = 'CS101' ORDER BY starts_at LIMIT 4`
  const [first, second, third, fourth] = held
  if (!first || !second || !third || !fourth) throw new Error('no lessons')
  const now = new Date()
  for (const [{ lesson_id, held_on, starts }, late] of [[first, 0], [second, 15], [third, 0]] as const) {
    await insertMarks(school.db, [{ student_id: 'S001', course_id: 'CS101', lesson_id, held_on, timestamp: new Date(Date.parse(starts) + late * 60_000).toISOString(), confidence: 0.7, device_id: 'pi-lab301' }], now)
  }
  await saveCorrection(school.db, third, { student_id: 'S001', status: 'absent', note: '', corrected_by: 'office' }, now)
  await saveCorrection(school.db, fourth, { student_id: 'S001', status: 'excused', note: '', corrected_by: 'office' }, now)
  const rows = await school.db.sql`SELECT * FROM student_attendance_summary WHERE course_id = 'CS101' ORDER BY student_id`
  expect(rows).toHaveLength(24)
  expect(rows[0]).toMatchObject({ student_id: 'S001', lessons_held: 4, present: 1, late: 1, absent: 1, excused: 1, attendance_percentage: '66.7' })
  expect(rows[1]).toMatchObject({ student_id: 'S002', lessons_held: 2, present: 0, absent: 2, attendance_percentage: '0.0' })
  expect(rows[0]?.not_taken).toBeGreaterThan(50)
  await school.close()
})
