import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AttendanceAnswer } from '#contract/attendance'
import { Problem } from '#contract/problem'
import { CourseHistory, StudentHistory } from '#contract/register'
import { saveDevice } from '../../db/devices.ts'
import { saveCorrection } from '../../db/registers.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
  await saveDevice(school.db, { device_id: 'pi-hall', room_id: 'HALL-1', key: 'h'.repeat(43) })
})
afterAll(() => school.stop())

const record = (more: Record<string, unknown> = {}): Record<string, unknown> => ({ student_id: 'S001', course_id: 'CS101', timestamp: '2026-11-23T09:05:23Z', confidence: 0.92, ...more })

async function send(body: unknown, key: string | undefined = school.deviceKey): Promise<{ status: number; json: unknown; headers: Headers }> {
  const response = await school.app.request('/api/v1/attendance', asked(key, body))
  return { status: response.status, json: await response.json(), headers: response.headers }
}

async function answerTo(records: unknown[], device_id = 'pi-lab301', key?: string): Promise<AttendanceAnswer> {
  const { status, json } = await send({ device_id, records }, key)
  expect(json).toMatchObject({ results: expect.anything() })
  expect(status).toBe(200)
  return AttendanceAnswer.parse(json)
}

async function rowsOf(student_id: string): Promise<number> {
  const [row] = await school.db.sql<{ count: number }[]>`SELECT count(*)::integer AS count FROM attendance_logs WHERE student_id = ${student_id}`
  return row?.count ?? 0
}

describe('marks', () => {
  it('are stored from the published four fields, and a replay is a duplicate', async () => {
    const published = { device_id: 'pi-lab301', records: [{ student_id: 'S001', course_id: 'CS101', timestamp: '2026-11-23T09:05:23Z', confidence: 0.92 }] }
    expect((await send(published)).json).toEqual({ stored: 1, duplicate: 0, queued: 0, refused: 0, results: [{ index: 0, student_id: 'S001', outcome: 'stored' }] })
    expect((await send(published)).json).toMatchObject({ stored: 0, duplicate: 1 })
    expect(await rowsOf('S001')).toBe(1)
  })

  it('a bad record never sinks the good ones, and each answer stands at its index', async () => {
    const bad: [unknown, string, string | undefined][] = [
      [record({ confidence: 7 }), 'invalid_record', 'confidence'],
      [record({ confidence: null }), 'invalid_record', 'confidence'],
      [record({ timestamp: 'yesterday' }), 'invalid_record', 'timestamp'],
      [record({ timestamp: '2024-01-15T09:05:23Z' }), 'timestamp_out_of_range', 'timestamp'],
      [record({ timestamp: '0000-01-01T00:00:00Z' }), 'timestamp_out_of_range', 'timestamp'],
      [record({ timestamp: '9999-12-31T23:59:59Z' }), 'timestamp_out_of_range', 'timestamp'],
      [record({ student_id: 'S999' }), 'unknown_student', 'student_id'],
      [record({ student_id: 12 }), 'invalid_record', 'student_id'],
      [record({ student_id: "S'; DROP TABLE students; --" }), 'invalid_record', 'student_id'],
      [record({ student_id: 'S\0' }), 'invalid_record', 'student_id'],
      [record({ course_id: 'XX999' }), 'unknown_course', 'course_id'],
      [record({ lesson_id: '999999', held_on: '2026-11-23' }), 'unknown_lesson', 'lesson_id'],
      [record({ lesson_id: '1' }), 'invalid_record', 'held_on'],
      [record({ lesson_id: '1', held_on: '0000-01-01' }), 'invalid_record', 'held_on'],
      [record({ mark_id: 'not a uuid' }), 'invalid_record', 'mark_id'],
      [record({ model: 'other-model' }), 'invalid_record', 'model'],
      [{}, 'invalid_record', 'student_id'],
      [null, 'invalid_record', undefined],
      ['S001', 'invalid_record', undefined],
      [[], 'invalid_record', undefined],
    ]
    const records = bad.flatMap(([raw], i) => [raw, record({ student_id: `S0${String(i + 2).padStart(2, '0')}` })])
    const answer = await answerTo(records)
    expect(answer).toMatchObject({ stored: bad.length, refused: bad.length, duplicate: 0, queued: 0 })
    expect(answer.results.map(({ index }) => index)).toEqual(records.map((_, i) => i))
    for (const [i, [raw, code, field]] of bad.entries()) {
      const result = answer.results[2 * i]
      expect(result, JSON.stringify(raw)).toMatchObject({ outcome: 'refused', code, message: expect.stringMatching(/.{10}/) })
      expect(result?.field, JSON.stringify(raw)).toBe(field)
    }
  })

  it('say in words what a refused record must be', async () => {
    const { results } = await answerTo([record({ confidence: 7 }), record({ student_id: undefined })])
    expect(results.map(({ message }) => message)).toEqual([
      'confidence must be between 0 and 1; correct it and send the record again',
      'student_id is missing; correct it and send the record again',
    ])
  })

  it('whatever is sent as records, the answer names each, and the good ones are stored', async () => {
    const hostile = fc.oneof(
      fc.anything({ maxDepth: 2 }),
      fc.record({ student_id: fc.oneof(fc.constant('S001'), fc.anything()), course_id: fc.oneof(fc.constant('CS101'), fc.string()), timestamp: fc.oneof(fc.date({ noInvalidDate: true }).map((date) => date.toISOString()), fc.string()), confidence: fc.oneof(fc.double(), fc.constant(0.9)) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 8 }), fc.nat(), async (bad, place) => {
        const records: unknown[] = [...bad]
        const at = place % (bad.length + 1)
        records.splice(at, 0, record({ student_id: 'S024' }))
        let body: string
        try {
          body = JSON.stringify({ device_id: 'pi-lab301', records })
        } catch {
          return
        }
        const sent = (JSON.parse(body) as { records: unknown[] }).records
        const answer = await answerTo(sent)
        expect(answer.results).toHaveLength(sent.length)
        expect(['stored', 'duplicate']).toContain(answer.results[at]?.outcome)
        expect(answer.queued).toBe(0)
      }),
      { numRuns: 60 },
    )
    expect(school.events).toEqual([])
  })

  it('of one student in one lesson are one, also within a batch', async () => {
    await school.db.sql`DELETE FROM attendance_logs WHERE student_id = 'S003'`
    const answer = await answerTo([record({ student_id: 'S003' }), record({ student_id: 'S003', timestamp: '2026-11-23T09:06:00Z' })])
    expect(answer.results.map(({ outcome }) => outcome)).toEqual(['stored', 'duplicate'])
  })
})

