/** What the app is made of: handed in by the composition root, never looked up. */
import type { DeviceSettings } from '#contract/device'
import type { ModelId } from '#contract/model'
import type { Database } from '../db/connect.ts'
import type { Identity } from './identity.ts'
import type { Intake } from './intake/intake.ts'
import type { KnownDevices } from './known-devices.ts'
import type { Log } from './log.ts'
import type { MakeThrottle } from './sign-in-throttle.ts'

export interface AppParts {
  db: Database
  intake: Intake
  now: () => Date
  /** Who may bring marks, known without a query. Whoever changes a device here awaits `devices.reload()`. */
  devices: KnownDevices
  /** The same for every room; liveness is each room's own. */
  settings: Omit<DeviceSettings, 'liveness'>
  /** The embedding model of this school: of the app that is served, and of whoever enrols here. */
  model: ModelId
  /** Bearer key of scripts: may do all that the office may. */
  apiKey: string
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
  /** Counts failed sign-ins; absent: in this server's memory alone. */
  makeThrottle?: MakeThrottle
}

/** Hono's environment: who asks, known after `onlyFor`. */
export interface AppEnv {
  Variables: { identity: Identity }
}
