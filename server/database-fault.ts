/**
 * Reads what kind of fault a failed query met, from its SQLSTATE or its socket's code.
 * Knows no query and no driver: it looks only at `code` and `cause`.
 */

/**
 * `away`: PostgreSQL cannot be reached or cannot work just now, the same question may succeed later;
 * `conflict`: it lost a race with another transaction and may be asked again at once;
 * `data`: it refuses the values themselves (SQLSTATE classes 22 and 23).
 */
export type DatabaseFault = 'away' | 'conflict' | 'data'

/** Codes of postgres.js and of sockets that mean nobody answered. */
const UNREACHABLE = new Set([
  'CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'CONNECT_TIMEOUT',
  'ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'ENOTFOUND', 'EAI_AGAIN', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH',
])

/** SQLSTATE classes: connection, wrong transaction state (read only), resources, operator intervention, system error. */
const AWAY_CLASSES = new Set(['08', '25', '53', '57', '58'])
const SQLSTATE = /^[0-9A-Z]{5}$/

/** The error at the bottom of the chain of causes: drivers and query builders wrap it, and the wrapper's text repeats the values. */
export function innermost(error: unknown): unknown {
  let inner = error
  for (let depth = 0; depth < 8 && inner instanceof Error && inner.cause instanceof Error; depth++) inner = inner.cause
  return inner
}

/** @returns undefined where the error is not the database's at all. */
export function databaseFault(error: unknown): DatabaseFault | undefined {
  const inner = innermost(error)
  const code = inner instanceof Error && 'code' in inner ? inner.code : undefined
  if (typeof code !== 'string') return undefined
  if (UNREACHABLE.has(code)) return 'away'
  if (!SQLSTATE.test(code)) return undefined
  const kind = code.slice(0, 2)
  if (kind === '22' || kind === '23') return 'data'
  if (kind === '40') return 'conflict'
  return AWAY_CLASSES.has(kind) ? 'away' : undefined
}
