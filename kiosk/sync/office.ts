/**
 * What people (teachers, the office, the encode command) ask of the school: sign-in, lessons, registers
 * and their live line, corrections, histories, students, consent, templates.
 * Knows no screen and no device's roster, and keeps nothing: every answer is parsed and handed on.
 * All functions throw what request.ts throws: Refused (the server said no, and why) or Unreachable.
 */
import { z, type ZodType } from 'zod'
import {
  Certificate,
  Certificates,
  Consents,
  ConsentTexts,
  Forgettings,
  RetentionSchedule,
  StudentConsents,
  type ConsentRequest,
  type ConsentTextRequest,
  type ErasureRequest,
  type RetentionRequest,
} from '#contract/consent'
import { AuditLog, type AuditAction } from '#contract/audit'
import { NewCard } from '#contract/card'
import {
  Account,
  Accounts,
  MyAccount,
  NewAccount,
  RecoveryCodes,
  SecondFactorStart,
  SignInWays,
  type AccountRequest,
  type NewAccountRequest,
  type PasswordRequest,
} from '#contract/account'
import { Confirmation } from '#contract/look-alike'
import {
  Courses,
  NewPin,
  Session,
  Student,
  Students,
  TemplatesAnswer,
  VerifyAnswer,
  type Course,
  type PinRequest,
  type TemplatesRequest,
  type VerifyRequest,
} from '#contract/people'
import { Kiosk, Kiosks, Operations } from '#contract/kiosks'
import { PolicyAnswer, type SchoolPolicy } from '#contract/policy'
import { PairingCode, type PairingCodeRequest } from '#contract/pairing'
import { MarkChecks, type MarkCheckRequest } from '#contract/mark-check'
import { CourseHistory, Lessons, Register, StudentHistory, type CorrectionRequest } from '#contract/register'
import { Recognition } from '#contract/recognition'
import { CourseReport, SchoolReport, StudentReport } from '#contract/report'
import { Room, Rooms, type RoomRequest } from '#contract/rooms'
import { DismissedAnswer, RecordedAnswer, SetAsideList, type RecordRequest } from '#contract/set-aside'
import { patiently } from './patience.ts'
import { Refused, Unreachable, request, type Ask } from './request.ts'
import { announceRosterChange } from './same-browser.ts'

/** Which school is asked, and as whom. A page asks its own origin with its cookie; a command names both. */
export interface School {
  /** Such as `http://localhost:8000`; empty: the page's own. */
  origin: string
  /** Bearer key of a script; undefined: the cookie of the person signed in. */
  key: string | undefined
}

const OWN: School = { origin: '', key: undefined }

/** 204: an answer that says no more than "done". */
const Nothing = z.undefined()

async function ask<T>(school: School, path: string, o: Omit<Ask<T>, 'key' | 'etag'>): Promise<T> {
  const once = () => request(school.origin + path, { ...o, key: school.key })
  const answer = await (school === OWN ? once() : patiently(once))
  if (!answer) throw new Unreachable(`${path}: "not modified" was not asked for`)
  return answer.value
}

const get = <T>(school: School, path: string, answer: ZodType<T>): Promise<T> => ask(school, path, { answer })

const studentPath = (studentId: string): string => `/api/v1/students/${encodeURIComponent(studentId)}`

/** One lesson of one date: the key of a register. */
export interface LessonKey {
  held_on: string
  lesson_id: string
}

const lessonPath = (key: LessonKey): string => `/api/v1/lessons/${encodeURIComponent(key.held_on)}/${encodeURIComponent(key.lesson_id)}`

/** Whether the server said "who are you?": the caller shows the sign-in. */
export const isSignedOut = (error: unknown): boolean => error instanceof Refused && error.problem.code === 'unauthorized'

// ---------- who is asking ----------

