/**
 * The school's own login: `GET /api/v1/school-login` sends the browser there, `/api/v1/school-login/callback` is where it comes
 * back to. Both are addresses that a browser goes to, not requests of the app: they answer by sending it on.
 *
 * Who comes back gets into the account that this login opened before, or else into the one that has their name or verified
 * address. Only where a claim says what people are is an account made, and never the office's: that is for the office to give.
 */
import { Hono } from 'hono'
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { Username } from '#contract/account'
import type { SignInFault } from '#contract/account'
import type { AccountRole } from '#contract/people'
import { accountOfLogin, addAccountOfLogin } from '../../db/account-list.ts'
import type { LoginAccount } from '../../db/account-list.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { describeFault } from '../log.ts'
import { LOGIN_CALLBACK, LOGIN_MINUTES, LoginFailed } from '../oidc.ts'
import type { LoginPerson } from '../oidc.ts'
import { Refusal } from '../problem.ts'
import { cameOverTls } from '../sign-in.ts'
import type { SignIns } from '../sign-in.ts'

export const LOGIN_COOKIE = 'fastrack_school_login'
const PATH = '/api/v1/school-login'

export function schoolLoginRoutes(parts: AppParts, signIns: SignIns): Hono<AppEnv> {
  const { db, audit, log, schoolLogin } = parts
  const routes = new Hono<AppEnv>()

  /** Not Strict: the way back begins at another site. It opens nothing but the sign-in that it was made for. */
  const scope = (c: Context) => ({ httpOnly: true, sameSite: 'Lax', path: PATH, secure: parts.secureCookies || cameOverTls(c) }) as const

  function login(): NonNullable<typeof schoolLogin> {
    if (!schoolLogin) throw new Refusal('not_found', 'this school has no login of its own; sign in with name and password')
    return schoolLogin
  }

  function turnAway(c: Context, fault: SignInFault): Response {
    return c.redirect(`/office?sign-in=${fault}`, 302)
  }

  routes.get(PATH, async (c) => {
    const school = login()
    // Another site's page must not begin a sign-in that its reader did not ask for.
    if (c.req.header('sec-fetch-site') === 'cross-site') throw new Refusal('forbidden', 'open the school\'s own page and sign in there')
    try {
      const { to, kept } = await school.begin()
      setCookie(c, LOGIN_COOKIE, kept, { ...scope(c), maxAge: LOGIN_MINUTES * 60 })
      return c.redirect(to.href, 302)
    } catch (error) {
      return turnAway(c, told(error))
    }
  })

  routes.get(LOGIN_CALLBACK, async (c) => {
    const school = login()
    const kept = getCookie(c, LOGIN_COOKIE)
    deleteCookie(c, LOGIN_COOKIE, scope(c))
    let person: LoginPerson
    try {
      person = await school.finish(new URL(c.req.url).search, kept)
    } catch (error) {
      return turnAway(c, told(error))
    }
    const { account, fault } = await accountFor(person)
    if (!account || fault !== undefined) {
      await audit({ actor: 'anonymous', action: 'sign_in_failed', subject: account ? `account:${account.username}` : 'school', details: { by: 'school_login', why: fault ?? 'no_account' } })
      return turnAway(c, fault ?? 'no_account')
    }
    await signIns.open(c, account, 'school_login')
    return c.redirect('/office', 302)
  })

  function told(error: unknown): SignInFault {
    if (!(error instanceof LoginFailed)) throw error
    log({ event: 'school_login_failed', why: error.fault, ...(error.cause === undefined ? {} : describeFault(error.cause)) })
    return error.fault
  }

  async function accountFor(person: LoginPerson): Promise<{ account?: LoginAccount; fault?: SignInFault }> {
    const account = await accountOfLogin(db, person, person)
    if (!account) return madeFor(person)
    if (account.disabled) return { account, fault: 'disabled' }
    // Who is no longer what they were at the school's login does not get in as that.
    if (person.roles !== undefined && !person.roles.includes(account.role)) return { account, fault: 'role' }
    return { account }
  }

  async function madeFor({ issuer, subject, username, email, roles }: LoginPerson): Promise<{ account?: LoginAccount; fault?: SignInFault }> {
    // Of several roles the one with the least rights.
    const role = MADE.find((one) => roles?.includes(one))
    const name = Username.safeParse(username ?? email)
    if (role === undefined || !name.success) return { fault: 'no_account' }
    return together(db, async (inside) => {
      const account = await addAccountOfLogin(inside, { issuer, subject }, { username: name.data, email: email ?? null, role })
      if (!account) return { fault: 'no_account' as const }
      await audit({ actor: 'server', action: 'account_made', subject: `account:${account.username}`, details: { role, student_id: account.student_id, by: 'school_login' } }, inside)
      return { account }
    })
  }

  return routes
}

const MADE = ['student', 'teacher', 'privacy'] as const satisfies readonly Exclude<AccountRole, 'office'>[]
