import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { LIKENESS_LEVELS, LOOK_ALIKE, LookAlikePair, SAME_PERSON } from '#contract/look-alike'
import { CURRENT_MODEL } from '#contract/model'
import type { Database } from './connect.ts'
import { compareTheUncompared, lookAlikePairs, meanFace } from './look-alikes.ts'
import { saveConsent, withdrawConsent } from './consents.ts'
import { saveTemplates } from './people.ts'
import type { SavedTemplates } from './people.ts'
import { rosterVersion } from './roster.ts'
import { KEYRING, openDemoSchool, roomSchedule, sealedAs } from './test-school.ts'

/** A Monday, 10:20 in Stockholm. */
const NOW = new Date('2026-03-02T09:20:00Z')
const AGREED = { statement: 'My face may be used to mark me present', given_by: 'the guardian' }
const ALL = Array.from({ length: 24 }, (_, i) => `S${String(i + 1).padStart(3, '0')}`)

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
  for (const id of ALL) await saveConsent(db, id, AGREED, NOW)
})
afterAll(() => close())
beforeEach(() => db.sql`TRUNCATE templates, confirmed_different`)

/** Unit vector whose cosine with axis `near` is `cosine`; the rest of it lies along axis `own`. */
function face(near: number, cosine = 1, own = near + 1): number[] {
  const vector = Array.from({ length: 192 }, () => 0)
  vector[near] = cosine
  if (cosine < 1) vector[own] = Math.sqrt(1 - cosine * cosine)
  return vector
}

const save = (id: string, faces: number[][], more: { differentFrom?: string[]; by?: string } = {}): Promise<SavedTemplates> =>
  saveTemplates(db, KEYRING, id, faces.map((embedding) => ({ model: CURRENT_MODEL, embedding })), NOW, { levels: LIKENESS_LEVELS, ...more })
const pairs = async (): Promise<string[]> => (await lookAlikePairs(db)).map(({ students: [a, b] }) => `${a.student_id} ${b.student_id}`)
const templatesOf = async (id: string): Promise<number> => (await db.sql`SELECT FROM templates WHERE student_id = ${id}`).length

describe('the same face under another id', () => {
  test('is refused with the other student\'s name, and nothing of it is stored', async () => {
    await save('S001', [face(0), face(0)])
    expect(await save('S002', [face(0, 0.9)])).toEqual({
      outcome: 'same_person',
      others: [{ student_id: 'S001', first_name: 'Amina', last_name: 'Yusuf', similarity: expect.closeTo(0.9, 4) }],
    })
    expect(await templatesOf('S002')).toBe(0)
    expect(await pairs()).toEqual([])
  })

  test('is stored once somebody says that they are two, who and when is kept, and both are look-alikes', async () => {
    await save('S001', [face(0)])
    expect(await save('S002', [face(0, 0.9)], { differentFrom: ['S001'], by: 'office' })).toMatchObject({ outcome: 'saved', look_alikes: [{ student_id: 'S001' }] })
    const [pair] = await lookAlikePairs(db)
    expect(LookAlikePair.parse(pair)).toMatchObject({ similarity: expect.closeTo(0.9, 4), confirmed_different: { confirmed_by: 'office', confirmed_at: NOW.toISOString() } })
    expect(pair?.shared_course_ids).toContain('CS101')
    // Said once, it holds for both and for every later photo.
    expect(await save('S001', [face(0)])).toMatchObject({ outcome: 'saved' })
    expect(await save('S002', [face(0)])).toMatchObject({ outcome: 'saved' })
    expect(await pairs()).toEqual(['S001 S002'])
  })

  test('is not let through by a confirmation about somebody else, who stays unconfirmed', async () => {
    await save('S001', [face(0)])
    await save('S003', [face(9)])
    expect(await save('S002', [face(0)], { differentFrom: ['S003'], by: 'office' })).toMatchObject({ outcome: 'same_person' })
    expect(await db.sql`SELECT FROM confirmed_different`).toHaveLength(0)
    expect(await save('S002', [face(0)], { differentFrom: ['S999', 'S002'], by: 'office' })).toEqual({ outcome: 'unknown_others', ids: ['S999', 'S002'] })
  })

  test('enrolled at the same moment under several ids is taken for one of them alone', async () => {
    for (let round = 0; round < 5; round++) {
      await db.sql`TRUNCATE templates`
      const outcomes = (await Promise.all(['S001', 'S002', 'S003', 'S004'].map((id) => save(id, [face(round)])))).map(({ outcome }) => outcome)
      expect(outcomes.filter((outcome) => outcome === 'saved')).toHaveLength(1)
      expect(outcomes.filter((outcome) => outcome === 'same_person')).toHaveLength(3)
    }
  })

  test('may be enrolled again under its own id', async () => {
    await save('S001', [face(0)])
    expect(await save('S001', [face(0), face(0, 0.99)])).toEqual({ outcome: 'saved', look_alikes: [] })
  })

  test('is found by the mean of the templates, not by any single one', async () => {
    await save('S001', [face(0, 0.8, 5), face(0, 0.8, 6)])
    // Each of the first one's photos alone: 0.8; their mean: 0.8 / sqrt(0.64 + 0.18) = 0.883.
    expect(await save('S002', [face(0)])).toMatchObject({ outcome: 'same_person', others: [{ similarity: expect.closeTo(0.8 / Math.sqrt(0.82), 4) }] })
  })
})

