import { afterAll, beforeAll, expect, it } from 'vitest'
import { saveCard } from './cards.ts'
import type { Database } from './connect.ts'
import { openDemoSchool } from './test-school.ts'
import { together } from './together.ts'

const NOW = new Date('2026-03-02T09:00:00Z')

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
})
afterAll(() => close())

it('of two that meet each other\'s locks the wrong way round both are written', async () => {
  const lock = (inside: Database, id: string) => inside.sql`UPDATE students SET email = student_id || '@school.example' WHERE student_id = ${id}`
  let arrived = 0
  let release: () => void = () => {}
  const both = new Promise<void>((resolve) => {
    release = resolve
  })
  const crossing = (first: string, then: string) =>
    together(db, async (inside) => {
      await lock(inside, first)
      // Both hold their first lock, the first time round.
      if ((arrived += 1) === 2) release()
      await both
      await lock(inside, then)
      return arrived
    })
  await Promise.all([crossing('S001', 'S002'), crossing('S002', 'S001')])
  expect(arrived).toBe(3)
})

it('a student who is gone when it comes to writing is looked for again', async () => {
  let begun = 0
  const saved = await together(db, async (inside) => {
    begun += 1
    // Nobody waits for a student of whom the first look found something, and the second nothing.
    const id = begun === 1 ? 'S999' : 'S001'
    if (begun === 1) await inside.sql`INSERT INTO student_cards (student_id, token_sha256, made_at) VALUES (${id}, ${Buffer.alloc(32)}, now())`
    return saveCard(inside, id, 'B'.repeat(32), NOW)
  })
  expect([saved, begun]).toEqual([true, 2])
})
