/**
 * What whoever runs the server may set: the environment, read once, here and nowhere else.
 * Knows what each variable must be, and nothing of what it is for.
 */
import { z } from 'zod'
import { type DeviceSettings, FALSE_ACCEPT_BUDGET } from '#contract/device'
import { DEFAULT_MODEL, ModelId, modelIds } from '#contract/model'

/**
 * Cosine to be reached where no budget sets the score: in apps from before it, and where one face is verified against one student's.
 * mobilefacenet: the middle of what nine clips of four people before one camera leave open, with one or three frames enrolled (from .62 on
 * nobody was taken for another, 0 of 960 pairs of clip and roster; up to .68 everybody was known, 192 of 192). faceres: above both
 * .452 of the clips' means of two people and of LFW's nearest stranger (kiosk/models/LEDGER.md).
 */
const RECOGNITION_THRESHOLD: Readonly<Record<ModelId, number>> = { 'mobilefacenet-192-r1': 0.65, 'faceres-1024-r1': 0.5 }
/**
 * Centred cosine below which nobody is taken for anybody, whatever the budget allows: 3 of 10,000 pairs of LFW's
 * different people reach it (kiosk/models/LEDGER.md); a roster of fifty needs more for the default budget anyway.
 */
const SCORE_FLOOR: Readonly<Record<ModelId, number>> = { 'mobilefacenet-192-r1': 0.5, 'faceres-1024-r1': 0.41 }
const DEBOUNCE_SECONDS = 30
/** Every frame is looked at: 15 a second are few enough. */
const FRAME_SKIP = 0
const CAMERA_FPS = 15

const PORT = 8000
/** All addresses, so that the TLS proxy and the school's network reach it. A camera works only at https or localhost: browsers see to that. */
const HOST = '0.0.0.0'
const DATA_DIR = './data'
const MIN_API_KEY_LENGTH = 32
const MIN_PASSWORD_LENGTH = 8

/** What one process does: `start` everything, on its own; `serve` HTTP alone; `record` what servers put into the stream. */
export type Role = 'start' | 'serve' | 'record'

/** Behind a proxy that asks /readyz every two seconds; alone nobody waits for it. */
const STOP_GRACE_SECONDS: Readonly<Record<Role, number>> = { start: 0, serve: 5, record: 0 }
/** A school year and a month: percentages of the year that is under way are whole. */
const LEAST_RETENTION_MONTHS = 13
const MOST_RETENTION_MONTHS = 1_200

export interface Config {
  /** 0: any free one. */
  port: number
  /** Whether PORT was set: a recorder listens only then. */
  portGiven: boolean
  host: string
  /** What people type to reach it, such as https://attendance.school.example; undefined: http://localhost and the port. */
  publicUrl: string | undefined
  dataDir: string
  /** undefined: PostgreSQL is started here, under dataDir. */
  databaseUrl: string | undefined
  /** undefined: no stream; marks go straight to PostgreSQL, and sign-ins are counted in each server's memory. */
  redisUrl: string | undefined
  /** Whole months of marks that are kept; undefined: all. */
  retentionMonths: number | undefined
  /** Seconds between telling /readyz that we stop and taking no more connections. */
  stopGraceSeconds: number
  /** undefined: generated and kept under dataDir. */
  apiKey: string | undefined
  /** undefined: generated with the demo school. */
  officePassword: string | undefined
  timeZone: string
  /** Whether TIME_ZONE was set, rather than taken from the system. */
  timeZoneGiven: boolean
  /** A built app to serve as it is; undefined: dist/, made when missing or out of date. */
  appDir: string | undefined
  /** The embedding model that this school enrols and compares with. */
  model: ModelId
  /** The same for every room; liveness is each room's own, in the database. */
  settings: Omit<DeviceSettings, 'liveness'>
  production: boolean
}

/** Every fault, one line each. */
export class ConfigRefused extends Error {
  override name = 'ConfigRefused'

  constructor(readonly lines: string[]) {
    super(lines.join('\n'))
  }
}

function whole(from: number, to: number, says = `a whole number from ${from} to ${to}`): z.ZodType<number, string> {
  const error = `must be ${says}`
  return z.string().regex(/^\d{1,9}$/, error).transform(Number).pipe(z.number().min(from, error).max(to, error))
}

function decimal(from: number, to: number): z.ZodType<number, string> {
  const error = `must be a number from ${from} to ${to}`
  return z.string().regex(/^\d{0,9}(\.\d{1,9})?$/, error).transform(Number).pipe(z.number().min(from, error).max(to, error))
}

