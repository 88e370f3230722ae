/** The postmaster: PostgreSQL's first process. Started, found again, waited for and stopped. */
import { execFile, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { open, readFile, readlink, rename, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Binaries } from './binaries.ts'
import { ENVIRONMENT } from './cluster.ts'
import type { RunAs } from './run-as.ts'
import { codeOf, DataFolderRefused, messageOf } from './refused.ts'

export interface Postmaster {
  pid: number
  port: number
  /** False: a start before this one started it. */
  ours: boolean
}

/**
 * For a Raspberry Pi with a 2 GB SD card as for a laptop. Durable: what is answered as stored has been
 * flushed. The rest keeps memory and card wear low: 64 MB of cache, few processes, rarer checkpoints.
 */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
  max_connections: '40',
  shared_buffers: '64MB',
  work_mem: '8MB',
  maintenance_work_mem: '32MB',
  wal_compression: 'on',
  min_wal_size: '64MB',
  max_wal_size: '256MB',
  checkpoint_timeout: '15min',
  // Everything is on flash or in memory. At the default of 4 each foreign key of a mark would read the whole of a small table.
  random_page_cost: '1.1',
  jit: 'off',
  io_method: 'sync',
  max_wal_senders: '0',
  wal_level: 'minimal',
  max_logical_replication_workers: '0',
  max_parallel_workers_per_gather: '0',
  autovacuum_max_workers: '1',
  log_line_prefix: '%m [%p] ',
  log_checkpoints: 'off',
  // The details and statements of a fault repeat its values: names, and templates as bytes.
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
} as const

const POLL_MS = 20
/** Recovery after a power cut replays at most max_wal_size; on a slow card that takes minutes. */
const READY_MS = 10 * 60_000
const SAY_AGAIN_MS = 15_000
/** A fast shutdown writes out what is in memory; then it is asked less kindly, which costs a recovery and no data. */
const FAST_SHUTDOWN_MS = 60_000
const IMMEDIATE_SHUTDOWN_MS = 15_000
const LOG_KEPT_BYTES = 10 * 1024 * 1024

/**
 * The postmaster that runs on this cluster, ready or nearly; undefined: none. A postmaster.pid whose
 * process is not a postmaster of this cluster is left by a crash and is removed.
 */
export async function runningPostmaster(cluster: string): Promise<Postmaster | undefined> {
  const file = join(cluster, 'postmaster.pid')
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n')
  const pid = Number(lines[0])
  // A dead one's file PostgreSQL judges better than we: it also looks for processes that the dead one left.
  if (!Number.isInteger(pid) || pid <= 0 || !(await isRunning(pid))) return undefined
  if (!(await isPostmasterOf(pid, cluster))) {
    await rm(file, { force: true })
    return undefined
  }
  const port = Number(lines[3])
  return Number.isInteger(port) && port > 0 ? { pid, port, ours: false } : { pid, port: 0, ours: false }
}

/** The port in postmaster.pid once the postmaster takes connections. @throws DataFolderRefused when that does not happen. */
export async function waitUntilReady(cluster: string, pid: number, log: (line: string) => void): Promise<number | 'ended'> {
  for (let waited = 0; waited < READY_MS; waited += POLL_MS) {
    const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
    if (Number(lines[0]) === pid && lines[7]?.trim() === 'ready') return Number(lines[3])
    if (!(await isRunning(pid))) return 'ended'
    if (waited > 0 && waited % SAY_AGAIN_MS === 0) log('PostgreSQL is still starting (after a power cut it first recovers)')
    await sleep(POLL_MS)
  }
  throw new DataFolderRefused(`PostgreSQL (process ${pid}) in ${cluster} is not ready after ${READY_MS / 60_000} minutes; see postgres.log`)
}

/**
 * Starts a postmaster and waits until it takes connections. `lastPort` is waited for and taken again, because other servers may
 * have been told it; another one only where somebody else keeps it.
 * Undefined: another start was quicker, and its postmaster is there now.
 * @throws DataFolderRefused with PostgreSQL's own last words.
 */
