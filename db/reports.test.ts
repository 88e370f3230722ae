import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CourseReport, SchoolReport, StudentReport } from '#contract/report'
import type { AttendanceCounts } from '#contract/report'
import type { CorrectedStatus } from '#contract/register'
import { connect } from './connect.ts'
import type { Database } from './connect.ts'
import { insertMarks } from './marks.ts'
import type { NewMark } from './marks.ts'
import { ensureMonths } from './partitions.ts'
import { courseReport, presentMonth, refreshReports, schoolReport, studentReport } from './reports.ts'
import { saveCorrection } from './registers.ts'
import { openTestDatabase } from './test-school.ts'

/** A Saturday: the year ends in the middle of what follows. */
const BEGIN = Date.parse('2026-11-14T10:00:00Z')
const MINUTE = 60_000
const DAY = 86_400_000
const STUDENTS = ['S1', 'S2', 'S3', 'S4']
const COURSES = ['MATHS', 'ART', 'LATE']
const YEAR = { from: '2026-01', to: '2027-12' }

/** Three courses, two students in all of them, one in one, one in none; a lesson over midnight, one at a month's edge each month. */
async function fillSchool(db: Database): Promise<void> {
  await db.sql`INSERT INTO school (name, time_zone) VALUES ('Reports', 'Europe/Stockholm')`
  await db.sql`INSERT INTO students (student_id, first_name, last_name) SELECT s, 'First', s FROM unnest(${`{${STUDENTS.join()}}`}::text::text[]) s`
  await db.sql`INSERT INTO courses (course_id, course_code, course_name) SELECT c, c, c FROM unnest(${`{${COURSES.join()}}`}::text::text[]) c`
  await db.sql`INSERT INTO classrooms (classroom_id, name) VALUES ('R1', 'Room')`
  await db.sql`INSERT INTO devices (device_id, classroom_id, key_sha256) VALUES ('pi-1', 'R1', sha256('1')), ('pi-2', 'R1', sha256('2'))`
  await db.sql`
    INSERT INTO enrollments (student_id, course_id, enrolled_from)
    VALUES ('S1', 'MATHS', '2026-10-01'), ('S1', 'ART', '2026-10-01'), ('S1', 'LATE', '2026-10-01'), ('S2', 'MATHS', '2026-10-01'), ('S2', 'ART', '2026-11-20'), ('S2', 'LATE', '2026-10-01'), ('S3', 'MATHS', '2026-12-01')`
  await db.sql`
    INSERT INTO schedules (schedule_id, course_id, classroom_id, day_of_week, start_time, end_time, effective_from, effective_to)
    VALUES ('m1', 'MATHS', 'R1', 1, '09:00', '10:00', '2026-11-01', NULL), ('m4', 'MATHS', 'R1', 4, '11:00', '12:00', '2026-11-01', '2027-01-20'),
      ('a2', 'ART', 'R1', 2, '13:00', '13:40', '2026-11-10', NULL), ('a5', 'ART', 'R1', 5, '23:30', '00:30', '2026-11-01', NULL),
      ('l7', 'LATE', 'R1', 7, '22:00', '02:00', '2026-11-01', NULL), ('l1', 'LATE', 'R1', 2, '20:00', '20:45', '2026-11-01', NULL)`
}

interface Held { lesson_id: string; held_on: string; course_id: string; starts_at: string }

