/** `GET`, `POST /api/v1/lessons/{held_on}/{lesson_id}/checks`: a few marks of the lesson, drawn at random, and what its teacher says of them. */
import { Hono } from 'hono'
import { z } from 'zod'
import { LessonId } from '#contract/ids'
import { MarkCheckRequest } from '#contract/mark-check'
import type { MarkChecks } from '#contract/mark-check'
import { faceMarks, saveCheck } from '../../db/mark-checks.ts'
import type { LessonKey } from '../../db/registers.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor, whoWrites } from '../identity.ts'
import type { Identity } from '../identity.ts'
import { drawn } from '../mark-sample.ts'
import { Refusal, refusalOfField } from '../problem.ts'
import { KnownDate, parse, readJson } from '../request-body.ts'
import { refuseForeignCourse } from '../rights.ts'

const LessonPath = z.object({ held_on: KnownDate, lesson_id: LessonId })

export function markCheckRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now, schoolKey } = parts
  const routes = new Hono<AppEnv>()
  const forStaff = onlyFor(parts, 'script', 'office', 'teacher')
  const key = schoolKey.derive('mark-checks')

  async function sampleOf(lesson: LessonKey, identity: Identity): Promise<MarkChecks> {
    const held = await faceMarks(db, lesson)
    if (!held) throw new Refusal('not_found', `there is no lesson ${lesson.lesson_id} on ${lesson.held_on}`)
    await refuseForeignCourse(db, identity, held.course_id)
    return { checks: drawn(key, lesson, held.marks) }
  }

  routes.get('/api/v1/lessons/:held_on/:lesson_id/checks', forStaff, async (c) => c.json(await sampleOf(parse(LessonPath, c.req.param()), c.var.identity)))

  routes.post('/api/v1/lessons/:held_on/:lesson_id/checks', forStaff, async (c) => {
    const lesson = parse(LessonPath, c.req.param())
    const { student_id, answer } = await readJson(c, MarkCheckRequest)
    const identity = c.var.identity
    const { checks } = await sampleOf(lesson, identity)
    // Whoever could choose what is asked about could choose what comes out.
    if (!checks.some((check) => check.student_id === student_id)) throw refusalOfField('invalid_request', 'student_id', 'must be one of the marks that are asked about in this lesson')
    await together(db, async (inside) => {
      await saveCheck(inside, lesson, { student_id, answer, checked_by: whoWrites(identity) }, now())
      await parts.audit({ actor: actorOf(identity), action: 'mark_checked', subject: `student:${student_id}`, details: { held_on: lesson.held_on, lesson_id: lesson.lesson_id, answer } }, inside)
    })
    return c.json(await sampleOf(lesson, identity), 201)
  })

  return routes
}
