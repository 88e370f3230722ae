/**
 * What an operator does with the keys of the record: put another key around them, turn everything anew, count. No photo is needed
 * for any of it. Knows no command line: server/templates-command.ts does.
 */
import { modelIds } from '#contract/model'
import type { ModelId } from '#contract/model'
import { openRotation } from '#contract/rotation'
import type postgres from 'postgres'
import type { Database } from './connect.ts'
import { byteaArray, KeyringRefused, newSeed, rotationOf, textArray } from './keyring.ts'
import type { Keyring } from './keyring.ts'
import { lockComparisons } from './look-alikes.ts'
import { keepComparisons, lockKeyring } from './open-keyring.ts'
import { holdPolicy } from './policy.ts'
import { openFace, openTemplate, sealFace, sealTemplate } from './sealed-templates.ts'

const ROWS_AT_ONCE = 500
/** Wrapped under none of our keys comes first in every list of names, and is an error: nothing is skipped in silence. */
const UNKNOWN_KEY = 'neither SCHOOL_KEY nor SCHOOL_KEY_BEFORE opens it; set the key that it was wrapped under as SCHOOL_KEY_BEFORE'

export interface KeyringStatus {
  /** Students' keys and rotations, by what they are wrapped under. */
  wrapped: { now: number; before: number; unknown: number }
  templates: { model: string; templates: number; students: number; turned_since: string | null }[]
  /** Templates whose student has no key: of a restored backup. Nothing opens them. */
  lost: { templates: number; students: number }
  /** Whether PostgreSQL has proved that every row is sealed. */
  sealed: boolean
}

export async function keyringStatus(db: Database, keyring: Keyring): Promise<KeyringStatus> {
  return db.sql.begin('ISOLATION LEVEL REPEATABLE READ READ ONLY', async (sql) => {
    const kinds = await sql<{ wrapped: Buffer; n: number }[]>`
      SELECT substring(wrapped FOR 8) AS wrapped, count(*)::integer AS n FROM (SELECT wrapped FROM keyring.students UNION ALL SELECT wrapped FROM keyring.rotations) k GROUP BY 1`
    const wrapped = { now: 0, before: 0, unknown: 0 }
    for (const kind of kinds) wrapped[keyring.wrappedUnder(kind.wrapped) ?? 'unknown'] += kind.n
    const templates = await sql<KeyringStatus['templates']>`
      SELECT m.model, count(t.template_id)::integer AS templates, count(DISTINCT t.student_id)::integer AS students,
        to_char((SELECT made_at FROM keyring.rotations r WHERE r.model = m.model) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS turned_since
      FROM unnest(${textArray(modelIds)}::text::text[]) AS m (model) LEFT JOIN templates t ON t.model = m.model GROUP BY m.model ORDER BY m.model`
    const [lost] = await sql<KeyringStatus['lost'][]>`
      SELECT count(*)::integer AS templates, count(DISTINCT t.student_id)::integer AS students FROM templates t
      WHERE octet_length(t.sealed) % 2 = 1 AND NOT EXISTS (SELECT FROM keyring.students k WHERE k.student_id = t.student_id)`
    const open = await sql`SELECT FROM pg_constraint WHERE conname IN ('template_is_sealed', 'face_is_sealed') AND NOT convalidated`
    return { wrapped, templates: [...templates], lost: lost ?? { templates: 0, students: 0 }, sealed: open.length === 0 }
  }) as Promise<KeyringStatus>
}

/**
 * Everything that is wrapped under SCHOOL_KEY_BEFORE is wrapped under SCHOOL_KEY. Some at a time, each time whole: ended in the middle, the next
 * run goes on; servers that know both keys serve meanwhile. @returns how many. @throws KeyringRefused for what neither opens; the rest is done by then
 */
export async function rewrap(db: Database, keyring: Keyring): Promise<{ students: number; rotations: number }> {
  const rotations = await rewrapRotations(db, keyring)
  let students = 0
  let after = ''
  const unknown: string[] = []
  for (;;) {
    const rows = await db.sql<{ student_id: string; wrapped: Buffer }[]>`
      SELECT student_id, wrapped FROM keyring.students WHERE student_id::text COLLATE "C" > ${after} ORDER BY student_id::text COLLATE "C" LIMIT ${ROWS_AT_ONCE}`
    const last = rows.at(-1)
    if (!last) break
    after = last.student_id
    const old = rows.filter(({ wrapped }) => keyring.wrappedUnder(wrapped) !== 'now')
    const done = old.flatMap((row) => {
      const key = keyring.unwrapKey(row.student_id, row.wrapped)
      if (!key) unknown.push(row.student_id)
      return key ? [{ ...row, fresh: keyring.wrapKey(row.student_id, key) }] : []
    })
    // A student who was erased, or enrolled again, meanwhile has no key or another one: theirs stays as it is.
    students += (await db.sql.begin(async (sql) => {
      await holdPolicy(sql)
      const { count } = await sql`
        UPDATE keyring.students k SET wrapped = u.fresh
        FROM unnest(${textArray(done.map((row) => row.student_id))}::text::text[], ${byteaArray(done.map((row) => row.wrapped))}::text::bytea[], ${byteaArray(done.map((row) => row.fresh))}::text::bytea[]) AS u (student_id, old, fresh)
        WHERE k.student_id = u.student_id AND k.wrapped = u.old`
      return count
    })) as number
  }
  if (unknown.length > 0) throw new KeyringRefused(`the keys of ${unknown.length} students (${unknown.slice(0, 5).join(', ')}${unknown.length > 5 ? ', …' : ''}) were left as they are: ${UNKNOWN_KEY}`)
  return { students, rotations }
}

