import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Certificate, Certificates, Consents, ConsentTexts, Forgettings, RetentionSchedule, StudentConsents } from '#contract/consent'
import { Student } from '#contract/people'
import { byCookie, signedIn } from '../throwaway-people.ts'
import type { ThrowawayPerson } from '../throwaway-people.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

const NOW = new Date('2026-03-02T09:20:00Z')

/** What the privacy officer alone may ask, and no script. */
const OFFICERS = /\/(forgettings|certificates|erasure|export|consent-texts|consent-settings|retention-schedule)\b/

let school: ThrowawaySchool
let officer: ThrowawayPerson
beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
  officer = await signedIn(school, { username: 'ombudsman', role: 'privacy' })
})
afterAll(() => school.stop())

async function ask(path: string, body?: unknown, method?: string): Promise<{ status: number; body: unknown; headers: Headers }> {
  const answer = await school.app.request(`/api/v1${path}`, OFFICERS.test(path) ? byCookie(officer.cookie, method ?? (body === undefined ? 'GET' : 'POST'), body) : asked(school.apiKey, body, method))
  return { status: answer.status, headers: answer.headers, body: JSON.parse(await answer.text()) as unknown }
}
const fieldsOf = (body: unknown): string[] => (body as { errors: { field: string }[] }).errors.map(({ field }) => field)
const actions = async (): Promise<string[]> => (await school.db.sql<{ action: string }[]>`SELECT action FROM audit_log ORDER BY seq`).map(({ action }) => action)

describe('a consent', () => {
  test('to a text is on record with its words, its version and language, who gave it and how; the old body of words and a name still is one', async () => {
    const { texts } = ConsentTexts.parse((await ask('/consent-texts')).body)
    const { text_id, version, language, words } = texts.find((text) => text.language === 'en')!
    const given = { text: { text_id, version, language }, given_by: 'Maria Yusuf', giver: 'guardian', relationship: 'mother', way: 'paper', given_at: '2026-03-01T10:00:00Z' }
    expect(Student.parse((await ask('/students/S001/consent', given, 'PUT')).body).consent).toMatchObject({ statement: words, given_by: 'Maria Yusuf' })
    expect(StudentConsents.parse((await ask('/students/S001/consents')).body).consents).toMatchObject([{ ...given, given_at: '2026-03-01T10:00:00.000Z', recorded_by: 'script', withdrawn_at: null }])
    expect(Student.parse((await ask('/students/S002/consent', { statement: 'I agree', given_by: 'Lukas' }, 'PUT')).body).consent).toMatchObject({ statement: 'I agree' })
    expect(StudentConsents.parse((await ask('/students/S002/consents')).body).consents).toMatchObject([{ text: { text_id: 'own-words' }, giver: null, way: null }])
    expect(Consents.parse((await ask('/consents?search=amina')).body).students.map(({ student_id }) => student_id)).toEqual(['S001'])
    const page = Consents.parse((await ask('/consents?limit=5')).body)
    expect(page.more).toBe(true)
    expect(Consents.parse((await ask(`/consents?limit=5&after=${page.students.at(-1)?.student_id}`)).body).students[0]?.student_id).toBe('S006')
    expect(await actions()).toEqual(['consent_given', 'consent_given'])
  })

  test('that cannot be is refused by its field, with the remedy', async () => {
    for (const [body, field] of [
      [{ given_by: 'x' }, 'text'],
      [{ given_by: 'x', statement: 'I agree', text: { text_id: 'school', version: 1, language: 'en' } }, 'statement'],
      [{ given_by: 'x', text: { text_id: 'school', version: 99, language: 'en' } }, 'text'],
      [{ given_by: 'x', statement: 'I agree', giver: 'guardian' }, 'relationship'],
      [{ given_by: 'x', statement: 'I agree', given_at: '2026-03-03T00:00:00Z' }, 'given_at'],
      [{ given_by: 'x', statement: 'I agree', given_at: '0000-03-03T00:00:00Z' }, 'given_at'],
      [{ given_by: '', statement: 'I agree' }, 'given_by'],
    ] as const) {
      const { status, body: said } = await ask('/students/S003/consent', body, 'PUT')
      expect(status, JSON.stringify(body)).toBe(422)
      expect(fieldsOf(said)).toEqual([field])
    }
    await ask('/students/S003/guardian', { required: true }, 'PUT')
    const refused = await ask('/students/S003/consent', { given_by: 'Mei', statement: 'I agree' }, 'PUT')
    expect(refused.body).toMatchObject({ status: 422, detail: expect.stringMatching(/^giver must be guardian/) as unknown })
    expect((await ask('/students/S999/consent', { given_by: 'x', statement: 'I agree' }, 'PUT')).status).toBe(404)
    expect(fieldsOf((await ask('/consent-texts', { text_id: 'own-words', language: 'en', words: 'Words' })).body)).toEqual(['text_id'])
    expect(fieldsOf((await ask('/consent-texts', { text_id: 'x', language: 'English', words: 'Words' })).body)).toEqual(['language'])
  })
})

