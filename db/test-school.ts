/** For tests: a fresh, migrated database on a real embedded PostgreSQL. One postmaster to a test file, stopped and erased when the file is done. */
import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { ModelId } from '#contract/model'
import { connect } from './connect.ts'
import type { Database } from './connect.ts'
import { eraseCluster, startEmbedded } from './embedded.ts'
import type { Embedded } from './embedded.ts'
import { isRunning } from './embedded/postmaster.ts'
import { createKeyring, ensureStudentKey, rotationOf } from './keyring.ts'
import { migrate } from './migrate.ts'
import { openKeyring } from './open-keyring.ts'
import { ensureMonths } from './partitions.ts'
import { roomOutline, scheduleOf } from './roster.ts'
import type { RoomSchedule } from './roster.ts'
import { sealTemplate } from './sealed-templates.ts'
import type { TemplateRow } from './sealed-templates.ts'
import { seedDemoSchool } from './seed.ts'

const TEMPLATE = 'template_school'

let running: Promise<{ embedded: Embedded; dataDir: string }> | undefined

/** No school in it yet: `seedDemoSchool`, or your own rows. Months are not made either: `ensureMonths`. Each call gives another database. */
export async function openTestDatabase(): Promise<{ db: Database; url: string; close(): Promise<void> }> {
  running ??= start()
  const { embedded } = await running
  const name = `school_${randomBytes(6).toString('hex')}`
  const admin = await connect(embedded.url, { statementTimeoutMs: 0 })
  await admin.sql`CREATE DATABASE ${admin.sql(name)} TEMPLATE ${admin.sql(TEMPLATE)}`
  await admin.close()
  const url = databaseUrl(embedded.url, name)
  const db = await connect(url)
  return { db, url, close: () => db.close() }
}

/** A database as a version left it that knew no migration from `before` on, such as '0011': yours to fill, and to migrate. */
export async function openOlderDatabase(before: string): Promise<{ db: Database; url: string; close(): Promise<void> }> {
  running ??= start()
  const { embedded } = await running
  const name = `older_${randomBytes(6).toString('hex')}`
  const admin = await connect(embedded.url, { statementTimeoutMs: 0 })
  await admin.sql`CREATE DATABASE ${admin.sql(name)}`
  await admin.close()
  const url = databaseUrl(embedded.url, name)
  const db = await connect(url)
  await db.sql`CREATE TABLE schema_migrations (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`
  const folder = join(import.meta.dirname, 'migrations')
  for (const file of (await readdir(folder)).sort().filter((one) => one < before)) {
    const text = await readFile(join(folder, file), 'utf8')
    await db.sql.unsafe(text)
    await db.sql`INSERT INTO schema_migrations (name, sha256) VALUES (${file}, ${createHash('sha256').update(text).digest('hex')})`
  }
  return { db, url, close: () => db.close() }
}

/** The demo school on a fresh database, as if the server had first been started at `now`. Its device key is DEVICE_KEY, the office's password OFFICE_PASSWORD. */
export async function openDemoSchool(now: Date, timeZone = 'Europe/Stockholm'): Promise<{ db: Database; url: string; close(): Promise<void> }> {
  const opened = await openTestDatabase()
  await ensureMonths(opened.db, now)
  await seedDemoSchool(opened.db, { now, timeZone, deviceKey: DEVICE_KEY, officePassword: OFFICE_PASSWORD })
  return opened
}

/** What a room's kiosk may know, as a poll brings it. */
export async function roomSchedule(db: Database, roomId: string, at: Date): Promise<RoomSchedule | undefined> {
  const outline = await roomOutline(db, roomId, at)
  return outline && scheduleOf(db, outline, KEYRING)
}

const KEYS = { now: Buffer.alloc(32, 'a templates key for tests') }
/** Of every test database. */
export const KEYRING = createKeyring(KEYS)

/** A template's bytes as a server writes them: for rows that a test writes past it. */
export async function sealedAs(db: Database, row: TemplateRow & { model: ModelId }, embedding: ArrayLike<number>): Promise<Buffer> {
  return sealTemplate(await ensureStudentKey(db.sql, KEYRING, row.student_id), row, (await rotationOf(db.sql, KEYRING, row.model)).rotate(embedding))
}

export const DEVICE_KEY = 'k'.repeat(43)
export const OFFICE_PASSWORD = 'an office password for tests'

async function start(): Promise<{ embedded: Embedded; dataDir: string }> {
  await sweepAbandoned()
  const dataDir = await mkdtemp(join(tmpdir(), `fastrackai-test-${process.pid}-`))
  // As root PostgreSQL runs as another user, who must get in.
  await chmod(dataDir, 0o755)
  const embedded = await startEmbedded({ dataDir, log: () => {} })
  const admin = await connect(embedded.url, { statementTimeoutMs: 0 })
  await admin.sql`CREATE DATABASE ${admin.sql(TEMPLATE)}`
  await admin.close()
  const template = await connect(databaseUrl(embedded.url, TEMPLATE))
  await migrate(template)
  await openKeyring(template, KEYS)
  await template.close()
  return { embedded, dataDir }
}

function databaseUrl(url: string, name: string): string {
  const address = new URL(url)
  address.pathname = `/${name}`
  return address.href
}

afterAll(async () => {
  const started = await running?.catch(() => undefined)
  running = undefined
  if (!started) return
  await started.embedded.stop()
  await eraseCluster(started.dataDir)
  await rm(started.dataDir, { recursive: true, force: true })
})

/** A run that was killed leaves its postmaster and its folder behind. */
async function sweepAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(/^fastrackai-test-(\d+)-/.exec(name)?.[1])
    if (!pid || (await isRunning(pid))) continue
    const dataDir = join(tmpdir(), name)
    await startEmbedded({ dataDir, log: () => {} }).then((embedded) => embedded.stop()).catch(() => {})
    await eraseCluster(dataDir)
    await rm(dataDir, { recursive: true, force: true })
  }
}
