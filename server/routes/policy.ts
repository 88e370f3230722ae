/** What the school does with faces at all: set by the privacy officer, read by the staff. */
import { Hono } from 'hono'
import { PolicyRequest } from '#contract/policy'
import type { PolicyAnswer, SchoolPolicy } from '#contract/policy'
import { policyOnRecord, savePolicy } from '../../db/policy.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor, whoWrites } from '../identity.ts'
import { Refusal } from '../problem.ts'
import { readJson } from '../request-body.ts'

export function policyRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now, audit } = parts
  const routes = new Hono<AppEnv>()

  routes.get('/api/v1/policy', onlyFor(parts, 'script', 'office', 'teacher', 'privacy'), async (c) => c.json(await policyOnRecord(db)))

  routes.put('/api/v1/policy', onlyFor(parts, 'privacy'), async (c) => {
    const { policy, confirmed } = await readJson(c, PolicyRequest)
    const before = await policyOnRecord(db)
    if (before.policy !== policy) {
      if (!confirmed) throw new Refusal('conflict', `nothing has changed yet: ${whatFollows(policy, before)}; send the same again with "confirmed": true`)
      await together(db, async (inside) => {
        const change = await savePolicy(inside, policy, { by: whoWrites(c.var.identity), now: now() })
        if (change) await audit({ actor: actorOf(c.var.identity), action: 'policy_changed', subject: 'school', details: { ...change } }, inside)
      })
    }
    const answer: PolicyAnswer = await policyOnRecord(db)
    return c.json(answer)
  })

  return routes
}

function whatFollows(policy: SchoolPolicy, { students_with_templates: students }: PolicyAnswer): string {
  switch (policy) {
    case 'no-biometrics':
      return `no-biometrics erases at once, and for good, the templates of ${students} ${students === 1 ? 'student' : 'students'} with all that was made of them, and from then on no kiosk opens a camera`
    case 'verify-only':
      return 'under verify-only every student types a PIN or scans a card, and the camera only confirms that it is them'
    case 'default':
      return 'under default kiosks keep their camera open during lessons and recognise the students who have consented'
  }
}
