/**
 * What whoever runs the server may set: the environment, read once, here and nowhere else.
 * Knows what each variable must be, and nothing of what it is for.
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { type DeviceSettings, FALSE_ACCEPT_BUDGET } from '#contract/device'
import { DEFAULT_MODEL, ModelId, modelIds } from '#contract/model'
import { readProxies } from './client-address.ts'
import type { TrustedProxies } from './client-address.ts'
import type { SchoolLoginSettings } from './oidc.ts'
import { SCHOOL_KEY_PATTERN } from './school-key.ts'

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
/** A kiosk beats once a minute and sends a mark or two beside it; a person who clicks without pause makes some thirty. */
const RATE_LIMIT_PER_MINUTE = 100
const MIN_API_KEY_LENGTH = 32
const MIN_PASSWORD_LENGTH = 8
const MIN_CLIENT_SECRET_LENGTH = 16
/** Who somebody is, and their address. */
const OIDC_SCOPES = 'openid email profile'

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
  /** Opens /metrics; undefined: made from the school's key. */
  metricsKey: string | undefined
  /** Touched by whoever makes backups; undefined: nobody watches them here. */
  backupStampFile: string | undefined
  /** Where the audit log's head is kept each day; undefined: in the server's log alone. */
  auditHeadFile: string | undefined
  /** Seconds between telling /readyz that we stop and taking no more connections. */
  stopGraceSeconds: number
  /** Of each device, account and nameless address, scripts ten times as many; 0: no limit. */
  rateLimitPerMinute: number
  /** Proxies whose X-Forwarded-For is believed; undefined: none. */
  trustedProxies: TrustedProxies | undefined
  /** undefined: generated and kept under dataDir. */
  apiKey: string | undefined
  /** undefined: generated and kept under dataDir. */
  schoolKey: string | undefined
  /** The one that schoolKey takes the place of, while a school changes it. */
  schoolKeyBefore: string | undefined
  /** undefined: generated with the demo school. */
  officePassword: string | undefined
  /** undefined: people sign in by name and password alone. */
  schoolLogin: Omit<SchoolLoginSettings, 'redirectUri'> | undefined
  timeZone: string
  /** Whether TIME_ZONE was set, rather than taken from the system. */
  timeZoneGiven: boolean
  /** A built app to serve as it is; undefined: dist/, made when missing or out of date. */
  appDir: string | undefined
  /** The embedding model that this school enrols and compares with. */
  model: ModelId
  /** The same for every room; liveness is each room's own, in the database. */
  settings: Omit<DeviceSettings, 'liveness' | 'policy'>
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

/** What an operator without the product's own script types. */
const MAKE_KEY = '`openssl rand -base64 32 | tr +/ -_ | tr -d =`'

function refuseProxies(context: z.RefinementCtx): never {
  context.addIssue({ code: 'custom', message: 'must be addresses or networks with commas between them, such as 127.0.0.1,10.0.0.0/8' })
  return z.NEVER
}