/** What may happen, in any order: `pick` chooses a lesson around now, `who` a student. */
const status = fc.constantFrom<CorrectedStatus>('present', 'late', 'absent', 'excused')
/** Often the same few lessons: what happens to one lesson again and again is what goes wrong. */
const pick = fc.oneof(fc.nat({ max: 4 }), fc.nat({ max: 60 }))
const who = fc.nat({ max: STUDENTS.length - 1 })
const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('marks' as const), pick, minutes: fc.integer({ min: -20, max: 90 }), who: fc.uniqueArray(who, { minLength: 1 }), named: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('correction' as const), pick, who, status }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('watch' as const), pick, beats: fc.integer({ min: 5, max: 60 }), device: fc.constantFrom('pi-1', 'pi-1', 'pi-2') }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('time' as const), minutes: fc.oneof(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 14 * 24 * 60 })) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('refresh' as const), behind: fc.constantFrom(0, 0, 0, 200) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('enrolment' as const), who, course: fc.constantFrom(...COURSES), daysAgo: fc.nat({ max: 40 }), what: fc.constantFrom('begin', 'end', 'erase') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('timetable' as const), course: fc.constantFrom(...COURSES), day: fc.integer({ min: 1, max: 7 }), daysAgo: fc.integer({ min: -10, max: 30 }), what: fc.constantFrom('add', 'end', 'reopen', 'erase', 'move') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('erase' as const), pick, what: fc.constantFrom('marks', 'watches') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('zone' as const), zone: fc.constantFrom('Europe/Stockholm', 'Pacific/Tongatapu', 'America/New_York') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('retention' as const) }) },
)
type Event = typeof event extends fc.Arbitrary<infer E> ? E : never

/** The months from this one on are kept; the clock stands at `now`. */
interface World { db: Database; now: number; kept: string }

async function lessonsNear({ db, now, kept }: World): Promise<Held[]> {
  const at = new Date(now).toISOString()
  return db.sql<Held[]>`
    SELECT lesson_id, held_on::text AS held_on, course_id, to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS starts_at
    FROM lessons_held(greatest(${at}::date - 40, ${kept}::date + 2), ${at}::date + 1) ORDER BY starts_at DESC, lesson_id`
}

async function happen(world: World, e: Event): Promise<void> {
  const { db } = world
  const at = new Date(world.now)
  const today = at.toISOString().slice(0, 10)
  const before = (days: number): string => new Date(world.now - days * DAY).toISOString().slice(0, 10)
  const lessons = 'pick' in e ? await lessonsNear(world) : []
  const lesson = 'pick' in e ? lessons[e.pick % Math.max(1, lessons.length)] : undefined
  if ('pick' in e && !lesson) return
  switch (e.kind) {
    case 'time':
      world.now += e.minutes * MINUTE
      return
    case 'refresh':
      await refreshReports(db, new Date(world.now - e.behind * MINUTE))
      return
    case 'marks': {
      const { lesson_id, held_on, course_id, starts_at } = lesson!
      const marks = e.who.map((n): NewMark => ({
        student_id: STUDENTS[n]!,
        course_id,
        timestamp: new Date(Date.parse(starts_at) + e.minutes * MINUTE).toISOString(),
        confidence: 0.9,
        device_id: 'pi-1',
        ...(e.named ? { lesson_id, held_on } : {}),
      }))
      await insertMarks(db, marks, at)
      return
    }
    case 'correction':
      await saveCorrection(db, lesson!, { student_id: STUDENTS[e.who]!, status: e.status, note: '', corrected_by: 'office' }, at)
      return
    case 'watch':
      await db.sql`
        INSERT INTO lesson_watches AS w (held_on, lesson_id, device_id, first_at, last_at, beats)
        VALUES (${lesson!.held_on}, ${lesson!.lesson_id}, ${e.device}, ${at.toISOString()}, ${at.toISOString()}, ${e.beats})
        ON CONFLICT (held_on, lesson_id, device_id) DO UPDATE SET beats = w.beats + excluded.beats`
      return
    case 'enrolment': {
      const student = STUDENTS[e.who]!
      if (e.what === 'begin') await db.sql`INSERT INTO enrollments (student_id, course_id, enrolled_from) VALUES (${student}, ${e.course}, ${before(e.daysAgo)}) ON CONFLICT DO NOTHING`
      else if (e.what === 'end') await db.sql`UPDATE enrollments SET enrolled_to = greatest(enrolled_from, ${before(e.daysAgo)}::timestamptz) WHERE student_id = ${student} AND course_id = ${e.course}`
      else await db.sql`DELETE FROM enrollments WHERE student_id = ${student} AND course_id = ${e.course} AND enrolled_to IS NULL`
      return
    }
    case 'timetable': {
      const change = e.what === 'add' ? db.sql`
          INSERT INTO schedules (course_id, classroom_id, day_of_week, start_time, end_time, effective_from) VALUES (${e.course}, 'R1', ${e.day}, '15:00', '15:50', ${before(e.daysAgo)})`
        : e.what === 'end' ? db.sql`UPDATE schedules SET effective_to = greatest(effective_from, ${before(e.daysAgo)}::date) WHERE course_id = ${e.course} AND day_of_week = ${e.day}`
        : e.what === 'reopen' ? db.sql`UPDATE schedules SET effective_to = NULL WHERE course_id = ${e.course}`
        : e.what === 'move' ? db.sql`UPDATE schedules SET effective_from = least(${before(e.daysAgo)}::date, effective_to) WHERE course_id = ${e.course} AND day_of_week = ${e.day}`
        : db.sql`DELETE FROM schedules WHERE course_id = ${e.course} AND day_of_week = ${e.day}`
      // Lessons that are on record are kept.
      await change.catch((fault: unknown) => {
        if (!(fault instanceof Error && 'code' in fault && fault.code === '23001')) throw fault
      })
      return
    }
    case 'erase':
      if (e.what === 'marks') await db.sql`DELETE FROM attendance_logs WHERE held_on = ${lesson!.held_on}`
      else await db.sql`DELETE FROM lesson_watches WHERE held_on = ${lesson!.held_on} AND lesson_id = ${lesson!.lesson_id}`
      return
    case 'zone':
      await db.sql`UPDATE school SET time_zone = ${e.zone}`
      return
    case 'retention': {
      // The month before the last one goes with everything in it.
      const [month] = await db.sql<{ name: string; next: string }[]>`
        SELECT 'attendance_logs_' || to_char(m, 'YYYY_MM') AS name, (m + interval '1 month')::date::text AS next
        FROM (SELECT date_trunc('month', ${today}::date) - interval '2 months' AS m) x
        WHERE to_regclass('attendance_logs_' || to_char(m, 'YYYY_MM')) IS NOT NULL`
      if (!month) return
      await db.sql.begin(async (sql) => {
        await sql`DROP TABLE ${sql(month.name)}`
        await sql`SELECT forget_reports(${month.next})`
      })
      if (month.next > world.kept) world.kept = month.next
    }
  }
}