describe('who may send marks', () => {
  it('nobody without a key, and the answer says how to ask', async () => {
    const { status, json, headers } = await send({ device_id: 'pi-lab301', records: [record()] }, '')
    expect(status).toBe(401)
    expect(headers.get('www-authenticate')).toBe('Bearer')
    expect(Problem.parse(json)).toMatchObject({ code: 'unauthorized', status: 401 })
    expect((await school.app.request('/api/v1/attendance', asked(undefined, {}))).status).toBe(401)
    expect((await send({ device_id: 'pi-lab301', records: [record()] }, 'x'.repeat(43))).status).toBe(401)
  })

  it('a device only for itself', async () => {
    const { status, json } = await send({ device_id: 'pi-hall', records: [record()] })
    expect(status).toBe(403)
    expect(json).toMatchObject({ code: 'forbidden', errors: [{ field: 'device_id' }] })
  })

  it('a script for every device that the school knows, and for no other', async () => {
    expect(await answerTo([record({ student_id: 'S002' })], 'pi-hall', school.apiKey)).toMatchObject({ results: [{ index: 0 }] })
    const { status, json } = await send({ device_id: 'pi-nowhere', records: [record()] }, school.apiKey)
    expect(status).toBe(422)
    expect(json).toMatchObject({ code: 'unknown_device', errors: [{ field: 'device_id' }] })
  })

  it('a revoked device no more', async () => {
    await saveDevice(school.db, { device_id: 'pi-old', room_id: 'LAB-301', key: 'o'.repeat(43) })
    await school.db.sql`UPDATE devices SET revoked_at = now() WHERE device_id = 'pi-old'`
    await school.parts.devices.reload()
    expect((await send({ device_id: 'pi-old', records: [record()] }, 'o'.repeat(43))).status).toBe(401)
    expect((await send({ device_id: 'pi-old', records: [record()] }, school.apiKey)).status).toBe(422)
  })
})