/** Throws Refused `second_factor` where the password is right and a code is wanted, or the code is not right. */
export const signIn = (username: string, password: string, code?: string): Promise<Session> =>
  ask(OWN, '/api/v1/session', { method: 'POST', body: { username, password, ...(code === undefined ? {} : { code }) }, answer: Session })

export const signInWays = (): Promise<SignInWays> => get(OWN, '/api/v1/sign-in', SignInWays)

/** The school's own login: an address for the browser to go to. It comes back to /office. */
export const SCHOOL_LOGIN = '/api/v1/school-login'

/** Whose session has ended already is signed out, too. */
export async function signOut(): Promise<void> {
  try {
    await ask(OWN, '/api/v1/session', { method: 'DELETE', answer: Nothing })
  } catch (error) {
    if (!isSignedOut(error)) throw error
  }
}

/** @returns undefined when nobody is signed in. */
export async function currentSession(): Promise<Session | undefined> {
  try {
    return await get(OWN, '/api/v1/session', Session)
  } catch (error) {
    if (isSignedOut(error)) return undefined
    throw error
  }
}

// ---------- accounts ----------

export const accounts = (): Promise<Accounts> => get(OWN, '/api/v1/accounts', Accounts)

const accountPath = (accountId: number): string => `/api/v1/accounts/${accountId}`

/** @returns with the password, told this once. */
export const makeAccount = (wanted: NewAccountRequest): Promise<NewAccount> => ask(OWN, '/api/v1/accounts', { method: 'POST', body: wanted, answer: NewAccount })

export const saveAccount = (accountId: number, wanted: AccountRequest): Promise<Account> => ask(OWN, accountPath(accountId), { method: 'PUT', body: wanted, answer: Account })

/** Another password in the place of theirs, told this once. */
export const renewPassword = (accountId: number): Promise<NewAccount> => ask(OWN, `${accountPath(accountId)}/password`, { method: 'POST', body: {}, answer: NewAccount })

export const removeFactorOf = (accountId: number): Promise<Account> => ask(OWN, `${accountPath(accountId)}/second-factor`, { method: 'DELETE', answer: Account })

export const endSessionsOf = (accountId: number): Promise<Account> => ask(OWN, `${accountPath(accountId)}/sessions`, { method: 'DELETE', answer: Account })

const MY_ACCOUNT = '/api/v1/account'

export const myAccount = (): Promise<Account> => get(OWN, MY_ACCOUNT, MyAccount)

export const changePassword = (change: PasswordRequest): Promise<Account> => ask(OWN, `${MY_ACCOUNT}/password`, { method: 'PUT', body: change, answer: MyAccount })

export const beginSecondFactor = (password_now: string): Promise<SecondFactorStart> => ask(OWN, `${MY_ACCOUNT}/second-factor`, { method: 'POST', body: { password_now }, answer: SecondFactorStart })

export const confirmSecondFactor = (code: string): Promise<RecoveryCodes> => ask(OWN, `${MY_ACCOUNT}/second-factor`, { method: 'PUT', body: { code }, answer: RecoveryCodes })

export const removeSecondFactor = (password_now: string, code: string): Promise<Account> =>
  ask(OWN, `${MY_ACCOUNT}/second-factor/removal`, { method: 'POST', body: { password_now, code }, answer: MyAccount })

// ---------- lessons and registers ----------

/** @param date such as 2026-11-23; undefined: the school's today. */
export const lessonsOn = (date: string | undefined): Promise<Lessons> =>
  get(OWN, `/api/v1/lessons${date === undefined ? '' : `?date=${encodeURIComponent(date)}`}`, Lessons)

export const register = (key: LessonKey): Promise<Register> => get(OWN, lessonPath(key), Register)

/** Appends a correction; what the camera saw and what was corrected before stay beside it. @returns the register as it is now */
export const correct = (key: LessonKey, correction: CorrectionRequest): Promise<Register> =>
  ask(OWN, `${lessonPath(key)}/corrections`, { method: 'POST', body: correction, answer: Register })