type Sums = Pick<AttendanceCounts, 'present' | 'late' | 'absent' | 'excused' | 'not_taken'>
type Counted = Sums & { course_id: string; month: string; student_id: string }

/** The sums as anybody would count them: all registers there are, one line after the other, in no other way than the plainest. */
async function plainSums({ db, now }: World): Promise<Counted[]> {
  const entries = await db.sql<{ course_id: string; month: string; student_id: string; status: keyof Sums }[]>`
    SELECT x.course_id, to_char(x.held_on, 'YYYY-MM') AS month, x.student_id, x.status
    FROM register_entries('2026-10-01', '2027-12-31', ${new Date(now).toISOString()}::timestamptz, NULL, NULL, NULL) x
    WHERE (x.ends_at IS NULL OR x.ends_at <= ${new Date(now).toISOString()}::timestamptz)
      AND to_regclass('attendance_logs_' || to_char(x.held_on, 'YYYY_MM')) IS NOT NULL`
  const sums = new Map<string, Counted>()
  for (const { course_id, month, student_id, status: s } of entries) {
    const key = `${course_id} ${month} ${student_id}`
    const line = sums.get(key) ?? { course_id, month, student_id, present: 0, late: 0, absent: 0, excused: 0, not_taken: 0 }
    line[s] += 1
    sums.set(key, line)
  }
  return [...sums.keys()].sort().map((key) => sums.get(key)!)
}

async function keptSums({ db }: World): Promise<Counted[]> {
  const rows = await db.sql<Counted[]>`SELECT course_id, to_char(month, 'YYYY-MM') AS month, student_id, present, late, absent, excused, not_taken FROM report_months`
  return rows.map((row) => ({ ...row })).toSorted((a, b) => (`${a.course_id} ${a.month} ${a.student_id}` < `${b.course_id} ${b.month} ${b.student_id}` ? -1 : 1))
}

