/** `POST /api/v1/token`: a short token for a person's own program, from their session or their name and password. */
import { Hono } from 'hono'
import { TokenRequest } from '#contract/account'
import type { Token } from '#contract/account'
import { accountById } from '../../db/accounts.ts'
import type { Account } from '../../db/accounts.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { identify, refuseOtherOrigins } from '../identity.ts'
import { Refusal } from '../problem.ts'
import { readJson } from '../request-body.ts'
import type { SignIns } from '../sign-in.ts'
import { issueToken } from '../token.ts'

export function tokenRoutes(parts: AppParts, signIns: SignIns): Hono<AppEnv> {
  const { db, now, audit, schoolKey } = parts
  const routes = new Hono<AppEnv>()

  /**
   * 1. a session of the app: its account. 2. a name and a password in the body: as for signing in. A device, a script and
   * a token get none: a token that could renew itself would not be short.
   */
  routes.post('/api/v1/token', async (c) => {
    refuseOtherOrigins(c)
    const identity = await identify(c, parts)
    let account: Account | undefined
    if (identity === undefined) account = await signIns.check(c, await readJson(c, TokenRequest))
    else if (identity.kind === 'person' && identity.session !== undefined) account = await accountById(db, identity.account_id)
    else throw new Refusal('forbidden', 'a token is for a person who is signed in, or who sends name and password without an Authorization header')
    // Gone since the session was looked up.
    if (!account || account.disabled) throw new Refusal('unauthorized', 'sign in first')
    const { token, expires_at } = await issueToken(schoolKey, account, now())
    await audit({ actor: `account:${account.username}`, action: 'token_given', subject: `account:${account.username}`, details: { by: identity === undefined ? 'password' : 'session' } })
    const answer: Token = { token, token_type: 'Bearer', expires_at: expires_at.toISOString(), role: account.role }
    return c.json(answer)
  })

  return routes
}
