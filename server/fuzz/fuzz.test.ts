import { expect, it } from 'vitest'
import { fuzz } from './run.ts'

it('1,500 requests, sound and spoilt, of everybody to everything, are answered as the document says', { timeout: 300_000 }, async () => {
  const { faults, requests, operations, succeeded, statuses } = await fuzz({ requests: 1_500, seed: 20_261_123 })
  expect(faults).toEqual([])
  expect(requests).toBe(1_500)
  // Not all were turned away.
  expect(succeeded).toBeGreaterThan(operations / 2)
  expect(statuses[422]).toBeGreaterThan(50)
  expect(statuses[500]).toBeUndefined()
})
