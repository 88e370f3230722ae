/**
 * The school's own secrets, made once and kept in `<DATA_DIR>/secrets.json`, readable by its owner alone.
 * Knows nobody who uses them.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { SCHOOL_KEY_PATTERN } from './school-key.ts'

const Secrets = z.object({
  /** Bearer key of scripts. */
  apiKey: z.string().min(32),
  /** Bearer key of the demo school's kiosk: 256 bits. */
  deviceKey: z.string().min(43),
  /** What every other key is derived from: 256 bits. */
  schoolKey: z.string().regex(SCHOOL_KEY_PATTERN),
  /** Of the demo school's office account, as first generated. */
  officePassword: z.string().min(8),
  /** Of its teacher and its privacy officer; absent in folders of versions that made neither. */
  teacherPassword: z.string().min(8).optional(),
  privacyPassword: z.string().min(8).optional(),
})
export type Secrets = z.infer<typeof Secrets>
/** A folder of a version before the school had a key. */
const WithoutSchoolKey = Secrets.omit({ schoolKey: true })

/** The folder cannot hold the school's data: one line for the person who starts the server. */
export class DataDirRefused extends Error {
  override name = 'DataDirRefused'
}

export function secretsPath(dataDir: string): string {
  return join(resolve(dataDir), 'secrets.json')
}

/** Makes the folder and the secrets where they are missing. @throws DataDirRefused */
export async function ensureSecrets(dataDir: string): Promise<Secrets> {
  try {
    await ensureFolder(resolve(dataDir))
    return (await savedSecrets(dataDir)) ?? (await makeSecrets(dataDir))
  } catch (error) {
    if (error instanceof DataDirRefused) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    const why = code === 'EEXIST' || code === 'ENOTDIR' ? 'is not a folder' : `cannot be written (${code})`
    throw new DataDirRefused(`DATA_DIR=${dataDir} ${why}; set DATA_DIR to a folder that this user may write`, { cause: error })
  }
}

/** Not mkdir's own `recursive`: under /proc and its like that never returns (Node 20.20). Others may pass through, as PostgreSQL may run as another user. */
async function ensureFolder(path: string): Promise<void> {
  if ((await stat(path).catch(() => undefined))?.isDirectory()) return
  if (!existsSync(dirname(path))) await ensureFolder(dirname(path))
  await mkdir(path, { mode: 0o711 }).catch((error: unknown) => {
    if (!isThere(error)) throw error
  })
}

async function savedSecrets(dataDir: string): Promise<Secrets | undefined> {
  let text: string
  try {
    text = await readFile(secretsPath(dataDir), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  try {
    const held: unknown = JSON.parse(text)
    const whole = Secrets.safeParse(held)
    if (whole.success) return whole.data
    const before = typeof held === 'object' && held !== null && !('schoolKey' in held) ? WithoutSchoolKey.parse(held) : undefined
    if (!before) throw whole.error
    return await addSchoolKey(dataDir, before)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause) throw cause

    throw new DataDirRefused(`${secretsPath(dataDir)} does not hold the secrets it should; restore it, or remove it and pair the kiosks again`, { cause })
  }
}

/**
 * Of servers that start together on an old folder all add the same key: the first one's, which lies beside the secrets until it is in them.
 * 1. put a key beside them, unless one is there; 2. take the one that is there; 3. look again whether they hold one by now, which is then
 * the one; 4. else write them with it; 5. take it away. A second key can lie there only when they hold the first, so nobody gets past 3 with it.
 */
async function addSchoolKey(dataDir: string, before: z.infer<typeof WithoutSchoolKey>): Promise<Secrets> {
  const path = secretsPath(dataDir)
  const beside = `${path}.school-key`
  await saveNewFile(beside, randomKey())
  const schoolKey = await readFile(beside, 'utf8').catch(() => undefined)
  // Whoever put it there has just finished.
  if (schoolKey === undefined) return (await savedSecrets(dataDir)) ?? makeSecrets(dataDir)
  const again = Secrets.safeParse(JSON.parse(await readFile(path, 'utf8')))
  if (!again.success) await replaceFile(path, `${JSON.stringify({ ...before, schoolKey }, undefined, 2)}\n`)
  await rm(beside, { force: true })
  return again.success ? again.data : { ...before, schoolKey }
}

/** Written whole or not at all: a half-written file after a power cut would lock everybody out. Of two servers that start together on one folder both use the first one's. */
async function makeSecrets(dataDir: string): Promise<Secrets> {
  const secrets: Secrets = { apiKey: randomKey(), deviceKey: randomKey(), schoolKey: randomKey(), officePassword: randomPassword(), teacherPassword: randomPassword(), privacyPassword: randomPassword() }
  if (await saveNewFile(secretsPath(dataDir), `${JSON.stringify(secrets, undefined, 2)}\n`)) return secrets
  return (await savedSecrets(dataDir)) ?? makeSecrets(dataDir)
}

/** Readable by the owner alone; there whole or not at all. False: it was there already, and stays as it is. */
async function saveNewFile(path: string, text: string): Promise<boolean> {
  const half = await saveHalf(path, text)
  try {
    await link(half, path)
    return true
  } catch (error) {
    if (isThere(error)) return false
    throw error
  } finally {
    await rm(half, { force: true })
  }
}

/** In the place of what is there; the old one whole or the new one whole. */
async function replaceFile(path: string, text: string): Promise<void> {
  await rename(await saveHalf(path, text), path)
}

/** Beside the file that it is to become, flushed, and readable by its owner alone. */
async function saveHalf(path: string, text: string): Promise<string> {
  const half = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.half`
  const file = await open(half, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await chmod(half, 0o600)
  return half
}

function isThere(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST'
}

/** 43 characters of base64url. */
function randomKey(): string {
  return randomBytes(32).toString('base64url')
}

/** Without the letters and digits that people confuse; 16 of 32 are 80 bits. */
const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789'

function randomPassword(): string {
  const letters = [...randomBytes(16)].map((byte) => LETTERS[byte % LETTERS.length]).join('')
  return letters.match(/.{4}/g)?.join('-') ?? letters
}
