/**
 * The intake's port: marks in, what became of each out, once it is durable.
 * Knows nothing of HTTP and nothing of how marks are kept.
 */
import type { MarkOutcome, NewMark } from '../../db/marks.ts'

/** `queued`: nothing is known to be wrong with the mark, but it is not in PostgreSQL (it waits in the queue, or a fault kept it out); whoever sent it must keep it and send it again. */
export type TakenOutcome = MarkOutcome | { outcome: 'queued' }

export interface Intake {
  /** Resolves when every mark's outcome is final or named queued, in the order given. Throws IntakeFull and then claims nothing. */
  take(marks: NewMark[]): Promise<TakenOutcome[]>
  /** Takes no more and resolves when everything taken so far has its outcome. */
  drain(): Promise<void>
  /** Marks that wait for the next write just now; absent where nobody counts them. */
  depth?(): number
}

/** Nothing of this call is claimed to be stored; the same marks may be sent again after `retryAfterSeconds`. */
export class IntakeFull extends Error {
  override name = 'IntakeFull'

  constructor(readonly reason: 'full' | 'stopping' | 'database_away' | 'queue_away', readonly retryAfterSeconds: number, options?: ErrorOptions) {
    super(SAYS[reason], options)
  }
}

const SAYS = {
  full: 'too many marks are waiting to be stored; send the same batch again',
  stopping: 'the server is stopping; send the same batch again',
  database_away: 'the database does not answer just now; send the same batch again',
  queue_away: 'the queue does not answer just now; send the same batch again',
}
