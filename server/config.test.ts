import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { modelIds } from '#contract/model'
import { ConfigRefused, readConfig } from './config.ts'
import type { Role } from './config.ts'

function faults(environment: Record<string, string>, role: Role = 'start'): string[] {
  try {
    readConfig(role, environment)
    return []
  } catch (error) {
    if (error instanceof ConfigRefused) return error.lines
    throw error
  }
}

describe('the environment', () => {
  it('needs nothing set', () => {
    expect(readConfig('start', {})).toMatchObject({ port: 8000, dataDir: './data', databaseUrl: undefined, apiKey: undefined, settings: { debounce_seconds: 30 }, timeZoneGiven: false })
  })

  it('takes an empty value for one that is not set, as compose files pass them on', () => {
    expect(readConfig('start', { PORT: '', API_KEY: ' ', DATABASE_URL: '' })).toEqual(readConfig('start', {}))
  })

  it('hands the kiosks the settings it was given', () => {
    expect(readConfig('start', { FALSE_ACCEPT_BUDGET: '.01', RECOGNITION_THRESHOLD: '.7', DEBOUNCE_SECONDS: '5.5', FRAME_SKIP: '2', CAMERA_FPS: '30' }).settings).toEqual({
      false_accept_budget: 0.01,
      score_floor: 0.7,
      recognition_threshold: 0.7,
      debounce_seconds: 5.5,
      frame_skip: 2,
      camera_fps: 30,
    })
  })

  it('names every faulty variable at once, one line each, with what it got and what it must be', () => {
    const lines = faults({ PORT: 'eighty', TIME_ZONE: 'Mars/Olympus', RECOGNITION_THRESHOLD: '7', FRAME_SKIP: '-1', CAMERA_FPS: '0' })
    expect(lines).toEqual([
      'PORT="eighty" must be a whole number from 1 to 65535 (or 0 for any free port)',
      'TIME_ZONE="Mars/Olympus" must be an IANA time zone such as Europe/Stockholm',
      'RECOGNITION_THRESHOLD="7" must be a number from 0 to 1',
      'FRAME_SKIP="-1" must be a whole number from 0 to 60',
      'CAMERA_FPS="0" must be a whole number from 1 to 60',
    ])
  })

  it('takes a model that this version can load, by its whole id, and refuses any other with the list of them', () => {
    expect(readConfig('start', {}).model).toBe('mobilefacenet-192-r1')
    for (const model of modelIds) expect(readConfig('start', { MODEL: model }).model).toBe(model)
    const refusal = (value: string): string => `MODEL=${JSON.stringify(value)} must be one of mobilefacenet-192-r1, faceres-1024-r1`
    for (const value of ['faceres', 'mobilefacenet-192-r2', 'MOBILEFACENET-192-R1', '__proto__']) expect(faults({ MODEL: value })).toEqual([refusal(value)])
  })

  it('sets a threshold for each model that it was not given one for', () => {
    for (const model of modelIds) expect(readConfig('start', { MODEL: model, RECOGNITION_THRESHOLD: '0.71' }).settings.recognition_threshold).toBe(0.71)
    const [one, other] = modelIds.map((model) => readConfig('start', { MODEL: model }).settings.recognition_threshold)
    expect(one).not.toBe(other)
  })

  it('leaves to an app that knows no budget, and to a check of one face against one student, a threshold well above the floor under the budget', () => {
    for (const model of modelIds) {
      const { recognition_threshold, score_floor } = readConfig('start', { MODEL: model }).settings
      expect(recognition_threshold).toBeGreaterThan(score_floor)
    }
    expect(readConfig('start', {}).settings.recognition_threshold).toBe(0.65)
  })

  it('never prints a secret, however wrong it is', () => {
    const secret = fc.string({ minLength: 4, maxLength: 20, unit: fc.constantFrom(...'qwxz#$') })
    fc.assert(
      fc.property(secret, (value) => {
        const lines = faults({ API_KEY: value, OFFICE_PASSWORD: value.slice(0, 7), DATABASE_URL: `mysql://school:${value}@db/school`, REDIS_URL: `http://:${value}@redis`, PORT: 'x' })
        expect(lines).toHaveLength(5)
        for (const line of lines) expect(line).not.toContain(value)
        expect(lines.map((line) => /^[A-Z_]+/.exec(line)?.[0])).toEqual(['PORT', 'DATABASE_URL', 'REDIS_URL', 'API_KEY', 'OFFICE_PASSWORD'])
      }),
    )
  })

  it('takes numbers only as plain decimals', () => {
    for (const value of ['0x50', '1e3', '80.5', '+80', ' 80 80', '70000', '９０']) expect(faults({ PORT: value }), value).toHaveLength(1)
    for (const value of ['NaN', 'Infinity', '.', '1.', '-0.5', '1,5']) expect(faults({ RECOGNITION_THRESHOLD: value }), value).toHaveLength(1)
  })

  it('limits requests unless it is told not to, and believes no proxy unless it is told which', () => {
    expect(readConfig('start', {})).toMatchObject({ rateLimitPerMinute: 100, trustedProxies: undefined })
    expect(readConfig('start', { RATE_LIMIT_PER_MINUTE: '0' }).rateLimitPerMinute).toBe(0)
    const { trustedProxies } = readConfig('start', { TRUSTED_PROXIES: '127.0.0.1, 10.0.0.0/8, fd00::/8' })
    expect([trustedProxies?.check('10.9.8.7', 'ipv4'), trustedProxies?.check('11.0.0.1', 'ipv4'), trustedProxies?.check('fd00::1', 'ipv6')]).toEqual([true, false, true])
    for (const list of ['caddy', '10.0.0.0/33', '*', '10.0.0.1,,']) expect(faults({ TRUSTED_PROXIES: list }), list).toEqual([expect.stringMatching(/^TRUSTED_PROXIES=.* must be addresses or networks/)])
    expect(faults({ RATE_LIMIT_PER_MINUTE: '-1' })).toHaveLength(1)
  })

  it('refuses a time zone given as an offset, which PostgreSQL reads the other way round', () => {
    expect(faults({ TIME_ZONE: '+02:00' })).toHaveLength(1)
    expect(readConfig('start', { TIME_ZONE: 'Asia/Kolkata' })).toMatchObject({ timeZone: 'Asia/Kolkata', timeZoneGiven: true })
  })
})

