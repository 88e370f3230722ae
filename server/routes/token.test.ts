import { generateKeyPairSync } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Token } from '#contract/account'
import { openSchoolKey } from '../school-key.ts'
import { byCookie, signedIn } from '../throwaway-people.ts'
import type { ThrowawayPerson } from '../throwaway-people.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'
import { issueToken, readToken } from '../token.ts'

const START = new Date('2026-11-23T09:20:00Z')
let now = START
let school: ThrowawaySchool
let teacher: ThrowawayPerson
const PASSWORD = 'a password of the teacher'
const [KEY, KEY_BEFORE] = [Buffer.alloc(32, 7).toString('base64url'), Buffer.alloc(32, 9).toString('base64url')]

beforeAll(async () => {
  school = await startThrowawaySchool(() => now, { schoolKey: openSchoolKey(KEY, KEY_BEFORE) })
  teacher = await signedIn(school, { username: 'maria', role: 'teacher', course_ids: ['CS101'], password: PASSWORD })
})
afterAll(() => school.stop())

const PATH = '/api/v1/token'
const forToken = async (init: RequestInit): Promise<Token> => {
  const response = await school.app.request(PATH, init)
  expect(response.status, await response.clone().text()).toBe(200)
  return Token.parse(await response.json())
}
const statusWith = async (token: string, path = '/api/v1/students'): Promise<number> => (await school.app.request(path, asked(token))).status
const tokensKey = (): Buffer => school.parts.schoolKey.derive('tokens')

describe('a token', () => {
  it('is given for a session, and lets its owner\'s program ask what they may', async () => {
    const { token, expires_at, role } = await forToken(byCookie(teacher.cookie, 'POST'))
    expect(role).toBe('teacher')
    expect(Date.parse(expires_at) - now.getTime()).toBe(15 * 60_000)
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'HS256', typ: 'at+jwt' })
    expect(decodeJwt(token)).toMatchObject({ iss: 'fastrackai', aud: 'fastrackai:api', sub: String(teacher.account_id), role: 'teacher' })
    expect(await statusWith(token)).toBe(200)
    expect(await statusWith(token, '/api/v1/attendance/course/CS101')).toBe(200)
    expect(await statusWith(token, '/api/v1/attendance/course/MA110')).toBe(403)
    expect(await statusWith(token, '/api/v1/accounts')).toBe(403)
  })

  it('is given for name and password, and refused for wrong ones', async () => {
    expect(await statusWith((await forToken(byCookie(undefined, 'POST', { username: 'maria', password: PASSWORD }))).token)).toBe(200)
    expect((await school.app.request(PATH, byCookie(undefined, 'POST', { username: 'maria', password: 'wrong' }))).status).toBe(401)
  })

  it('is not given for a token, a script or a device: it could renew itself', async () => {
    const { token } = await forToken(byCookie(teacher.cookie, 'POST'))
    for (const key of [token, school.apiKey, school.deviceKey]) expect((await school.app.request(PATH, { method: 'POST', headers: { authorization: `Bearer ${key}` } })).status).toBe(403)
  })

  it('is not fetched by another site\'s page', async () => {
    const { headers } = byCookie(teacher.cookie, 'POST')
    expect((await school.app.request(PATH, { method: 'POST', headers: { ...(headers as Record<string, string>), 'sec-fetch-site': 'cross-site' } })).status).toBe(403)
  })

  it('writes without a cookie, so another site\'s page could not make it', async () => {
    const { token } = await forToken(byCookie(teacher.cookie, 'POST'))
    const made = await school.app.request('/api/v1/account/second-factor', { ...asked(token, { password_now: PASSWORD }), headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'sec-fetch-site': 'cross-site' } })
    expect(made.status).toBe(200)
  })

  it('ends after a quarter of an hour', async () => {
    const { token } = await forToken(byCookie(teacher.cookie, 'POST'))
    now = new Date(START.getTime() + 14 * 60_000)
    expect(await statusWith(token)).toBe(200)
    now = new Date(START.getTime() + 15 * 60_000 + 1_000)
    expect(await statusWith(token)).toBe(401)
    now = START
  })

  it('ends with its account at the next request', async () => {
    const { token } = await forToken(byCookie(teacher.cookie, 'POST'))
    await school.db.sql`UPDATE accounts SET disabled_at = now() WHERE account_id = ${teacher.account_id}`
    expect(await statusWith(token)).toBe(401)
    await school.db.sql`UPDATE accounts SET disabled_at = NULL WHERE account_id = ${teacher.account_id}`
    expect(await statusWith(token)).toBe(200)
    await school.db.sql`UPDATE accounts SET epoch = epoch + 1 WHERE account_id = ${teacher.account_id}`
    expect(await statusWith(token)).toBe(401)
  })

  it('of the school\'s key before the present one counts until it ends', async () => {
    const [{ epoch = 0 } = {}] = await school.db.sql<{ epoch: number }[]>`SELECT epoch FROM accounts WHERE account_id = ${teacher.account_id}`
    const holder = { account_id: teacher.account_id, role: 'teacher', epoch } as const
    expect(await statusWith((await issueToken(openSchoolKey(KEY_BEFORE), holder, now)).token)).toBe(200)
    expect(await statusWith((await issueToken(openSchoolKey(Buffer.alloc(32, 1).toString('base64url')), holder, now)).token)).toBe(401)
  })
})

