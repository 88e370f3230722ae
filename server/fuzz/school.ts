/** The school that is asked: real PostgreSQL, the app behind a real port, everybody who may ask; made anew from one template within half a second. */
import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_MODEL, EMBEDDING_LENGTH } from '#contract/model'
import type { AccountRole } from '#contract/people'
import { saveSession } from '../../db/accounts.ts'
import { addAccount } from '../../db/account-list.ts'
import { checkAudit } from '../../db/audit.ts'
import { connect } from '../../db/connect.ts'
import type { Database } from '../../db/connect.ts'
import { saveConsent } from '../../db/consents.ts'
import { saveDevice } from '../../db/devices.ts'
import { startEmbedded } from '../../db/embedded.ts'
import { erase } from '../../db/erasure.ts'
import { saveHeartbeat } from '../../db/heartbeats.ts'
import { insertMarks, setAsideMarks } from '../../db/marks.ts'
import { migrate } from '../../db/migrate.ts'
import { openKeyring } from '../../db/open-keyring.ts'
import { ensureMonths } from '../../db/partitions.ts'
import { hashPassword } from '../../db/password.ts'
import { savePairingCode } from '../../db/pairing.ts'
import { saveTemplates } from '../../db/people.ts'
import { lessonsOn, saveCorrection } from '../../db/registers.ts'
import { seedDemoSchool } from '../../db/seed.ts'
import type { AppParts } from '../app-parts.ts'
import { createApp } from '../app.ts'
import { openAudit } from '../audit.ts'
import { createGroupCommit } from '../intake/group-commit.ts'
import { openKnownDevices } from '../known-devices.ts'
import { listen } from '../listener.ts'
import type { LogEvent } from '../log.ts'
import { LOGIN_CALLBACK, openSchoolLogin } from '../oidc.ts'
import { openSchoolKey } from '../school-key.ts'
import type { Known } from './values.ts'

/** Everybody who may ask, and who may not. */
export const ASKERS = ['nobody', 'wrong key', 'script', 'device', 'office', 'teacher', 'privacy', 'student'] as const
export type Asker = (typeof ASKERS)[number]

export interface FuzzSchool {
  port: number
  known: Known
  /** What says who asks. */
  headersOf(asker: Asker): readonly (readonly [string, string])[]
  /** Everybody may ask again who was signed out, revoked or shut out meanwhile. */
  revive(): Promise<void>
  /** What the server itself has put into its log as a fault since the last look. */
  faultsLogged(): LogEvent[]
  /** What is wrong with the record; nothing: empty. */
  check(): Promise<string[]>
  stop(): Promise<void>
}

export interface FuzzSchools {
  open(): Promise<FuzzSchool>
  stop(): Promise<void>
}

const TEMPLATE = 'template_school'
const FACES = ['S001', 'S002', 'S003', 'S007']
const PASSWORD = 'a password of theirs'
const ROLES = ['office', 'teacher', 'privacy', 'student'] as const satisfies readonly AccountRole[]
const DEVICE = 'pi-lab301'
const CODE = 'ABCDEFGH'

