/** Lessons, their registers, histories and percentages. */
import { z } from 'zod'
import { CourseId, LessonId, SchoolDate, StudentId } from '#contract/ids'
import { MarkCheckRequest, MarkChecks } from '#contract/mark-check'
import { CorrectionRequest, CourseHistory, CourseHistoryQuery, Lessons, Register, StudentHistory, StudentHistoryQuery } from '#contract/register'
import { CourseReport, ReportQuery, SchoolReport, StudentReport } from '#contract/report'
import { STAFF } from './operation.ts'
import type { Operation } from './operation.ts'

const lesson = z.object({ held_on: SchoolDate, lesson_id: LessonId })
const student = z.object({ student_id: StudentId })
const course = z.object({ course_id: CourseId })

const PAGES = 'The newest lesson first. `from` is inclusive and `to` exclusive, at most 400 days apart; without them it is the last 90 days. Where there is more, the answer holds `next`: the same request with it as `before` gives the page that follows, and no entry is missed or told twice because marks arrive meanwhile. Teachers see the courses that they teach, a kiosk what is taught in its room.'

const ENTRY = { student_id: 'S001', first_name: 'Amina', last_name: 'Yusuf', course_id: 'CS101', lesson_id: '0190a1b2-0000-7000-8000-000000000001', held_on: '2026-11-23', status: 'present', timestamp: '2026-11-23T08:05:23.000Z', confidence: 0.92, corrections: [] }
const TIME = { from: '2026-11-22T23:00:00.000Z', to: '2026-11-23T23:00:00.000Z' }

export const LESSONS: readonly Operation[] = [
  {
    method: 'get',
    path: '/api/v1/attendance/student/{student_id}',
    summary: 'What was recorded of a student',
    more: PAGES,
    who: ['device', ...STAFF, 'student'],
    params: student,
    query: StudentHistoryQuery,
    answers: { 200: { says: 'One page of the history.', schema: StudentHistory, example: { student: { student_id: 'S001', first_name: 'Amina', last_name: 'Yusuf' }, ...TIME, records: [ENTRY] } } },
    problems: ['not_found'],
    example: { params: { student_id: 'S001' }, query: { ...TIME, course_id: 'CS101', status: 'present', limit: '50' } },
  },
  {
    method: 'get',
    path: '/api/v1/attendance/course/{course_id}',
    summary: 'What was recorded in a course\'s lessons',
    more: PAGES,
    who: ['device', ...STAFF],
    params: course,
    query: CourseHistoryQuery,
    answers: { 200: { says: 'One page of the history.', schema: CourseHistory, example: { course: { course_id: 'CS101', course_code: 'CS101', course_name: 'Introduction to Programming' }, ...TIME, records: [ENTRY] } } },
    problems: ['not_found'],
    example: { params: { course_id: 'CS101' }, query: { ...TIME, student_id: 'S001', limit: '50' } },
  },
  {
    method: 'get',
    path: '/api/v1/lessons',
    summary: 'The lessons of a day, with the sums of their registers',
    who: STAFF,
    query: z.object({ date: SchoolDate.optional() }),
    answers: { 200: { says: 'The lessons that begin on that date; without one, on the school\'s today.', schema: Lessons } },
    example: { query: { date: '2026-11-23' } },
  },
  { method: 'get', path: '/api/v1/lessons/{held_on}/{lesson_id}', summary: 'A lesson\'s register', who: STAFF, params: lesson, answers: { 200: { says: 'The register as it is now.', schema: Register } }, problems: ['not_found'] },
  {
    method: 'get',
    path: '/api/v1/lessons/{held_on}/{lesson_id}/events',
    summary: 'A lesson\'s register, live',
    more: 'Server-sent events: `register` with the whole register as JSON, at once and after each change; comments between them keep the line open.',
    who: STAFF,
    params: lesson,
    answers: { 200: { says: 'A line that stays open.', type: 'text/event-stream' } },
    problems: ['not_found'],
  },
  {
    method: 'post',
    path: '/api/v1/lessons/{held_on}/{lesson_id}/corrections',
    summary: 'A person\'s word on a student in a lesson',
    more: 'It beats every mark, whenever either arrives. What was there stays on record.',
    who: STAFF,
    params: lesson,
    body: CorrectionRequest,
    answers: { 201: { says: 'The register as it now is.', schema: Register } },
    problems: ['not_found'],
  },
  { method: 'get', path: '/api/v1/lessons/{held_on}/{lesson_id}/checks', summary: 'A few marks of the lesson, drawn at random, for the teacher to confirm', who: STAFF, params: lesson, answers: { 200: { says: 'The marks that are asked about.', schema: MarkChecks } }, problems: ['not_found'] },
  {
    method: 'post',
    path: '/api/v1/lessons/{held_on}/{lesson_id}/checks',
    summary: 'Whether one of those marks was right',
    who: STAFF,
    params: lesson,
    body: MarkCheckRequest,
    answers: { 201: { says: 'The marks that are asked about, with the answer.', schema: MarkChecks } },
    problems: ['not_found'],
  },
  { method: 'get', path: '/api/v1/reports/student/{student_id}', summary: 'A student\'s attendance in percent', who: [...STAFF, 'student'], params: student, query: ReportQuery, answers: { 200: { says: 'By month and by course.', schema: StudentReport } }, problems: ['not_found'], example: { params: { student_id: 'S001' } } },
  { method: 'get', path: '/api/v1/reports/course/{course_id}', summary: 'A course\'s attendance in percent', who: STAFF, params: course, query: ReportQuery, answers: { 200: { says: 'By month and by student.', schema: CourseReport } }, problems: ['not_found'], example: { params: { course_id: 'CS101' } } },
  { method: 'get', path: '/api/v1/reports/school', summary: 'The school\'s attendance in percent', who: STAFF, query: ReportQuery, answers: { 200: { says: 'By month and by course; of a teacher\'s courses for a teacher.', schema: SchoolReport } }, example: { query: { from: '2026-09', to: '2026-11' } } },
]
