import { fork, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { afterEach, describe, expect, test } from 'vitest'
import { DataFolderRefused, eraseCluster, startEmbedded } from './embedded.ts'
import type { Embedded } from './embedded.ts'
import { isRunning } from './embedded/postmaster.ts'

const IS_ROOT = process.getuid?.() === 0
const log: string[] = []
const started: Embedded[] = []
const folders: string[] = []
const children: ChildProcess[] = []

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const embedded of started.splice(0)) await embedded.stop()
  for (const folder of folders.splice(0)) {
    await eraseCluster(join(folder, 'data')).catch(() => {})
    await rm(folder, { recursive: true, force: true })
  }
  log.length = 0
})

/** A data folder that is not there yet, in one that anybody may enter unless `mode` says otherwise. */
async function newDataDir(mode = 0o755): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `fastrackai-embedded-${process.pid}-`))
  folders.push(folder)
  await chmod(folder, mode)
  return join(folder, 'data')
}

async function start(dataDir: string, onExit?: (line: string) => void): Promise<Embedded> {
  const embedded = await startEmbedded({ dataDir, log: (line) => log.push(line), ...(onExit ? { onExit } : {}) })
  started.push(embedded)
  return embedded
}

async function refusal(dataDir: string): Promise<string> {
  const error = await start(dataDir).then(() => new Error('it was not refused'), (cause: unknown) => cause)
  expect(error).toBeInstanceOf(DataFolderRefused)
  const { message } = error as Error
  expect(message).not.toContain('\n')
  return message
}

/** Another Node that starts PostgreSQL on this folder, says so, and waits. */
async function startInAnotherProcess(dataDir: string): Promise<{ child: ChildProcess; said: { url?: string; refused?: string } }> {
  const code = `import('${join(import.meta.dirname, 'embedded.ts')}').then(async ({ startEmbedded }) => {
    try {
      const { url } = await startEmbedded({ dataDir: ${JSON.stringify(dataDir)}, log: () => {} })
      process.send({ url })
    } catch (error) { process.send({ refused: error.message }) }
  })`
  const script = join(dataDir, '..', `start-${children.length}.mjs`)
  await writeFile(script, code)
  const child = fork(script, { execArgv: ['--import', import.meta.resolve('tsx')], stdio: 'ignore' })
  children.push(child)
  const said = await new Promise<{ url?: string; refused?: string }>((resolve, reject) => {
    child.once('message', (message) => resolve(message as { url?: string }))
    child.once('exit', () => reject(new Error('the other process ended without a word')))
  })
  return { child, said }
}

async function kill9(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}

async function query<T>(url: string, text: string): Promise<T[]> {
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  try {
    // postgres.js may never answer on a connection that was made while PostgreSQL restarts.
    return await Promise.race([sql.unsafe(text) as unknown as Promise<T[]>, sleep(5000, undefined, { ref: false }).then(() => Promise.reject(new Error('no answer')))])
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function postmasterPid(dataDir: string): Promise<number> {
  return Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0])
}

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => { setTimeout(resolve, 20) })
}

describe('a start on an empty folder', () => {
  test('gives a PostgreSQL 18 that is durable, sorts alike everywhere, keeps UTC and listens on the loopback only', async () => {
    const dataDir = await newDataDir()
    const { url } = await start(dataDir)
    const [settings] = await query<Record<string, string>>(url, `
      SELECT current_setting('server_version_num')::integer / 10000 AS major, current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('full_page_writes') AS full_page_writes, current_setting('timezone') AS timezone, current_setting('listen_addresses') AS listen, current_setting('unix_socket_directories') AS sockets,
        current_setting('server_encoding') AS encoding, (SELECT datlocprovider::text || ' ' || datlocale FROM pg_database WHERE datname = current_database()) AS locale,
        (SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules) AS auth`)
    expect(settings).toEqual({
      major: 18, fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on', timezone: 'UTC', listen: '127.0.0.1', sockets: '', encoding: 'UTF8', locale: 'b C.UTF-8', auth: 'scram-sha-256',
    })
  })

  test('writes the address and the password where only their owner can read them', async () => {
    const dataDir = await newDataDir()
    const { url } = await start(dataDir)
    expect((await readFile(join(dataDir, 'database-url'), 'utf8')).trim()).toBe(url)
    for (const name of ['database-url', 'postgres-password', 'postgres.log']) expect((await stat(join(dataDir, name))).mode & 0o777).toBe(0o600)
    const wrong = new URL(url)
    wrong.password = 'guess'
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' })
  })

  test('after a stop nothing runs, and the next start has the same rows on the same port', async () => {
    const dataDir = await newDataDir()
    const first = await start(dataDir)
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer')
    const pid = await postmasterPid(dataDir)
    await first.stop()
    expect(await isRunning(pid)).toBe(false)
    expect((await readFile(join(dataDir, 'postgres.log'), 'utf8'))).toContain('database system is shut down')
    const second = await start(dataDir)
    expect(second.url).toBe(first.url)
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
  })

  test('a kill in the middle of making the cluster leaves nothing half-made', async () => {
    const dataDir = await newDataDir()
    const dead = spawnSync(process.execPath, ['-e', '']).pid
    await mkdir(join(dataDir, `postgres.making-${dead}`, 'base'), { recursive: true })
    await writeFile(join(dataDir, `postgres.making-${dead}`, 'PG_VERSION'), '18\n')
    await chmod(dataDir, 0o755)
    const { url } = await start(dataDir)
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    expect((await readdir(dataDir)).filter((name) => name.includes('making'))).toEqual([])
  })
})

