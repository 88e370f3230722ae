import { afterAll, beforeAll, expect, test } from 'vitest'
import { EMBEDDING_LENGTH, modelIds } from '#contract/model'
import type { Database } from './connect.ts'
import { saveConsent } from './consents.ts'
import { SEAL_BYTES } from './sealing.ts'
import { openDemoSchool } from './test-school.ts'

const NOW = new Date('2026-03-02T09:20:00Z')

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ;({ db, close } = await openDemoSchool(NOW))
  await saveConsent(db, 'S001', { statement: 'My face may be used', given_by: 'the guardian' }, NOW)
})
afterAll(() => close())

const insert = (model: string, numbers: number) =>
  db.sql`INSERT INTO templates (student_id, model, sealed, enrolled_at) VALUES ('S001', ${model}, ${Buffer.alloc(4 * numbers + SEAL_BYTES, 1)}, now())`

test('the table takes each model\'s sealed embeddings by their own length alone', async () => {
  for (const model of modelIds) {
    for (const other of modelIds) {
      const saving = insert(model, EMBEDDING_LENGTH[other])
      if (other === model) await saving
      else await expect(saving).rejects.toThrow(/template_is_sealed/)
    }
  }
  await expect(insert('faceres-1024-r2', 1024)).rejects.toThrow(/template_is_sealed/)
  expect((await db.sql`SELECT FROM templates`).length).toBe(modelIds.length)
})

test('the length of every template on record is checked against its model for good, by the newest of the functions', async () => {
  const [check] = await db.sql<{ checked: boolean; body: string }[]>`
    SELECT c.convalidated AS checked, pg_get_functiondef('embedding_length'::regproc) AS body
    FROM pg_constraint c WHERE c.conname = 'template_is_sealed'`
  expect(check?.checked).toBe(true)
  for (const model of modelIds) expect(check?.body).toContain(`'${model}'`)
})
