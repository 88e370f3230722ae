import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Problem } from '#contract/problem'
import { Lessons } from '#contract/register'
import type { LessonSummary } from '#contract/register'
import { CourseReport, SchoolReport, StudentReport } from '#contract/report'
import { refreshReports } from '../../db/reports.ts'
import { signedIn } from '../throwaway-people.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

let now = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool
let lesson: LessonSummary

const ask = (path: string, key: string | undefined = school.apiKey): Promise<Response> => Promise.resolve(school.app.request(`/api/v1/${path}`, asked(key)))

beforeAll(async () => {
  school = await startThrowawaySchool(() => now)
  const { lessons } = Lessons.parse(await (await ask('lessons')).json())
  const on = lessons.find(({ room_id, starts_at, ends_at }) => room_id === 'LAB-301' && Date.parse(starts_at) <= now.getTime() && now.getTime() < Date.parse(ends_at))
  if (!on) throw new Error('no lesson is on')
  lesson = on
  const late = new Date(Date.parse(lesson.starts_at) + 15 * 60_000).toISOString()
  const records = ['S001', 'S002', 'S003'].map((student_id, n) => ({ student_id, course_id: lesson.course_id, timestamp: n === 2 ? late : lesson.starts_at, confidence: 0.9 }))
  await school.app.request('/api/v1/attendance', asked(school.deviceKey, { device_id: 'pi-lab301', records }))
  // A teacher takes the register: who was not seen is absent.
  await school.app.request(`/api/v1/lessons/${lesson.held_on}/${lesson.lesson_id}/corrections`, asked(school.apiKey, { student_id: 'S004', status: 'excused' }))
  now = new Date(Date.parse(lesson.ends_at))
})
afterAll(() => school.stop())

const COUNTS = { present: 2, late: 1, absent: 20, excused: 1, percentage: 13 }

describe('reports', () => {
  it('of a course count its lessons, the student with the lowest percentage first, and are right at once', async () => {
    const report = CourseReport.parse(await (await ask(`reports/course/${lesson.course_id}`)).json())
    expect(report).toMatchObject({ as_of: now.toISOString(), from: '2025-12', to: '2026-11', course: { course_id: lesson.course_id }, total: COUNTS, months: [{ month: '2026-11', ...COUNTS }] })
    expect(report.students).toHaveLength(24)
    expect(report.students.map(({ percentage }) => percentage)).toEqual([...Array.from({ length: 20 }, () => 0), 100, 100, 100, null])
    expect(report.students.at(-1)).toMatchObject({ student_id: 'S004', first_name: 'Oskar', excused: 1 })
  })

  it('of a student count the lessons of each course', async () => {
    const report = StudentReport.parse(await (await ask('reports/student/S003')).json())
    expect(report).toMatchObject({ student: { student_id: 'S003', first_name: 'Mei', last_name: 'Tanaka' }, total: { present: 0, late: 1, absent: 0, excused: 0, percentage: 100 } })
    expect(report.courses.find(({ course_id }) => course_id === lesson.course_id)).toMatchObject({ course_name: lesson.course_name, late: 1, percentage: 100 })
    expect(report.courses.map(({ course_code }) => course_code)).toEqual(report.courses.map(({ course_code }) => course_code).toSorted())
  })

  it('of the school say of when they are, the course with the lowest percentage first', async () => {
    expect(SchoolReport.parse(await (await ask('reports/school')).json())).toMatchObject({ as_of: null, courses: [], total: { percentage: null } })
    // That request began to count them already, beside.
    await expect.poll(() => refreshReports(school.db, now)).toBeDefined()
    const report = SchoolReport.parse(await (await ask('reports/school')).json())
    expect(report).toMatchObject({ as_of: now.toISOString(), total: COUNTS })
    expect(report.courses[0]).toMatchObject({ course_id: lesson.course_id, ...COUNTS })
    expect(report.courses.slice(1).every(({ percentage }) => percentage === null)).toBe(true)
  })

  it('are of the months asked for, both of them with', async () => {
    const months = async (query: string) => {
      const { from, to, total } = CourseReport.parse(await (await ask(`reports/course/${lesson.course_id}${query}`)).json())
      return [from, to, total.present]
    }
    expect(await months('?to=2026-10')).toEqual(['2025-11', '2026-10', 0])
    expect(await months('?from=2026-11')).toEqual(['2026-11', '2026-11', 2])
    expect(await months('?from=2026-01&to=2027-01')).toEqual(['2026-01', '2027-01', 2])
    expect(await months('?to=0001-03')).toEqual(['0001-01', '0001-03', 0])
  })

  it.each([
    ['from=2026-13', 'from'],
    ['from=2026', 'from'],
    ['from=0000-01', 'from'],
    ['to=2026-11-23', 'to'],
    ['from=2026-11&to=2026-10', 'from'],
    ['from=2010-01&to=2026-10', 'from'],
  ])('with %s are refused, and the field is named', async (query, field) => {
    for (const of of [`student/S001`, `course/${lesson.course_id}`, 'school']) {
      const response = await ask(`reports/${of}?${query}`)
      expect(response.status).toBe(422)
      expect(Problem.parse(await response.json())).toMatchObject({ code: 'invalid_request', errors: [{ field }] })
    }
  })

  it('of nobody are not found', async () => {
    expect((await ask('reports/student/S999')).status).toBe(404)
    expect((await ask('reports/course/NONE')).status).toBe(404)
    expect((await ask('reports/course/no%20course')).status).toBe(422)
  })

  it('are for the office, teachers and scripts, and not for a device', async () => {
    const { cookie } = await signedIn(school, { username: 'tia', role: 'teacher', course_ids: [lesson.course_id] })
    for (const of of ['student/S001', `course/${lesson.course_id}`, 'school']) {
      expect((await ask(`reports/${of}`, school.deviceKey)).status).toBe(403)
      expect((await school.app.request(`/api/v1/reports/${of}`)).status).toBe(401)
      expect((await school.app.request(`/api/v1/reports/${of}`, { headers: { cookie } })).status).toBe(200)
    }
  })
})
