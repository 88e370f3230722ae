import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Database } from './connect.ts'
import { lessonTimes, recordAfterAll } from './record-after-all.ts'
import { countOpenSetAside, dismiss, openSetAside, setAside, setAsideById } from './set-aside.ts'
import type { Refused } from './set-aside.ts'
import { openDemoSchool } from './test-school.ts'

/** A Monday, 10:20 in Stockholm. */
const NOW = new Date('2026-03-02T09:20:00Z')
const LATER = new Date('2026-03-02T10:20:00Z')

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
})
afterAll(() => close())
beforeEach(async () => {
  await db.sql`DELETE FROM set_aside`
  await db.sql`DELETE FROM attendance_logs`
})

const refused = (record: unknown, more: Partial<Refused> = {}): Refused => ({ record, device_id: 'pi-lab301', code: 'unknown_student', field: 'student_id', reason: 'there is no student S999', ...more })
const record = (more: object = {}) => ({ student_id: 'S999', course_id: 'CS101', timestamp: '2026-03-02T09:05:00.000Z', confidence: 0.9, ...more })

test('what is set aside stands once, with its reason, what it says and whom the school knows by it', async () => {
  await setAside(db, [refused(record({ student_id: 'S001', lesson_id: '12', held_on: '2026-03-02' }), { code: 'unknown_lesson', field: 'lesson_id', reason: 'the timetable has no lesson 12 on 2026-03-02' })], NOW)
  const [entry] = await openSetAside(db, { limit: 10 })
  const [student] = await db.sql<{ name: string }[]>`SELECT first_name || ' ' || last_name AS name FROM students WHERE student_id = 'S001'`
  expect(entry).toMatchObject({
    device_id: 'pi-lab301', room_id: 'LAB-301', code: 'unknown_lesson', field: 'lesson_id', times: 1, first_at: NOW.toISOString(), last_at: NOW.toISOString(),
    record: record({ student_id: 'S001', lesson_id: '12', held_on: '2026-03-02' }),
    says: { student_id: 'S001', student_name: student?.name, course_id: 'CS101', timestamp: '2026-03-02T09:05:00.000Z', held_on: '2026-03-02', lesson_id: '12' },
  })
  expect(entry?.says.course_name).not.toBeNull()
})

test('any delivery of any records, repeated, split, reordered and at once, leaves each as one row that counts how often it came', async () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(fc.record({ key, device: fc.constantFrom('pi-lab301', undefined), turned: fc.boolean() }), { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 8 }), async (deliveries) => {
      await db.sql`DELETE FROM set_aside`
      // The same record with its members the other way round is the same record.
      const sent = deliveries.map((one) => one.map(({ key, device, turned }) => refused(turned ? { key, inner: { b: 1, a: 2 } } : { inner: { a: 2, b: 1 }, key }, { device_id: device })))
      await Promise.all(sent.map((one) => setAside(db, one, NOW)))
      const expected = new Map<string, number>()
      for (const { key, device } of deliveries.flat()) expected.set(`${device} ${key}`, (expected.get(`${device} ${key}`) ?? 0) + 1)
      const rows = await openSetAside(db, { limit: 100 })
      const kept = new Map(rows.map(({ record, device_id, times }) => [`${device_id ?? undefined} ${(record as { key: string }).key}`, times]))
      expect([...kept].toSorted()).toEqual([...expected].toSorted())
      expect(rows).toHaveLength(expected.size)
    }),
    { numRuns: 40 },
  )
})

test('anything that JSON can say can be set aside, whatever it is, and reads as it was sent as far as PostgreSQL can hold it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), fc.string(), async (value, reason) => {
      await db.sql`DELETE FROM set_aside`
      await setAside(db, [refused(value, { device_id: undefined, reason })], NOW)
      const [entry] = await openSetAside(db, { limit: 2 })
      const storable = (text: string): string => text.replaceAll(/[\0\p{Surrogate}]/gu, '\uFFFD')
      const same = JSON.parse(JSON.stringify(value), (_key, inner: unknown) => (typeof inner === 'string' ? storable(inner) : inner)) as unknown
      expect(entry?.record).toEqual(same)
      expect(entry?.reason).toBe(storable(reason))
    }),
    { numRuns: 100 },
  )
  // Numbers and lists where text should stand are not taken for it.
  await db.sql`DELETE FROM set_aside`
  await setAside(db, [refused({ student_id: 7, course_id: ['CS101'], timestamp: null, held_on: 'a\0b' }), refused('no record at all'), refused(undefined)], NOW)
  const kept = await openSetAside(db, { limit: 10 })
  expect(kept).toHaveLength(3)
  for (const { says } of kept) expect(says).toMatchObject({ student_id: null, student_name: null, course_id: null, course_name: null, timestamp: null, lesson_id: null })
})

