/** The server as a person starts it: a process of its own, on a real PostgreSQL, ended as people and power cuts end it. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { connect } from '../db/connect.ts'
import { eraseCluster, startEmbedded } from '../db/embedded.ts'
import { StudentHistory } from './contract/register.ts'
import { noRedis, startThrowawayRedis } from './throwaway-redis.ts'

// A start takes two seconds on an idle machine; these are many starts on a busy one.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const ROOT = join(import.meta.dirname, '..')
let folder: string
let appDir: string
const children: Started[] = []

/** A built app to serve, so that these starts need not build one. */
beforeAll(async () => {
  appDir = await mkdtemp(join(tmpdir(), 'fastrackai-main-app-'))
  await writeFile(join(appDir, 'index.html'), '<!doctype html><title>FastrackAI</title>')
  await writeFile(join(appDir, 'version.json'), '{"version":"9.9.9+feedbeef","fingerprint":"feedbeef"}')
})
afterAll(() => rm(appDir, { recursive: true, force: true }))

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-main-'))
  await chmod(folder, 0o755)
})
afterEach(async () => {
  for (const child of children.splice(0)) await child.end('SIGKILL')
  await eraseCluster(join(folder, 'data')).catch(() => {})
  await rm(folder, { recursive: true, force: true })
})

class Started {
  out = ''
  err = ''
  readonly ended: Promise<number | null>
  private readonly heard = new Set<() => void>()

  constructor(readonly process: ChildProcess) {
    const hear = (add: (text: string) => void) => (data: Buffer) => {
      add(data.toString())
      for (const wake of this.heard) wake()
    }
    process.stdout?.on('data', hear((text) => (this.out += text)))
    process.stderr?.on('data', hear((text) => (this.err += text)))
    this.ended = new Promise((resolve) => process.once('close', (code) => resolve(code)))
    void this.ended.then(() => this.heard.forEach((wake) => wake()))
  }

  /** Resolves with what was captured when the output holds it; throws if the process ends before. */
  async says(what: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = what.exec(this.out)
      if (found) return found
      if (this.process.exitCode !== null || this.process.signalCode !== null) throw new Error(`ended without saying ${what}: ${this.out}\n${this.err}`)
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.heard.delete(wake)
          resolve()
        }
        this.heard.add(wake)
      })
    }
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill(signal)
    return this.ended
  }
}

function start(variables: Record<string, string> = {}, ...words: string[]): Started {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'server', 'main.ts'), ...words], {
    cwd: ROOT,
    env: { PATH, HOME, PORT: '0', DATA_DIR: join(folder, 'data'), APP_DIR: appDir, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const started = new Started(child)
  children.push(started)
  return started
}

async function ready(started: Started): Promise<string> {
  const [, address] = await started.says(/health\s+(http:\S+)\/health/)
  await started.says(/Ctrl-C stops it/)
  return address ?? ''
}

async function get(url: string, key?: string): Promise<Response> {
  return fetch(url, key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } })
}

const mark = (student_id: string): unknown => ({ device_id: 'pi-lab301', records: [{ student_id, course_id: 'CS101', timestamp: new Date().toISOString(), confidence: 0.9 }] })

