import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { LIKENESS_LEVELS } from '#contract/look-alike'
import { CURRENT_MODEL, cosine, packEmbedding, unpackEmbedding } from '#contract/model'
import { openRotation, seedOfText } from '#contract/rotation'
import { connect } from './connect.ts'
import type { Database } from './connect.ts'
import { saveConsent, withdrawConsent } from './consents.ts'
import { createKeyring, KeyringRefused } from './keyring.ts'
import type { Unopened, WrappingKeys } from './keyring.ts'
import { compareTheUncompared, lookAlikePairs } from './look-alikes.ts'
import { migrate } from './migrate.ts'
import { openKeyring } from './open-keyring.ts'
import { saveStudent, saveTemplates, templatesOf } from './people.ts'
import { dropLost, keyringStatus, newRotation, rewrap } from './reseal.ts'
import { roomOutline, rosterVersion, scheduleOf } from './roster.ts'
import { SEAL_BYTES } from './sealing.ts'
import { KEYRING, openDemoSchool, openOlderDatabase } from './test-school.ts'

/** A Monday, 10:20 in Stockholm. */
const NOW = new Date('2026-03-02T09:20:00Z')
const AGREED = { statement: 'My face may be used to mark me present', given_by: 'the guardian' }
const KEYS = { now: Buffer.alloc(32, 'a templates key for tests') }
const fresh = (): Buffer => randomBytes(32)

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
  for (const id of ['S001', 'S002', 'S003']) await saveConsent(db, id, AGREED, NOW)
})
afterAll(() => close())

/** Of unit length, no two alike. */
function face(seed: number): number[] {
  const raw = Array.from({ length: 192 }, (_, i) => {
    const x = Math.sin(seed * 12.9898 + i * 78.233) * 43758.5453
    return x - Math.floor(x) - 0.5
  })
  const norm = Math.hypot(...raw)
  return raw.map((x) => x / norm)
}

const enrol = async (id: string, seeds: number[], keyring = KEYRING, into = db): Promise<void> => {
  expect(await saveTemplates(into, keyring, id, seeds.map((seed) => ({ model: CURRENT_MODEL, embedding: face(seed) })), NOW, { levels: LIKENESS_LEVELS })).toMatchObject({ outcome: 'saved' })
}
/** Cosine of the face with each of the student's templates, as a check of one face against one student finds it. */
const likeness = async (id: string, seed: number, keyring = KEYRING, from = db): Promise<number[]> =>
  ((await templatesOf(from, keyring, id)) ?? []).map(({ embedding, rotation }) => Math.round(cosine(embedding, rotation.rotate(face(seed))) * 1e4) / 1e4)
const kept = (from = db) => from.sql<{ student_id: string; sealed: Buffer; wrapped: Buffer | null }[]>`
  SELECT t.student_id, t.sealed, k.wrapped FROM templates t LEFT JOIN keyring.students k ON k.student_id = t.student_id ORDER BY t.student_id, t.template_id`
/** What LAB-301's kiosk is told of the student, turned back. */
async function told(id: string, keyring = KEYRING, from = db): Promise<number[][]> {
  const outline = await roomOutline(from, 'LAB-301', NOW)
  const schedule = outline && (await scheduleOf(from, outline, keyring))
  const seed = schedule?.rotations.find(({ model }) => model === CURRENT_MODEL)?.seed
  if (!schedule || seed === undefined) return []
  const rotation = await openRotation(CURRENT_MODEL, seedOfText(seed))
  return schedule.students.filter(({ student_id }) => student_id === id).flatMap(({ templates }) => templates.map(({ embedding }) => [...rotation.rotateBack(unpackEmbedding(embedding))]))
}

