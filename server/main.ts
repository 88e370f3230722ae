/**
 * `npm start`: the composition root of the school's server. Reads the environment and the clock, and hands
 * everybody else what they need.
 *
 * Start: 1. read the environment; 2. make the secrets; 3. take the port; 4. side by side: make the app, and
 * start PostgreSQL, migrate, make months, seed; 5. serve; 6. print what to open.
 * Stop (Ctrl-C, SIGTERM): 1. take no more requests and end the live registers; 2. store the marks taken;
 * 3. close the database and stop PostgreSQL. A second Ctrl-C ends at once.
 */
import { join, relative, resolve } from 'node:path'
import { hash, verify } from '@node-rs/argon2'
import { LIKENESS_LEVELS } from '#contract/look-alike'
import { accountByName, saveAccount } from '../db/accounts.ts'
import { connect, DatabaseRefused } from '../db/connect.ts'
import type { Database } from '../db/connect.ts'
import { deviceByKey } from '../db/devices.ts'
import { DataFolderRefused, startEmbedded } from '../db/embedded.ts'
import { compareTheUncompared } from '../db/look-alikes.ts'
import { insertMarks } from '../db/marks.ts'
import { migrate } from '../db/migrate.ts'
import { ensureMonths } from '../db/partitions.ts'
import { lessonsOn } from '../db/registers.ts'
import { seedDemoSchool } from '../db/seed.ts'
import { appAsItIs, BuildFailed, ensureApp } from './app-build.ts'
import { createApp } from './app.ts'
import { ConfigRefused, readConfig } from './config.ts'
import type { Config } from './config.ts'
import { createGroupCommit } from './intake/group-commit.ts'
import { listen, PortRefused } from './listener.ts'
import type { Listener } from './listener.ts'
import { createLog, describeFault } from './log.ts'
import { DataDirRefused, ensureSecrets, secretsPath } from './secrets.ts'
import type { Secrets } from './secrets.ts'

const ROOT = join(import.meta.dirname, '..')
const OFFICE_USER = 'office'
const DAY_MS = 24 * 3_600_000
/** Requests under way when the server stops have this long. */
const CLOSE_PATIENCE_MS = 5_000
/** One Ctrl-C reaches us twice, from the terminal and through npm and tsx; only a later one is a second. */
const SAME_SIGNAL_MS = 500

const startedAt = Date.now()
const now = (): Date => new Date()
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const log = createLog((line) => void process.stderr.write(line), now)

/** What was started and must be stopped, last first. */
const running: { what: string; stop: () => Promise<void> }[] = []
const stopping = new AbortController()

/** Expected refusals of a start: their message is the one line to print. */
const REFUSALS = [ConfigRefused, DataDirRefused, PortRefused, DataFolderRefused, DatabaseRefused, BuildFailed]

const starting = start()
catchSignals()
starting.catch(fail)

async function start(): Promise<void> {
  const config = readConfig()
  const secrets = await ensureSecrets(config.dataDir)
  const given = config.appDir === undefined ? undefined : await appAsItIs(resolve(config.appDir), config.model)
  const listener = await listen(config.host, config.port)
  const apiKey = config.apiKey ?? secrets.apiKey

  const [{ dir, version }, { db, seeded }] = await sideBySide(
    async (signal) => given ?? ensureApp({ root: ROOT, model: config.model, say, stopping: signal }),
    () => openRecord(config, secrets),
  )
  stopping.signal.throwIfAborted()

  const intake = createGroupCommit({ insert: (marks) => insertMarks(db, marks, now()), log })
  running.push({ what: 'the intake', stop: () => intake.drain() })
  const served = createApp({
    db,
    intake,
    now,
    settings: config.settings,
    model: config.model,
    apiKey,
    appVersion: version,
    appDir: dir,
    secureCookies: config.production,
    log,
    stopping: stopping.signal,
  })
  running.push({ what: 'the port', stop: () => listener.close(CLOSE_PATIENCE_MS) })
  listener.serve((request, env) => served.fetch(request, env as Parameters<typeof served.fetch>[1]))
  await announce({ config, secrets, listener, db, seeded, version })
}

/** Both, or the second one's fault before the first one's, when both have ended: nothing is left running unseen. */
async function sideBySide<A, B>(first: (signal: AbortSignal) => Promise<A>, second: () => Promise<B>): Promise<[A, B]> {
  const giveUp = new AbortController()
  const a = first(AbortSignal.any([stopping.signal, giveUp.signal]))
  const b = second()
  b.catch(() => giveUp.abort())
  const [endA, endB] = await Promise.allSettled([a, b])
  if (endB.status === 'rejected') throw endB.reason
  if (endA.status === 'rejected') throw endA.reason
  return [endA.value, endB.value]
}

