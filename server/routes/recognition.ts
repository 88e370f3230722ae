/** How sure recognition is, for the office: look-alikes, students without a face, wrong marks to expect. */
import { Hono } from 'hono'
import { Confirmation } from '#contract/look-alike'
import { ConfirmedDifferentRequest, TERM_WEEKS } from '#contract/recognition'
import type { Recognition } from '#contract/recognition'
import { lookAlikePairs } from '../../db/look-alikes.ts'
import { confirmDifferent, recognitionRecord } from '../../db/recognition.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { accuracyNow } from '../accuracy.ts'
import { onlyFor, whoWrites } from '../identity.ts'
import { Refusal } from '../problem.ts'
import { readJson } from '../request-body.ts'

export function recognitionRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now, settings } = parts
  const routes = new Hono<AppEnv>()
  const forOffice = onlyFor(parts, 'script', 'office')

  routes.get('/api/v1/recognition', forOffice, async (c) => {
    const at = now()
    const [record, pairs, accuracy] = await Promise.all([recognitionRecord(db, parts.model, TERM_WEEKS, at), lookAlikePairs(db), accuracyNow(db, at)])
    const answer: Recognition = { now: at.toISOString(), model: parts.model, ...record, look_alikes: pairs, false_accept_budget: settings.false_accept_budget, accuracy: accuracy ?? null }
    return c.json(answer)
  })

  routes.post('/api/v1/recognition/confirmed-different', forOffice, async (c) => {
    const { student_ids } = await readJson(c, ConfirmedDifferentRequest)
    const kept = await together(db, async (inside) => {
      const confirmed = await confirmDifferent(inside, student_ids, whoWrites(c.var.identity), now())
      if (confirmed) await parts.audit({ actor: actorOf(c.var.identity), action: 'look_alike_confirmed', subject: 'school', details: { student_ids } }, inside)
      return confirmed
    })
    if (!kept) throw new Refusal('not_found', `${student_ids.join(' or ')} is not a student of this school`)
    return c.json(Confirmation.parse(kept))
  })

  return routes
}
