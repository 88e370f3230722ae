/**
 * The whole round through real HTTP: our server, a real OpenID provider (oidc-provider) and a browser that keeps cookies.
 * For tokens that no honest provider makes, a provider of our own that signs what it is told to.
 */
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { CryptoKey } from 'jose'
import { Provider } from 'oidc-provider'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { Session } from '#contract/people'
import { createApp } from '../app.ts'
import { LOGIN_CALLBACK, openSchoolLogin } from '../oidc.ts'
import type { SchoolLoginSettings } from '../oidc.ts'
import { byCookie, signedIn } from '../throwaway-people.ts'
import { startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

const CLIENT_ID = 'attendance'
const CLIENT_SECRET = 'a secret between the two, long enough'
/** Both sides go by the real clock: a provider has no other. */
const now = (): Date => new Date()

let school: ThrowawaySchool
const closing: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  school = await startThrowawaySchool(now)
})
afterAll(async () => {
  for (const close of closing.toReversed()) await close()
  await school.stop()
})

async function listening(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener)
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  closing.push(() => new Promise((closed) => server.close(closed).closeAllConnections()))
  return `http://localhost:${(server.address() as AddressInfo).port}`
}

/** A second server of the same school, with this login. */
async function serverWith(settings: (at: string) => Partial<SchoolLoginSettings> & { issuer: string }): Promise<string> {
  let app: ReturnType<typeof createApp> | undefined
  const server = serve({ fetch: (request, env) => app?.fetch(request, env as never) ?? new Response(null, { status: 503 }), port: 0, hostname: '127.0.0.1' })
  await new Promise<void>((ready) => void server.once('listening', ready))
  closing.push(() => new Promise((closed) => (server as Server).close(closed).closeAllConnections()))
  const at = `http://localhost:${(server.address() as AddressInfo).port}`
  const schoolLogin = openSchoolLogin(
    { clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, scopes: 'openid email profile', roleClaim: undefined, usernameClaim: undefined, redirectUri: at + LOGIN_CALLBACK, ...settings(at) },
    school.parts.schoolKey.derive('oidc-state'),
    now,
  )
  app = createApp({ ...school.parts, schoolLogin })
  return at
}

/** Keeps cookies by host and port, as little as a browser does; follows redirects as long as `until` does not say stop. */
function browser() {
  const jar = new Map<string, Map<string, string>>()
  async function go(url: string, init: RequestInit = {}): Promise<Response> {
    const { host } = new URL(url)
    const kept = jar.get(host) ?? new Map<string, string>()
    jar.set(host, kept)
    const headers = new Headers(init.headers)
    if (kept.size > 0) headers.set('cookie', [...kept].map(([name, value]) => `${name}=${value}`).join('; '))
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';', 1)
      const [name = '', ...value] = pair.split('=')
      if (/max-age=0|expires=thu, 01 jan 1970/i.test(line)) kept.delete(name)
      else kept.set(name, value.join('='))
    }
    return response
  }
  async function follow(url: string, until: (next: string) => boolean = () => false): Promise<{ at: string; response: Response }> {
    let at = url
    for (let hop = 0; hop < 20; hop++) {
      const response = await go(at)
      const location = response.headers.get('location')
      if (response.status < 300 || response.status > 399 || location === null) return { at, response }
      const next = new URL(location, at).href
      if (until(next)) return { at: next, response }
      at = next
    }
    throw new Error('the redirects do not end')
  }
  return { go, follow, cookies: (url: string) => jar.get(new URL(url).host) ?? new Map<string, string>() }
}

const isCallback = (url: string): boolean => new URL(url).pathname === LOGIN_CALLBACK
const faultOf = (url: string): string | null => new URL(url).searchParams.get('sign-in')

