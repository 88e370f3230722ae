import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Schedule } from '#contract/schedule'
import { scheduleJson } from './schedule-json.ts'

const component = fc.integer({ min: -100_000, max: 100_000 }).map((steps) => steps / 100_000 + 0)
const student = fc.record({
  student_id: fc.string(),
  // Somebody's name may look like anything.
  first_name: fc.oneof(fc.string(), fc.constantFrom('","embedding":"0"', 'embedding', '"embedding":"0"')),
  templates: fc.array(fc.record({ template_id: fc.uuid(), embedding: fc.array(component, { maxLength: 40 }) }), { maxLength: 3 }),
})

test('a schedule is read as what it was, to the last digit', () => {
  fc.assert(
    fc.property(fc.record({ students: fc.array(student), room: fc.record({ name: fc.string() }) }), (some) => {
      const schedule = some as unknown as Schedule
      expect(JSON.parse(scheduleJson(schedule))).toEqual(JSON.parse(JSON.stringify(schedule)))
    }),
  )
})