export async function openFuzzSchools(now: () => Date): Promise<FuzzSchools> {
  const dataDir = await mkdtemp(join(tmpdir(), 'fastrackai-fuzz-'))
  // PostgreSQL may run as another user, who must get through.
  await chmod(dataDir, 0o711)
  const embedded = await startEmbedded({ dataDir, log: () => {} })
  const schoolKey = openSchoolKey(secret())
  const [apiKey, deviceKey] = [secret(), secret()]
  const urlOf = (name: string): string => Object.assign(new URL(embedded.url), { pathname: `/${name}` }).href
  const admin = await connect(embedded.url, { statementTimeoutMs: 0 })
  await admin.sql`CREATE DATABASE ${admin.sql(TEMPLATE)}`
  const template = await connect(urlOf(TEMPLATE))
  await migrate(template)
  await ensureMonths(template, now())
  await seedDemoSchool(template, { now: now(), timeZone: 'Europe/Stockholm', deviceKey, officePassword: secret() })
  const keyring = await openKeyring(template, { now: schoolKey.derive('templates') })
  const accounts = await fill(template, { now: now(), keyring })
  await template.close()
  let made = 0

  async function open(): Promise<FuzzSchool> {
    const name = `school_${(made += 1)}`
    await admin.sql`CREATE DATABASE ${admin.sql(name)} TEMPLATE ${admin.sql(TEMPLATE)}`
    const db = await connect(urlOf(name))
    const events: LogEvent[] = []
    const log = (event: LogEvent): void => void events.push(event)
    const stopping = new AbortController()
    const devices = await openKnownDevices(db, log, now)
    const auditKey = schoolKey.derive('audit')
    const parts: AppParts = {
      db, devices, now, schoolKey, apiKey, log,
      intake: createGroupCommit({ insert: (marks) => insertMarks(db, marks, now()), setAside: (refused) => setAsideMarks(db, refused, now()), log }),
      settings: { false_accept_budget: 0.003, score_floor: 0.5, recognition_threshold: 0.65, debounce_seconds: 30, frame_skip: 0, camera_fps: 15 },
      model: DEFAULT_MODEL,
      keyring: await openKeyring(db, { now: schoolKey.derive('templates') }),
      appVersion: '0.0.0+fuzz',
      appDir: undefined,
      secureCookies: false,
      stopping: stopping.signal,
      audit: openAudit({ db, key: auditKey, now }),
      // Nobody answers there.
      schoolLogin: openSchoolLogin({ issuer: 'http://localhost:9', clientId: 'a', clientSecret: 'b', scopes: 'openid', roleClaim: undefined, usernameClaim: undefined, redirectUri: `http://localhost${LOGIN_CALLBACK}` }, schoolKey.derive('oidc-state'), now),
    }
    const listener = await listen('127.0.0.1', 0, createApp(parts).fetch)
    const tokens = new Map<string, string>()
    const bearer = (key: string): [string, string][] => [['authorization', `Bearer ${key}`]]

    async function revive(): Promise<void> {
      await saveDevice(db, { device_id: DEVICE, room_id: 'LAB-301', key: deviceKey })
      await db.sql`UPDATE devices SET fenced_at = NULL WHERE device_id = ${DEVICE}`
      await db.sql`UPDATE school SET policy = 'default' WHERE policy <> 'default'`
      await devices.reload()
      for (const [username, account_id] of accounts) {
        const token = randomBytes(32).toString('base64url')
        await db.sql`UPDATE accounts SET disabled_at = NULL, role = ${username}, student_id = ${username === 'student' ? 'S005' : null} WHERE account_id = ${account_id}`.catch(() => {})
        // Of a person who was erased there is no account any more.
        await saveSession(db, { token, account_id, expires_at: new Date(now().getTime() + 12 * 3_600_000) }).catch(() => {})
        tokens.set(username, token)
      }
    }
    await revive()
    const known = await knownOf(db, now())
    let looked = 0

    return {
      port: listener.port,
      known,
      revive,
      headersOf(asker) {
        switch (asker) {
          case 'nobody':
            return []
          case 'wrong key':
            return bearer('w'.repeat(43))
          case 'script':
            return bearer(apiKey)
          case 'device':
            return bearer(deviceKey)
          default:
            return [['cookie', `fastrack_session=${tokens.get(asker) ?? ''}`]]
        }
      },
      faultsLogged() {
        const since = events.slice(looked)
        looked = events.length
        return since.filter(({ event }) => event === 'request_failed')
      },
      async check() {
        const wrong: string[] = []
        const report = await checkAudit(db, [auditKey])
        if (report.faults.length > 0) wrong.push(`the audit log is not whole: ${JSON.stringify(report.faults[0])}`)
        const [rows] = await db.sql<{ orphans: number; unconsented: number }[]>`
          SELECT (SELECT count(*)::integer FROM templates t WHERE NOT EXISTS (SELECT FROM keyring.students k WHERE k.student_id = t.student_id)) AS orphans,
            (SELECT count(*)::integer FROM templates t WHERE NOT EXISTS (SELECT FROM consents c WHERE c.student_id = t.student_id AND c.withdrawn_at IS NULL)) AS unconsented`
        if (rows?.orphans !== 0) wrong.push(`${rows?.orphans} templates without their student's key`)
        if (rows?.unconsented !== 0) wrong.push(`${rows?.unconsented} templates without a consent in force`)
        return wrong
      },
      async stop() {
        stopping.abort()
        await listener.close(2_000)
        devices.close()
        await db.close()
        await admin.sql`DROP DATABASE ${admin.sql(name)} WITH (FORCE)`
      },
    }
  }

  return {
    open,
    async stop() {
      await admin.close()
      await embedded.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** Marks, a correction, a record set aside, consents, faces and people: so that there is something of everything. */
async function fill(db: Database, { now, keyring }: { now: Date; keyring: AppParts['keyring'] }): Promise<Map<AccountRole, number>> {
  for (const [axis, student_id] of FACES.entries()) {
    await saveConsent(db, student_id, { statement: 'I agree', given_by: 'Anna', relationship: '' }, now, 'script')
    await saveTemplates(db, keyring, student_id, [{ model: DEFAULT_MODEL, embedding: unitVector(axis) }], now, { levels: { same_person: 0.7, look_alike: 0.65 } })
  }
  const { lessons } = await lessonsOn(db, undefined, now)
  const begun = lessons.filter(({ starts_at }) => Date.parse(starts_at) < now.getTime())
  await insertMarks(db, begun.flatMap(({ lesson_id, held_on, course_id, starts_at }) => ['S001', 'S002', 'S005'].map((student_id) => ({ student_id, course_id, lesson_id, held_on, timestamp: new Date(Date.parse(starts_at) + 60_000).toISOString(), confidence: 0.8, method: 'face' as const, device_id: DEVICE }))), now)
  await insertMarks(db, [{ student_id: 'S999', course_id: 'CS101', timestamp: now.toISOString(), confidence: 0.8, device_id: DEVICE }], now)
  const [first] = begun
  if (first) await saveCorrection(db, first, { student_id: 'S006', status: 'excused', note: 'ill', corrected_by: 'office' }, now)
  // A storage that was replaced raises an alarm; an erasure leaves a certificate.
  const fence = '0190a1b2-0000-7000-8000-0000000000f1'
  for (const [made, store_id] of [[5, '0190a1b2-0000-7000-8000-00000000000c'], [0, '0190a1b2-0000-7000-8000-00000000000d']] as const) await saveHeartbeat(db, { device_id: DEVICE, store: { store_id, made, unsent: made, fence, next_fence: fence } }, now)
  await erase(db, 'S003', { scope: 'biometrics', marks: 'pseudonym' }, now, 'script')
  await savePairingCode(db, { code: CODE, room_id: 'HALL-1', device_id: undefined, now, expiresAt: new Date(now.getTime() + 86_400_000) })
  const accounts = new Map<AccountRole, number>()
  for (const role of ROLES) {
    const [there] = await db.sql<{ account_id: number }[]>`SELECT account_id FROM accounts WHERE username = ${role}`
    const added = there ? { outcome: 'saved' as const, account_id: there.account_id } : await addAccount(db, { username: role, role, student_id: role === 'student' ? 'S005' : null, email: null, course_ids: role === 'teacher' ? ['CS101', 'MA110'] : [], password_hash: await hashPassword(PASSWORD) })
    if (added.outcome !== 'saved') throw new Error(`the account ${role} was not made: ${added.outcome}`)
    accounts.set(role, added.account_id)
  }
  // One more, so that the office may disable one.
  await addAccount(db, { username: 'office-2', role: 'office', student_id: null, email: null, course_ids: [], password_hash: null })
  return accounts
}

async function knownOf(db: Database, now: Date): Promise<Known> {
  const { lessons } = await lessonsOn(db, undefined, now)
  const setAside = await db.sql<{ set_aside_id: number }[]>`SELECT set_aside_id FROM set_aside`
  const accounts = await db.sql<{ account_id: number }[]>`SELECT account_id FROM accounts`
  const certificates = await db.sql<{ certificate_id: string }[]>`SELECT certificate_id::text AS certificate_id FROM deletion_certificates`
  return {
    student_id: ['S001', 'S002', 'S003', 'S004', 'S005', 'S006', 'S024', 'S999'],
    course_id: ['CS101', 'MA110', 'CS205', 'MU140', 'XX999'],
    room_id: ['LAB-301', 'ROOM-204', 'HALL-1', 'ROOM-999'],
    device_id: [DEVICE, DEVICE, DEVICE, 'pi-999'],
    lesson: lessons.map(({ held_on, lesson_id }) => ({ held_on, lesson_id })),
    lesson_id: lessons.map(({ lesson_id }) => lesson_id),
    held_on: lessons.map(({ held_on }) => held_on),
    account_id: [...accounts.map(({ account_id }) => account_id), 999],
    id: [...setAside.map(({ set_aside_id }) => set_aside_id), 999],
    alarm_id: [1, 999],
    certificate_id: certificates.map(({ certificate_id }) => certificate_id),
    code: [CODE, CODE.toLowerCase(), '123456'],
    text_id: ['faces', 'own-words'],
    username: ['office', 'teacher', 'student', 'nobody'],
    password: [PASSWORD, 'not that one at all'],
    password_now: [PASSWORD, 'not that one at all'],
    store_id: ['0190a1b2-0000-7000-8000-00000000000a', '0190a1b2-0000-7000-8000-00000000000b'],
    key_sha256: [createHash('sha256').update('a').digest('hex'), createHash('sha256').update('b').digest('hex')],
    timestamp: [now.toISOString(), new Date(now.getTime() - 600_000).toISOString(), new Date(now.getTime() - 86_400_000).toISOString()],
    embedding: [0, 1, 5, 6, 7].map(unitVector),
    model: [DEFAULT_MODEL],
    file: ['start.js', 'swagger-ui.css'],
    date: lessons.map(({ held_on }) => held_on),
  }
}

function unitVector(axis: number): number[] {
  return Array.from({ length: EMBEDDING_LENGTH[DEFAULT_MODEL] }, (_, i) => (i === axis ? 1 : 0))
}

function secret(): string {
  return randomBytes(32).toString('base64url')
}
