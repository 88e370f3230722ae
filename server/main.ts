/**
 * The composition root of the school's processes. Reads the environment and the clock, and hands everybody else what
 * they need. `npm start`: everything in one process. `npm run serve`: one of several servers. `npm run record`: stores
 * what servers put into the stream.
 *
 * A server's start: 1. read the environment; 2. make the secrets; 3. take the port; 4. side by side: make the app, and
 * open the record, with its templates sealed and a school in it; 5. know the devices, open the intake; 6. serve; 7. print what to open.
 * A recorder's: 1. read the environment; 2. open the record and the stream; 3. record; 4. answer whether it lives, where it has a port.
 * Stop (Ctrl-C, SIGTERM): 1. say so at /readyz; 2. after the grace, take no more requests and end the live registers;
 * 3. store the marks taken; 4. close the database and stop PostgreSQL. A second Ctrl-C ends at once.
 */
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LIKENESS_LEVELS } from '#contract/look-alike'
import { ensureAuditKey } from '../db/audit.ts'
import { DatabaseRefused } from '../db/connect.ts'
import type { Database } from '../db/connect.ts'
import { dailyRound } from '../db/daily-round.ts'
import { DataFolderRefused } from '../db/embedded.ts'
import { KeyringRefused } from '../db/keyring.ts'
import type { Keyring } from '../db/keyring.ts'
import { compareTheUncompared } from '../db/look-alikes.ts'
import { openKeyring } from '../db/open-keyring.ts'
import { refreshReports } from '../db/reports.ts'
import { announce } from './announce.ts'
import { appAsItIs, BuildFailed, ensureApp } from './app-build.ts'
import { createApp } from './app.ts'
import { openAudit } from './audit.ts'
import { headRound } from './audit-head.ts'
import { ConfigRefused, readConfig } from './config.ts'
import type { Config, Role } from './config.ts'
import { openKnownDevices } from './known-devices.ts'
import { listen, PortRefused } from './listener.ts'
import type { Fetch, Listener } from './listener.ts'
import { createLog, describeFault } from './log.ts'
import { LOGIN_CALLBACK, openSchoolLogin } from './oidc.ts'
import { openIntake, openRecorder } from './open-intake.ts'
import { OFFICE_USER, openRecord, openSchool } from './open-record.ts'
import { openMetrics } from './metrics.ts'
import type { Metrics } from './metrics.ts'
import { ensureMetricsKey } from './metrics-key.ts'
import { createRecorderApp } from './recorder-app.ts'
import { RedisRefused } from './redis.ts'
import { startRounds } from './rounds.ts'
import type { Round } from './rounds.ts'
import { whileStarting } from './routes/health.ts'
import { createRunning } from './running.ts'
import { openSchoolKey } from './school-key.ts'
import type { SchoolKey } from './school-key.ts'
import { resealSecondFactors } from './second-factor.ts'
import { DataDirRefused, ensureSecrets } from './secrets.ts'

const ROOT = join(import.meta.dirname, '..')
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** Requests under way when the server stops have this long. */
const CLOSE_PATIENCE_MS = 5_000
/** One Ctrl-C reaches us twice, from the terminal and through npm and tsx; only a later one is a second. */
const SAME_SIGNAL_MS = 500

const startedAt = Date.now()
const now = (): Date => new Date()
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const log = createLog((line) => void process.stderr.write(line), now)

const running = createRunning(log)
const stopping = new AbortController()

/** Expected refusals of a start: their message is the one line to print. */
const REFUSALS = [ConfigRefused, DataDirRefused, PortRefused, DataFolderRefused, DatabaseRefused, KeyringRefused, RedisRefused, BuildFailed]

const starting = start(process.argv.slice(2))
catchSignals()
starting.catch(fail)

async function start(words: string[]): Promise<void> {
  const role = roleOf(words)
  const config = readConfig(role)
  await (role === 'record' ? startRecording(config) : startServer(role, config))
}

/** @throws ConfigRefused */
function roleOf([word, ...more]: string[]): Role {
  if (word === undefined) return 'start'
  if ((word === 'serve' || word === 'record') && more.length === 0) return word
  throw new ConfigRefused([`${[word, ...more].join(' ')} is not known; say serve, record, or nothing for everything in one process`])
}

