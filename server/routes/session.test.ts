import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Session } from '#contract/people'
import { createApp } from '../app.ts'
import { byCookie } from '../throwaway-people.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

let now = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => now)
})
afterAll(() => school.stop())

const PATH = '/api/v1/session'
const signIn = (username: string, password: string, headers: Record<string, string> = {}): Promise<Response> =>
  Promise.resolve(school.app.request(PATH, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify({ username, password }) }))
const withCookie = (cookie: string, method = 'GET', headers: Record<string, string> = {}): Promise<Response> => Promise.resolve(school.app.request(PATH, { method, headers: { cookie, ...headers } }))

async function cookieOf(response: Response): Promise<string> {
  expect(response.status).toBe(200)
  return (response.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? ''
}

/** Past the throttle's window. */
const later = (): void => void (now = new Date(now.getTime() + 61_000))

describe('signing in', () => {
  it('with the right password gives a cookie that scripts cannot read and other sites cannot send', async () => {
    const response = await signIn('office', school.officePassword)
    expect(Session.parse(await response.clone().json())).toEqual({ username: 'office', role: 'office' })
    expect(response.headers.get('set-cookie')).toMatch(/^fastrack_session=[\w-]{43};(?=.* HttpOnly)(?=.* SameSite=Strict)(?=.* Path=\/)(?!.* Secure)/)
    expect(await (await withCookie(await cookieOf(response))).json()).toEqual({ username: 'office', role: 'office' })
  })

  it('over TLS makes the cookie Secure', async () => {
    expect((await signIn('office', school.officePassword, { 'x-forwarded-proto': 'https' })).headers.get('set-cookie')).toContain('Secure')
  })

  it('where the school asks for it makes the cookie Secure whatever the proxy in front says', async () => {
    const app = createApp({ ...school.parts, secureCookies: true })
    const answer = await app.request(PATH, byCookie(undefined, 'POST', { username: 'office', password: school.officePassword }))
    expect(answer.headers.get('set-cookie')).toMatch(/^fastrack_session=.* Secure/)
  })

  it('with a wrong password or name is refused with the same words', async () => {
    later()
    const wrong = await signIn('office', 'not the password')
    const unknown = await signIn('nobody', 'not the password')
    expect([wrong.status, unknown.status]).toEqual([401, 401])
    expect(await wrong.json()).toEqual(await unknown.json())
    expect(wrong.headers.get('set-cookie')).toBeNull()
  })

  it('is slowed down after five faults, for that name alone, and works again later', async () => {
    later()
    for (let i = 0; i < 5; i++) expect((await signIn('office', 'guess')).status).toBe(401)
    const slowed = await signIn('office', school.officePassword)
    expect(slowed.status).toBe(429)
    expect(Number(slowed.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await signIn('nobody', 'guess')).status).toBe(401)
    later()
    expect((await signIn('office', school.officePassword)).status).toBe(200)
  })

  it('cannot be forced into by guessing many at once', async () => {
    later()
    const statuses = await Promise.all(Array.from({ length: 12 }, () => signIn('office', 'guess').then(({ status }) => status)))
    expect(statuses.filter((status) => status === 401)).toHaveLength(5)
    later()
  })

  it('from another site\'s page is refused', async () => {
    expect((await signIn('office', school.officePassword, { origin: 'https://evil.example', host: 'localhost' })).status).toBe(403)
    expect((await signIn('office', school.officePassword, { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await signIn('office', school.officePassword, { origin: 'https://school.example', host: 'school.example' })).status).toBe(200)
    expect((await signIn('office', school.officePassword, { 'sec-fetch-site': 'same-origin' })).status).toBe(200)
  })

  it('without a name or a password is refused by field', async () => {
    expect(await (await signIn('', '')).json()).toMatchObject({ code: 'invalid_request', errors: [{ field: 'username' }, { field: 'password' }] })
  })
})

describe('a session', () => {
  it('ends when the person signs out', async () => {
    const cookie = await cookieOf(await signIn('office', school.officePassword))
    const out = await withCookie(cookie, 'DELETE')
    expect(out.status).toBe(204)
    expect(out.headers.get('set-cookie')).toMatch(/^fastrack_session=;.*Max-Age=0/)
    expect((await withCookie(cookie)).status).toBe(401)
  })

  it('ends by itself after a school day', async () => {
    const cookie = await cookieOf(await signIn('office', school.officePassword))
    now = new Date(now.getTime() + 11 * 3_600_000)
    expect((await withCookie(cookie)).status).toBe(200)
    now = new Date(now.getTime() + 2 * 3_600_000)
    expect((await withCookie(cookie)).status).toBe(401)
  })

  it('does not make up for a wrong key, and a key is not a session', async () => {
    const cookie = await cookieOf(await signIn('office', school.officePassword))
    expect((await withCookie(cookie, 'GET', { authorization: 'Bearer wrong' })).status).toBe(401)
    expect((await withCookie(cookie, 'GET', { authorization: 'Basic b2ZmaWNl' })).status).toBe(401)
    expect((await school.app.request(PATH, asked(school.apiKey))).status).toBe(403)
  })

  it('cannot write from another site\'s page', async () => {
    const cookie = await cookieOf(await signIn('office', school.officePassword))
    expect((await withCookie(cookie, 'DELETE', { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await withCookie(cookie, 'DELETE', { origin: 'null' })).status).toBe(403)
    expect((await withCookie(cookie)).status).toBe(200)
  })

  it('that nobody opened is nobody\'s', async () => {
    for (const cookie of ['fastrack_session=', 'fastrack_session=guess', `fastrack_session=${'x'.repeat(4000)}`, 'other=1']) expect((await withCookie(cookie)).status).toBe(401)
  })
})