const NONE: Sums = { present: 0, late: 0, absent: 0, excused: 0, not_taken: 0 }
function total(lines: readonly Sums[]): AttendanceCounts {
  const sum = lines.reduce<Sums>((a, b) => ({ present: a.present + b.present, late: a.late + b.late, absent: a.absent + b.absent, excused: a.excused + b.excused, not_taken: a.not_taken + b.not_taken }), NONE)
  const of = sum.present + sum.late + sum.absent
  return { ...sum, percentage: of === 0 ? null : Math.round((1000 * (sum.present + sum.late)) / of + 1e-9) / 10 }
}
function by<K extends 'course_id' | 'student_id' | 'month'>(lines: readonly Counted[], key: K): Record<string, AttendanceCounts> {
  return Object.fromEntries([...new Set(lines.map((line) => line[key]))].map((id) => [id, total(lines.filter((line) => line[key] === id))]))
}
function told<K extends string>(lines: readonly (AttendanceCounts & { [key in K]: string })[], key: K): Record<string, AttendanceCounts> {
  return Object.fromEntries(lines.map((line) => {
    const { present, late, absent, excused, not_taken, percentage } = line
    return [line[key], { present, late, absent, excused, not_taken, percentage }]
  }))
}

/** What each report tells, against the plain sums. */
async function expectReportsRight(world: World): Promise<void> {
  const { db } = world
  const now = new Date(world.now)
  const plain = await plainSums(world)
  for (const course of COURSES) {
    const report = CourseReport.parse(await courseReport(db, course, YEAR, now))
    const own = plain.filter((line) => line.course_id === course)
    expect(told(report.students, 'student_id')).toEqual(by(own, 'student_id'))
    expect(told(report.months, 'month')).toEqual(by(own, 'month'))
    expect(report.total).toEqual(total(own))
  }
  for (const student of STUDENTS) {
    const report = StudentReport.parse(await studentReport(db, student, YEAR, now))
    const own = plain.filter((line) => line.student_id === student)
    expect(told(report.courses, 'course_id')).toEqual(by(own, 'course_id'))
    expect(report.total).toEqual(total(own))
  }
}

async function expectKeptSumsRight(world: World): Promise<void> {
  const plain = await plainSums(world)
  expect(await keptSums(world)).toEqual(plain)
  const report = SchoolReport.parse(await schoolReport(world.db, YEAR))
  expect(told(report.courses, 'course_id')).toEqual(by(plain, 'course_id'))
  expect(told(report.months, 'month')).toEqual(by(plain, 'month'))
  expect(report.total).toEqual(total(plain))
}

async function openWorld(): Promise<World & { url: string; close(): Promise<void> }> {
  const { db, url, close } = await openTestDatabase()
  await ensureMonths(db, new Date(BEGIN))
  await fillSchool(db)
  return { db, url, close, now: BEGIN, kept: '2026-11-01' }
}

test('after whatever happened in whatever order, the kept sums are the plain sums of the registers, and no report was wrong before either', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 40 }), async (events) => {
      const world = await openWorld()
      try {
        for (const e of events) {
          await happen(world, e)
          // A report of one course or student is right without a refresh, at any moment.
          if (e.kind === 'refresh') await expectReportsRight(world)
        }
        await expectReportsRight(world)
        await refreshReports(world.db, new Date(world.now))
        await expectKeptSumsRight(world)
        await expectReportsRight(world)
      } finally {
        await world.close()
      }
    }),
    { numRuns: 20 },
  )
}, 180_000)