describe('a process among several', () => {
  const shared = { DATABASE_URL: 'postgres://school:secret@db/school', REDIS_URL: 'rediss://:secret@redis:6380', API_KEY: 'k'.repeat(32), SCHOOL_KEY: 's'.repeat(43) }

  it('names what it must share with the others and was not given, together with every other fault', () => {
    const names = (role: Role, environment: Record<string, string> = {}): unknown[] => faults(environment, role).map((line) => /^[A-Z_]+/.exec(line)?.[0])
    expect(names('start')).toEqual([])
    expect(names('serve')).toEqual(['DATABASE_URL', 'API_KEY', 'SCHOOL_KEY'])
    expect(names('record')).toEqual(['DATABASE_URL', 'REDIS_URL'])
    expect(names('serve', { DATABASE_URL: 'mysql://u@h/d', PORT: 'x' })).toEqual(['PORT', 'DATABASE_URL', 'API_KEY', 'SCHOOL_KEY'])
    expect(names('serve', { ...shared, API_KEY: ' ' })).toEqual(['API_KEY'])
    for (const role of ['start', 'serve', 'record'] as const) expect(names(role, shared)).toEqual([])
  })

  it('listens as a recorder only where it was told a port, and waits for a proxy only as a server', () => {
    expect(readConfig('record', shared)).toMatchObject({ portGiven: false, stopGraceSeconds: 0 })
    expect(readConfig('record', { ...shared, PORT: '9000' })).toMatchObject({ portGiven: true, port: 9000 })
    expect([readConfig('start', {}).stopGraceSeconds, readConfig('serve', shared).stopGraceSeconds, readConfig('serve', { ...shared, STOP_GRACE_SECONDS: '0' }).stopGraceSeconds]).toEqual([0, 5, 0])
  })
})

