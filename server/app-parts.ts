/** What the app is made of: handed in by the composition root, never looked up. */
import type { DeviceSettings } from '#contract/device'
import type { ModelId } from '#contract/model'
import type { Database } from '../db/connect.ts'
import type { Keyring } from '../db/keyring.ts'
import type { Audit } from './audit.ts'
import type { TrustedProxies } from './client-address.ts'
import type { Identity } from './identity.ts'
import type { Intake } from './intake/intake.ts'
import type { KnownDevices } from './known-devices.ts'
import type { SharedCount } from './limits.ts'
import type { Log } from './log.ts'
import type { SchoolLogin } from './oidc.ts'
import type { SchoolKey } from './school-key.ts'
import type { Metrics } from './metrics.ts'
import type { MakeThrottle } from './sign-in-throttle.ts'

export interface AppParts {
  db: Database
  intake: Intake
  now: () => Date
  /** Who may bring marks, known without a query. Whoever changes a device here awaits `devices.reload()`. */
  devices: KnownDevices
  /** The same for every room; liveness is each room's own, the policy the school's. */
  settings: Omit<DeviceSettings, 'liveness' | 'policy'>
  /** The embedding model of this school: of the app that is served, and of whoever enrols here. */
  model: ModelId
  /** Opens and seals templates; of `schoolKey`. */
  keyring: Keyring
  /** What every other key is derived from; the root itself is handed to nobody. */
  schoolKey: SchoolKey
  /** Puts on record who did what; resolves when that is committed. What an answer needs on record is awaited before it is given. */
  audit: Audit
  /** The school's own login, where it has one. */
  schoolLogin?: SchoolLogin
  /** Bearer key of scripts: may do all that the office may. */
  apiKey: string
  /** Whole months of marks that are kept; undefined: all. Told in the retention schedule; obeyed by the daily round. */
  retentionMonths?: number | undefined
  /** The build that is served, announced to kiosks. */
  appVersion: string
  /** Folder of the built app; undefined serves the API alone. */
  appDir: string | undefined
  /** Session cookies only over TLS. Behind a TLS proxy that says so (X-Forwarded-Proto) they are Secure in any case. */
  secureCookies: boolean
  log: Log
  /** Aborted when the server stops: `/readyz` says so, and the live registers end, which would otherwise never end. */
  stopping?: AbortSignal
  /** Whether the stream takes marks just now; absent where there is none. */
  streamAnswers?: () => Promise<boolean>
  /** What the stream holds that PostgreSQL does not; absent without Redis, undefined or rejected while Redis does not answer. */
  queueState?: () => Promise<{ waiting: number; oldest_ms: number } | undefined>
  /** Requests a minute of each device, account and nameless address, scripts ten times as many; absent or 0: no limit. */
  rateLimitPerMinute?: number
  /** Counts requests for several servers together; absent: each counts in its own memory. */
  sharedCount?: SharedCount
  /** Proxies whose X-Forwarded-For is believed; absent: none, and the socket's peer is the client. */
  trustedProxies?: TrustedProxies
  /** How people reach us, such as https://attendance.school.example; absent: as whoever asks did. */
  publicUrl?: string
  /** Opens /metrics beside the API key; absent: that one alone. */
  metricsKey?: string
  /** What is counted for a monitor; absent: the app counts for itself. */
  metrics?: Metrics
  /** Whose time is that of the last backup; absent: nobody watches backups here. */
  backupStampFile?: string | undefined
  /** Counts failed sign-ins; absent: in this server's memory alone. */
  makeThrottle?: MakeThrottle
}

/** Hono's environment: who asks, known after `onlyFor`. */
export interface AppEnv {
  Variables: { identity: Identity }
}
