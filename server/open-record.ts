/** PostgreSQL, ours or another's, with this version's shape, its months and, for servers, a school in it. Knows no port and no queue. */
import { resolve } from 'node:path'
import { accountByName, saveAccount } from '../db/accounts.ts'
import { connect } from '../db/connect.ts'
import type { Database } from '../db/connect.ts'
import { startEmbedded } from '../db/embedded.ts'
import { migrate } from '../db/migrate.ts'
import { ensureMonths } from '../db/partitions.ts'
import { hashPassword, passwordIsRight } from '../db/password.ts'
import { seedDemoSchool } from '../db/seed.ts'
import type { Config } from './config.ts'
import type { Running } from './running.ts'
import type { Secrets } from './secrets.ts'

export const OFFICE_USER = 'office'

export interface RecordOptions {
  config: Config
  running: Running
  now: () => Date
  say: (line: string) => void
  /** The embedded PostgreSQL ended by itself. */
  onEnd: (line: string) => void
}

export async function openRecord({ config, running, now, say, onEnd }: RecordOptions): Promise<Database> {
  const db = await connect(config.databaseUrl ?? (await startOurs()))
  running.add('the database', () => db.close())
  await migrate(db)
  await ensureMonths(db, now())
  return db

  async function startOurs(): Promise<string> {
    const embedded = await startEmbedded({ dataDir: resolve(config.dataDir), log: say, onExit: onEnd })
    running.add('PostgreSQL', () => embedded.stop())
    return embedded.url
  }
}

/** @returns whether the demo school was made: only where there was none. */
export async function openSchool(db: Database, config: Config, secrets: Secrets, now: Date): Promise<boolean> {
  const officePassword = config.officePassword ?? secrets.officePassword
  const seeded = await seedDemoSchool(db, { now, timeZone: config.timeZone, deviceKey: secrets.deviceKey, officePassword, ...(tries(config) ? { teacherPassword: secrets.teacherPassword, privacyPassword: secrets.privacyPassword } : {}) })
  if (!seeded && config.officePassword !== undefined) await saveOfficePassword(db, config.officePassword)
  return seeded
}

/** Who sets no password of their own is trying it out, and may look at it as everybody. A real school makes its own accounts. */
export const tries = ({ officePassword }: Config): boolean => officePassword === undefined

/** Whoever may set OFFICE_PASSWORD may also change it: a new one signs everybody of the office out. */
async function saveOfficePassword(db: Database, password: string): Promise<void> {
  const account = await accountByName(db, OFFICE_USER)
  if (account && !account.disabled && account.role === 'office' && (await passwordIsRight(account.password_hash, password))) return
  await saveAccount(db, { username: OFFICE_USER, role: 'office', password_hash: await hashPassword(password) })
}
