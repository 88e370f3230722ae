/**
 * The queue in Redis, as the intake that fills it and the recorder that empties it both know it: keys, entries, receipts.
 * Knows no PostgreSQL.
 *
 * [Note: The queue is no record] Three things, and Redis may lose them all at any moment, because whoever sent a mark
 * keeps it until it is named stored or refused:
 * - the stream: entries of marks, each with the hashes by which its marks are known;
 * - the set of what waits: the hashes of all marks in the stream, so that a mark that is sent again is not queued again;
 * - receipts: what became of a mark, by its hash, written once PostgreSQL has it and kept for RECEIPT_SECONDS. A mark
 *   that is sent again meets its receipt, or later its key in PostgreSQL.
 * They change together, in one script each: a mark waits or has its receipt, never neither.
 */
import { hash } from 'node:crypto'
import type { NewMark } from '../../db/marks.ts'
import type { QueueRedis, Redis } from '../redis.ts'
import type { TakenOutcome } from './intake.ts'

/** The braces keep them in one slot of a cluster: a script may touch only one. */
export const STREAM = '{fastrackai}:marks'
export const WAITING = '{fastrackai}:waiting'
/** With a mark's hash behind it. */
export const RECEIPT = '{fastrackai}:receipt:'
export const GROUP = 'recorders'

/** A kiosk sends a queued mark again within a minute. */
export const RECEIPT_SECONDS = 600

/** 132 bits of SHA-256, in base64url. */
export const HASH_LENGTH = 22

/** The very same mark has the same hash: same members, same order (the contract's, as parsed), same device. */
export function hashOf(markJson: string): string {
  return hash('sha256', markJson, 'base64url').slice(0, HASH_LENGTH)
}

export type FinalOutcome = Exclude<TakenOutcome, { outcome: 'queued' }>

export function receiptText(outcome: FinalOutcome): string {
  return outcome.outcome === 'stored' ? 's' : outcome.outcome === 'duplicate' ? 'd' : JSON.stringify(outcome)
}

/** Undefined: there is none, or it cannot be read (a newer server's). */
export function receiptOf(text: string): FinalOutcome | undefined {
  if (text === 's') return { outcome: 'stored' }
  if (text === 'd') return { outcome: 'duplicate' }
  if (text === '') return undefined
  try {
    const outcome = JSON.parse(text) as FinalOutcome
    return outcome.outcome === 'refused' && typeof outcome.message === 'string' ? outcome : undefined
  } catch {
    return undefined
  }
}

/** One entry of the stream, as Redis hands it over. */
export interface Entry {
  id: string
  /** How often it was handed to a recorder, this time counted. */
  deliveries: number
  hashes: string[]
  /** Undefined: it cannot be read. */
  marks: NewMark[] | undefined
  /** As it stands in the stream. */
  text: string
}

export function entryOf(id: string, fields: string[], deliveries: number): Entry {
  const field = (name: string): string => fields[fields.findIndex((other, i) => i % 2 === 0 && other === name) + 1] ?? ''
  const named = fields.includes('marks') ? field('marks') : ''
  const text = named === '' ? JSON.stringify(fields) : named
  const hashes = fields.includes('hashes') ? (field('hashes').match(new RegExp(`.{${HASH_LENGTH}}`, 'g')) ?? []) : []
  return { id, deliveries, hashes, marks: marksOf(named, hashes.length), text }
}

/** Whether each is a mark that can be kept is insertMarks' question: it refuses by name. */
function marksOf(text: string, count: number): NewMark[] | undefined {
  try {
    const marks = JSON.parse(text) as unknown
    const isSound = Array.isArray(marks) && marks.length === count && count > 0 && marks.every((mark) => typeof mark === 'object' && mark !== null && !Array.isArray(mark))
    return isSound ? (marks as NewMark[]) : undefined
  } catch {
    return undefined
  }
}

/** A script is sent once and then named by its hash, until Redis is started anew. */
export class Script {
  readonly #sha: string

  constructor(readonly text: string) {
    this.#sha = hash('sha1', text)
  }

  async run(redis: Redis, args: (string | number)[]): Promise<unknown> {
    try {
      return await redis.evalsha(this.#sha, 3, STREAM, WAITING, RECEIPT, ...args)
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return redis.eval(this.text, 3, STREAM, WAITING, RECEIPT, ...args)
    }
  }
}

export interface QueueState {
  /** Marks in the queue. */
  waiting: number
  /** Age of the oldest entry by Redis' own clock; 0 where there is none. */
  oldest_ms: number
  /** Entries handed to a recorder and not yet recorded. */
  delivered: number
}

const STATE = new Script(`
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local time = redis.call('TIME')
local oldest = 0
if first then oldest = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(string.match(first[1], '^%d+')) end
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1])
local delivered = 0
if not pending.err then delivered = pending[1] end
return { redis.call('SCARD', KEYS[2]), math.max(oldest, 0), delivered }`)

/** Throws where Redis is away. */
export async function queueState(redis: QueueRedis): Promise<QueueState> {
  const [waiting = 0, oldest_ms = 0, delivered = 0] = (await STATE.run(redis.client, [GROUP])) as number[]
  return { waiting, oldest_ms, delivered }
}
