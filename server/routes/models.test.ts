import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EMBEDDING_LENGTH, ModelEmbedding, modelIds, unpackEmbedding } from '#contract/model'
import type { ModelId } from '#contract/model'
import { Student, Students, VerifyAnswer } from '#contract/people'
import { Schedule } from '#contract/schedule'
import { createApp } from '../app.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
const [FIRST, SECOND] = ['mobilefacenet-192-r1', 'faceres-1024-r1'] as const
let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
  for (const id of ['S001', 'S002']) await ask(`students/${id}/consent`, 'PUT', { statement: 'My face may be used.', given_by: 'Amina Yusuf' })
})
afterAll(() => school.stop())

const ask = (path: string, method = 'GET', body?: unknown, key = school.apiKey, app = school.app): Promise<Response> => Promise.resolve(app.request(`/api/v1/${path}`, asked(key, body, method)))

/** Along one axis, or, by its angle, between two. */
const face = (model: ModelId, axis: number, angle = 0): ModelEmbedding => ({
  model,
  embedding: Array.from({ length: EMBEDDING_LENGTH[model] }, (_, i) => (i === axis ? Math.cos(angle) : i === axis + 1 ? Math.sin(angle) : 0)),
})
const save = async (id: string, ...templates: ModelEmbedding[]): Promise<Student> => {
  const answer = await ask(`students/${id}/templates`, 'PUT', { templates })
  expect(answer.status).toBe(200)
  return Student.parse(await answer.json())
}
const verify = async (id: string, probe: ModelEmbedding): Promise<VerifyAnswer> => VerifyAnswer.parse(await (await ask(`students/${id}/verify`, 'POST', probe)).json())

describe('a school whose model changes', () => {
  it('tells whoever enrols which model it uses', async () => {
    expect(Students.parse(await (await ask('students')).json()).model).toBe(FIRST)
    const other = createApp({ ...school.parts, model: SECOND })
    expect(Students.parse(await (await ask('students', 'GET', undefined, school.apiKey, other)).json()).model).toBe(SECOND)
    // A server from before there was a choice did not say so.
    expect(Students.parse({ students: [] }).model).toBe(FIRST)
  })

  it('keeps templates of both models on one student, and replaces those of the one that is sent', async () => {
    await save('S001', face(FIRST, 3))
    await save('S001', face(SECOND, 40), face(SECOND, 41))
    expect((await save('S001', face(FIRST, 5), face(FIRST, 6))).templates).toMatchObject([{ model: SECOND, count: 2 }, { model: FIRST, count: 2 }])
  })

  it('compares a face with its own model\'s templates alone, though the other\'s first numbers are the very same', async () => {
    await save('S001', face(FIRST, 3))
    await save('S001', face(SECOND, 40))
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...modelIds), fc.integer({ min: 0, max: 190 }), fc.double({ min: 0, max: 1.5, noNaN: true }), async (model, axis, angle) => {
        const own = model === FIRST ? 3 : 40
        const wanted = (axis === own ? Math.cos(angle) : 0) + (axis + 1 === own ? Math.sin(angle) : 0)
        expect((await verify('S001', face(model, axis, angle))).similarity).toBeCloseTo(wanted, 3)
      }),
      { numRuns: 60 },
    )
    await save('S002', face(SECOND, 7))
    expect(await verify('S002', face(FIRST, 7))).toMatchObject({ similarity: null, match: false })
    expect(await verify('S002', face(SECOND, 7))).toMatchObject({ match: true })
  })

  it('takes two students of two models for nobody\'s doubles, whatever their numbers', async () => {
    await ask('students/S003/consent', 'PUT', { statement: 'My face may be used.', given_by: 'Amina Yusuf' })
    await ask('students/S004/consent', 'PUT', { statement: 'My face may be used.', given_by: 'Amina Yusuf' })
    await save('S003', face(FIRST, 100))
    await save('S004', face(SECOND, 100))
    // Of one model the same two faces are one person's.
    expect((await ask('students/S004/templates', 'PUT', { templates: [face(FIRST, 100)] })).status).toBe(409)
  })

  it('names the model of each template that a kiosk is sent', async () => {
    await save('S001', face(FIRST, 3), face(SECOND, 40))
    const schedule = Schedule.parse(await (await ask('schedule?room_id=LAB-301', 'GET', undefined, school.deviceKey)).json())
    const templates = [...schedule.students, ...schedule.ahead.students].filter(({ student_id }) => student_id === 'S001').flatMap(({ templates }) => templates)
    expect(templates.map(({ model, embedding }) => [model, unpackEmbedding(embedding).length]).sort()).toEqual([[SECOND, 1024], [FIRST, 192]])
  })

  it('refuses a template under the name of the other model', async () => {
    for (const [model, of] of [[FIRST, SECOND], [SECOND, FIRST]] as const) {
      const answer = await ask('students/S001/templates', 'PUT', { templates: [{ model, embedding: face(of, 1).embedding }] })
      expect(answer.status).toBe(422)
      expect(await answer.text()).toContain(`must hold ${EMBEDDING_LENGTH[model]} numbers for model ${model}`)
    }
  })
})
