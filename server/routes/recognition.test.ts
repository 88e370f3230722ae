import { hash } from '@node-rs/argon2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LOOK_ALIKE, SAME_PERSON, likenessOf } from '#contract/look-alike'
import { CURRENT_MODEL, EMBEDDING_LENGTH } from '#contract/model'
import { TemplatesAnswer } from '#contract/people'
import { Problem } from '#contract/problem'
import { Recognition, TERM_WEEKS, expectedWrongMarks } from '#contract/recognition'
import { saveAccount } from '../../db/accounts.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
const CONSENT = { statement: 'My face may be used to mark me present.', given_by: 'the guardian' }
let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
  for (const id of ['S001', 'S002', 'S003', 'S004']) await ask(`students/${id}/consent`, 'PUT', CONSENT)
})
afterAll(() => school.stop())

const ask = (path: string, method = 'GET', body?: unknown, key: string | undefined = school.apiKey): Promise<Response> => Promise.resolve(school.app.request(`/api/v1/${path}`, asked(key, body, method)))

/** Unit vector along an axis, or so near to it. */
function face(axis: number, cosine = 1): unknown {
  const vector = Array.from({ length: EMBEDDING_LENGTH[CURRENT_MODEL] }, () => 0)
  vector[axis] = cosine
  vector[axis + 1] = Math.sqrt(1 - cosine * cosine)
  return { model: CURRENT_MODEL, embedding: vector }
}

const enrol = (id: string, faces: unknown[], more: object = {}): Promise<Response> => ask(`students/${id}/templates`, 'PUT', { templates: faces, ...more })

async function recognition(): Promise<Recognition> {
  const response = await ask('recognition')
  expect(response.status).toBe(200)
  return Recognition.parse(await response.json())
}

describe('the levels', () => {
  it('tell one person, look-alikes and strangers apart, and what is no number is no likeness', () => {
    expect([likenessOf(1), likenessOf(SAME_PERSON), likenessOf(LOOK_ALIKE), likenessOf(LOOK_ALIKE - 0.01), likenessOf(Number.NaN)]).toEqual(['same_person', 'same_person', 'look_alike', undefined, undefined])
  })
})

describe('the same face under another id', () => {
  it('is refused with the other one\'s id and name, and stored once it is said that they are two', async () => {
    expect((await enrol('S001', [face(0)])).status).toBe(200)
    const refused = await enrol('S002', [face(0, 0.9)])
    expect(refused.status).toBe(409)
    const problem = Problem.parse(await refused.json())
    expect(problem).toMatchObject({ code: 'same_person', others: [{ student_id: 'S001', first_name: 'Amina', last_name: 'Yusuf' }] })
    expect(problem.detail).toContain('S001 (Amina Yusuf)')

    const wrong = await enrol('S002', [face(0, 0.9)], { confirmed_different_from: ['S777'] })
    expect(wrong.status).toBe(422)
    expect(Problem.parse(await wrong.json()).errors).toMatchObject([{ field: 'confirmed_different_from[0]' }])

    const stored = await enrol('S002', [face(0, 0.9)], { confirmed_different_from: ['S001'] })
    expect(stored.status).toBe(200)
    expect(TemplatesAnswer.parse(await stored.json())).toMatchObject({ student_id: 'S002', look_alikes: [{ student_id: 'S001' }] })
    expect((await recognition()).look_alikes).toMatchObject([{ students: [{ student_id: 'S001' }, { student_id: 'S002' }], confirmed_different: { confirmed_by: 'script', confirmed_at: NOW.toISOString() } }])
  })
})

describe('the overview', () => {
  it('counts faces and names who has none and why', async () => {
    const answer = await recognition()
    expect(answer).toMatchObject({ students: 24, with_face: 2, model: CURRENT_MODEL, false_accept_budget: school.parts.settings.false_accept_budget })
    expect(answer.without_face).toHaveLength(22)
    expect(answer.without_face.find(({ student_id }) => student_id === 'S003')?.why).toBe('no_template')
    expect(answer.without_face.find(({ student_id }) => student_id === 'S010')?.why).toBe('no_consent')
  })

  it('counts the lessons to come in rooms with a kiosk, and what strangers in them cost', async () => {
    const { lessons_left, false_accept_budget } = await recognition()
    // LAB-301 teaches every hour of every day; the lesson that is on counts, those before it do not. No clock is changed in these weeks.
    expect(lessons_left).toEqual({ from: '2026-11-23', to: '2027-03-29', count: 24 * (7 * TERM_WEEKS + 1) - 10 - 1 })
    expect(expectedWrongMarks({ lessons_left, false_accept_budget }, 0)).toBe(0)
    expect(expectedWrongMarks({ lessons_left, false_accept_budget }, 2)).toBeCloseTo(2 * lessons_left.count * false_accept_budget, 6)
  })

  it('counts no lesson in a room whose kiosk is revoked', async () => {
    await school.db.sql`UPDATE devices SET revoked_at = now()`
    expect((await recognition()).lessons_left.count).toBe(0)
    await school.db.sql`UPDATE devices SET revoked_at = NULL`
  })

  it('takes a person\'s word that two are two people, and knows no stranger', async () => {
    const say = (student_ids: string[]): Promise<Response> => ask('recognition/confirmed-different', 'POST', { student_ids })
    expect(await (await say(['S004', 'S003'])).json()).toEqual({ confirmed_by: 'script', confirmed_at: NOW.toISOString() })
    expect((await say(['S004', 'S999'])).status).toBe(404)
    expect((await say(['S004', 'S004'])).status).toBe(422)
    await enrol('S003', [face(40)])
    expect((await enrol('S004', [face(40)])).status).toBe(200)
  })

  it('is for the office alone: no device and no teacher sees who looks like whom', async () => {
    expect((await ask('recognition', 'GET', undefined, school.deviceKey)).status).toBe(403)
    await saveAccount(school.db, { username: 'teacher', role: 'teacher', password_hash: await hash('a teacher\'s password') })
    const signedIn = await school.app.request('/api/v1/session', asked(undefined, { username: 'teacher', password: 'a teacher\'s password' }))
    const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? ''
    const as = (path: string, init: RequestInit = {}): Promise<Response> => Promise.resolve(school.app.request(`/api/v1/${path}`, { ...init, headers: { cookie, 'content-type': 'application/json' } }))
    expect((await as('recognition')).status).toBe(403)
    expect((await as('students/S002/templates', { method: 'PUT', body: JSON.stringify({ templates: [face(0)] }) })).status).toBe(403)
  })
})
