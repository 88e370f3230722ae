/** What a person is told when their server is ready: what to open, and where its secrets lie. Knows no route. */
import { join, relative, resolve } from 'node:path'
import type { Database } from '../db/connect.ts'
import { deviceByKey } from '../db/devices.ts'
import { lessonsOn } from '../db/registers.ts'
import type { Config, Role } from './config.ts'
import { tries } from './open-record.ts'
import { secretsPath } from './secrets.ts'
import type { Secrets } from './secrets.ts'

export interface Announced {
  role: Role
  config: Config
  secrets: Secrets
  /** The one that was taken, where any free one was asked for. */
  port: number
  db: Database
  /** Whether this start made the demo school. */
  seeded: boolean
  officeUser: string
  version: string
  /** Since the process began. */
  seconds: number
  now: Date
  say: (line: string) => void
}

export async function announce({ role, config, secrets, port, db, seeded, officeUser, version, seconds, now, say }: Announced): Promise<void> {
  const at = config.publicUrl ?? `http://localhost:${port}`
  const device = await deviceByKey(db, secrets.deviceKey)
  const { time_zone } = await lessonsOn(db, undefined, now)

  say(`\nFastrackAI ${version} is ready after ${seconds.toFixed(1)} s. Open:\n`)
  if (device && !device.revoked) say(`  kiosk     ${at}/kiosk#device=${device.device_id}&room=${device.room_id}&key=${secrets.deviceKey}`)
  say(`  office    ${at}/office`)
  if (seeded && config.officePassword === undefined) say(`            user ${officeUser}, password ${secrets.officePassword} (shown only now)`)
  if (seeded && tries(config)) for (const [user, password] of [['teacher', secrets.teacherPassword], ['privacy', secrets.privacyPassword]]) if (password !== undefined) say(`            user ${user}, password ${password}`)
  if (seeded && config.officePassword !== undefined) say(`            user ${officeUser}, password as set in OFFICE_PASSWORD`)
  // Of this very server, whatever stands in front of it.
  say(`  health    ${role === 'serve' ? `http://localhost:${port}` : at}/health`)
  say('')
  say(config.databaseUrl === undefined ? `  database  its address is in ${short(join(resolve(config.dataDir), 'database-url'))}` : '  database  as set in DATABASE_URL')
  if (config.redisUrl !== undefined) say(`  queue     as set in REDIS_URL; ${role === 'serve' ? '`npm run record` stores what it holds' : 'stored by this server'}`)
  say(config.apiKey === undefined ? `  API key   in ${short(secretsPath(config.dataDir))}` : '  API key   as set in API_KEY')
  if (config.retentionMonths !== undefined) say(`  months    the last ${config.retentionMonths} are kept, older ones dropped`)
  if (seeded) say(`  school    a demo school was made, in time zone ${time_zone}`)
  if (config.timeZoneGiven && config.timeZone !== time_zone) say(`  school    keeps time zone ${time_zone}, as it was made with; TIME_ZONE=${config.timeZone} is not used`)
  say('')
  say(`Listening on ${config.host}. Cameras work at localhost or over https; for other machines put TLS in front.`)
  say('Ctrl-C stops it.')
}

function short(path: string): string {
  const from = relative(process.cwd(), path)
  return from.startsWith('..') ? path : from
}