describe('a template on record', () => {
  beforeEach(() => db.sql`TRUNCATE templates`)

  test('is sealed, under a key of the student\'s own, and comes out for its kiosk and for a check as it was enrolled', async () => {
    await enrol('S001', [1, 2])
    await enrol('S002', [3])
    const rows = await kept()
    expect(rows.map(({ sealed }) => sealed.length)).toEqual([1, 1, 1].map(() => 768 + SEAL_BYTES))
    const keys = new Set(rows.map(({ student_id, wrapped }) => KEYRING.unwrapKey(student_id, wrapped ?? Buffer.alloc(0))?.toString('hex')))
    expect(keys.size).toBe(2)
    expect((await likeness('S001', 1)).toSorted().at(-1)).toBeCloseTo(1, 4)
    const [one] = await told('S002')
    for (const [i, value] of (one ?? []).entries()) expect(Math.abs(value - face(3)[i]!)).toBeLessThan(1e-4)
  })

  test('does not open in another student\'s row, in another row of the same student, or with one bit changed; the rest of the roster does', async () => {
    await enrol('S001', [1, 2])
    await enrol('S002', [3])
    const unopened: Unopened[] = []
    const keyring = createKeyring(KEYS, (what) => unopened.push(what))
    // Each row's bytes go to the next: once to the same student's other row, twice to another student's.
    const rows = await db.sql<{ template_id: string; sealed: Buffer }[]>`SELECT template_id, sealed FROM templates ORDER BY student_id, template_id`
    for (const [i, { template_id }] of rows.entries()) await db.sql`UPDATE templates SET sealed = ${rows[(i + 1) % rows.length]!.sealed} WHERE template_id = ${template_id}`
    for (const id of ['S001', 'S002']) {
      expect(await templatesOf(db, keyring, id)).toEqual([])
      expect(await told(id, keyring)).toEqual([])
    }
    expect(unopened.length).toBeGreaterThan(0)

    await db.sql`TRUNCATE templates`
    await enrol('S001', [1])
    await enrol('S002', [3])
    await db.sql`UPDATE templates SET sealed = set_byte(sealed, 100, get_byte(sealed, 100) # 1) WHERE student_id = 'S001'`
    expect(await told('S001', keyring)).toEqual([])
    expect(await told('S002', keyring)).toHaveLength(1)
  })

  test('does not open with another student\'s key, were it put under this one\'s id', async () => {
    await enrol('S001', [1])
    await enrol('S002', [3])
    await db.sql`UPDATE keyring.students k SET wrapped = o.wrapped FROM keyring.students o WHERE (k.student_id, o.student_id) IN (('S001', 'S002'), ('S002', 'S001'))`
    expect([await told('S001'), await told('S002')]).toEqual([[], []])
  })

  test('is refused by PostgreSQL as plain numbers, by insert and by update, in both tables, and PostgreSQL has checked every row', async () => {
    await enrol('S001', [1])
    const plain = Buffer.from(Float32Array.from(face(1)).buffer)
    await expect(db.sql`UPDATE templates SET sealed = ${plain}`).rejects.toThrow(/template_is_sealed/)
    await expect(db.sql`UPDATE compared_faces SET sealed = ${plain}`).rejects.toThrow(/face_is_sealed/)
    await expect(db.sql`INSERT INTO templates (student_id, model, sealed, enrolled_at) VALUES ('S001', ${CURRENT_MODEL}, ${plain}, now())`).rejects.toThrow(/template_is_sealed/)
    expect((await keyringStatus(db, KEYRING)).sealed).toBe(true)
  })

  test('is as good as gone in a copy that was made before: the key goes with the last template, however it went', async () => {
    const ways: Record<string, () => Promise<unknown>> = {
      'a withdrawal': () => withdrawConsent(db, 'S001', NOW),
      'a withdrawal by SQL': () => db.sql`UPDATE consents SET withdrawn_at = now() WHERE student_id = 'S001' AND withdrawn_at IS NULL`,
      'a delete': () => db.sql`DELETE FROM templates WHERE student_id = 'S001'`,
      'a new enrolment': () => enrol('S001', [7]),
      'the end of all': () => db.sql`TRUNCATE templates`,
    }
    for (const [name, way] of Object.entries(ways)) {
      await saveConsent(db, 'S001', { ...AGREED, statement: name }, NOW)
      await enrol('S001', [1])
      const [before] = await db.sql<{ wrapped: Buffer }[]>`SELECT wrapped FROM keyring.students WHERE student_id = 'S001'`
      await way()
      const [after] = await db.sql<{ wrapped: Buffer }[]>`SELECT wrapped FROM keyring.students WHERE student_id = 'S001'`
      const key = (row: { wrapped: Buffer } | undefined) => row && KEYRING.unwrapKey('S001', row.wrapped)?.toString('hex')
      expect(key(before), name).toBeDefined()
      expect(key(after), name).not.toBe(key(before))
      if (name !== 'a new enrolment') expect(after, name).toBeUndefined()
    }
    await saveConsent(db, 'S001', AGREED, NOW)
  })
})

