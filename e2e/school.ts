/**
 * A throwaway school: the real server as a process of its own, on a free port and an empty data folder, spoken
 * to as scripts do, by HTTP. Knows nothing of the server's or the database's insides.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { AttendanceAnswer } from '#contract/attendance'
import type { ModelEmbedding } from '#contract/model'
import { Courses } from '#contract/people'
import { Lessons, Register, type LessonSummary } from '#contract/register'

const ROOT = resolve(import.meta.dirname, '..')
/** The first start also makes the model files and the app; a shared two-core machine may need minutes. */
const START_PATIENCE_MS = 10 * 60_000
/** After SIGTERM, before it is killed: the server itself waits 5 s for requests, and PostgreSQL writes a checkpoint. */
const STOP_PATIENCE_MS = 60_000

/** What the server reads of its surroundings: a test's school must not inherit a person's. */
const SERVERS_VARIABLES = [
  'PORT', 'HOST', 'PUBLIC_URL', 'DATA_DIR', 'DATABASE_URL', 'REDIS_URL', 'RETENTION_MONTHS', 'STOP_GRACE_SECONDS', 'RATE_LIMIT_PER_MINUTE', 'TRUSTED_PROXIES', 'API_KEY', 'SCHOOL_KEY', 'SCHOOL_KEY_BEFORE', 'METRICS_KEY', 'BACKUP_STAMP_FILE', 'AUDIT_HEAD_FILE', 'OFFICE_PASSWORD', 'TIME_ZONE', 'APP_DIR', 'MODEL', 'NODE_ENV',
  'RECOGNITION_THRESHOLD', 'DEBOUNCE_SECONDS', 'FRAME_SKIP', 'CAMERA_FPS',
  ...['DATABASE_URL', 'REDIS_URL', 'API_KEY', 'SCHOOL_KEY', 'SCHOOL_KEY_BEFORE', 'METRICS_KEY', 'OFFICE_PASSWORD'].map((secret) => `${secret}_FILE`),
]

export interface SchoolOptions {
  env?: Record<string, string>
  /** Kept; default: a throwaway folder that goes with stop(). */
  dataDir?: string
  /** Default: any free one, the same again after restart(). */
  port?: number
}

export interface Answer {
  status: number
  headers: Headers
  /** The parsed body; undefined when there is none, the text when it is not JSON. */
  body: unknown
}

export interface AskOptions {
  /** Bearer key; default the school's API key; null: none. */
  key?: string | null
  headers?: Record<string, string>
}

export interface NewStudent {
  student_id: string
  first_name: string
  last_name: string
  /** Added to these courses, besides whoever is in them. */
  course_ids?: string[]
  templates?: ModelEmbedding[]
}

export interface School {
  /** http://localhost:<port> */
  readonly url: string
  /** Opens the kiosk paired to the demo school's room. */
  readonly kioskLink: string
  readonly device: { device_id: string; room_id: string; key: string }
  readonly apiKey: string
  readonly schoolKey: string
  readonly officePassword: string
  readonly dataDir: string
  readonly databaseUrl: string
  readonly pid: number
  /** Everything the server printed, over all its starts. */
  output(): string
  /** One request below /api/v1, as a script makes it; never throws for a status. */
  api(method: string, path: string, body?: unknown, o?: AskOptions): Promise<Answer>
  /** The same, parsed with a contract's schema; throws an Error with the problem for any status but 2xx. */
  ask<T extends z.ZodType>(schema: T, method: string, path: string, body?: unknown, o?: AskOptions): Promise<z.infer<T>>
  /** Adds or renames a student; with templates also records a consent and saves them. */
  enrol(student: NewStudent): Promise<void>
  /** Erases every template with the consent. */
  withdrawConsent(studentId: string): Promise<void>
  /** The lesson that is on now in the paired room. */
  lessonNow(): Promise<LessonSummary>
  register(lesson: { held_on: string; lesson_id: string }): Promise<Register>
  /** Posts records as the paired device. */
  attend(records: unknown[]): Promise<AttendanceAnswer>
  /** Stops the server in order; what this school made is removed, a given dataDir is kept. */
  stop(): Promise<void>
  /** kill -9 of the server alone, as a crash; PostgreSQL is left as an orphan. */
  kill9(): Promise<void>
  /** Starts it again on the same folder and port; stops it in order first when it runs. */
  restart(): Promise<void>
}

