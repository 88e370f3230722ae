/**
 * What a server does again and again beside its requests. Every server of a school does it; the record's own locks see
 * to it that one at a time really works. Knows the hours, and nothing of what is done.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { describeFault } from './log.ts'
import type { Log } from './log.ts'

export interface Round {
  /** Of the log's line when it fails. */
  name: string
  everyMs: number
  work: () => Promise<unknown>
}

/** Each at once and then again so long after it ended: one that takes long never meets itself. A failed one is logged and comes again. @returns how to end them; one under way fails with its database, to no harm. */
export function startRounds(rounds: readonly Round[], log: Log): () => void {
  const ended = new AbortController()
  for (const round of rounds) void goOn(round)
  return () => ended.abort()

  async function goOn({ name, everyMs, work }: Round): Promise<void> {
    while (!ended.signal.aborted) {
      await work().catch((error: unknown) => {
        if (!ended.signal.aborted) log({ event: 'round_failed', round: name, ...describeFault(error) })
      })
      // It keeps no process alive that has nothing else to do.
      await sleep(everyMs, undefined, { signal: ended.signal, ref: false }).catch(() => {})
    }
  }
}