describe('a body that is no batch', () => {
  const post = (body: string, headers: Record<string, string> = { 'content-type': 'application/json' }): Promise<Response> =>
    Promise.resolve(school.app.request('/api/v1/attendance', { method: 'POST', headers: { authorization: `Bearer ${school.deviceKey}`, ...headers }, body }))

  it('is refused as what it is', async () => {
    const cases: [string, Record<string, string> | undefined, string][] = [
      ['{"device_id": ', undefined, 'malformed_json'],
      ['', undefined, 'malformed_json'],
      ['[', undefined, 'malformed_json'],
      ['[]', undefined, 'invalid_request'],
      ['null', undefined, 'invalid_request'],
      ['{}', undefined, 'invalid_request'],
      ['{"device_id":"pi-lab301","records":[]}', undefined, 'invalid_request'],
      ['{"device_id":"pi-lab301","records":"all"}', undefined, 'invalid_request'],
      [JSON.stringify({ device_id: 'pi-lab301', records: Array.from({ length: 501 }, () => record()) }), undefined, 'invalid_request'],
      ['{}', { 'content-type': 'text/plain' }, 'unsupported_media_type'],
      ['{}', { 'content-type': 'application/json', 'content-encoding': 'gzip' }, 'unsupported_media_type'],
      [`[${'['.repeat(200_000)}`, undefined, 'malformed_json'],
    ]
    for (const [body, headers, code] of cases) {
      const response = await post(body, headers)
      const problem = Problem.parse(await response.json())
      expect(problem.code, body.slice(0, 60)).toBe(code)
      expect(response.status).toBe(problem.status)
      expect(response.headers.get('content-type')).toContain('application/problem+json')
    }
  })

  it('names every fault by field', async () => {
    const problem = Problem.parse(await (await post('{"device_id":"","records":[]}')).json())
    expect(problem.errors).toEqual([
      { field: 'device_id', message: 'must not be empty' },
      { field: 'records', message: 'must hold at least one record' },
    ])
  })
})

