/** A student's card: made or ended by the office. What stands on it is told once, in the answer that makes it, and never again. */
import { Hono } from 'hono'
import type { Context } from 'hono'
import { z } from 'zod'
import type { NewCard } from '#contract/card'
import { StudentId } from '#contract/ids'
import type { Student } from '#contract/people'
import { newCardToken, removeCard, saveCard } from '../../db/cards.ts'
import { student } from '../../db/people.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor } from '../identity.ts'
import { Refusal } from '../problem.ts'
import { parse } from '../request-body.ts'

export function cardRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now, audit } = parts
  const routes = new Hono<AppEnv>()
  const forOffice = onlyFor(parts, 'script', 'office')
  const studentIdOf = (c: Context): string => parse(z.object({ student_id: StudentId }), c.req.param()).student_id
  const noStudent = (id: string): Refusal => new Refusal('not_found', `there is no student ${id}`)

  async function knownStudent(id: string): Promise<Student> {
    const known = await student(db, id)
    if (!known) throw noStudent(id)
    return known
  }

  routes.put('/api/v1/students/:student_id/card', forOffice, async (c) => {
    const id = studentIdOf(c)
    const token = newCardToken()
    await together(db, async (inside) => {
      if (!(await saveCard(inside, id, token, now()))) throw noStudent(id)
      await audit({ actor: actorOf(c.var.identity), action: 'card_made', subject: `student:${id}` }, inside)
    })
    const answer: NewCard = { token, student: await knownStudent(id) }
    return c.json(answer, 200, { 'cache-control': 'no-store' })
  })

  routes.delete('/api/v1/students/:student_id/card', forOffice, async (c) => {
    const id = studentIdOf(c)
    await together(db, async (inside) => {
      const removed = await removeCard(inside, id)
      if (!removed) throw noStudent(id)
      if (removed === 'removed') await audit({ actor: actorOf(c.var.identity), action: 'card_removed', subject: `student:${id}` }, inside)
    })
    return c.json(await knownStudent(id))
  })

  return routes
}