describe('the school\'s own login, a real provider', () => {
  let at: string
  let issuer: string
  const people: Record<string, Record<string, unknown>> = {
    maria: { email: 'maria@school.example', email_verified: true, roles: ['teacher'] },
    unverified: { email: 'nora@school.example', email_verified: false, roles: ['office'] },
    unsaid: { email: 'nora@school.example', roles: ['office'] },
    nora: { email: 'nora@school.example', email_verified: true, roles: ['teacher'] },
    stranger: { email: 'stranger@elsewhere.example', email_verified: true, roles: ['office'] },
    again: { email: 'maria@school.example', email_verified: true, roles: ['teacher'] },
    tom: { email: 'tom@school.example', email_verified: true, roles: ['staff', 'teacher'] },
    amina: { email: 'amina.yusuf@school.example', email_verified: true, roles: ['student'] },
  }
  const redirects: string[] = []

  beforeAll(async () => {
    let provider: Provider | undefined
    issuer = await listening((request, response) => void provider?.callback()(request, response))
    at = await serverWith((url) => {
      redirects.push(url + LOGIN_CALLBACK)
      return { issuer }
    })
    withRoles = await serverWith((url) => {
      redirects.push(url + LOGIN_CALLBACK)
      return { issuer, roleClaim: 'roles' }
    })
    provider = new Provider(issuer, {
      clients: [{ client_id: CLIENT_ID, client_secret: CLIENT_SECRET, redirect_uris: redirects, response_types: ['code'], grant_types: ['authorization_code'] }],
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['roles'] },
      pkce: { required: () => true },
      cookies: { keys: ['only of this test'] },
      ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
      findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...people[sub] }) }),
    })
    await signedIn(school, { username: 'maria', role: 'teacher', email: 'Maria@school.example', course_ids: ['CS101'] })
  })
  let withRoles: string

  /** Signs in at the provider's own pages. @returns the address that it sends the browser back to. */
  async function throughProvider(of: ReturnType<typeof browser>, base: string, login: string): Promise<string> {
    let { at: here, response } = await of.follow(`${base}/api/v1/school-login`, isCallback)
    for (let page = 0; page < 4 && !isCallback(here); page++) {
      const form = /action="([^"]+)"/.exec(await response.text())?.[1]
      if (form === undefined) throw new Error(`no form at ${here}`)
      const prompt = page === 0 ? 'login' : 'consent'
      const posted = await of.go(form, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ prompt, login, password: 'any' }) })
      ;({ at: here, response } = await of.follow(new URL(posted.headers.get('location') ?? '', form).href, isCallback))
    }
    return here
  }

  it('lets in who has an account here, by their verified address, with the cookie that signing in gives', async () => {
    const of = browser()
    const back = await throughProvider(of, at, 'maria')
    expect(new URL(back).searchParams.get('code')).toBeTruthy()
    const landed = await of.go(back)
    expect(landed.headers.get('location')).toBe('/office')
    expect(landed.headers.getSetCookie().find((line) => line.startsWith('fastrack_session='))).toMatch(/HttpOnly.*SameSite=Strict/)
    expect(of.cookies(at).has('fastrack_school_login')).toBe(false)
    expect(Session.parse(await (await of.go(`${at}/api/v1/session`)).json())).toEqual({ username: 'maria', role: 'teacher' })
    const [row] = await school.db.sql`SELECT details::json AS details FROM audit_log WHERE action = 'signed_in' AND subject = 'account:maria' ORDER BY seq DESC LIMIT 1`
    expect(row).toMatchObject({ details: { by: 'school_login' } })
  })

  it('asks for a code with PKCE, a state and a nonce, each time others, and the exact way back', async () => {
    const ask = async (): Promise<URLSearchParams> => new URL((await browser().go(`${at}/api/v1/school-login`)).headers.get('location') ?? '').searchParams
    const [one, two] = await Promise.all([ask(), ask()])
    expect(Object.fromEntries(one)).toMatchObject({ response_type: 'code', client_id: CLIENT_ID, redirect_uri: at + LOGIN_CALLBACK, code_challenge_method: 'S256' })
    for (const name of ['state', 'nonce', 'code_challenge']) {
      expect((one.get(name) ?? '').length).toBeGreaterThanOrEqual(43)
      expect(one.get(name)).not.toBe(two.get(name))
    }
  })

  it('keeps what it must remember sealed in a cookie that page scripts cannot read and that goes nowhere else', async () => {
    const [cookie = ''] = (await browser().go(`${at}/api/v1/school-login`)).headers.getSetCookie()
    expect(cookie).toMatch(/^fastrack_school_login=eyJ[\w.-]+; Max-Age=600; Path=\/api\/v1\/school-login; HttpOnly; SameSite=Lax$/)
  })

  it('knows somebody again by who they are there, not by an address that somebody else got since', async () => {
    const of = browser()
    expect(faultOf(new URL((await of.go(await throughProvider(of, at, 'again'))).headers.get('location') ?? '', at).href)).toBe('no_account')
    await school.db.sql`UPDATE accounts SET email = 'maria.married@school.example' WHERE username = 'maria'`
    const her = browser()
    expect((await her.go(await throughProvider(her, at, 'maria'))).headers.get('location')).toBe('/office')
  })

  it('lets in nobody without an account, with an address that is not verified, or with an account that is disabled', async () => {
    await signedIn(school, { username: 'lena', role: 'teacher', email: 'lena@school.example' })
    people['lena'] = { email: 'lena@school.example', email_verified: true, roles: ['teacher'] }
    await school.db.sql`UPDATE accounts SET disabled_at = now() WHERE username = 'lena'`
    await signedIn(school, { username: 'nora', role: 'teacher', email: 'nora@school.example' })
    for (const [login, fault] of [['stranger', 'no_account'], ['unverified', 'no_account'], ['unsaid', 'no_account'], ['lena', 'disabled']] as const) {
      const of = browser()
      const landed = await of.go(await throughProvider(of, at, login))
      expect(landed.headers.get('location'), login).toBe(`/office?sign-in=${fault}`)
      expect(of.cookies(at).has('fastrack_session'), login).toBe(false)
    }
    // The address leads to an account that is open: who has it verified gets in.
    const her = browser()
    expect((await her.go(await throughProvider(her, at, 'nora'))).headers.get('location')).toBe('/office')
  })

  it('makes accounts only where a claim says what people are, and never one of the office', async () => {
    const into = async (login: string): Promise<{ to: string | null; session: unknown }> => {
      const of = browser()
      const to = (await of.go(await throughProvider(of, withRoles, login))).headers.get('location')
      return { to, session: to === '/office' ? Session.parse(await (await of.go(`${withRoles}/api/v1/session`)).json()) : undefined }
    }
    expect(await into('tom')).toEqual({ to: '/office', session: { username: 'tom@school.example', role: 'teacher' } })
    expect(await into('amina')).toEqual({ to: '/office', session: { username: 'amina.yusuf@school.example', role: 'student', student_id: 'S001' } })
    expect(await into('stranger')).toEqual({ to: '/office?sign-in=no_account', session: undefined })
    expect((await school.db.sql`SELECT FROM accounts WHERE role = 'office'`).length).toBe(1)
    people['tom'] = { ...people['tom'], roles: ['staff'] }
    expect((await into('tom')).to).toBe('/office?sign-in=role')
  })

  it('refuses a state that is not the one that was sent, and a code that comes to another browser', async () => {
    const of = browser()
    const back = new URL(await throughProvider(of, at, 'maria'))
    back.searchParams.set('state', 'another')
    expect((await of.go(back.href)).headers.get('location')).toBe('/office?sign-in=refused')
    // The attempt is used up.
    expect((await of.go(back.href)).headers.get('location')).toBe('/office?sign-in=too_late')
    const attacker = browser()
    const stolen = await throughProvider(attacker, at, 'maria')
    const victim = browser()
    expect((await victim.go(stolen)).headers.get('location')).toBe('/office?sign-in=too_late')
    await victim.go(`${at}/api/v1/school-login`)
    expect((await victim.go(stolen)).headers.get('location')).toBe('/office?sign-in=refused')
    expect(victim.cookies(at).has('fastrack_session')).toBe(false)
  })

  it('refuses a code that was used already, and what the person declined', async () => {
    const of = browser()
    const back = await throughProvider(of, at, 'maria')
    const kept = of.cookies(at).get('fastrack_school_login') ?? ''
    expect((await of.go(back)).headers.get('location')).toBe('/office')
    const replayed = await fetch(back, { headers: { cookie: `fastrack_school_login=${kept}` }, redirect: 'manual' })
    expect(replayed.headers.get('location')).toBe('/office?sign-in=refused')
    const other = browser()
    const state = new URL((await other.go(`${at}/api/v1/school-login`)).headers.get('location') ?? '').searchParams.get('state') ?? ''
    expect((await other.go(`${at}${LOGIN_CALLBACK}?error=access_denied&state=${state}&iss=${encodeURIComponent(issuer)}`)).headers.get('location')).toBe('/office?sign-in=refused')
  })

  it('is not begun by another site\'s page', async () => {
    expect((await fetch(`${at}/api/v1/school-login`, { headers: { 'sec-fetch-site': 'cross-site' }, redirect: 'manual' })).status).toBe(403)
  })
})

