/**
 * What a server does with the keys before it serves:
 * 1. wait for whoever does the same; 2. refuse a key that the record was not sealed with, and a record whose keys are not there; 3. make the
 * school's rotations where there are none; 4. turn and seal what a version before sealing wrote, and have PostgreSQL prove
 * that nothing unsealed is left. All in one transaction: refused or killed, it has changed nothing.
 */
import { ModelId, modelIds } from '#contract/model'
import type { Rotation } from '#contract/rotation'
import type postgres from 'postgres'
import type { Database } from './connect.ts'
import { byteaArray, createKeyring, ensureStudentKey, KeyringRefused, newSeed, rotationOf, textArray } from './keyring.ts'
import type { Keyring, Unopened, WrappingKeys } from './keyring.ts'
import { lockComparisons } from './look-alikes.ts'
import { numbersOf, sealFace, sealTemplate } from './sealed-templates.ts'

/** @param log is told once what was sealed, if anything was. @throws KeyringRefused */
export async function openKeyring(db: Database, keys: WrappingKeys, { unopened, log }: { unopened?: (what: Unopened) => void; log?: (event: { event: string; templates: number; faces: number }) => void } = {}): Promise<Keyring> {
  const keyring = createKeyring(keys, unopened)
  await db.sql.begin(async (sql) => {
    await sql`SELECT set_config('statement_timeout', '0', true)`
    await lockKeyring(sql)
    await refuseOtherKeys(sql, keyring)
    await ensureRotations(sql, keyring)
    if (await everythingIsSealed(sql)) return
    await lockComparisons(sql)
    await keepComparisons(sql)
    const sealers = sealersOf(sql, keyring)
    const templates = await sealTemplates(sql, sealers)
    const faces = await sealFaces(sql, sealers)
    // What the updates have put off to the commit stands in the way of an ALTER TABLE.
    await sql`SET CONSTRAINTS ALL IMMEDIATE`
    await sql`ALTER TABLE templates VALIDATE CONSTRAINT template_is_sealed`
    await sql`ALTER TABLE compared_faces VALIDATE CONSTRAINT face_is_sealed`
    if (templates + faces > 0) log?.({ event: 'templates_sealed', templates, faces })
  })
  return keyring
}

/** Whoever changes what all keys, or all templates, are sealed with; until the transaction ends. */
export async function lockKeyring(sql: postgres.TransactionSql): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(hashtext('fastrackai.keyring'))`
}

/** In this transaction an update of templates leaves faces as they were, and likenesses with them. */
export async function keepComparisons(sql: postgres.TransactionSql): Promise<void> {
  await sql`SELECT set_config('fastrackai.same_faces_in', pg_current_xact_id()::text, true)`
}

const RESTORE = 'restore the newest backup of schema keyring'

interface Wrapped {
  of: 'student' | 'rotation'
  name: string
  wrapped: Buffer
}

async function refuseOtherKeys(sql: postgres.TransactionSql, keyring: Keyring): Promise<void> {
  const kept = await sql<Wrapped[]>`
    (SELECT DISTINCT ON (substring(wrapped FOR 8)) 'student' AS of, student_id::text AS name, wrapped FROM keyring.students)
    UNION ALL SELECT 'rotation', model, wrapped FROM keyring.rotations`
  const opens = ({ of, name, wrapped }: Wrapped): boolean => (of === 'student' ? keyring.unwrapKey(name, wrapped) : keyring.unwrapSeed(name, wrapped)) !== undefined
  if (!kept.every(opens)) {
    throw new KeyringRefused('the templates in the database are sealed under another SCHOOL_KEY than this one; set the one that they were sealed with (as SCHOOL_KEY, or as SCHOOL_KEY_BEFORE while you change it). Nothing was changed')
  }
  const [lost] = await sql<{ templates: number; students: number }[]>`
    SELECT count(*)::integer AS templates, count(DISTINCT student_id)::integer AS students FROM templates t
    WHERE octet_length(sealed) % 2 = 1 AND NOT EXISTS (SELECT FROM keyring.students k WHERE k.student_id = t.student_id)`
  if (lost && lost.templates > 0) {
    throw new KeyringRefused(`${lost.templates} templates of ${lost.students} students have no key in the database: ${RESTORE}; of students erased since the backup there is none, and \`npm run templates -- --drop-lost\` erases what no key opens. Nothing was changed`)
  }
}

