import { describe, expect, it } from 'vitest'
import type { ProblemCode } from '#contract/problem'
import { patiently } from './patience.ts'
import { Refused, Unreachable } from './request.ts'

const refused = (code: ProblemCode, retryAfterSeconds?: number): Refused => new Refused({ type: '', title: '', status: 429, code, detail: code }, retryAfterSeconds)

/** Fails with these, one after the other, and then answers. */
async function run(...faults: Error[]): Promise<{ waits: number[]; said: string }> {
  const waits: number[] = []
  const said = await patiently(
    async () => {
      const fault = faults.shift()
      if (fault) throw fault
      return 'answered'
    },
    async (ms) => void waits.push(Math.floor(ms / 1000)),
  ).catch((error: unknown) => (error as Error).message)
  return { waits, said }
}

describe('a command', () => {
  it('that is told to wait waits as long as it was told, and asks again', async () => {
    expect(await run(refused('too_many_requests', 41), refused('busy', 5))).toEqual({ waits: [41, 5], said: 'answered' })
  })

  it('gives up where it was not told how long, where it would be too long, and where it never ends', async () => {
    expect(await run(refused('too_many_requests'))).toEqual({ waits: [], said: 'too_many_requests' })
    expect(await run(refused('too_many_requests', 3600))).toEqual({ waits: [], said: 'too_many_requests' })
    expect((await run(...Array.from({ length: 30 }, () => refused('busy', 1)))).waits).toHaveLength(9)
  })

  it('waits for no other fault', async () => {
    expect(await run(refused('forbidden', 5))).toEqual({ waits: [], said: 'forbidden' })
    expect(await run(new Unreachable('no answer'))).toEqual({ waits: [], said: 'no answer' })
  })
})
