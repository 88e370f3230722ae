/** The cluster: the folder in which PostgreSQL keeps everything, made once and whole. */
import { execFile } from 'node:child_process'
import { chmod, chown, lstat, mkdir, mkdtemp, open, readdir, readFile, readlink, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { SHARED_FOLDER } from './binaries.ts'
import type { Binaries } from './binaries.ts'
import { canReach } from './run-as.ts'
import type { RunAs } from './run-as.ts'
import { codeOf, DataFolderRefused, messageOf } from './refused.ts'

/** The role that owns everything in an embedded cluster. */
export const OWNER = 'fastrackai'

const MAJOR = '18'

/** What every program of PostgreSQL is given of our environment. */
export const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C', LC_ALL: 'C', TZ: 'UTC' }

/** Real path of the cluster in `<dataDir>/postgres`; undefined: not made yet. @throws DataFolderRefused when another version made it. */
export async function findCluster(dataDir: string): Promise<string | undefined> {
  const path = join(dataDir, 'postgres')
  const version = await readFile(join(path, 'PG_VERSION'), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new DataFolderRefused(`${path} cannot be read (${messageOf(error)}); start the server as the user who owns it`, { cause: error })
  })
  if (version === undefined) {
    const there = await lstat(path).catch(() => undefined)
    if (there) throw new DataFolderRefused(`${path} is there but is no PostgreSQL cluster (it has no PG_VERSION); move it away, or set DATA_DIR to another folder`)
    return undefined
  }
  if (version.trim() !== MAJOR) throw new DataFolderRefused(`${path} was made by PostgreSQL ${version.trim()} and this is PostgreSQL ${MAJOR}; move it away, or set DATA_DIR to another folder`)
  return realpath(path)
}

/**
 * Makes the cluster under another name and renames it when it is whole: a kill at any moment leaves
 * either no cluster, or all of it. Where `who` cannot enter the data folder the cluster is a fresh
 * folder under SHARED_FOLDER, and <dataDir>/postgres a link to it.
 */
export async function makeCluster(dataDir: string, binaries: Binaries, who: RunAs | undefined, password: string, log: (line: string) => void): Promise<string> {
  await sweepUnfinished(dataDir)
  const making = join(dataDir, `postgres.making-${process.pid}`)
  const reachable = await canReach(dataDir, who)
  let passwordFile: string | undefined
  try {
    const folder = reachable ? making : join(await makeSharedFolder(), 'postgres')
    await mkdir(folder, { mode: 0o700 })
    if (!reachable) await symlink(folder, making)
    passwordFile = `${folder}.password`
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
    if (who) {
      await chown(folder, who.uid, who.gid)
      await chown(passwordFile, who.uid, who.gid)
    }
    await promisify(execFile)(
      binaries.initdb,
      [`--pgdata=${folder}`, `--username=${OWNER}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8',
        // Sorted and lower-cased by PostgreSQL itself, not by the machine's C library: the same on every platform, and after its upgrades.
        '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C', '--no-instructions'],
      { ...who, cwd: dirname(folder), env: ENVIRONMENT },
    )
    await rm(passwordFile)
    if (reachable) {
      await rename(making, join(dataDir, 'postgres'))
    } else {
      // Unlike a rename this never takes the place of what another start has made meanwhile.
      await symlink(folder, join(dataDir, 'postgres'))
      await rm(making)
    }
    await syncFolder(dataDir)
    if (!reachable) log(`${dataDir} cannot be entered by an unprivileged user, as which PostgreSQL runs; its files are in ${folder}, and ${join(dataDir, 'postgres')} is a link to them`)
    return await realpath(join(dataDir, 'postgres'))
  } catch (cause) {
    if (passwordFile) await rm(passwordFile, { force: true }).catch(() => {})
    await erase(making).catch(() => {})
    if (codeOf(cause) === 'ENOTEMPTY' || codeOf(cause) === 'EEXIST') {
      // Another start made it meanwhile.
      const made = await findCluster(dataDir)
      if (made) return made
    }
    // initdb's last line says it best, for instance that this user's number has no name in /etc/passwd.
    const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim().split('\n').at(-1) : ''
    throw new DataFolderRefused(`PostgreSQL's cluster cannot be made in ${dataDir}: ${said || messageOf(cause)}`, { cause })
  }
}

/** Removes the cluster of a data folder, wherever it is. PostgreSQL must have been stopped. */
export async function eraseCluster(dataDir: string): Promise<void> {
  await erase(join(dataDir, 'postgres'))
}

async function makeSharedFolder(): Promise<string> {
  await mkdir(SHARED_FOLDER, { recursive: true, mode: 0o755 })
  const folder = await mkdtemp(join(SHARED_FOLDER, 'cluster-'))
  await chmod(folder, 0o755)
  return folder
}

async function sweepUnfinished(dataDir: string): Promise<void> {
  const kept = await readlink(join(dataDir, 'postgres')).catch(() => undefined)
  for (const name of await readdir(dataDir)) {
    const pid = Number(/^postgres\.making-(\d+)(?:\.password)?$/.exec(name)?.[1])
    if (pid && (pid === process.pid || !isAlive(pid))) await erase(join(dataDir, name), kept)
  }
}

/** Also what it links to under SHARED_FOLDER, unless that is `kept`. */
async function erase(path: string, kept?: string): Promise<void> {
  const target = await readlink(path).catch(() => undefined)
  if (target && target !== kept && dirname(dirname(target)) === SHARED_FOLDER) await rm(dirname(target), { recursive: true, force: true })
  await rm(path, { recursive: true, force: true })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/** So that a power cut does not undo a rename. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  await handle.sync().catch(() => {})
  await handle.close()
}