/** The marks of the lesson that are asked about. */
export const markChecks = (key: LessonKey): Promise<MarkChecks> => get(OWN, `${lessonPath(key)}/checks`, MarkChecks)

export const answerCheck = (key: LessonKey, body: MarkCheckRequest): Promise<MarkChecks> =>
  ask(OWN, `${lessonPath(key)}/checks`, { method: 'POST', body, answer: MarkChecks })

export type Line = 'live' | 'down'

/** First pause before a dropped line is opened again; doubles up to the longest. */
const REOPEN_FIRST_MS = 1_000
const REOPEN_LONGEST_MS = 20_000

/** Refusals that waiting does not mend. */
const ENDS_WATCH: ReadonlySet<string> = new Set(['unauthorized', 'forbidden', 'not_found'])

/**
 * Follows one register by server-sent events until the returned function is called.
 * 1. open the line; each `register` event is parsed and handed on, and says the line is live.
 * 2. the line drops (or the page was asleep, or the network came back): say `down`, close it,
 *    and after a pause ask for the register itself. EventSource hides the status of a refusal, a request
 *    does not: signed out or no such lesson ends the watch with `onRefused`.
 * 3. answered: hand the register on, and go to 1. Not answered: pause longer, and ask again.
 */
export function watchRegister(
  key: LessonKey,
  on: { register: (register: Register) => void; line: (line: Line) => void; refused: (why: Refused) => void },
): () => void {
  let source: EventSource | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let pauseMs = REOPEN_FIRST_MS
  let stopped = false

  const open = (): void => {
    source = new EventSource(`${lessonPath(key)}/events`)
    source.addEventListener('open', () => {
      pauseMs = REOPEN_FIRST_MS
      on.line('live')
    })
    source.addEventListener('register', (event: MessageEvent<string>) => {
      const parsed = parseRegister(event.data)
      if (parsed) on.register(parsed)
      else drop()
    })
    source.addEventListener('error', drop)
  }

  const drop = (): void => {
    if (stopped) return
    source?.close()
    source = undefined
    on.line('down')
    clearTimeout(timer)
    timer = setTimeout(reopen, pauseMs)
    pauseMs = Math.min(pauseMs * 2, REOPEN_LONGEST_MS)
  }

  const reopen = async (): Promise<void> => {
    clearTimeout(timer)
    try {
      const answer = await register(key)
      if (stopped || source) return
      on.register(answer)
      open()
    } catch (error) {
      if (stopped) return
      if (error instanceof Refused && ENDS_WATCH.has(error.problem.code)) {
        stop()
        on.refused(error)
      } else drop()
    }
  }

  /** A phone that slept or a cable that came back leaves a line that looks open and is dead. */
  const renew = (): void => {
    if (stopped || document.visibilityState === 'hidden') return
    source?.close()
    source = undefined
    void reopen()
  }

  const stop = (): void => {
    stopped = true
    clearTimeout(timer)
    source?.close()
    removeEventListener('online', renew)
    removeEventListener('offline', drop)
    document.removeEventListener('visibilitychange', renew)
  }

  addEventListener('online', renew)
  addEventListener('offline', drop)
  document.addEventListener('visibilitychange', renew)
  open()
  return stop
}

function parseRegister(data: string): Register | undefined {
  try {
    return Register.parse(JSON.parse(data))
  } catch {
    return undefined
  }
}

// ---------- histories ----------

export const studentHistory = (studentId: string): Promise<StudentHistory> =>
  get(OWN, `/api/v1/attendance/student/${encodeURIComponent(studentId)}`, StudentHistory)

export const courseHistory = (courseId: string): Promise<CourseHistory> =>
  get(OWN, `/api/v1/attendance/course/${encodeURIComponent(courseId)}`, CourseHistory)

// ---------- reports ----------

/** Months such as 2026-09, both inclusive; undefined: the last twelve. */
export interface ReportMonths {
  from: string | undefined
  to: string | undefined
}