const Secrets = z.object({ apiKey: z.string(), deviceKey: z.string(), schoolKey: z.string(), officePassword: z.string() })

/** Starts a school; resolves when it is healthy. Throws an Error with all that the server printed when it does not come up. */
export async function startSchool(o: SchoolOptions = {}): Promise<School> {
  const dataDir = o.dataDir ? resolve(o.dataDir) : await mkdtemp(join(tmpdir(), 'fastrackai-school-'))
  // Started by root, PostgreSQL runs as somebody else, who must be able to pass.
  if (!o.dataDir) await chmod(dataDir, 0o711)
  let printed = ''
  let child: ChildProcess | undefined
  let port = o.port ?? 0
  let kioskLink = ''
  const endWithUs = () => void child?.kill('SIGTERM')

  async function start(): Promise<void> {
    // eslint-disable-next-line node/no-process-env -- the child's surroundings are ours, without what would steer the server
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !SERVERS_VARIABLES.includes(name)))
    const started = spawn(process.execPath, ['--import', 'tsx', 'server/main.ts'], {
      cwd: ROOT,
      // A test asks more in a minute than a school's people do; e2e/limits.test.ts has its own.
      env: { ...inherited, HOST: '127.0.0.1', RATE_LIMIT_PER_MINUTE: '0', ...o.env, PORT: String(port), DATA_DIR: dataDir },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child = started
    const from = printed.length
    for (const stream of [started.stdout, started.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (printed += text))
    const gone = new AbortController()
    started.once('exit', () => gone.abort())
    const deadline = AbortSignal.any([gone.signal, AbortSignal.timeout(START_PATIENCE_MS)])
    for (;;) {
      // "ready" ends what is printed of a start; the link before it may be absent (a database without our device).
      const health = /health\s+(http:\/\/\S+:(\d+))\/health/.exec(printed.slice(from))
      if (health && (await healthy(health[1]!))) {
        port = Number(health[2])
        kioskLink = /https?:\/\/\S+\/kiosk#\S+/.exec(printed.slice(from))?.[0] ?? ''
        return
      }
      if (deadline.aborted) {
        started.kill('SIGKILL')
        throw new Error(`The school did not start (exit ${started.exitCode ?? started.signalCode ?? 'none in time'}). It printed:\n${printed.slice(from)}`)
      }
      await sleep(50)
    }
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const ending = child
    child = undefined
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    const exited = new Promise<void>((done) => ending.once('exit', () => done()))
    ending.kill(signal)
    const patience = setTimeout(() => ending.kill('SIGKILL'), STOP_PATIENCE_MS)
    await exited
    clearTimeout(patience)
  }

  async function clear(): Promise<void> {
    await end('SIGTERM')
    process.off('exit', endWithUs)
    await stopOrphan(dataDir)
    if (!o.dataDir) await removeData(dataDir)
  }

  process.once('exit', endWithUs)
  try {
    await start()
  } catch (error) {
    await clear()
    throw error
  }
  const secrets = Secrets.parse(JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8')))
  const databaseUrl = o.env?.['DATABASE_URL'] ?? (await readFile(join(dataDir, 'database-url'), 'utf8')).trim()
  const paired = new URLSearchParams(kioskLink.split('#')[1] ?? '')
  const device = { device_id: paired.get('device') ?? '', room_id: paired.get('room') ?? '', key: paired.get('key') ?? secrets.deviceKey }

  const school: School = {
    get url() {
      return `http://localhost:${port}`
    },
    get kioskLink() {
      return kioskLink
    },
    get pid() {
      if (!child?.pid) throw new Error('The school is not running.')
      return child.pid
    },
    device,
    apiKey: o.env?.['API_KEY'] ?? secrets.apiKey,
    schoolKey: o.env?.['SCHOOL_KEY'] ?? secrets.schoolKey,
    officePassword: o.env?.['OFFICE_PASSWORD'] ?? secrets.officePassword,
    dataDir,
    databaseUrl,
    output: () => printed,

    async api(method, path, body, { key = school.apiKey, headers = {} } = {}) {
      // eslint-disable-next-line no-restricted-globals -- a script's request, not the app's
      const answer = await fetch(`${school.url}/api/v1${path}`, {
        method,
        headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await answer.text()
      const isJson = /\bjson\b/.test(answer.headers.get('content-type') ?? '')
      return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : isJson ? (JSON.parse(text) as unknown) : text }
    },

    async ask(schema, method, path, body, options) {
      const { status, body: said } = await school.api(method, path, body, options)
      if (status < 200 || status > 299) throw new Error(`${method} ${path} answered ${status}: ${JSON.stringify(said)}`)
      return schema.parse(said)
    },

    async enrol({ student_id, first_name, last_name, course_ids = [], templates = [] }) {
      await school.ask(z.unknown(), 'PUT', `/students/${student_id}`, { first_name, last_name })
      if (templates.length > 0) {
        await school.ask(z.unknown(), 'PUT', `/students/${student_id}/consent`, { statement: 'I agree that my face is recognised in class.', given_by: `${first_name} ${last_name}` })
        await school.ask(z.unknown(), 'PUT', `/students/${student_id}/templates`, { templates })
      }
      if (course_ids.length === 0) return
      const { courses } = await school.ask(Courses, 'GET', '/courses')
      for (const course_id of course_ids) {
        const course = courses.find((one) => one.course_id === course_id)
        if (!course) throw new Error(`The school has no course ${course_id}`)
        await school.ask(z.unknown(), 'PUT', `/courses/${course_id}/students`, { student_ids: [...new Set([...course.student_ids, student_id])] })
      }
    },

    async withdrawConsent(studentId) {
      await school.ask(z.unknown(), 'DELETE', `/students/${studentId}/consent`)
    },

    async lessonNow() {
      const { lessons, now } = await school.ask(Lessons, 'GET', '/lessons')
      const at = Date.parse(now)
      const lesson = lessons.find((one) => one.room_id === device.room_id && Date.parse(one.starts_at) <= at && at < Date.parse(one.ends_at))
      if (!lesson) throw new Error(`No lesson is on now in ${device.room_id}`)
      return lesson
    },

    register: ({ held_on, lesson_id }) => school.ask(Register, 'GET', `/lessons/${held_on}/${lesson_id}`),
    attend: (records) => school.ask(AttendanceAnswer, 'POST', '/attendance', { device_id: device.device_id, records }, { key: device.key }),

    stop: clear,
    kill9: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM')
      await start()
    },
  }
  return school
}

/** The demo school's lessons change on the hour: waits until the next has begun if this one ends within two minutes, so that one test is one lesson. */
export async function clearOfTheBell(): Promise<void> {
  const left = 3_600_000 - (Date.now() % 3_600_000)
  if (left < 120_000) await sleep(left + 1_000)
}

async function healthy(url: string): Promise<boolean> {
  try {
    // eslint-disable-next-line no-restricted-globals -- a script's request, not the app's
    const answer = await fetch(`${url}/health`)
    return z.object({ status: z.literal('healthy') }).safeParse(await answer.json()).success
  } catch {
    return false
  }
}

/** Where the embedded PostgreSQL keeps its cluster: in the folder, or, when root started it, where `<dataDir>/postgres` points. */
async function clusterFolders(dataDir: string): Promise<string[]> {
  const link = join(dataDir, 'postgres')
  const target = await readlink(link).catch(() => undefined)
  return target === undefined ? [link] : [resolve(dataDir, target)]
}

/** A PostgreSQL that a killed server left behind is stopped, or its folder could not be removed. */
async function stopOrphan(dataDir: string): Promise<void> {
  for (const folder of await clusterFolders(dataDir)) {
    const pidFile = join(folder, 'postmaster.pid')
    const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0])
    if (!(pid > 0) || !(await isPostgres(pid))) continue
    // SIGINT: PostgreSQL's fast shutdown. SIGQUIT after a while: at once.
    for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
      try {
        process.kill(pid, signal)
        for (let i = 0; i < 200 && (await isPostgres(pid)); i++) await sleep(50)
      } catch {
        break
      }
    }
  }
}

/** Process numbers are used again: only what looks like a PostgreSQL is signalled. */
async function isPostgres(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  if (process.platform !== 'linux') return true
  const [command, state] = await Promise.all([readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''), readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')])
  return command.includes('postgres') && !/\) Z /.test(state)
}

/** The throwaway folder, and the cluster that the server put elsewhere for it because PostgreSQL could not enter the folder. */
async function removeData(dataDir: string): Promise<void> {
  for (const cluster of await clusterFolders(dataDir)) {
    // Nothing but a folder of the server's own naming is followed out of ours.
    if (basename(dirname(cluster)).startsWith('cluster-')) await rm(dirname(cluster), { recursive: true, force: true })
  }
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
}