describe('after a refresh, the next one counts', () => {
  let world: Awaited<ReturnType<typeof openWorld>>
  beforeAll(async () => {
    world = await openWorld()
    // A Tuesday; the lesson in ART has just ended.
    world.now = Date.parse('2026-12-22T12:45:00Z')
    // One of each lesson is on record, and a kiosk watched it for too short a time.
    await world.db.sql`
      INSERT INTO attendance_logs (student_id, course_id, "timestamp", confidence, lesson_id, held_on, received_at)
      SELECT 'S2', course_id, starts_at, 1, lesson_id, held_on, starts_at FROM lessons_held('2026-12-01', '2026-12-07') WHERE course_id <> 'ART'`
    await world.db.sql`
      INSERT INTO lesson_watches (held_on, lesson_id, device_id, first_at, last_at, beats)
      SELECT held_on, lesson_id, 'pi-1', starts_at, starts_at, 3 FROM lessons_held('2026-12-01', '2026-12-07')`
  })
  afterAll(() => world.close())

  test.each([
    ['a late mark', `INSERT INTO attendance_logs (student_id, course_id, "timestamp", confidence, lesson_id, held_on, received_at) VALUES ('S1', 'MATHS', '2026-12-07T08:00:00Z', 1, 'm1', '2026-12-07', now())`],
    ['a mark of no lesson', `INSERT INTO attendance_logs (student_id, course_id, "timestamp", confidence, lesson_id, held_on, received_at) VALUES ('S4', 'ART', '2026-12-05T08:00:00Z', 1, 'unscheduled.ART', '2026-12-05', now())`],
    ['a kiosk that is heard to have watched longer', `UPDATE lesson_watches SET beats = 120 WHERE held_on = '2026-12-07' AND lesson_id = 'm1'`],
    ['another kiosk that watched', `INSERT INTO lesson_watches VALUES ('2026-12-03', 'm4', 'pi-2', now(), now(), 60)`],
    ['a correction', `INSERT INTO corrections (held_on, lesson_id, student_id, status, corrected_by, corrected_at) VALUES ('2026-12-07', 'm1', 'S1', 'excused', 'office', now())`],
    ['a newer correction', `INSERT INTO corrections (held_on, lesson_id, student_id, status, corrected_by, corrected_at) VALUES ('2026-12-07', 'm1', 'S1', 'absent', 'office', now())`],
    ['a correction of a guest', `INSERT INTO corrections (held_on, lesson_id, student_id, status, corrected_by, corrected_at) VALUES ('2026-12-07', 'm1', 'S4', 'late', 'office', now())`],
    ['marks that were taken away', `DELETE FROM attendance_logs WHERE held_on = '2026-12-03'`],
    ['watching that was taken away', `DELETE FROM lesson_watches WHERE held_on = '2026-12-03'`],
    ['an enrolment of some weeks ago', `INSERT INTO enrollments (student_id, course_id, enrolled_from) VALUES ('S4', 'MATHS', '2026-11-20')`],
    ['an enrolment that ended', `UPDATE enrollments SET enrolled_to = '2026-11-25' WHERE student_id = 'S1' AND course_id = 'ART'`],
    ['an enrolment that ended later than was said', `UPDATE enrollments SET enrolled_to = '2026-12-10' WHERE student_id = 'S1' AND course_id = 'ART'`],
    ['an enrolment that began earlier than was said', `UPDATE enrollments SET enrolled_from = '2026-11-01' WHERE student_id = 'S4' AND course_id = 'MATHS'`],
    ['an enrolment that never was', `DELETE FROM enrollments WHERE student_id = 'S4'`],
    ['lessons that began weeks ago', `INSERT INTO schedules (schedule_id, course_id, classroom_id, day_of_week, start_time, end_time, effective_from) VALUES ('new', 'ART', 'R1', 3, '09:00', '10:00', '2026-11-20')`],
    ['lessons that ended weeks ago', `UPDATE schedules SET effective_to = '2026-12-01' WHERE schedule_id = 'new'`],
    ['lessons on another day', `UPDATE schedules SET day_of_week = 4, effective_to = NULL WHERE schedule_id = 'new'`],
    ['lessons of another course', `UPDATE schedules SET course_id = 'MATHS' WHERE schedule_id = 'new'`],
    ['lessons that never were', `DELETE FROM schedules WHERE schedule_id = 'new'`],
    ['another zone, by which lessons end at other times', `UPDATE school SET time_zone = 'America/New_York'`],
    ['all marks gone', 'TRUNCATE attendance_logs'],
  ])('%s', async (_what, change) => {
    await refreshReports(world.db, new Date(world.now))
    const before = await plainSums(world)
    expect(await keptSums(world)).toEqual(before)
    await world.db.sql.unsafe(change)
    expect(await plainSums(world)).not.toEqual(before)
    await expectReportsRight(world)
    await refreshReports(world.db, new Date(world.now))
    await expectKeptSumsRight(world)
  })
})