const monthsQuery = ({ from, to }: ReportMonths): string => {
  const query = new URLSearchParams({ ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }).toString()
  return query === '' ? '' : `?${query}`
}

export const schoolReport = (months: ReportMonths): Promise<SchoolReport> => get(OWN, `/api/v1/reports/school${monthsQuery(months)}`, SchoolReport)

export const studentReport = (studentId: string, months: ReportMonths): Promise<StudentReport> => get(OWN, `/api/v1/reports/student/${encodeURIComponent(studentId)}${monthsQuery(months)}`, StudentReport)

export const courseReport = (courseId: string, months: ReportMonths): Promise<CourseReport> =>
  get(OWN, `/api/v1/reports/course/${encodeURIComponent(courseId)}${monthsQuery(months)}`, CourseReport)

// ---------- people ----------

export const students = async (school: School = OWN): Promise<Student[]> => (await get(school, '/api/v1/students', Students)).students

/** With the school's policy, and the embedding model that it uses; any string, for a server may know a newer one. */
export const studentsAndModel = (school: School = OWN): Promise<{ students: Student[]; model: string; policy: SchoolPolicy }> => get(school, '/api/v1/students', Students)

export const courses = async (school: School = OWN): Promise<Course[]> => (await get(school, '/api/v1/courses', Courses)).courses

/** Throws Refused `not_found` for a student the school does not have. */
export const student = (studentId: string, school: School = OWN): Promise<Student> => get(school, studentPath(studentId), Student)

/** Adds the student, or changes the name. Like every write below: @returns the student as they are now. */
export const saveStudent = (studentId: string, name: { first_name: string; last_name: string }, school: School = OWN): Promise<Student> =>
  ask(school, studentPath(studentId), { method: 'PUT', body: name, answer: Student })

export const saveConsent = (studentId: string, consent: ConsentRequest, school: School = OWN): Promise<Student> =>
  ask(school, `${studentPath(studentId)}/consent`, { method: 'PUT', body: consent, answer: Student })

/** Withdraws consent, which erases every template of the student on the server, and on each kiosk at its next contact. */
export const withdrawConsent = (studentId: string, school: School = OWN): Promise<Student> =>
  tellingTabs(ask(school, `${studentPath(studentId)}/consent`, { method: 'DELETE', answer: Student }), school)

/**
 * Replaces the student's templates. Throws Refused `consent_missing` without consent on record, and `same_person`, with
 * `problem.others`, for a face that is another student's.
 * @param differentFrom students who are other people although their face is this one's (twins): somebody has said so
 */
export const saveTemplates = (studentId: string, templates: TemplatesRequest['templates'], school: School = OWN, differentFrom: readonly string[] = []): Promise<TemplatesAnswer> =>
  tellingTabs(
    ask(school, `${studentPath(studentId)}/templates`, {
      method: 'PUT',
      body: { templates, ...(differentFrom.length === 0 ? {} : { confirmed_different_from: differentFrom }) },
      answer: TemplatesAnswer,
    }),
    school,
  )

/** @returns the PIN, told this once, and the student. */
export async function savePin(studentId: string, wanted: PinRequest): Promise<NewPin> {
  const told = await ask(OWN, `${studentPath(studentId)}/pin`, { method: 'PUT', body: wanted, answer: NewPin })
  announceRosterChange()
  return told
}

export const removePin = (studentId: string): Promise<Student> =>
  tellingTabs(ask(OWN, `${studentPath(studentId)}/pin`, { method: 'DELETE', answer: Student }), OWN)

/** @returns what stands on the card, told this once, and the student. The card before is nobody's. */
export async function makeCard(studentId: string): Promise<NewCard> {
  const told = await ask(OWN, `${studentPath(studentId)}/card`, { method: 'PUT', body: {}, answer: NewCard })
  announceRosterChange()
  return told
}

