import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIKENESS_LEVELS } from '#contract/look-alike'
import { CURRENT_MODEL } from '#contract/model'
import { PolicyAnswer, SchoolPolicy } from '#contract/policy'
import type { Database } from './connect.ts'
import { saveConsent } from './consents.ts'
import { compareTheUncompared } from './look-alikes.ts'
import { saveTemplates } from './people.ts'
import { policyOnRecord, savePolicy, schoolPolicy } from './policy.ts'
import { rosterVersion } from './roster.ts'
import { KEYRING, openDemoSchool, roomSchedule } from './test-school.ts'

/** A Monday, 10:20 in Stockholm. */
const NOW = new Date('2026-03-02T09:20:00Z')
const AGREED = { statement: 'My face may be used to mark me present', given_by: 'the guardian' }
const BY = { by: 'privacy', now: NOW }

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
  for (const id of ['S001', 'S002', 'S003']) await saveConsent(db, id, AGREED, NOW)
})
afterAll(() => close())

const axis = (at: number, other = at): number[] => Array.from({ length: 192 }, (_, i) => (i === at ? 0.9 : 0) + (i === other ? (at === other ? 0.1 : Math.sqrt(1 - 0.81)) : 0))
const enrol = (id: string, at: number, other?: number) => saveTemplates(db, KEYRING, id, [{ model: CURRENT_MODEL, embedding: axis(at, other) }], NOW, { levels: LIKENESS_LEVELS, differentFrom: ['S001', 'S002', 'S003'].filter((one) => one !== id), by: 'office' })

/** Rows in every table that holds something made of a face, or the key to it. */
async function biometricRows(): Promise<Record<string, number>> {
  const [counts] = await db.sql<Record<string, number>[]>`
    SELECT (SELECT count(*)::integer FROM templates) AS templates, (SELECT count(*)::integer FROM compared_faces) AS compared_faces,
      (SELECT count(*)::integer FROM look_alikes) AS look_alikes, (SELECT count(*)::integer FROM keyring.students) AS keys`
  return counts ?? {}
}
const NONE = { templates: 0, compared_faces: 0, look_alikes: 0, keys: 0 }

