import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
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

it('gives servers that start together on one folder the same secrets', async () => {
  const script = `import { ensureSecrets } from ${JSON.stringify(join(import.meta.dirname, 'secrets.ts'))}; console.log(JSON.stringify(await ensureSecrets(process.argv[1])))`
  const servers = Array.from({ length: 4 }, () => promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script, join(folder, 'new', 'data')], { cwd: import.meta.dirname }))
  const told = (await Promise.all(servers)).map(({ stdout }) => stdout)
  expect(new Set([...told.map((line) => JSON.parse(line) as unknown), await ensureSecrets(join(folder, 'new', 'data'))].map((one) => JSON.stringify(one))).size).toBe(1)
  expect(await readdir(join(folder, 'new', 'data'))).toEqual(['secrets.json'])
})

it('gives a folder from before the school had a key one, and only one, however many servers start on it', async () => {
  // Ten times, and not all at once: some have to come when the first has put its key beside the secrets, or has just finished.
  for (let time = 0; time < 10; time++) {
    const dataDir = join(folder, String(time))
    const { schoolKey: _, ...old } = await ensureSecrets(dataDir)
    await writeFile(secretsPath(dataDir), JSON.stringify(old))
    const told = await Promise.all(Array.from({ length: 8 }, () => setTimeout(Math.random() * 8).then(() => ensureSecrets(dataDir))))
    for (const one of told) expect(one).toEqual(told[0])
    expect(told[0]).toEqual({ ...old, schoolKey: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/) as string })
    expect(await ensureSecrets(dataDir)).toEqual(told[0])
    expect((await stat(secretsPath(dataDir))).mode & 0o777).toBe(0o600)
    expect(await readdir(dataDir)).toEqual(['secrets.json'])
  }
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