describe('after a withdrawal', () => {
  test('no table holds a byte of the template: not plain, not turned, not sealed, not in decimals, and not its key', async () => {
    await enrol('S003', [11, 12])
    await enrol('S002', [13])
    const [rows, rotation] = [await kept(), await rotationHeld()]
    const theirs = rows.filter(({ student_id }) => student_id === 'S003')
    const [mean] = await db.sql<{ sealed: Buffer }[]>`SELECT sealed FROM compared_faces WHERE student_id = 'S003'`
    const vectors = [11, 12].flatMap((seed) => [Float32Array.from(face(seed)), rotation.rotate(face(seed))])
    const traces = [
      ...vectors.map((vector) => Buffer.from(vector.buffer)).flatMap(windows),
      ...[...theirs.map(({ sealed }) => sealed), ...theirs.map(({ wrapped }) => wrapped ?? Buffer.alloc(0)).slice(0, 1), mean?.sealed ?? Buffer.alloc(0)].flatMap(windows),
      ...vectors.flatMap((vector) => decimals([...vector])),
      ...[11, 12].flatMap((seed) => decimals(face(seed))),
      ...vectors.flatMap(asSent),
    ]
    expect(traces.length).toBeGreaterThan(500)
    const before = await everything()
    // The scan finds what is there: all sealed bytes, and of the plain ones none even now.
    for (const { sealed } of rows) for (const trace of windows(sealed)) expect(before).toContain(trace)
    for (const vector of vectors) for (const trace of windows(Buffer.from(vector.buffer))) expect(before).not.toContain(trace)

    await withdrawConsent(db, 'S003', NOW)
    const after = await everything()
    expect(traces.filter((trace) => after.includes(trace))).toEqual([])
    for (const { sealed } of rows.filter(({ student_id }) => student_id === 'S002')) for (const trace of windows(sealed)) expect(after).toContain(trace)
    await saveConsent(db, 'S003', AGREED, NOW)
  })

  /** Every row of every table as text, byte strings in hex: what a dump would say. */
  async function everything(): Promise<string> {
    const tables = await db.sql<{ name: string }[]>`
      SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'`
    expect(tables.map(({ name }) => name)).toEqual(expect.arrayContaining(['templates', 'compared_faces', 'keyring.students', 'keyring.rotations', 'look_alikes']))
    const all: string[] = []
    for (const { name } of tables) for (const { row } of await db.sql.unsafe<{ row: string }[]>(`SELECT t::text AS row FROM ${name} t`)) all.push(row.toLowerCase())
    return all.join('\n')
  }

  /** Every 12 bytes in a row, from every fourth on. */
  function windows(bytes: Buffer): string[] {
    const found: string[] = []
    for (let at = 0; at + 12 <= bytes.length; at += 4) found.push(bytes.subarray(at, at + 12).toString('hex'))
    return found
  }

  /** Three numbers in a row, as JSON has them: whole, and rounded as they travel. */
  function decimals(vector: number[]): string[] {
    return [0, 60, 120, 189].flatMap((at) => [String, (value: number) => String(Math.round(value * 1e5) / 1e5)].map((write) => vector.slice(at, at + 3).map(write).join(',')))
  }

  /** Twelve numbers in a row, packed as a kiosk is sent them: in base64, of which everything() makes small letters, and in bytes. */
  function asSent(vector: Float32Array): string[] {
    const packed = packEmbedding(vector)
    return [0, 60, 120, 180].flatMap((at) => [packed.slice((at / 3) * 8, (at / 3) * 8 + 32).toLowerCase(), Buffer.from(packed, 'base64').toString('hex', 2 * at, 2 * at + 24)])
  }

  async function rotationHeld() {
    const [row] = await db.sql<{ wrapped: Buffer }[]>`SELECT wrapped FROM keyring.rotations WHERE model = ${CURRENT_MODEL}`
    return KEYRING.rotation(CURRENT_MODEL, row?.wrapped ?? Buffer.alloc(0))
  }
})

