/** A whole school for one test file: real PostgreSQL in a folder of its own, the demo school, the app. For tests alone. */
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hono } from 'hono'
import { DEFAULT_MODEL } from '#contract/model'
import { connect } from '../db/connect.ts'
import type { Database } from '../db/connect.ts'
import { startEmbedded } from '../db/embedded.ts'
import { insertMarks, setAsideMarks } from '../db/marks.ts'
import { migrate } from '../db/migrate.ts'
import { openKeyring } from '../db/open-keyring.ts'
import { ensureMonths } from '../db/partitions.ts'
import { seedDemoSchool } from '../db/seed.ts'
import type { AppEnv, AppParts } from './app-parts.ts'
import { openAudit } from './audit.ts'
import { createApp } from './app.ts'
import { createGroupCommit } from './intake/group-commit.ts'
import { openKnownDevices } from './known-devices.ts'
import type { LogEvent } from './log.ts'
import { openSchoolKey } from './school-key.ts'

export interface ThrowawaySchool {
  /** Of its database, for a second server. */
  url: string
  db: Database
  app: Hono<AppEnv>
  parts: AppParts
  apiKey: string
  deviceKey: string
  officePassword: string
  /** What was logged so far. */
  events: LogEvent[]
  /** Ends the live registers, as a stopping server does. */
  endLive(): void
  /** PostgreSQL goes away. */
  stopDatabase(): Promise<void>
  /** And comes back at the same address. */
  restartDatabase(): Promise<void>
  stop(): Promise<void>
}

export async function startThrowawaySchool(now: () => Date, more: Partial<AppParts> = {}): Promise<ThrowawaySchool> {
  const dataDir = await mkdtemp(join(tmpdir(), 'fastrackai-school-'))
  // PostgreSQL may run as another user, who must get through.
  await chmod(dataDir, 0o711)
  let embedded = await startEmbedded({ dataDir, log: () => {} })
  const db = await connect(embedded.url)
  const [apiKey, deviceKey, officePassword] = [secret(), secret(), secret()]
  await migrate(db)
  await ensureMonths(db, now())
  await seedDemoSchool(db, { now: now(), timeZone: 'Europe/Stockholm', deviceKey, officePassword })
  const events: LogEvent[] = []
  const log = (event: LogEvent): void => void events.push(event)
  const stopping = new AbortController()
  const devices = await openKnownDevices(db, log, now)
  const schoolKey = openSchoolKey(secret())
  const parts: AppParts = {
    db,
    devices,
    intake: createGroupCommit({ insert: (marks) => insertMarks(db, marks, now()), setAside: (refused) => setAsideMarks(db, refused, now()), log }),
    now,
    settings: { false_accept_budget: 0.003, score_floor: 0.5, recognition_threshold: 0.65, debounce_seconds: 30, frame_skip: 0, camera_fps: 15 },
    model: DEFAULT_MODEL,
    schoolKey,
    keyring: await openKeyring(db, { now: schoolKey.derive('templates') }),
    apiKey,
    appVersion: '0.0.0+test',
    appDir: undefined,
    secureCookies: false,
    log,
    stopping: stopping.signal,
    audit: openAudit({ db, key: (more.schoolKey ?? schoolKey).derive('audit'), now }),
    ...more,
  }
  let databaseRuns = true
  async function stopDatabase(): Promise<void> {
    if (databaseRuns) await embedded.stop()
    databaseRuns = false
  }
  async function restartDatabase(): Promise<void> {
    const before = embedded.url
    embedded = await startEmbedded({ dataDir, log: () => {} })
    databaseRuns = true
    if (embedded.url !== before) throw new Error('PostgreSQL came back at another address')
  }
  return {
    url: embedded.url,
    db,
    app: createApp(parts),
    parts,
    apiKey,
    deviceKey,
    officePassword,
    events,
    endLive: () => stopping.abort(),
    stopDatabase,
    restartDatabase,
    async stop() {
      stopping.abort()
      devices.close()
      await db.close()
      await stopDatabase()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

function secret(): string {
  return randomBytes(32).toString('base64url')
}

/** A request as a script or a device sends it. */
export function asked(key: string | undefined, body?: unknown, method = body === undefined ? 'GET' : 'POST'): RequestInit {
  return {
    method,
    headers: { ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }
}