export const removeCard = (studentId: string): Promise<Student> =>
  tellingTabs(ask(OWN, `${studentPath(studentId)}/card`, { method: 'DELETE', answer: Student }), OWN)

// ---------- the school's policy ----------

export const schoolPolicy = (): Promise<PolicyAnswer> => get(OWN, '/api/v1/policy', PolicyAnswer)

/** Asked twice by whoever calls it: under `no-biometrics` it erases every template, for good. */
export async function setPolicy(policy: SchoolPolicy): Promise<PolicyAnswer> {
  const answer = await ask(OWN, '/api/v1/policy', { method: 'PUT', body: { policy, confirmed: true }, answer: PolicyAnswer })
  announceRosterChange()
  return answer
}

/** A kiosk in another tab of this browser hears at once that somebody's templates have changed; the others ask within a minute. */
async function tellingTabs<T extends Student>(change: Promise<T>, school: School): Promise<T> {
  const student = await change
  if (school === OWN) announceRosterChange()
  return student
}

// ---------- privacy ----------

/** Of each text and language the newest version. */
export const consentTexts = (school: School = OWN): Promise<ConsentTexts> => get(school, '/api/v1/consent-texts', ConsentTexts)

/** Its next version. @returns all texts as they are now */
export const addConsentText = (text: ConsentTextRequest): Promise<ConsentTexts> => ask(OWN, '/api/v1/consent-texts', { method: 'POST', body: text, answer: ConsentTexts })

export const saveGuardianRequired = (required: boolean): Promise<ConsentTexts> =>
  ask(OWN, '/api/v1/consent-settings', { method: 'PUT', body: { guardian_required: required }, answer: ConsentTexts })

/** @param required null: as the school says */
export const saveGuardianOf = (studentId: string, required: boolean | null): Promise<Student> =>
  ask(OWN, `${studentPath(studentId)}/guardian`, { method: 'PUT', body: { required }, answer: Student })

/** @param after the last id of the page before; undefined: from the first */
export const consents = (search: string, after: string | undefined): Promise<Consents> =>
  get(OWN, `/api/v1/consents?${new URLSearchParams({ search, ...(after === undefined ? {} : { after }) }).toString()}`, Consents)

export const consentsOf = (studentId: string): Promise<StudentConsents> => get(OWN, `${studentPath(studentId)}/consents`, StudentConsents)

export const forgettings = (): Promise<Forgettings> => get(OWN, '/api/v1/forgettings', Forgettings)

/** @returns the certificate. The same `request_id` again erases nothing more. */
export async function eraseStudent(studentId: string, erasure: ErasureRequest): Promise<Certificate> {
  const certificate = await ask(OWN, `${studentPath(studentId)}/erasure`, { method: 'POST', body: erasure, answer: Certificate })
  announceRosterChange()
  return certificate
}

/** Where the file with everything that is held on one person is; a link to it saves it. */
export const exportPath = (studentId: string): string => `${studentPath(studentId)}/export`

export const certificates = (): Promise<Certificates> => get(OWN, '/api/v1/certificates', Certificates)

export const retentionSchedule = (): Promise<RetentionSchedule> => get(OWN, '/api/v1/retention-schedule', RetentionSchedule)

export const saveRetentionRule = (rule: RetentionRequest): Promise<RetentionSchedule> => ask(OWN, '/api/v1/retention-schedule', { method: 'PUT', body: rule, answer: RetentionSchedule })

// ---------- recognition ----------

export const recognition = (): Promise<Recognition> => get(OWN, '/api/v1/recognition', Recognition)

/** Two students whose faces say one are two people: who said so is kept. */
export const confirmDifferent = (student_ids: [string, string]): Promise<Confirmation> =>
  ask(OWN, '/api/v1/recognition/confirmed-different', { method: 'POST', body: { student_ids }, answer: Confirmation })

// ---------- kiosks, and what was set aside ----------