describe('a token that nobody gave', () => {
  const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const forge = (claims: Record<string, unknown>, { alg = 'HS256', typ = 'at+jwt', key = tokensKey() } = {}): Promise<string> =>
    new SignJWT({ iss: 'fastrackai', aud: 'fastrackai:api', sub: String(teacher.account_id), role: 'teacher', epoch: 0, iat: now.getTime() / 1000, exp: now.getTime() / 1000 + 600, ...claims })
      .setProtectedHeader({ alg, typ })
      .sign(key)
  const read = (token: string): Promise<unknown> => readToken(school.parts.schoolKey, token, now)

  it('is refused whatever is wrong with it', async () => {
    // What the others differ from in one thing each.
    expect(await read(await forge({}))).toEqual({ account_id: teacher.account_id, role: 'teacher', epoch: 0 })
    const wrong: Record<string, string> = {
      'another issuer': await forge({ iss: 'somebody' }),
      'another audience': await forge({ aud: 'fastrackai:school-login' }),
      'no expiry': await forge({ exp: undefined }),
      'expired': await forge({ exp: now.getTime() / 1000 - 1 }),
      'longer than any': await forge({ iat: now.getTime() / 1000 - 3600, exp: now.getTime() / 1000 + 3600 }),
      'no subject': await forge({ sub: undefined }),
      'a subject that is no account': await forge({ sub: '1 OR 1=1' }),
      'a role that is none': await forge({ role: 'king' }),
      'no epoch': await forge({ epoch: undefined }),
      'another kind of token': await forge({}, { typ: 'JWT' }),
      'another key': await forge({}, { key: Buffer.alloc(32) }),
      'another HMAC': await forge({}, { alg: 'HS512', key: Buffer.concat([tokensKey(), tokensKey()]) }),
    }
    const good = await forge({})
    const [head = '', body = '', signature = ''] = good.split('.')
    const claims = decodeJwt(good)
    wrong['no algorithm'] = `${base64({ alg: 'none', typ: 'at+jwt' })}.${body}.`
    wrong['no algorithm, in other letters'] = `${base64({ alg: 'nOnE', typ: 'at+jwt' })}.${body}.${signature}`
    wrong['no signature'] = `${head}.${body}.`
    wrong['other claims under the signature'] = `${head}.${base64({ ...claims, role: 'office' })}.${signature}`
    wrong['a signature with one bit turned'] = `${head}.${body}.${(signature.startsWith('A') ? 'B' : 'A') + signature.slice(1)}`
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    wrong['RSA'] = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', typ: 'at+jwt' }).sign(rsa.privateKey)
    wrong['RSA in name, with our key as HMAC'] = `${base64({ alg: 'RS256', typ: 'at+jwt' })}.${body}.${signature}`
    wrong['a key of its own in the header'] = `${base64({ alg: 'HS256', typ: 'at+jwt', jwk: { kty: 'oct', k: 'AAAA' } })}.${body}.${signature}`
    for (const [what, token] of Object.entries(wrong)) {
      expect(await read(token), what).toBeUndefined()
      expect(await statusWith(token), what).toBe(401)
    }
  })

  it('with a role that the account does not have is refused', async () => {
    const [{ epoch = 0 } = {}] = await school.db.sql<{ epoch: number }[]>`SELECT epoch FROM accounts WHERE account_id = ${teacher.account_id}`
    expect(await statusWith(await forge({ epoch }))).toBe(200)
    expect(await statusWith(await forge({ epoch, role: 'office' }))).toBe(401)
    expect(await statusWith(await forge({ epoch: epoch + 1 }))).toBe(401)
  })
})
