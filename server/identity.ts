/**
 * Who is asking: a device (its own bearer key), a script (the school's API key) or a person (a session
 * cookie). Knows what each may do at all and for whom it may speak; which room or
 * student it may see is each route's question.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { getCookie } from 'hono/cookie'
import type { Session } from '#contract/people'
import { sessionByToken } from '../db/accounts.ts'
import type { AppEnv, AppParts } from './app-parts.ts'
import type { KnownDevices } from './known-devices.ts'
import { Refusal, refusalOfField } from './problem.ts'

export const SESSION_COOKIE = 'fastrack_session'

export type Identity =
  | { kind: 'device'; device_id: string; room_id: string }
  | { kind: 'script' }
  | { kind: 'person'; username: string; role: Session['role']; token: string }

export type Who = 'device' | 'script' | Session['role']

/** Longer than any key or token of ours; what is longer is not looked up. */
const MAX_KEY_LENGTH = 256
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** What tells who is asking. */
type Askable = Pick<AppParts, 'db' | 'devices' | 'apiKey' | 'now'>

/** Lets only these through, with `identity` set. 401: not known who asks; 403: known, but not one of these. */
export function onlyFor(parts: Askable, ...allowed: Who[]): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const identity = await identify(c, parts)
    if (!identity) throw unauthorized('send a device\'s key or the API key as "Authorization: Bearer <key>", or sign in')
    const who = identity.kind === 'person' ? identity.role : identity.kind
    if (!allowed.includes(who)) throw new Refusal('forbidden', `this is not for ${NAMED[who]}; it is for ${allowed.map((name) => NAMED[name]).join(', ')}`)
    if (identity.kind === 'person') refuseOtherOrigins(c)
    c.set('identity', identity)
    await next()
  }
}

const NAMED: Record<Who, string> = { device: 'a device', script: 'a script with the API key', office: 'the office', teacher: 'a teacher' }

function unauthorized(detail: string): Refusal {
  return new Refusal('unauthorized', detail, { headers: { 'www-authenticate': 'Bearer' } })
}

/** Two copies of the device's storage are in use: nothing is taken from either until a person has said which is right. It keeps its marks. */
export function fenced(device_id: string): Refusal {
  return new Refusal('fenced', `two copies of the storage of ${device_id} are in use; the office must say which one is right, on its page of kiosks`)
}

/** A bearer header decides alone: a wrong key is never saved by a cookie that came with it. */
export async function identify(c: Context, { db, devices, apiKey, now }: Askable): Promise<Identity | undefined> {
  const authorization = c.req.header('authorization')
  if (authorization !== undefined) {
    const key = /^Bearer +(\S+)$/i.exec(authorization.trim())?.[1]
    if (key === undefined || key.length > MAX_KEY_LENGTH) throw unauthorized('the Authorization header must be "Bearer <key>"')
    if (timingSafeEqual(digestOf(key), digestOf(apiKey))) return { kind: 'script' }
    const device = await devices.byKey(key)
    if (!device) throw unauthorized('this key is not known; pair the device again or check the API key')
    if (device.revoked) throw unauthorized('this device\'s key was revoked; pair it again')
    if (device.fenced) throw fenced(device.device_id)
    return { kind: 'device', device_id: device.device_id, room_id: device.room_id }
  }
  const token = getCookie(c, SESSION_COOKIE)
  if (!token || token.length > MAX_KEY_LENGTH) return undefined
  const session = await sessionByToken(db, token, now())
  return session ? { kind: 'person', username: session.username, role: session.role, token } : undefined
}

/** As it is put on record beside what was written. */
export const whoWrites = (identity: Identity): string => (identity.kind === 'person' ? identity.username : identity.kind)

/** Secrets are compared by their digests: in constant time, whatever their lengths. */
function digestOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer')
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
