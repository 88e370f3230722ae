import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MarkChecks } from '#contract/mark-check'
import { Problem } from '#contract/problem'
import { Recognition } from '#contract/recognition'
import { Lessons } from '#contract/register'
import type { LessonSummary } from '#contract/register'
import { auditEntries } from '../../db/audit.ts'
import { accuracyNow } from '../accuracy.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool
let lesson: LessonSummary
let path: string

const ask = (to: string, body?: unknown): Promise<Response> => Promise.resolve(school.app.request(to, asked(school.apiKey, body)))
const checks = async () => MarkChecks.parse(await (await ask(path)).json()).checks

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
  const on = Lessons.parse(await (await ask('/api/v1/lessons')).json()).lessons.find(({ room_id, starts_at, ends_at }) => room_id === 'LAB-301' && Date.parse(starts_at) <= NOW.getTime() && NOW.getTime() < Date.parse(ends_at))
  if (!on) throw new Error('no lesson is on')
  lesson = on
  path = `/api/v1/lessons/${lesson.held_on}/${lesson.lesson_id}/checks`
})
afterAll(() => school.stop())

describe('marks that are asked about', () => {
  test('are those of faces, never those of a PIN', async () => {
    expect(await checks()).toEqual([])
    const records = Array.from({ length: 12 }, (_, n) => ({ student_id: `S${String(n + 1).padStart(3, '0')}`, course_id: lesson.course_id, timestamp: lesson.starts_at, confidence: 0.9, ...(n < 6 ? { method: 'pin', confidence: 1 } : n < 9 ? { method: 'face' } : {}) }))
    expect((await school.app.request('/api/v1/attendance', asked(school.deviceKey, { device_id: 'pi-lab301', records }))).status).toBe(200)
    const drawn = await checks()
    expect(drawn).toHaveLength(3)
    for (const { student_id, answer, first_name } of drawn) {
      expect(Number(student_id.slice(1))).toBeGreaterThan(6)
      expect(answer).toBeNull()
      expect(first_name).not.toBe('')
    }
    expect(await checks()).toEqual(drawn)
  })

  test('are answered by whoever may correct the register, put on record, and counted', async () => {
    const [one, two, three] = await checks()
    if (!one || !two || !three) throw new Error('fewer than three were drawn')
    expect(await accuracyNow(school.db, NOW)).toBeUndefined()
    // The same row of the timetable a week ago is another lesson.
    await school.db.sql`
      INSERT INTO attendance_logs (student_id, course_id, "timestamp", confidence, lesson_id, held_on, received_at, method)
      SELECT s, ${lesson.course_id}, ${lesson.starts_at}::timestamptz - interval '7 days', 0.9, ${lesson.lesson_id}, ${lesson.held_on}::date - 7, ${NOW.toISOString()}::timestamptz, 'face' FROM unnest('{S013,S014}'::text[]) s`
    const answered = MarkChecks.parse(await (await ask(path, { student_id: one.student_id, answer: 'yes' })).json())
    expect(answered.checks.find(({ student_id }) => student_id === one.student_id)?.answer).toBe('yes')
    await ask(path, { student_id: two.student_id, answer: 'no' })
    expect((await auditEntries(school.db, { limit: 1 })).entries[0]).toMatchObject({ action: 'mark_checked', subject: `student:${two.student_id}`, details: { held_on: lesson.held_on, lesson_id: lesson.lesson_id, answer: 'no' } })
    await ask(path, { student_id: three.student_id, answer: 'unknown' })
    expect(await accuracyNow(school.db, NOW)).toMatchObject({ estimate: 0.5, checked: 2, lessons: 1, marks: 6 })
    // Who thinks again says so, and the newest counts.
    await ask(path, { student_id: two.student_id, answer: 'yes' })
    expect(await accuracyNow(school.db, NOW)).toMatchObject({ estimate: 1, checked: 2 })
    expect(await accuracyNow(school.db, new Date(NOW.getTime() + 40 * 86_400_000))).toBeUndefined()
    expect(Recognition.parse(await (await ask('/api/v1/recognition')).json()).accuracy).toMatchObject({ estimate: 1, upper: 1, checked: 2, from: '2026-10-24' })
  })

  test('cannot be chosen by who answers', async () => {
    const drawn = (await checks()).map(({ student_id }) => student_id)
    const other = ['S007', 'S008', 'S009', 'S010', 'S011', 'S012'].find((id) => !drawn.includes(id))
    for (const student_id of [other, 'S001', 'S404']) {
      const refused = await ask(path, { student_id, answer: 'yes' })
      expect(refused.status).toBe(422)
      expect(Problem.parse(await refused.json()).errors?.[0]).toMatchObject({ field: 'student_id', message: expect.stringMatching(/asked about/) as string })
    }
    expect((await ask(path, { student_id: drawn[0], answer: 'perhaps' })).status).toBe(422)
    expect((await ask('/api/v1/lessons/2026-11-23/none/checks')).status).toBe(404)
    expect((await school.app.request(path, asked(school.deviceKey))).status).toBe(403)
  })

  test('go with the month of their marks', async () => {
    expect(await school.db.sql`SELECT FROM mark_checks`).not.toHaveLength(0)
    await school.db.sql`
      INSERT INTO retention_runs (run_at, run_by, kept_months, before, marks, corrections, doubts, watches, mark_ids, set_aside, bytes)
      VALUES (now(), 'command', 13, '2026-12-01', 0, 0, 0, 0, 0, 0, 0)`
    expect(await school.db.sql`SELECT FROM mark_checks`).toHaveLength(0)
  })
})
