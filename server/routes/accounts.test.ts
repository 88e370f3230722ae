import { randomBytes } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Account, Accounts, NewAccount, RecoveryCodes, SecondFactorStart } from '#contract/account'
import { Problem } from '#contract/problem'
import { openSchoolKey } from '../school-key.ts'
import type { SchoolKey } from '../school-key.ts'
import { openSecondFactors, resealSecondFactors } from '../second-factor.ts'
import { byCookie, signedIn } from '../throwaway-people.ts'
import type { ThrowawayPerson } from '../throwaway-people.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

let now = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool
let office: ThrowawayPerson

beforeAll(async () => {
  school = await startThrowawaySchool(() => now)
  office = await signedIn(school, { username: 'second-office', role: 'office', password: 'the second office' })
})
afterAll(() => school.stop())

/** Past every throttle's window. */
const later = (): void => void (now = new Date(now.getTime() + 16 * 60_000))

const ask = (path: string, method = 'GET', body?: unknown, cookie: string | undefined = office.cookie): Promise<Response> => Promise.resolve(school.app.request(`/api/v1${path}`, byCookie(cookie, method, body)))
const problemOf = async (response: Response): Promise<Problem> => Problem.parse(await response.json())
const signIn = (username: string, password: string, code?: string): Promise<Response> => ask('/session', 'POST', { username, password, ...(code === undefined ? {} : { code }) }, undefined)
const cookieOf = (response: Response): string => (response.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? ''

async function make(body: Record<string, unknown>): Promise<{ password: string; account: Account }> {
  const response = await ask('/accounts', 'POST', body)
  expect(response.status, await response.clone().text()).toBe(201)
  const { password, account } = NewAccount.parse(await response.json())
  return { password: password ?? '', account }
}

describe('the office', () => {
  it('makes a teacher\'s account with a password that is told once, and the teacher gets in', async () => {
    const { password, account } = await make({ username: 'maria', role: 'teacher', course_ids: ['CS101', 'MU140'], email: 'maria@school.example' })
    expect(account).toMatchObject({ username: 'maria', role: 'teacher', course_ids: ['CS101', 'MU140'], email: 'maria@school.example', has_password: true, second_factor: false, disabled_at: null })
    expect((await signIn('maria', password)).status).toBe(200)
    const list = Accounts.parse(await (await ask('/accounts')).json())
    expect(list.accounts.map(({ username }) => username)).toEqual(['maria', 'office', 'second-office'])
    expect(list.accounts[0]?.sessions).toBe(1)
    expect(JSON.stringify(list)).not.toContain(password)
    expect(JSON.stringify(list)).not.toContain('argon2')
  })

  it('makes a student\'s account for a student of the school, once', async () => {
    const { account } = await make({ username: 'amina', role: 'student', student_id: 'S001' })
    expect(account.student_id).toBe('S001')
    expect(await problemOf(await ask('/accounts', 'POST', { username: 'amina2', role: 'student', student_id: 'S001' }))).toMatchObject({ code: 'conflict', errors: [{ field: 'student_id' }] })
    expect(await problemOf(await ask('/accounts', 'POST', { username: 'nobody', role: 'student', student_id: 'S999' }))).toMatchObject({ code: 'invalid_request', errors: [{ field: 'student_id' }] })
  })

  it('is told by field what does not fit', async () => {
    const faults = async (body: unknown): Promise<(string | undefined)[]> => ((await problemOf(await ask('/accounts', 'POST', body))).errors ?? []).map(({ field }) => field)
    expect(await faults({ username: 'a b', role: 'teacher' })).toEqual(['username'])
    expect(await faults({ username: 'x', role: 'king' })).toEqual(['role'])
    expect(await faults({ username: 'x', role: 'student' })).toEqual(['student_id'])
    expect(await faults({ username: 'x', role: 'office', student_id: 'S002' })).toEqual(['student_id'])
    expect(await faults({ username: 'x', role: 'privacy', course_ids: ['CS101'] })).toEqual(['course_ids'])
    expect(await faults({ username: 'x', role: 'teacher', course_ids: ['CS101', 'NONE'] })).toEqual(['course_ids[1]'])
    expect(await faults({ username: 'x', role: 'teacher', email: 'no address' })).toEqual(['email'])
    expect(await faults({ username: 'MARIA', role: 'teacher' })).toEqual(['username'])
    expect(await faults({ username: 'x', role: 'teacher', email: 'Maria@School.example' })).toEqual(['email'])
  })

  it('disables an account: its session ends at the next request, and it can sign in no more until it is enabled', async () => {
    const { password, account } = await make({ username: 'tom', role: 'teacher' })
    const cookie = cookieOf(await signIn('tom', password))
    expect((await ask('/session', 'GET', undefined, cookie)).status).toBe(200)
    const disabled = Account.parse(await (await ask(`/accounts/${account.account_id}`, 'PUT', { role: 'teacher', disabled: true })).json())
    expect(disabled).toMatchObject({ disabled_at: now.toISOString(), sessions: 0 })
    expect((await ask('/session', 'GET', undefined, cookie)).status).toBe(401)
    expect((await signIn('tom', password)).status).toBe(401)
    await ask(`/accounts/${account.account_id}`, 'PUT', { role: 'teacher', disabled: false })
    expect((await ask('/session', 'GET', undefined, cookie)).status).toBe(401)
    expect((await signIn('tom', password)).status).toBe(200)
  })

  it('gives a new password and ends sessions', async () => {
    const { password, account } = await make({ username: 'ida', role: 'privacy' })
    const cookie = cookieOf(await signIn('ida', password))
    const given = NewAccount.parse(await (await ask(`/accounts/${account.account_id}/password`, 'POST', {})).json())
    expect((await ask('/session', 'GET', undefined, cookie)).status).toBe(401)
    expect((await signIn('ida', password)).status).toBe(401)
    const again = await signIn('ida', given.password ?? '')
    expect(again.status).toBe(200)
    expect((await ask(`/accounts/${account.account_id}/sessions`, 'DELETE')).status).toBe(200)
    expect((await ask('/session', 'GET', undefined, cookieOf(again))).status).toBe(401)
  })

  it('cannot disable the last account of the office, nor give it another role, not by two at once either', async () => {
    const { accounts } = Accounts.parse(await (await ask('/accounts')).json())
    const offices = accounts.filter(({ role }) => role === 'office')
    expect(offices).toHaveLength(2)
    const statuses = await Promise.all(offices.map(({ account_id }) => ask(`/accounts/${account_id}`, 'PUT', { role: 'office', disabled: true }).then(({ status }) => status)))
    // Whoever is disabled first may be who asks: then the other one's request is nobody's any more.
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    const left = (await school.db.sql<{ account_id: number }[]>`SELECT account_id FROM accounts WHERE role = 'office' AND disabled_at IS NULL`)[0]
    expect(left).toBeDefined()
    await school.db.sql`UPDATE accounts SET disabled_at = NULL WHERE username = 'second-office'`
    await school.db.sql`UPDATE accounts SET disabled_at = now() WHERE username = 'office'`
    office = { ...office, cookie: cookieOf(await signIn('second-office', 'the second office')) }
    expect(await problemOf(await ask(`/accounts/${office.account_id}`, 'PUT', { role: 'office', disabled: true }))).toMatchObject({ code: 'conflict' })
    expect(await problemOf(await ask(`/accounts/${office.account_id}`, 'PUT', { role: 'teacher', disabled: false }))).toMatchObject({ code: 'conflict' })
    await school.db.sql`UPDATE accounts SET disabled_at = NULL WHERE username = 'office'`
  })

  it('alone keeps the accounts: not a script, not a teacher, not the privacy officer', async () => {
    expect((await school.app.request('/api/v1/accounts', asked(school.apiKey))).status).toBe(403)
    for (const role of ['teacher', 'privacy'] as const) {
      const person = await signedIn(school, { username: `a-${role}`, role })
      expect((await ask('/accounts', 'GET', undefined, person.cookie)).status).toBe(403)
      expect((await ask('/accounts', 'POST', { username: 'mine', role: 'office' }, person.cookie)).status).toBe(403)
    }
  })

  it('leaves on record who made and changed what, without a password', async () => {
    const rows = await school.db.sql<{ action: string; actor: string; subject: string; details: unknown }[]>`SELECT action, actor, subject, details FROM audit_log ORDER BY seq`
    expect(rows).toContainEqual(expect.objectContaining({ action: 'account_made', actor: 'account:second-office', subject: 'account:maria' }))
    expect(rows).toContainEqual(expect.objectContaining({ action: 'signed_in', subject: 'account:maria' }))
    expect(rows).toContainEqual(expect.objectContaining({ action: 'sign_in_failed', subject: 'account:tom' }))
  })
})

describe('one\'s own account', () => {
  it('changes its password with the old one, which ends every other session', async () => {
    later()
    const me = await signedIn(school, { username: 'nina', role: 'teacher', password: 'as it was before' })
    const elsewhere = cookieOf(await signIn('nina', 'as it was before'))
    const change = (password_now: string, password: string): Promise<Response> => ask('/account/password', 'PUT', { password_now, password }, me.cookie)
    expect(await problemOf(await change('wrong', 'a new password'))).toMatchObject({ code: 'invalid_request', errors: [{ field: 'password_now' }] })
    expect(await problemOf(await change('as it was before', 'short'))).toMatchObject({ errors: [{ field: 'password' }] })
    expect(await problemOf(await change('as it was before', 'aaaaaaaaaaaaaa'))).toMatchObject({ errors: [{ field: 'password' }] })
    expect(await problemOf(await change('as it was before', 'my name is Nina'))).toMatchObject({ errors: [{ field: 'password' }] })
    expect((await change('as it was before', 'a new password')).status).toBe(200)
    expect((await ask('/session', 'GET', undefined, elsewhere)).status).toBe(401)
    expect((await ask('/session', 'GET', undefined, me.cookie)).status).toBe(200)
    expect((await signIn('nina', 'a new password')).status).toBe(200)
    expect((await signIn('nina', 'as it was before')).status).toBe(401)
  })

  it('is not changed by guessing the old password', async () => {
    later()
    const me = await signedIn(school, { username: 'olga', role: 'teacher', password: 'a password of olga' })
    const statuses: number[] = []
    for (let i = 0; i < 7; i++) statuses.push((await ask('/account/password', 'PUT', { password_now: `guess ${i}`, password: 'something else' }, me.cookie)).status)
    expect(statuses).toEqual([422, 422, 422, 422, 422, 429, 429])
  })
})

describe('a second factor', () => {
  const codeAt = (secret: string, at: Date): string => new TOTP({ secret: Secret.fromBase32(secret), algorithm: 'SHA1', digits: 6, period: 30 }).generate({ timestamp: at.getTime() })

  async function withFactor(username: string): Promise<{ me: ThrowawayPerson; password: string; secret: string; recovery_codes: string[] }> {
    later()
    const password = `the password of ${username.length}`
    const me = await signedIn(school, { username, role: 'privacy', password })
    const { secret, uri } = SecondFactorStart.parse(await (await ask('/account/second-factor', 'POST', { password_now: password }, me.cookie)).json())
    expect(uri).toMatch(/^otpauth:\/\/totp\/FastrackAI:/)
    const wrong = await ask('/account/second-factor', 'PUT', { code: '000000' }, me.cookie)
    expect(wrong.status).toBe(409)
    const { recovery_codes, account } = RecoveryCodes.parse(await (await ask('/account/second-factor', 'PUT', { code: codeAt(secret, now) }, me.cookie)).json())
    expect(account).toMatchObject({ second_factor: true, recovery_codes_left: 10 })
    return { me, password, secret, recovery_codes }
  }

  it('is asked for once the password is right, and no code is taken twice', async () => {
    const { password, secret } = await withFactor('paula')
    now = new Date(now.getTime() + 60_000)
    expect(await problemOf(await signIn('paula', password))).toMatchObject({ code: 'second_factor', status: 401 })
    expect(await problemOf(await signIn('paula', 'wrong', codeAt(secret, now)))).toMatchObject({ code: 'unauthorized' })
    const code = codeAt(secret, now)
    const [first, second] = await Promise.all([signIn('paula', password, code), signIn('paula', password, code)])
    expect([first.status, second.status].sort()).toEqual([200, 401])
    expect((await signIn('paula', password, code)).status).toBe(401)
    // Nor an older one, which nobody used.
    expect((await signIn('paula', password, codeAt(secret, new Date(now.getTime() - 30_000)))).status).toBe(401)
    now = new Date(now.getTime() + 30_000)
    expect((await signIn('paula', password, codeAt(secret, now))).status).toBe(200)
  })

  it('is taken from a phone whose clock is one code off, either way, and no further', async () => {
    const { password, secret } = await withFactor('olivia')
    later()
    const withClockOff = async (seconds: number): Promise<number> => (await signIn('olivia', password, codeAt(secret, new Date(now.getTime() + seconds * 1000)))).status
    expect([await withClockOff(-60), await withClockOff(60)]).toEqual([401, 401])
    expect([await withClockOff(-30), await withClockOff(30)]).toEqual([200, 200])
  })

  it('takes the code that confirmed it once more for nothing', async () => {
    const { password, secret } = await withFactor('petra')
    expect((await signIn('petra', password, codeAt(secret, now))).status).toBe(401)
  })

  it('may be stood in for by each recovery code, once, however it is typed', async () => {
    const { password, recovery_codes } = await withFactor('quentin')
    const [one = '', two = ''] = recovery_codes
    expect(one).toMatch(/^[a-z2-9]{4}(-[a-z2-9]{4}){3}$/)
    expect((await signIn('quentin', password, one)).status).toBe(200)
    expect((await signIn('quentin', password, one)).status).toBe(401)
    expect((await signIn('quentin', password, ` ${two.toUpperCase().replaceAll('-', ' ')}`)).status).toBe(200)
    expect((await school.db.sql`SELECT code_sha256::text AS text FROM account_recovery_codes`).map(({ text }) => String(text)).join()).not.toContain(one)
  })

  it('is not guessed: after ten wrong codes in a quarter of an hour the right one waits, too', async () => {
    const { password, secret } = await withFactor('rosa')
    const statuses: number[] = []
    for (let minute = 0; minute < 3; minute++) {
      now = new Date(now.getTime() + 61_000)
      for (let i = 0; i < 5; i++) statuses.push((await signIn('rosa', password, '123456')).status)
    }
    expect(statuses.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 401))
    expect(statuses.slice(10)).toEqual(Array.from({ length: 5 }, () => 429))
    now = new Date(now.getTime() + 61_000)
    expect((await signIn('rosa', password, codeAt(secret, now))).status).toBe(429)
    later()
    expect((await signIn('rosa', password, codeAt(secret, now))).status).toBe(200)
  })

  it('is sealed in the record, and of no use in another account\'s row', async () => {
    const { me, password, secret } = await withFactor('sven')
    const [row] = await school.db.sql<{ sealed: Buffer }[]>`SELECT totp_sealed AS sealed FROM accounts WHERE account_id = ${me.account_id}`
    expect(row?.sealed.includes(Buffer.from(Secret.fromBase32(secret).buffer))).toBe(false)
    const other = await signedIn(school, { username: 'tilda', role: 'teacher', password })
    await school.db.sql`UPDATE accounts SET totp_sealed = ${row?.sealed ?? null} WHERE account_id = ${other.account_id}`
    now = new Date(now.getTime() + 60_000)
    expect(await problemOf(await signIn('tilda', password, codeAt(secret, now)))).toMatchObject({ code: 'second_factor' })
    expect(school.events).toContainEqual({ event: 'second_factor_not_opened', account_id: other.account_id })
  })

  it('outlives a change of the school\'s key, sealed anew under the new one', async () => {
    const { me, secret } = await withFactor('wilma')
    const [before, after] = [school.parts.schoolKey, openSchoolKey(randomBytes(32).toString('base64url'))]
    const changing = { derive: after.derive, deriveBefore: before.derive }
    const sealed = async (): Promise<Buffer> => (await school.db.sql<{ sealed: Buffer }[]>`SELECT totp_sealed AS sealed FROM accounts WHERE account_id = ${me.account_id}`)[0]?.sealed ?? Buffer.alloc(0)
    const isRight = async (key: SchoolKey): Promise<boolean> => {
      now = new Date(now.getTime() + 60_000)
      return openSecondFactors(school.db, key, () => {}).isRight(me.account_id, await sealed(), codeAt(secret, now), now)
    }
    expect(await isRight(changing)).toBe(true)
    expect(await isRight(after)).toBe(false)
    expect(await resealSecondFactors(school.db, changing)).toBeGreaterThan(0)
    expect(await resealSecondFactors(school.db, changing)).toBe(0)
    expect([await isRight(after), await isRight(before)]).toEqual([true, false])
  })

  it('is removed by its owner with password and code, and by the office without', async () => {
    const { me, password, recovery_codes } = await withFactor('ulla')
    const remove = (code: string, password_now = password): Promise<Response> => ask('/account/second-factor/removal', 'POST', { password_now, code }, me.cookie)
    expect(await problemOf(await remove('000000'))).toMatchObject({ errors: [{ field: 'code' }] })
    expect(await problemOf(await remove(recovery_codes[0] ?? '', 'wrong'))).toMatchObject({ errors: [{ field: 'password_now' }] })
    expect(Account.parse(await (await remove(recovery_codes[0] ?? '')).json())).toMatchObject({ second_factor: false, recovery_codes_left: 0 })
    expect((await signIn('ulla', password)).status).toBe(200)
    const lost = await withFactor('vera')
    expect((await ask(`/accounts/${lost.me.account_id}/second-factor`, 'DELETE')).status).toBe(200)
    expect((await ask('/session', 'GET', undefined, lost.me.cookie)).status).toBe(401)
    expect((await signIn('vera', lost.password)).status).toBe(200)
  })
})