describe('while others write', () => {
  let world: Awaited<ReturnType<typeof openWorld>>
  let other: Database
  beforeAll(async () => {
    world = await openWorld()
    other = await connect(world.url)
    world.now += 30 * DAY
    await refreshReports(world.db, new Date(world.now))
  })
  afterAll(async () => {
    await other.close()
    await world.close()
  })
  const mark = (held: Held, student_id: string): NewMark => ({ student_id, course_id: held.course_id, lesson_id: held.lesson_id, held_on: held.held_on, timestamp: held.starts_at, confidence: 0.9, device_id: 'pi-1' })
  const rawMark = (sql: Database['sql'], held: Held, student: string) => sql`
    INSERT INTO attendance_logs (student_id, course_id, "timestamp", confidence, lesson_id, held_on, received_at)
    VALUES (${student}, ${held.course_id}, ${held.starts_at}, 1, ${held.lesson_id}, ${held.held_on}, now())`

  test('a mark that is committed only after a refresh has looked is counted by the next one', async () => {
    const held = (await lessonsNear(world)).find(({ course_id }) => course_id === 'MATHS')!
    await other.sql.begin(async (sql) => {
      await rawMark(sql as unknown as Database['sql'], held, 'S1')
      await refreshReports(world.db, new Date(world.now))
    })
    await expectReportsRight(world)
    await refreshReports(world.db, new Date(world.now))
    await expectKeptSumsRight(world)
  })

  test('a mark that comes while a refresh is at work, and after it has looked, is counted by the next one', async () => {
    const held = (await lessonsNear(world)).find(({ course_id }) => course_id === 'ART')!
    await other.sql.begin(async (sql) => {
      await sql`SELECT refresh_reports(${new Date(world.now).toISOString()}::timestamptz)`
      await rawMark(world.db.sql, held, 'S2')
      // And one refresh at a time.
      expect(await refreshReports(world.db, new Date(world.now))).toBeUndefined()
    })
    await expectReportsRight(world)
    await refreshReports(world.db, new Date(world.now))
    await expectKeptSumsRight(world)
  })

  test('refreshes all the time, from two servers, lose nothing of what two others write', async () => {
    const lessons = await lessonsNear(world)
    let writing = true
    const refreshing = [world.db, other].map(async (db) => {
      while (writing) await refreshReports(db, new Date(world.now))
    })
    const writers = [world.db, other].map(async (db, n) => {
      for (const [place, held] of lessons.entries()) {
        const student = STUDENTS[(place + n) % STUDENTS.length]!
        if (place % 3 === 0) await saveCorrection(db, held, { student_id: student, status: 'excused', note: '', corrected_by: 'office' }, new Date(world.now))
        else await insertMarks(db, [mark(held, student), mark(held, STUDENTS[(place + n + 2) % STUDENTS.length]!)], new Date(world.now))
      }
    })
    await Promise.all(writers)
    writing = false
    await Promise.all(refreshing)
    expect(lessons.length).toBeGreaterThan(20)
    await refreshReports(world.db, new Date(world.now))
    await expectKeptSumsRight(world)
  })
})

