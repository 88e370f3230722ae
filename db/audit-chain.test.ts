/** The chain against whoever may write every column of every row, and has no key. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { canonicalDetails, chained, digestOf, GENESIS, keyIdOf, macOf, openChecker } from './audit-chain.ts'
import type { AuditHead, AuditRow, ChainReport } from './audit-chain.ts'

const KEY = randomBytes(32)
const ROWS = 60

/** Numbers from a seed, the same each time (mulberry32). */
function chanceOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

function log(length: number, key = KEY, from?: AuditRow): AuditRow[] {
  const rows: AuditRow[] = []
  for (let i = 0; i < length; i++) {
    rows.push(chained(rows.at(-1) ?? from, {
      at: `2026-11-23T09:${String(i % 60).padStart(2, '0')}:05.123000Z`,
      actor: ['device:pi-1', 'account:office', 'script'][i % 3] ?? 'script',
      action: ['templates_read', 'correction_made', 'pin_set', 'exported'][i % 4] ?? 'exported',
      subject: `student:S${String(i % 17).padStart(3, '0')}`,
      details: canonicalDetails(i % 5 === 0 ? {} : { students: i, templates: i * 2, again: true }),
    }, key))
  }
  return rows
}

function check(rows: readonly AuditRow[], heads: readonly AuditHead[] = [], keys: readonly Buffer[] = [KEY]): ChainReport {
  const checker = openChecker(keys, heads)
  // As the database hands them out.
  for (const row of rows.toSorted((a, b) => a.seq - b.seq)) checker.take(row)
  return checker.end()
}

const headOf = (rows: readonly AuditRow[]): AuditHead => {
  const last = rows.at(-1)
  if (!last) throw new Error('an empty log has no head')
  return { seq: last.seq, hash: digestOf(last).toString('hex') }
}

const flipped = (bytes: Buffer, bit: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return copy
}

/** What the attacker cannot know is drawn anew; the rest is as our own code would write it. */
function rechained(rows: readonly AuditRow[], from: number, key: Buffer): AuditRow[] {
  const kept = rows.slice(0, from)
  for (const row of rows.slice(from)) {
    const before = kept.at(-1)
    const unsigned = { ...row, prev: before ? digestOf(before) : GENESIS }
    kept.push({ ...unsigned, mac: macOf(digestOf(unsigned), key) })
  }
  return kept
}

