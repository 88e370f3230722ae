/** One's own account: `GET /api/v1/account`, its password and its second factor. Each change wants the password once more: a screen left open is not its owner. */
import { Hono } from 'hono'
import type { Context } from 'hono'
import { toString } from 'qrcode'
import { PasswordRequest, SecondFactorConfirmation, SecondFactorRemoval, SecondFactorRequest } from '#contract/account'
import type { Account, RecoveryCodes, SecondFactorStart } from '#contract/account'
import { accountOf, savePassword } from '../../db/account-list.ts'
import { hashPassword } from '../../db/password.ts'
import { removeFactor } from '../../db/second-factors.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor, PEOPLE } from '../identity.ts'
import type { Person } from '../identity.ts'
import { Refusal, refusalOfField } from '../problem.ts'
import { readJson } from '../request-body.ts'
import type { SignIns } from '../sign-in.ts'

export function myAccountRoutes(parts: AppParts, signIns: SignIns): Hono<AppEnv> {
  const { db, now, audit } = parts
  const routes = new Hono<AppEnv>()
  const forPeople = onlyFor(parts, ...PEOPLE)

  async function mine({ account_id }: Person, inside = db): Promise<Account> {
    const account = await accountOf(inside, account_id, now())
    if (!account) throw new Refusal('unauthorized', 'this account is no longer there')
    return account
  }

  routes.get('/api/v1/account', forPeople, async (c) => c.json(await mine(personOf(c))))

  routes.put('/api/v1/account/password', forPeople, async (c) => {
    const person = personOf(c)
    const { password_now, password } = await readJson(c, PasswordRequest)
    if (password.toLowerCase().includes(person.username.toLowerCase())) throw refusalOfField('invalid_request', 'password', 'must not hold your name')
    await signIns.checkAgain(c, person, password_now)
    const password_hash = await hashPassword(password)
    const account = await together(db, async (inside) => {
      await savePassword(inside, person.account_id, password_hash, person.session)
      await audit({ actor: actorOf(person), action: 'account_changed', subject: actorOf(person), details: { what: 'password' } }, inside)
      return mine(person, inside)
    })
    return c.json(account)
  })

  routes.post('/api/v1/account/second-factor', forPeople, async (c) => {
    const person = personOf(c)
    const { password_now } = await readJson(c, SecondFactorRequest)
    await signIns.checkAgain(c, person, password_now)
    if ((await mine(person)).second_factor) throw new Refusal('conflict', 'the account has a second factor; remove it first')
    const begun = await signIns.factors.begin(person.account_id, person.username)
    const answer: SecondFactorStart = { ...begun, qr_svg: await toString(begun.uri, { type: 'svg' }) }
    return c.json(answer)
  })

  routes.put('/api/v1/account/second-factor', forPeople, async (c) => {
    const person = personOf(c)
    const { code } = await readJson(c, SecondFactorConfirmation)
    const recovery_codes = await signIns.factors.confirm(person.account_id, code, now())
    if (!recovery_codes) throw refusalOfField('conflict', 'code', 'is not the one of the app that you have just set up; look at its clock, or begin again')
    await audit({ actor: actorOf(person), action: 'second_factor_changed', subject: actorOf(person), details: { on: true } })
    const answer: RecoveryCodes = { recovery_codes, account: await mine(person) }
    return c.json(answer)
  })

  routes.post('/api/v1/account/second-factor/removal', forPeople, async (c) => {
    const person = personOf(c)
    const { password_now, code } = await readJson(c, SecondFactorRemoval)
    await signIns.checkAgain(c, person, password_now, code)
    const account = await together(db, async (inside) => {
      await removeFactor(inside, person.account_id)
      await audit({ actor: actorOf(person), action: 'second_factor_changed', subject: actorOf(person), details: { on: false } }, inside)
      return mine(person, inside)
    })
    return c.json(account)
  })

  return routes
}

function personOf(c: Context<AppEnv>): Person {
  const { identity } = c.var
  if (identity.kind !== 'person') throw new Error('onlyFor let through somebody who is no person')
  return identity
}