export async function launchPostmaster(
  { cluster, logFile, lastPort, binaries, who, log, onEnd }:
  { cluster: string; logFile: string; lastPort: number | undefined; binaries: Binaries; who: RunAs | undefined; log: (line: string) => void; onEnd: () => void },
): Promise<Postmaster | undefined> {
  for (let attempt = 1, preferred = lastPort; ; attempt += 1) {
    const port = await freePort(preferred)
    const settings = Object.entries({ ...SETTINGS, port }).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const output = await openLog(logFile)
    const before = (await output.stat()).size
    const child = spawn(binaries.postgres, ['-D', cluster, ...settings], { ...who, cwd: cluster, env: ENVIRONMENT, detached: true, stdio: ['ignore', output.fd, output.fd] })
    try {
      await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
    } catch (cause) {
      throw new DataFolderRefused(`PostgreSQL cannot be run: ${messageOf(cause)}`, { cause })
    } finally {
      await output.close()
    }
    child.unref()
    const pid = child.pid ?? 0
    const answer = await waitUntilReady(cluster, pid, log)
    if (answer !== 'ended') {
      if (child.exitCode === null && child.signalCode === null) child.once('exit', onEnd)
      return { pid, port: answer, ours: true }
    }
    const said = (await readFile(logFile)).subarray(before).toString('utf8')
    if (said.includes('lock file "postmaster.pid" already exists') || said.includes('pre-existing shared memory block')) {
      if (attempt >= 50) throw new DataFolderRefused(`${cluster} is still used by processes of a PostgreSQL that ended; end them and start again`)
      if (await runningPostmaster(cluster)) return undefined
      await sleep(100)
      continue
    }
    if (said.includes('could not bind') && attempt < 5) {
      preferred = undefined
      continue
    }
    throw new DataFolderRefused(`PostgreSQL does not start in ${cluster}: ${lastWords(said)} (see ${logFile})`)
  }
}

/** Clean and complete when it resolves. */
export async function stopPostmaster({ pid }: Postmaster, log: (line: string) => void): Promise<void> {
  for (const [signal, patience] of [['SIGINT', FAST_SHUTDOWN_MS], ['SIGQUIT', IMMEDIATE_SHUTDOWN_MS]] as const) {
    try {
      process.kill(pid, signal)
    } catch {
      return
    }
    for (let waited = 0; waited < patience; waited += POLL_MS) {
      if (!(await isRunning(pid))) return
      await sleep(POLL_MS)
    }
    log(`PostgreSQL (process ${pid}) did not stop within ${patience / 1000} seconds of ${signal}`)
  }
}

/** A process that has ended and is not yet reaped does not run. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return false
  }
  if (process.platform !== 'linux') return true
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return state !== '' && !/^\d+ \(.*\) [ZX]/s.test(state)
}

/** @throws DataFolderRefused when it is a PostgreSQL, and of which cluster cannot be told. */
async function isPostmasterOf(pid: number, cluster: string): Promise<boolean> {
  const words = await commandOf(pid)
  // The postmaster's children are called "postgres: ...".
  if (basename(words[0] ?? '') !== 'postgres') return false
  if (words.includes(cluster)) return true
  const folder = await readlink(`/proc/${pid}/cwd`).catch(() => undefined)
  if (folder !== undefined) return folder === cluster
  const named = words[words.indexOf('-D') + 1]
  if (words.includes('-D') && named?.startsWith('/')) return false
  throw new DataFolderRefused(`${join(cluster, 'postmaster.pid')} names process ${pid}, a PostgreSQL that this server did not start; stop it, or remove that file if it serves another folder`)
}

async function commandOf(pid: number): Promise<string[]> {
  if (process.platform === 'linux') return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
  const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).catch(() => ({ stdout: '' }))
  return stdout.trim().split(/\s+/)
}

/** Appends; a log that has grown large makes way first. */
async function openLog(path: string) {
  const size = await stat(path).then((file) => file.size, () => 0)
  if (size > LOG_KEPT_BYTES) await rename(path, `${path}.old`)
  return open(path, 'a', 0o600)
}

function lastWords(said: string): string {
  const lines = said.split('\n').filter((line) => /FATAL|PANIC|ERROR|error while loading/.test(line))
  return (lines.at(-1) ?? said.trim().split('\n').at(-1) ?? '').replace(/^.*?(FATAL|PANIC|ERROR): +/, '') || 'it ended without a word'
}

/** Below the ports that systems lend to outgoing connections (Linux from 32,768, macOS from 49,152): while PostgreSQL is down nobody else is likely to come by its port. */
const PORTS = { from: 15_000, to: 30_000 }
const PORT_ATTEMPTS = 100
/** A port that was just in use may be held by what still ends. */
const PREFERRED_PATIENCE_MS = 5_000

async function freePort(preferred: number | undefined): Promise<number> {
  for (let waited = 0; preferred !== undefined && waited <= PREFERRED_PATIENCE_MS; waited += POLL_MS) {
    if (await isFree(preferred)) return preferred
    await sleep(POLL_MS)
  }
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
    const port = randomInt(PORTS.from, PORTS.to)
    if (await isFree(port)) return port
  }
  throw new DataFolderRefused('no free port on 127.0.0.1 for PostgreSQL')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)))
  })
}