const Environment = z.object({
  PORT: whole(0, 65_535, 'a whole number from 1 to 65535 (or 0 for any free port)').optional(),
  HOST: z.string().regex(/^[A-Za-z0-9.:_-]+$/, 'must be an address or host name to listen on, such as 0.0.0.0 or localhost').optional(),
  PUBLIC_URL: z.string().regex(/^https?:\/\/[^/\s?#]+\/?$/, 'must be an address without a path, such as https://attendance.school.example').optional(),
  DATA_DIR: z.string().optional(),
  DATABASE_URL: z.string().refine(isPostgresUrl, 'must be an address such as postgres://user:password@host:5432/database').optional(),
  REDIS_URL: z.string().refine(isRedisUrl, 'must be an address such as redis://:password@host:6379').optional(),
  RETENTION_MONTHS: whole(LEAST_RETENTION_MONTHS, MOST_RETENTION_MONTHS, `a whole number of months, at least ${LEAST_RETENTION_MONTHS}; leave it out to keep every month`).optional(),
  AUDIT_HEAD_FILE: z.string().optional(),
  BACKUP_STAMP_FILE: z.string().optional(),
  METRICS_KEY: z.string().regex(new RegExp(`^[\\x21-\\x7e]{${MIN_API_KEY_LENGTH},200}$`), `must be ${MIN_API_KEY_LENGTH} to 200 characters without spaces; leave it out and one is made`).optional(),
  STOP_GRACE_SECONDS: whole(0, 300).optional(),
  RATE_LIMIT_PER_MINUTE: whole(0, 1_000_000, 'a whole number of requests a minute, or 0 for no limit').optional(),
  TRUSTED_PROXIES: z.string().transform((list, context) => readProxies(list) ?? refuseProxies(context)).optional(),
  API_KEY: z.string().regex(new RegExp(`^[\\x21-\\x7e]{${MIN_API_KEY_LENGTH},200}$`), `must be ${MIN_API_KEY_LENGTH} to 200 characters without spaces; leave it out and one is generated`).optional(),
  SCHOOL_KEY: z.string().regex(SCHOOL_KEY_PATTERN, `must be 256 bits in base64url, 43 characters (${MAKE_KEY} makes one); leave it out and one is generated`).optional(),
  SCHOOL_KEY_BEFORE: z.string().regex(SCHOOL_KEY_PATTERN, 'must be the key that SCHOOL_KEY takes the place of, 43 characters; leave it out where it was not changed').optional(),
  OIDC_ISSUER: z.string().refine(isIssuer, 'must be the address of the school\'s login, https and without query, such as https://login.school.example (http only at localhost)').optional(),
  OIDC_CLIENT_ID: z.string().max(200, 'must be at most 200 characters').optional(),
  OIDC_CLIENT_SECRET: z.string().min(MIN_CLIENT_SECRET_LENGTH, `must be at least ${MIN_CLIENT_SECRET_LENGTH} characters, as the login gave it`).max(1000, 'must be at most 1000 characters').optional(),
  OIDC_SCOPES: z.string().refine((scopes) => scopes.split(' ').includes('openid'), 'must be words with a space between them, one of them openid').optional(),
  OIDC_ROLE_CLAIM: z.string().max(200, 'must be at most 200 characters').optional(),
  OIDC_USERNAME_CLAIM: z.string().max(200, 'must be at most 200 characters').optional(),
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

/** Their values are never printed; each may also lie in a file that <name>_FILE names, as container platforms hand secrets over. */
const SECRET = new Set<PropertyKey>(['API_KEY', 'SCHOOL_KEY', 'SCHOOL_KEY_BEFORE', 'METRICS_KEY', 'OFFICE_PASSWORD', 'OIDC_CLIENT_SECRET', 'DATABASE_URL', 'REDIS_URL'])

/** What a role cannot do without, because several processes must have the same. */
const NEEDED: Readonly<Record<Role, Readonly<Partial<Record<keyof z.infer<typeof Environment>, string>>>>> = {
  start: {},
  serve: {
    DATABASE_URL: 'is not set; servers that share the work share one PostgreSQL (`npm run database` starts one for this machine)',
    API_KEY: 'is not set; every server must have the same',
    SCHOOL_KEY: `is not set; every server must have the same (${MAKE_KEY} makes one)`,
  },
  record: {
    DATABASE_URL: 'is not set; the recorder writes into the PostgreSQL that the servers use',
    REDIS_URL: 'is not set; the recorder takes marks out of the Redis that the servers put them into',
  },
}

/** Half a login is none. */
function neededForLogin(set: Record<string, string>): Record<string, string> {
  if (!Object.keys(set).some((name) => name.startsWith('OIDC_'))) return {}
  return {
    OIDC_ISSUER: 'is not set; the school\'s login needs it',
    OIDC_CLIENT_ID: 'is not set; the school\'s login gives it to this server',
    OIDC_CLIENT_SECRET: 'is not set; the school\'s login gives it to this server',
    PUBLIC_URL: 'is not set; the school\'s login sends people back to it, so it must be what they type',
  }
}

/** @throws ConfigRefused */
// eslint-disable-next-line node/no-process-env -- the one reader of the environment
export function readConfig(role: Role = 'start', environment: Record<string, string | undefined> = process.env): Config {
  // An empty value is what a compose file passes on for a variable that is not set.
  const set = Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1].trim() !== ''))
  const { given, unread } = withFiles(set)
  const parsed = Environment.safeParse(given)
  const missing = Object.entries({ ...NEEDED[role], ...neededForLogin(set) }).flatMap(([name, why]) => (name in given || `${name}_FILE` in set ? [] : [`${name} ${why}`]))
  if (!parsed.success) throw new ConfigRefused([...unread, ...faultLines(parsed.error, given), ...missing])
  const weak = given['NODE_ENV'] === 'production' ? weakSecrets(given) : []
  if (unread.length + missing.length + weak.length > 0) throw new ConfigRefused([...unread, ...missing, ...weak])
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
    metricsKey: env.METRICS_KEY,
    backupStampFile: env.BACKUP_STAMP_FILE,
    auditHeadFile: env.AUDIT_HEAD_FILE,
    stopGraceSeconds: env.STOP_GRACE_SECONDS ?? STOP_GRACE_SECONDS[role],
    rateLimitPerMinute: env.RATE_LIMIT_PER_MINUTE ?? RATE_LIMIT_PER_MINUTE,
    trustedProxies: env.TRUSTED_PROXIES,
    apiKey: env.API_KEY,
    schoolKey: env.SCHOOL_KEY,
    schoolKeyBefore: env.SCHOOL_KEY_BEFORE,
    officePassword: env.OFFICE_PASSWORD,
    schoolLogin:
      env.OIDC_ISSUER === undefined || env.OIDC_CLIENT_ID === undefined || env.OIDC_CLIENT_SECRET === undefined
        ? undefined
        : { issuer: env.OIDC_ISSUER, clientId: env.OIDC_CLIENT_ID, clientSecret: env.OIDC_CLIENT_SECRET, scopes: env.OIDC_SCOPES ?? OIDC_SCOPES, roleClaim: env.OIDC_ROLE_CLAIM, usernameClaim: env.OIDC_USERNAME_CLAIM },
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

/** Secrets from the files that the environment names, in the place of their variables. */
function withFiles(set: Record<string, string>): { given: Record<string, string>; unread: string[] } {
  const given = { ...set }
  const unread: string[] = []
  for (const name of SECRET) {
    const variable = `${String(name)}_FILE`
    const path = set[variable]
    if (path === undefined) continue
    if (set[String(name)] !== undefined) {
      unread.push(`${variable} and ${String(name)} are both set; keep one`)
      continue
    }
    const text = fileText(path)
    if (typeof text !== 'string') unread.push(`${variable}=${JSON.stringify(path)} ${text.why}`)
    else given[String(name)] = text
  }
  return { given, unread }
}

/** Without the line break that editors put at the end. */
function fileText(path: string): string | { why: string } {
  try {
    const text = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
    return text.trim() === '' ? { why: 'is empty; it must hold the secret and nothing else' } : text
  } catch (error) {
    return { why: `cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : String(error)}); it must be a file that this user may read` }
  }
}

/** What manuals, examples and hurried people write, in any spelling and with any digits after it. */
const COMMON = ['password', 'passwort', 'losenord', 'changeme', 'change-me', 'default', 'secret', 'geheim', 'postgres', 'fastrackai', 'attendance', 'office', 'admin', 'school', 'skola', 'schule', 'qwerty', 'letmein', 'welcome', 'example', 'test', 'demo', 'redis', 'root', 'user']
/** So many different characters at least: fewer are a hand on one key, or a pattern. 43 random ones of base64url have 31 on average, and fewer than 16 once in a thousand million million. */
const LEAST_CHARACTERS: Readonly<Record<string, number>> = { SCHOOL_KEY: 16, SCHOOL_KEY_BEFORE: 16, API_KEY: 12, METRICS_KEY: 12, OFFICE_PASSWORD: 5, OIDC_CLIENT_SECRET: 8, DATABASE_URL: 4, REDIS_URL: 4 }

/** One line for each secret that could be guessed, and for one that stands for two. */
function weakSecrets(given: Record<string, string>): string[] {
  const lines: string[] = []
  const seen = new Map<string, string>()
  for (const name of [...SECRET].map(String)) {
    const value = given[name]
    if (value === undefined) continue
    const ofAddress = name === 'DATABASE_URL' || name === 'REDIS_URL'
    const secret = ofAddress ? passwordOf(value) : value
    // PostgreSQL may know its users otherwise than by a password (a socket, a certificate).
    if (secret === '') {
      if (name === 'REDIS_URL') lines.push('REDIS_URL has no password; in production Redis must ask for one')
      continue
    }
    const weak = new Set(secret).size < (LEAST_CHARACTERS[name] ?? 0) || isCommon(secret)
    if (weak) lines.push(`${name}${ofAddress ? "'s password" : ''} is too easily guessed for production; ${ofAddress ? 'give it a random one' : `set a random one (${MAKE_KEY} makes one)`}`)
    const other = seen.get(secret)
    if (other !== undefined) lines.push(`${name} is the same as ${other}; each secret must be its own`)
    else seen.set(secret, name)
  }
  return lines
}

function isCommon(secret: string): boolean {
  const letters = secret.toLowerCase().replaceAll(/[^a-z-]/g, '')
  return letters === '' ? secret.length < 20 : COMMON.some((word) => letters === word || letters === word + word)
}

function passwordOf(address: string): string {
  try {
    return decodeURIComponent(new URL(address).password)
  } catch {
    return ''
  }
}

/** Plain http would hand the sign-in to whoever listens: only on this very machine, for trying it out. */
function isIssuer(value: string): boolean {
  if (!URL.canParse(value)) return false
  const { protocol, hostname, search, hash, username } = new URL(value)
  if (search !== '' || hash !== '' || username !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname))
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