async function rewrapRotations(db: Database, keyring: Keyring): Promise<number> {
  return db.sql.begin(async (sql) => {
    await lockKeyring(sql)
    const rows = await sql<{ model: string; wrapped: Buffer }[]>`SELECT model, wrapped FROM keyring.rotations FOR UPDATE`
    const old = rows.filter(({ wrapped }) => keyring.wrappedUnder(wrapped) !== 'now')
    for (const { model, wrapped } of old) {
      const seed = keyring.unwrapSeed(model, wrapped)
      if (!seed) throw new KeyringRefused(`the rotation of model ${model} was left as it is: ${UNKNOWN_KEY}`)
      await sql`UPDATE keyring.rotations SET wrapped = ${keyring.wrapSeed(model, seed)} WHERE model = ${model}`
    }
    return old.length
  }) as Promise<number>
}

/**
 * Another rotation for every model, and all templates turned by it instead of the one before: what has leaked fits nothing here any more. One
 * transaction: all or nothing, and kiosks pull. Who enrols meanwhile waits. @throws KeyringRefused where a template does not open
 */
export async function newRotation(db: Database, keyring: Keyring): Promise<{ templates: number; faces: number }> {
  return db.sql.begin(async (sql) => {
    await sql`SELECT set_config('statement_timeout', '0', true)`
    await lockKeyring(sql)
    await lockComparisons(sql)
    await keepComparisons(sql)
    const turned = { templates: 0, faces: 0 }
    for (const model of modelIds) {
      const before = await rotationOf(sql, keyring, model)
      const seed = newSeed()
      const after = await openRotation(model, new Uint8Array(seed))
      const turn = (embedding: Float32Array): Float32Array => after.rotate(before.rotateBack(embedding))
      turned.templates += await turnTemplates(sql, keyring, model, turn)
      turned.faces += await turnFaces(sql, keyring, model, turn)
      await sql`UPDATE keyring.rotations SET wrapped = ${keyring.wrapSeed(model, seed)}, made_at = now() WHERE model = ${model}`
    }
    return turned
  }) as Promise<{ templates: number; faces: number }>
}

type Turn = (embedding: Float32Array) => Float32Array

async function turnTemplates(sql: postgres.TransactionSql, keyring: Keyring, model: ModelId, turn: Turn): Promise<number> {
  let turned = 0
  let after = '00000000-0000-0000-0000-000000000000'
  for (;;) {
    const rows = await sql<{ template_id: string; student_id: string; sealed: Buffer; wrapped: Buffer | null }[]>`
      SELECT t.template_id, t.student_id, t.sealed, k.wrapped FROM templates t LEFT JOIN keyring.students k ON k.student_id = t.student_id
      WHERE t.model = ${model} AND t.template_id > ${after}::uuid ORDER BY t.template_id LIMIT ${ROWS_AT_ONCE}`
    const last = rows.at(-1)
    if (!last) return turned
    after = last.template_id
    const done = rows.map(({ sealed, wrapped, ...row }) => {
      const key = keyOf(keyring, row.student_id, wrapped)
      const embedding = openTemplate(key, { ...row, model }, sealed)
      if (!embedding) throw new KeyringRefused(`a template of ${row.student_id} does not open: it was altered, or belongs to somebody else. Nothing was turned; enrol them again, or withdraw it, and turn then`)
      return sealTemplate(key, { ...row, model }, turn(embedding))
    })
    await sql`
      UPDATE templates t SET sealed = u.sealed
      FROM unnest(${textArray(rows.map(({ template_id }) => template_id))}::text::uuid[], ${byteaArray(done)}::text::bytea[]) AS u (template_id, sealed) WHERE t.template_id = u.template_id`
    turned += rows.length
  }
}

async function turnFaces(sql: postgres.TransactionSql, keyring: Keyring, model: ModelId, turn: Turn): Promise<number> {
  const rows = await sql<{ student_id: string; sealed: Buffer; wrapped: Buffer | null }[]>`
    SELECT f.student_id, f.sealed, k.wrapped FROM compared_faces f LEFT JOIN keyring.students k ON k.student_id = f.student_id WHERE f.model = ${model}`
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
    const some = rows.slice(from, from + ROWS_AT_ONCE)
    const done = some.map(({ student_id, sealed, wrapped }) => {
      const key = keyOf(keyring, student_id, wrapped)
      const face = openFace(key, student_id, model, sealed)
      if (!face) throw new KeyringRefused(`the compared face of ${student_id} does not open: it was altered, or belongs to somebody else. Nothing was turned; enrol them again, and turn then`)
      return sealFace(key, student_id, model, turn(face))
    })
    await sql`
      UPDATE compared_faces f SET sealed = u.sealed
      FROM unnest(${textArray(some.map(({ student_id }) => student_id))}::text::text[], ${byteaArray(done)}::text::bytea[]) AS u (student_id, sealed) WHERE f.model = ${model} AND f.student_id = u.student_id`
  }
  return rows.length
}

function keyOf(keyring: Keyring, studentId: string, wrapped: Buffer | null): Buffer {
  const key = wrapped && keyring.unwrapKey(studentId, wrapped)
  if (!key) throw new KeyringRefused(`the key of ${studentId} is missing or does not open under SCHOOL_KEY. Nothing was turned`)
  return key
}

/** Erases the templates that no key opens: a restored backup's, of students who were erased since. @returns how many */
export async function dropLost(db: Database): Promise<{ templates: number; students: number }> {
  const rows = await db.sql<{ student_id: string }[]>`
    DELETE FROM templates t WHERE octet_length(t.sealed) % 2 = 1 AND NOT EXISTS (SELECT FROM keyring.students k WHERE k.student_id = t.student_id) RETURNING t.student_id`
  return { templates: rows.length, students: new Set(rows.map(({ student_id }) => student_id)).size }
}