describe('the school\'s own login', () => {
  it('is not there where none is set: the page shows no way to it', async () => {
    expect(await (await school.app.request('/api/v1/sign-in')).json()).toEqual({ school_login: false })
    expect((await school.app.request('/api/v1/school-login')).status).toBe(404)
    expect((await school.app.request(`${LOGIN_CALLBACK}?code=1&state=2`, byCookie(undefined))).status).toBe(404)
  })

  it('may be away: the server works, says so, and asks again the next time', async () => {
    let provider: RequestListener = (_, response) => void response.writeHead(503).end()
    const issuer = await listening((request, response) => provider(request, response))
    const at = await serverWith(() => ({ issuer }))
    expect(await (await fetch(`${at}/api/v1/sign-in`)).json()).toEqual({ school_login: true })
    expect((await browser().go(`${at}/api/v1/school-login`)).headers.get('location')).toBe('/office?sign-in=away')
    expect(school.events).toContainEqual(expect.objectContaining({ event: 'school_login_failed', why: 'away' }))
    const described = { issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`, response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['RS256'] }
    provider = (_, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(described))
    expect((await browser().go(`${at}/api/v1/school-login`)).headers.get('location')).toContain(`${issuer}/auth?`)
  })
})

it('the school\'s own login waits ten minutes for whom it sent away, and no longer', async () => {
  const issuer = await listening((_, response) => {
    const described = { issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`, response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['RS256'] }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(described))
  })
  let at = now()
  const settings = { issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, scopes: 'openid', roleClaim: undefined, usernameClaim: undefined, redirectUri: `http://localhost${LOGIN_CALLBACK}` }
  const login = openSchoolLogin(settings, school.parts.schoolKey.derive('oidc-state'), () => at)
  const { to, kept } = await login.begin()
  const declined = `?error=access_denied&state=${to.searchParams.get('state') ?? ''}`
  const begun = at.getTime()
  at = new Date(begun + 9.5 * 60_000)
  await expect(login.finish(declined, kept)).rejects.toMatchObject({ fault: 'refused' })
  at = new Date(begun + 10.5 * 60_000)
  await expect(login.finish(declined, kept)).rejects.toMatchObject({ fault: 'too_late' })
})

