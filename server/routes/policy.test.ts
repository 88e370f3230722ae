import { hash } from '@node-rs/argon2'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DEFAULT_MODEL } from '#contract/model'
import { Students } from '#contract/people'
import { PolicyAnswer } from '#contract/policy'
import { Problem } from '#contract/problem'
import { Schedule } from '#contract/schedule'
import { saveAccount } from '../../db/accounts.ts'
import { saveConsent } from '../../db/consents.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
const FACE = { model: DEFAULT_MODEL, embedding: Array.from({ length: 192 }, (_, i) => (i === 0 ? 1 : 0)) }
let school: ThrowawaySchool
const cookies = new Map<string, string>()

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
  for (const role of ['privacy', 'office', 'teacher'] as const) {
    await saveAccount(school.db, { username: `the-${role}`, role, password_hash: await hash(`a password of ${role}`) })
    const signedIn = await school.app.request('/api/v1/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: `the-${role}`, password: `a password of ${role}` }) })
    cookies.set(role, signedIn.headers.get('set-cookie')?.split(';')[0] ?? '')
  }
  await saveConsent(school.db, 'S001', { statement: 'I agree', given_by: 'the guardian' }, NOW)
})
afterAll(() => school.stop())
beforeEach(async () => {
  await school.db.sql`UPDATE school SET policy = 'default'`
})

const ask = (path: string, method = 'GET', body?: unknown, key: string | undefined = school.apiKey): Promise<Response> => Promise.resolve(school.app.request(`/api/v1/${path}`, asked(key, body, method)))
const as = (role: string, path: string, method = 'GET', body?: unknown): Promise<Response> => {
  const init = asked(undefined, body, method)
  return Promise.resolve(school.app.request(`/api/v1/${path}`, { ...init, headers: { ...init.headers, cookie: cookies.get(role) ?? '' } }))
}
const set = (policy: string, confirmed = true) => as('privacy', 'policy', 'PUT', { policy, confirmed })
const inForce = async (): Promise<string> => PolicyAnswer.parse(await (await ask('policy')).json()).policy
const enrol = () => ask('students/S001/templates', 'PUT', { templates: [FACE] })
const templates = async (): Promise<number> => (await school.db.sql`SELECT FROM templates`).length

describe('the policy', () => {
  it('is set by the privacy officer alone, and read by the staff', async () => {
    for (const role of ['office', 'teacher']) expect((await as(role, 'policy', 'PUT', { policy: 'no-biometrics', confirmed: true })).status).toBe(403)
    expect((await ask('policy', 'PUT', { policy: 'no-biometrics', confirmed: true })).status).toBe(403)
    expect((await ask('policy', 'PUT', { policy: 'no-biometrics', confirmed: true }, school.deviceKey)).status).toBe(403)
    expect((await ask('policy', 'PUT', { policy: 'no-biometrics', confirmed: true }, 'nobody')).status).toBe(401)
    expect(await inForce()).toBe('default')
    for (const role of ['privacy', 'office', 'teacher']) expect((await as(role, 'policy')).status).toBe(200)
    expect((await ask('policy', 'GET', undefined, school.deviceKey)).status).toBe(403)
  })

  it('is asked twice: what follows is said first, and nothing has changed by then', async () => {
    expect((await enrol()).status).toBe(200)
    const asked = await set('no-biometrics', false)
    expect(asked.status).toBe(409)
    expect(Problem.parse(await asked.json()).detail).toMatch(/nothing has changed yet.*templates of 1 student .*"confirmed": true/)
    expect(await inForce()).toBe('default')
    expect(await templates()).toBe(1)
    expect(PolicyAnswer.parse(await (await set('no-biometrics')).json())).toEqual({ policy: 'no-biometrics', changed_at: '2026-11-23T09:20:00.000Z', changed_by: 'the-privacy', students_with_templates: 0 })
    expect(await templates()).toBe(0)
    // What is in force already is no change, and asks nothing.
    expect((await set('no-biometrics', false)).status).toBe(200)
    const rows = await school.db.sql`SELECT actor, details FROM audit_log WHERE action = 'policy_changed'`
    expect(rows).toMatchObject([{ actor: 'account:the-privacy' }])
    expect(JSON.parse(String(rows[0]?.['details']))).toEqual({ before: 'default', after: 'no-biometrics', erased: 1 })
  })

  it('of no such name, or with anything beside it, is refused by name', async () => {
    for (const body of [{ policy: 'off' }, { policy: 'default', confirmed: 'yes' }, { policy: 'default', more: 1 }, {}, []]) {
      const response = await as('privacy', 'policy', 'PUT', body)
      expect(response.status, JSON.stringify(body)).toBe(422)
    }
  })
})

describe('under no-biometrics', () => {
  it('whatever is made of a face is refused before its body is looked at, and all else goes on', async () => {
    expect((await enrol()).status).toBe(200)
    await set('no-biometrics')
    for (const [path, method, body] of [['students/S001/templates', 'PUT', { templates: [FACE] }], ['students/S001/templates', 'PUT', { nonsense: true }], ['students/S001/verify', 'POST', FACE]] as const) {
      const response = await ask(path, method, body)
      expect(response.status).toBe(403)
      const problem = Problem.parse(await response.json())
      expect(problem.code).toBe('policy_forbids')
      expect(problem.detail).toMatch(/policy is no-biometrics.*PIN, card or teacher/)
    }
    expect(await templates()).toBe(0)
    expect((await ask('students/S001/pin', 'PUT', { generate: true })).status).toBe(200)
    expect((await ask('students/S001/card', 'PUT', {})).status).toBe(200)
    expect(Students.parse(await (await ask('students')).json()).policy).toBe('no-biometrics')
    expect((await ask('recognition')).status).toBe(200)
  })

  it('a kiosk hears of it at its next pull, and of no template', async () => {
    await enrol()
    const pull = async (etag?: string) => school.app.request('/api/v1/schedule?room_id=LAB-301', { headers: { authorization: `Bearer ${school.deviceKey}`, ...(etag === undefined ? {} : { 'if-none-match': etag }) } })
    const first = await pull()
    const before = Schedule.parse(await first.json())
    expect(before.settings.policy).toBe('default')
    expect(before.students.some(({ templates }) => templates.length > 0)).toBe(true)
    const etag = first.headers.get('etag') ?? ''
    expect((await pull(etag)).status).toBe(304)
    for (const [policy, faces] of [['verify-only', true], ['no-biometrics', false]] as const) {
      await set(policy)
      const after = Schedule.parse(await (await pull(etag)).json())
      expect(after.settings.policy).toBe(policy)
      expect(after.students.some(({ templates }) => templates.length > 0)).toBe(faces)
    }
  })
})
