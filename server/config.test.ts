import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
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

  it('refuses a time zone given as an offset, which PostgreSQL reads the other way round', () => {
    expect(faults({ TIME_ZONE: '+02:00' })).toHaveLength(1)
    expect(readConfig('start', { TIME_ZONE: 'Asia/Kolkata' })).toMatchObject({ timeZone: 'Asia/Kolkata', timeZoneGiven: true })
  })
})

describe('a process among several', () => {
  const shared = { DATABASE_URL: 'postgres://school:secret@db/school', REDIS_URL: 'rediss://:secret@redis:6380', API_KEY: 'k'.repeat(32) }

  it('names what it must share with the others and was not given, together with every other fault', () => {
    const names = (role: Role, environment: Record<string, string> = {}): unknown[] => faults(environment, role).map((line) => /^[A-Z_]+/.exec(line)?.[0])
    expect(names('start')).toEqual([])
    expect(names('serve')).toEqual(['DATABASE_URL', 'API_KEY'])
    expect(names('record')).toEqual(['DATABASE_URL', 'REDIS_URL'])
    expect(names('serve', { DATABASE_URL: 'mysql://u@h/d', PORT: 'x' })).toEqual(['PORT', 'DATABASE_URL', 'API_KEY'])
    expect(names('serve', { ...shared, API_KEY: ' ' })).toEqual(['API_KEY'])
    for (const role of ['start', 'serve', 'record'] as const) expect(names(role, shared)).toEqual([])
  })

  it('listens as a recorder only where it was told a port, and waits for a proxy only as a server', () => {
    expect(readConfig('record', shared)).toMatchObject({ portGiven: false, stopGraceSeconds: 0 })
    expect(readConfig('record', { ...shared, PORT: '9000' })).toMatchObject({ portGiven: true, port: 9000 })
    expect([readConfig('start', {}).stopGraceSeconds, readConfig('serve', shared).stopGraceSeconds, readConfig('serve', { ...shared, STOP_GRACE_SECONDS: '0' }).stopGraceSeconds]).toEqual([0, 5, 0])
  })
})

describe('how long marks are kept', () => {
  it('is for ever unless it is said, and never less than a school year and a month', () => {
    expect(readConfig('start', {}).retentionMonths).toBeUndefined()
    expect(readConfig('start', { RETENTION_MONTHS: '13' }).retentionMonths).toBe(13)
    for (const value of ['12', '0', '-13', '13.5', '1e3', 'all']) expect(faults({ RETENTION_MONTHS: value }), value).toEqual([`RETENTION_MONTHS=${JSON.stringify(value)} must be a whole number of months, at least 13; leave it out to keep every month`])
  })
})