describe('an ID token that is not right', () => {
  let issuer: string
  let at: string
  let keys: { privateKey: CryptoKey; publicKey: CryptoKey }
  let others: { privateKey: CryptoKey; publicKey: CryptoKey }
  let make: (claims: Record<string, unknown>) => Promise<string>
  let nonce = ''

  beforeAll(async () => {
    keys = await generateKeyPair('RS256', { extractable: true })
    others = await generateKeyPair('RS256', { extractable: true })
    const listener: RequestListener = async (request, response) => {
      const send = (body: unknown): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      if (request.url?.startsWith('/.well-known')) {
        return send({ issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`, response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['RS256'] })
      }
      if (request.url === '/jwks') return send({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }] })
      const at = Math.floor(Date.now() / 1000)
      const id_token = await make({ iss: issuer, aud: CLIENT_ID, sub: 'eva', iat: at, exp: at + 300, nonce, email: 'eva@school.example', email_verified: true })
      return send({ access_token: 'x', token_type: 'Bearer', expires_in: 300, id_token })
    }
    issuer = await listening((request, response) => void listener(request, response))
    at = await serverWith(() => ({ issuer }))
    await signedIn(school, { username: 'eva', role: 'teacher', email: 'eva@school.example' })
  })

  const signed = (claims: Record<string, unknown>, { alg = 'RS256', key = keys.privateKey as CryptoKey | Uint8Array, kid = 'one' } = {}): Promise<string> => new SignJWT(claims).setProtectedHeader({ alg, kid }).sign(key)
  beforeEach(() => {
    make = (claims) => signed(claims)
  })

  async function landing(): Promise<string | null> {
    const of = browser()
    const sent = new URL((await of.go(`${at}/api/v1/school-login`)).headers.get('location') ?? '').searchParams
    nonce = sent.get('nonce') ?? ''
    const landed = await of.go(`${at}${LOGIN_CALLBACK}?code=any&state=${sent.get('state') ?? ''}`)
    expect(of.cookies(at).has('fastrack_session')).toBe(landed.headers.get('location') === '/office')
    return landed.headers.get('location')
  }

  it('differs from one that is right in one thing each, and is refused', async () => {
    expect(await landing()).toBe('/office')
    const past = Math.floor(Date.now() / 1000) - 3600
    const wrong: Record<string, (claims: Record<string, unknown>) => Promise<string>> = {
      'another nonce': (claims) => signed({ ...claims, nonce: 'another' }),
      'no nonce': (claims) => signed({ ...claims, nonce: undefined }),
      'another audience': (claims) => signed({ ...claims, aud: 'another' }),
      'another issuer': (claims) => signed({ ...claims, iss: 'https://login.evil.example' }),
      'expired': (claims) => signed({ ...claims, iat: past, exp: past + 60 }),
      'no expiry': (claims) => signed({ ...claims, exp: undefined }),
      'no subject': (claims) => signed({ ...claims, sub: undefined }),
      'another\'s key': (claims) => signed(claims, { key: others.privateKey }),
      'a key that is not the login\'s': (claims) => signed(claims, { key: others.privateKey, kid: 'two' }),
      'our secret as HMAC': (claims) => signed(claims, { alg: 'HS256', key: new TextEncoder().encode(CLIENT_SECRET) }),
      'no signature': async (claims) => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`,
      'another algorithm': async (claims) => signed(claims, { alg: 'PS256', key: (await generateKeyPair('PS256')).privateKey }),
    }
    for (const [what, token] of Object.entries(wrong)) {
      make = token
      expect(await landing(), what).toBe('/office?sign-in=refused')
    }
  })
})
