/** Consent, erasure, export, policy, retention and the audit log. */
import { z } from 'zod'
import { AuditLog, AuditQuery } from '#contract/audit'
import { Certificate, Certificates, CertificatesQuery, ConsentRequest, Consents, ConsentSettings, ConsentsQuery, ConsentTextRequest, ConsentTexts, ErasureRequest, Forgettings, GuardianRequest, RetentionRequest, RetentionSchedule, StudentConsents } from '#contract/consent'
import { StudentId, Uuid } from '#contract/ids'
import { Student } from '#contract/people'
import { PolicyAnswer, PolicyRequest } from '#contract/policy'
import { EVERYBODY, KEEPERS, PRIVACY as OFFICER } from './operation.ts'
import type { Operation } from './operation.ts'

const student = z.object({ student_id: StudentId })

export const PRIVACY: readonly Operation[] = [
  { method: 'get', path: '/api/v1/consent-texts', summary: 'The words that people agree to', who: KEEPERS, answers: { 200: { says: 'Of each text and language the newest version.', schema: ConsentTexts } }, example: {} },
  { method: 'post', path: '/api/v1/consent-texts', summary: 'Other words for a text: its next version', who: OFFICER, body: ConsentTextRequest, answers: { 200: { says: 'The texts as they now are.', schema: ConsentTexts } }, example: { body: { text_id: 'faces', language: 'en', words: 'I agree that the kiosk recognises my face.' } } },
  { method: 'put', path: '/api/v1/consent-settings', summary: 'Whether guardians must consent', who: OFFICER, body: ConsentSettings, answers: { 200: { says: 'The texts and the setting.', schema: ConsentTexts } }, example: { body: { guardian_required: false } } },
  { method: 'get', path: '/api/v1/consents', summary: 'The students with the consent in force', who: KEEPERS, query: ConsentsQuery, answers: { 200: { says: 'One page, by id; the next one begins after its last.', schema: Consents } }, example: { query: { search: 'S00', limit: '5' } } },
  { method: 'get', path: '/api/v1/students/{student_id}/consents', summary: 'A student\'s consents, the withdrawn ones too', who: [...KEEPERS, 'student'], params: student, answers: { 200: { says: 'The newest first.', schema: StudentConsents } }, problems: ['not_found'], example: { params: { student_id: 'S001' } } },
  { method: 'put', path: '/api/v1/students/{student_id}/guardian', summary: 'Whether a guardian must consent for this student', who: KEEPERS, params: student, body: GuardianRequest, answers: { 200: { says: 'The student as they now are.', schema: Student } }, problems: ['not_found'], example: { params: { student_id: 'S003' }, body: { required: true } } },
  { method: 'put', path: '/api/v1/students/{student_id}/consent', summary: 'Record a consent', who: KEEPERS, params: student, body: ConsentRequest, answers: { 200: { says: 'The student as they now are.', schema: Student } }, problems: ['not_found'], example: { params: { student_id: 'S004' }, body: { statement: 'I agree that the kiosk recognises my face.', giver: 'student', given_by: 'Oskar Nowak', way: 'paper' } } },
  { method: 'delete', path: '/api/v1/students/{student_id}/consent', summary: 'Withdraw the consent, and erase everything that was made of the face', who: KEEPERS, params: student, answers: { 200: { says: 'The student as they now are.', schema: Student } }, problems: ['not_found'], example: { params: { student_id: 'S004' } } },
  { method: 'get', path: '/api/v1/forgettings', summary: 'Which kiosks have forgotten what was erased', who: OFFICER, answers: { 200: { says: 'The newest first.', schema: Forgettings } }, example: {} },
  {
    method: 'post',
    path: '/api/v1/students/{student_id}/erasure',
    summary: 'Erase what was made of the face, or the person',
    more: 'The same again, with the same `request_id`, erases nothing more and answers with the same certificate.',
    who: OFFICER,
    params: student,
    body: ErasureRequest,
    answers: { 200: { says: 'The certificate.', schema: Certificate } },
    problems: ['not_found', 'conflict'],
  },
  { method: 'get', path: '/api/v1/students/{student_id}/export', summary: 'Everything that is held on one person, as one file', who: OFFICER, params: student, answers: { 200: { says: 'One JSON object; its members are the kinds of data.', schema: z.looseObject({}), headers: { 'Content-Disposition': 'A name for the file.' } } }, problems: ['not_found'] },
  { method: 'get', path: '/api/v1/certificates', summary: 'The certificates of deletions', who: OFFICER, query: CertificatesQuery, answers: { 200: { says: 'The newest first.', schema: Certificates } }, example: {} },
  { method: 'get', path: '/api/v1/certificates/{certificate_id}', summary: 'One certificate', who: OFFICER, params: z.object({ certificate_id: Uuid }), answers: { 200: { says: 'The certificate.', schema: Certificate } }, problems: ['not_found'] },
  { method: 'get', path: '/api/v1/retention-schedule', summary: 'For how long each kind of data is kept', who: EVERYBODY, answers: { 200: { says: 'The schedule.', schema: RetentionSchedule } }, example: {} },
  { method: 'put', path: '/api/v1/retention-schedule', summary: 'Set the time of one kind', who: OFFICER, body: RetentionRequest, answers: { 200: { says: 'The schedule as it now is.', schema: RetentionSchedule } }, example: { body: { kind: 'set_aside', days: 180 } } },
  { method: 'get', path: '/retention-schedule', summary: 'The same as a page to read and to print', who: EVERYBODY, answers: { 200: { says: 'The page.', type: 'text/html' } } },
  { method: 'get', path: '/api/v1/policy', summary: 'What the school does with faces at all', who: ['script', 'office', 'teacher', 'privacy'], answers: { 200: { says: 'The policy.', schema: PolicyAnswer } }, example: {} },
  { method: 'put', path: '/api/v1/policy', summary: 'Choose the policy', more: 'Without `confirmed` a change is answered 409 with what follows from it, and nothing has changed.', who: ['privacy'], body: PolicyRequest, answers: { 200: { says: 'The policy.', schema: PolicyAnswer } }, problems: ['conflict'] },
  { method: 'get', path: '/api/v1/audit', summary: 'Who did what to whom', more: '`from` is inclusive and `to` exclusive; the next page is asked for with the last `seq` as `before`.', who: ['privacy'], query: AuditQuery, answers: { 200: { says: 'The newest first.', schema: AuditLog } } },
]