export const kiosks = (): Promise<Kiosks> => get(OWN, '/api/v1/kiosks', Kiosks)

export const operations = (): Promise<Operations> => get(OWN, '/api/v1/operations', Operations)

const kioskPath = (deviceId: string): string => `/api/v1/kiosks/${encodeURIComponent(deviceId)}`

/** Somebody has looked at it. @returns the kiosk as it is now. */
export const closeAlarm = (deviceId: string, alarmId: number): Promise<Kiosk> => ask(OWN, `${kioskPath(deviceId)}/alarms/${alarmId}/close`, { method: 'POST', body: {}, answer: Kiosk })

/** Of two copies of its storage the one that is in use now is the right one. @returns the kiosk as it is now. */
export const clearFence = (deviceId: string): Promise<Kiosk> => ask(OWN, `${kioskPath(deviceId)}/clear-fence`, { method: 'POST', body: {}, answer: Kiosk })

/** Its next request is answered 401, and it forgets its roster. @returns the kiosk as it is now. */
export const revokeKiosk = (deviceId: string): Promise<Kiosk> => ask(OWN, `${kioskPath(deviceId)}/revoke`, { method: 'POST', body: {}, answer: Kiosk })

/** It draws another key at its next beat. @returns the kiosk as it is now. */
export const wantKey = (deviceId: string): Promise<Kiosk> => ask(OWN, `${kioskPath(deviceId)}/want-key`, { method: 'POST', body: {}, answer: Kiosk })

/** A one-time code that makes a device this room's kiosk. */
export const makePairingCode = (roomId: string, wanted: PairingCodeRequest): Promise<PairingCode> =>
  ask(OWN, `/api/v1/rooms/${encodeURIComponent(roomId)}/pairing-codes`, { method: 'POST', body: wanted, answer: PairingCode })

/** @param before the last of the page before; undefined: the newest. */
export const setAside = (before: number | undefined): Promise<SetAsideList> => get(OWN, `/api/v1/set-aside${before === undefined ? '' : `?before=${before}`}`, SetAsideList)

export const recordSetAside = (id: number, change: RecordRequest): Promise<RecordedAnswer> => ask(OWN, `/api/v1/set-aside/${id}/record`, { method: 'POST', body: change, answer: RecordedAnswer })

export const dismissSetAside = (id: number): Promise<DismissedAnswer> => ask(OWN, `/api/v1/set-aside/${id}/dismiss`, { method: 'POST', body: {}, answer: DismissedAnswer })

// ---------- rooms ----------

export const rooms = async (): Promise<Room[]> => (await get(OWN, '/api/v1/rooms', Rooms)).rooms

/** @returns the room as it is now; its kiosk obeys from its next pull. */
export async function saveRoom(roomId: string, change: RoomRequest): Promise<Room> {
  const room = await ask(OWN, `/api/v1/rooms/${encodeURIComponent(roomId)}`, { method: 'PUT', body: change, answer: Room })
  announceRosterChange()
  return room
}

/** How near a face is to the templates on record. Templates themselves never leave the server for this. */
export const verify = (studentId: string, face: VerifyRequest, school: School = OWN): Promise<VerifyAnswer> =>
  ask(school, `${studentPath(studentId)}/verify`, { method: 'POST', body: face, answer: VerifyAnswer })

// ---------- the audit log ----------

/** Undefined: all of them. */
export interface AuditFilter {
  actor?: string | undefined
  action?: AuditAction | undefined
  subject?: string | undefined
}

/** The newest first. @param before only older ones than this seq */
export function auditLog(filter: AuditFilter, before: number | undefined): Promise<AuditLog> {
  const query = new URLSearchParams(Object.entries({ ...filter, before: before === undefined ? undefined : String(before) }).filter((pair): pair is [string, string] => pair[1] !== undefined))
  return get(OWN, `/api/v1/audit?${query.toString()}`, AuditLog)
}
