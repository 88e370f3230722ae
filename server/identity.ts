/**
 * Who is asking: a device (its own bearer key), a script (the school's API key) or a person (a session
 * cookie, or a short token of the API). Knows what each may do at all and for whom it may speak; which room or
 * student it may see is each route's question.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { getCookie } from 'hono/cookie'
import type { AccountRole, Session } from '#contract/people'
import { personOfEpoch, sessionByToken } from '../db/accounts.ts'
import type { KnownPerson } from '../db/accounts.ts'
import type { AppEnv, AppParts } from './app-parts.ts'
import type { KnownDevices } from './known-devices.ts'
import { Refusal, refusalOfField } from './problem.ts'
import { isToken, readToken } from './token.ts'

export const SESSION_COOKIE = 'fastrack_session'

export type Identity =
  | { kind: 'device'; device_id: string; room_id: string }
  | { kind: 'script' }
  | Person

export interface Person {
  kind: 'person'
  account_id: number
  username: string
  role: AccountRole
  /** Of a student's account alone: whose it is. */
  student_id?: string
  /** The cookie's token; absent where a short token of the API stands for the person. */
  session?: string
}

export type Who = 'device' | 'script' | AccountRole

/** Everybody with an account. */
export const PEOPLE = ['office', 'teacher', 'privacy', 'student'] as const satisfies readonly AccountRole[]

/** Longer than any key or token of ours; what is longer is not looked up. */
const MAX_KEY_LENGTH = 256
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** What tells who is asking. */
export type Askable = Pick<AppParts, 'db' | 'devices' | 'apiKey' | 'schoolKey' | 'now'>

/** Lets only these through, with `identity` set. 401: not known who asks; 403: known, but not one of these. */
export function onlyFor(parts: Askable, ...allowed: Who[]): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const identity = await identify(c, parts)
    if (!identity) throw unauthorized('send a device\'s key or the API key as "Authorization: Bearer <key>", or sign in')
    const who = identity.kind === 'person' ? identity.role : identity.kind
    if (!allowed.includes(who)) throw new Refusal('forbidden', `this is not for ${NAMED[who]}; it is for ${allowed.map((name) => NAMED[name]).join(', ')}`)
    if (identity.kind === 'person' && identity.session !== undefined) refuseOtherOrigins(c)
    c.set('identity', identity)
    await next()
  }
}

const NAMED: Record<Who, string> = { device: 'a device', script: 'a script with the API key', office: 'the office', teacher: 'a teacher', privacy: 'the privacy officer', student: 'a student' }

function unauthorized(detail: string): Refusal {
  return new Refusal('unauthorized', detail, { headers: { 'www-authenticate': 'Bearer' } })
}

/** Two copies of the device's storage are in use: nothing is taken from either until a person has said which is right. It keeps its marks. */
export function fenced(device_id: string): Refusal {
  return new Refusal('fenced', `two copies of the storage of ${device_id} are in use; the office must say which one is right, on its page of kiosks`)
}

/** Found out once for a request, whoever asks for it first. */
const found = new WeakMap<Context, Promise<Identity | undefined>>()

/** Undefined: nobody says who they are. Throws `unauthorized` for a key that is not known. */
export function identify(c: Context, parts: Askable): Promise<Identity | undefined> {
  const known = found.get(c) ?? identifyAnew(c, parts)
  found.set(c, known)
  return known
}

/** The same, asked again: for a request that lasts. A bearer header decides alone: a wrong key is never saved by a cookie that came with it. */
export async function identifyAnew(c: Context, parts: Askable): Promise<Identity | undefined> {
  const authorization = c.req.header('authorization')
  if (authorization !== undefined) {
    const key = /^Bearer +(\S+)$/i.exec(authorization.trim())?.[1]
    if (key === undefined) throw unauthorized('the Authorization header must be "Bearer <key>"')
    return isToken(key) ? byToken(key, parts) : byKey(key, parts)
  }
  const token = getCookie(c, SESSION_COOKIE)
  if (!token || token.length > MAX_KEY_LENGTH) return undefined
  const session = await sessionByToken(parts.db, token, parts.now())
  return session && asPerson(session, token)
}

