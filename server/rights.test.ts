/**
 * Who gets what: every route x who asks x one's own or a foreign object, and the status that each gets. The routes are
 * the app's own, taken from it as it runs: one that is not in the table fails the test, and so does a row without a route.
 *
 * There are two of everything: A is room LAB-301 with course CS101, its lesson, its student, its teacher, its kiosk; B is
 * ROOM-204 with MU140 and its own. What is A's is A's own and foreign to B.
 */
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EMBEDDING_LENGTH } from '#contract/model'
import type { AccountRole } from '#contract/people'
import { saveDevice, revokeDevice } from '../db/devices.ts'
import { lessonsOn } from '../db/registers.ts'
import { saveEnrolment, saveStudent } from '../db/people.ts'
import { LOGIN_CALLBACK, openSchoolLogin } from './oidc.ts'
import { openSchoolKey } from './school-key.ts'
import { signedIn } from './throwaway-people.ts'
import { startThrowawaySchool } from './throwaway-school.ts'
import type { ThrowawaySchool } from './throwaway-school.ts'

/** A Monday at 09:20 in Stockholm, when both rooms have a lesson. */
let now = new Date('2026-11-23T08:20:00Z')

const LETTERS = ['A', 'B'] as const
type Letter = (typeof LETTERS)[number]

interface Objects {
  room_id: string
  course_id: string
  student_id: string
  device_id: string
  /** A kiosk that may be revoked. */
  spare_id: string
  held_on: string
  lesson_id: string
  account_id: number
  axis: number
}

const KINDS = ['nobody', 'wrong key', 'revoked device', 'device', 'script', 'office', 'teacher', 'privacy', 'student'] as const
type Kind = (typeof KINDS)[number]
/** Who belongs to A or to B; the others belong to the school. */
const LETTERED: ReadonlySet<Kind> = new Set(['device', 'teacher', 'student'])

interface Asker {
  kind: Kind
  letter?: Letter
  headers: Record<string, string>
}

interface Row {
  /**
   * Kinds with a space between them; `kind:own`: for their own object alone. `everybody`: who asks is not looked at. All others
   * get 401 where nobody knows who they are, else 403.
   */
  may: string
  /** What those get. Where it is a refusal it is of something that no right has to do with: they were let through. */
  get: number
  /** Path parameters and query. */
  at?: (o: Objects) => { params?: Record<string, string | number>; query?: string }
  body?: (o: Objects) => unknown
  /** Where one of them gets something else. */
  but?: Partial<Record<Kind, number>>
}

let count = 0
const NOWHERE = '00000000-0000-7000-8000-000000000000'
const PASSWORD = 'a password of theirs'
const students = (o: Objects) => ({ params: { student_id: o.student_id } })
const courses = (o: Objects) => ({ params: { course_id: o.course_id } })
const lessons = (o: Objects) => ({ params: { held_on: o.held_on, lesson_id: o.lesson_id } })
const accounts = (o: Objects) => ({ params: { account_id: o.account_id } })
const kiosks = (o: Objects) => ({ params: { device_id: o.spare_id } })
const face = ({ axis }: Objects) => ({ model: 'mobilefacenet-192-r1', embedding: Array.from({ length: EMBEDDING_LENGTH['mobilefacenet-192-r1'] }, (_, i) => (i === axis ? 1 : 0)) })
const OFFICE = 'script office'
const PEOPLE = 'office teacher privacy student'