describe('a record from before sealing', () => {
  test('is turned and sealed at the first start with the key, its pairs stay, and nobody is compared anew; two starts at once do it once', async () => {
    const older = await openOlderDatabase('0011')
    try {
      await older.db.sql`INSERT INTO school (name, time_zone) VALUES ('A school', 'Europe/Stockholm')`
      await older.db.sql`INSERT INTO students (student_id, first_name, last_name) SELECT 'T' || n, 'A', 'Student' FROM generate_series(1, 700) n`
      await older.db.sql`INSERT INTO consents (student_id, statement, given_by, given_at) SELECT 'T' || n, 'yes', 'a guardian', now() FROM generate_series(1, 700) n`
      const plain = (seed: number): string => `\\x${Buffer.from(Float32Array.from(face(seed)).buffer).toString('hex')}`
      const values = Array.from({ length: 700 }, (_, i) => `('T${i + 1}', '${CURRENT_MODEL}', '${plain(i + 1)}'::bytea, now())`)
      await older.db.sql.unsafe(`INSERT INTO templates (student_id, model, embedding, enrolled_at) VALUES ${values.join(', ')}`)
      // One of them was never compared, as after a crash.
      await older.db.sql`INSERT INTO compared_faces (student_id, model, face) SELECT student_id, model, embedding FROM templates WHERE student_id <> 'T700'`
      await older.db.sql`INSERT INTO look_alikes (student_a, student_b, model, similarity, found_at) VALUES ('T1', 'T2', ${CURRENT_MODEL}, 0.68, now())`
      await migrate(older.db)
      const keys = { now: fresh() }
      await expect(older.db.sql`INSERT INTO templates (student_id, model, sealed, enrolled_at) VALUES ('T1', ${CURRENT_MODEL}, ${Buffer.alloc(768)}, now())`).rejects.toThrow(/template_is_sealed/)
      const events: unknown[] = []
      const second = await connect(older.url)
      const version = await rosterVersion(older.db)
      const [keyring] = await Promise.all([older.db, second].map((each) => openKeyring(each, keys, { log: (event) => events.push(event) })))
      await second.close()
      expect(events).toEqual([{ event: 'templates_sealed', templates: 700, faces: 699 }])
      expect(await rosterVersion(older.db)).not.toBe(version)
      expect(await keyringStatus(older.db, keyring!)).toMatchObject({ sealed: true, wrapped: { now: 702, before: 0, unknown: 0 }, lost: { templates: 0 } })
      for (const n of [1, 2, 350, 700]) expect(await likeness(`T${n}`, n, keyring, older.db)).toEqual([1])
      expect(await lookAlikePairs(older.db)).toHaveLength(1)
      expect(await compareTheUncompared(older.db, keyring!, LIKENESS_LEVELS, NOW)).toBe(1)
      expect(await lookAlikePairs(older.db)).toHaveLength(1)
      // The same face under another id is found among the sealed ones.
      await saveStudent(older.db, 'T701', { first_name: 'A', last_name: 'Twin', email: null })
      await saveConsent(older.db, 'T701', AGREED, NOW)
      expect(await saveTemplates(older.db, keyring!, 'T701', [{ model: CURRENT_MODEL, embedding: face(350) }], NOW, { levels: LIKENESS_LEVELS })).toMatchObject({ outcome: 'same_person', others: [{ student_id: 'T350' }] })
    } finally {
      await older.close()
    }
  })

  test('stays as it is where the start is refused in the middle, and is sealed by the next', async () => {
    const older = await openOlderDatabase('0011')
    try {
      await older.db.sql`INSERT INTO school (name, time_zone) VALUES ('A school', 'Europe/Stockholm')`
      await older.db.sql`INSERT INTO students (student_id, first_name, last_name) VALUES ('T1', 'A', 'Student')`
      await older.db.sql`INSERT INTO consents (student_id, statement, given_by, given_at) VALUES ('T1', 'yes', 'a guardian', now())`
      await older.db.sql`INSERT INTO templates (student_id, model, embedding, enrolled_at) VALUES ('T1', ${CURRENT_MODEL}, ${Buffer.from(Float32Array.from(face(1)).buffer)}, now())`
      await migrate(older.db)
      await older.db.sql`CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$`
      await older.db.sql`CREATE TRIGGER no BEFORE UPDATE ON templates FOR EACH ROW EXECUTE FUNCTION no()`
      const keys = { now: fresh() }
      await expect(openKeyring(older.db, keys)).rejects.toThrow('the disk is full')
      expect(await older.db.sql`SELECT FROM keyring.students`).toHaveLength(0)
      expect((await kept(older.db))[0]?.sealed).toEqual(Buffer.from(Float32Array.from(face(1)).buffer))
      await older.db.sql`DROP TRIGGER no ON templates`
      expect(await likeness('T1', 1, await openKeyring(older.db, keys), older.db)).toEqual([1])
    } finally {
      await older.close()
    }
  })
})

