/**
 * A stream and its recorder between the handler and PostgreSQL, in the world's time: marks are answered `queued`, and
 * recorded later. It may be emptied at any moment, and its recorder may die in the middle: neither is a record. The same
 * rules as server/intake's stream and recorder, which real Redis holds in their own tests.
 */
import type { NewMark } from '../../db/marks.ts'
import type { Intake, TakenOutcome } from '../../server/intake/intake.ts'
import { hashOf } from '../../server/intake/queue.ts'
import type { Chance } from './chance.ts'
import type { Owner, VirtualTime } from './virtual-time.ts'

export interface Queue extends Intake {
  /** Redis loses everything: what waits, and the receipts. */
  flush(): void
  readonly waiting: number
}

export interface QueueOptions {
  time: VirtualTime
  chance: Chance
  owner: Owner
  record: (marks: NewMark[]) => Promise<TakenOutcome[]>
  /** PostgreSQL is away: the recorder keeps what it has, and tries again. */
  away: () => boolean
  tell: (line: string) => void
}

export function createQueue({ time, chance, owner, record, away, tell }: QueueOptions): Queue {
  let waiting = new Map<string, NewMark>()
  let receipts = new Map<string, TakenOutcome>()
  let armed = false

  function arm(): void {
    if (armed || waiting.size === 0) return
    armed = true
    time.after(chance.maybe(0.8) ? chance.int(5, 500) : chance.int(500, 60_000), owner, drain)
  }

  async function drain(): Promise<void> {
    armed = false
    if (!away()) {
      const batch = [...waiting]
      const outcomes = await time.outside(() => record(batch.map(([, mark]) => mark)))
      if (chance.maybe(0.1)) tell('the recorder dies after it has recorded')
      else {
        for (const [i, [hash]] of batch.entries()) {
          const outcome = outcomes[i]
          if (!outcome || outcome.outcome === 'queued') continue
          waiting.delete(hash)
          receipts.set(hash, outcome)
        }
      }
      tell(`the recorder has taken ${batch.length}: ${outcomes.map(({ outcome }) => outcome).join(' ')}`)
    }
    arm()
  }

  return {
    take(marks) {
      const outcomes = marks.map((mark): TakenOutcome => {
        const hash = hashOf(JSON.stringify(mark))
        const receipt = receipts.get(hash)
        if (receipt) return receipt
        waiting.set(hash, mark)
        return { outcome: 'queued' }
      })
      arm()
      return Promise.resolve(outcomes)
    },
    drain: () => Promise.resolve(),
    flush() {
      tell(`the queue loses ${waiting.size} marks and ${receipts.size} receipts`)
      waiting = new Map()
      receipts = new Map()
    },
    get waiting() {
      return waiting.size
    },
  }
}
