/**
 * A real PostgreSQL 18 in a folder, for a school that runs no database server: one cluster, one
 * postmaster and one server of ours to a data folder. Knows no table.
 *
 * What it leaves in the data folder: postgres/ (the cluster), postgres-password, database-url (for
 * psql "$(cat data/database-url)") and postgres.log.
 *
 * [Note: Who owns the postmaster] The postmaster runs in a session of its own, so that Ctrl-C reaches
 * only the server, which then stops it in order. kill -9 of the server leaves it running; the next
 * start adopts it. Which server owns it says a session-level advisory lock: PostgreSQL lets go of it
 * the moment that the owner's connection ends, however the owner ended.
 */
import { randomBytes } from 'node:crypto'
import { access, chmod, chown, constants, link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { ensureBinaries } from './embedded/binaries.ts'
import { findCluster, makeCluster, OWNER } from './embedded/cluster.ts'
import { isRunning, launchPostmaster, runningPostmaster, stopPostmaster, waitUntilReady } from './embedded/postmaster.ts'
import type { Postmaster } from './embedded/postmaster.ts'
import { codeOf, DataFolderRefused, messageOf } from './embedded/refused.ts'
import { chooseRunAs } from './embedded/run-as.ts'

export { DataFolderRefused }
export { eraseCluster } from './embedded/cluster.ts'

export interface EmbeddedOptions {
  /** Made if missing. */
  dataDir: string
  log: (line: string) => void
  /** PostgreSQL ended, and not because of stop(). */
  onExit?: (line: string) => void
}

export interface Embedded {
  /** Of the database "fastrackai", with the password. */
  url: string
  /** Stops PostgreSQL cleanly and lets go of the data folder. */
  stop(): Promise<void>
}

const DATABASE = 'fastrackai'
/** Advisory locks are kept for each database; this is the one that is always there. */
const LOCK_DATABASE = 'postgres'
const OWNER_NAME = /^fastrackai server (\d+)$/
/** A postmaster that was found while it stops, or whose dead owner's connection is still being cleared away. */
const PATIENCE_MS = 30_000
const PAUSE_MS = 100
/** A connection made while PostgreSQL restarts may never answer; then another is made. */
const ANSWER_MS = 5_000

/**
 * 1. the data folder is there and ours to write; 2. a postmaster that runs on its cluster is taken over,
 * else 3. the cluster is made if missing and a postmaster started; 4. the lock makes us its owner;
 * 5. the database is there, and database-url says where.
 * @throws DataFolderRefused, one clear line; then nothing that was running has been touched.
 */
export async function startEmbedded({ dataDir: folder, log, onExit }: EmbeddedOptions): Promise<Embedded> {
  const dataDir = resolve(folder)
  await ensureDataFolder(dataDir)
  const password = await ensurePassword(dataDir)
  let stopping = false
  let ended = false
  const sayEnded = () => {
    if (stopping || ended) return
    ended = true
    onExit?.(`PostgreSQL ended by itself; see ${join(dataDir, 'postgres.log')}`)
  }

  let lockLost = () => {}
  const owned = await own({ dataDir, password, log, onEnd: sayEnded, onLockLost: () => lockLost() })
  const { postmaster } = owned
  let { lock } = owned
  const stop = async () => {
    if (stopping) return
    stopping = true
    if (!ended) await stopPostmaster(postmaster, log)
    await lock.end({ timeout: 1 }).catch(() => {})
  }

  // After a crash of one of its processes PostgreSQL restarts itself and drops every connection, ours with the lock too.
  let retaking = false
  async function retake(): Promise<void> {
    if (retaking) return
    retaking = true
    for (let waited = 0; waited < PATIENCE_MS; waited += PAUSE_MS) {
      await sleep(PAUSE_MS)
      if (stopping || ended) return
      if (!(await isRunning(postmaster.pid))) return sayEnded()
      await lock.end({ timeout: 0 }).catch(() => {})
      lock = openLock(password, postmaster.port, () => lockLost())
      if (await Promise.race([tryLock(lock).catch(() => false), sleep(ANSWER_MS, false, { ref: false })])) {
        retaking = false
        return
      }
    }
    onExit?.(`PostgreSQL (process ${postmaster.pid}) runs but does not answer; see ${join(dataDir, 'postgres.log')}`)
  }

  lockLost = () => void retake()

  try {
    const [there] = await lock`SELECT FROM pg_database WHERE datname = ${DATABASE}`
    if (!there) await lock`CREATE DATABASE ${lock(DATABASE)}`
    const url = addressOf(password, postmaster.port, DATABASE)
    await writeSafely(join(dataDir, 'database-url'), `${url}\n`, dataDir)
    return { url, stop }
  } catch (cause) {
    await stop()
    throw new DataFolderRefused(`PostgreSQL in ${dataDir} cannot be used: ${messageOf(cause)}`, { cause })
  }
}

/** Finds or starts the postmaster and takes its lock. Again from the start, for a while, when it stops under our hands. */
async function own(
  { dataDir, password, log, onEnd, onLockLost }: { dataDir: string; password: string; log: (line: string) => void; onEnd: () => void; onLockLost: () => void },
): Promise<{ postmaster: Postmaster; lock: postgres.Sql }> {
  const giveUpAfter = PATIENCE_MS / PAUSE_MS
  for (let attempt = 1; ; attempt += 1) {
    const cluster = await findCluster(dataDir)
    const found = cluster ? await runningPostmaster(cluster) : undefined
    const postmaster = found ?? (await launch({ cluster, dataDir, password, log, onEnd }))
    const home = cluster ?? (await findCluster(dataDir))
    if (!postmaster || !home) continue
    const port = found ? await waitUntilReady(home, found.pid, log) : postmaster.port
    if (port === 'ended') continue
    const lock = openLock(password, port, onLockLost)
    try {
      await takeLock(lock, dataDir)
      if (found) log(`found PostgreSQL (process ${found.pid}) still running after an earlier stop; using it`)
      return { postmaster: { ...postmaster, port }, lock }
    } catch (cause) {
      await lock.end({ timeout: 0 }).catch(() => {})
      if (cause instanceof DataFolderRefused) throw cause
      if (codeOf(cause) === '28P01') throw new DataFolderRefused(`${join(dataDir, 'postgres-password')} is not the password of ${home}; put the right one back`, { cause })
      if (attempt >= giveUpAfter) throw new DataFolderRefused(`PostgreSQL (process ${postmaster.pid}) in ${home} does not answer: ${messageOf(cause)}; stop it and start again`, { cause })
      await sleep(PAUSE_MS)
    }
  }
}

async function launch(
  { cluster, dataDir, password, log, onEnd }: { cluster: string | undefined; dataDir: string; password: string; log: (line: string) => void; onEnd: () => void },
): Promise<Postmaster | undefined> {
  const who = await chooseRunAs(dataDir, join(dataDir, 'postgres'))
  const binaries = await ensureBinaries(dataDir, who, log)
  const home = cluster ?? (await makeCluster(dataDir, binaries, who, password, log))
  const logFile = join(dataDir, 'postgres.log')
  const postmaster = await launchPostmaster({ cluster: home, logFile, lastPort: await savedPort(dataDir), binaries, who, log, onEnd })
  await giveToOwner(logFile, dataDir)
  return postmaster
}

/** @throws DataFolderRefused when another server holds the lock. */
async function takeLock(lock: postgres.Sql, dataDir: string): Promise<void> {
  for (let waited = 0; ; waited += PAUSE_MS) {
    if (await tryLock(lock)) return
    const [holder] = await lock<{ name: string; backend: number }[]>`
      SELECT a.application_name AS name, a.pid AS backend
      FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
      WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`
    if (!holder) continue
    const pid = Number(OWNER_NAME.exec(holder.name)?.[1])
    const dead = pid > 0 && !(await isRunning(pid))
    if (!dead || waited > PATIENCE_MS) throw new DataFolderRefused(`${dataDir} is already served by process ${pid || holder.name}; stop that one first, or set DATA_DIR to another folder`)
    await lock`SELECT pg_terminate_backend(${holder.backend})`
    await sleep(PAUSE_MS)
  }
}

function openLock(password: string, port: number, onclose: () => void): postgres.Sql {
  return postgres(addressOf(password, port, LOCK_DATABASE), {
    max: 1,
    // Never renewed: with the connection goes the lock.
    max_lifetime: null,
    connect_timeout: 10,
    fetch_types: false,
    connection: { application_name: `fastrackai server ${process.pid}` },
    onnotice: () => {},
    onclose,
  })
}

async function tryLock(lock: postgres.Sql): Promise<boolean> {
  const [answer] = await lock<{ taken: boolean }[]>`SELECT pg_try_advisory_lock(hashtext('fastrackai.owner')) AS taken`
  return answer?.taken ?? false
}

async function ensureDataFolder(dataDir: string): Promise<void> {
  try {
    const made = await makeFolder(dataDir)
    // What is secret in it has its own mode; another user's PostgreSQL must be able to pass through.
    if (made && process.getuid?.() === 0) await chmod(dataDir, 0o755)
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
    // Root passes every check of modes; a read-only disk shows only here.
    await writeSafely(join(dataDir, '.writable'), '', dataDir, 'nowhere')
  } catch (cause) {
    const why = { EACCES: 'this user may not write there', EPERM: 'this user may not write there', EROFS: 'the disk is read-only', ENOSPC: 'the disk is full', ENOTDIR: 'a part of that path is a file', EEXIST: 'there is a file of that name', ENOENT: 'folders cannot be made there' }[codeOf(cause)]
    throw new DataFolderRefused(`the data folder ${dataDir} cannot be written: ${why ?? messageOf(cause)}; set DATA_DIR to a folder that this user may write, or change its owner`, { cause })
  }
}

/** False: it was there. Not mkdir's `recursive`, which never ends where the parent is there and yet answers ENOENT (/proc). */
async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await stat(path)).isDirectory()) return false
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
  }
  await makeFolder(dirname(path))
  await mkdir(path)
  return true
}

