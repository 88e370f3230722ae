/** A student's PIN: set, made or taken away by the office. It is told once, in the answer that sets it, and never again. */
import { Hono } from 'hono'
import type { Context } from 'hono'
import { z } from 'zod'
import { StudentId } from '#contract/ids'
import { PinRequest } from '#contract/people'
import type { NewPin, Student } from '#contract/people'
import { student } from '../../db/people.ts'
import { newPin, removePin, savePin } from '../../db/pins.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor } from '../identity.ts'
import { Refusal } from '../problem.ts'
import { parse, readJson } from '../request-body.ts'

export function pinRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now } = parts
  const routes = new Hono<AppEnv>()
  const forOffice = onlyFor(parts, 'script', 'office')
  const studentIdOf = (c: Context): string => parse(z.object({ student_id: StudentId }), c.req.param()).student_id
  const noStudent = (id: string): Refusal => new Refusal('not_found', `there is no student ${id}`)

  async function knownStudent(id: string): Promise<Student> {
    const known = await student(db, id)
    if (!known) throw noStudent(id)
    return known
  }

  routes.put('/api/v1/students/:student_id/pin', forOffice, async (c) => {
    const id = studentIdOf(c)
    const wanted = await readJson(c, PinRequest)
    const pin = 'pin' in wanted ? wanted.pin : newPin()
    const saved = await together(db, async (inside) => {
      if (!(await savePin(inside, id, pin, now()))) return false
      await parts.audit({ actor: actorOf(c.var.identity), action: 'pin_set', subject: `student:${id}`, details: { chosen: 'pin' in wanted } }, inside)
      return true
    })
    if (!saved) throw noStudent(id)
    const answer: NewPin = { pin, student: await knownStudent(id) }
    return c.json(answer)
  })

  routes.delete('/api/v1/students/:student_id/pin', forOffice, async (c) => {
    const id = studentIdOf(c)
    const removed = await together(db, async (inside) => {
      if (!(await removePin(inside, id))) return false
      await parts.audit({ actor: actorOf(c.var.identity), action: 'pin_removed', subject: `student:${id}` }, inside)
      return true
    })
    if (!removed) throw noStudent(id)
    return c.json(await knownStudent(id))
  })

  return routes
}