describe('the policy', () => {
  test('is default until somebody sets another, and says who did and when', async () => {
    expect(await policyOnRecord(db)).toEqual({ policy: 'default', changed_at: null, changed_by: null, students_with_templates: 0 })
    expect(await savePolicy(db, 'default', BY)).toBeUndefined()
    expect(await savePolicy(db, 'verify-only', BY)).toEqual({ before: 'default', after: 'verify-only', erased: 0 })
    expect(PolicyAnswer.parse(await policyOnRecord(db))).toEqual({ policy: 'verify-only', changed_at: '2026-03-02T09:20:00.000Z', changed_by: 'privacy', students_with_templates: 0 })
    await savePolicy(db, 'default', BY)
  })

  test('is one of those that the contract knows, in the database too', async () => {
    for (const policy of SchoolPolicy.options) await db.sql`UPDATE school SET policy = ${policy}`
    await expect(db.sql`UPDATE school SET policy = 'anything'`).rejects.toThrow(/policy/)
    await db.sql`UPDATE school SET policy = 'default'`
  })

  test('of no biometrics erases every template, compared face, look-alike pair and key in the transaction that sets it, whoever sets it', async () => {
    for (const set of [() => savePolicy(db, 'no-biometrics', BY), () => db.sql`UPDATE school SET policy = 'no-biometrics'`]) {
      await db.sql`UPDATE school SET policy = 'default'`
      await enrol('S001', 0)
      await enrol('S002', 0, 1)
      await enrol('S003', 7)
      const before = await biometricRows()
      for (const rows of Object.values(before)) expect(rows).toBeGreaterThan(0)
      const said = await set()
      if (said && 'erased' in said) expect(said).toEqual({ before: 'default', after: 'no-biometrics', erased: 3 })
      expect(await biometricRows()).toEqual(NONE)
    }
  })

  test('that does not come about erases nothing', async () => {
    await db.sql`UPDATE school SET policy = 'default'`
    await enrol('S001', 0)
    await expect(db.sql.begin(async (sql) => {
      await sql`UPDATE school SET policy = 'no-biometrics'`
      throw new Error('the audit log could not be written')
    })).rejects.toThrow('audit log')
    expect(await schoolPolicy(db)).toBe('default')
    expect((await biometricRows())['templates']).toBe(1)
  })

  test('of no biometrics refuses every such row with its reason, whoever writes it', async () => {
    await enrol('S001', 0)
    const [{ sealed } = { sealed: Buffer.alloc(0) }] = await db.sql<{ sealed: Buffer }[]>`SELECT sealed FROM templates LIMIT 1`
    await savePolicy(db, 'no-biometrics', BY)
    const reason = /policy is no-biometrics/
    await expect(enrol('S001', 0)).rejects.toThrow(reason)
    await expect(db.sql`INSERT INTO templates (student_id, model, sealed, enrolled_at) VALUES ('S001', ${CURRENT_MODEL}, ${sealed}, now())`).rejects.toThrow(reason)
    await expect(db.sql`INSERT INTO compared_faces (student_id, model, sealed) VALUES ('S001', ${CURRENT_MODEL}, ${sealed})`).rejects.toThrow(reason)
    await expect(db.sql`INSERT INTO look_alikes (student_a, student_b, model, similarity, found_at) VALUES ('S001', 'S002', ${CURRENT_MODEL}, 0.7, now())`).rejects.toThrow(reason)
    await expect(db.sql`INSERT INTO keyring.students (student_id, wrapped) VALUES ('S001', ${Buffer.alloc(69)})`).rejects.toThrow(reason)
    expect(await biometricRows()).toEqual(NONE)
    // The daily round finds nothing to compare, and nothing to complain of.
    await compareTheUncompared(db, KEYRING, LIKENESS_LEVELS, NOW)
    await savePolicy(db, 'default', BY)
    await enrol('S001', 0)
    expect((await biometricRows())['templates']).toBe(1)
  })

  test('of no biometrics leaves no row behind that was being written as it was set', async () => {
    await savePolicy(db, 'default', BY)
    for (let round = 0; round < 15; round++) {
      await savePolicy(db, 'default', BY)
      // Every other time there is something to be replaced, whose rows both want.
      if (round % 2 === 0) await Promise.all(['S001', 'S002', 'S003'].map((id, i) => enrol(id, 10 * i)))
      const writes = ['S001', 'S002', 'S003'].map((id, i) => enrol(id, 10 * i).catch((error: unknown) => String(error)))
      await new Promise((resolve) => setTimeout(resolve, round))
      const [said] = await Promise.all([savePolicy(db, 'no-biometrics', BY), ...writes])
      expect(said?.after).toBe('no-biometrics')
      expect(await biometricRows()).toEqual(NONE)
      for (const write of await Promise.all(writes)) if (typeof write === 'string') expect(write).toMatch(/policy is no-biometrics/)
    }
  })
})

describe('the roster', () => {
  test('tells the policy, carries templates where one face is compared with one student, and none at all without biometrics', async () => {
    await savePolicy(db, 'default', BY)
    await enrol('S001', 0)
    await enrol('S002', 0, 1)
    const of = async () => {
      const schedule = await roomSchedule(db, 'LAB-301', NOW)
      const students = [...(schedule?.students ?? []), ...(schedule?.ahead.students ?? [])]
      return [schedule?.policy, students.reduce((sum, { templates }) => sum + templates.length, 0), students.some(({ look_alikes }) => look_alikes.length > 0), students.length > 10]
    }
    const versions = [await rosterVersion(db)]
    expect(await of()).toEqual(['default', 2, true, true])
    await savePolicy(db, 'verify-only', BY)
    versions.push(await rosterVersion(db))
    expect(await of()).toEqual(['verify-only', 2, false, true])
    await savePolicy(db, 'no-biometrics', BY)
    versions.push(await rosterVersion(db))
    expect(await of()).toEqual(['no-biometrics', 0, false, true])
    expect(new Set(versions).size).toBe(3)
  })
})
