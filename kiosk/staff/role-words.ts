/** What a role is called, and what it may do, for a person. Pure. */
import type { AccountRole } from '#contract/people'

export const ROLE_WORD: Readonly<Record<AccountRole, string>> = { office: 'Office', teacher: 'Teacher', privacy: 'Privacy officer', student: 'Student' }

export const ROLE_WHAT: Readonly<Record<AccountRole, string>> = {
  office: 'Students, devices, enrolment, registers, accounts.',
  teacher: 'Lessons, registers and reports of their own courses.',
  privacy: 'Consents, erasure, exports, the audit log and the policies; no register.',
  student: 'Their own attendance and consent.',
}
