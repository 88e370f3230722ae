/**
 * Two ways in, for a school with a queue: the stream first; where it is away or full, straight into PostgreSQL; where
 * both are, IntakeFull, and whoever sent the marks keeps them. Knows neither Redis nor PostgreSQL.
 */
import { IntakeFull } from './intake.ts'
import type { Intake } from './intake.ts'

export function createStreamFirst({ stream, direct }: { stream: Intake; direct: Intake }): Intake {
  return {
    async take(marks) {
      try {
        return await stream.take(marks)
      } catch (error) {
        // A mark that is in the stream all the same is a duplicate when the recorder comes to it.
        if (error instanceof IntakeFull && error.reason !== 'stopping') return direct.take(marks)
        throw error
      }
    },
    depth: () => (stream.depth?.() ?? 0) + (direct.depth?.() ?? 0),
    async drain() {
      // In turn: what the stream gives back while it drains still goes the other way.
      await stream.drain()
      await direct.drain()
    },
  }
}
