/** Students and their templates, and who is enrolled in which course; their consent: consents.ts. Every write answers with the student or course as it now is. */
import { Hono } from 'hono'
import type { Context } from 'hono'
import { z } from 'zod'
import { CourseId, StudentId } from '#contract/ids'
import { LIKENESS_LEVELS } from '#contract/look-alike'
import type { NearStudent } from '#contract/look-alike'
import { cosine } from '#contract/model'
import { EnrolmentRequest, StudentRequest, TemplatesRequest, VerifyRequest } from '#contract/people'
import type { Student, TemplatesAnswer, VerifyAnswer } from '#contract/people'
import { courses, saveEnrolment, saveStudent, saveTemplates, student, students, templatesOf } from '../../db/people.ts'
import { schoolPolicy } from '../../db/policy.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor, whoWrites } from '../identity.ts'
import type { Identity } from '../identity.ts'
import { onlyWithFaces } from '../policy.ts'
import { MAX_FAULTS, Refusal } from '../problem.ts'
import { parse, readJson } from '../request-body.ts'
import { onlyCourses, refuseForeignStudent } from '../rights.ts'

export function peopleRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, keyring, now, settings } = parts
  const routes = new Hono<AppEnv>()
  const forOffice = onlyFor(parts, 'script', 'office')
  const withFaces = onlyWithFaces(parts)
  const forStaff = onlyFor(parts, 'script', 'office', 'teacher')
  const studentIdOf = (c: Context): string => parse(z.object({ student_id: StudentId }), c.req.param()).student_id
  const courseIdOf = (c: Context): string => parse(z.object({ course_id: CourseId }), c.req.param()).course_id
  const noStudent = (id: string): Refusal => new Refusal('not_found', `there is no student ${id}`)

  async function knownStudent(id: string): Promise<Student> {
    const known = await student(db, id)
    if (!known) throw noStudent(id)
    return known
  }

  routes.get('/api/v1/students', onlyFor(parts, 'script', 'office', 'teacher', 'privacy'), async (c) => {
    const [all, mine, policy] = await Promise.all([students(db), onlyCourses(db, c.var.identity), schoolPolicy(db)])
    const listed = mine ? all.filter(({ course_ids }) => course_ids.some((id) => mine.has(id))) : all
    return c.json({ students: listed.map((one) => asMayBeToldTo(c.var.identity, one, mine)), model: parts.model, policy })
  })

  routes.get('/api/v1/students/:student_id', onlyFor(parts, 'script', 'office', 'teacher', 'privacy', 'student'), async (c) => {
    const id = studentIdOf(c)
    await refuseForeignStudent(db, c.var.identity, id)
    const [known, mine] = await Promise.all([knownStudent(id), onlyCourses(db, c.var.identity)])
    return c.json(asMayBeToldTo(c.var.identity, known, mine))
  })

  routes.put('/api/v1/students/:student_id', forOffice, async (c) => {
    const id = studentIdOf(c)
    const asked = await readJson(c, StudentRequest)
    await together(db, async (inside) => {
      await saveStudent(inside, id, asked)
      await parts.audit({ actor: actorOf(c.var.identity), action: 'student_saved', subject: `student:${id}` }, inside)
    })
    return c.json(await knownStudent(id))
  })

  routes.put('/api/v1/students/:student_id/templates', forOffice, withFaces, async (c) => {
    const id = studentIdOf(c)
    const { templates, confirmed_different_from } = await readJson(c, TemplatesRequest)
    const saved = await together(db, async (inside) => {
      const outcome = await saveTemplates(inside, keyring, id, templates, now(), { levels: LIKENESS_LEVELS, differentFrom: confirmed_different_from, by: whoWrites(c.var.identity) })
      if (outcome.outcome === 'saved') await parts.audit({ actor: actorOf(c.var.identity), action: 'templates_saved', subject: `student:${id}`, details: { templates: templates.length, models: [...new Set(templates.map(({ model }) => model))], confirmed_different_from } }, inside)
      return outcome
    })
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

  routes.post('/api/v1/students/:student_id/verify', forOffice, withFaces, async (c) => {
    const id = studentIdOf(c)
    const face = await readJson(c, VerifyRequest)
    const kept = await templatesOf(db, keyring, id)
    if (!kept) throw noStudent(id)
    const similarities = kept.filter(({ model }) => model === face.model).map(({ embedding, rotation }) => cosine(embedding, rotation.rotate(face.embedding)))
    const similarity = similarities.length > 0 ? Math.max(...similarities) : null
    const threshold = settings.recognition_threshold
    const answer: VerifyAnswer = { similarity, threshold, match: similarity !== null && similarity >= threshold }
    await parts.audit({ actor: actorOf(c.var.identity), action: 'templates_verified', subject: `student:${id}`, details: { templates: kept.length, match: answer.match } })
    return c.json(answer)
  })

  routes.get('/api/v1/courses', forStaff, async (c) => {
    const [all, mine] = await Promise.all([courses(db), onlyCourses(db, c.var.identity)])
    return c.json({ courses: mine ? all.filter(({ course_id }) => mine.has(course_id)) : all })
  })

  routes.put('/api/v1/courses/:course_id/students', forOffice, async (c) => {
    const id = courseIdOf(c)
    const { student_ids } = await readJson(c, EnrolmentRequest)
    const saved = await together(db, async (inside) => {
      const outcome = await saveEnrolment(inside, id, student_ids, now())
      if (outcome?.unknown.length === 0) await parts.audit({ actor: actorOf(c.var.identity), action: 'enrolment_changed', subject: `course:${id}`, details: { students: student_ids.length } }, inside)
      return outcome
    })
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

/** A teacher is told names and the courses that are theirs; whether a PIN or a card is there is between the student and the office. */
function asMayBeToldTo(identity: Identity, known: Student, mine: ReadonlySet<string> | undefined): Student {
  if (identity.kind !== 'person' || identity.role === 'office') return known
  switch (identity.role) {
    case 'student':
      return known
    case 'privacy':
      return { ...known, ...WITHOUT_WAYS }
    case 'teacher':
      return { ...known, ...WITHOUT_WAYS, email: null, consent: null, templates: [], course_ids: known.course_ids.filter((id) => mine?.has(id)) }
  }
}

/** To be marked without a face. */
const WITHOUT_WAYS = { pin_set_at: null, card_made_at: null } as const

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
