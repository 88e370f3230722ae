/**
 * The queue -> PostgreSQL: takes entries of the stream, stores their marks with the same insert as group commit, and
 * only then acknowledges them and writes their receipts. Any number of recorders share one queue. Knows no HTTP and no SQL.
 *
 * 1. Read new entries, or such as another recorder left (it died, or PostgreSQL would not take a mark of theirs).
 * 2. Store up to 2,000 marks at once; while PostgreSQL is away, keep them and try again.
 * 3. In one script: write receipts, acknowledge, delete. A recorder that dies before that leaves its entries pending;
 *    after `idleMs` another takes them over, and what was stored already is a duplicate.
 *
 * [Note: Set aside after n deliveries] An entry with a mark that PostgreSQL refuses for a reason that is not the mark's
 * own, or that cannot be read, is not acknowledged, and so comes again after `idleMs`, by whichever recorder. At its
 * `maxDeliveries`th delivery that mark is set aside with the reason, and the queue moves on. PostgreSQL being away counts
 * no delivery. An entry under which recorders die is tried no more after twice as many.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Refused } from '../../db/set-aside.ts'
import { describeFault } from '../log.ts'
import type { QueueRedis } from '../redis.ts'
import { MAX_ROWS } from './group-commit.ts'
import type { TakenOutcome } from './intake.ts'
import { entryOf, GROUP, receiptText, RECEIPT_SECONDS, Script, STREAM } from './queue.ts'
import type { Entry, FinalOutcome } from './queue.ts'
import { refusedMark, storeBatch } from './store-batch.ts'
import type { StoreBatch } from './store-batch.ts'

export interface RecorderOptions extends StoreBatch {
  redis: QueueRedis
  /** Names this recorder among all; no other may bear it. */
  name?: string
  /** Milliseconds after which an entry that nobody keeps is another recorder's. */
  idleMs?: number
  maxDeliveries?: number
  /** Milliseconds that stopping waits for a database that does not answer. */
  patience?: number
  /** Milliseconds after which a name with nothing pending, that has not asked since, belongs to a recorder that is gone. */
  forgottenMs?: number
}

export interface Recorder {
  /** Takes no more, finishes what it holds, and leaves to others at once what it cannot. */
  drain(): Promise<void>
}

const IDLE_MS = 30_000
const MAX_DELIVERIES = 5
const PATIENCE_MS = 10_000
/** Inserts under way at once, as in group commit. */
const MAX_IN_FLIGHT = 2
/** Entries in one read: of up to 500 marks each. */
const READ_COUNT = 16
/** How long a read waits at Redis for the next entry. */
const BLOCK_MS = 1_000
const SHORTEST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000
const FORGOTTEN_MS = 24 * 3_600_000

/**
 * ARGV: group, seconds that receipts live, how many entries, their ids; then the hashes of marks stored, those of
 * duplicates, each run together; then hash and receipt of every other. An empty stream has nothing that waits, whatever the set says.
 */
const SETTLE = new Script(`
local ids = tonumber(ARGV[3])
local function receipt(hash, text)
  redis.call('SET', KEYS[3] .. hash, text, 'EX', ARGV[2])
  redis.call('SREM', KEYS[2], hash)
end
local function all(hashes, text)
  local some = {}
  for at = 1, #hashes, 22 do
    local hash = string.sub(hashes, at, at + 21)
    redis.call('SET', KEYS[3] .. hash, text, 'EX', ARGV[2])
    some[#some + 1] = hash
    if #some == 1000 then
      redis.call('SREM', KEYS[2], unpack(some))
      some = {}
    end
  end
  if #some > 0 then redis.call('SREM', KEYS[2], unpack(some)) end
end
all(ARGV[4 + ids], 's')
all(ARGV[5 + ids], 'd')
for i = 6 + ids, #ARGV, 2 do receipt(ARGV[i], ARGV[i + 1]) end
if ids > 0 then
  redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 4, 3 + ids))
  redis.call('XDEL', KEYS[1], unpack(ARGV, 4, 3 + ids))
end
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('UNLINK', KEYS[2]) end
return 0`)

/** ARGV: group, milliseconds. Forgets recorders that are gone, and what waits where the stream was emptied by hand. */
const TIDY = new Script(`
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('UNLINK', KEYS[2]) end
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local is = {}
  for i = 1, #consumer, 2 do is[consumer[i]] = consumer[i + 1] end
  if is.pending == 0 and is.idle > tonumber(ARGV[2]) then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], is.name) end
end
return 0`)