test('a record nested a hundred thousand deep is kept as far as it can be, and does no harm', async () => {
  const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`) as unknown
  await setAside(db, [refused({ student_id: 'S001', deep })], NOW)
  expect(await openSetAside(db, { limit: 1 })).toMatchObject([{ says: { student_id: 'S001' } }])
})

test('the list goes back page by page, the newest first, and leaves nobody out', async () => {
  await setAside(db, Array.from({ length: 7 }, (_, n) => refused({ n })), NOW)
  const seen: number[] = []
  for (let before: number | undefined; ; ) {
    const page = await openSetAside(db, { limit: 3, ...(before === undefined ? {} : { before }) })
    if (page.length === 0) break
    seen.push(...page.map(({ record }) => (record as { n: number }).n))
    before = page.at(-1)?.set_aside_id
  }
  expect(seen.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6])
})

test('what is dismissed is off the list, stays on record with who did it, and stays closed when it comes again', async () => {
  await setAside(db, [refused(record())], NOW)
  const [entry] = await openSetAside(db, { limit: 1 })
  const id = entry?.set_aside_id ?? 0
  expect(await dismiss(db, id, 'office', NOW)).toBe('dismissed')
  expect(await dismiss(db, id, 'somebody else', LATER)).toBe('closed')
  expect(await dismiss(db, id + 1, 'office', NOW)).toBe('absent')
  await setAside(db, [refused(record())], LATER)
  expect(await openSetAside(db, { limit: 1 })).toEqual([])
  expect(await countOpenSetAside(db)).toBe(0)
  expect(await setAsideById(db, id)).toMatchObject({ closed_as: 'dismissed', closed_by: 'office', times: 2, last_at: LATER.toISOString() })
})

test('what is recorded after all is in the record and off the list; while the reason holds nothing is changed and nothing is set aside anew', async () => {
  const mark = { ...record(), device_id: 'pi-lab301' }
  await setAside(db, [refused(record())], NOW)
  const [entry] = await openSetAside(db, { limit: 1 })
  const id = entry?.set_aside_id ?? 0
  expect(await recordAfterAll(db, id, mark, 'office', NOW)).toMatchObject({ outcome: 'refused', code: 'unknown_student' })
  expect(await openSetAside(db, { limit: 5 })).toMatchObject([{ set_aside_id: id, times: 1 }])

  await db.sql`INSERT INTO students (student_id, first_name, last_name) VALUES ('S999', 'Nina', 'Later') ON CONFLICT DO NOTHING`
  expect(await recordAfterAll(db, id, mark, 'office', NOW)).toEqual({ outcome: 'stored' })
  expect(await db.sql`SELECT student_id FROM attendance_logs`).toEqual([{ student_id: 'S999' }])
  expect(await countOpenSetAside(db)).toBe(0)
  expect(await setAsideById(db, id)).toMatchObject({ closed_as: 'recorded', closed_by: 'office' })
  await db.sql`DELETE FROM attendance_logs`
  await db.sql`DELETE FROM mark_ids`
  await db.sql`DELETE FROM students WHERE student_id = 'S999'`
})

test('a server that died after storing and before closing left the row open: recording it again closes it and doubles nothing', async () => {
  const mark = { ...record({ student_id: 'S001' }), device_id: 'pi-lab301' }
  await setAside(db, [refused(record({ student_id: 'S001' }))], NOW)
  const [entry] = await openSetAside(db, { limit: 1 })
  const id = entry?.set_aside_id ?? 0
  await recordAfterAll(db, -1, mark, 'office', NOW)
  expect(await countOpenSetAside(db)).toBe(1)
  // Dismissed in that very moment by somebody else: it is on record, and so it says.
  await dismiss(db, id, 'somebody else', NOW)
  expect(await recordAfterAll(db, id, mark, 'office', LATER)).toEqual({ outcome: 'duplicate' })
  expect(await setAsideById(db, id)).toMatchObject({ closed_as: 'recorded', closed_by: 'office' })
  expect(await db.sql`SELECT student_id FROM attendance_logs`).toHaveLength(1)
})

test('a lesson is known by its date and id alone', async () => {
  const [lesson] = await db.sql<{ lesson_id: string; starts: Date }[]>`SELECT lesson_id FROM lessons_at(${NOW.toISOString()}::timestamptz)`
  const times = await lessonTimes(db, { held_on: '2026-03-02', lesson_id: lesson?.lesson_id ?? '' })
  expect(Date.parse(times?.starts_at ?? '')).toBeLessThanOrEqual(NOW.getTime())
  expect(Date.parse(times?.ends_at ?? '')).toBeGreaterThan(NOW.getTime())
  expect(await lessonTimes(db, { held_on: '2026-03-02', lesson_id: 'nothing' })).toBeUndefined()
})
