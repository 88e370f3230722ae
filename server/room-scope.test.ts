import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AttendanceAnswer } from '#contract/attendance'
import { SetAsideList } from '#contract/set-aside'
import { saveDevice } from '../db/devices.ts'
import { createApp } from './app.ts'
import { asked, startThrowawaySchool } from './throwaway-school.ts'
import type { ThrowawaySchool } from './throwaway-school.ts'

// A Monday: MU140 meets in ROOM-204 at nine, in LAB-301 a course meets every hour.
const NOW = new Date('2026-11-23T09:20:00Z')
const HALL = 'h'.repeat(43)
let school: ThrowawaySchool
let music: string
let lab: { schedule_id: string; course_id: string }

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
  await saveDevice(school.db, { device_id: 'pi-hall', room_id: 'HALL-1', key: HALL })
  await school.parts.devices.reload()
  ;[{ schedule_id: music } = { schedule_id: '' }] = await school.db.sql<{ schedule_id: string }[]>`SELECT schedule_id FROM schedules WHERE course_id = 'MU140' AND day_of_week = 1 AND start_time = '09:00'`
  ;[lab = { schedule_id: '', course_id: '' }] = await school.db.sql<{ schedule_id: string; course_id: string }[]>`SELECT schedule_id, course_id FROM schedules WHERE classroom_id = 'LAB-301' AND day_of_week = 1 AND start_time = '09:00'`
})
afterAll(() => school.stop())

let students = 0
const record = (more: object = {}): object => ({ student_id: `S${String((students++ % 12) + 1).padStart(3, '0')}`, course_id: 'MU140', timestamp: '2026-11-23T08:05:00Z', confidence: 0.9, lesson_id: music, held_on: '2026-11-23', ...more })

let app: ThrowawaySchool['app'] | undefined
/** Another server, which remembers nothing of what this one has found. */
const forgetWhatWasFound = (): void => void (app = createApp(school.parts))

async function send(device_id: string, key: string, ...records: object[]): Promise<AttendanceAnswer> {
  const answer = await (app ?? school.app).request('/api/v1/attendance', asked(key, { device_id, records }))
  expect(answer.status).toBe(200)
  return AttendanceAnswer.parse(await answer.json())
}
const outcomes = (answer: AttendanceAnswer): unknown[] => answer.results.map(({ outcome, code }) => code ?? outcome)
const setAside = async (): Promise<SetAsideList['entries']> => SetAsideList.parse(await (await school.app.request('/api/v1/set-aside', asked(school.apiKey))).json()).entries