describe('a report', () => {
  let world: Awaited<ReturnType<typeof openWorld>>
  beforeAll(async () => (world = await openWorld()))
  afterAll(() => world.close())

  test('of the school says that it was never made, until it is', async () => {
    expect(await schoolReport(world.db, YEAR)).toMatchObject({ as_of: null, courses: [], months: [], total: { ...NONE, percentage: null } })
    expect(await refreshReports(world.db, new Date(BEGIN))).toBeGreaterThan(0)
    expect(await schoolReport(world.db, YEAR)).toMatchObject({ as_of: new Date(BEGIN).toISOString(), courses: expect.arrayContaining([expect.objectContaining({ course_id: 'MATHS', percentage: null })]) })
    expect(await refreshReports(world.db, new Date(BEGIN))).toBe(0)
  })

  test('of nobody, or of no course, is undefined', async () => {
    expect(await studentReport(world.db, 'nobody', YEAR, new Date(BEGIN))).toBeUndefined()
    expect(await courseReport(world.db, 'nothing', YEAR, new Date(BEGIN))).toBeUndefined()
  })

  test('counts a lesson when it has ended and not before, and only in the months asked for', async () => {
    const [held] = await world.db.sql<Held[]>`SELECT lesson_id, held_on::text AS held_on, course_id, to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS starts_at FROM lessons_held('2026-11-16', '2026-11-16') WHERE lesson_id = 'm1'`
    const starts = Date.parse(held!.starts_at)
    await insertMarks(world.db, [{ student_id: 'S1', course_id: 'MATHS', lesson_id: 'm1', held_on: '2026-11-16', timestamp: held!.starts_at, confidence: 1, device_id: 'pi-1' }], new Date(starts))
    const present = async (now: number, months = YEAR) => (await courseReport(world.db, 'MATHS', months, new Date(now)))?.total.present
    expect(await present(starts + 59 * MINUTE)).toBe(0)
    expect(await present(starts + 60 * MINUTE)).toBe(1)
    await refreshReports(world.db, new Date(starts + 59 * MINUTE))
    expect((await schoolReport(world.db, YEAR)).total.present).toBe(0)
    await refreshReports(world.db, new Date(starts + 60 * MINUTE))
    expect((await schoolReport(world.db, YEAR)).total.present).toBe(1)
    expect(await present(starts + 60 * MINUTE, { from: '2026-12', to: '2027-03' })).toBe(0)
    expect(await present(starts + 60 * MINUTE, { from: '2026-11', to: '2026-11' })).toBe(1)
    // A server whose clock is behind takes nothing back.
    await refreshReports(world.db, new Date(starts))
    expect(await schoolReport(world.db, YEAR)).toMatchObject({ as_of: new Date(starts + 60 * MINUTE).toISOString(), total: { present: 1 } })
  })

  test('of a month that retention has dropped is gone, and its lessons are not counted again as if nobody had taken them', async () => {
    const months = async () => (await schoolReport(world.db, YEAR)).months.map(({ month }) => month)
    const later = { ...world, now: BEGIN + 40 * DAY }
    await refreshReports(world.db, new Date(later.now))
    expect(await months()).toEqual(['2026-11', '2026-12'])
    await world.db.sql.begin(async (sql) => {
      await sql`DROP TABLE attendance_logs_2026_11`
      await sql`SELECT forget_reports('2026-12-01')`
    })
    expect(await months()).toEqual(['2026-12'])
    await world.db.sql`INSERT INTO report_stale (from_date, to_date) VALUES ('-infinity', 'infinity')`
    await expectReportsRight(later)
    await refreshReports(world.db, new Date(later.now))
    await expectKeptSumsRight(later)
    expect(await months()).toEqual(['2026-12'])
  })

  test('forgets a student who is erased, at once', async () => {
    await world.db.sql`DELETE FROM attendance_logs WHERE student_id = 'S1'`
    await world.db.sql`DELETE FROM enrollments WHERE student_id = 'S1'`
    await world.db.sql`DELETE FROM mark_ids WHERE student_id = 'S1'`
    await world.db.sql`DELETE FROM students WHERE student_id = 'S1'`
    expect(await world.db.sql`SELECT FROM report_months WHERE student_id = 'S1'`).toHaveLength(0)
  })

  test('begins with the school\'s present month, in its own zone', async () => {
    expect(await presentMonth(world.db, new Date('2026-12-31T22:59:00Z'))).toBe('2026-12')
    expect(await presentMonth(world.db, new Date('2026-12-31T23:00:00Z'))).toBe('2027-01')
  })
})