const Environment = z.object({
  PORT: whole(0, 65_535, 'a whole number from 1 to 65535 (or 0 for any free port)').optional(),
  HOST: z.string().regex(/^[A-Za-z0-9.:_-]+$/, 'must be an address or host name to listen on, such as 0.0.0.0 or localhost').optional(),
  PUBLIC_URL: z.string().regex(/^https?:\/\/[^/\s?#]+\/?$/, 'must be an address without a path, such as https://attendance.school.example').optional(),
  DATA_DIR: z.string().optional(),
  DATABASE_URL: z.string().refine(isPostgresUrl, 'must be an address such as postgres://user:password@host:5432/database').optional(),
  REDIS_URL: z.string().refine(isRedisUrl, 'must be an address such as redis://:password@host:6379').optional(),
  RETENTION_MONTHS: whole(LEAST_RETENTION_MONTHS, MOST_RETENTION_MONTHS, `a whole number of months, at least ${LEAST_RETENTION_MONTHS}; leave it out to keep every month`).optional(),
  STOP_GRACE_SECONDS: whole(0, 300).optional(),
  API_KEY: z.string().regex(new RegExp(`^[\\x21-\\x7e]{${MIN_API_KEY_LENGTH},200}$`), `must be ${MIN_API_KEY_LENGTH} to 200 characters without spaces; leave it out and one is generated`).optional(),
  OFFICE_PASSWORD: z.string().min(MIN_PASSWORD_LENGTH, `must be at least ${MIN_PASSWORD_LENGTH} characters`).max(200, 'must be at most 200 characters').optional(),
  TIME_ZONE: z.string().refine(isTimeZone, 'must be an IANA time zone such as Europe/Stockholm').optional(),
  APP_DIR: z.string().optional(),
  MODEL: z.enum(modelIds, `must be one of ${modelIds.join(', ')}`).optional(),
  FALSE_ACCEPT_BUDGET: decimal(0.00001, 0.1).optional(),
  RECOGNITION_THRESHOLD: decimal(0, 1).optional(),
  DEBOUNCE_SECONDS: decimal(0, 3600).optional(),
  FRAME_SKIP: whole(0, 60).optional(),
  CAMERA_FPS: whole(1, 60).optional(),
  NODE_ENV: z.string().optional(),
})

/** Their values are never printed. */
const SECRET = new Set<PropertyKey>(['API_KEY', 'OFFICE_PASSWORD', 'DATABASE_URL', 'REDIS_URL'])

/** What a role cannot do without, because several processes must have the same. */
const NEEDED: Readonly<Record<Role, Readonly<Partial<Record<keyof z.infer<typeof Environment>, string>>>>> = {
  start: {},
  serve: {
    DATABASE_URL: 'is not set; servers that share the work share one PostgreSQL (`npm run database` starts one for this machine)',
    API_KEY: 'is not set; every server must have the same',
  },
  record: {
    DATABASE_URL: 'is not set; the recorder writes into the PostgreSQL that the servers use',
    REDIS_URL: 'is not set; the recorder takes marks out of the Redis that the servers put them into',
  },
}

/** @throws ConfigRefused */
// eslint-disable-next-line node/no-process-env -- the one reader of the environment
export function readConfig(role: Role = 'start', environment: Record<string, string | undefined> = process.env): Config {
  // An empty value is what a compose file passes on for a variable that is not set.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ''))
  const parsed = Environment.safeParse(given)
  const missing = Object.entries(NEEDED[role]).flatMap(([name, why]) => (name in given ? [] : [`${name} ${why}`]))
  if (!parsed.success) throw new ConfigRefused([...faultLines(parsed.error, given), ...missing])
  if (missing.length > 0) throw new ConfigRefused(missing)
  const env = parsed.data
  const model = env.MODEL ?? DEFAULT_MODEL
  return {
    port: env.PORT ?? PORT,
    portGiven: env.PORT !== undefined,
    host: env.HOST ?? HOST,
    publicUrl: env.PUBLIC_URL?.replace(/\/$/, ''),
    dataDir: env.DATA_DIR ?? DATA_DIR,
    databaseUrl: env.DATABASE_URL,
    redisUrl: env.REDIS_URL,
    retentionMonths: env.RETENTION_MONTHS,
    stopGraceSeconds: env.STOP_GRACE_SECONDS ?? STOP_GRACE_SECONDS[role],
    apiKey: env.API_KEY,
    officePassword: env.OFFICE_PASSWORD,
    timeZone: env.TIME_ZONE ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    timeZoneGiven: env.TIME_ZONE !== undefined,
    appDir: env.APP_DIR,
    model,
    settings: {
      false_accept_budget: env.FALSE_ACCEPT_BUDGET ?? FALSE_ACCEPT_BUDGET,
      // A school that sets a threshold means every comparison.
      score_floor: env.RECOGNITION_THRESHOLD ?? SCORE_FLOOR[model],
      recognition_threshold: env.RECOGNITION_THRESHOLD ?? RECOGNITION_THRESHOLD[model],
      debounce_seconds: env.DEBOUNCE_SECONDS ?? DEBOUNCE_SECONDS,
      frame_skip: env.FRAME_SKIP ?? FRAME_SKIP,
      camera_fps: env.CAMERA_FPS ?? CAMERA_FPS,
    },
    production: env.NODE_ENV === 'production',
  }
}

/** What a child process is given: all that we were given, and this. */
export function environmentWith(variables: Record<string, string>): NodeJS.ProcessEnv {
  // eslint-disable-next-line node/no-process-env -- as above
  return { ...process.env, ...variables }
}

/** One line for each variable: its first fault. */
function faultLines(error: z.ZodError, given: Record<string, string | undefined>): string[] {
  const first = new Map<PropertyKey, string>()
  for (const issue of error.issues) {
    const name = issue.path[0]
    if (name !== undefined && !first.has(name)) first.set(name, issue.message)
  }
  return [...first].map(([name, message]) => `${String(name)}${got(name, given[String(name)] ?? '')} ${message}`)
}

function got(name: PropertyKey, value: string): string {
  if (!SECRET.has(name)) return `=${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)}`
  return ` (${value.length} characters, not shown)`
}

function isPostgresUrl(value: string): boolean {
  return /^postgres(ql)?:\/\//.test(value) && URL.canParse(value)
}

function isRedisUrl(value: string): boolean {
  return /^rediss?:\/\//.test(value) && URL.canParse(value)
}

function isTimeZone(value: string): boolean {
  // PostgreSQL reads "+02:00" with the opposite sign, so names only.
  if (!/^[A-Za-z]/.test(value)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