describe('a start', () => {
  it('prints what to open, and all of it works; Ctrl-C stops it in one line, and the next start has the same school', async () => {
    const first = start()
    const address = await ready(first)
    const link = new URL(/kiosk\s+(\S+)/.exec(first.out)?.[1] ?? '')
    expect(link.pathname).toBe('/kiosk')
    const pairing = new URLSearchParams(link.hash.slice(1))
    expect([pairing.get('device'), pairing.get('room')]).toEqual(['pi-lab301', 'LAB-301'])
    const key = pairing.get('key') ?? ''
    expect(key).toMatch(/^[\w-]{43}$/)

    expect(await (await get(`${address}/health`)).json()).toEqual({ status: 'healthy' })
    expect(await (await get(`${address}/office`)).text()).toContain('FastrackAI')
    const schedule = await get(`${address}/api/v1/schedule?room_id=LAB-301`, key)
    expect(await schedule.json()).toMatchObject({ room: { room_id: 'LAB-301' }, current_class: { room_id: 'LAB-301' } })

    const password = /user office, password (\S+)/.exec(first.out)?.[1]
    const signIn = (secret: string | undefined): Promise<Response> =>
      fetch(`${address}/api/v1/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'office', password: secret }) })
    expect((await signIn(password)).status).toBe(200)

    const secrets = JSON.parse(await readFile(join(folder, 'data', 'secrets.json'), 'utf8')) as { apiKey: string }
    expect(first.out).toContain('secrets.json')
    expect(first.out).not.toContain(secrets.apiKey)
    expect((await get(`${address}/api/v1/students`, secrets.apiKey)).status).toBe(200)

    const url = (await readFile(join(folder, 'data', 'database-url'), 'utf8')).trim()
    expect((await stat(join(folder, 'data', 'database-url'))).mode & 0o077).toBe(0)

    expect(await first.end('SIGINT')).toBe(0)
    expect(first.out.trimEnd().split('\n').at(-1)).toBe('Stopped; every mark taken is stored.')
    expect(first.err).toBe('')
    await expect(connect(url)).rejects.toThrow()

    const second = start()
    const again = await ready(second)
    expect(second.out).toContain(key)
    expect(second.out).not.toContain('password')
    expect((await get(`${again}/api/v1/schedule?room_id=LAB-301`, key)).status).toBe(200)
    expect(await second.end('SIGTERM')).toBe(0)
  })

  it('after kill -9 just works, and nothing that was answered is lost', async () => {
    const first = start()
    const address = await ready(first)
    const key = /key=([\w-]{43})/.exec(first.out)?.[1] ?? ''
    const send = (base: string, student: string): Promise<unknown> =>
      fetch(`${base}/api/v1/attendance`, { method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' }, body: JSON.stringify(mark(student)) }).then((response) => response.json())
    expect(await send(address, 'S001')).toMatchObject({ stored: 1 })
    expect(await first.end('SIGKILL')).toBeNull()

    const second = start()
    const again = await ready(second)
    const history = await (await get(`${again}/api/v1/attendance/student/S001`, key)).json()
    expect(history).toMatchObject({ records: [{ student_id: 'S001', confidence: 0.9 }] })
    expect(await second.end('SIGINT')).toBe(0)
  })

  it('stopped in the middle leaves no PostgreSQL behind', async () => {
    const child = start()
    await vi.waitFor(() => stat(join(folder, 'data', 'secrets.json')), 60_000)
    expect(await child.end('SIGINT')).toBe(0)
    expect(child.out).toContain('Stopped')
    const next = start()
    await ready(next)
    expect(await next.end('SIGINT')).toBe(0)
  })

  it('of a second server on the same data folder is refused, and the first goes on', async () => {
    const first = start()
    const address = await ready(first)
    const second = start()
    expect(await second.ended).toBe(1)
    expect(second.err.trimEnd().split('\n')).toHaveLength(1)
    expect(second.err).toContain(join(folder, 'data'))
    expect((await get(`${address}/health`)).status).toBe(200)
    expect(await first.end('SIGINT')).toBe(0)
  })

  it('ends with one line when PostgreSQL ends under it, and the next start mends it', async () => {
    const server = start()
    await ready(server)
    const [pid] = (await readFile(join(folder, 'data', 'postgres', 'postmaster.pid'), 'utf8')).split('\n')
    process.kill(Number(pid), 'SIGKILL')
    expect(await server.ended).toBe(1)
    expect(server.err).toMatch(/^PostgreSQL .*postgres\.log/m)
    const next = start()
    await ready(next)
    expect(await next.end('SIGINT')).toBe(0)
  })

  it('lets live registers end when it stops', async () => {
    const server = start({ API_KEY: 'k'.repeat(40) })
    const address = await ready(server)
    const { lessons } = (await (await get(`${address}/api/v1/lessons`, 'k'.repeat(40))).json()) as { lessons: { held_on: string; lesson_id: string }[] }
    const events = await get(`${address}/api/v1/lessons/${lessons[0]?.held_on}/${lessons[0]?.lesson_id}/events`, 'k'.repeat(40))
    const text = events.text()
    expect(await server.end('SIGINT')).toBe(0)
    expect(await text).toContain('event: register')
  })
})

describe('a start that cannot be', () => {
  const refusal = async (variables: Record<string, string>, ...words: string[]): Promise<string[]> => {
    const child = start(variables, ...words)
    expect(await child.ended, child.out + child.err).toBe(1)
    return child.err.trimEnd().split('\n')
  }

  it('names a busy port before any slow work', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '0.0.0.0', resolve))
    const port = (other.address() as AddressInfo).port
    const lines = await refusal({ PORT: String(port) })
    expect(lines).toEqual([`PORT=${port} is in use; if this server is already running, open http://localhost:${port}, else stop the program that uses it or set PORT to another`])
    await expect(stat(join(folder, 'data', 'postgres'))).rejects.toThrow(/ENOENT/)
    other.close()
  })

  it('names every bad variable, one line each, and no secret', async () => {
    const lines = await refusal({ PORT: 'http', API_KEY: 'too-short-a-key', DATABASE_URL: 'mysql://u:hidden@h/d', RECOGNITION_THRESHOLD: '2' })
    expect(lines.map((line) => /^[A-Z_]+/.exec(line)?.[0])).toEqual(['PORT', 'DATABASE_URL', 'API_KEY', 'RECOGNITION_THRESHOLD'])
    expect(lines.join()).not.toMatch(/too-short|hidden/)
  })

  it('names a data folder that is none', async () => {
    await writeFile(join(folder, 'file'), '')
    expect(await refusal({ DATA_DIR: join(folder, 'file') })).toEqual([expect.stringMatching(/^DATA_DIR=.* is not a folder/)])
    expect(await refusal({ DATA_DIR: join(folder, 'file', 'deeper') })).toEqual([expect.stringMatching(/^DATA_DIR=.* is not a folder/)])
    expect(await refusal({ DATA_DIR: '/proc/fastrackai' })).toEqual([expect.stringMatching(/^DATA_DIR=\/proc\/fastrackai cannot be written/)])
  })

  it('names a database that does not answer, without its password', async () => {
    const lines = await refusal({ DATABASE_URL: 'postgres://school:hidden@127.0.0.1:9/school' })
    expect(lines).toEqual(['no database answers at 127.0.0.1:9; start it, or correct DATABASE_URL'])
  })

  it('names what it must share with other processes and was not given, and a word that it does not know', async () => {
    expect((await refusal({}, 'serve')).map((line) => /^\w+/.exec(line)?.[0])).toEqual(['DATABASE_URL', 'API_KEY', 'SCHOOL_KEY'])
    expect((await refusal({}, 'record')).map((line) => /^\w+/.exec(line)?.[0])).toEqual(['DATABASE_URL', 'REDIS_URL'])
    expect(await refusal({}, 'server')).toEqual(['server is not known; say serve, record, or nothing for everything in one process'])
    await expect(stat(join(folder, 'data'))).rejects.toThrow(/ENOENT/)
  })

  it.skipIf(noRedis)(`names a Redis that may throw marks away, without its password${noRedis === undefined ? '' : ` (skipped: ${noRedis})`}`, async () => {
    const redis = await startThrowawayRedis('--maxmemory-policy', 'allkeys-lru', '--requirepass', 'hidden')
    const url = redis.url.replace('//', '//:hidden@')
    try {
      const lines = await refusal({ REDIS_URL: url })
      expect(lines).toEqual([expect.stringMatching(/REDIS_URL.*noeviction/)])
      expect(lines.join()).not.toContain('hidden')
    } finally {
      await redis.stop()
    }
  })

  it('names an app folder that holds no app', async () => {
    await mkdir(join(folder, 'empty'))
    expect(await refusal({ APP_DIR: join(folder, 'empty') })).toEqual([expect.stringMatching(/holds no index\.html/)])
  })
})

describe.skipIf(noRedis)(`REDIS_URL${noRedis === undefined ? '' : ` (skipped: ${noRedis})`}`, () => {
  it('puts marks into the queue, and the same process stores them; with Redis away they go straight to PostgreSQL', async () => {
    const redis = await startThrowawayRedis()
    const key = 'k'.repeat(40)
    try {
      const server = start({ REDIS_URL: redis.url, API_KEY: key })
      const address = await ready(server)
      const send = async (student: string): Promise<unknown> =>
        (await fetch(`${address}/api/v1/attendance`, { method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' }, body: JSON.stringify(mark(student)) })).json()
      // Not by its status: whether it is "late" depends on the hour in which this runs.
      const isStored = async (student: string): Promise<boolean> =>
        StudentHistory.parse(await (await get(`${address}/api/v1/attendance/student/${student}`, key)).json()).records.some(({ timestamp }) => timestamp !== null)
      expect(await isStored('S001')).toBe(false)
      expect(await send('S001')).toMatchObject({ queued: 1 })
      await vi.waitFor(async () => expect(await isStored('S001')).toBe(true), 10_000)
      await redis.kill()
      await vi.waitFor(async () => expect(await send('S002')).toMatchObject({ stored: 1 }), 10_000)
      expect((await get(`${address}/readyz`)).status).toBe(200)
      await redis.restart()
      await vi.waitFor(async () => expect(await send(`S0${String(Math.floor(Math.random() * 21) + 3).padStart(2, '0')}`)).toMatchObject({ queued: 1 }), 20_000)
      expect(await server.end('SIGTERM')).toBe(0)
      expect(server.out.trimEnd().split('\n').at(-1)).toBe('Stopped; every mark taken is stored.')
    } finally {
      await redis.stop()
    }
  })
})

describe('DATABASE_URL', () => {
  it('uses that server, which stays when this one stops; OFFICE_PASSWORD and API_KEY are as set', async () => {
    const embedded = await startEmbedded({ dataDir: join(folder, 'elsewhere'), log: () => {} })
    try {
      const variables = { DATABASE_URL: embedded.url, OFFICE_PASSWORD: 'a chosen password', API_KEY: 'k'.repeat(32), TIME_ZONE: 'Asia/Kolkata' }
      const first = start(variables)
      const address = await ready(first)
      expect(first.out).not.toContain('a chosen password')
      expect(first.out).toContain('Asia/Kolkata')
      await expect(stat(join(folder, 'data', 'postgres'))).rejects.toThrow(/ENOENT/)
      const session = (base: string, password: string): Promise<number> =>
        fetch(`${base}/api/v1/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'office', password }) }).then(({ status }) => status)
      expect(await session(address, 'a chosen password')).toBe(200)
      expect((await get(`${address}/api/v1/courses`, 'k'.repeat(32))).status).toBe(200)
      expect(await first.end('SIGINT')).toBe(0)

      const second = start({ ...variables, OFFICE_PASSWORD: 'another password', TIME_ZONE: 'Europe/Paris' })
      const again = await ready(second)
      expect(second.out).toContain('keeps time zone Asia/Kolkata')
      expect(await session(again, 'a chosen password')).toBe(401)
      expect(await session(again, 'another password')).toBe(200)
      expect(await second.end('SIGINT')).toBe(0)
      const db = await connect(embedded.url)
      await db.close()
    } finally {
      await embedded.stop()
      await eraseCluster(join(folder, 'elsewhere')).catch(() => {})
    }
  })
})