/** One digest for each request: with it the API key is compared and the device looked up. */
async function byKey(key: string, { devices, apiKey }: Askable): Promise<Identity> {
  if (key.length > MAX_KEY_LENGTH) throw unauthorized('the Authorization header must be "Bearer <key>"')
  const digest = digestOf(key)
  if (timingSafeEqual(digest, apiKeyDigest(apiKey))) return { kind: 'script' }
  const device = await devices.byKeyHash(digest.toString('hex'))
  if (!device) throw unauthorized('this key is not known; pair the device again or check the API key')
  if (device.revoked) throw unauthorized('this device\'s key was revoked; pair it again')
  if (device.fenced) throw fenced(device.device_id)
  return { kind: 'device', device_id: device.device_id, room_id: device.room_id }
}

/** What was given out for an account ends with the account's epoch: a disabled one's next request is refused. */
async function byToken(token: string, { db, schoolKey, now }: Askable): Promise<Identity> {
  const told = await readToken(schoolKey, token, now())
  const person = told && (await personOfEpoch(db, told.account_id, told.epoch))
  if (!person || person.role !== told.role) throw unauthorized('this token is not valid, or not any more; ask POST /api/v1/token for a new one')
  return asPerson(person)
}

function asPerson({ account_id, username, role, student_id }: KnownPerson, session?: string): Person {
  return { kind: 'person', account_id, username, role, ...(student_id === null ? {} : { student_id }), ...(session === undefined ? {} : { session }) }
}

/** As `GET /api/v1/session` tells it. */
export const sessionOf = ({ username, role, student_id }: Pick<Person, 'username' | 'role'> & { student_id?: string | null }): Session => ({ username, role, ...(student_id ? { student_id } : {}) })

/** As it is put on record beside what was written. */
export const whoWrites = (identity: Identity): string => (identity.kind === 'person' ? identity.username : identity.kind)

/** Secrets are compared by their digests: in constant time, whatever their lengths. */
function digestOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer')
}

let digested: { apiKey: string; digest: Buffer } | undefined

/** A server has one API key for as long as it runs. */
function apiKeyDigest(apiKey: string): Buffer {
  if (digested?.apiKey !== apiKey) digested = { apiKey, digest: digestOf(apiKey) }
  return digested.digest
}

/**
 * A write that a cookie stands for must come from our own pages. Browsers say where a request comes from;
 * what sends neither header is no browser and brings no cookie by accident. Hosts are compared without the
 * scheme, because a TLS proxy stands in front.
 */
export function refuseOtherOrigins(c: Context): void {
  if (SAFE_METHODS.has(c.req.method)) return
  const site = c.req.header('sec-fetch-site')
  if (site === 'same-origin') return
  const origin = c.req.header('origin')
  if (site === undefined && origin === undefined) return
  const ours = c.req.header('host') ?? new URL(c.req.url).host
  if ((site === undefined || site === 'none') && origin !== undefined && URL.canParse(origin) && new URL(origin).host === ours) return
  throw new Refusal('forbidden', 'this write comes from another site\'s page; open the school\'s own page and do it there')
}

/** A device speaks for itself alone; a script for any device that the school knows. */
export async function refuseOtherDevices(devices: KnownDevices, identity: Identity, device_id: string): Promise<void> {
  if (identity.kind === 'device') {
    if (identity.device_id !== device_id) throw refusalOfField('forbidden', 'device_id', `must be ${identity.device_id}, whose key this is`)
    return
  }
  const device = await devices.byId(device_id)
  if (!device) throw refusalOfField('unknown_device', 'device_id', `${device_id} is not a device of this school; pair it first`)
  if (device.revoked) throw refusalOfField('unknown_device', 'device_id', `${device_id} was revoked; pair it again`)
}
