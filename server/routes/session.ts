/** Signing in and out: `POST`, `GET` and `DELETE /api/v1/session`. */
import { randomBytes } from 'node:crypto'
import { getConnInfo } from '@hono/node-server/conninfo'
import { hash, verify } from '@node-rs/argon2'
import { Hono } from 'hono'
import type { Context } from 'hono'
import { deleteCookie, setCookie } from 'hono/cookie'
import { SignIn } from '#contract/people'
import type { Session } from '#contract/people'
import { accountByName, deleteSession, saveSession } from '../../db/accounts.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { onlyFor, refuseOtherOrigins, SESSION_COOKIE } from '../identity.ts'
import { Refusal } from '../problem.ts'
import { readJson } from '../request-body.ts'
import { createThrottle } from '../sign-in-throttle.ts'

/** A school day. */
const SESSION_HOURS = 12
const FAULTS_PER_NAME = 5
/** A school's staff may share one address; trying one password on many names is still slow. */
const FAULTS_PER_ADDRESS = 50
const WINDOW_MS = 60_000

export function sessionRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now } = parts
  const routes = new Hono<AppEnv>()
  const { makeThrottle = createThrottle } = parts
  const perName = makeThrottle({ name: 'name', limit: FAULTS_PER_NAME, windowMs: WINDOW_MS })
  const perAddress = makeThrottle({ name: 'address', limit: FAULTS_PER_ADDRESS, windowMs: WINDOW_MS })
  let nobodysHash: Promise<string> | undefined

  routes.post('/api/v1/session', async (c) => {
    refuseOtherOrigins(c)
    const { username, password } = await readJson(c, SignIn)
    const address = addressOf(c)
    const nameKey = `${address} ${username.toLowerCase()}`
    const wait = (await perAddress.attempt(address, now())) ?? (await perName.attempt(nameKey, now()))
    if (wait !== undefined) {
      throw new Refusal('too_many_requests', `too many failed sign-ins; try again in ${wait} seconds`, { headers: { 'retry-after': String(wait) } })
    }
    const account = await accountByName(db, username)
    // An unknown name takes as long as a wrong password, or names could be found by the time they take.
    nobodysHash ??= hash(randomBytes(16))
    const right = await verify(account?.password_hash ?? (await nobodysHash), password)
    if (!account || !right) throw new Refusal('unauthorized', 'the name or the password is wrong')
    await Promise.all([perAddress.forgive(address), perName.forgive(nameKey)])
    const token = randomBytes(32).toString('base64url')
    const expires_at = new Date(now().getTime() + SESSION_HOURS * 3_600_000)
    await saveSession(db, { token, account_id: account.account_id, expires_at })
    setCookie(c, SESSION_COOKIE, token, { ...cookieScope(c, parts), expires: expires_at })
    const session: Session = { username: account.username, role: account.role }
    return c.json(session)
  })

  routes.get('/api/v1/session', onlyFor(parts, 'office', 'teacher'), (c) => {
    const identity = c.var.identity
    if (identity.kind !== 'person') throw new Error('onlyFor let through somebody who is no person')
    const session: Session = { username: identity.username, role: identity.role }
    return c.json(session)
  })

  routes.delete('/api/v1/session', onlyFor(parts, 'office', 'teacher'), async (c) => {
    if (c.var.identity.kind === 'person') await deleteSession(db, c.var.identity.token)
    deleteCookie(c, SESSION_COOKIE, cookieScope(c, parts))
    return c.body(null, 204)
  })

  return routes
}

function cookieScope(c: Context, { secureCookies }: AppParts): { httpOnly: true; sameSite: 'Strict'; path: '/'; secure: boolean } {
  return { httpOnly: true, sameSite: 'Strict', path: '/', secure: secureCookies || cameOverTls(c) }
}

/** Said by the TLS proxy in front; a client that says it itself changes only its own answer. */
export function cameOverTls(c: Context): boolean {
  return c.req.header('x-forwarded-proto') === 'https'
}

/** The peer of the socket; behind a proxy that is the proxy, and the names alone tell people apart. */
function addressOf(c: Context): string {
  try {
    return getConnInfo(c).remote.address ?? 'unknown'
  } catch {
    return 'in this process'
  }
}
