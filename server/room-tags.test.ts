import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Database } from '../db/connect.ts'
import { saveConsent, withdrawConsent } from '../db/consents.ts'
import { saveStudent, saveTemplates } from '../db/people.ts'
import { roomOutline, scheduleOf } from '../db/roster.ts'
import { KEYRING, openDemoSchool, sealedAs } from '../db/test-school.ts'
import { LIKENESS_LEVELS } from '#contract/look-alike'
import { CURRENT_MODEL } from '#contract/model'
import { openRoomTags } from './room-tags.ts'

/** The Friday before the clocks go forward in Stockholm. */
const FRIDAY = Date.parse('2026-03-27T06:00:00Z')
const HOUR = 3_600_000

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(new Date(FRIDAY)))
  // By day, over midnight, and in the hour that the clocks leave out; nothing else in the room.
  await db.sql`DELETE FROM schedules WHERE classroom_id = 'ROOM-204'`
  for (const [day, start, end] of [[5, '09:00', '10:00'], [5, '10:00', '11:30'], [5, '23:30', '00:30'], [6, '00:30', '01:00'], [6, '12:00', '13:00'], [7, '02:30', '03:30'], [7, '14:05', '15:00'], [1, '00:00', '08:00']] as const) {
    await db.sql`INSERT INTO schedules (course_id, classroom_id, day_of_week, start_time, end_time, effective_from) SELECT course_id, 'ROOM-204', ${day}, ${start}, ${end}, '2020-01-01' FROM courses ORDER BY course_id LIMIT 1`
  }
})
afterAll(() => close())

const face = (seed: number) => {
  const raw = Array.from({ length: 192 }, (_, i) => Math.sin(seed * 12.9898 + i * 78.233))
  const norm = Math.hypot(...raw)
  return raw.map((x) => x / norm)
}

const CHANGES = {
  nothing: () => Promise.resolve(),
  'a student': (n: number) => saveStudent(db, 'S001', { first_name: `Name ${n}`, last_name: 'L', email: null }),
  'a face': async (n: number) => {
    await saveConsent(db, 'S002', { statement: 'I agree', given_by: 'the guardian' }, new Date(FRIDAY))
    await saveTemplates(db, KEYRING, 'S002', [{ model: CURRENT_MODEL, embedding: face(n) }], new Date(FRIDAY), { levels: LIKENESS_LEVELS })
  },
  'an embedding alone': async (n: number) => {
    for (const { template_id } of await db.sql<{ template_id: string }[]>`SELECT template_id FROM templates WHERE student_id = 'S002'`) {
      await db.sql`UPDATE templates SET sealed = ${await sealedAs(db, { template_id, student_id: 'S002', model: CURRENT_MODEL }, face(n + 0.5))} WHERE template_id = ${template_id}`
    }
  },
  'the school\'s name': (n: number) => db.sql`UPDATE school SET name = ${`School ${n}`}`,
  'another room': (n: number) => db.sql`UPDATE classrooms SET name = ${`Hall ${n}`} WHERE classroom_id = 'HALL-1'`,
} as const

it('whatever changes, and whenever it is asked, a tag that is remembered is the tag that would be found', async () => {
  const tags = openRoomTags(db, 'settings')
  // Lessons begin and end, and come into view twelve hours before or at midnight, on the minute.
  const at = fc.tuple(fc.integer({ min: 0, max: 96 * 12 }), fc.constantFrom(-1, 0, 1, 0, 150_000)).map(([fives, off]) => new Date(FRIDAY + fives * 300_000 + off))
  const change = fc.constantFrom(...(Object.keys(CHANGES) as (keyof typeof CHANGES)[]))
  let n = 0
  let remembered = 0
  let polls = 0
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ at, again: fc.array(fc.integer({ min: 0, max: 3 * HOUR }), { maxLength: 4 }), change }), { maxLength: 5 }), async (steps) => {
      for (const step of steps) {
        await CHANGES[step.change]((n += 1))
        for (const later of [0, ...step.again.sort((a, b) => a - b)]) {
          const instant = new Date(step.at.getTime() + later)
          const known = await tags.known('ROOM-204', instant)
          const found = await openRoomTags(db, 'settings').take('ROOM-204', instant)
          polls += 1
          if (known === undefined) await tags.take('ROOM-204', instant)
          else {
            remembered += 1
            expect(known, instant.toISOString()).toEqual({ tag: found?.tag, version: found?.version })
          }
        }
      }
    }),
    { numRuns: 60 },
  )
  // Else the test would say nothing.
  expect(remembered).toBeGreaterThan(polls / 5)
})

it('is remembered until the next lesson begins or ends, and another setting makes another tag', async () => {
  const tags = openRoomTags(db, 'settings')
  const before = await tags.take('ROOM-204', new Date('2026-03-27T08:10:00Z'))
  expect(await tags.known('ROOM-204', new Date('2026-03-27T08:59:59.999Z'))).toMatchObject({ tag: before?.tag })
  expect(await tags.known('ROOM-204', new Date('2026-03-27T09:00:00Z'))).toBeUndefined()
  // A clock that went back knows nothing of what it remembers.
  expect(await tags.known('ROOM-204', new Date('2026-03-27T08:09:59Z'))).toBeUndefined()
  expect((await openRoomTags(db, 'others').take('ROOM-204', new Date('2026-03-27T08:10:00Z')))?.tag).not.toBe(before?.tag)
  expect(await tags.take('NOWHERE', new Date(FRIDAY))).toBeUndefined()
})

it('a template that is erased between the outline and the answer is in no answer', async () => {
  await CHANGES['a face'](900)
  const at = new Date('2026-03-27T08:10:00Z')
  const outline = await roomOutline(db, 'ROOM-204', at)
  expect(outline && (await scheduleOf(db, outline, KEYRING))?.students.flatMap(({ templates }) => templates)).toHaveLength(1)
  await withdrawConsent(db, 'S002', at)
  expect(outline && (await scheduleOf(db, outline, KEYRING))).toBeUndefined()
  const after = await roomOutline(db, 'ROOM-204', at)
  expect(after && (await scheduleOf(db, after, KEYRING))?.students.flatMap(({ templates }) => templates)).toEqual([])
})