/** Another rotation beside templates that the lost one turned would make strangers of everybody. */
async function ensureRotations(sql: postgres.TransactionSql, keyring: Keyring): Promise<void> {
  const missing = await sql<{ model: ModelId; turned: boolean }[]>`
    SELECT m.model, EXISTS (SELECT FROM templates t WHERE t.model = m.model AND octet_length(t.sealed) % 2 = 1) AS turned
    FROM unnest(${textArray(modelIds)}::text::text[]) AS m (model) WHERE NOT EXISTS (SELECT FROM keyring.rotations r WHERE r.model = m.model)`
  for (const { model, turned } of missing) {
    if (turned) throw new KeyringRefused(`the rotation of model ${model} is not in the database, though templates were turned by it: ${RESTORE}. Nothing was changed`)
    await sql`INSERT INTO keyring.rotations (model, wrapped) VALUES (${model}, ${keyring.wrapSeed(model, newSeed())})`
  }
}

async function everythingIsSealed(sql: postgres.TransactionSql): Promise<boolean> {
  const open = await sql`SELECT FROM pg_constraint WHERE conname IN ('template_is_sealed', 'face_is_sealed') AND NOT convalidated`
  return open.length === 0
}

const ROWS_AT_ONCE = 500

/** Asked for once in a pass. */
interface Sealers {
  keyOf(studentId: string): Promise<Buffer>
  rotationOf(model: string): Promise<Rotation>
}

function sealersOf(sql: postgres.TransactionSql, keyring: Keyring): Sealers {
  const [keys, rotations] = [new Map<string, Promise<Buffer>>(), new Map<string, Promise<Rotation>>()]
  const once = <T>(held: Map<string, Promise<T>>, name: string, ask: () => Promise<T>): Promise<T> => {
    const answer = held.get(name) ?? ask()
    held.set(name, answer)
    return answer
  }
  return {
    keyOf: (studentId) => once(keys, studentId, () => ensureStudentKey(sql, keyring, studentId)),
    rotationOf: (model) => once(rotations, model, () => rotationOf(sql, keyring, ModelId.parse(model))),
  }
}

async function sealTemplates(sql: postgres.TransactionSql, sealers: Sealers): Promise<number> {
  let sealed = 0
  for (;;) {
    const rows = await sql<{ template_id: string; student_id: string; model: ModelId; plain: Buffer }[]>`
      SELECT template_id, student_id, model, sealed AS plain FROM templates WHERE octet_length(sealed) % 2 = 0 ORDER BY student_id, template_id LIMIT ${ROWS_AT_ONCE}`
    if (rows.length === 0) return sealed
    const done: Buffer[] = []
    for (const row of rows) {
      const [key, rotation] = [await sealers.keyOf(row.student_id), await sealers.rotationOf(row.model)]
      done.push(sealTemplate(key, row, rotation.rotate(numbersOf(row.plain))))
    }
    await sql`
      UPDATE templates t SET sealed = u.sealed
      FROM unnest(${textArray(rows.map(({ template_id }) => template_id))}::text::uuid[], ${byteaArray(done)}::text::bytea[]) AS u (template_id, sealed) WHERE t.template_id = u.template_id`
    sealed += rows.length
  }
}

async function sealFaces(sql: postgres.TransactionSql, sealers: Sealers): Promise<number> {
  let sealed = 0
  for (;;) {
    const rows = await sql<{ student_id: string; model: ModelId; plain: Buffer }[]>`
      SELECT student_id, model, sealed AS plain FROM compared_faces WHERE octet_length(sealed) % 2 = 0 ORDER BY student_id, model LIMIT ${ROWS_AT_ONCE}`
    if (rows.length === 0) return sealed
    const done: Buffer[] = []
    for (const { student_id, model, plain } of rows) {
      const [key, rotation] = [await sealers.keyOf(student_id), await sealers.rotationOf(model)]
      done.push(sealFace(key, student_id, model, rotation.rotate(numbersOf(plain))))
    }
    await sql`
      UPDATE compared_faces f SET sealed = u.sealed
      FROM unnest(${textArray(rows.map(({ student_id }) => student_id))}::text::text[], ${textArray(rows.map(({ model }) => model))}::text::text[], ${byteaArray(done)}::text::bytea[]) AS u (student_id, model, sealed)
      WHERE f.student_id = u.student_id AND f.model = u.model`
    sealed += rows.length
  }
}
