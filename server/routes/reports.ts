/** Attendance over months, in percent: of a student, of a course, of the school. For staff and scripts, of a teacher's own courses; a student's own for the student. */
import { Hono } from 'hono'
import { z } from 'zod'
import { CourseId, StudentId } from '#contract/ids'
import { ReportQuery } from '#contract/report'
import { courseReport, presentMonth, refreshReports, schoolReport, studentReport } from '../../db/reports.ts'
import type { ReportMonths } from '../../db/reports.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { onlyFor } from '../identity.ts'
import { describeFault } from '../log.ts'
import { Refusal, refusalOfField } from '../problem.ts'
import { parse } from '../request-body.ts'
import { refuseForeignCourse, refuseForeignStudent, teacherOf } from '../rights.ts'

/** A school year, whenever it begins. */
const DEFAULT_MONTHS = 12
/** Counted anew every ten minutes in any case (main.ts), and when somebody looks at sums older than this. */
const AGES_AFTER_MS = 30_000
/** From a student's first day to the last. */
const MOST_MONTHS = 120

export function reportRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now, log } = parts
  const routes = new Hono<AppEnv>()
  const forStaff = onlyFor(parts, 'script', 'office', 'teacher')

  async function monthsOf(query: Record<string, string>): Promise<ReportMonths> {
    const asked = parse(ReportQuery, query)
    const to = asked.to ?? (await presentMonth(db, now()))
    const from = asked.from ?? monthBefore(to, DEFAULT_MONTHS - 1)
    const months = countMonths(from, to)
    if (months < 1) throw refusalOfField('invalid_request', 'from', `must not be after to (${to})`)
    if (months > MOST_MONTHS) throw refusalOfField('invalid_request', 'from', `must be at most ${MOST_MONTHS} months before to; ask for a longer time in parts`)
    return { from, to }
  }

  routes.get('/api/v1/reports/student/:student_id', onlyFor(parts, 'script', 'office', 'teacher', 'student'), async (c) => {
    const { student_id } = parse(z.object({ student_id: StudentId }), c.req.param())
    const months = await monthsOf(c.req.query())
    await refuseForeignStudent(db, c.var.identity, student_id)
    const report = await studentReport(db, student_id, months, now(), teacherOf(c.var.identity))
    if (!report) throw new Refusal('not_found', `there is no student ${student_id}`)
    return c.json(report)
  })

  routes.get('/api/v1/reports/course/:course_id', forStaff, async (c) => {
    const { course_id } = parse(z.object({ course_id: CourseId }), c.req.param())
    const months = await monthsOf(c.req.query())
    await refuseForeignCourse(db, c.var.identity, course_id)
    const report = await courseReport(db, course_id, months, now())
    if (!report) throw new Refusal('not_found', `there is no course ${course_id}`)
    return c.json(report)
  })

  routes.get('/api/v1/reports/school', forStaff, async (c) => {
    const report = await schoolReport(db, await monthsOf(c.req.query()), teacherOf(c.var.identity))
    if (report.as_of === null || now().getTime() - Date.parse(report.as_of) > AGES_AFTER_MS) countBeside()
    return c.json(report)
  })

  /** Whoever looks again in a moment sees it. Not waited for: a large school's changed months take seconds. */
  function countBeside(): void {
    refreshReports(db, now()).catch((error: unknown) => log({ event: 'reports_not_refreshed', ...describeFault(error) }))
  }

  return routes
}

const ordinal = (month: string): number => Number(month.slice(0, 4)) * 12 + Number(month.slice(5)) - 1

/** Both inclusive; below 1 when `to` comes first. */
function countMonths(from: string, to: string): number {
  return ordinal(to) - ordinal(from) + 1
}

function monthBefore(month: string, count: number): string {
  const at = Math.max(12, ordinal(month) - count)
  return `${String(Math.floor(at / 12)).padStart(4, '0')}-${String((at % 12) + 1).padStart(2, '0')}`
}