const TABLE: Readonly<Record<string, Row>> = {
  // ---------- for everybody
  'GET /livez': { may: 'everybody', get: 200 },
  'GET /readyz': { may: 'everybody', get: 200 },
  'GET /health': { may: 'everybody', get: 200 },
  'GET /api/v1/sign-in': { may: 'everybody', get: 200 },
  'GET /api/v1/retention-schedule': { may: 'everybody', get: 200 },
  'GET /retention-schedule': { may: 'everybody', get: 200 },
  'GET /openapi.json': { may: 'everybody', get: 200 },
  'GET /docs': { may: 'everybody', get: 200 },
  'GET /docs/:file': { may: 'everybody', get: 200, at: () => ({ params: { file: 'start.js' } }) },
  'POST /api/v1/session': { may: 'everybody', get: 200, body: () => ({ username: 'signs-in', password: PASSWORD }) },
  // To a login that is away: back to the page, which says so.
  'GET /api/v1/school-login': { may: 'everybody', get: 302 },
  'GET /api/v1/school-login/callback': { may: 'everybody', get: 302, at: () => ({ query: 'code=1&state=2' }) },
  // A code that nobody made.
  'POST /api/v1/pairing': { may: 'everybody', get: 404, body: () => ({ code: '0000-0000', key_sha256: 'a'.repeat(64) }) },
  'GET /metrics': { may: 'script', get: 200, but: { 'device': 401, 'office': 401, 'teacher': 401, 'privacy': 401, 'student': 401 } },

  // ---------- devices
  'POST /api/v1/attendance': { may: 'script device:own', get: 200, body: (o) => ({ device_id: o.device_id, records: [{ student_id: o.student_id, course_id: o.course_id, held_on: o.held_on, lesson_id: o.lesson_id, timestamp: now.toISOString(), confidence: 0.9 }] }) },
  'POST /api/v1/heartbeat': { may: 'script device:own', get: 200, body: (o) => ({ device_id: o.device_id }) },
  // The hash of the key that the device has already.
  'POST /api/v1/devices/rotate-key': { may: 'device', get: 200, body: () => ({ key_sha256: createHash('sha256').update(randomBytes(8)).digest('hex') }) },

  // ---------- lessons, registers, histories
  'GET /api/v1/lessons': { may: `${OFFICE} teacher`, get: 200 },
  'GET /api/v1/lessons/:held_on/:lesson_id': { may: `${OFFICE} teacher:own`, get: 200, at: lessons },
  'GET /api/v1/lessons/:held_on/:lesson_id/events': { may: `${OFFICE} teacher:own`, get: 200, at: lessons },
  'POST /api/v1/lessons/:held_on/:lesson_id/corrections': { may: `${OFFICE} teacher:own`, get: 201, at: lessons, body: (o) => ({ student_id: o.student_id, status: 'excused' }) },
  'GET /api/v1/lessons/:held_on/:lesson_id/checks': { may: `${OFFICE} teacher:own`, get: 200, at: lessons },
  'POST /api/v1/lessons/:held_on/:lesson_id/checks': { may: `${OFFICE} teacher:own`, get: 201, at: lessons, body: (o) => ({ student_id: o.student_id, answer: 'yes' }) },
  'GET /api/v1/attendance/student/:student_id': { may: `${OFFICE} device:own teacher:own student:own`, get: 200, at: students },
  'GET /api/v1/attendance/course/:course_id': { may: `${OFFICE} device:own teacher:own`, get: 200, at: courses },
  'GET /api/v1/reports/student/:student_id': { may: `${OFFICE} teacher:own student:own`, get: 200, at: students },
  'GET /api/v1/reports/course/:course_id': { may: `${OFFICE} teacher:own`, get: 200, at: courses },
  'GET /api/v1/reports/school': { may: `${OFFICE} teacher`, get: 200 },

  // ---------- students and courses
  'GET /api/v1/students': { may: `${OFFICE} teacher privacy`, get: 200 },
  'GET /api/v1/students/:student_id': { may: `${OFFICE} teacher:own privacy student:own`, get: 200, at: students },
  // Before templates, which are refused without it.
  'PUT /api/v1/students/:student_id/consent': { may: `${OFFICE} privacy`, get: 200, at: students, body: () => ({ statement: 'I agree', given_by: 'Anna' }) },
  'PUT /api/v1/students/:student_id': { may: OFFICE, get: 200, at: students, body: () => ({ first_name: 'Anna', last_name: 'Andersson' }) },
  'PUT /api/v1/students/:student_id/templates': { may: OFFICE, get: 200, at: students, body: (o) => ({ templates: [face(o)] }) },
  // Now that there are templates in it.
  'GET /api/v1/schedule': { may: 'script device:own', get: 200, at: (o) => ({ query: `room_id=${o.room_id}` }) },
  'POST /api/v1/students/:student_id/verify': { may: OFFICE, get: 200, at: students, body: face },
  'PUT /api/v1/students/:student_id/pin': { may: OFFICE, get: 200, at: students, body: () => ({ pin: '4711' }) },
  'DELETE /api/v1/students/:student_id/pin': { may: OFFICE, get: 200, at: students },
  'PUT /api/v1/students/:student_id/card': { may: OFFICE, get: 200, at: students },
  'DELETE /api/v1/students/:student_id/card': { may: OFFICE, get: 200, at: students },
  'GET /api/v1/courses': { may: `${OFFICE} teacher`, get: 200 },
  'PUT /api/v1/courses/:course_id/students': { may: OFFICE, get: 200, at: courses, body: (o) => ({ student_ids: [o.student_id] }) },
  'GET /api/v1/recognition': { may: OFFICE, get: 200 },
  'POST /api/v1/recognition/confirmed-different': { may: OFFICE, get: 200, body: () => ({ student_ids: ['S023', 'S024'] }) },

  // ---------- consent, erasure, policy, audit
  'GET /api/v1/consent-texts': { may: `${OFFICE} privacy`, get: 200 },
  'POST /api/v1/consent-texts': { may: 'privacy', get: 200, body: () => ({ text_id: 'faces', language: 'en', words: `I agree ${(count += 1)}` }) },
  'PUT /api/v1/consent-settings': { may: 'privacy', get: 200, body: () => ({ guardian_required: false }) },
  'GET /api/v1/consents': { may: `${OFFICE} privacy`, get: 200 },
  'GET /api/v1/students/:student_id/consents': { may: `${OFFICE} privacy student:own`, get: 200, at: students },
  'PUT /api/v1/students/:student_id/guardian': { may: `${OFFICE} privacy`, get: 200, at: students, body: () => ({ required: null }) },
  'DELETE /api/v1/students/:student_id/consent': { may: `${OFFICE} privacy`, get: 200, at: students },
  'GET /api/v1/forgettings': { may: 'privacy', get: 200 },
  'POST /api/v1/students/:student_id/erasure': { may: 'privacy', get: 200, at: students, body: () => ({ scope: 'biometrics' }) },
  'GET /api/v1/students/:student_id/export': { may: 'privacy', get: 200, at: students },
  'GET /api/v1/certificates': { may: 'privacy', get: 200 },
  // One that was never made.
  'GET /api/v1/certificates/:certificate_id': { may: 'privacy', get: 404, at: () => ({ params: { certificate_id: NOWHERE } }) },
  'PUT /api/v1/retention-schedule': { may: 'privacy', get: 200, body: () => ({ kind: 'sessions', days: 30 }) },
  'GET /api/v1/policy': { may: `${OFFICE} teacher privacy`, get: 200 },
  'PUT /api/v1/policy': { may: 'privacy', get: 200, body: () => ({ policy: 'default' }) },
  'GET /api/v1/audit': { may: 'privacy', get: 200 },

  // ---------- rooms, kiosks, operations
  'GET /api/v1/rooms': { may: `${OFFICE} teacher`, get: 200 },
  'PUT /api/v1/rooms/:room_id': { may: OFFICE, get: 200, at: (o) => ({ params: { room_id: o.room_id } }), body: () => ({ liveness: 'watch' }) },
  'POST /api/v1/rooms/:room_id/pairing-codes': { may: OFFICE, get: 201, at: (o) => ({ params: { room_id: o.room_id } }), body: () => ({}) },
  'GET /api/v1/kiosks': { may: OFFICE, get: 200 },
  // There is no alarm.
  'POST /api/v1/kiosks/:device_id/alarms/:alarm_id/close': { may: OFFICE, get: 404, at: (o) => ({ params: { device_id: o.spare_id, alarm_id: 1 } }), body: () => ({}) },
  'POST /api/v1/kiosks/:device_id/clear-fence': { may: OFFICE, get: 200, at: kiosks, body: () => ({}) },
  'POST /api/v1/kiosks/:device_id/want-key': { may: OFFICE, get: 200, at: kiosks, body: () => ({}) },
  'POST /api/v1/kiosks/:device_id/revoke': { may: OFFICE, get: 200, at: kiosks, body: () => ({}) },
  'GET /api/v1/operations': { may: OFFICE, get: 200 },
  'GET /api/v1/set-aside': { may: OFFICE, get: 200 },
  // Nothing was set aside.
  'POST /api/v1/set-aside/:id/record': { may: OFFICE, get: 404, at: () => ({ params: { id: 1 } }), body: () => ({}) },
  'POST /api/v1/set-aside/:id/dismiss': { may: OFFICE, get: 404, at: () => ({ params: { id: 1 } }), body: () => ({}) },

  // ---------- accounts: one's own, and the office's list. A's and B's are their teachers'.
  // Nobody would have to send a name and a password.
  'POST /api/v1/token': { may: `nobody ${PEOPLE}`, get: 200, but: { 'nobody': 415 } },
  'GET /api/v1/session': { may: PEOPLE, get: 200 },
  'GET /api/v1/account': { may: PEOPLE, get: 200 },
  // They have no password here, so none that they could send is theirs.
  'PUT /api/v1/account/password': { may: PEOPLE, get: 422, body: () => ({ password_now: 'none', password: 'another password' }) },
  'POST /api/v1/account/second-factor': { may: PEOPLE, get: 422, body: () => ({ password_now: 'none' }) },
  'PUT /api/v1/account/second-factor': { may: PEOPLE, get: 409, body: () => ({ code: '123456' }) },
  'POST /api/v1/account/second-factor/removal': { may: PEOPLE, get: 422, body: () => ({ password_now: 'none', code: '123456' }) },
  'GET /api/v1/accounts': { may: 'office', get: 200 },
  'POST /api/v1/accounts': { may: 'office', get: 201, body: () => ({ username: `new-${(count += 1)}`, role: 'teacher' }) },
  'PUT /api/v1/accounts/:account_id': { may: 'office', get: 200, at: accounts, body: (o) => ({ role: 'teacher', course_ids: [o.course_id], disabled: false }) },
  'POST /api/v1/accounts/:account_id/password': { may: 'office', get: 200, at: (o) => ({ params: { account_id: o.account_id + SPARE } }) },
  'DELETE /api/v1/accounts/:account_id/second-factor': { may: 'office', get: 200, at: (o) => ({ params: { account_id: o.account_id + SPARE } }) },
  'DELETE /api/v1/accounts/:account_id/sessions': { may: 'office', get: 200, at: (o) => ({ params: { account_id: o.account_id + SPARE } }) },
  // Last: it ends the session that asks.
  'DELETE /api/v1/session': { may: PEOPLE, get: 204 },
}

