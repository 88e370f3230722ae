/**
 * Whose faces are near each other: each student's face is compared with every other's when it is saved,
 * model by model. A student's face here is the mean, of length 1, of their templates of one model.
 */
import type { LookAlikePair, NearStudent } from '#contract/look-alike'
import { EMBEDDING_LENGTH } from '#contract/model'
import type { ModelId } from '#contract/model'
import type postgres from 'postgres'
import type { Database } from './connect.ts'
import { ensureStudentKey } from './keyring.ts'
import type { Keyring } from './keyring.ts'
import { holdPolicy } from './policy.ts'
import { iso } from './registers.ts'
import { openFace, openTemplate, sealFace } from './sealed-templates.ts'
import type { TurnedTemplate } from './sealed-templates.ts'

/** Cosines from which two faces are one person's, and from which they may be taken for each other. */
export interface LikenessLevels {
  same_person: number
  look_alike: number
}

/** A pair is kept once, the smaller id first, as PostgreSQL's "C" orders them: ids are ASCII, so as JavaScript does. */
const inOrder = (one: string, other: string): [string, string] => (one < other ? [one, other] : [other, one])

/**
 * Of two faces that are enrolled at the same moment the second one meets the first one on record: whoever
 * saves templates takes this lock before it reads any, and keeps it until its transaction ends.
 */
export async function lockComparisons(sql: postgres.TransactionSql): Promise<void> {
  await holdPolicy(sql)
  await sql`SELECT pg_advisory_xact_lock(hashtext('fastrackai.compare_faces'))`
}

/** Of vectors of one length and model: the mean, of length 1. Undefined: they cancel out, and have no direction. */
export function meanFace(embeddings: readonly ArrayLike<number>[]): Float32Array | undefined {
  const mean = new Float32Array(embeddings[0]?.length ?? 0)
  for (const embedding of embeddings) for (let i = 0; i < mean.length; i++) mean[i] = mean[i]! + (embedding[i] ?? 0)
  const norm = Math.hypot(...mean)
  return norm > 0 ? mean.map((value) => value / norm) : undefined
}

/** The faces of one model, packed: row i of `means` is the face of `ids[i]`. The last `uncompared` rows were compared with nobody yet. */
interface Faces {
  ids: string[]
  means: Float32Array
  length: number
  uncompared: number
}

/**
 * The school's faces come in so many rows: with one row a student the driver would spend its time on rows,
 * and with one row in all on putting the pieces of its megabytes together.
 * Of five thousand, opening each key and each face took 60 ms (AES-256-GCM, two a student): others get their turn after each parcel.
 */
const PARCELS = 64

