/**
 * Three servers and two recorders on one PostgreSQL and one Redis, behind Caddy with the settings that infra/ has for
 * it, all as processes: what is posted anywhere is known everywhere, and one that is stopped or killed costs no mark.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { AttendanceAnswer } from '#contract/attendance'
import { HeartbeatAnswer } from '#contract/device'
import { Lessons, StudentHistory } from '#contract/register'
import { freePort, startThrowawayRedis, type ThrowawayRedis } from '../server/throwaway-redis.ts'
import { answersReady, programActor, type Actor } from './program.ts'

const ROOT = resolve(import.meta.dirname, '..')
const missing = ['caddy', 'redis-server'].filter((program) => !(process.env['PATH'] ?? '').split(delimiter).some((dir) => existsSync(join(dir, program))))
const skipped = missing.length === 0 ? '' : ` (skipped: not installed here: ${missing.join(', ')})`

const API_KEY = 'several-servers-'.padEnd(40, 'k')
const SCHOOL_KEY = randomBytes(32).toString('base64url')
const OFFICE_PASSWORD = 'an office password for tests'

describe.skipIf(missing.length > 0)(`several servers behind a proxy${skipped}`, () => {
  let folder: string
  let redis: ThrowawayRedis
  let database: Actor
  let servers: { url: string; actor: Actor }[]
  let recorders: Actor[]
  let caddy: ChildProcess
  let caddySaid = ''
  /** The proxy. */
  let school: string
  /** The demo school's kiosk. */
  let deviceKey: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fastrackai-several-'))
    await chmod(folder, 0o711)
    const appDir = join(folder, 'app')
    const data = join(folder, 'postgres')
    redis = await startThrowawayRedis()
    database = programActor({ name: 'postgres', script: 'db/standalone.ts', args: ['--data', data], env: {}, ready: async () => /Ctrl-C stops it/.test(database.printed()) })
    await database.start()
    const databaseUrl = (await readFile(join(data, 'database-url'), 'utf8')).trim()
    await mkdir(appDir)
    await writeFile(join(appDir, 'index.html'), '<!doctype html><title>FastrackAI</title>')
    await writeFile(join(appDir, 'version.json'), '{"version":"9.9.9+feedbeef","fingerprint":"feedbeef"}')

    const shared = { HOST: '127.0.0.1', RATE_LIMIT_PER_MINUTE: '0', DATABASE_URL: databaseUrl, REDIS_URL: redis.url, DATA_DIR: join(folder, 'data'), APP_DIR: appDir }
    servers = await Promise.all([1, 2, 3].map(async (nth) => {
      const port = await freePort()
      const url = `http://127.0.0.1:${port}`
      const env = { ...shared, PORT: String(port), API_KEY, SCHOOL_KEY, OFFICE_PASSWORD }
      return { url, actor: programActor({ name: `server ${nth}`, script: 'server/main.ts', args: ['serve'], env, ready: () => answersReady(url) }) }
    }))
    recorders = [1, 2].map((nth) => {
      const recorder: Actor = programActor({ name: `recorder ${nth}`, script: 'server/main.ts', args: ['record'], env: shared, ready: async () => /recorder is ready/.test(recorder.printed()) })
      return recorder
    })
    // At once, on an empty database and an empty folder: one of them makes the school, and all have its secrets.
    await Promise.all([...servers.map(({ actor }) => actor.start()), ...recorders.map((recorder) => recorder.start())])
    deviceKey = (JSON.parse(await readFile(join(folder, 'data', 'secrets.json'), 'utf8')) as { deviceKey: string }).deviceKey

    const port = await freePort()
    school = `http://127.0.0.1:${port}`
    await writeFile(join(folder, 'Caddyfile'), `{\n\tadmin off\n\tauto_https off\n\tgrace_period 5s\n}\n\n${school} {\n\tbind 127.0.0.1\n\timport ${join(ROOT, 'infra', 'proxy.caddy')}\n}\n`)
    caddy = spawn('caddy', ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, HOME: folder, XDG_DATA_HOME: join(folder, 'caddy'), XDG_CONFIG_HOME: join(folder, 'caddy'), SERVERS: servers.map(({ url }) => new URL(url).host).join(' ') },
    })
    caddy.stderr?.setEncoding('utf8').on('data', (text: string) => (caddySaid = (caddySaid + text).slice(-20_000)))
    await vi.waitFor(async () => expect((await fetch(`${school}/livez`)).status).toBe(200), { timeout: 30_000, interval: 100 })
  })

  afterAll(async () => {
    caddy?.kill()
    await Promise.all([...(servers ?? []).map(({ actor }) => actor.stop()), ...(recorders ?? []).map((recorder) => recorder.stop())])
    await database?.stop()
    await redis?.stop()
    if (folder) await rm(folder, { recursive: true, force: true })
  })

  const everybody = (): string => [...servers.map(({ actor }) => actor), ...recorders, database].map((actor) => `--- ${actor.name}\n${actor.printed()}`).join('\n') + `--- caddy\n${caddySaid}`

  function ask(at: string, method: string, path: string, body?: unknown, key = API_KEY): Promise<Response> {
    return fetch(`${at}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(15_000),
    })
  }

  interface Mark {
    mark_id: string
    student_id: string
    course_id: string
    lesson_id: string
    held_on: string
    timestamp: string
    confidence: number
  }
  const COURSES = ['CS101', 'MA110', 'CS205', 'PH120']
  const STUDENTS = 24
  let made = 0
  /** Each another student, lesson or day, back from yesterday: one row each, if it is stored once. */
  function nextMark(): Mark {
    const n = made++
    const course_id = COURSES[Math.floor(n / STUDENTS) % COURSES.length]!
    const day = Math.floor(n / (STUDENTS * COURSES.length)) + 1
    const held_on = new Date(Date.now() - day * 86_400_000).toISOString().slice(0, 10)
    return { mark_id: uuid(), student_id: `S${String((n % STUDENTS) + 1).padStart(3, '0')}`, course_id, lesson_id: `unscheduled.${course_id}`, held_on, timestamp: `${held_on}T09:00:00.000Z`, confidence: 0.9 }
  }

  interface Tally {
    /** What the kiosk let go of, as stored or duplicate. */
    confirmed: Mark[]
    /** Requests by what came of them: `marks 202`, `others 200`, or `broken` where no answer came. */
    answers: Map<string, number>
  }

  /** A kiosk as far as the network sees it: holds each mark until it is named stored or duplicate, sends again what is not, polls and beats meanwhile. */
  async function kiosk(until: AbortSignal, tally: Tally): Promise<void> {
    const held: Mark[] = []
    const count = (what: string): void => void tally.answers.set(what, (tally.answers.get(what) ?? 0) + 1)
    while (!until.aborted || held.length > 0) {
      if (!until.aborted) held.push(...Array.from({ length: 5 }, nextMark))
      const batch = held.slice(0, 50)
      try {
        const response = await ask(school, 'POST', '/attendance', { device_id: 'pi-lab301', records: batch }, deviceKey)
        count(`marks ${response.status}`)
        if (response.ok) {
          const { results } = AttendanceAnswer.parse(await response.json())
          for (const { index, outcome, message } of results) {
            const mark = batch[index]!
            if (outcome === 'refused') throw new Error(`refused: ${message}`)
            if (outcome === 'queued') continue
            tally.confirmed.push(mark)
            held.splice(held.indexOf(mark), 1)
          }
        }
        for (const [method, path, body] of [['GET', '/schedule?room_id=LAB-301', undefined], ['POST', '/heartbeat', { device_id: 'pi-lab301' }]] as const) {
          const other = await ask(school, method, path, body, deviceKey)
          count(`others ${other.status}`)
          await other.arrayBuffer()
        }
      } catch (error) {
        if (error instanceof Error && error.message.startsWith('refused')) throw error
        count('broken')
      }
      await sleep(20 + Math.random() * 30)
    }
  }

  /** Every row of every student, by HTTP. */
  async function record(): Promise<Map<string, number>> {
    const rows = new Map<string, number>()
    for (let n = 1; n <= STUDENTS; n++) {
      const id = `S${String(n).padStart(3, '0')}`
      const from = new Date(Date.now() - 390 * 86_400_000).toISOString()
      const history = StudentHistory.parse(await (await ask(school, 'GET', `/attendance/student/${id}?limit=1000&from=${from}`)).json())
      expect(history.records.length).toBeLessThan(1000)
      for (const entry of history.records) {
        if (entry.timestamp === null || !entry.lesson_id.startsWith('unscheduled.')) continue
        const key = `${id} ${entry.lesson_id} ${entry.held_on}`
        rows.set(key, (rows.get(key) ?? 0) + 1)
      }
    }
    return rows
  }
  const keyOf = (mark: Mark): string => `${mark.student_id} ${mark.lesson_id} ${mark.held_on}`

  test('start together on an empty database, and are one school', async () => {
    const told = await Promise.all(servers.map(async ({ url }) => (await ask(url, 'GET', '/schedule?room_id=LAB-301', undefined, deviceKey)).status))
    expect(told, everybody()).toEqual([200, 200, 200])
    expect(servers.filter(({ actor }) => actor.printed().includes('a demo school was made'))).toHaveLength(1)
  })

  test('a mark taken by one is in the register that a page follows live at another', async () => {
    const [one, , three] = servers
    const { lessons, now } = Lessons.parse(await (await ask(one!.url, 'GET', '/lessons')).json())
    const lesson = lessons.find(({ room_id, starts_at, ends_at }) => room_id === 'LAB-301' && starts_at <= now && now < ends_at)!
    const over = new AbortController()
    const live = await fetch(`${three!.url}/api/v1/lessons/${lesson.held_on}/${lesson.lesson_id}/events`, { headers: { authorization: `Bearer ${API_KEY}` }, signal: over.signal })
    let text = ''
    const reading = (async () => {
      for await (const part of live.body!.pipeThrough(new TextDecoderStream())) text += part
    })().catch(() => {})
    await vi.waitFor(() => expect(text).toContain('event: register'), 10_000)
    const isPresent = (): boolean => text.split('\n\n').some((event) => /"student_id":"S007"[^}]*"status":"(present|late)"|"status":"(present|late)"[^}]*"student_id":"S007"/.test(event))
    expect(isPresent()).toBe(false)
    const taken = await ask(one!.url, 'POST', '/attendance', { device_id: 'pi-lab301', records: [{ student_id: 'S007', course_id: lesson.course_id, lesson_id: lesson.lesson_id, held_on: lesson.held_on, timestamp: now, confidence: 0.9 }] }, deviceKey)
    expect([taken.status, await taken.json()]).toMatchObject([202, { queued: 1 }])
    await vi.waitFor(() => expect(isPresent(), text).toBe(true), { timeout: 20_000, interval: 50 })
    over.abort()
    await reading
  })

  test('a change of a roster at one is announced by every other to its kiosks', async () => {
    const versions = (): Promise<(string | undefined)[]> => Promise.all(servers.map(async ({ url }) => HeartbeatAnswer.parse(await (await ask(url, 'POST', '/heartbeat', { device_id: 'pi-lab301' }, deviceKey)).json()).roster_version))
    const before = await versions()
    expect(new Set(before).size).toBe(1)
    expect((await ask(servers[0]!.url, 'PUT', '/students/S050', { first_name: 'Ada', last_name: 'Berg' })).status).toBe(200)
    expect((await ask(servers[1]!.url, 'PUT', '/courses/CS101/students', { student_ids: Array.from({ length: STUDENTS }, (_, n) => `S${String(n + 1).padStart(3, '0')}`).concat('S050') })).status).toBe(200)
    const after = await versions()
    expect(new Set(after).size).toBe(1)
    expect(after[0]).not.toBe(before[0])
  })

  test('guesses of a password are counted over all of them', async () => {
    const signIn = async (nth: number, password: string): Promise<number> =>
      (await fetch(`${servers[nth % 3]!.url}/api/v1/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'office', password }) })).status
    const statuses: number[] = []
    for (let nth = 0; nth < 5; nth++) statuses.push(await signIn(nth, 'guess'))
    expect(statuses).toEqual([401, 401, 401, 401, 401])
    for (let nth = 0; nth < 3; nth++) expect(await signIn(nth, OFFICE_PASSWORD)).toBe(429)
  })

  /** Kiosks at work while `faults` go on; @returns what they were answered, when all their marks are confirmed and the record was compared. */
  async function underLoad(faults: () => Promise<void>): Promise<Tally> {
    const tally: Tally = { confirmed: [], answers: new Map() }
    const from = made
    const over = new AbortController()
    const kiosks = Array.from({ length: 6 }, () => kiosk(over.signal, tally))
    try {
      await sleep(1_000)
      await faults()
      await sleep(1_000)
    } finally {
      over.abort()
    }
    await Promise.race([Promise.all(kiosks), sleep(60_000).then(() => Promise.reject(new Error(`marks were not confirmed within a minute\n${everybody()}`)))])
    expect(tally.confirmed).toHaveLength(made - from)
    const rows = await record()
    expect(tally.confirmed.filter((mark) => rows.get(keyOf(mark)) !== 1)).toEqual([])
    return tally
  }

  test('each of them stopped in order and started again, one after the other, loses no request', async () => {
    const { answers } = await underLoad(async () => {
      for (const { actor } of servers) {
        await actor.stop()
        expect(actor.printed()).toContain('Stopped; every mark taken is stored.')
        await actor.start()
      }
    })
    // 200 and 202 alone: neither an error of a server's nor one of the proxy's, nor a connection that broke.
    expect([...answers.keys()].filter((what) => !/ 20[02]$/.test(what)), JSON.stringify([...answers]) + everybody()).toEqual([])
  })

  test('one that is killed under load, and a recorder with it, cost no mark and double none', async () => {
    const { answers } = await underLoad(async () => {
      await servers[1]!.actor.kill9()
      await recorders[0]!.kill9()
      await sleep(3_000)
      await Promise.all([servers[1]!.actor.start(), recorders[0]!.start()])
      await servers[2]!.actor.kill9()
      await recorders[1]!.kill9()
      await sleep(3_000)
      await Promise.all([servers[2]!.actor.start(), recorders[1]!.start()])
    })
    // What broke off under way is sent again by the kiosk; nothing else goes wrong.
    expect([...answers.keys()].filter((what) => !/ (200|202|503)$|^broken$/.test(what)), JSON.stringify([...answers]) + everybody()).toEqual([])
  })

  test('while PostgreSQL is away they go on taking marks, which are in the record once it is back', async () => {
    const { answers } = await underLoad(async () => {
      await database.stop()
      for (const { url } of servers) expect([(await fetch(`${url}/readyz`)).status, (await fetch(`${url}/health`)).status]).toEqual([200, 503])
      await sleep(3_000)
      await database.start()
    })
    expect([...answers.keys()].filter((what) => what.startsWith('marks') && !/ 20[02]$/.test(what)), JSON.stringify([...answers]) + everybody()).toEqual([])
  })

  test('while none is there the proxy says in their words when to come back', async () => {
    await Promise.all(servers.map(({ actor }) => actor.kill9()))
    const response = await ask(school, 'POST', '/attendance', { device_id: 'pi-lab301', records: [nextMark()] }, deviceKey)
    expect([response.status, response.headers.get('retry-after'), response.headers.get('content-type')]).toEqual([503, '5', 'application/problem+json; charset=utf-8'])
    expect(await response.json()).toMatchObject({ code: 'busy' })
    await Promise.all(servers.map(({ actor }) => actor.start()))
    await vi.waitFor(async () => expect((await ask(school, 'GET', '/schedule?room_id=LAB-301', undefined, deviceKey)).status).toBe(200), { timeout: 20_000, interval: 100 })
  })
})
