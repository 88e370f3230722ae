import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIKENESS_LEVELS } from '#contract/look-alike'
import { CURRENT_MODEL, unpackEmbedding } from '#contract/model'
import { openRotation, seedOfText } from '#contract/rotation'
import { Schedule } from '#contract/schedule'
import type { Database } from './connect.ts'
import { insertMarks } from './marks.ts'
import { saveConsent, withdrawConsent } from './consents.ts'
import { saveEnrolment, saveStudent, saveTemplates } from './people.ts'
import { rosterVersion } from './roster.ts'
import { KEYRING, openDemoSchool, roomSchedule } from './test-school.ts'

/** A Monday, 10:20 in Stockholm. */
const NOW = new Date('2026-03-02T09:20:00Z')
const SETTINGS = { recognition_threshold: 0.5, debounce_seconds: 30, frame_skip: 0, camera_fps: 15 }

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
})
afterAll(() => close())

function face(seed: number): number[] {
  // Of two seeds the faces have next to nothing in common: the same face is not enrolled twice.
  const raw = Array.from({ length: 192 }, (_, i) => {
    const x = Math.sin(seed * 12.9898 + i * 78.233) * 43758.5453
    return x - Math.floor(x) - 0.5
  })
  const norm = Math.hypot(...raw)
  return raw.map((x) => x / norm)
}

async function enrolFace(id: string, seed: number) {
  await saveConsent(db, id, { statement: 'I agree', given_by: 'the guardian' }, NOW)
  expect(await saveTemplates(db, KEYRING, id, [{ model: CURRENT_MODEL, embedding: face(seed) }], NOW, { levels: LIKENESS_LEVELS })).toMatchObject({ outcome: 'saved' })
}

test('a room gets its lesson and the rest of the school day, at least twelve hours, in order and without a gap', async () => {
  const found = await roomSchedule(db, 'LAB-301', NOW)
  const schedule = Schedule.parse({ ...found, now: NOW.toISOString(), settings: SETTINGS })
  expect(schedule.current_class?.starts_at).toBe('2026-03-02T09:00:00.000Z')
  const lessons = [schedule.current_class, ...schedule.ahead.lessons]
  for (const [i, lesson] of lessons.entries()) if (i > 0) expect(lesson?.starts_at).toBe(lessons[i - 1]?.ends_at)
  expect(lessons.at(-1)?.ends_at).toBe('2026-03-02T23:00:00.000Z')
  const evening = await roomSchedule(db, 'LAB-301', new Date('2026-03-02T21:20:00Z'))
  expect(evening?.ahead.lessons.at(-1)?.ends_at).toBe('2026-03-03T10:00:00.000Z')
})

test('nobody is in it who is not enrolled in one of its lessons, and nobody twice', async () => {
  await saveStudent(db, 'S900', { first_name: 'Not', last_name: 'Enrolled', email: null })
  await enrolFace('S900', 900)
  const schedule = await roomSchedule(db, 'LAB-301', NOW)
  const ids = [...(schedule?.students ?? []), ...(schedule?.ahead.students ?? [])].map((student) => student.student_id)
  expect(ids).toHaveLength(24)
  expect(new Set(ids).size).toBe(24)
  const music = await roomSchedule(db, 'ROOM-204', NOW)
  expect(music?.current_class).toBeNull()
  expect(music?.students).toEqual([])
  expect(music?.ahead.lessons).toHaveLength(1)
  expect(music?.ahead.students).toHaveLength(12)
  expect((await roomSchedule(db, 'HALL-1', NOW))?.ahead).toEqual({ lessons: [], students: [] })
  expect(await roomSchedule(db, 'ROOM-999', NOW)).toBeUndefined()
})

test('as long as nothing changes the answer is the same, byte for byte', async () => {
  await enrolFace('S003', 3)
  await enrolFace('S002', 2)
  const text = async (minutes: number) => JSON.stringify(await roomSchedule(db, 'LAB-301', new Date(NOW.getTime() + minutes * 60_000)))
  const first = await text(0)
  await db.sql`UPDATE students SET email = 'moved@the.row' WHERE student_id IN ('S001', 'S002')`
  await db.sql`UPDATE enrollments SET enrolled_from = enrolled_from WHERE student_id = 'S002'`
  expect(await text(0)).toBe(first)
  expect(await text(39)).toBe(first)
  expect(await text(40)).not.toBe(first)
})

test('embeddings come back as they were saved, turned by the rotation that comes with them, to 16 bits', async () => {
  await enrolFace('S004', 4)
  const schedule = await roomSchedule(db, 'LAB-301', NOW)
  const [template] = schedule?.students.find((student) => student.student_id === 'S004')?.templates ?? []
  expect(schedule?.rotations.map(({ model }) => model)).toEqual([CURRENT_MODEL])
  const saved = (await openRotation(CURRENT_MODEL, seedOfText(schedule?.rotations[0]?.seed ?? ''))).rotate(face(4))
  expect(template?.model).toBe(CURRENT_MODEL)
  const sent = unpackEmbedding(template?.embedding ?? '')
  expect(sent).toHaveLength(192)
  for (const [i, value] of sent.entries()) expect(Math.abs(value - (saved[i] ?? 9))).toBeLessThan(1.6e-5)
})