describe('a start', () => {
  test('with another key is refused by a line that names SCHOOL_KEY, and changes nothing', async () => {
    const school = await openDemoSchool(NOW)
    try {
      const keyring = await openKeyring(school.db, KEYS)
      await saveConsent(school.db, 'S001', AGREED, NOW)
      await enrol('S001', [1], keyring, school.db)
      const before = await snapshot(school.db)
      await expect(openKeyring(school.db, { now: fresh() })).rejects.toThrow(/sealed under another SCHOOL_KEY.*Nothing was changed/)
      expect(await snapshot(school.db)).toEqual(before)
      expect(await likeness('S001', 1, await openKeyring(school.db, { now: fresh(), before: KEYS.now }), school.db)).toEqual([1])
    } finally {
      await school.close()
    }
  })

  test('on a restored record without its keys is refused until they are there, or what nothing opens is erased', async () => {
    const school = await openDemoSchool(NOW)
    try {
      const keyring = await openKeyring(school.db, KEYS)
      for (const [id, seed] of [['S001', 1], ['S002', 2]] as const) {
        await saveConsent(school.db, id, AGREED, NOW)
        await enrol(id, [seed], keyring, school.db)
      }
      const [keys, rotations] = [await school.db.sql<{ student_id: string; wrapped: Buffer }[]>`SELECT * FROM keyring.students`, await school.db.sql<{ model: string; wrapped: Buffer; made_at: string }[]>`SELECT * FROM keyring.rotations`]
      await school.db.sql`DELETE FROM keyring.students`
      await school.db.sql`DELETE FROM keyring.rotations`
      await expect(openKeyring(school.db, KEYS)).rejects.toThrow(/2 templates of 2 students have no key.*restore the newest backup of schema keyring/)
      // S002 was erased after the backup of the templates, and before that of the keys.
      const [of1] = keys.filter(({ student_id }) => student_id === 'S001')
      await school.db.sql`INSERT INTO keyring.students (student_id, wrapped) VALUES ('S001', ${of1!.wrapped})`
      await expect(openKeyring(school.db, KEYS)).rejects.toThrow(/1 templates of 1 students have no key/)
      expect(await dropLost(school.db)).toEqual({ templates: 1, students: 1 })
      await expect(openKeyring(school.db, KEYS)).rejects.toThrow(/rotation of model mobilefacenet-192-r1 is not in the database/)
      for (const { model, wrapped } of rotations) await school.db.sql`INSERT INTO keyring.rotations (model, wrapped) VALUES (${model}, ${wrapped})`
      expect(await likeness('S001', 1, await openKeyring(school.db, KEYS), school.db)).toEqual([1])
    } finally {
      await school.close()
    }
  })
})

describe('another SCHOOL_KEY', () => {
  test('is put around every key without a photo, while servers with both keys enrol and serve, and again after it was ended in the middle', async () => {
    const school = await openDemoSchool(NOW)
    const [second, old, both] = [await connect(school.url), KEYS, { now: fresh(), before: KEYS.now } satisfies WrappingKeys]
    try {
      const first = await openKeyring(school.db, old)
      const ids = Array.from({ length: 24 }, (_, i) => `S${String(i + 1).padStart(3, '0')}`)
      for (const [i, id] of ids.entries()) {
        await saveConsent(school.db, id, AGREED, NOW)
        if (i < 20) await enrol(id, [i + 1], first, school.db)
      }
      const sealed = await kept(school.db)
      const version = await rosterVersion(school.db)
      const keyring = createKeyring(both)
      // Ended in the middle: some are under the new key already.
      await school.db.sql`UPDATE keyring.students SET wrapped = ${keyring.wrapKey('S004', first.unwrapKey('S004', sealed.find(({ student_id }) => student_id === 'S004')!.wrapped!)!)} WHERE student_id = 'S004'`
      const [done] = await Promise.all([
        rewrap(school.db, keyring),
        ...ids.slice(20).map((id, i) => enrol(id, [i + 21], createKeyring(both), second)),
        ...ids.slice(0, 4).map((id, i) => enrol(id, [i + 1], createKeyring(both), second)),
      ])
      expect(done.rotations).toBe(2)
      expect(await rewrap(school.db, keyring)).toEqual({ students: 0, rotations: 0 })
      const alone = await openKeyring(school.db, { now: both.now })
      for (const [i, id] of ids.entries()) expect(await likeness(id, i + 1, alone, school.db)).toEqual([1])
      expect(await keyringStatus(school.db, alone)).toMatchObject({ wrapped: { now: 26, before: 0, unknown: 0 } })
      await expect(openKeyring(school.db, old)).rejects.toThrow(KeyringRefused)
      // What lies in the rows of those who did not enrol anew is as it was.
      expect((await kept(school.db)).filter(({ student_id }) => student_id === 'S010')[0]?.sealed).toEqual(sealed.find(({ student_id }) => student_id === 'S010')?.sealed)
      expect(version).toBeDefined()
    } finally {
      await second.close()
      await school.close()
    }
  })

  test('leaves what neither key opens as it is, does the rest, and says whose', async () => {
    const school = await openDemoSchool(NOW)
    try {
      const first = await openKeyring(school.db, KEYS)
      for (const id of ['S001', 'S002']) {
        await saveConsent(school.db, id, AGREED, NOW)
        await enrol(id, [Number(id.slice(1))], first, school.db)
      }
      const stranger = createKeyring({ now: fresh() }).wrapKey('S001', fresh())
      await school.db.sql`UPDATE keyring.students SET wrapped = ${stranger} WHERE student_id = 'S001'`
      const keyring = createKeyring({ now: fresh(), before: KEYS.now })
      await expect(rewrap(school.db, keyring)).rejects.toThrow(/1 students \(S001\) were left as they are: neither SCHOOL_KEY nor SCHOOL_KEY_BEFORE opens it/)
      expect(await keyringStatus(school.db, keyring)).toMatchObject({ wrapped: { now: 3, before: 0, unknown: 1 } })
    } finally {
      await school.close()
    }
  })
})

