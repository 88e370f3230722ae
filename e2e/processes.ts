/** Processes of this machine, as a test or a measurement looks at them. Memory is read from /proc: Linux alone. */
import { readFile, readdir } from 'node:fs/promises'

/** Whether there is a process with this id, whoever's it is. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

export interface ProcessMemory {
  pid: number
  /** Of a process of Chromium: `browser`, `renderer`, `gpu-process`, `utility`, `zygote`; else empty. */
  kind: string
  /** Bytes that this process alone holds and has written to. */
  own: number
  /**
   * Proportional set size of memory and shared memory, bytes: what is shared counts by its share. Without the pages of
   * files: programs' code counts less or more as other Chromiums on the machine come and go.
   */
  pss: number
}

/** `top` and every process below it, each with its memory; one that ends meanwhile is left out. */
export async function memoryBelow(top: number): Promise<ProcessMemory[]> {
  const found = await Promise.all((await familyOf(top)).map(memoryOf))
  return found.filter((one) => one !== undefined)
}

async function familyOf(top: number): Promise<number[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const parents = new Map(await Promise.all(all.map(async (pid) => [pid, await parentOf(pid)] as const)))
  const below = (pid: number | undefined): boolean => pid !== undefined && pid > 1 && (pid === top || below(parents.get(pid)))
  return all.filter(below)
}

async function parentOf(pid: number): Promise<number | undefined> {
  // The name in stat may hold spaces and brackets, so the fields are counted from behind it.
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) || undefined
}

async function memoryOf(pid: number): Promise<ProcessMemory | undefined> {
  const [rollup, command] = await Promise.all([`/proc/${pid}/smaps_rollup`, `/proc/${pid}/cmdline`].map((file) => readFile(file, 'utf8').catch(() => '')))
  if (!rollup) return undefined
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0) * 1024
  const kind = /--type=([\w-]+)/.exec(command ?? '')?.[1] ?? (/chrom|edge/i.test(command ?? '') ? 'browser' : '')
  return { pid, kind, own: bytes('Private_Dirty'), pss: bytes('Pss_Anon') + bytes('Pss_Shmem') }
}