test('withdrawing consent or leaving the course takes a student\'s template out of the next pull', async () => {
  await enrolFace('S005', 5)
  await enrolFace('S006', 6)
  const templatesOf = async (id: string) => (await roomSchedule(db, 'LAB-301', NOW))?.students.find((student) => student.student_id === id)?.templates.length
  expect([await templatesOf('S005'), await templatesOf('S006')]).toEqual([1, 1])
  await withdrawConsent(db, 'S005', NOW)
  expect(await templatesOf('S005')).toBe(0)
  const course = (await roomSchedule(db, 'LAB-301', NOW))?.current_class?.course_id ?? ''
  await saveEnrolment(db, course, ['S001', 'S002', 'S005'], NOW)
  expect(await templatesOf('S006')).toBeUndefined()
  const schedule = await roomSchedule(db, 'LAB-301', NOW)
  expect(schedule?.current_class?.student_ids).toEqual(['S001', 'S002', 'S005'])
  // Still in the other courses that the room teaches today.
  expect(schedule?.ahead.students.some((student) => student.student_id === 'S006')).toBe(true)
})

test('a template that outlived its consent, or the policy under which it was kept, is in no pull', async () => {
  await enrolFace('S008', 8)
  const templatesOf = async () => [...((await roomSchedule(db, 'LAB-301', NOW))?.students ?? []), ...((await roomSchedule(db, 'LAB-301', NOW))?.ahead.students ?? [])].filter(({ student_id }) => student_id === 'S008').map(({ templates }) => templates.length)
  // As a restored backup or a hand at the database may leave it: no trigger has erased anything.
  const unfollowed = (statement: string) => db.sql.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`
    await sql.unsafe(statement)
  })
  expect(await templatesOf()).toEqual([1])
  await unfollowed("UPDATE school SET policy = 'no-biometrics'")
  expect(await templatesOf()).toEqual([0])
  await unfollowed("UPDATE school SET policy = 'default'")
  expect(await templatesOf()).toEqual([1])
  await unfollowed("UPDATE consents SET withdrawn_at = now() WHERE student_id = 'S008'")
  expect(await db.sql`SELECT FROM templates WHERE student_id = 'S008'`).toHaveLength(1)
  expect(await templatesOf()).toEqual([0])
  await withdrawConsent(db, 'S008', NOW)
})

test('a student added during a lesson is in it at the next pull', async () => {
  const course = (await roomSchedule(db, 'LAB-301', NOW))?.current_class?.course_id ?? ''
  await saveStudent(db, 'S901', { first_name: 'Just', last_name: 'Added', email: null })
  await saveEnrolment(db, course, ['S001', 'S901'], NOW)
  expect((await roomSchedule(db, 'LAB-301', NOW))?.current_class?.student_ids).toEqual(['S001', 'S901'])
})

test('the roster version moves once with each change of what a kiosk holds, with nothing else, and not before its commit', async () => {
  const moved = async (change: () => Promise<unknown>): Promise<number> => {
    const before = Number(await rosterVersion(db))
    await change()
    return Number(await rosterVersion(db)) - before
  }
  const course = (await roomSchedule(db, 'LAB-301', NOW))?.current_class?.course_id ?? ''
  expect(await moved(() => saveStudent(db, 'S020', { first_name: 'Another', last_name: 'Name', email: null }))).toBe(1)
  expect(await moved(() => saveConsent(db, 'S020', { statement: 'I agree', given_by: 'the guardian' }, NOW))).toBe(1)
  expect(await moved(() => saveTemplates(db, KEYRING, 'S020', [1, 2, 3].map((seed) => ({ model: CURRENT_MODEL, embedding: face(seed) })), NOW, { levels: LIKENESS_LEVELS }))).toBe(1)
  expect(await moved(() => withdrawConsent(db, 'S020', NOW))).toBe(1)
  expect(await moved(() => saveEnrolment(db, course, ['S001', 'S020'], NOW))).toBe(1)
  expect(await moved(() => db.sql`UPDATE schedules SET effective_to = '2099-01-01' WHERE classroom_id = 'ROOM-204'`)).toBe(1)
  expect(await moved(() => insertMarks(db, [{ student_id: 'S001', course_id: course, timestamp: NOW.toISOString(), confidence: 0.9, device_id: 'pi-lab301' }], NOW))).toBe(0)
  const before = await rosterVersion(db)
  await db.sql.begin(async (sql) => {
    await sql`UPDATE students SET first_name = 'Third' WHERE student_id = 'S020'`
    expect(await rosterVersion(db)).toBe(before)
  })
  expect(await rosterVersion(db)).not.toBe(before)
})
