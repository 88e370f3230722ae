/** `npm run database` as a person starts it. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { connect } from './connect.ts'
import { eraseCluster } from './embedded.ts'

vi.setConfig({ testTimeout: 120_000 })

let folder: string
let children: ChildProcess[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-standalone-'))
  await chmod(folder, 0o755)
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  children = []
  await eraseCluster(join(folder, 'data')).catch(() => {})
  await rm(folder, { recursive: true, force: true })
})

interface Started {
  child: ChildProcess
  said: () => string
  ended: Promise<number | null>
}

function start(...args: string[]): Started {
  const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'standalone.ts'), ...args], { cwd: join(import.meta.dirname, '..'), stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (said += text))
  return { child, said: () => said, ended: new Promise((resolve) => child.once('close', resolve)) }
}

const address = async ({ said, child }: Started): Promise<string> => {
  await vi.waitFor(() => expect(/Ctrl-C stops it/.test(said()) || child.exitCode !== null, said()).toBe(true), { timeout: 60_000, interval: 50 })
  return /postgres:\S+/.exec(said())?.[0] ?? ''
}

test('the database alone prints the address that it keeps in its folder, at which several may work, until Ctrl-C', async () => {
  const data = join(folder, 'data')
  const first = start('--data', data)
  const url = await address(first)
  expect((await readFile(join(data, 'database-url'), 'utf8')).trim()).toBe(url)
  const several = await Promise.all([connect(url), connect(url)])
  await several[0].sql`CREATE TABLE kept (x integer)`
  for (const db of several) await db.close()
  const second = start('--data', data)
  expect(await second.ended).toBe(1)
  expect(second.said()).toContain(data)
  first.child.kill('SIGINT')
  expect(await first.ended).toBe(0)
  await expect(connect(url)).rejects.toThrow()

  const again = start('--data', data)
  const db = await connect(await address(again))
  expect(await db.sql`SELECT FROM kept`).toHaveLength(0)
  await db.close()
  again.child.kill('SIGTERM')
  expect(await again.ended).toBe(0)
})

test('the database alone names a folder that is none, and an option that it does not know, in one line', async () => {
  await writeFile(join(folder, 'file'), '')
  for (const args of [['--data', join(folder, 'file')], ['--dta', 'x']]) {
    const refused = start(...args)
    expect(await refused.ended).toBe(1)
    expect(refused.said().trimEnd().split('\n'), refused.said()).toHaveLength(1)
  }
})
