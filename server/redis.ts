/**
 * The queue's Redis (or Valkey): connections that make no request wait, or one clear line why this Redis cannot be
 * trusted with marks. The only importer of ioredis. Knows no key and no mark.
 *
 * [Note: A Redis that keeps what it acknowledges] It must never evict (maxmemory-policy noeviction: when full it says
 * so) and must write before it answers (appendonly yes, appendfsync always). Asked at every connection, because it may
 * come back with other settings than it went. At the start a wrong setting or password is refused; a Redis that does
 * not answer is not, because everything works without it, and it is connected as soon as it does.
 */
import { Redis } from 'ioredis'
import { describeFault } from './log.ts'
import type { Log } from './log.ts'

export type { Redis } from 'ioredis'

export interface QueueRedis {
  /** Answers within COMMAND_TIMEOUT_MS or fails; fails at once while Redis is away. */
  readonly client: Redis
  /** Connected, and keeping what it acknowledges. */
  isReady(): boolean
  /** Another connection, for commands that wait at Redis: they have no time limit. Whoever opens it closes it. */
  openWaiting(): Redis
  close(): Promise<void>
}

/** One line for the person who starts the server; it never holds the password. */
export class RedisRefused extends Error {
  override name = 'RedisRefused'
}

/** A write waits for the disk, and an SD card may take a second; a request that was given up is stored without the queue. */
const COMMAND_TIMEOUT_MS = 2_000
const CONNECT_TIMEOUT_MS = 5_000
const LONGEST_RECONNECT_MS = 1_000
/** A command that waits is answered within a second or so; a connection that is silent for so long is dead. */
const SILENCE_MS = 30_000

/** @throws RedisRefused when the address is malformed, the password is wrong, or it does not keep what it acknowledges. */
export async function connectRedis(url: string, log: Log): Promise<QueueRedis> {
  const { place, options } = parseAddress(url)
  const client = new Redis({
    ...options,
    lazyConnect: true,
    // Its replies have one shape on every server.
    protocol: 2,
    // What cannot be sent now goes another way now; and what was sent without an answer is not sent a second time unasked.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (times) => Math.min(times * 100, LONGEST_RECONNECT_MS),
  })
  let safe = false
  let away = false
  let lastFault: unknown
  let started = false
  let firstAnswer: ((refusal: string | undefined) => void) | undefined
  const answered = new Promise<string | undefined>((resolve) => {
    firstAnswer = resolve
  })
  const connections = new Set<Redis>([client])

  const sayAway = (): void => {
    safe = false
    if (away) return
    away = true
    log({ event: 'redis_away', ...describeFault(lastFault ?? new Error(`no Redis answers at ${place}`)) })
  }
  client.on('error', (error: Error) => {
    // What was not sent tells nothing of why.
    if (!error.message.startsWith("Stream isn't writeable")) lastFault = error
    const refusal = whyRefused(error, place)
    if (refusal !== undefined) firstAnswer?.(refusal)
  })
  client.on('close', () => {
    if (client.status === 'end') return
    sayAway()
    // Nobody answers: the server starts without it.
    firstAnswer?.(undefined)
  })
  client.on('ready', () => {
    void inspect(client, place, log).then(
      (refusal) => {
        // The first time it is thrown.
        if (refusal !== undefined && started) log({ event: 'redis_refused', message: refusal })
        else if (away) log({ event: 'redis_back' })
        safe = refusal === undefined
        away = false
        firstAnswer?.(refusal)
      },
      // It went away meanwhile; the next connection asks again.
      (error: unknown) => {
        lastFault = error
        client.disconnect(true)
      },
    )
  })

  client.connect().catch(() => {})
  const refusal = await answered
  started = true
  if (refusal !== undefined) {
    client.disconnect()
    throw new RedisRefused(refusal)
  }
  return {
    client,
    isReady: () => safe && client.status === 'ready',
    openWaiting: () => {
      const other = client.duplicate({ lazyConnect: false, commandTimeout: undefined, socketTimeout: SILENCE_MS })
      // Told by the first connection.
      other.on('error', () => {})
      other.once('end', () => connections.delete(other))
      connections.add(other)
      return other
    },
    async close() {
      for (const connection of connections) connection.disconnect()
    },
  }
}

