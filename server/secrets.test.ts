import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { DataDirRefused, ensureSecrets, secretsPath } from './secrets.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-secrets-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

it('makes the secrets once and keeps them', async () => {
  const made = await ensureSecrets(join(folder, 'new', 'data'))
  expect(made.deviceKey).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(made.apiKey.length).toBeGreaterThanOrEqual(32)
  expect(made.apiKey).not.toBe(made.deviceKey)
  expect(await ensureSecrets(join(folder, 'new', 'data'))).toEqual(made)
})

it('lets nobody but their owner read them, and leaves no half-written file', async () => {
  await ensureSecrets(folder)
  expect((await stat(secretsPath(folder))).mode & 0o777).toBe(0o600)
  expect(await readdir(folder)).toEqual(['secrets.json'])
})

it('refuses a file that is not its own rather than lock every kiosk out with new keys', async () => {
  await writeFile(secretsPath(folder), '{"apiKey": "short"}')
  await expect(ensureSecrets(folder)).rejects.toThrow(DataDirRefused)
  expect(await readFile(secretsPath(folder), 'utf8')).toBe('{"apiKey": "short"}')
})

it('names a data folder that is a file', async () => {
  const path = join(folder, 'occupied')
  await writeFile(path, '')
  await expect(ensureSecrets(path)).rejects.toThrow(/DATA_DIR=.*occupied is not a folder/)
})