describe('what follows', () => {
  test('a withdrawal and an erasure name the kiosks that must forget; a beat that tells the version the schedule came with confirms', async () => {
    await ask('/students/S001/consent', undefined, 'DELETE')
    const newest = async () => Forgettings.parse((await ask('/forgettings')).body).forgettings[0]
    expect(await newest()).toMatchObject({ kind: 'withdrawal', student_id: 'S001', asked_by: 'script', confirmed: 0, kiosks: [{ device_id: 'pi-lab301', how: null }] })
    const pulled = await school.app.request('/api/v1/schedule?room_id=LAB-301', asked(school.deviceKey))
    const version = pulled.headers.get('roster-version')
    const again = await school.app.request('/api/v1/schedule?room_id=LAB-301', { headers: { authorization: `Bearer ${school.deviceKey}`, 'if-none-match': pulled.headers.get('etag')! } })
    expect([again.status, again.headers.get('roster-version')]).toEqual([304, version])
    await school.app.request('/api/v1/heartbeat', asked(school.deviceKey, { device_id: 'pi-lab301', roster_version: version }))
    expect(await newest()).toMatchObject({ confirmed: 1, kiosks: [{ how: 'told', confirmed_at: NOW.toISOString() }] })

    const request_id = '0195c1f0-0000-7000-8000-000000000001'
    const made = Certificate.parse((await ask('/students/S004/erasure', { scope: 'person', request_id })).body)
    expect(made).toMatchObject({ certificate_id: request_id, kind: 'person', student_id: null, counts: { students: 1 }, forgetting: { confirmed: 0 } })
    expect((await ask('/students/S004/erasure', { scope: 'person', request_id })).body).toEqual(made)
    expect((await ask('/students/S004/erasure', { scope: 'person' })).status).toBe(404)
    expect((await ask('/students/S005/erasure', { scope: 'biometrics', request_id })).status).toBe(409)
    expect((await ask(`/certificates/${request_id}`)).body).toEqual(made)
    expect(Certificates.parse((await ask('/certificates')).body).certificates).toHaveLength(1)
    expect(await school.db.sql`SELECT details::json ->> 'certificate' AS certificate FROM audit_log WHERE action = 'person_erased'`).toEqual([{ certificate: request_id }])
  })

  test('everything that is held on one person is one file, which is put on record before it is given', async () => {
    const { status, headers, body } = await ask('/students/S002/export')
    expect(status).toBe(200)
    expect(headers.get('content-disposition')).toBe('attachment; filename="S002.json"')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toMatchObject({ student: { student_id: 'S002' }, consents: [{ statement: 'I agree' }], audit: [{ action: 'consent_given' }] })
    expect((await actions()).at(-1)).toBe('exported')
    expect((await ask('/students/S999/export')).status).toBe(404)
  })

  test('how long each kind is kept anybody may read, as JSON and as a page; templates and the audit log keep their bounds', async () => {
    const answer = await school.app.request('/api/v1/retention-schedule')
    expect(RetentionSchedule.parse(await answer.json()).kinds.length).toBeGreaterThan(10)
    const page = await school.app.request('/retention-schedule')
    expect(page.headers.get('content-type')).toMatch(/text\/html/)
    const html = await page.text()
    expect(html).toMatch(/396 days/)
    expect(html).not.toMatch(/<script|<style|style=/)
    expect((await ask('/retention-schedule', { kind: 'alarms', days: 90 }, 'PUT')).body).toMatchObject({ kinds: expect.arrayContaining([expect.objectContaining({ kind: 'alarms', days: 90 })]) as unknown })
    for (const rule of [{ kind: 'templates', days: null }, { kind: 'audit', days: 30 }, { kind: 'alarms', days: 0 }]) expect(fieldsOf((await ask('/retention-schedule', rule, 'PUT')).body)).toEqual(['days'])
  })
})
