/**
 * What people (teachers, the office, the encode command) ask of the school: sign-in, lessons, registers
 * and their live line, corrections, histories, students, consent, templates.
 * Knows no screen and no device's roster, and keeps nothing: every answer is parsed and handed on.
 * All functions throw what request.ts throws: Refused (the server said no, and why) or Unreachable.
 */
import { z, type ZodType } from 'zod'
import { Confirmation } from '#contract/look-alike'
import {
  Courses,
  NewPin,
  Session,
  Student,
  Students,
  TemplatesAnswer,
  VerifyAnswer,
  type ConsentRequest,
  type Course,
  type PinRequest,
  type TemplatesRequest,
  type VerifyRequest,
} from '#contract/people'
import { Kiosk, Kiosks, Operations } from '#contract/kiosks'
import { CourseHistory, Lessons, Register, StudentHistory, type CorrectionRequest } from '#contract/register'
import { Recognition } from '#contract/recognition'
import { CourseReport, SchoolReport } from '#contract/report'
import { Room, Rooms, type RoomRequest } from '#contract/rooms'
import { DismissedAnswer, RecordedAnswer, SetAsideList, type RecordRequest } from '#contract/set-aside'
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
  const answer = await request(school.origin + path, { ...o, key: school.key })
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

export const signIn = (username: string, password: string): Promise<Session> =>
  ask(OWN, '/api/v1/session', { method: 'POST', body: { username, password }, answer: Session })

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

// ---------- lessons and registers ----------

/** @param date such as 2026-11-23; undefined: the school's today. */
export const lessonsOn = (date: string | undefined): Promise<Lessons> =>
  get(OWN, `/api/v1/lessons${date === undefined ? '' : `?date=${encodeURIComponent(date)}`}`, Lessons)

export const register = (key: LessonKey): Promise<Register> => get(OWN, lessonPath(key), Register)

/** Appends a correction; what the camera saw and what was corrected before stay beside it. @returns the register as it is now */
export const correct = (key: LessonKey, correction: CorrectionRequest): Promise<Register> =>
  ask(OWN, `${lessonPath(key)}/corrections`, { method: 'POST', body: correction, answer: Register })

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

export const courseReport = (courseId: string, months: ReportMonths): Promise<CourseReport> =>
  get(OWN, `/api/v1/reports/course/${encodeURIComponent(courseId)}${monthsQuery(months)}`, CourseReport)

// ---------- people ----------

export const students = async (school: School = OWN): Promise<Student[]> => (await get(school, '/api/v1/students', Students)).students

/** With the embedding model that the school uses; any string, for a server may know a newer one. */
export const studentsAndModel = (school: School = OWN): Promise<{ students: Student[]; model: string }> => get(school, '/api/v1/students', Students)

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

/** A kiosk in another tab of this browser hears at once that somebody's templates have changed; the others ask within a minute. */
async function tellingTabs<T extends Student>(change: Promise<T>, school: School): Promise<T> {
  const student = await change
  if (school === OWN) announceRosterChange()
  return student
}

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