/** PostgreSQL with this version's shape, its months made and a school in it. */
async function openRecord(config: Config, secrets: Secrets): Promise<{ db: Database; seeded: boolean }> {
  const url = config.databaseUrl ?? (await startRecord(config.dataDir))
  const db = await connect(url)
  running.push({ what: 'the database', stop: () => db.close() })
  await migrate(db)
  await ensureMonths(db, now())
  const daily = setInterval(() => {
    ensureMonths(db, now()).catch((error: unknown) => log({ event: 'months_not_made', ...describeFault(error) }))
    void compareFaces(db)
  }, DAY_MS)
  daily.unref()
  running.push({ what: 'the daily round', stop: async () => clearInterval(daily) })
  void compareFaces(db)
  const officePassword = config.officePassword ?? secrets.officePassword
  const seeded = await seedDemoSchool(db, { now: now(), timeZone: config.timeZone, deviceKey: secrets.deviceKey, officePassword })
  if (!seeded && config.officePassword !== undefined) await saveOfficePassword(db, config.officePassword)
  return { db, seeded }
}

/** Beside everything else: faces that came into the record without us are compared with the school's. A stop in between loses nothing. */
async function compareFaces(db: Database): Promise<void> {
  await compareTheUncompared(db, LIKENESS_LEVELS, now()).catch((error: unknown) => {
    if (!stopping.signal.aborted) log({ event: 'faces_not_compared', ...describeFault(error) })
  })
}

async function startRecord(dataDir: string): Promise<string> {
  const embedded = await startEmbedded({ dataDir: resolve(dataDir), log: say, onExit: endWithoutRecord })
  running.push({ what: 'PostgreSQL', stop: () => embedded.stop() })
  return embedded.url
}

/** Without its record the server can do nothing; whoever watches over it starts it again, which mends it. */
function endWithoutRecord(line: string): void {
  if (stopping.signal.aborted) return
  stopping.abort()
  process.stderr.write(`${line}\n`)
  void starting.catch(() => {}).then(stopAll).finally(() => process.exit(1))
}

/** Whoever may set OFFICE_PASSWORD may also change it: a new one signs everybody of the office out. */
async function saveOfficePassword(db: Database, password: string): Promise<void> {
  const account = await accountByName(db, OFFICE_USER)
  if (account && (await verify(account.password_hash, password))) return
  await saveAccount(db, { username: OFFICE_USER, role: 'office', password_hash: await hash(password) })
}

async function announce(o: { config: Config; secrets: Secrets; listener: Listener; db: Database; seeded: boolean; version: string }): Promise<void> {
  const { config, secrets, listener, db, seeded, version } = o
  const at = config.publicUrl ?? `http://localhost:${listener.port}`
  const short = (path: string): string => (relative(process.cwd(), path).startsWith('..') ? path : relative(process.cwd(), path))
  const device = await deviceByKey(db, secrets.deviceKey)
  const { time_zone } = await lessonsOn(db, undefined, now())
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1)

  say(`\nFastrackAI ${version} is ready after ${seconds} s. Open:\n`)
  if (device && !device.revoked) say(`  kiosk     ${at}/kiosk#device=${device.device_id}&room=${device.room_id}&key=${secrets.deviceKey}`)
  say(`  office    ${at}/office`)
  if (seeded && config.officePassword === undefined) say(`            user ${OFFICE_USER}, password ${secrets.officePassword} (shown only now)`)
  if (seeded && config.officePassword !== undefined) say(`            user ${OFFICE_USER}, password as set in OFFICE_PASSWORD`)
  say(`  health    ${at}/health`)
  say('')
  say(config.databaseUrl === undefined ? `  database  its address is in ${short(join(resolve(config.dataDir), 'database-url'))}` : '  database  as set in DATABASE_URL')
  say(config.apiKey === undefined ? `  API key   in ${short(secretsPath(config.dataDir))}` : '  API key   as set in API_KEY')
  if (seeded) say(`  school    a demo school was made, in time zone ${time_zone}`)
  if (config.timeZoneGiven && config.timeZone !== time_zone) say(`  school    keeps time zone ${time_zone}, as it was made with; TIME_ZONE=${config.timeZone} is not used`)
  say('')
  say(`Listening on ${config.host}. Cameras work at localhost or over https; for other machines put TLS in front.`)
  say('Ctrl-C stops it.')
}

function catchSignals(): void {
  let first = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (first === 0) {
        first = Date.now()
        stopping.abort()
        // What a start is in the middle of making must be there before it can be stopped.
        void starting.catch(() => {}).then(stopAll).then(leave)
      } else if (Date.now() - first > SAME_SIGNAL_MS) {
        say('Ended at once.')
        process.exit(130)
      }
    })
  }
}

function leave(whole: boolean): never {
  say(whole ? 'Stopped; every mark taken is stored.' : 'Stopped, with faults; they are told above.')
  process.exit(whole ? 0 : 1)
}

/** @returns whether everything stopped without a fault. */
async function stopAll(): Promise<boolean> {
  let whole = true
  for (let last = running.pop(); last; last = running.pop()) {
    try {
      await last.stop()
    } catch (error) {
      whole = false
      log({ event: 'not_stopped_cleanly', what: last.what, ...describeFault(error) })
    }
  }
  return whole
}

async function fail(error: unknown): Promise<void> {
  // A start that Ctrl-C broke off fails on the way; the signal's own end follows.
  if (stopping.signal.aborted) return
  if (REFUSALS.some((refusal) => error instanceof refusal)) process.stderr.write(`${(error as Error).message}\n`)
  else log({ event: 'not_started', ...describeFault(error) })
  stopping.abort()
  await stopAll()
  process.exit(1)
}
