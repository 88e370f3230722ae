/** PostgreSQL refuses to run as root. Which user it runs as instead, and what that user can reach. */
import { readFile, realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DataFolderRefused } from './refused.ts'

export interface RunAs {
  uid: number
  gid: number
}

/** Unprivileged accounts that every Linux and macOS has. */
const ACCOUNTS = ['nobody', 'daemon']

/**
 * Undefined: as ourselves, for we are not root. As root: the owner of the cluster that is there, else of
 * the data folder (who may then start the server without root next time), else `nobody`.
 */
export async function chooseRunAs(dataDir: string, cluster: string): Promise<RunAs | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const owner = await stat(cluster).catch(() => undefined)
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  // macOS writes nobody's ids as -2: the same 32 bits, unsigned.
  const accounts = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').flatMap((line) => {
    const [name, , uid, gid] = line.split(':')
    return name && uid && gid ? [{ name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }] : []
  })
  const { uid } = await stat(dataDir)
  // PostgreSQL will not run as a number without a name.
  const account = accounts.find((one) => uid !== 0 && one.uid === uid) ?? accounts.find((one) => ACCOUNTS.includes(one.name))
  if (account) return { uid: account.uid, gid: account.gid }
  throw new DataFolderRefused('PostgreSQL does not run as root, and /etc/passwd names no user "nobody" to run it as; start the server as an ordinary user, or set DATABASE_URL')
}

const READ = 4
const ENTER = 1

/** Whether this user can go to `path` and, if `needs` says so, read what is there. Judged by owner, group and mode. */
export async function canReach(path: string, who: RunAs | undefined, needs: 'enter' | 'read' = 'enter'): Promise<boolean> {
  if (!who) return true
  const real = await realpath(path)
  const last = await stat(real)
  const wanted = (last.isDirectory() ? ENTER : 0) | (needs === 'read' ? READ : 0)
  if (!permits(last, who, wanted)) return false
  for (let folder = dirname(real); ; folder = dirname(folder)) {
    if (!permits(await stat(folder), who, ENTER)) return false
    if (folder === dirname(folder)) return true
  }
}

function permits(file: { uid: number; gid: number; mode: number }, { uid, gid }: RunAs, wanted: number): boolean {
  const shift = file.uid === uid ? 6 : file.gid === gid ? 3 : 0
  return ((file.mode >> shift) & wanted) === wanted
}
