import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Schedule } from '#contract/schedule'
import { scheduleJson } from './schedule-json.ts'

const rounded = (value: number): number => Math.round(value * 1e5) / 1e5 + 0
const component = fc.oneof({ weight: 50, arbitrary: fc.double({ min: -1, max: 1, noNaN: true }).map(rounded) }, { weight: 1, arbitrary: fc.constantFrom(0, 1, -1, 0.99999, -0.00001) })
const student = fc.record({
  student_id: fc.string(),
  // Somebody's name may look like anything.
  first_name: fc.oneof(fc.string(), fc.constantFrom('","embedding":"0"', 'embedding', '"embedding":"0"')),
  templates: fc.array(fc.record({ template_id: fc.uuid(), embedding: fc.array(component, { minLength: 0, maxLength: 40 }) }), { maxLength: 3 }),
})

test('a schedule is read as what it was, to the last digit', () => {
  fc.assert(
    fc.property(fc.record({ students: fc.array(student), room: fc.record({ name: fc.string() }) }), (some) => {
      const schedule = some as unknown as Schedule
      expect(JSON.parse(scheduleJson(schedule))).toEqual(JSON.parse(JSON.stringify(schedule)))
    }),
  )
})