async function ensurePassword(dataDir: string): Promise<string> {
  const path = join(dataDir, 'postgres-password')
  const saved = await readFile(path, 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return ''
    throw new DataFolderRefused(`${path} cannot be read (${messageOf(error)}); start the server as the user who owns it`, { cause: error })
  })
  if (saved.trim()) return saved.trim()
  if (await findCluster(dataDir)) throw new DataFolderRefused(`${path} is missing or empty, and without it nobody can open ${join(dataDir, 'postgres')}; put it back, or set DATA_DIR to another folder`)
  // Of two first starts at the same time one writes it, and both read what it wrote.
  await writeSafely(path, `${randomBytes(24).toString('base64url')}\n`, dataDir, link)
  return (await readFile(path, 'utf8')).trim()
}

async function savedPort(dataDir: string): Promise<number | undefined> {
  const url = (await readFile(join(dataDir, 'database-url'), 'utf8').catch(() => '')).trim()
  return URL.canParse(url) ? Number(new URL(url).port) || undefined : undefined
}

function addressOf(password: string, port: number, database: string): string {
  return `postgres://${OWNER}:${password}@127.0.0.1:${port}/${database}`
}

/** Whole or not at all, readable by its owner only, and still there after a power cut. `put`: rename takes the place of what is there, link leaves it. */
async function writeSafely(path: string, text: string, dataDir: string, put: 'nowhere' | typeof link = rename): Promise<void> {
  const making = `${path}.making-${process.pid}`
  const handle = await open(making, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await giveToOwner(making, dataDir)
  if (put !== 'nowhere') {
    await put(making, path).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  }
  await rm(making, { force: true })
}

/** As root: what we write in somebody's data folder is theirs, so that they can start the server as themselves next time. */
async function giveToOwner(path: string, dataDir: string): Promise<void> {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = await stat(dataDir)
  await chown(path, uid, gid)
}