describe('after a kill -9', () => {
  test('of the server, the next start adopts the PostgreSQL that goes on running, and what was committed is there', async () => {
    const dataDir = await newDataDir()
    const { child, said } = await startInAnotherProcess(dataDir)
    await query(said.url ?? '', 'CREATE TABLE kept AS SELECT 42 AS answer')
    const pid = await postmasterPid(dataDir)
    await kill9(child)
    expect(await isRunning(pid)).toBe(true)
    const { url, stop } = await start(dataDir)
    expect(await postmasterPid(dataDir)).toBe(pid)
    expect(url).toBe(said.url)
    expect(await query(url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
    expect(log.join('\n')).toContain(`process ${pid}`)
    await stop()
    expect(await isRunning(pid)).toBe(false)
  })

  test('of the server and of PostgreSQL, the next start recovers what was committed', async () => {
    const dataDir = await newDataDir()
    const { child, said } = await startInAnotherProcess(dataDir)
    await query(said.url ?? '', 'CREATE TABLE kept AS SELECT 42 AS answer')
    const pid = await postmasterPid(dataDir)
    await kill9(child)
    process.kill(pid, 'SIGKILL')
    await until(async () => !(await isRunning(pid)))
    const { url } = await start(dataDir)
    expect(await postmasterPid(dataDir)).not.toBe(pid)
    expect(await query(url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
  })

  test('of PostgreSQL while one of its processes lingers, the next start waits for it and keeps the port that other servers were told', async () => {
    const dataDir = await newDataDir()
    const { child, said } = await startInAnotherProcess(dataDir)
    const url = said.url ?? ''
    const client = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
    const [lingering] = await client<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
    process.kill(lingering?.pid ?? 0, 'SIGSTOP')
    const pid = await postmasterPid(dataDir)
    await kill9(child)
    process.kill(pid, 'SIGKILL')
    await until(async () => !(await isRunning(pid)))
    const goOn = sleep(1_000).then(() => process.kill(lingering?.pid ?? 0, 'SIGCONT'))
    const second = await start(dataDir)
    await goOn
    await client.end({ timeout: 0 })
    expect(second.url).toBe(url)
  })

  test('a postmaster.pid whose number another program has taken is cleared away', async () => {
    const dataDir = await newDataDir()
    const first = await start(dataDir)
    const file = join(dataDir, 'postgres', 'postmaster.pid')
    const lines = (await readFile(file, 'utf8')).split('\n')
    await first.stop()
    await writeFile(file, [String(process.pid), ...lines.slice(1)].join('\n'))
    const { url } = await start(dataDir)
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  test('a PostgreSQL that ends by itself is reported', async () => {
    const dataDir = await newDataDir()
    const lines: string[] = []
    await start(dataDir, (line) => lines.push(line))
    process.kill(await postmasterPid(dataDir), 'SIGKILL')
    await until(() => lines.length > 0)
    expect(lines[0]).toContain('PostgreSQL ended')
    expect(lines).toHaveLength(1)
  })

  test('when PostgreSQL restarts itself after a crash of one of its processes, the folder stays ours', async () => {
    const dataDir = await newDataDir()
    const { url } = await start(dataDir)
    const [backend] = await query<{ pid: number }>(url, `SELECT pid FROM pg_stat_activity WHERE application_name = 'fastrackai server ${process.pid}'`)
    process.kill(backend?.pid ?? 0, 'SIGKILL')
    const holders = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> ${backend?.pid}`
    await until(() => query(url, holders).then((rows) => rows.length === 1, () => false))
    const { said } = await startInAnotherProcess(dataDir)
    expect(said.refused).toContain(`already served by process ${process.pid}`)
  })
})

describe('one server to a data folder', () => {
  test('a second start is refused by the number of the first, which goes on undisturbed', async () => {
    const dataDir = await newDataDir()
    const { url } = await start(dataDir)
    const pid = await postmasterPid(dataDir)
    const { said } = await startInAnotherProcess(dataDir)
    expect(said.refused).toContain(`${dataDir} is already served by process ${process.pid}`)
    expect(await postmasterPid(dataDir)).toBe(pid)
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  test('of three that start at the same time on an empty folder one serves it', async () => {
    const dataDir = await newDataDir()
    await mkdir(dataDir)
    const said = (await Promise.all([1, 2, 3].map(() => startInAnotherProcess(dataDir)))).map((other) => other.said)
    const served = said.filter((one) => one.url)
    expect(said.map((one) => one.refused ?? '').filter(Boolean)).toHaveLength(2)
    expect(served).toHaveLength(1)
    expect(await query(served[0]?.url ?? '', 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    for (const child of children) await kill9(child)
    await start(dataDir)
  })
})

describe('a folder that cannot be served is refused with its path', () => {
  test('a file in its place', async () => {
    const dataDir = await newDataDir()
    await writeFile(dataDir, '')
    expect(await refusal(dataDir)).toMatch(new RegExp(`${dataDir} cannot be written: .*file.*set DATA_DIR`))
    await rm(dataDir)
  })

  test('a path that leads through a file', async () => {
    const dataDir = await newDataDir()
    await writeFile(dataDir, '')
    expect(await refusal(join(dataDir, 'inner'))).toMatch(/a part of that path is a file/)
    await rm(dataDir)
  })

  test('/proc, where nobody can write', async () => {
    expect(await refusal('/proc/fastrackai')).toMatch(/\/proc\/fastrackai cannot be written/)
  })

  test('a cluster of another version', async () => {
    const dataDir = await newDataDir()
    await mkdir(join(dataDir, 'postgres'), { recursive: true })
    await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '16\n')
    await writeFile(join(dataDir, 'postgres-password'), 'x')
    expect(await refusal(dataDir)).toMatch(/made by PostgreSQL 16 and this is PostgreSQL 18/)
  })

  test('a cluster whose password is gone', async () => {
    const dataDir = await newDataDir()
    const first = await start(dataDir)
    await first.stop()
    const kept = await readFile(join(dataDir, 'postgres-password'))
    await rm(join(dataDir, 'postgres-password'))
    expect(await refusal(dataDir)).toMatch(/postgres-password is missing/)
    await writeFile(join(dataDir, 'postgres-password'), kept)
    await start(dataDir)
  })

  test.skipIf(IS_ROOT)('a folder without permission to write', async () => {
    const dataDir = await newDataDir()
    await mkdir(dataDir, { mode: 0o555 })
    expect(await refusal(dataDir)).toMatch(/this user may not write there; set DATA_DIR/)
  })
})

describe.runIf(IS_ROOT)('started by root', () => {
  test('PostgreSQL runs as another user', async () => {
    const dataDir = await newDataDir()
    await start(dataDir)
    const { uid } = await stat(`/proc/${await postmasterPid(dataDir)}`)
    expect(uid).not.toBe(0)
    expect((await stat(join(dataDir, 'postgres'))).uid).toBe(uid)
  })

  test('below a folder that only root can enter, the cluster is elsewhere, the log says so, and a start again finds it', async () => {
    const dataDir = await newDataDir(0o700)
    const first = await start(dataDir)
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer')
    const target = await readlink(join(dataDir, 'postgres'))
    expect(target).toMatch(/^\/var\/lib\/fastrackai\/cluster-/)
    expect(log.join('\n')).toContain(target)
    await first.stop()
    const second = await start(dataDir)
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
    await second.stop()
    await eraseCluster(dataDir)
    await expect(stat(target)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await readdir(dataDir)).not.toContain('postgres')
  })

  test('in a folder that belongs to somebody PostgreSQL runs as them, and all that is made is theirs', async () => {
    const dataDir = await newDataDir()
    await mkdir(dataDir)
    const daemon = 1
    await chown(dataDir, daemon, daemon)
    await start(dataDir)
    expect((await stat(`/proc/${await postmasterPid(dataDir)}`)).uid).toBe(daemon)
    for (const name of ['database-url', 'postgres-password', 'postgres.log', 'postgres']) expect((await stat(join(dataDir, name))).uid).toBe(daemon)
  })
})
