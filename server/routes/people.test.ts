import { hash } from '@node-rs/argon2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CURRENT_MODEL, EMBEDDING_LENGTH } from '#contract/model'
import { Course, Courses, Student, Students, VerifyAnswer } from '#contract/people'
import { Problem } from '#contract/problem'
import { Schedule } from '#contract/schedule'
import { saveAccount } from '../../db/accounts.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
})
afterAll(() => school.stop())

const ask = (path: string, method = 'GET', body?: unknown, key: string | undefined = school.apiKey): Promise<Response> => Promise.resolve(school.app.request(`/api/v1/${path}`, asked(key, body, method)))

/** A unit vector along one axis, leaning a little towards the next. */
function embedding(axis: number, lean = 0): number[] {
  const vector = Array.from({ length: EMBEDDING_LENGTH[CURRENT_MODEL] }, () => 0)
  vector[axis] = Math.cos(lean)
  vector[axis + 1] = Math.sin(lean)
  return vector
}
const template = (axis: number): unknown => ({ model: CURRENT_MODEL, embedding: embedding(axis) })
const CONSENT = { statement: 'My face may be used to mark me present.', given_by: 'Amina Yusuf' }

async function studentOf(response: Response): Promise<Student> {
  expect(response.status).toBe(200)
  return Student.parse(await response.json())
}

describe('students', () => {
  it('are listed, added and changed', async () => {
    expect(Students.parse(await (await ask('students')).json()).students).toHaveLength(24)
    expect(await studentOf(await ask('students/S777', 'PUT', { first_name: ' Ada ', last_name: 'Ek' }))).toMatchObject({ student_id: 'S777', first_name: 'Ada', email: null, consent: null, templates: [] })
    expect(await studentOf(await ask('students/S777', 'PUT', { first_name: 'Ada', last_name: 'Ek', email: 'ada@school.example' }))).toMatchObject({ email: 'ada@school.example' })
    expect((await ask('students/S778')).status).toBe(404)
  })

  it('with a name or address that is none are refused by field', async () => {
    const problem = Problem.parse(await (await ask('students/S779', 'PUT', { first_name: '  ', email: 'nowhere' })).json())
    expect(problem.errors?.map(({ field }) => field)).toEqual(['first_name', 'last_name', 'email'])
    expect((await ask('students/S7 79', 'PUT', { first_name: 'A', last_name: 'B' })).status).toBe(422)
  })

  it('are no device\'s and no stranger\'s business', async () => {
    expect((await ask('students', 'GET', undefined, school.deviceKey)).status).toBe(403)
    expect((await ask('students/S001/templates', 'PUT', { templates: [template(0)] }, school.deviceKey)).status).toBe(403)
    expect((await ask('students', 'GET', undefined, 'wrong')).status).toBe(401)
  })
})