describe('look-alikes', () => {
  test('are stored, told to who enrols, listed once with the smaller id first, and told to the kiosk for both', async () => {
    await save('S010', [face(0)])
    expect(await save('S002', [face(0, 0.69)])).toMatchObject({ outcome: 'saved', look_alikes: [{ student_id: 'S010', similarity: expect.closeTo(0.69, 4) }] })
    expect(await save('S003', [face(0, 0.45, 7)])).toEqual({ outcome: 'saved', look_alikes: [] })
    expect(await pairs()).toEqual(['S002 S010'])
    const roster = await roomSchedule(db, 'LAB-301', NOW)
    const looksLike = Object.fromEntries((roster?.students ?? []).map(({ student_id, look_alikes }) => [student_id, look_alikes]))
    expect([looksLike['S002'], looksLike['S010'], looksLike['S003']]).toEqual([['S010'], ['S002'], []])
  })

  test('are exactly the pairs between the two levels, whatever the cosine and the order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.double({ min: -0.99, max: 0.999, noNaN: true }), fc.boolean(), async (cosine, turned) => {
        await db.sql`TRUNCATE templates`
        const [first, second] = turned ? ['S005', 'S004'] : ['S004', 'S005']
        await save(first, [face(0)])
        const { outcome } = await save(second, [face(0, cosine)])
        // float32 rounds the vectors: at the very level either answer is right.
        fc.pre(Math.abs(cosine - SAME_PERSON) > 1e-6 && Math.abs(cosine - LOOK_ALIKE) > 1e-6)
        expect(outcome).toBe(cosine >= SAME_PERSON ? 'same_person' : 'saved')
        expect(await pairs()).toEqual(cosine >= LOOK_ALIKE && cosine < SAME_PERSON ? ['S004 S005'] : [])
      }),
      { numRuns: 30 },
    )
  })

  test('are forgotten with the templates: replaced, withdrawn, or erased by anybody\'s SQL', async () => {
    const both = async (): Promise<void> => {
      await db.sql`TRUNCATE templates`
      await save('S001', [face(0)])
      await save('S002', [face(0, 0.69)])
      expect(await pairs()).toEqual(['S001 S002'])
    }
    await both()
    await save('S002', [face(20)])
    expect(await pairs()).toEqual([])
    await both()
    await withdrawConsent(db, 'S001', NOW)
    expect(await pairs()).toEqual([])
    await saveConsent(db, 'S001', AGREED, NOW)
    await both()
    await db.sql`DELETE FROM templates WHERE student_id = 'S002'`
    expect(await pairs()).toEqual([])
    await both()
    await db.sql`UPDATE templates SET student_id = 'S003' WHERE student_id = 'S002'`
    expect(await pairs()).toEqual([])
  })

  test('of who withdraws at the moment that the other enrols are never left behind, and neither waits for ever', async () => {
    for (let round = 0; round < 20; round++) {
      await saveConsent(db, 'S001', { ...AGREED, statement: `round ${round}` }, NOW)
      await save('S001', [face(0)])
      const acts = [() => save('S002', [face(0, 0.69)]), () => withdrawConsent(db, 'S001', NOW)]
      await Promise.all((round % 2 ? acts : acts.toReversed()).map((act) => act()))
      expect(await templatesOf('S001')).toBe(0)
      expect(await pairs()).toEqual([])
    }
    await saveConsent(db, 'S001', AGREED, NOW)
  })

  test('among templates that were written past the server are found at its next round, and kiosks are told', async () => {
    const write = async (id: string, embedding: number[]) => {
      const row = { template_id: randomUUID(), student_id: id, model: CURRENT_MODEL }
      await db.sql`INSERT INTO templates (template_id, student_id, model, sealed, enrolled_at) VALUES (${row.template_id}, ${id}, ${CURRENT_MODEL}, ${await sealedAs(db, row, embedding)}, now())`
    }
    await save('S001', [face(0)])
    await write('S002', face(0, 0.69))
    await write('S003', face(0, 0.95, 8))
    await write('S004', face(30))
    expect(await pairs()).toEqual([])
    const before = await rosterVersion(db)
    expect(await compareTheUncompared(db, KEYRING, LIKENESS_LEVELS, NOW)).toBe(3)
    expect(await pairs()).toEqual(['S001 S003', 'S001 S002', 'S002 S003'])
    expect(await rosterVersion(db)).not.toBe(before)
    expect(await compareTheUncompared(db, KEYRING, LIKENESS_LEVELS, NOW)).toBe(0)
  })
})

describe('the mean of templates', () => {
  test('has length 1 and does not depend on their order', () => {
    const vectors = fc.array(fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(vectors, (some) => {
        const mean = meanFace(some)
        if (!mean) return
        expect(Math.hypot(...mean)).toBeCloseTo(1, 4)
        const turned = meanFace(some.toReversed())
        for (const [i, value] of mean.entries()) expect(turned?.[i]).toBeCloseTo(value, 3)
      }),
    )
  })

  test('of vectors that cancel out is none', () => {
    expect(meanFace([[1, 0], [-1, 0]])).toBeUndefined()
  })
})
