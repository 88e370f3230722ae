/**
 * Is it them: name, password and, where the account has one, a second factor; and the session that follows. Guessing is
 * slowed down by name, by address and, for codes, by account. Knows no route and no right.
 */
import { randomBytes } from 'node:crypto'
import type { Context } from 'hono'
import { deleteCookie, setCookie } from 'hono/cookie'
import { accountById, accountByName, saveSession } from '../db/accounts.ts'
import type { Account } from '../db/accounts.ts'
import { passwordIsRight } from '../db/password.ts'
import type { AppParts } from './app-parts.ts'
import { clientAddress, networkOf } from './client-address.ts'
import { SESSION_COOKIE } from './identity.ts'
import { Refusal, refusalOfField } from './problem.ts'
import { openSecondFactors } from './second-factor.ts'
import type { SecondFactors } from './second-factor.ts'
import { createThrottle } from './sign-in-throttle.ts'

/** A school day. */
const SESSION_HOURS = 12
const FAULTS_PER_NAME = 5
/** A school's staff may share one address; trying one password on many names is still slow. */
const FAULTS_PER_ADDRESS = 50
const WINDOW_MS = 60_000
/** From anywhere: who guesses codes has the password already. At this rate half of all codes take ten years, and an owner who mistypes waits a quarter of an hour. */
const CODE_FAULTS = 10
const CODE_WINDOW_MS = 15 * 60_000

export interface Credentials {
  username: string
  password: string
  code?: string | undefined
}

export interface SignIns {
  factors: SecondFactors
  /** @throws Refusal `unauthorized`, `second_factor` (the password is right, a code is wanted) or `too_many_requests`; whoever it was is put on record. */
  check(c: Context, given: Credentials): Promise<Account>
  /** The same person once more, before something weighty. @throws Refusal `invalid_request` by field or `too_many_requests` */
  checkAgain(c: Context, who: Pick<Account, 'account_id' | 'username'>, password: string, code?: string): Promise<void>
  /** Sets the cookie. @param by what they proved themselves with */
  open(c: Context, account: Pick<Account, 'account_id' | 'username'>, by: 'password' | 'second_factor' | 'school_login'): Promise<void>
  /** Takes the cookie away; the session itself is the caller's to end. */
  close(c: Context): void
}

export function openSignIns(parts: AppParts): SignIns {
  const { db, now, audit, schoolKey, makeThrottle = createThrottle } = parts
  const perName = makeThrottle({ name: 'name', limit: FAULTS_PER_NAME, windowMs: WINDOW_MS })
  const perAddress = makeThrottle({ name: 'address', limit: FAULTS_PER_ADDRESS, windowMs: WINDOW_MS })
  const perAccount = makeThrottle({ name: 'code', limit: CODE_FAULTS, windowMs: CODE_WINDOW_MS })
  const factors = openSecondFactors(db, schoolKey, parts.log)

  /** A right password and a right code forgive the attempt. */
  async function attempting<T>(c: Context, username: string, work: (forgive: () => Promise<unknown>) => Promise<T>): Promise<T> {
    const address = networkOf(clientAddress(c, parts.trustedProxies))
    const nameKey = `${address} ${username.toLowerCase()}`
    const wait = (await perAddress.attempt(address, now())) ?? (await perName.attempt(nameKey, now()))
    if (wait !== undefined) throw tooMany(wait)
    const forgive = (): Promise<unknown> => Promise.all([perAddress.forgive(address), perName.forgive(nameKey)])
    const answer = await work(forgive)
    await forgive()
    return answer
  }

  async function codeIsRight(account_id: number, sealed: Buffer, code: string): Promise<boolean> {
    const key = String(account_id)
    const wait = await perAccount.attempt(key, now())
    if (wait !== undefined) throw tooMany(wait)
    const right = await factors.isRight(account_id, sealed, code, now())
    if (right) await perAccount.forgive(key)
    return right
  }

  return {
    factors,
    check: (c, { username, password, code }) =>
      attempting(c, username, async (forgive) => {
        const account = await accountByName(db, username)
        // What is typed as a name may be a password: only a name that is one is put on record.
        const failed = (why: string): Promise<void> => audit({ actor: 'anonymous', action: 'sign_in_failed', subject: account ? `account:${account.username}` : 'school', details: { why } })
        const right = await passwordIsRight(account?.password_hash, password)
        if (!account || !right || account.disabled) {
          await failed(account?.disabled && right ? 'disabled' : 'password')
          throw new Refusal('unauthorized', 'the name or the password is wrong')
        }
        if (!account.totp_sealed) return account
        if (code === undefined) {
          // So everybody with a second factor begins.
          await forgive()
          throw new Refusal('second_factor', 'the password is right; send the code of your second factor with it')
        }
        if (await codeIsRight(account.account_id, account.totp_sealed, code)) return account
        await failed('second_factor')
        throw new Refusal('second_factor', 'this code is wrong, too old, or was used before; send the one that the app shows now, or a recovery code')
      }),

    checkAgain: (c, { account_id, username }, password, code) =>
      attempting(c, username, async () => {
        const account = await accountById(db, account_id)
        if (!(await passwordIsRight(account?.password_hash, password))) throw refusalOfField('invalid_request', 'password_now', 'is not the password of your account')
        if (code === undefined) return
        if (!account?.totp_sealed) throw new Refusal('conflict', 'the account has no second factor')
        if (!(await codeIsRight(account_id, account.totp_sealed, code))) throw refusalOfField('invalid_request', 'code', 'is wrong, too old, or was used before; send the one that the app shows now, or a recovery code')
      }),

    async open(c, { account_id, username }, by) {
      const token = randomBytes(32).toString('base64url')
      const expires_at = new Date(now().getTime() + SESSION_HOURS * 3_600_000)
      await saveSession(db, { token, account_id, expires_at })
      await audit({ actor: `account:${username}`, action: 'signed_in', subject: `account:${username}`, details: { by } })
      setCookie(c, SESSION_COOKIE, token, { ...cookieScope(c, parts), expires: expires_at })
    },

    close: (c) => void deleteCookie(c, SESSION_COOKIE, cookieScope(c, parts)),
  }
}

function tooMany(seconds: number): Refusal {
  return new Refusal('too_many_requests', `too many failed sign-ins; try again in ${seconds} seconds`, { headers: { 'retry-after': String(seconds) } })
}

function cookieScope(c: Context, { secureCookies }: AppParts): { httpOnly: true; sameSite: 'Strict'; path: '/'; secure: boolean } {
  return { httpOnly: true, sameSite: 'Strict', path: '/', secure: secureCookies || cameOverTls(c) }
}

/** Said by the TLS proxy in front; a client that says it itself changes only its own answer. */
export function cameOverTls(c: Context): boolean {
  return c.req.header('x-forwarded-proto') === 'https'
}