/** So much after each teacher's account comes one that is nobody's in this test. */
const SPARE = 1

interface Case {
  route: string
  asker: Asker
  /** Undefined: the route has no object. */
  of: Letter | undefined
  expected: number
}

function expectedOf({ may, get, but }: Row, { kind, letter }: Pick<Asker, 'kind' | 'letter'>, of: Letter | undefined): number {
  const allowed = may.split(' ')
  if (allowed.includes('everybody')) return get
  if (allowed.includes(kind) || (allowed.includes(`${kind}:own`) && letter === of)) return but?.[kind] ?? get
  if (kind === 'nobody' || kind === 'wrong key' || kind === 'revoked device') return 401
  return but?.[kind] ?? 403
}

let school: ThrowawaySchool
const objects = {} as Record<Letter, Objects>
const askers: Asker[] = []
/** All that was answered. */
const told: { what: string; body: string }[] = []

beforeAll(async () => {
  const schoolLogin = openSchoolLogin(
    { issuer: 'http://localhost:9', clientId: 'a', clientSecret: 'b', scopes: 'openid', roleClaim: undefined, usernameClaim: undefined, redirectUri: `http://localhost${LOGIN_CALLBACK}` },
    openSchoolKey(randomBytes(32).toString('base64url')).derive('oidc-state'),
    () => now,
  )
  school = await startThrowawaySchool(() => now, { schoolLogin })
  const { db, parts } = school
  const { lessons: today } = await lessonsOn(db, '2026-11-23', now)
  const rights = { A: { room_id: 'LAB-301', course_id: 'CS101' }, B: { room_id: 'ROOM-204', course_id: 'MU140' } }
  const key = (): string => randomBytes(32).toString('base64url')
  const bearer = (value: string): Record<string, string> => ({ authorization: `Bearer ${value}` })
  for (const [axis, letter] of LETTERS.entries()) {
    const { room_id, course_id } = rights[letter]
    const lesson = today.find((one) => one.course_id === course_id)
    if (!lesson) throw new Error(`no lesson of ${course_id}`)
    const o: Objects = { room_id, course_id, student_id: `OWN-${letter}`, device_id: `pi-${letter}`, spare_id: `pi-spare-${letter}`, held_on: lesson.held_on, lesson_id: lesson.lesson_id, account_id: 0, axis }
    const { student_id } = o
    await saveStudent(db, student_id, { first_name: 'Own', last_name: letter, email: null })
    await saveEnrolment(db, course_id, [student_id], new Date(Date.parse(lesson.starts_at) - 3_600_000))
    const deviceKey = key()
    await saveDevice(db, { device_id: o.device_id, room_id, key: deviceKey })
    await saveDevice(db, { device_id: o.spare_id, room_id, key: key() })
    const teacher = await signedIn(school, { username: `teacher-${letter}`, role: 'teacher', course_ids: [course_id] })
    await signedIn(school, { username: `spare-${letter}`, role: 'teacher' })
    const student = await signedIn(school, { username: `student-${letter}`, role: 'student', student_id })
    o.account_id = teacher.account_id
    objects[letter] = o
    askers.push({ kind: 'device', letter, headers: bearer(deviceKey) }, { kind: 'teacher', letter, headers: { cookie: teacher.cookie } }, { kind: 'student', letter, headers: { cookie: student.cookie } })
  }
  const revoked = key()
  await saveDevice(db, { device_id: 'pi-revoked', room_id: 'LAB-301', key: revoked })
  await revokeDevice(db, 'pi-revoked', now)
  await parts.devices.reload()
  await signedIn(school, { username: 'signs-in', role: 'teacher', password: PASSWORD })
  for (const role of ['office', 'privacy'] as const satisfies readonly AccountRole[]) askers.push({ kind: role, headers: { cookie: (await signedIn(school, { username: `the-${role}`, role })).cookie } })
  askers.push({ kind: 'nobody', headers: {} }, { kind: 'wrong key', headers: bearer(key()) }, { kind: 'revoked device', headers: bearer(revoked) }, { kind: 'script', headers: bearer(school.apiKey) })
})
afterAll(() => school.stop())