async function startServer(role: 'start' | 'serve', config: Config): Promise<void> {
  const secrets = await ensureSecrets(config.dataDir)
  const schoolKey = openSchoolKey(config.schoolKey ?? secrets.schoolKey, config.schoolKeyBefore)
  const given = config.appDir === undefined ? undefined : await appAsItIs(resolve(config.appDir), config.model)
  const listener = await listen(config.host, config.port, whileStarting)

  const [{ dir, version }, { db, keyring, seeded }] = await sideBySide(
    async (signal) => given ?? ensureApp({ root: ROOT, model: config.model, say, stopping: signal }),
    async () => {
      const opened = await openRecord({ config, running, now, say, onEnd: endWithoutRecord })
      const keys = { now: schoolKey.derive('templates'), before: schoolKey.deriveBefore?.('templates') }
      const keyring = await openKeyring(opened, keys, { log, unopened: (what) => log({ event: 'template_not_opened', ...what }) })
      return { db: opened, keyring, seeded: await openSchool(opened, config, secrets, now()) }
    },
  )
  stopping.signal.throwIfAborted()
  const devices = await openKnownDevices(db, log, now)
  running.add('the known devices', () => devices.close())
  const { intake, ...ofQueue } = await openIntake({ db, redisUrl: config.redisUrl, records: role === 'start', running, log, now })
  await nameAuditKey(db, schoolKey)
  await resealSecondFactors(db, schoolKey)
  const audit = openAudit({ db, key: schoolKey.derive('audit'), now })
  const metrics = openMetrics({ version, ofProcess: true })
  running.add('the rounds', startRounds(roundsOf(db, keyring, schoolKey.derive('audit'), metrics, config), log))

  const served = createApp({
    db,
    devices,
    intake,
    ...ofQueue,
    now,
    settings: config.settings,
    model: config.model,
    schoolKey,
    keyring,
    audit,
    metrics,
    metricsKey: await ensureMetricsKey(config.dataDir, config.metricsKey, schoolKey),
    backupStampFile: config.backupStampFile,
    retentionMonths: config.retentionMonths,
    ...(config.schoolLogin && config.publicUrl !== undefined
      ? { schoolLogin: openSchoolLogin({ ...config.schoolLogin, redirectUri: `${config.publicUrl}${LOGIN_CALLBACK}` }, schoolKey.derive('oidc-state'), now) }
      : {}),
    apiKey: config.apiKey ?? secrets.apiKey,
    rateLimitPerMinute: config.rateLimitPerMinute,
    ...(config.trustedProxies ? { trustedProxies: config.trustedProxies } : {}),
    ...(config.publicUrl === undefined ? {} : { publicUrl: config.publicUrl }),
    appVersion: version,
    appDir: dir,
    secureCookies: config.production,
    log,
    stopping: stopping.signal,
  })
  serveOn(listener, config, (request, env) => served.fetch(request, env as Parameters<typeof served.fetch>[1]))
  await announce({ role, config, secrets, port: listener.port, db, seeded, officeUser: OFFICE_USER, version, seconds: (Date.now() - startedAt) / 1000, now: now(), say })
}

async function startRecording(config: Config): Promise<void> {
  const listener = config.portGiven ? await listen(config.host, config.port, whileStarting) : undefined
  const db = await openRecord({ config, running, now, say, onEnd: endWithoutRecord })
  const redis = await openRecorder({ db, redisUrl: config.redisUrl ?? '', running, log, now })
  stopping.signal.throwIfAborted()
  if (listener) {
    const told = createRecorderApp({ db, stopping: stopping.signal, streamAnswers: async () => redis.isReady(), log })
    serveOn(listener, config, (request) => told.fetch(request))
    say(`  health    http://localhost:${listener.port}/health`)
  }
  say(`FastrackAI's recorder is ready after ${((Date.now() - startedAt) / 1000).toFixed(1)} s: from Redis into PostgreSQL.`)
  say('Ctrl-C stops it.')
}

/** See the listener's [Note: A stop loses no request]. */
function serveOn(listener: Listener, config: Config, fetch: Fetch): void {
  listener.serve(fetch)
  running.add('the port', async () => {
    listener.answerLast()
    await sleep(config.stopGraceSeconds * 1000)
    await listener.close(CLOSE_PATIENCE_MS)
  })
}

/** db/audit-chain.ts, [Note: A new key]. */
async function nameAuditKey(db: Database, schoolKey: SchoolKey): Promise<void> {
  const { outcome, faults } = await ensureAuditKey(db, { now: schoolKey.derive('audit'), before: schoolKey.deriveBefore?.('audit') }, now())
  if (outcome === 'kept') return
  log({ event: 'audit_key_changed', checked: outcome === 'changed', faults, ...(outcome === 'unknown' ? { remedy: 'the audit log was written under another key; give it as SCHOOL_KEY_BEFORE to have it checked' } : {}) })
}

async function keepAuditHead(db: Database, metrics: Metrics, path: string | undefined): Promise<void> {
  if ((await headRound(db, { path, log })) === 'kept') metrics.headKept(now())
}

function roundsOf(db: Database, keyring: Keyring, auditKey: Buffer, metrics: Metrics, { auditHeadFile, retentionMonths }: Config): Round[] {
  return [
    { name: 'months', everyMs: HOUR_MS, work: () => dailyRound(db, { now: now(), retentionMonths, auditKey, log }) },
    // Every course that meets is counted anew for its month: at 1,000 rooms some 30 s of a core.
    { name: 'reports', everyMs: 10 * MINUTE_MS, work: () => refreshReports(db, now()) },
    { name: 'audit head', everyMs: DAY_MS, work: () => keepAuditHead(db, metrics, auditHeadFile) },
    // Faces that came into the record without us are compared with the school's. A stop in between loses nothing.
    { name: 'faces', everyMs: DAY_MS, work: () => compareTheUncompared(db, keyring, LIKENESS_LEVELS, now()) },
  ]
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

/** Without its record the server can do nothing; whoever watches over it starts it again, which mends it. */
function endWithoutRecord(line: string): void {
  if (stopping.signal.aborted) return
  stopping.abort()
  process.stderr.write(`${line}\n`)
  void starting.catch(() => {}).then(running.stopAll).finally(() => process.exit(1))
}

function catchSignals(): void {
  let first = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (first === 0) {
        first = Date.now()
        stopping.abort()
        // What a start is in the middle of making must be there before it can be stopped.
        void starting.catch(() => {}).then(running.stopAll).then(leave)
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

async function fail(error: unknown): Promise<void> {
  // A start that Ctrl-C broke off fails on the way; the signal's own end follows.
  if (stopping.signal.aborted) return
  if (REFUSALS.some((refusal) => error instanceof refusal)) process.stderr.write(`${(error as Error).message}\n`)
  else log({ event: 'not_started', ...describeFault(error) })
  stopping.abort()
  await running.stopAll()
  process.exit(1)
}
