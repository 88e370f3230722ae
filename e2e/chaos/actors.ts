/** Those of chaos that are no programs of ours: Redis as an actor, and PostgreSQL's postmaster, which its program watches over. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ThrowawayRedis } from '../../server/throwaway-redis.ts'
import { lives } from '../processes.ts'
import type { Actor } from '../program.ts'

export function redisActor(redis: ThrowawayRedis): Actor {
  return {
    name: 'redis',
    get runs() {
      return redis.runs
    },
    printed: () => '',
    kill9: () => redis.kill(),
    start: async () => void (redis.runs || (await redis.restart())),
    stop: () => redis.stop(),
  }
}

/** kill -9 of the postmaster under a data folder; whoever watches over it ends then by itself. */
export async function killPostmaster(dataDir: string): Promise<void> {
  const pid = Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')[0])
  if (!(pid > 1)) return
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    return
  }
  while (lives(pid)) await sleep(10)
}
