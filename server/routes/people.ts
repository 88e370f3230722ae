/** Students, their consent and their templates, and who is enrolled in which course. Every write answers with the student or course as it now is. */
import { Hono } from 'hono'
import type { Context } from 'hono'
import { z } from 'zod'
import { CourseId, StudentId } from '#contract/ids'
import { LIKENESS_LEVELS } from '#contract/look-alike'
import type { NearStudent } from '#contract/look-alike'
import { cosine } from '#contract/model'
import { ConsentRequest, EnrolmentRequest, StudentRequest, TemplatesRequest, VerifyRequest } from '#contract/people'
import type { Student, TemplatesAnswer, VerifyAnswer } from '#contract/people'
import { courses, saveConsent, saveEnrolment, saveStudent, saveTemplates, student, students, templatesOf, withdrawConsent } from '../../db/people.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { onlyFor, whoWrites } from '../identity.ts'
import { MAX_FAULTS, Refusal } from '../problem.ts'
import { parse, readJson } from '../request-body.ts'

export function peopleRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now, settings } = parts
  const routes = new Hono<AppEnv>()
  const forOffice = onlyFor(parts, 'script', 'office')
  const forStaff = onlyFor(parts, 'script', 'office', 'teacher')
  const studentIdOf = (c: Context): string => parse(z.object({ student_id: StudentId }), c.req.param()).student_id
  const courseIdOf = (c: Context): string => parse(z.object({ course_id: CourseId }), c.req.param()).course_id
  const noStudent = (id: string): Refusal => new Refusal('not_found', `there is no student ${id}`)

  async function knownStudent(id: string): Promise<Student> {
    const known = await student(db, id)
    if (!known) throw noStudent(id)
    return known
  }

  routes.get('/api/v1/students', forStaff, async (c) => c.json({ students: await students(db), model: parts.model }))

  routes.get('/api/v1/students/:student_id', forStaff, async (c) => c.json(await knownStudent(studentIdOf(c))))

  routes.put('/api/v1/students/:student_id', forOffice, async (c) => {
    const id = studentIdOf(c)
    await saveStudent(db, id, await readJson(c, StudentRequest))
    return c.json(await knownStudent(id))
  })

  routes.put('/api/v1/students/:student_id/consent', forOffice, async (c) => {
    const id = studentIdOf(c)
    if (!(await saveConsent(db, id, await readJson(c, ConsentRequest), now()))) throw noStudent(id)
    return c.json(await knownStudent(id))
  })

  routes.delete('/api/v1/students/:student_id/consent', forOffice, async (c) => {
    const id = studentIdOf(c)
    if (!(await withdrawConsent(db, id, now()))) throw noStudent(id)
    return c.json(await knownStudent(id))
  })

  routes.put('/api/v1/students/:student_id/templates', forOffice, async (c) => {
    const id = studentIdOf(c)
    const { templates, confirmed_different_from } = await readJson(c, TemplatesRequest)
    const saved = await saveTemplates(db, id, templates, now(), { levels: LIKENESS_LEVELS, differentFrom: confirmed_different_from, by: whoWrites(c.var.identity) })
    switch (saved.outcome) {
      case 'unknown_student':
        throw noStudent(id)
      case 'consent_missing':
        throw new Refusal('consent_missing', `no consent of ${id} is on record; record it before any template`)
      case 'unknown_others':
        throw otherThan(id, saved.ids, confirmed_different_from)
      case 'same_person':
        throw samePerson(id, saved.others)
      case 'saved': {
        const answer: TemplatesAnswer = { ...(await knownStudent(id)), look_alikes: saved.look_alikes }
        return c.json(answer)
      }
    }
  })

  routes.post('/api/v1/students/:student_id/verify', forOffice, async (c) => {
    const id = studentIdOf(c)
    const face = await readJson(c, VerifyRequest)
    const kept = await templatesOf(db, id)
    if (!kept) throw noStudent(id)
    const similarities = kept.filter(({ model }) => model === face.model).map(({ embedding }) => cosine(embedding, face.embedding))
    const similarity = similarities.length > 0 ? Math.max(...similarities) : null
    const threshold = settings.recognition_threshold
    const answer: VerifyAnswer = { similarity, threshold, match: similarity !== null && similarity >= threshold }
    return c.json(answer)
  })

  routes.get('/api/v1/courses', forStaff, async (c) => c.json({ courses: await courses(db) }))

  routes.put('/api/v1/courses/:course_id/students', forOffice, async (c) => {
    const id = courseIdOf(c)
    const { student_ids } = await readJson(c, EnrolmentRequest)
    const saved = await saveEnrolment(db, id, student_ids, now())
    if (!saved) throw new Refusal('not_found', `there is no course ${id}`)
    if (saved.unknown.length > 0) {
      const errors = saved.unknown.slice(0, MAX_FAULTS).map((unknown) => ({ field: `student_ids[${student_ids.indexOf(unknown)}]`, message: `${unknown} is not a student of this school; add them first` }))
      const more = saved.unknown.length > errors.length ? `; and ${saved.unknown.length - errors.length} more` : ''
      throw new Refusal('invalid_request', `nobody was enrolled: ${errors.map(({ field, message }) => `${field} ${message}`).join('; ')}${more}`, { errors })
    }
    const course = (await courses(db)).find(({ course_id }) => course_id === id)
    return c.json(course)
  })

  return routes
}

function samePerson(id: string, others: NearStudent[]): Refusal {
  const names = others.map(({ student_id, first_name, last_name }) => `${student_id} (${first_name} ${last_name})`).join(', ')
  const ids = others.map(({ student_id }) => student_id).join(', ')
  return new Refusal('same_person', `nothing was stored: this face is already enrolled as ${names}; pick the right student instead of ${id}, or, if they are two people, send it again with confirmed_different_from ${ids}`, { others })
}

function otherThan(id: string, unknown: readonly string[], sent: readonly string[]): Refusal {
  const errors = unknown.slice(0, MAX_FAULTS).map((other) => ({
    field: `confirmed_different_from[${sent.indexOf(other)}]`,
    message: other === id ? `${other} is the student themself` : `${other} is not a student of this school`,
  }))
  return new Refusal('invalid_request', `nothing was stored: ${errors.map(({ field, message }) => `${field} ${message}`).join('; ')}`, { errors })
}
