/**
 * Marks -> the queue: durable in Redis when it resolves, and named `queued`, because Redis is no record; a mark that was
 * recorded meanwhile is named by its receipt. What is taken while one write is under way goes together in the next entry.
 * Knows no HTTP and no PostgreSQL. See [Note: The queue is no record].
 */
import type { NewMark } from '../../db/marks.ts'
import { describeFault } from '../log.ts'
import type { Log } from '../log.ts'
import type { QueueRedis } from '../redis.ts'
import { gather, RETRY_AFTER_SECONDS } from './gather.ts'
import { IntakeFull } from './intake.ts'
import type { Intake, TakenOutcome } from './intake.ts'
import { hashOf, receiptOf, Script } from './queue.ts'

export interface StreamIntakeOptions {
  redis: QueueRedis
  log: Log
  /** Marks that may wait in Redis. */
  maxQueued?: number
  /** Milliseconds after which a call gives up waiting. */
  patience?: number
}

/** About 200 MB in Redis; a school of 5,000 students makes some 30,000 a day. */
const MAX_QUEUED = 500_000
/** Marks that may wait here for the next write. */
const MAX_WAITING = 20_000
/** Marks in one entry: four fill a recorder's insert. */
const MAX_ROWS = 500
const MAX_IN_FLIGHT = 2
/** Longer than one command may take, so that its own fault is told. */
const PATIENCE_MS = 3_000
/** After a fault Redis is left alone for so long: nobody else waits to learn the same. */
const REST_MS = 2_000

/**
 * ARGV: marks that may wait; the hashes, run together; the marks, in one JSON array; the length of each in bytes. What has neither a receipt nor
 * waits becomes one entry: nearly always all of them, and then no mark is cut out.
 * @returns 0: no mark has a receipt; -1: full, and nothing was added; else each mark's receipt or ''.
 */
const APPEND = new Script(`
local hashes, names = {}, {}
for at = 1, #ARGV[2], 22 do
  local hash = string.sub(ARGV[2], at, at + 21)
  hashes[#hashes + 1] = hash
  names[#names + 1] = KEYS[3] .. hash
end
local told = redis.call('MGET', unpack(names))
local waits = redis.call('SMISMEMBER', KEYS[2], unpack(hashes))
local fresh, new, receipts = {}, {}, 0
for i, hash in ipairs(hashes) do
  if told[i] then
    receipts = receipts + 1
  else
    told[i] = ''
    if waits[i] == 0 then
      new[#new + 1] = hash
      fresh[i] = true
    end
  end
end
if #new > 0 then
  if redis.call('SCARD', KEYS[2]) + #new > tonumber(ARGV[1]) then return -1 end
  local run, marks = ARGV[2], ARGV[3]
  if #new < #hashes then
    local some, i, at = {}, 0, 2
    for length in string.gmatch(ARGV[4], '%d+') do
      i = i + 1
      if fresh[i] then some[#some + 1] = string.sub(ARGV[3], at, at + length - 1) end
      at = at + length + 1
    end
    run, marks = table.concat(new), '[' .. table.concat(some, ',') .. ']'
  end
  redis.call('SADD', KEYS[2], unpack(new))
  redis.call('XADD', KEYS[1], '*', 'hashes', run, 'marks', marks)
end
if receipts == 0 then return 0 end
return told`)

export function createStreamIntake({ redis, log, maxQueued = MAX_QUEUED, patience = PATIENCE_MS }: StreamIntakeOptions): Intake {
  /** By the monotonic clock. */
  let restUntil = 0
  const takesNone = (): boolean => !redis.isReady() || performance.now() < restUntil

  async function append(marks: NewMark[]): Promise<TakenOutcome[]> {
    if (takesNone()) throw new IntakeFull('queue_away', RETRY_AFTER_SECONDS)
    const texts = marks.map((mark) => JSON.stringify(mark))
    let told: unknown
    try {
      told = await APPEND.run(redis.client, [maxQueued, texts.map(hashOf).join(''), `[${texts.join(',')}]`, texts.map((text) => Buffer.byteLength(text)).join(',')])
    } catch (error) {
      restUntil = performance.now() + REST_MS
      log({ event: 'queue_failed', ...describeFault(error) })
      throw new IntakeFull('queue_away', RETRY_AFTER_SECONDS, { cause: error })
    }
    if (told === -1) throw new IntakeFull('full', RETRY_AFTER_SECONDS)
    if (!Array.isArray(told)) return marks.map(() => QUEUED)
    const receipts = told as string[]
    return marks.map((_mark, i) => receiptOf(receipts[i] ?? '') ?? QUEUED)
  }

  const gathered = gather({ put: append, away: 'queue_away', log, maxWaiting: MAX_WAITING, maxRows: MAX_ROWS, maxInFlight: MAX_IN_FLIGHT, patience })
  return {
    take: (marks) => (takesNone() && marks.length > 0 ? Promise.reject(new IntakeFull('queue_away', RETRY_AFTER_SECONDS)) : gathered.take(marks)),
    drain: () => gathered.drain(),
  }
}

const QUEUED: TakenOutcome = { outcome: 'queued' }
