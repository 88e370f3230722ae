import { expect, test } from 'vitest'
import { CURRENT_MODEL } from '#contract/model'
import type { Student } from '#contract/people'
import { findStudents, nextMissing, outdatedStudents, standingOf } from './standing.ts'

const consent = { statement: 'yes', given_by: 'Ada', given_at: '2026-11-23T08:00:00Z' }
const template = { model: CURRENT_MODEL, count: 3, enrolled_at: '2026-11-23T08:00:00Z' }
const person = (student_id: string, first_name: string, last_name: string, o: Partial<Student> = {}): Student => ({
  student_id,
  first_name,
  last_name,
  email: null,
  course_ids: [],
  consent: null,
  guardian_required: false,
  templates: [],
  pin_set_at: null,
  card_made_at: null,
  ...o,
})

test('How far an enrolment is follows from consent and templates', () => {
  expect(standingOf({ consent: null, templates: [] })).toBe('no_consent')
  expect(standingOf({ consent, templates: [] })).toBe('no_template')
  expect(standingOf({ consent, templates: [template] })).toBe('ready')
  expect(standingOf({ consent, templates: [{ ...template, model: 'older' }] })).toBe('old_model')
})

test('Who was enrolled with another model is outdated, whichever way the model changed, and nobody else', () => {
  const of = (...models: string[]) => models.map((model) => ({ ...template, model }))
  const students = [
    person('S001', 'Both', 'Models', { consent, templates: of('mobilefacenet-192-r1', 'faceres-1024-r1') }),
    person('S002', 'First', 'Model', { consent, templates: of('mobilefacenet-192-r1') }),
    person('S003', 'Second', 'Model', { consent, templates: of('faceres-1024-r1') }),
    person('S004', 'No', 'Template', { consent }),
    person('S005', 'No', 'Consent', { templates: of('mobilefacenet-192-r1') }),
  ]
  const ids = (model: string): string[] => outdatedStudents(students, model).map(({ student_id }) => student_id)
  expect(ids('mobilefacenet-192-r1')).toEqual(['S003'])
  expect(ids('faceres-1024-r1')).toEqual(['S002'])
  expect(ids('a-third')).toEqual(['S001', 'S002', 'S003'])
})

const ada = person('S001', 'Ada', 'Lovelace', { consent, templates: [template] })
const bjorn = person('S002', 'Björn', 'Ångström')
const carl = person('S003', 'Carl', 'Linné')

test('A student is found by any part of the name or id, whichever way round, without its accents', () => {
  const names = (wanted: string): string[] => findStudents([ada, bjorn, carl], wanted, false).map(({ student_id }) => student_id)
  expect(names('angstrom bjorn')).toEqual(['S002'])
  expect(names('Lovelace, Ada')).toEqual(['S001'])
  expect(names('s003')).toEqual(['S003'])
  expect(names('ada linné')).toEqual([])
})

test('The next student is one who is not ready, and at the end of the list it begins again', () => {
  const all = [ada, bjorn, carl]
  expect(findStudents(all, '', true).map(({ student_id }) => student_id)).not.toContain('S001')
  const after = (id: string): string | undefined => nextMissing(all, id)?.student_id
  const order = findStudents(all, '', false).map(({ student_id }) => student_id)
  expect(after(order[order.length - 1] ?? '')).toBe(order.find((id) => id !== 'S001'))
  expect(nextMissing([ada], 'S001')).toBeUndefined()
})