describe('a template', () => {
  it('is refused without consent, kept with it, sent to the room, and gone with the consent', async () => {
    const path = 'students/S001/templates'
    const refused = await ask(path, 'PUT', { templates: [template(0)] })
    expect(refused.status).toBe(403)
    expect(Problem.parse(await refused.json()).code).toBe('consent_missing')

    expect((await studentOf(await ask('students/S001/consent', 'PUT', CONSENT))).consent).toMatchObject(CONSENT)
    const kept = await ask(path, 'PUT', { templates: [template(0), template(2)] })
    const text = await kept.clone().text()
    expect((await studentOf(kept)).templates).toMatchObject([{ model: CURRENT_MODEL, count: 2 }])
    expect(text).not.toContain('embedding')

    const atKiosk = async (): Promise<number> => {
      const schedule = Schedule.parse(await (await ask('schedule?room_id=LAB-301', 'GET', undefined, school.deviceKey)).json())
      return [...schedule.students, ...schedule.ahead.students].flatMap(({ templates }) => templates).length
    }
    expect(await atKiosk()).toBe(2)

    const withdrawn = await studentOf(await ask('students/S001/consent', 'DELETE'))
    expect(withdrawn).toMatchObject({ consent: null, templates: [] })
    expect(await atKiosk()).toBe(0)
    expect((await ask(path, 'PUT', { templates: [template(0)] })).status).toBe(403)
  })

  it('that is no unit vector of its model is refused by field', async () => {
    await ask('students/S002/consent', 'PUT', CONSENT)
    const cases: [unknown, string][] = [
      [{ model: CURRENT_MODEL, embedding: embedding(0).slice(1) }, 'templates[0].embedding'],
      [{ model: CURRENT_MODEL, embedding: embedding(0).map((value) => value * 2) }, 'templates[0].embedding'],
      [{ model: CURRENT_MODEL, embedding: embedding(0).with(5, Number.NaN) }, 'templates[0].embedding[5]'],
      [{ model: 'faceres', embedding: embedding(0) }, 'templates[0].model'],
      [{ model: CURRENT_MODEL }, 'templates[0].embedding'],
      ['picture', 'templates[0]'],
    ]
    for (const [bad, field] of cases) {
      const response = await ask('students/S002/templates', 'PUT', { templates: [bad] })
      expect(response.status, field).toBe(422)
      expect(Problem.parse(await response.json()).errors?.map((fault) => fault.field), field).toContain(field)
    }
    expect((await studentOf(await ask('students/S002'))).templates).toEqual([])
  })

  it('of an unknown student is not found', async () => {
    for (const [path, method, body] of [['students/S999/templates', 'PUT', { templates: [template(0)] }], ['students/S999/consent', 'PUT', CONSENT], ['students/S999/consent', 'DELETE', undefined], ['students/S999/verify', 'POST', template(0)]] as const) {
      expect((await ask(path, method, body)).status, path).toBe(404)
    }
  })

  it('is compared with a face without leaving the server', async () => {
    await ask('students/S003/consent', 'PUT', CONSENT)
    expect(VerifyAnswer.parse(await (await ask('students/S003/verify', 'POST', template(0))).json())).toEqual({ similarity: null, threshold: school.parts.settings.recognition_threshold, match: false })
    await ask('students/S003/templates', 'PUT', { templates: [template(0), template(50)] })
    const near = VerifyAnswer.parse(await (await ask('students/S003/verify', 'POST', { model: CURRENT_MODEL, embedding: embedding(0, 0.5) })).json())
    expect(near.similarity).toBeCloseTo(Math.cos(0.5), 4)
    expect(near.match).toBe(true)
    const far = VerifyAnswer.parse(await (await ask('students/S003/verify', 'POST', template(100))).json())
    expect(far).toMatchObject({ match: false })
    expect(far.similarity).toBeCloseTo(0, 4)
  })
})

describe('consent', () => {
  it('must say what was agreed to and by whom', async () => {
    const problem = Problem.parse(await (await ask('students/S004/consent', 'PUT', { statement: '' })).json())
    expect(problem.errors?.map(({ field }) => field)).toEqual(['statement', 'given_by'])
  })
})

describe('courses', () => {
  it('are listed with who takes them, and enrolment replaces the list whole', async () => {
    expect(Courses.parse(await (await ask('courses')).json()).courses.map(({ course_id }) => course_id)).toContain('CS101')
    const course = Course.parse(await (await ask('courses/MU140/students', 'PUT', { student_ids: ['S001', 'S005'] })).json())
    expect(course.student_ids).toEqual(['S001', 'S005'])
  })

  it('with an unknown student change nothing, and say which', async () => {
    const response = await ask('courses/MU140/students', 'PUT', { student_ids: ['S001', 'S998', 'S999'] })
    expect(response.status).toBe(422)
    expect(Problem.parse(await response.json()).errors?.map(({ field }) => field)).toEqual(['student_ids[1]', 'student_ids[2]'])
    const courses = Courses.parse(await (await ask('courses')).json()).courses
    expect(courses.find(({ course_id }) => course_id === 'MU140')?.student_ids).toEqual(['S001', 'S005'])
    expect((await ask('courses/XX999/students', 'PUT', { student_ids: [] })).status).toBe(404)
  })
})

describe('a teacher', () => {
  it('sees students but changes neither them nor their consent', async () => {
    await saveAccount(school.db, { username: 'teacher', role: 'teacher', password_hash: await hash('a teacher\'s password') })
    const signedIn = await school.app.request('/api/v1/session', asked(undefined, { username: 'teacher', password: 'a teacher\'s password' }))
    const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? ''
    const as = (path: string, init: RequestInit = {}): Promise<Response> => Promise.resolve(school.app.request(`/api/v1/${path}`, { ...init, headers: { cookie, 'content-type': 'application/json' } }))
    expect((await as('students')).status).toBe(200)
    expect((await as('students/S001', { method: 'PUT', body: JSON.stringify({ first_name: 'A', last_name: 'B' }) })).status).toBe(403)
    expect((await as('students/S001/consent', { method: 'DELETE' })).status).toBe(403)
    expect((await as('courses/CS101/students', { method: 'PUT', body: '{"student_ids":[]}' })).status).toBe(403)
    expect((await as('schedule?room_id=LAB-301')).status).toBe(403)
  })
})