async function ask(route: string, row: Row, headers: Record<string, string>, of: Letter | undefined): Promise<Response> {
  const [method = '', pattern = ''] = route.split(' ')
  const o = objects[of ?? 'A']
  const { params = {}, query } = row.at?.(o) ?? {}
  const path = pattern.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(params[name])))
  // Time passes, so that nobody is slowed down for having asked before.
  now = new Date(now.getTime() + 7_000)
  return school.app.request(query === undefined ? path : `${path}?${query}`, {
    method,
    headers: { ...headers, ...(row.body ? { 'content-type': 'application/json' } : {}) },
    ...(row.body ? { body: JSON.stringify(row.body(o)) } : {}),
  })
}

/** A live line has no end: its first words are enough. */
async function bodyOf(response: Response): Promise<string> {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return response.text()
  const reader = response.body?.getReader()
  const first = await reader?.read()
  await reader?.cancel()
  return new TextDecoder().decode(first?.value)
}

const routesOfApp = (): string[] => [...new Set(school.app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`))]
const aboutObjects = ({ at, body, may }: Row): boolean => may.includes(':own') || (at?.length ?? 0) > 0 || (body?.length ?? 0) > 0
const askersCount = KINDS.length + LETTERED.size
const casesCount = Object.values(TABLE).reduce((sum, row) => sum + askersCount * (aboutObjects(row) ? 2 : 1), 0)

describe('the table of rights', () => {
  it('names every route of the app, and no other', () => {
    expect(Object.keys(TABLE).toSorted()).toEqual(routesOfApp().toSorted())
  })

  it(`holds in each of its ${casesCount} cases: ${Object.keys(TABLE).length} routes x ${askersCount} who ask x own and foreign`, { timeout: 300_000 }, async () => {
    const wrong: string[] = []
    let asked = 0
    for (const [route, row] of Object.entries(TABLE)) {
      for (const of of aboutObjects(row) ? LETTERS : [undefined]) {
        for (const asker of askers) {
          const one: Case = { route, asker, of, expected: expectedOf(row, asker, of) }
          const response = await ask(route, row, asker.headers, of)
          const body = await bodyOf(response)
          asked += 1
          const what = `${route} of ${of ?? 'nobody'} by ${asker.kind}${asker.letter === undefined ? '' : ` ${asker.letter}`}`
          if (response.status !== one.expected) wrong.push(`${what}: ${response.status}, not ${one.expected}: ${body.slice(0, 160)}`)
          told.push({ what, body })
        }
      }
    }
    expect(wrong).toEqual([])
    expect(asked).toBe(casesCount)
  })

  it('knows itself what it means: a few of its cases, said once more in words', () => {
    const at = (route: string, kind: Kind, letter?: Letter, of: Letter | undefined = 'A'): number => {
      const row = TABLE[route]
      if (!row) throw new Error(`no row ${route}`)
      return expectedOf(row, { kind, ...(letter === undefined ? {} : { letter }) }, of)
    }
    expect(at('GET /api/v1/lessons/:held_on/:lesson_id', 'privacy')).toBe(403)
    expect(at('GET /api/v1/attendance/student/:student_id', 'privacy')).toBe(403)
    expect(at('GET /api/v1/attendance/student/:student_id', 'student', 'A', 'B')).toBe(403)
    expect(at('GET /api/v1/attendance/student/:student_id', 'student', 'A', 'A')).toBe(200)
    expect(at('GET /api/v1/attendance/course/:course_id', 'teacher', 'B', 'A')).toBe(403)
    expect(at('GET /api/v1/audit', 'script')).toBe(403)
    expect(at('GET /api/v1/audit', 'office')).toBe(403)
    expect(at('GET /api/v1/accounts', 'script')).toBe(403)
    expect(at('GET /api/v1/schedule', 'revoked device')).toBe(401)
    expect(at('GET /api/v1/schedule', 'device', 'B', 'A')).toBe(403)
  })

  it('gives nobody a template but a device, which gets its room\'s alone', () => {
    expect(told).toHaveLength(casesCount)
    const holding = told.filter(({ body }) => holdsTemplate(body))
    expect(holding.map(({ what }) => what)).toEqual(['GET /api/v1/schedule of A by device A', 'GET /api/v1/schedule of B by device B'])
    // The look itself is right: it finds them where they are.
    expect(holdsTemplate(JSON.stringify({ deep: [{ in: face(objects.A) }] }))).toBe(true)
    expect(holdsTemplate(JSON.stringify({ a: Buffer.from(new Float32Array(face(objects.A).embedding).buffer).toString('base64') }))).toBe(true)
  })
})

/** Shorter than any model's, longer than any list of numbers that we answer with. */
const SUSPICIOUS_NUMBERS = 64
/** Of base64 or hexadecimal digits without a break: a quarter of the smallest model's embedding in half precision. */
const SUSPICIOUS_TEXT = /[A-Za-z0-9+/_=-]{400}/

function holdsTemplate(body: string): boolean {
  let value: unknown
  try {
    value = JSON.parse(body.replace(/^event: \w+\ndata: /, ''))
  } catch {
    return SUSPICIOUS_TEXT.test(body)
  }
  return holds(value)
}

function holds(value: unknown): boolean {
  if (typeof value === 'string') return SUSPICIOUS_TEXT.test(value)
  if (Array.isArray(value)) return (value.length >= SUSPICIOUS_NUMBERS && value.every((one) => typeof one === 'number')) || value.some(holds)
  return typeof value === 'object' && value !== null && Object.values(value).some(holds)
}

describe('a write that a cookie stands for', () => {
  it('is refused on every route when another site\'s page sends it, whoever is signed in', { timeout: 120_000 }, async () => {
    const writes = Object.entries(TABLE).filter(([route]) => !route.startsWith('GET '))
    // No cookie stands for a code; it is the code that counts.
    const withoutCookie = new Set(['POST /api/v1/pairing'])
    const people = { office: '', privacy: '', student: '', teacher: '' }
    for (const role of Object.keys(people) as (keyof typeof people)[]) people[role] = (await signedIn(school, { username: `csrf-${role}`, role, ...(role === 'student' ? { student_id: 'S001' } : {}) })).cookie
    const taken: string[] = []
    for (const [route, row] of writes.filter(([name]) => !withoutCookie.has(name))) {
      for (const [role, cookie] of Object.entries(people)) {
        for (const site of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'https://evil.example' }, { origin: 'null' }]) {
          const response = await ask(route, row, { cookie, ...site } as Record<string, string>, 'A')
          if (response.status !== 403) taken.push(`${route} by ${role} from ${JSON.stringify(site)}: ${response.status}`)
        }
      }
    }
    expect(taken).toEqual([])
    // They were signed in all the while.
    for (const cookie of Object.values(people)) expect((await school.app.request('/api/v1/session', { headers: { cookie } })).status).toBe(200)
  })
})

describe('a teacher', () => {
  const by = async (path: string): Promise<unknown> => (await school.app.request(path, { headers: { cookie } })).json()
  let cookie: string
  beforeAll(async () => {
    const { db } = school
    await saveEnrolment(db, 'CS101', ['S001', 'S002'], now)
    await saveEnrolment(db, 'MU140', ['S002', 'S003'], now)
    cookie = (await signedIn(school, { username: 'filtered', role: 'teacher', course_ids: ['CS101'] })).cookie
  })

  it('finds in every list their own courses and students alone', async () => {
    const { students: listed } = (await by('/api/v1/students')) as { students: { student_id: string }[] }
    expect(listed.map(({ student_id }) => student_id)).toEqual(['S001', 'S002'])
    const { courses: taught } = (await by('/api/v1/courses')) as { courses: { course_id: string }[] }
    expect(taught.map(({ course_id }) => course_id)).toEqual(['CS101'])
    const { lessons: day } = (await by('/api/v1/lessons?date=2026-11-23')) as { lessons: { course_id: string }[] }
    expect(new Set(day.map(({ course_id }) => course_id))).toEqual(new Set(['CS101']))
    const report = (await by('/api/v1/reports/school')) as { courses: { course_id: string }[] }
    expect(report.courses.every(({ course_id }) => course_id === 'CS101')).toBe(true)
  })

  it('is told a student\'s name and no more: no address, consent, template, PIN or card, and no other course', async () => {
    await school.db.sql`INSERT INTO consents (student_id, statement, given_by, given_at) VALUES ('S002', 'I agree', 'Lukas', now()) ON CONFLICT DO NOTHING`
    expect(await by('/api/v1/students/S002')).toMatchObject({ student_id: 'S002', first_name: 'Lukas', last_name: 'Lindqvist', email: null, course_ids: ['CS101'], consent: null, templates: [], pin_set_at: null, card_made_at: null })
  })

  it('finds in a student\'s history what they teach themself', async () => {
    const { apiKey } = school
    const { lessons: day } = await lessonsOn(school.db, '2026-11-23', now)
    for (const course_id of ['CS101', 'MU140']) {
      const lesson = day.find((one) => one.course_id === course_id)
      const corrected = await school.app.request(`/api/v1/lessons/2026-11-23/${lesson?.lesson_id}/corrections`, {
        method: 'POST',
        headers: { 'authorization': `Bearer ${apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ student_id: 'S002', status: 'present' }),
      })
      expect(corrected.status).toBe(201)
    }
    const { records } = (await by('/api/v1/attendance/student/S002')) as { records: { course_id: string }[] }
    expect(records.map(({ course_id }) => course_id)).toEqual(['CS101'])
    const all = (await (await school.app.request('/api/v1/attendance/student/S002', { headers: { authorization: `Bearer ${apiKey}` } })).json()) as { records: { course_id: string }[] }
    expect(all.records.map(({ course_id }) => course_id).toSorted()).toEqual(['CS101', 'MU140'])
  })

  it('who is taken off a course while its register is open live sees no more of it', { timeout: 60_000 }, async () => {
    const { lessons: day } = await lessonsOn(school.db, '2026-11-23', now)
    const lesson = day.find(({ course_id }) => course_id === 'CS101')
    const response = await school.app.request(`/api/v1/lessons/2026-11-23/${lesson?.lesson_id}/events`, { headers: { cookie } })
    const reader = response.body?.getReader()
    expect(new TextDecoder().decode((await reader?.read())?.value)).toContain('event: register')
    await school.db.sql`DELETE FROM course_teachers WHERE account_id = (SELECT account_id FROM accounts WHERE username = 'filtered')`
    const correct = (status: string): Promise<Response> =>
      Promise.resolve(
        school.app.request(`/api/v1/lessons/2026-11-23/${lesson?.lesson_id}/corrections`, {
          method: 'POST',
          headers: { 'authorization': `Bearer ${school.apiKey}`, 'content-type': 'application/json' },
          body: JSON.stringify({ student_id: 'S001', status }),
        }),
      )
    expect((await correct('late')).status).toBe(201)
    const next = await reader?.read()
    expect(next?.done).toBe(true)
  })
})