describe('histories', () => {
  const get = (path: string, key = school.deviceKey): Promise<Response> => Promise.resolve(school.app.request(path, asked(key)))

  beforeAll(async () => {
    await answerTo([record()])
  })

  it('of a student hold what was marked', async () => {
    const response = await get('/api/v1/attendance/student/S001')
    const history = StudentHistory.parse(await response.json())
    expect(history.student.student_id).toBe('S001')
    expect(history.records).toContainEqual(expect.objectContaining({ course_id: 'CS101', timestamp: '2026-11-23T09:05:23.000Z', confidence: 0.92 }))
    expect(Date.parse(history.to) - Date.parse(history.from)).toBe(91 * 86_400_000)
  })

  it('of a course hold its students', async () => {
    const history = CourseHistory.parse(await (await get('/api/v1/attendance/course/CS101', school.apiKey)).json())
    expect(history.course.course_id).toBe('CS101')
    expect(history.records.map(({ student_id }) => student_id)).toContain('S001')
  })

  it('keep within the time asked for', async () => {
    const before = StudentHistory.parse(await (await get('/api/v1/attendance/student/S001?to=2026-11-23T09:05:23Z')).json())
    expect(before.records.filter(({ timestamp }) => timestamp === '2026-11-23T09:05:23.000Z')).toEqual([])
    const from = StudentHistory.parse(await (await get('/api/v1/attendance/student/S001?from=2026-11-23T10:05:23%2B01:00&limit=1')).json())
    expect(from.records).toHaveLength(1)
  })

  it('come in pages, of which each names the next, and keep to a filter', async () => {
    const day = 'from=2026-11-22T23:00:00Z&to=2026-11-23T23:00:00Z'
    const all = CourseHistory.parse(await (await get(`/api/v1/attendance/course/CS101?${day}&limit=1000`, school.apiKey)).json())
    expect(all.next).toBeUndefined()
    const met: unknown[] = []
    for (let before = ''; ;) {
      const page = CourseHistory.parse(await (await get(`/api/v1/attendance/course/CS101?${day}&limit=1${before}`, school.apiKey)).json())
      met.push(...page.records)
      if (page.next === undefined) break
      before = `&before=${page.next}`
    }
    expect(met).toEqual(all.records)
    const own = CourseHistory.parse(await (await get(`/api/v1/attendance/course/CS101?${day}&student_id=S001&status=present`, school.apiKey)).json())
    expect(own.records).toEqual(all.records.filter(({ student_id, status }) => student_id === 'S001' && status === 'present'))
    const none = StudentHistory.parse(await (await get(`/api/v1/attendance/student/S001?${day}&course_id=MU140`, school.apiKey)).json())
    expect(none.records).toEqual([])
  })

  it('refuse a query that makes no sense, by field', async () => {
    const cases: [string, string][] = [
      ['from=monday', 'from'],
      ['before=Zm9v', 'before'],
      ['before=!', 'before'],
      ['status=asleep', 'status'],
      ['from=0000-01-01T00:00:00Z', 'from'],
      ['to=9999-01-01T00:00:00Z', 'to'],
      ['from=2026-11-23T00:00:00Z&to=2026-11-22T00:00:00Z', 'from'],
      ['from=1970-01-01T00:00:00Z&to=2999-01-01T00:00:00Z', 'from'],
      ['from=2020-01-01T00:00:00Z', 'from'],
      ['limit=0', 'limit'],
      ['limit=many', 'limit'],
    ]
    for (const [query, field] of cases) {
      const response = await get(`/api/v1/attendance/student/S001?${query}`)
      expect(response.status, query).toBe(422)
      expect(Problem.parse(await response.json()).errors?.[0]?.field, query).toBe(field)
    }
  })

  it('are shown to a device only of what its room teaches', async () => {
    expect((await get('/api/v1/attendance/course/MU140')).status).toBe(403)
    expect((await get('/api/v1/attendance/student/S001', 'h'.repeat(43))).status).toBe(403)
    expect((await get('/api/v1/attendance/course/MU140', school.apiKey)).status).toBe(200)
  })

  it('show a device neither what a student does in other rooms nor what a person wrote', async () => {
    const [lab] = await school.db.sql<{ lesson_id: string; held_on: string }[]>`
      SELECT lesson_id, held_on::text AS held_on FROM lessons_on('2026-11-23') WHERE course_id = 'CS101' AND ends_at < ${NOW.toISOString()}::timestamptz LIMIT 1`
    if (!lab) throw new Error('no lesson')
    await school.db.sql`DELETE FROM attendance_logs WHERE student_id = 'S004'`
    // Its own kiosk may not bring a mark of another room's course.
    await answerTo([record({ student_id: 'S004', course_id: 'MU140' })], 'pi-lab301', school.apiKey)
    expect(await saveCorrection(school.db, lab, { student_id: 'S004', status: 'excused', note: 'at the dentist', corrected_by: 'office' }, NOW)).toBe(true)
    const seenWith = async (key: string) => StudentHistory.parse(await (await get('/api/v1/attendance/student/S004', key)).json()).records.filter(({ status }) => status !== 'absent')
    expect(new Set((await seenWith(school.apiKey)).map(({ course_id }) => course_id))).toEqual(new Set(['CS101', 'MU140']))
    const [only, ...others] = (await seenWith(school.deviceKey)).filter(({ status }) => status === 'excused')
    expect((await seenWith(school.deviceKey)).map(({ course_id }) => course_id)).not.toContain('MU140')
    expect(others).toEqual([])
    expect(only).toMatchObject({ course_id: 'CS101', status: 'excused', corrections: [{ status: 'excused', note: '', corrected_by: '' }] })
  })

  it('of an unknown student or course are not found, and nobody unknown sees any', async () => {
    expect((await get('/api/v1/attendance/student/S999', school.apiKey)).status).toBe(404)
    expect((await get('/api/v1/attendance/course/XX999', school.apiKey)).status).toBe(404)
    expect((await get('/api/v1/attendance/student/%00', school.apiKey)).status).toBe(422)
    expect((await get('/api/v1/attendance/student/S001', 'wrong')).status).toBe(401)
  })
})
