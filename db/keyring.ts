/**
 * The keys of what is sealed in the record, as they lie in schema `keyring`: wrapped under one key that is not in the database. Knows the wrapping
 * and those two tables; what a student's key seals is sealed-templates.ts's.
 *
 * [Note: A student's key] Each student with templates has a random key of their own; it goes with the last template, by trigger.
 * Whoever then holds an old backup of the templates holds nothing that opens, unless they hold an old copy of schema keyring, too:
 * so that schema is backed up apart, and its newest copy alone is kept (infra/README.md).
 */
import { randomBytes } from 'node:crypto'
import type { ModelId } from '#contract/model'
import { rememberRotations, SEED_BYTES } from '#contract/rotation'
import type { Rotation } from '#contract/rotation'
import type postgres from 'postgres'
import { KEY_BYTES, KEY_ID_BYTES, keyIdOf, open, seal } from './sealing.ts'

export interface WrappingKeys {
  /** 32 bytes. */
  now: Buffer
  /** The one that `now` takes the place of, while the school changes it. */
  before?: Buffer | undefined
}

/** The record and the key do not fit each other. The message is one line for the person who starts the server. */
export class KeyringRefused extends Error {
  override name = 'KeyringRefused'
}

export interface Keyring {
  wrapKey(studentId: string, key: Buffer): Buffer
  /** Undefined: wrapped under none of our keys, for another student, or altered. */
  unwrapKey(studentId: string, wrapped: Buffer): Buffer | undefined
  wrapSeed(model: string, seed: Buffer): Buffer
  unwrapSeed(model: string, wrapped: Buffer): Buffer | undefined
  /** The newest of each model stays made. @throws KeyringRefused where the seed does not open. */
  rotation(model: ModelId, wrapped: Buffer): Promise<Rotation>
  /** Which of our keys wrapped it. */
  wrappedUnder(wrapped: Buffer): 'now' | 'before' | undefined
  /** To be told what should open and does not: one row costs no room its lesson. */
  readonly unopened: (what: Unopened) => void
}

export interface Unopened {
  student_id: string
  model: string
}

/** Touches no database. @param unopened default: nobody is told */
export function createKeyring({ now, before }: WrappingKeys, unopened: (what: Unopened) => void = () => {}): Keyring {
  const keys = [{ name: 'now' as const, key: now, id: keyIdOf(now) }, ...(before ? [{ name: 'before' as const, key: before, id: keyIdOf(before) }] : [])]
  const rotations = rememberRotations()
  const wrapperOf = (wrapped: Buffer) => keys.find(({ id }) => id.equals(wrapped.subarray(0, KEY_ID_BYTES)))

  const wrap = (bound: readonly string[], secret: Buffer): Buffer => Buffer.concat([keyIdOf(now), seal(now, bound, secret)])
  function unwrap(bound: readonly string[], wrapped: Buffer): Buffer | undefined {
    const wrapper = wrapperOf(wrapped)
    return wrapper && open(wrapper.key, bound, wrapped.subarray(KEY_ID_BYTES))
  }
  const keyring: Keyring = {
    wrapKey: (studentId, key) => wrap(['student key', studentId], key),
    unwrapKey: (studentId, wrapped) => unwrap(['student key', studentId], wrapped),
    wrapSeed: (model, seed) => wrap(['rotation', model], seed),
    unwrapSeed: (model, wrapped) => unwrap(['rotation', model], wrapped),
    async rotation(model, wrapped) {
      const seed = keyring.unwrapSeed(model, wrapped)
      if (!seed) throw new KeyringRefused(`the rotation of model ${model} does not open under SCHOOL_KEY`)
      return rotations(model, new Uint8Array(seed))
    },
    wrappedUnder: (wrapped) => wrapperOf(wrapped)?.name,
    unopened,
  }
  return keyring
}

/** The student's key, made where there is none. Who asks holds the student's row. @throws KeyringRefused */
export async function ensureStudentKey(sql: postgres.Sql | postgres.TransactionSql, keyring: Keyring, studentId: string): Promise<Buffer> {
  const [held] = await sql<{ wrapped: Buffer }[]>`SELECT wrapped FROM keyring.students WHERE student_id = ${studentId}`
  if (held) {
    const key = keyring.unwrapKey(studentId, held.wrapped)
    if (!key) throw new KeyringRefused(`the key of student ${studentId} does not open under SCHOOL_KEY`)
    return key
  }
  const key = randomBytes(KEY_BYTES)
  await sql`INSERT INTO keyring.students (student_id, wrapped) VALUES (${studentId}, ${keyring.wrapKey(studentId, key)})`
  return key
}

/** The rotation that the model's templates are turned by now. @throws KeyringRefused */
export async function rotationOf(sql: postgres.Sql | postgres.TransactionSql, keyring: Keyring, model: ModelId): Promise<Rotation> {
  const [row] = await sql<{ wrapped: Buffer }[]>`SELECT wrapped FROM keyring.rotations WHERE model = ${model}`
  if (!row) throw new KeyringRefused(`there is no rotation of model ${model}; a server's start makes it`)
  return keyring.rotation(model, row.wrapped)
}

export function newSeed(): Buffer {
  return randomBytes(SEED_BYTES)
}

/** As one parameter; this driver knows no bytea[]. */
export function byteaArray(all: readonly Buffer[]): string {
  return `{${all.map((bytes) => `"\\\\x${bytes.toString('hex')}"`).join(',')}}`
}

/** Ids hold nothing that an array literal would take for its own. */
export function textArray(all: readonly string[]): string {
  return `{${all.map((text) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`
}