/** Each changes the log, and says which rows it touched. */
const TAMPERINGS: Record<string, (rows: AuditRow[], chance: (below: number) => number) => { rows: AuditRow[]; from: number; to: number }> = {
  'another time, by a microsecond': (rows, chance) => edit(rows, chance, (row) => ({ at: row.at.replace('123000', `12300${1 + chance(9)}`) })),
  'another actor': (rows, chance) => edit(rows, chance, (row) => ({ actor: `${row.actor}x` })),
  'another action': (rows, chance) => edit(rows, chance, (row) => ({ action: row.action === 'signed_in' ? 'pin_set' : 'signed_in' })),
  'another subject': (rows, chance) => edit(rows, chance, () => ({ subject: `student:T${chance(1000)}` })),
  'a space in the details': (rows, chance) => edit(rows, chance, (row) => ({ details: row.details.replace('{', '{ ') })),
  'other details': (rows, chance) => edit(rows, chance, () => ({ details: `{"students":${1000 + chance(1000)}}` })),
  'another key named': (rows, chance) => edit(rows, chance, () => ({ key_id: randomBytes(8).toString('hex') })),
  'a bit of prev': (rows, chance) => edit(rows, chance, (row) => ({ prev: flipped(row.prev, chance(256)) })),
  'a bit of the code': (rows, chance) => edit(rows, chance, (row) => ({ mac: flipped(row.mac, chance(256)) })),
  'a text moved from one column to the next': (rows, chance) => edit(rows, chance, (row) => ({ actor: row.actor.slice(0, -1), action: `${row.actor.slice(-1)}${row.action}` })),
  'another number': (rows, chance) => edit(rows, chance, (row) => ({ seq: row.seq + (chance(2) === 0 ? 1 : ROWS) })),
  'a row taken away': (rows, chance) => {
    const at = chance(rows.length - 1)
    return { rows: rows.toSpliced(at, 1), from: at + 1, to: at + 1 }
  },
  'several rows taken away': (rows, chance) => {
    const at = chance(rows.length - 5)
    return { rows: rows.toSpliced(at, 2 + chance(3)), from: at + 1, to: at + 5 }
  },
  'a row taken away and the others moved up': (rows, chance) => {
    const at = chance(rows.length - 1)
    return { rows: rows.toSpliced(at, 1).map((row, i) => ({ ...row, seq: i + 1 })), from: at + 1, to: rows.length }
  },
  'two rows swapped': (rows, chance) => {
    const a = chance(rows.length - 1)
    const b = a + 1 + chance(rows.length - a - 1)
    return { rows: rows.map((row, i) => (i === a ? { ...at(rows, b), seq: row.seq } : i === b ? { ...at(rows, a), seq: row.seq } : row)), from: a + 1, to: b + 1 }
  },
  'a row twice, with its number': (rows, chance) => {
    const one = chance(rows.length)
    return { rows: [...rows, at(rows, one)], from: one + 1, to: one + 1 }
  },
  'a row twice, at the end': (rows, chance) => ({ rows: [...rows, { ...at(rows, chance(rows.length)), seq: rows.length + 1 }], from: rows.length + 1, to: rows.length + 1 }),
  'a row put in, the others moved down': (rows, chance) => {
    const one = chance(rows.length)
    return { rows: rows.toSpliced(one, 0, { ...at(rows, chance(rows.length)), subject: 'student:X' }).map((row, i) => ({ ...row, seq: i + 1 })), from: one + 1, to: rows.length + 1 }
  },
  'a row added under a key of the attacker\'s, that ours is named for': (rows, chance) => ({ rows: rechained([...rows, { ...at(rows, chance(rows.length)), seq: rows.length + 1 }], rows.length, randomBytes(32)), from: rows.length + 1, to: rows.length + 1 }),
  'a row added under a key of the attacker\'s, named': (rows, chance) => {
    const key = randomBytes(32)
    return { rows: rechained([...rows, { ...at(rows, chance(rows.length)), seq: rows.length + 1, key_id: keyIdOf(key) }], rows.length, key), from: rows.length + 1, to: rows.length + 1 }
  },
  'a row changed and all after it written anew without the key': (rows, chance) => {
    const one = chance(rows.length)
    return { rows: rechained(rows.with(one, { ...at(rows, one), subject: 'student:X' }), one, randomBytes(32)), from: one + 1, to: rows.length }
  },
  'the whole log written anew under a key of the attacker\'s': (rows) => {
    const key = randomBytes(32)
    return { rows: rechained(rows.map((row) => ({ ...row, key_id: keyIdOf(key) })), 0, key), from: 1, to: rows.length }
  },
  'the first rows taken away': (rows, chance) => ({ rows: rows.slice(1 + chance(10)), from: 1, to: 11 }),
  'the end cut off': (rows, chance) => {
    const left = 1 + chance(rows.length - 1)
    return { rows: rows.slice(0, left), from: left + 1, to: rows.length }
  },
  'the end cut off, and others written by the server itself since': (rows, chance) => {
    const left = 1 + chance(rows.length - 1)
    return { rows: [...rows.slice(0, left), ...log(rows.length, KEY, rows[left - 1])], from: left + 1, to: rows.length }
  },
}

function at(rows: readonly AuditRow[], index: number): AuditRow {
  const row = rows[index]
  if (!row) throw new Error(`there is no row ${index}`)
  return row
}

function edit(rows: readonly AuditRow[], chance: (below: number) => number, change: (row: AuditRow) => Partial<AuditRow>): { rows: AuditRow[]; from: number; to: number } {
  const index = chance(rows.length)
  const row = at(rows, index)
  return { rows: rows.with(index, { ...row, ...change(row) }), from: row.seq, to: row.seq + 1 }
}

test('1,000 of 1,000 random tamperings are found, and where they are is said', () => {
  const kinds = Object.entries(TAMPERINGS)
  const whole = log(ROWS)
  const head = headOf(whole)
  const missed: string[] = []
  const misplaced: string[] = []
  for (let seed = 0; seed < 1_000; seed++) {
    const chance = chanceOf(seed)
    const [name, tamper] = kinds[seed % kinds.length] ?? ['', () => ({ rows: [], from: 0, to: 0 })]
    const { rows, from, to } = tamper(structuredRows(whole), chance)
    const { faults } = check(rows, [head])
    if (faults.length === 0) missed.push(`${name} (seed ${seed})`)
    // Some fault lies within what was touched, or on the row after it, whose link is broken.
    else if (!faults.some(({ seq, through }) => (through ?? seq) >= from && seq <= to + 1)) misplaced.push(`${name} (seed ${seed}): ${JSON.stringify(faults)}, touched ${from} to ${to}`)
  }
  expect({ missed, misplaced }).toEqual({ missed: [], misplaced: [] })
})

