/** What kiosks ask, and scripts in their place. */
import { z } from 'zod'
import { AttendanceAnswer, AttendanceBatch, AttendanceRecord, MAX_RECORDS } from '#contract/attendance'
import { Heartbeat, HeartbeatAnswer } from '#contract/device'
import { RoomId } from '#contract/ids'
import { Paired, PairingCode, PairingCodeRequest, PairingRequest, RotateKeyAnswer, RotateKeyRequest } from '#contract/pairing'
import { Schedule, ScheduleQuery } from '#contract/schedule'
import { EVERYBODY, OFFICE } from './operation.ts'
import type { Operation } from './operation.ts'

/** The server takes each record by itself, so that a bad one sinks no good one; this is what each must be. */
const Batch = AttendanceBatch.extend({ records: z.array(AttendanceRecord).min(1).max(MAX_RECORDS) })

export const DEVICES: readonly Operation[] = [
  {
    method: 'get',
    path: '/api/v1/schedule',
    summary: 'What a room\'s kiosk may know: its lessons of the day, their students and the students\' templates',
    more: 'A kiosk asks for its own room alone. A script is told the same without any template. Ask again with the answer\'s ETag in If-None-Match: nothing new is 304.',
    who: ['device', 'script'],
    query: ScheduleQuery,
    headers: { 'If-None-Match': 'The ETag of the schedule that is held.' },
    answers: {
      200: { says: 'The schedule.', schema: Schedule, headers: { 'ETag': 'Names this schedule, whatever the clock says.', 'roster-version': 'The roster version at which this was true; also on 304.' }, example: scheduleExample() },
      304: { says: 'Nothing has changed.', headers: { 'ETag': 'As it was sent.', 'roster-version': 'The roster version at which this is still true.' } },
    },
    problems: ['not_found'],
    example: { query: { room_id: 'ROOM-204' } },
  },
  {
    method: 'post',
    path: '/api/v1/attendance',
    summary: 'Marks in: students who were seen in a lesson',
    more: 'Each record is taken or refused by itself. A record without `lesson_id` and `held_on` counts for the lesson that the timetable has at its timestamp. Send a record again until it is named `stored`, `duplicate` or `refused`; the same again is harmless.',
    who: ['device', 'script'],
    body: Batch,
    answers: {
      200: { says: 'What became of each record, for good.', schema: AttendanceAnswer, example: { stored: 1, duplicate: 0, queued: 0, refused: 1, results: [{ index: 0, student_id: 'S001', outcome: 'stored' }, { index: 1, student_id: 'S999', outcome: 'refused', code: 'unknown_student', field: 'student_id', message: 'there is no student S999' }] } },
      202: { says: 'The same; some are `queued`: not on record yet, and to be sent again.', schema: AttendanceAnswer },
    },
    problems: ['unknown_device'],
    example: { body: { device_id: 'pi-lab301', records: [{ student_id: 'S001', course_id: 'CS101', timestamp: '2026-11-23T08:05:23Z', confidence: 0.92 }, { student_id: 'S999', course_id: 'CS101', timestamp: '2026-11-23T08:05:23Z', confidence: 0.92 }] } },
  },
  {
    method: 'post',
    path: '/api/v1/heartbeat',
    summary: 'How a kiosk is',
    who: ['device', 'script'],
    body: Heartbeat,
    answers: { 200: { says: 'The server\'s time, and whether anything is to be fetched.', schema: HeartbeatAnswer, example: { now: '2026-11-23T08:20:00.000Z', app_version: '0.1.0', roster_version: '1' } } },
    problems: ['unknown_device'],
    example: { body: { device_id: 'pi-lab301', timestamp: '2026-11-23T08:20:00Z', app_version: '0.1.0', camera: 'live', unsent_marks: 0 } },
  },
  {
    method: 'post',
    path: '/api/v1/rooms/{room_id}/pairing-codes',
    summary: 'A code with which a device becomes the room\'s kiosk, once and within a quarter of an hour',
    who: OFFICE,
    params: z.object({ room_id: RoomId }),
    body: PairingCodeRequest,
    answers: { 201: { says: 'The code, told this once.', schema: PairingCode } },
    problems: ['not_found', 'unknown_device'],
    example: { params: { room_id: 'LAB-301' }, body: {} },
  },
  {
    method: 'post',
    path: '/api/v1/pairing',
    summary: 'Trade a pairing code for a place in the room',
    more: 'The device draws 256 random bits as its key and sends their SHA-256. The same again, with the same key, is answered again.',
    who: EVERYBODY,
    body: PairingRequest,
    answers: { 200: { says: 'Which kiosk it is now.', schema: Paired } },
    problems: ['not_found', 'conflict'],
  },
  {
    method: 'post',
    path: '/api/v1/devices/rotate-key',
    summary: 'Tell the hash of the key that follows one\'s own',
    more: 'Sent with the old key: both open the same. Sent with the new one: it alone does.',
    who: ['device'],
    body: RotateKeyRequest,
    answers: { 200: { says: 'How the key stands.', schema: RotateKeyAnswer } },
    problems: ['conflict'],
  },
]

/** As the demo school's music room is told on a Monday morning. */
function scheduleExample(): unknown {
  const lesson = { lesson_id: '0190a1b2-0000-7000-8000-000000000001', held_on: '2026-11-23', course_id: 'MU140', course_code: 'MU140', course_name: 'Choir and Ensemble', room_id: 'ROOM-204', starts_at: '2026-11-23T08:00:00.000Z', ends_at: '2026-11-23T09:00:00.000Z', student_ids: ['S001'] }
  return {
    now: '2026-11-23T08:20:00.000Z',
    room: { room_id: 'ROOM-204', name: 'Music room 204' },
    school: { name: 'Demo School', time_zone: 'Europe/Stockholm' },
    settings: { false_accept_budget: 0.003, score_floor: 0.5, recognition_threshold: 0.65, liveness: 'watch', policy: 'default', debounce_seconds: 30, frame_skip: 0, camera_fps: 15 },
    rotations: [],
    current_class: lesson,
    students: [{ student_id: 'S001', first_name: 'Amina', last_name: 'Yusuf', templates: [], look_alikes: [], pin: null, card: null }],
    ahead: { lessons: [{ ...lesson, lesson_id: '0190a1b2-0000-7000-8000-000000000002', starts_at: '2026-11-23T12:00:00.000Z', ends_at: '2026-11-23T13:00:00.000Z' }], students: [] },
  }
}
