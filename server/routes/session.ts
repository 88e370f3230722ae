/** Signing in and out: `POST`, `GET` and `DELETE /api/v1/session`; and which ways in there are: `GET /api/v1/sign-in`. */
import { Hono } from 'hono'
import type { SignInWays } from '#contract/account'
import { SignIn } from '#contract/people'
import { deleteSession } from '../../db/accounts.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor, PEOPLE, refuseOtherOrigins, sessionOf } from '../identity.ts'
import { readJson } from '../request-body.ts'
import type { SignIns } from '../sign-in.ts'

export function sessionRoutes(parts: AppParts, signIns: SignIns): Hono<AppEnv> {
  const { db, audit } = parts
  const routes = new Hono<AppEnv>()

  routes.get('/api/v1/sign-in', (c) => {
    const ways: SignInWays = { school_login: parts.schoolLogin !== undefined }
    return c.json(ways)
  })

  routes.post('/api/v1/session', async (c) => {
    refuseOtherOrigins(c)
    const account = await signIns.check(c, await readJson(c, SignIn))
    await signIns.open(c, account, account.totp_sealed ? 'second_factor' : 'password')
    return c.json(sessionOf(account))
  })

  routes.get('/api/v1/session', onlyFor(parts, ...PEOPLE), (c) => {
    const identity = c.var.identity
    if (identity.kind !== 'person') throw new Error('onlyFor let through somebody who is no person')
    return c.json(sessionOf(identity))
  })

  routes.delete('/api/v1/session', onlyFor(parts, ...PEOPLE), async (c) => {
    const identity = c.var.identity
    if (identity.kind === 'person' && identity.session !== undefined) {
      await deleteSession(db, identity.session)
      await audit({ actor: actorOf(identity), action: 'signed_out', subject: actorOf(identity) })
    }
    signIns.close(c)
    return c.body(null, 204)
  })

  return routes
}