async function facesOf(sql: postgres.TransactionSql, keyring: Keyring, model: ModelId): Promise<Faces> {
  const parcels = await sql<{ ids: string[]; faces: Buffer; keys: Buffer }[]>`
    SELECT json_agg(f.student_id) AS ids, string_agg(f.sealed, ''::bytea) AS faces, string_agg(k.wrapped, ''::bytea) AS keys
    FROM compared_faces f JOIN keyring.students k ON k.student_id = f.student_id
    WHERE f.model = ${model} GROUP BY hashtext(f.student_id::text) & ${PARCELS - 1}::integer`
  const late = await sql<{ template_id: string; student_id: string; sealed: Buffer; wrapped: Buffer }[]>`
    SELECT t.template_id, t.student_id, t.sealed, k.wrapped FROM templates t JOIN keyring.students k ON k.student_id = t.student_id
    WHERE t.model = ${model} AND NOT EXISTS (SELECT FROM compared_faces f WHERE f.student_id = t.student_id AND f.model = ${model})
    ORDER BY t.student_id`
  const faces = new Map<string, Float32Array>()
  for (const parcel of parcels) {
    for (const [i, id] of parcel.ids.entries()) {
      const key = keyring.unwrapKey(id, nth(parcel.keys, i, parcel.ids.length))
      const face = key && openFace(key, id, model, nth(parcel.faces, i, parcel.ids.length))
      if (face) faces.set(id, face)
      else keyring.unopened({ student_id: id, model })
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  const compared = faces.size
  const length = EMBEDDING_LENGTH[model]
  const opened = new Map<string, Float32Array[]>()
  for (const { sealed, wrapped, ...row } of late) {
    const key = keyring.unwrapKey(row.student_id, wrapped)
    const template = key && openTemplate(key, { ...row, model }, sealed)
    if (template) opened.set(row.student_id, [...(opened.get(row.student_id) ?? []), template])
    else keyring.unopened({ student_id: row.student_id, model })
  }
  for (const [id, templates] of opened) faces.set(id, meanFace(templates) ?? new Float32Array(length))
  const means = new Float32Array(faces.size * length)
  for (const [row, face] of [...faces.values()].entries()) means.set(face, row * length)
  return { ids: [...faces.keys()], means, length, uncompared: faces.size - compared }
}

/** Of so many pieces of one length, packed. */
function nth(packed: Buffer, i: number, pieces: number): Buffer {
  const length = packed.length / pieces
  return packed.subarray(i * length, (i + 1) * length)
}

/** Everybody whose face is at least so near. */
function near(face: Float32Array, { ids, means, length }: Faces, level: number): { student_id: string; similarity: number }[] {
  const found: { student_id: string; similarity: number }[] = []
  for (let row = 0, at = 0; row < ids.length; row++, at += length) {
    let similarity = 0
    for (let k = 0; k < length; k++) similarity += face[k]! * means[at + k]!
    if (similarity >= level) found.push({ student_id: ids[row]!, similarity })
  }
  return found
}

/** A student whose face is near, and by which model. */
export interface NearFace extends NearStudent {
  model: ModelId
}

/**
 * The other students whose faces are near to these templates', the nearest first. Under lockComparisons nobody
 * else's can come in between, and none of theirs can be erased before our transaction ends.
 */
export async function nearFaces(sql: postgres.TransactionSql, keyring: Keyring, studentId: string, templates: readonly TurnedTemplate[], level: number): Promise<NearFace[]> {
  const all: NearFace[] = []
  for (const [model, face] of facesByModel(templates)) {
    const found = near(face, await facesOf(sql, keyring, model), level).filter(({ student_id }) => student_id !== studentId)
    const held = new Map((await holdTemplates(sql, model, found.map(({ student_id }) => student_id))).map((student) => [student.student_id, student]))
    for (const { student_id, similarity } of found) {
      const student = held.get(student_id)
      if (student) all.push({ ...student, similarity, model })
    }
  }
  return all.sort((one, other) => other.similarity - one.similarity)
}

/**
 * Who of these students still has templates of the model. Whoever erases them at this moment either was first,
 * and their student is left out, or waits for our transaction, and then erases the pairs that it wrote.
 */
async function holdTemplates(sql: postgres.TransactionSql, model: string, studentIds: readonly string[]): Promise<{ student_id: string; first_name: string; last_name: string }[]> {
  if (studentIds.length === 0) return []
  const named = sql`(SELECT jsonb_array_elements_text(${JSON.stringify(studentIds)}::text::jsonb))`
  const held = await sql<{ student_id: string }[]>`SELECT t.student_id FROM templates t WHERE t.model = ${model} AND t.student_id IN ${named} ORDER BY t.template_id FOR SHARE`
  const ids = JSON.stringify(held.map(({ student_id }) => student_id))
  return sql`SELECT student_id, first_name, last_name FROM students WHERE student_id IN (SELECT jsonb_array_elements_text(${ids}::text::jsonb))`
}

/** Which of these students somebody has said to be another person than this one. */
export async function confirmedOthers(sql: postgres.TransactionSql, studentId: string, others: readonly string[]): Promise<Set<string>> {
  const rows = await sql<{ other: string }[]>`
    SELECT CASE WHEN student_a = ${studentId} THEN student_b ELSE student_a END AS other FROM confirmed_different
    WHERE student_a = ${studentId} OR student_b = ${studentId}`
  const confirmed = new Set(rows.map(({ other }) => other))
  return new Set(others.filter((other) => confirmed.has(other)))
}

/** Puts on record that they are two people; the first one who said so stays. Both must be students. */
export async function saveConfirmation(sql: postgres.TransactionSql, pair: readonly [string, string], by: string, now: Date): Promise<void> {
  const [a, b] = inOrder(...pair)
  await sql`
    INSERT INTO confirmed_different (student_a, student_b, confirmed_by, confirmed_at)
    VALUES (${a}, ${b}, ${by}, ${now.toISOString()}::timestamptz) ON CONFLICT DO NOTHING`
}

/** After the student's templates were written, in the same transaction: the pairs that they now make, and that they were compared. */
export async function saveComparison(sql: postgres.TransactionSql, key: Buffer, studentId: string, templates: readonly TurnedTemplate[], found: readonly NearFace[], now: Date): Promise<void> {
  for (const [model, face] of facesByModel(templates)) {
    const near = found.filter((one) => one.model === model)
    await insertPairs(sql, near.map(({ student_id, similarity }) => ({ pair: inOrder(studentId, student_id), similarity })), model, now)
    await insertFace(sql, key, studentId, model, face)
  }
}

/** A model whose templates cancel out has no face. */
function facesByModel(templates: readonly TurnedTemplate[]): Map<ModelId, Float32Array> {
  const faces = new Map<ModelId, Float32Array>()
  for (const model of new Set(templates.map((template) => template.model))) {
    const face = meanFace(templates.filter((template) => template.model === model).map(({ embedding }) => embedding))
    if (face) faces.set(model, face)
  }
  return faces
}

async function insertFace(sql: postgres.TransactionSql, key: Buffer, studentId: string, model: string, face: Float32Array): Promise<void> {
  await sql`INSERT INTO compared_faces (student_id, model, sealed) VALUES (${studentId}, ${model}, ${sealFace(key, studentId, model, face)}) ON CONFLICT DO NOTHING`
}

async function insertPairs(sql: postgres.TransactionSql, pairs: readonly { pair: [string, string]; similarity: number }[], model: string, now: Date): Promise<void> {
  if (pairs.length === 0) return
  const rows = pairs.map(({ pair: [a, b], similarity }) => ({ a, b, similarity }))
  await sql`
    INSERT INTO look_alikes (student_a, student_b, model, similarity, found_at)
    SELECT p.a, p.b, ${model}, p.similarity, ${now.toISOString()}::timestamptz
    FROM jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) AS p (a text, b text, similarity double precision)
    ON CONFLICT (student_a, student_b, model) DO UPDATE SET similarity = EXCLUDED.similarity, found_at = EXCLUDED.found_at`
}

/** So many students are compared before others get their turn: at five thousand, some 50 ms. */
const COMPARED_AT_ONCE = 50

/**
 * Compares whoever has templates that were never compared: written past the server, or by a version that
 * did not. Nobody is refused any more; who is one person under two ids stands in the pairs.
 * @returns how many students were compared
 */
export async function compareTheUncompared(db: Database, keyring: Keyring, { look_alike }: LikenessLevels, now: Date): Promise<number> {
  const models = await db.sql<{ model: ModelId }[]>`SELECT DISTINCT t.model FROM templates t WHERE NOT EXISTS (SELECT FROM compared_faces f WHERE f.student_id = t.student_id AND f.model = t.model)`
  let compared = 0
  for (const { model } of models) {
    compared += (await db.sql.begin(async (sql) => {
      await lockComparisons(sql)
      const faces = await facesOf(sql, keyring, model)
      const held = new Set((await holdTemplates(sql, model, faces.ids)).map(({ student_id }) => student_id))
      for (let row = faces.ids.length - faces.uncompared, n = 0; row < faces.ids.length; row++, n++) {
        if (n % COMPARED_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve))
        const id = faces.ids[row]!
        if (!held.has(id)) continue
        const face = faces.means.subarray(row * faces.length, (row + 1) * faces.length)
        const found = near(face, faces, look_alike).filter(({ student_id }) => student_id !== id && held.has(student_id))
        await insertPairs(sql, found.map(({ student_id, similarity }) => ({ pair: inOrder(id, student_id), similarity })), model, now)
        await insertFace(sql, await ensureStudentKey(sql, keyring, id), id, model, face)
      }
      return faces.uncompared
    })) as number
  }
  return compared
}

/** All pairs, the nearest first. */
export async function lookAlikePairs(db: Database): Promise<LookAlikePair[]> {
  const { sql } = db
  return sql<LookAlikePair[]>`
    SELECT json_build_array(
        json_build_object('student_id', a.student_id, 'first_name', a.first_name, 'last_name', a.last_name),
        json_build_object('student_id', b.student_id, 'first_name', b.first_name, 'last_name', b.last_name)) AS students,
      l.model, l.similarity, ${iso(sql, sql`l.found_at`)} AS found_at,
      CASE WHEN d.confirmed_by IS NOT NULL THEN json_build_object('confirmed_by', d.confirmed_by, 'confirmed_at', ${iso(sql, sql`d.confirmed_at`)}) END AS confirmed_different,
      (SELECT coalesce(json_agg(one.course_id ORDER BY one.course_id COLLATE "C"), '[]')
       FROM enrollments one JOIN enrollments other ON other.course_id = one.course_id AND other.student_id = l.student_b AND other.enrolled_to IS NULL
       WHERE one.student_id = l.student_a AND one.enrolled_to IS NULL) AS shared_course_ids
    FROM look_alikes l
    JOIN students a ON a.student_id = l.student_a
    JOIN students b ON b.student_id = l.student_b
    LEFT JOIN confirmed_different d ON d.student_a = l.student_a AND d.student_b = l.student_b
    ORDER BY l.similarity DESC, l.student_a COLLATE "C", l.student_b COLLATE "C", l.model COLLATE "C"`
}
