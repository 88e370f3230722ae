import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AttendanceRecord } from '#contract/attendance'
import type { NewMark } from '../../db/marks.ts'
import { markOf, soundMark } from './sound-mark.ts'

const FROM = { device_id: 'pi-lab301', store_id: '01890a5d-ac96-774b-bcce-b302099a8057' }

const SOUND = {
  student_id: 'S001',
  course_id: 'CS101',
  timestamp: '2024-01-15T09:05:23.123Z',
  confidence: 0.92,
  mark_id: '01890a5d-ac96-774b-bcce-b302099a8057',
  lesson_id: 'L1',
  held_on: '2024-01-15',
  model: 'mobilefacenet-192-r1',
  method: 'face',
  doubt: 'no_life_seen',
  sequence: 7,
  clock_offset_ms: -12,
}

/** Right, nearly right and wrong, for whatever member they come to stand in. */
const value = fc.oneof(
  fc.constantFrom<unknown>(...Object.values(SOUND), undefined, null, true, NaN, Infinity, -0, 0, 1, 1.5, -1, 2_147_483_646, 2_147_483_647, 2 ** 53, 3_162_240_000_000, -3_162_240_000_001, '', ' ', 'a\n', 'S001\n', '-a',
    'a'.repeat(64), 'a'.repeat(65), 'pin', 'smell', 'looks_like_a_picture', 'faceres-1024-r1', '2024-02-29', '2023-02-29', '2024-02-30', '0000-01-01', '2024-01-15T09:05:23Z', '2024-01-15T09:05:23+02:00', '2024-01-15T24:05:23Z', '2024-01-15 09:05:23Z',
    '2024-01-15T09:05:23', '2024-01-15T09:05Z', '2024-02-30T09:05:23Z', '00000000-0000-0000-0000-000000000000', '01890A5D-AC96-774B-BCCE-B302099A8057', '01890a5d-ac96-774b-ccce-b302099a8057', '01890a5dac96774bbcceb302099a8057'),
  fc.string(), fc.integer(), fc.double(), fc.jsonValue(),
)
const member = fc.constantFrom(...Object.keys(SOUND))
const record = fc.tuple(fc.array(fc.tuple(fc.oneof(member, fc.string()), value), { maxLength: 3 }), fc.subarray(Object.keys(SOUND))).map(([changes, left]) => {
  const made: Record<string, unknown> = { ...SOUND }
  if (left.length < 4) for (const name of left) delete made[name]
  for (const [name, to] of changes) made[name] = to
  return made
})

test('a look says yes only where the contract does, and to the same mark, whatever mark came before', () => {
  let yes = 0
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 9, arbitrary: record as fc.Arbitrary<unknown> }, fc.jsonValue()), { minLength: 1, maxLength: 4 }), (records) => {
      let before: NewMark | undefined
      for (const raw of records) {
        const parsed = AttendanceRecord.safeParse(raw)
        const sound = soundMark(raw, FROM, before)
        if (sound) yes += 1
        if (sound || parsed.success) before = sound ?? markOf(AttendanceRecord.parse(raw), FROM)
        if (sound) expect(JSON.stringify(sound)).toBe(JSON.stringify({ ...parsed.data, ...FROM }))
        if (sound) expect(parsed.success).toBe(true)
      }
    }),
    { numRuns: 5_000 },
  )
  expect(yes).toBeGreaterThan(1_000)
})

test('a kiosk\'s and a script\'s sound records are known at a look, so that the contract is asked only about odd ones', () => {
  const script = { student_id: 'S001', course_id: 'CS101', timestamp: '2024-01-15T09:05:23Z', confidence: 0.92 }
  for (const sound of [SOUND, script, { ...SOUND, doubt: undefined }]) expect(soundMark(sound, FROM, undefined)).toEqual({ ...sound, ...FROM })
})
