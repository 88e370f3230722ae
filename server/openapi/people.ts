/** Students, what they are recognised by, and who takes which course. */
import { z } from 'zod'
import { NewCard } from '#contract/card'
import { CourseId, StudentId } from '#contract/ids'
import { Confirmation } from '#contract/look-alike'
import { Course, Courses, EnrolmentRequest, NewPin, PinRequest, Student, StudentRequest, Students, TemplatesAnswer, TemplatesRequest, VerifyAnswer, VerifyRequest } from '#contract/people'
import { ConfirmedDifferentRequest, Recognition } from '#contract/recognition'
import { OFFICE, STAFF } from './operation.ts'
import type { Operation } from './operation.ts'

const student = z.object({ student_id: StudentId })

export const PEOPLE: readonly Operation[] = [
  { method: 'get', path: '/api/v1/students', summary: 'All students', more: 'Teachers are told names and their own courses alone.', who: [...STAFF, 'privacy'], answers: { 200: { says: 'The students, by id.', schema: Students } }, example: {} },
  { method: 'get', path: '/api/v1/students/{student_id}', summary: 'One student', who: [...STAFF, 'privacy', 'student'], params: student, answers: { 200: { says: 'The student; never a template, a PIN or what stands on a card.', schema: Student } }, problems: ['not_found'], example: { params: { student_id: 'S001' } } },
  {
    method: 'put',
    path: '/api/v1/students/{student_id}',
    summary: 'Add a student, or change the name and address',
    who: OFFICE,
    params: student,
    body: StudentRequest,
    answers: {
      200: {
        says: 'The student as they now are.',
        schema: Student,
        example: { student_id: 'S100', first_name: 'Elin', last_name: 'Berg', email: 'elin.berg@school.example', course_ids: [], consent: null, guardian_required: false, templates: [], pin_set_at: null, card_made_at: null },
      },
    },
    example: { params: { student_id: 'S100' }, body: { first_name: 'Elin', last_name: 'Berg', email: 'elin.berg@school.example' } },
  },
  {
    method: 'put',
    path: '/api/v1/students/{student_id}/templates',
    summary: 'Replace a student\'s templates',
    more: 'Each embedding has as many numbers as its model gives, and length 1. Refused without consent on record, under a policy without faces, and where the face is another student\'s.',
    who: OFFICE,
    params: student,
    body: TemplatesRequest,
    answers: { 200: { says: 'The student as they now are, and whose faces are near.', schema: TemplatesAnswer } },
    problems: ['not_found', 'consent_missing', 'policy_forbids', 'same_person'],
  },
  {
    method: 'post',
    path: '/api/v1/students/{student_id}/verify',
    summary: 'Is this face the one on record?',
    more: 'Nothing is stored but that it was asked.',
    who: OFFICE,
    params: student,
    body: VerifyRequest,
    answers: { 200: { says: 'How near it is.', schema: VerifyAnswer } },
    problems: ['not_found', 'policy_forbids'],
  },
  { method: 'put', path: '/api/v1/students/{student_id}/pin', summary: 'Set a PIN, or have one made', who: OFFICE, params: student, body: PinRequest, answers: { 200: { says: 'The PIN, told this once.', schema: NewPin } }, problems: ['not_found'], example: { params: { student_id: 'S002' }, body: { generate: true } } },
  { method: 'delete', path: '/api/v1/students/{student_id}/pin', summary: 'Take the PIN away', who: OFFICE, params: student, answers: { 200: { says: 'The student as they now are.', schema: Student } }, problems: ['not_found'], example: { params: { student_id: 'S002' } } },
  { method: 'put', path: '/api/v1/students/{student_id}/card', summary: 'Make a card; the one before opens nothing any more', who: OFFICE, params: student, answers: { 200: { says: 'What stands on it, told this once.', schema: NewCard } }, problems: ['not_found'], example: { params: { student_id: 'S002' } } },
  { method: 'delete', path: '/api/v1/students/{student_id}/card', summary: 'End the card', who: OFFICE, params: student, answers: { 200: { says: 'The student as they now are.', schema: Student } }, problems: ['not_found'], example: { params: { student_id: 'S002' } } },
  { method: 'get', path: '/api/v1/courses', summary: 'The courses, and who is enrolled now', who: STAFF, answers: { 200: { says: 'The courses; a teacher\'s own for a teacher.', schema: Courses } }, example: {} },
  {
    method: 'put',
    path: '/api/v1/courses/{course_id}/students',
    summary: 'Who is enrolled from now on, replaced whole',
    who: OFFICE,
    params: z.object({ course_id: CourseId }),
    body: EnrolmentRequest,
    answers: { 200: { says: 'The course as it now is.', schema: Course } },
    problems: ['not_found'],
    example: { params: { course_id: 'MU140' }, body: { student_ids: ['S001', 'S002', 'S003'] } },
  },
  { method: 'get', path: '/api/v1/recognition', summary: 'How sure recognition is: look-alikes, students without a face, wrong marks to expect', who: OFFICE, answers: { 200: { says: 'The figures.', schema: Recognition } }, example: {} },
  { method: 'post', path: '/api/v1/recognition/confirmed-different', summary: 'Two students whose faces are near are two people', who: OFFICE, body: ConfirmedDifferentRequest, answers: { 200: { says: 'Who said so, and when.', schema: Confirmation } }, problems: ['not_found'], example: { body: { student_ids: ['S001', 'S002'] } } },
]
