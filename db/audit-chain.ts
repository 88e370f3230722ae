/**
 * The audit log's chain, pure: how a row's code is made and how a log is checked. Knows no database and no clock.
 *
 * [Note: The audit log's chain] A row's digest is SHA-256 over every column of it, `prev` included, and `prev` is the digest
 * of the row before; its code is HMAC-SHA-256 of the digest under a key that is not in the database. So who can write
 * the database, but has no key, changes, drops, adds or moves no row unseen. The last rows can be cut off unseen by the log
 * itself: for that a head, the newest row's number and digest, is kept elsewhere (AUDIT_HEAD_FILE).
 *
 * [Note: A new key] Rows name their key. At a change of it the first row under the new key, `audit_key_changed`, binds by its
 * `prev` the whole log before it, which was checked under the old key in that moment. So rows whose key is destroyed since stay
 * verifiable: by the digests alone, up to a row whose code can be checked. What is altered among them is found, but
 * its place is known only to within two rows.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** As the table holds it; `at` with microseconds and Z, so that every bit of it is bound. */
export interface AuditRow {
  seq: number
  at: string
  actor: string
  action: string
  subject: string
  /** JSON text. */
  details: string
  key_id: string
  prev: Buffer
  mac: Buffer
}

export const GENESIS = Buffer.alloc(32)

/** The log's place at some moment, to be kept where who writes the database does not write. */
export interface AuditHead {
  seq: number
  /** Hexadecimal digest of that row. */
  hash: string
}

/** Names a key without telling it. */
export function keyIdOf(key: Buffer): string {
  return createHmac('sha256', key).update('fastrackai audit key id').digest('hex').slice(0, 16)
}

/** JSON with its members by name; the same for the same details. */
export function canonicalDetails(details: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(details).toSorted(([a], [b]) => (a < b ? -1 : 1))))
}

/** One JSON array of strings: no two different rows say the same. */
export function digestOf(row: Omit<AuditRow, 'mac'>): Buffer {
  return createHash('sha256').update(JSON.stringify(['fastrackai audit 1', String(row.seq), row.at, row.actor, row.action, row.subject, row.details, row.key_id, row.prev.toString('hex')])).digest()
}

export function macOf(digest: Buffer, key: Buffer): Buffer {
  return createHmac('sha256', key).update(digest).digest()
}

/** The row that follows `before`. */
export function chained(before: AuditRow | undefined, row: Pick<AuditRow, 'at' | 'actor' | 'action' | 'subject' | 'details'>, key: Buffer): AuditRow {
  const unsigned = { ...row, seq: (before?.seq ?? 0) + 1, key_id: keyIdOf(key), prev: before ? digestOf(before) : GENESIS }
  return { ...unsigned, mac: macOf(digestOf(unsigned), key) }
}

/**
 * `altered`: the row is not the one that was written. `missing`: rows are gone. `unannounced_start`: the first rows are gone, and no row says that they
 * were taken away. `out_of_order`: the row stands where another belongs, or twice. `broken_link`: this row and the one before it were
 * not written one after the other. `unknown_key`: written under a key that is neither ours nor bound by a later row.
 * `not_the_head`: at the kept head's place stands another row. `cut_off`: the log ends before the kept head.
 */
export type ChainFaultKind = 'altered' | 'missing' | 'unannounced_start' | 'out_of_order' | 'broken_link' | 'unknown_key' | 'not_the_head' | 'cut_off'
export interface ChainFault {
  kind: ChainFaultKind
  seq: number
  /** Of a range: its last. */
  through?: number
  says: string
}

export interface ChainReport {
  rows: number
  first: number | undefined
  head: AuditHead | undefined
  /** Rows whose key is gone: checked by the digests that a later row binds. */
  byDigestAlone: number
  /** Kept heads that were compared; those of rows that were pruned since cannot be. */
  headsCompared: number
  faults: ChainFault[]
}

export interface Checker {
  take(row: AuditRow): void
  end(): ChainReport
}

/** Enough to see what happened; a log of another school would name every row. */
const MOST_FAULTS = 1_000

/**
 * Takes the rows in the order of their seq, and names what is wrong.
 * @param keys the school's audit key, and the one before it while it changes.
 * @param heads what was kept elsewhere.
 */
