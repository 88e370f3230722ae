/** The accounts, for the office alone: made, changed, disabled, signed out everywhere. No script may: who holds the API key makes nobody the office. */
import { randomInt } from 'node:crypto'
import { Hono } from 'hono'
import type { Context } from 'hono'
import { z } from 'zod'
import { AccountId, AccountRequest, NewAccountRequest } from '#contract/account'
import type { Account, Accounts, NewAccount } from '#contract/account'
import { accountList, accountOf, addAccount, changeAccount, endSessions, savePassword } from '../../db/account-list.ts'
import type { AccountFault } from '../../db/account-list.ts'
import { hashPassword } from '../../db/password.ts'
import { removeFactor } from '../../db/second-factors.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor } from '../identity.ts'
import { MAX_FAULTS, Refusal, refusalOfField } from '../problem.ts'
import { parse, readJson } from '../request-body.ts'

const Path = z.object({ account_id: z.string().regex(/^\d{1,10}$/, 'must be a number').transform(Number).pipe(AccountId) })

export function accountRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now, audit } = parts
  const routes = new Hono<AppEnv>()
  const forOffice = onlyFor(parts, 'office')
  const idOf = (c: Context): number => parse(Path, c.req.param()).account_id
  const noAccount = (id: number): Refusal => new Refusal('not_found', `there is no account ${id}`)

  async function knownAccount(id: number, inside = db): Promise<Account> {
    const known = await accountOf(inside, id, now())
    if (!known) throw noAccount(id)
    return known
  }

  routes.get('/api/v1/accounts', forOffice, async (c) => {
    const answer: Accounts = { accounts: await accountList(db, now()), school_login: parts.schoolLogin !== undefined }
    return c.json(answer)
  })

  routes.post('/api/v1/accounts', forOffice, async (c) => {
    const { sign_in, ...wanted } = await readJson(c, NewAccountRequest)
    const password = sign_in === 'password' ? newPassword() : null
    const password_hash = password === null ? null : await hashPassword(password)
    const answer = await together(db, async (inside): Promise<NewAccount> => {
      const saved = await addAccount(inside, { ...wanted, password_hash })
      if (saved.outcome !== 'saved') throw refused(saved, wanted.course_ids)
      const account = await knownAccount(saved.account_id, inside)
      const { role, student_id, course_ids } = account
      await audit({ actor: actorOf(c.var.identity), action: 'account_made', subject: `account:${account.username}`, details: { role, student_id, course_ids: course_ids.slice(0, MOST_TOLD) } }, inside)
      return { password, account }
    })
    return c.json(answer, 201)
  })

  routes.put('/api/v1/accounts/:account_id', forOffice, async (c) => {
    const id = idOf(c)
    const wanted = await readJson(c, AccountRequest)
    const account = await together(db, async (inside) => {
      const before = await knownAccount(id, inside)
      const saved = await changeAccount(inside, id, wanted, now())
      if (saved.outcome !== 'saved') throw refused(saved, wanted.course_ids)
      const after = await knownAccount(id, inside)
      const { username, role, course_ids } = after
      const by = { actor: actorOf(c.var.identity), subject: `account:${username}` }
      const teaches = course_ids.join() !== before.course_ids.join()
      if (teaches) await audit({ ...by, action: 'course_teachers_changed', details: { course_ids: course_ids.slice(0, MOST_TOLD) } }, inside)
      await audit({ ...by, action: 'account_changed', details: { role, disabled: after.disabled_at !== null, email_changed: after.email !== before.email } }, inside)
      return after
    })
    return c.json(account)
  })

  /** A new one in the place of the old, told this once; whoever is signed in with the old one is no longer. */
  routes.post('/api/v1/accounts/:account_id/password', forOffice, async (c) => {
    const id = idOf(c)
    const password = newPassword()
    const password_hash = await hashPassword(password)
    const account = await changed(c, id, { what: 'password' }, (inside) => savePassword(inside, id, password_hash))
    const answer: NewAccount = { password, account }
    return c.json(answer)
  })

  /** For who has lost the phone and the recovery codes. */
  routes.delete('/api/v1/accounts/:account_id/second-factor', forOffice, async (c) => {
    const id = idOf(c)
    return c.json(await changed(c, id, { what: 'second_factor_removed' }, async (inside) => (await removeFactor(inside, id)) && endSessions(inside, id)))
  })

  routes.delete('/api/v1/accounts/:account_id/sessions', forOffice, async (c) => {
    const id = idOf(c)
    return c.json(await changed(c, id, { what: 'sessions_ended' }, (inside) => endSessions(inside, id)))
  })

  async function changed(c: Context<AppEnv>, id: number, details: { what: string }, work: (inside: typeof db) => Promise<boolean>): Promise<Account> {
    return together(db, async (inside) => {
      if (!(await work(inside))) throw noAccount(id)
      const account = await knownAccount(id, inside)
      await audit({ actor: actorOf(c.var.identity), action: 'account_changed', subject: `account:${account.username}`, details }, inside)
      return account
    })
  }

  return routes
}

/** Of the courses in one line of the log. */
const MOST_TOLD = 200

function refused(fault: AccountFault, course_ids: readonly string[]): Refusal {
  switch (fault.outcome) {
    case 'unknown_account':
      return new Refusal('not_found', 'there is no such account')
    case 'last_office':
      return new Refusal('conflict', 'nobody would be left to keep the accounts: this is the only office account that works; make another first')
    case 'name_taken':
      return refusalOfField('conflict', 'username', 'is the name of another account; choose another')
    case 'email_taken':
      return refusalOfField('conflict', 'email', 'is the address of another account')
    case 'student_taken':
      return refusalOfField('conflict', 'student_id', 'has an account already')
    case 'unknown_student':
      return refusalOfField('invalid_request', 'student_id', 'is not a student of this school; add them first')
    case 'unknown_courses': {
      const errors = fault.ids.slice(0, MAX_FAULTS).map((id) => ({ field: `course_ids[${course_ids.indexOf(id)}]`, message: `${id} is not a course of this school` }))
      return new Refusal('invalid_request', errors.map(({ field, message }) => `${field} ${message}`).join('; '), { errors })
    }
  }
}

/** Without the letters and digits that people confuse; 16 of 32 are 80 bits. */
const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789'

function newPassword(): string {
  return Array.from({ length: 4 }, () => Array.from({ length: 4 }, () => LETTERS[randomInt(LETTERS.length)]).join('')).join('-')
}