describe('the secrets', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fastrackai-config-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const file = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  const key = (): string => randomBytes(32).toString('base64url')

  it('may each lie in a file, as container platforms hand them over, with or without a line break at the end', () => {
    const [api, school, before] = [key(), key(), key()]
    const config = readConfig('serve', {
      DATABASE_URL_FILE: file('url', 'postgres://u:p@h/d\n'), REDIS_URL_FILE: file('redis', 'redis://h'), API_KEY_FILE: file('api', api),
      SCHOOL_KEY_FILE: file('school', `${school}\r\n`), SCHOOL_KEY_BEFORE_FILE: file('before', `${before}\n`), OFFICE_PASSWORD_FILE: file('office', 'a long word'),
    })
    expect(config).toMatchObject({ databaseUrl: 'postgres://u:p@h/d', redisUrl: 'redis://h', apiKey: api, schoolKey: school, schoolKeyBefore: before, officePassword: 'a long word' })
  })

  it('are refused where their file is missing, empty, or stands beside the variable, with one line each and without a byte of what it holds', () => {
    const lines = faults({ API_KEY_FILE: join(folder, 'nowhere'), SCHOOL_KEY_FILE: file('empty', '\n'), OFFICE_PASSWORD: 'one-password', OFFICE_PASSWORD_FILE: file('two', 'two-password') })
    expect(lines).toEqual([
      `API_KEY_FILE="${join(folder, 'nowhere')}" cannot be read (ENOENT); it must be a file that this user may read`,
      `SCHOOL_KEY_FILE="${join(folder, 'empty')}" is empty; it must hold the secret and nothing else`,
      'OFFICE_PASSWORD_FILE and OFFICE_PASSWORD are both set; keep one',
    ])
  })

  it('hold a school key of 256 bits and nothing shorter', () => {
    expect(faults({ SCHOOL_KEY: 'short' })).toEqual([expect.stringMatching(/^SCHOOL_KEY \(5 characters, not shown\) must be 256 bits in base64url, 43 characters/)])
    expect(readConfig('start', { SCHOOL_KEY: key() }).schoolKey).toHaveLength(43)
  })

  it('are refused in production where they could be guessed or stand for each other, and only there', () => {
    const guessed = { API_KEY: 'k'.repeat(40), SCHOOL_KEY: 'ab'.repeat(22).slice(0, 43), OFFICE_PASSWORD: 'Password123', DATABASE_URL: 'postgres://school:postgres@db/school', REDIS_URL: 'redis://redis:6379' }
    expect(faults(guessed)).toEqual([])
    const lines = faults({ ...guessed, NODE_ENV: 'production' })
    expect(lines.map((line) => line.replace(/ \(?`.*/, ''))).toEqual([
      'API_KEY is too easily guessed for production; set a random one',
      'SCHOOL_KEY is too easily guessed for production; set a random one',
      'OFFICE_PASSWORD is too easily guessed for production; set a random one',
      "DATABASE_URL's password is too easily guessed for production; give it a random one",
      'REDIS_URL has no password; in production Redis must ask for one',
    ])
    const one = key()
    expect(faults({ API_KEY: one, SCHOOL_KEY: one, NODE_ENV: 'production' })).toEqual(['SCHOOL_KEY is the same as API_KEY; each secret must be its own'])
    expect(faults({ API_KEY: key(), SCHOOL_KEY: key(), OFFICE_PASSWORD: 'hare-kite-moss', DATABASE_URL: `postgres://u:${key()}@h/d`, REDIS_URL: `redis://:${key()}@h`, NODE_ENV: 'production' })).toEqual([])
  })
})

describe('the school\'s own login', () => {
  const LOGIN = { OIDC_ISSUER: 'https://login.school.example/realms/school', OIDC_CLIENT_ID: 'attendance', OIDC_CLIENT_SECRET: 'a secret between the two', PUBLIC_URL: 'https://attendance.school.example' }

  it('is there when it is whole, and asks for name and address unless it is told otherwise', () => {
    expect(readConfig('start', {}).schoolLogin).toBeUndefined()
    expect(readConfig('start', LOGIN).schoolLogin).toEqual({
      issuer: LOGIN.OIDC_ISSUER,
      clientId: 'attendance',
      clientSecret: LOGIN.OIDC_CLIENT_SECRET,
      scopes: 'openid email profile',
      roleClaim: undefined,
      usernameClaim: undefined,
    })
    expect(readConfig('start', { ...LOGIN, OIDC_SCOPES: 'openid groups', OIDC_ROLE_CLAIM: 'role', OIDC_USERNAME_CLAIM: 'preferred_username' }).schoolLogin).toMatchObject({ scopes: 'openid groups', roleClaim: 'role', usernameClaim: 'preferred_username' })
  })

  it.each(Object.keys(LOGIN))('is refused by name when %s is missing', (name) => {
    const { [name]: _left, ...rest } = LOGIN as Record<string, string>
    expect(faults(rest)).toEqual([expect.stringMatching(new RegExp(`^${name} is not set`))])
  })

  it('is at an address that nobody can listen to: https, or this very machine', () => {
    for (const OIDC_ISSUER of ['http://localhost:3000', 'http://127.0.0.1:3000/realm', 'https://login.school.example']) expect(faults({ ...LOGIN, OIDC_ISSUER })).toEqual([])
    for (const OIDC_ISSUER of ['http://login.school.example', 'https://login.school.example?tenant=1', 'https://user@login.school.example', 'ftp://login.school.example', 'login.school.example', 'http://localhost.evil.example']) {
      expect(faults({ ...LOGIN, OIDC_ISSUER }), OIDC_ISSUER).toEqual([expect.stringContaining('OIDC_ISSUER')])
    }
    expect(faults({ ...LOGIN, OIDC_SCOPES: 'email' })).toEqual([expect.stringContaining('OIDC_SCOPES')])
    expect(faults({ ...LOGIN, OIDC_CLIENT_SECRET: 'short' })).toEqual(['OIDC_CLIENT_SECRET (5 characters, not shown) must be at least 16 characters, as the login gave it'])
  })
})

describe('how long marks are kept', () => {
  it('is for ever unless it is said, and never less than a school year and a month', () => {
    expect(readConfig('start', {}).retentionMonths).toBeUndefined()
    expect(readConfig('start', { RETENTION_MONTHS: '13' }).retentionMonths).toBe(13)
    for (const value of ['12', '0', '-13', '13.5', '1e3', 'all']) expect(faults({ RETENTION_MONTHS: value }), value).toEqual([`RETENTION_MONTHS=${JSON.stringify(value)} must be a whole number of months, at least 13; leave it out to keep every month`])
  })
})