describe('another rotation', () => {
  test('turns every template and every mean, keeps all likenesses and pairs, moves the roster once, and makes what had leaked a stranger\'s', async () => {
    const school = await openDemoSchool(NOW)
    try {
      const keyring = await openKeyring(school.db, KEYS)
      for (const [i, id] of ['S001', 'S002', 'S003'].entries()) {
        await saveConsent(school.db, id, AGREED, NOW)
        await enrol(id, [i + 1, i + 11], keyring, school.db)
      }
      await school.db.sql`INSERT INTO look_alikes (student_a, student_b, model, similarity, found_at) VALUES ('S001', 'S002', ${CURRENT_MODEL}, 0.66, now())`
      const leaked = (await templatesOf(school.db, keyring, 'S001')) ?? []
      const version = Number(await rosterVersion(school.db))
      expect(await newRotation(school.db, keyring)).toEqual({ templates: 6, faces: 3 })
      expect(Number(await rosterVersion(school.db))).toBe(version + 1)
      for (const [i, id] of ['S001', 'S002', 'S003'].entries()) expect((await likeness(id, i + 1, keyring, school.db)).toSorted().at(-1)).toBe(1)
      const now = (await templatesOf(school.db, keyring, 'S001')) ?? []
      for (const { embedding } of leaked) for (const other of now) expect(Math.abs(cosine(embedding, other.embedding))).toBeLessThan(0.45)
      expect(await lookAlikePairs(school.db)).toHaveLength(1)
      expect(await compareTheUncompared(school.db, keyring, LIKENESS_LEVELS, NOW)).toBe(0)
      await saveConsent(school.db, 'S004', AGREED, NOW)
      expect(await saveTemplates(school.db, keyring, 'S004', [{ model: CURRENT_MODEL, embedding: face(2) }, { model: CURRENT_MODEL, embedding: face(12) }], NOW, { levels: LIKENESS_LEVELS })).toMatchObject({ outcome: 'same_person', others: [{ student_id: 'S002' }] })
    } finally {
      await school.close()
    }
  })

  test('that one altered template stops changes nothing and says whose it is', async () => {
    const school = await openDemoSchool(NOW)
    try {
      const keyring = await openKeyring(school.db, KEYS)
      await saveConsent(school.db, 'S001', AGREED, NOW)
      await enrol('S001', [1], keyring, school.db)
      await school.db.sql`UPDATE templates SET sealed = set_byte(sealed, 100, get_byte(sealed, 100) # 1)`
      const before = await snapshot(school.db)
      await expect(newRotation(school.db, keyring)).rejects.toThrow(/a template of S001 does not open.*Nothing was turned/)
      expect(await snapshot(school.db)).toEqual(before)
    } finally {
      await school.close()
    }
  })
})

function snapshot(of: Database): Promise<unknown> {
  return Promise.all([of.sql`SELECT * FROM templates ORDER BY template_id`, of.sql`SELECT * FROM compared_faces ORDER BY student_id`, of.sql`SELECT * FROM keyring.students ORDER BY student_id`, of.sql`SELECT * FROM keyring.rotations ORDER BY model`])
}