describe('a kiosk', () => {
  it('marks for the lessons of its room alone; what it sends for another room’s is refused by name, and kept for the office, who can record it', async () => {
    const own = record({ course_id: lab.course_id, lesson_id: lab.schedule_id })
    const other = record()
    expect(outcomes(await send('pi-lab301', school.deviceKey, other, own))).toEqual(['other_room', 'stored'])
    const [kept] = await setAside()
    expect(kept).toMatchObject({ code: 'other_room', device_id: 'pi-lab301' })
    expect(outcomes(await send('pi-lab301', school.deviceKey, other))).toEqual(['other_room'])
    expect(await setAside(), 'the same again is not kept twice').toHaveLength(1)
    const recorded = await school.app.request(`/api/v1/set-aside/${kept?.set_aside_id ?? 0}/record`, asked(school.apiKey, {}))
    expect(recorded.status).toBe(200)
    expect(await setAside()).toEqual([])
  })

  it('cannot get round it by naming no lesson, or one outside of the timetable', async () => {
    const { lesson_id: _lesson, held_on: _date, ...unnamed } = record() as Record<string, unknown>
    expect(outcomes(await send('pi-hall', HALL, unnamed, record({ lesson_id: 'unscheduled.MU140' })))).toEqual(['other_room', 'other_room'])
  })

  it('is not asked about its room by a script, which speaks for the office, nor where the lesson is not known', async () => {
    expect(outcomes(await send('pi-lab301', school.apiKey, record()))).toEqual(['stored'])
    expect(outcomes(await send('pi-lab301', school.deviceKey, record({ lesson_id: '999999' })))).toEqual(['unknown_lesson'])
  })

  it('still brings what it made in the room where it stood before, for a month', async () => {
    await saveDevice(school.db, { device_id: 'pi-moving', room_id: 'ROOM-204', key: 'm'.repeat(43) })
    await saveDevice(school.db, { device_id: 'pi-moving', room_id: 'HALL-1', key: 'm'.repeat(43) })
    await school.parts.devices.reload()
    await school.db.sql`UPDATE rooms_before SET until = ${'2026-11-20T00:00:00Z'}::timestamptz`
    expect(outcomes(await send('pi-moving', 'm'.repeat(43), record()))).toEqual(['stored'])
    await school.db.sql`UPDATE rooms_before SET until = ${'2026-10-01T00:00:00Z'}::timestamptz`
    forgetWhatWasFound()
    expect(outcomes(await send('pi-moving', 'm'.repeat(43), record()))).toEqual(['other_room'])
  })

  it('still brings what it made in a lesson that has been moved to another room since, for a month', async () => {
    // One that nothing was recorded of yet: what was recorded stays where it was.
    const [later] = await school.db.sql<{ schedule_id: string; course_id: string }[]>`SELECT schedule_id, course_id FROM schedules WHERE classroom_id = 'LAB-301' AND day_of_week = 1 AND start_time = '08:00'`
    await school.db.sql`UPDATE schedules SET classroom_id = 'HALL-1' WHERE schedule_id = ${later?.schedule_id ?? ''}`
    await school.db.sql`UPDATE rooms_before SET until = ${NOW.toISOString()}::timestamptz`
    const moved = (): object => record({ course_id: later?.course_id, lesson_id: later?.schedule_id, timestamp: '2026-11-23T07:05:00Z' })
    expect(outcomes(await send('pi-lab301', school.deviceKey, moved()))).toEqual(['stored'])
    expect(outcomes(await send('pi-hall', HALL, moved()))).toEqual(['stored'])
    await school.db.sql`UPDATE rooms_before SET until = ${'2026-10-01T00:00:00Z'}::timestamptz`
    forgetWhatWasFound()
    expect(outcomes(await send('pi-lab301', school.deviceKey, moved()))).toEqual(['other_room'])
    expect(outcomes(await send('pi-hall', HALL, moved()))).toEqual(['stored'])
  })

  it('is judged by its own room, however many ask at once', async () => {
    forgetWhatWasFound()
    const own = (): object => record({ course_id: lab.course_id, lesson_id: lab.schedule_id })
    const unnamed = (course_id: string): object => record({ course_id, lesson_id: undefined, held_on: undefined })
    const asked = Array.from({ length: 6 }, () => [
      [send('pi-lab301', school.deviceKey, own(), record(), unnamed(lab.course_id), unnamed('MU140')), [false, true, false, true]],
      [send('pi-hall', HALL, record(), own()), [true, true]],
      [send('pi-moving', 'm'.repeat(43), unnamed('NONE-1'), record({ lesson_id: 'NULL' })), [false, false]],
    ] as const).flat()
    for (const [answer, foreign] of asked) expect(outcomes(await answer).map((outcome) => outcome === 'other_room')).toEqual(foreign)
  })

  it('is believed while the record does not answer: its marks go where all marks go then', async () => {
    const taken: unknown[] = []
    const whileAway = createApp({ ...school.parts, intake: { take: async (marks) => (taken.push(...marks), marks.map(() => ({ outcome: 'queued' as const }))), drain: async () => {} } })
    await school.stopDatabase()
    const answer = await whileAway.request('/api/v1/attendance', asked(school.deviceKey, { device_id: 'pi-lab301', records: [record()] }))
    expect([answer.status, taken.length]).toEqual([202, 1])
    await school.restartDatabase()
  })
})
