/** The PostgreSQL that all worlds of one run share, in a folder of its own. Knows no school and no world. */
import { chmod, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eraseCluster, startEmbedded } from '../../db/embedded.ts'
import { lives } from '../processes.ts'

export interface Cluster {
  url: string
  stop(): Promise<void>
}

const NAME = 'fastrackai-simulation-'

/** It lives in memory where the machine has a place for that: then flushing costs nothing. */
export async function startCluster(): Promise<Cluster> {
  const inMemory = (await stat('/dev/shm').catch(() => undefined))?.isDirectory() === true
  const home = inMemory ? '/dev/shm' : tmpdir()
  await sweepAbandoned(home)
  const dataDir = await mkdtemp(join(home, `${NAME}${process.pid}-`))
  // As root PostgreSQL runs as another user, who must get in.
  await chmod(dataDir, 0o755)
  const embedded = await startEmbedded({ dataDir, log: () => {} })
  return {
    url: embedded.url,
    async stop() {
      await embedded.stop()
      await eraseCluster(dataDir)
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** A run that was killed leaves its postmaster and its folder behind. */
async function sweepAbandoned(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const pid = Number(new RegExp(`^${NAME}(\\d+)-`).exec(name)?.[1])
    if (!pid || lives(pid)) continue
    const dataDir = join(home, name)
    await startEmbedded({ dataDir, log: () => {} }).then((embedded) => embedded.stop()).catch(() => {})
    await eraseCluster(dataDir)
    await rm(dataDir, { recursive: true, force: true })
  }
}