/** The bytes are read back from the database each time: nothing is shared. */
function structuredRows(rows: readonly AuditRow[]): AuditRow[] {
  return rows.map((row) => ({ ...row, prev: Buffer.from(row.prev), mac: Buffer.from(row.mac) }))
}

test('a whole log has no fault, with any number of its heads, and an altered row alone is named', () => {
  const rows = log(ROWS)
  const heads = [1, 20, 20, ROWS].map((n) => headOf(rows.slice(0, n)))
  expect(check(rows, heads)).toMatchObject({ rows: ROWS, first: 1, headsCompared: 3, byDigestAlone: 0, faults: [] })
  expect(check([])).toEqual({ rows: 0, first: undefined, head: undefined, byDigestAlone: 0, headsCompared: 0, faults: [] })
  expect(check(rows.with(30, { ...at(rows, 30), subject: 'student:X' })).faults).toEqual([{ kind: 'altered', seq: 31, says: 'row 31 is not the one that was written' }])
  expect(check(rows.toSpliced(30, 2)).faults).toEqual([{ kind: 'missing', seq: 31, through: 32, says: 'rows 31 to 32 are missing' }])
})

test('without a kept head a cut-off end is not missed: that is what the head is kept for', () => {
  const rows = log(ROWS)
  expect(check(rows.slice(0, 40)).faults).toEqual([])
  expect(check(rows.slice(0, 40), [headOf(rows)]).faults).toEqual([{ kind: 'cut_off', seq: 41, through: 60, says: 'the log ends at row 40, and a head of row 60 was kept' }])
  expect(check([], [headOf(rows)]).faults).toMatchObject([{ kind: 'cut_off', seq: 1, through: 60 }])
})

test('rows under a key that is gone are bound by the first row of the new one: any change of them is found, and none may stand at the end', () => {
  const [old, now] = [randomBytes(32), randomBytes(32)]
  const before = log(30, old)
  const rows = [...before, ...log(10, now, before.at(-1))]
  expect(check(rows, [], [now, old])).toMatchObject({ faults: [], byDigestAlone: 0 })
  expect(check(rows, [], [now])).toMatchObject({ faults: [], byDigestAlone: 30 })
  for (let index = 0; index < before.length; index++) {
    const altered = { ...at(rows, index), subject: 'student:X' }
    expect(check(rows.with(index, altered), [], [now]).faults.length, `row ${index + 1} altered`).toBeGreaterThan(0)
    // And with the digests after it made right again: then the first row under our key does not fit.
    const forged = [...rechained(before.with(index, altered), index, randomBytes(32)), ...rows.slice(30)]
    expect(check(forged, [], [now]).faults, `row ${index + 1} forged`).toMatchObject([{ kind: 'broken_link', seq: 31 }])
  }
  expect(check(before, [], [now]).faults).toMatchObject([{ kind: 'unknown_key', seq: 1, through: 30 }])
})

test('rows taken from the front are not missed where a later row says so, with the last one\'s digest', () => {
  const rows = log(40)
  const saying = (through: number, hash: string): AuditRow => chained(rows.at(-1), { at: '2026-11-23T10:00:00.000000Z', actor: 'server', action: 'audit_pruned', subject: 'audit', details: canonicalDetails({ through, hash }) }, KEY)
  const pruned = saying(10, digestOf(at(rows, 9)).toString('hex'))
  expect(check([...rows.slice(10), pruned], [headOf(rows.slice(0, 5))])).toMatchObject({ first: 11, rows: 31, headsCompared: 0, faults: [] })
  expect(check([...rows.slice(11), pruned]).faults).toMatchObject([{ kind: 'unannounced_start', seq: 1, through: 11 }])
  expect(check([...rows.slice(10), saying(10, 'f'.repeat(64))]).faults).toMatchObject([{ kind: 'unannounced_start' }])
  expect(check([...rows.slice(10), { ...pruned, mac: randomBytes(32) }]).faults).toMatchObject([{ kind: 'altered', seq: 41 }, { kind: 'unannounced_start' }])
})

test('the same details make the same text, whatever order they come in', () => {
  expect(canonicalDetails({ b: 1, a: 'x' })).toBe(canonicalDetails({ a: 'x', b: 1 }))
  expect(keyIdOf(KEY)).toMatch(/^[0-9a-f]{16}$/)
})