export function startRecorder({ redis, name = `recorder-${randomUUID()}`, idleMs = IDLE_MS, maxDeliveries = MAX_DELIVERIES, patience = PATIENCE_MS, forgottenMs = FORGOTTEN_MS, ...store }: RecorderOptions): Recorder {
  const { log } = store
  const { client } = redis
  const reader = redis.openWaiting()
  /** Names the connection that waits, so that stopping need not wait with it. */
  let readerId = 0
  reader.on('ready', () => void reader.client('ID').then((id) => (readerId = id), () => {}))
  const stopping = new AbortController()
  /** Everything delivered to us and not yet settled. */
  const held = new Map<string, Entry>()
  const underWay = new Set<Promise<void>>()
  const keeping = setInterval(() => void keep().catch(() => {}), idleMs / 3)
  keeping.unref()
  const ended = run()

  async function run(): Promise<void> {
    let faults = 0
    let reclaimAt = 0
    while (!stopping.signal.aborted) {
      try {
        if (performance.now() >= reclaimAt) {
          await recordAll(await leftByOthers())
          await TIDY.run(client, [GROUP, forgottenMs])
          // What others left goes on being taken over while there is any.
          reclaimAt = performance.now() + idleMs / 2
        }
        await recordAll(await newOnes())
        faults = 0
      } catch (error) {
        if (isNoGroup(error)) {
          await ensureGroup().catch(() => {})
          if (faults++ < 2) continue
        } else if (faults++ === 2) log({ event: 'queue_not_read', ...describeFault(error) })
        await pause(faults)
      }
    }
  }

  async function newOnes(): Promise<Entry[]> {
    const streams = (await reader.call('XREADGROUP', 'GROUP', GROUP, name, 'COUNT', READ_COUNT, 'BLOCK', BLOCK_MS, 'STREAMS', STREAM, '>')) as [string, RawEntry[]][] | null
    return (streams?.[0]?.[1] ?? []).flatMap((raw) => asEntries(raw, 1))
  }

  /** Delivered, and kept by nobody for idleMs: XAUTOCLAIM in two steps, because it does not tell how often they were delivered. */
  async function leftByOthers(): Promise<Entry[]> {
    const pending = (await client.call('XPENDING', STREAM, GROUP, 'IDLE', idleMs, '-', '+', READ_COUNT)) as [string, string, number, number][]
    const deliveries = new Map(pending.filter(([id]) => !held.has(id)).map(([id, , , times]) => [id, times]))
    if (deliveries.size === 0) return []
    const claimed = (await client.call('XCLAIM', STREAM, GROUP, name, idleMs, ...deliveries.keys())) as RawEntry[]
    return claimed.flatMap((raw) => asEntries(raw, (deliveries.get(raw?.[0] ?? '') ?? 0) + 1))
  }

  /** A deleted entry comes without its fields. */
  function asEntries(raw: RawEntry, deliveries: number): Entry[] {
    if (!raw?.[1]) return []
    const entry = entryOf(raw[0], raw[1], deliveries)
    held.set(entry.id, entry)
    return [entry]
  }

  async function ensureGroup(): Promise<void> {
    try {
      await client.call('XGROUP', 'CREATE', STREAM, GROUP, '0', 'MKSTREAM')
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('BUSYGROUP'))) throw error
    }
  }

  async function recordAll(entries: Entry[]): Promise<void> {
    for (const batch of batchesOf(entries)) {
      while (underWay.size >= MAX_IN_FLIGHT) await Promise.race(underWay)
      const recording: Promise<void> = record(batch)
        .catch((error: unknown) => log({ event: 'queue_not_recorded', ...describeFault(error) }))
        .finally(() => {
          for (const { id } of batch) held.delete(id)
          underWay.delete(recording)
        })
      underWay.add(recording)
    }
  }

  /** Resolves when every entry is settled, or left for a later delivery. */
  async function record(entries: Entry[]): Promise<void> {
    const tried = entries.filter(({ marks, deliveries }) => marks && deliveries <= 2 * maxDeliveries)
    const stored = await persist(entries, () => storeBatch(store, tried.flatMap(({ marks }) => marks ?? [])))
    if (!stored) return letGo(entries)

    const settled: string[] = []
    const receipts = new Map<string, FinalOutcome>()
    const refused: Refused[] = []
    let place = 0
    for (const entry of entries) {
      const isTried = tried.includes(entry)
      let failed = 0
      for (const [i, hash] of entry.hashes.entries()) {
        const outcome: TakenOutcome | undefined = isTried ? stored.outcomes[place] : undefined
        const fault = isTried ? stored.faults.get(place) : undefined
        if (isTried) place += 1
        if (outcome && outcome.outcome !== 'queued') receipts.set(hash, outcome)
        else if (entry.deliveries < maxDeliveries) failed += 1
        else {
          const reason = reasonOf(entry, fault)
          if (entry.marks) refused.push(refusedMark(entry.marks[i], 'set_aside', reason))
          receipts.set(hash, { outcome: 'refused', code: 'set_aside', field: '', message: reason })
        }
      }
      if (!entry.marks && entry.deliveries < maxDeliveries) failed += 1
      else if (!entry.marks) refused.push({ record: entry.text, device_id: undefined, code: 'set_aside', field: '', reason: reasonOf(entry, undefined) })
      if (failed === 0) settled.push(entry.id)
    }
    if (refused.length > 0) {
      const kept = await persist(entries, async () => {
        await store.setAside(refused)
        return true
      })
      if (!kept) return letGo(entries)
      log({ event: 'marks_set_aside', marks: refused.length, message: refused[0]?.reason })
    }
    await settle(settled, receipts)
  }

  /** Asks until it is answered, keeping what we hold; undefined: we are to stop, and PostgreSQL is away. */
  async function persist<T>(entries: Entry[], ask: () => Promise<T>): Promise<T | undefined> {
    for (let faults = 1; ; faults++) {
      try {
        return await ask()
      } catch (error) {
        if (faults === 1) {
          log({ event: 'queue_waits_for_database', marks: entries.reduce((sum, { hashes }) => sum + hashes.length, 0), ...describeFault(error) })
          // Should we die meanwhile, this delivery is not one.
          await Promise.all(entries.map(({ id, deliveries }) => client.call('XCLAIM', STREAM, GROUP, name, 0, id, 'RETRYCOUNT', deliveries - 1, 'JUSTID'))).catch(() => {})
        }
        if (stopping.signal.aborted) return undefined
        await pause(faults)
      }
    }
  }

  /** Where Redis is away the entries stay pending, and are recorded once more: as duplicates. */
  async function settle(ids: string[], receipts: Map<string, FinalOutcome>): Promise<void> {
    const runTogether = { stored: '', duplicate: '' }
    const others: string[] = []
    for (const [hash, outcome] of receipts) {
      if (outcome.outcome === 'refused') others.push(hash, receiptText(outcome))
      else runTogether[outcome.outcome] += hash
    }
    for (let faults = 1; ; faults++) {
      try {
        await SETTLE.run(client, [GROUP, RECEIPT_SECONDS, ids.length, ...ids, runTogether.stored, runTogether.duplicate, ...others])
        return
      } catch (error) {
        if (stopping.signal.aborted) throw error
        await pause(faults)
      }
    }
  }

  /** Ours, and not idle: nobody else takes them. JUSTID counts no delivery. */
  async function keep(): Promise<void> {
    if (held.size > 0) await client.call('XCLAIM', STREAM, GROUP, name, 0, ...held.keys(), 'JUSTID')
  }

  /** As if nobody had kept them for long: the next recorder that looks takes them over. */
  async function letGo(entries: Entry[]): Promise<void> {
    await Promise.all(entries.map(({ id, deliveries }) => client.call('XCLAIM', STREAM, GROUP, name, 0, id, 'IDLE', FORGOTTEN_MS, 'RETRYCOUNT', deliveries - 1, 'JUSTID'))).catch(() => {})
  }

  async function pause(faults: number): Promise<void> {
    await sleep(Math.min(SHORTEST_PAUSE_MS * 2 ** Math.min(faults, 10), LONGEST_PAUSE_MS), undefined, { signal: stopping.signal }).catch(() => {})
  }

  function reasonOf({ deliveries, marks }: Entry, fault: unknown): string {
    const why = !marks ? 'it cannot be read' : fault === undefined ? 'whoever tried it did not live to tell' : describeFault(fault).message
    return `the database did not take it in ${deliveries} attempts: ${why}`
  }

  return {
    async drain() {
      stopping.abort()
      await client.client('UNBLOCK', readerId).catch(() => {})
      const finished = ended.then(() => Promise.all(underWay))
      const done = new AbortController()
      await Promise.race([finished, sleep(patience + BLOCK_MS, undefined, { signal: done.signal }).catch(() => {})])
      done.abort()
      clearInterval(keeping)
      if (held.size > 0) await letGo([...held.values()])
      reader.disconnect()
    },
  }
}

/** Null: deleted meanwhile (Redis 6). */
type RawEntry = [id: string, fields: string[] | null] | null

/** Whole entries, as many as fit into one insert; one that alone is larger goes alone. */
function batchesOf(entries: Entry[]): Entry[][] {
  const batches: Entry[][] = []
  let rows = 0
  for (const entry of entries) {
    const size = entry.hashes.length
    const last = batches.at(-1)
    if (last && rows + size <= MAX_ROWS) {
      last.push(entry)
      rows += size
    } else {
      batches.push([entry])
      rows = size
    }
  }
  return batches
}

function isNoGroup(error: unknown): boolean {
  return error instanceof Error && /NOGROUP|no such key|no longer exists/i.test(error.message)
}