interface Address {
  /** Host and port, without who and with which password. */
  place: string
  options: { host: string; port: number; db: number; username?: string; password?: string; tls?: { servername?: string } }
}

function parseAddress(text: string): Address {
  const example = 'redis://user:password@host:6379/0, with / # ? @ in the password written as %2F %23 %3F %40'
  if (!URL.canParse(text)) throw new RedisRefused(`REDIS_URL is not an address; it must look like ${example}`)
  const url = new URL(text)
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') throw new RedisRefused(`REDIS_URL starts with ${url.protocol}//; it must start with redis:// (or rediss:// for TLS)`)
  const db = /^\/?(\d{0,4})$/.exec(url.pathname)?.[1]
  if (url.hostname === '' || db === undefined) throw new RedisRefused(`REDIS_URL names ${url.hostname === '' ? 'no host' : 'a database that is no number'}; it must look like ${example}`)
  const [username, password] = [url.username, url.password].map(decoded)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return {
    place: `${url.hostname}:${url.port || '6379'}`,
    options: {
      host,
      port: Number(url.port || '6379'),
      db: Number(db),
      ...(username ? { username } : {}),
      ...(password ? { password } : {}),
      ...(url.protocol === 'rediss:' ? { tls: { servername: host } } : {}),
    },
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Faults that waiting does not mend: who we are, and who answers. Undefined for one that it may. */
function whyRefused(error: Error, place: string): string | undefined {
  const said = error.message
  if (/^(WRONGPASS|NOAUTH|ERR invalid password|ERR AUTH)/.test(said)) return `the Redis at ${place} refuses the user or the password in REDIS_URL; correct them`
  if (/DB index is out of range/.test(said)) return `the Redis at ${place} has no database of the number in REDIS_URL; correct it`
  if (/Unknown RESP type|Protocol error|SSL routines|ERR_SSL/.test(said)) return `what answers at ${place} is no Redis, or speaks TLS where REDIS_URL does not (rediss://); correct REDIS_URL`
  return undefined
}

/** See [Note: A Redis that keeps what it acknowledges]. @returns one line why it cannot be trusted, naming the remedy. */
async function inspect(client: Redis, place: string, log: Log): Promise<string | undefined> {
  const settings = await savedSettings(client)
  if (settings.appendfsync === undefined) {
    log({ event: 'redis_settings_unread', message: `the Redis at ${place} forbids CONFIG: its appendfsync could not be read and must be always, or a power cut loses marks that are waiting there` })
  }
  const says = `the Redis at ${place} (REDIS_URL)`
  if (settings.policy !== 'noeviction') return `${says} may throw marks away when it is full: its maxmemory-policy is ${settings.policy ?? 'unknown'}; set it to noeviction`
  if (settings.appendonly !== 'yes' || (settings.appendfsync ?? 'always') !== 'always') {
    return `${says} answers before it has written: it has appendonly ${settings.appendonly ?? 'unknown'}${settings.appendfsync === undefined ? '' : ` and appendfsync ${settings.appendfsync}`}; set appendonly yes and appendfsync always`
  }
  return undefined
}

interface Settings {
  policy: string | undefined
  appendonly: string | undefined
  /** undefined: CONFIG is forbidden, and INFO does not tell it. */
  appendfsync: string | undefined
}

async function savedSettings(client: Redis): Promise<Settings> {
  const setting = async (name: string): Promise<string | undefined> => {
    const pair: unknown = await client.config('GET', name)
    return Array.isArray(pair) && typeof pair[1] === 'string' ? pair[1] : undefined
  }
  try {
    return { policy: await setting('maxmemory-policy'), appendonly: await setting('appendonly'), appendfsync: await setting('appendfsync') }
  } catch (error) {
    // A managed Redis hides CONFIG (by ACL, or altogether).
    if (!(error instanceof Error && /^(NOPERM|ERR unknown command)/.test(error.message))) throw error
    const told = `${await client.info('memory')}\n${await client.info('persistence')}`
    const field = (name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(told)?.[1]
    return { policy: field('maxmemory_policy'), appendonly: { 0: 'no', 1: 'yes' }[field('aof_enabled') ?? ''], appendfsync: undefined }
  }
}
