import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashOf, routeOf, type Route } from './route.ts'

const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/)
const date = fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true }).map((day) => day.toISOString().slice(0, 10))
const route: fc.Arbitrary<Route> = fc.oneof(
  fc.record({ view: fc.constant('day' as const), date: fc.option(date, { nil: undefined }) }),
  fc.record({ view: fc.constant('lesson' as const), held_on: date, lesson_id: id }),
  fc.record({ view: fc.constant('student' as const), student_id: id }),
  fc.record({ view: fc.constant('course' as const), course_id: id }),
  fc.record({ view: fc.constantFrom('rooms' as const, 'kiosks' as const, 'set-aside' as const) }),
  fc.record({ view: fc.constant('reports' as const), course_id: fc.option(id, { nil: undefined }) }),
  fc.record({ view: fc.constant('pins' as const), course_id: fc.option(id, { nil: undefined }) }),
)

test('Every place has an address that leads back to it', () => {
  fc.assert(
    fc.property(route, (place) => {
      expect(routeOf(hashOf(place))).toEqual(place)
    }),
  )
})

test('An address that says nothing we know leads to today', () => {
  const today = { view: 'day', date: undefined }
  for (const hash of ['', '#', '#/', '#/nonsense/1', '#/lesson/2026-11-23', '#/lesson/yesterday/12', '#/day/soon', '#/student/%E0%A4%A']) {
    expect(routeOf(hash)).toEqual(today)
  }
  fc.assert(
    fc.property(fc.string(), (hash) => {
      expect(['day', 'lesson', 'student', 'course', 'pins', 'rooms', 'kiosks', 'set-aside', 'recognition', 'reports']).toContain(routeOf(hash).view)
    }),
  )
})