export function openChecker(keys: readonly Buffer[], heads: readonly AuditHead[] = []): Checker {
  const known = new Map(keys.map((key) => [keyIdOf(key), key]))
  const kept = new Map<number, Set<string>>()
  for (const { seq, hash } of heads) kept.set(seq, (kept.get(seq) ?? new Set()).add(hash))
  const faults: ChainFault[] = []
  let rows = 0
  let first: AuditRow | undefined
  let before: { seq: number; digest: Buffer; sound: boolean } | undefined
  let byDigestAlone = 0
  let headsCompared = 0
  /** Rows at the end whose key is unknown: nothing after them vouches for them. */
  let unvouched: { from: number; through: number } | undefined
  /** What audit_pruned rows, themselves sound, say was taken away. */
  const pruned = new Map<number, string>()

  const tell = (kind: ChainFaultKind, seq: number, says: string, through?: number): void => {
    if (faults.length < MOST_FAULTS) faults.push({ kind, seq, ...(through === undefined ? {} : { through }), says })
  }

  function take(row: AuditRow): void {
    rows += 1
    const digest = digestOf(row)
    const key = known.get(row.key_id)
    let sound = true
    if (before && row.seq <= before.seq) {
      tell('out_of_order', row.seq, `row ${row.seq} comes after row ${before.seq}`)
      sound = false
    } else if (before && row.seq > before.seq + 1) {
      tell('missing', before.seq + 1, row.seq === before.seq + 2 ? `row ${before.seq + 1} is missing` : `rows ${before.seq + 1} to ${row.seq - 1} are missing`, row.seq - 1)
    }
    if (key) {
      if (!same(macOf(digest, key), row.mac)) {
        tell('altered', row.seq, `row ${row.seq} is not the one that was written`)
        sound = false
      }
      if (sound) unvouched = undefined
    } else {
      byDigestAlone += 1
      unvouched = { from: unvouched?.from ?? row.seq, through: row.seq }
    }
    // A row that is altered itself tells nothing of the link; and after a gap there is none.
    if (before && sound && before.sound && row.seq === before.seq + 1 && !same(row.prev, before.digest)) {
      tell('broken_link', row.seq, key ? `row ${row.seq} was not written after this row ${before.seq}` : `row ${before.seq} or row ${row.seq} is not the one that was written`)
    }
    if (row.seq === 1 && sound && !same(row.prev, GENESIS)) tell('altered', 1, 'row 1 is not the first that was written')
    first ??= row
    const expected = kept.get(row.seq)
    if (expected) {
      headsCompared += 1
      kept.delete(row.seq)
      if (expected.size > 1 || !expected.has(digest.toString('hex'))) tell('not_the_head', row.seq, `row ${row.seq} is not the one whose head was kept`)
    }
    if (sound && key && row.action === 'audit_pruned') {
      const { through, hash } = prunedBy(row)
      pruned.set(through, hash)
    }
    before = { seq: row.seq, digest, sound }
  }

  function end(): ChainReport {
    if (unvouched) tell('unknown_key', unvouched.from, `rows ${unvouched.from} to ${unvouched.through} were written under a key that is not known here; give it as SCHOOL_KEY_BEFORE`, unvouched.through)
    if (first && first.seq > 1 && pruned.get(first.seq - 1) !== first.prev.toString('hex')) {
      tell('unannounced_start', 1, first.seq === 2 ? 'row 1 is missing, and no row says that it was taken away' : `rows 1 to ${first.seq - 1} are missing, and no row says that they were taken away`, first.seq - 1)
    }
    const last = before
    for (const seq of [...kept.keys()].toSorted((a, b) => a - b)) {
      if (seq > (last?.seq ?? 0)) tell('cut_off', (last?.seq ?? 0) + 1, `the log ends at row ${last?.seq ?? 0}, and a head of row ${seq} was kept`, seq)
    }
    return { rows, first: first?.seq, head: last && { seq: last.seq, hash: last.digest.toString('hex') }, byDigestAlone, headsCompared, faults }
  }

  return { take, end }
}

function prunedBy(row: AuditRow): { through: number; hash: string } {
  const said: unknown = JSON.parse(row.details)
  if (typeof said === 'object' && said !== null && 'through' in said && 'hash' in said && typeof said.through === 'number' && typeof said.hash === 'string') return { through: said.through, hash: said.hash }
  throw new Error('an audit_pruned row with a right code does not say what was taken away')
}

function same(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
