/**
 * THE RECORD: what the school knows, in PostgreSQL, and every question that is asked of it. This folder
 * is the only importer of drizzle-orm and postgres. It knows no HTTP, no browser and no clock: whoever
 * asks hands in `now`.
 *
 * This file: one pool of connections to one database, or one clear line why not.
 */
import { drizzle } from 'drizzle-orm/postgres-js'
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import { survivingTransactions } from './transactions.ts'

export interface Database {
  /** For what is clearer in SQL. Instants and dates go in and come out as ISO strings (drizzle takes the client's date parsers away). */
  sql: postgres.Sql
  orm: PostgresJsDatabase
  close(): Promise<void>
}

/** The message is one line for the person who starts the server; it never holds the password. */
export class DatabaseRefused extends Error {
  override name = 'DatabaseRefused'
}

/** uuid_extract_timestamp, the builtin locale provider and MERGE ... RETURNING came with it; older ones are untested. */
const OLDEST_MAJOR = 17

const POOL_SIZE = 10
const CONNECT_TIMEOUT_SECONDS = 10
/** postgres.js would wait up to 20 s between two attempts, and every request with it after the database is back. */
const LONGEST_RECONNECT_SECONDS = 1
/** A question that nobody waits for any longer must not hold a connection and its locks. */
const STATEMENT_TIMEOUT_MS = 15_000

/**
 * `statementTimeoutMs`: 0 lets every statement take as long as it needs. What must take longer among others (a migration, retention, a
 * rebuild) says so for itself: `SELECT set_config('statement_timeout', '0', true)` first in its transaction.
 * @throws DatabaseRefused when the address is malformed, the server does not answer, refuses us, or is older than PostgreSQL 17.
 */
export async function connect(url: string, { statementTimeoutMs = STATEMENT_TIMEOUT_MS }: { statementTimeoutMs?: number } = {}): Promise<Database> {
  const address = parseAddress(url)
  const sql = postgres(url, {
    max: POOL_SIZE,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    backoff: reconnectDelay,
    connection: { application_name: 'fastrackai', TimeZone: 'UTC', statement_timeout: statementTimeoutMs },
    // No value here is a PostgreSQL array; and the question that postgres.js would ask about them leaves a rejection that nobody can catch when the server goes away meanwhile.
    fetch_types: false,
    onnotice: () => {},
  })
  survivingTransactions(sql)
  try {
    const [server] = await withinPatience(sql<{ number: number; version: string }[]>`
      SELECT current_setting('server_version_num')::integer AS number, current_setting('server_version') AS version`)
    if (!server || Math.floor(server.number / 10_000) < OLDEST_MAJOR) {
      throw new DatabaseRefused(`the database at ${address.place} is PostgreSQL ${server?.version}; version ${OLDEST_MAJOR} or newer is needed`)
    }
  } catch (cause) {
    await sql.end({ timeout: 0 })
    if (cause instanceof DatabaseRefused) throw cause
    throw new DatabaseRefused(whyNot(cause, address), { cause })
  }
  return { sql, orm: drizzle(sql), close: () => sql.end({ timeout: 5 }) }
}

/** Seconds before the next attempt, after so many that failed: the first at once, and soon once a second. */
export function reconnectDelay(failures: number): number {
  return Math.min(failures * 0.1, LONGEST_RECONNECT_SECONDS)
}

/** postgres.js tries again for ever where something takes the connection and then closes it. */
async function withinPatience<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const impatience = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error('no answer'), { code: 'CONNECT_TIMEOUT' })), CONNECT_TIMEOUT_SECONDS * 1000 + 500)
  })
  try {
    return await Promise.race([answer, impatience])
  } finally {
    clearTimeout(timer)
  }
}

interface Address {
  /** Host and port, without who and with which password. */
  place: string
  user: string
  database: string
}

function parseAddress(text: string): Address {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new DatabaseRefused('DATABASE_URL is not an address; it must look like postgres://user:password@host:5432/database, with / # ? @ in the password written as %2F %23 %3F %40')
  }
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    throw new DatabaseRefused(`DATABASE_URL starts with ${url.protocol}//; it must start with postgres://`)
  }
  return {
    place: `${url.hostname || 'localhost'}:${url.port || '5432'}`,
    user: decoded(url.username) || 'the default user',
    database: decoded(url.pathname.slice(1)) || 'the default',
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function whyNot(cause: unknown, { place, user, database }: Address): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  switch (code) {
    case 'ECONNREFUSED':
      return `no database answers at ${place}; start it, or correct DATABASE_URL`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the database's host ${place} cannot be found; correct DATABASE_URL`
    case 'CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return `the database at ${place} did not answer within ${CONNECT_TIMEOUT_SECONDS} seconds; check DATABASE_URL, the network and the firewall`
    case '28P01':
    case '28000':
      return `the database at ${place} refuses user ${user}; check the user and the password in DATABASE_URL`
    case '3D000':
      return `the server at ${place} has no database "${database}"; create it, or correct DATABASE_URL`
    default:
      return `the database at ${place} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}${code ? ` (${code})` : ''}`
  }
}

/** How long PostgreSQL may take over the smallest question there is. */
const ANSWER_MS = 2_000

/** Whether PostgreSQL answers. */
export async function databaseAnswers(db: Database): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ANSWER_MS)
  })
  try {
    return await Promise.race([db.sql`SELECT 1`.then(() => true, () => false), silence])
  } finally {
    clearTimeout(timer)
  }
}
