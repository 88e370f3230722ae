/** Which lessons and courses are none of the rooms that a kiosk stands in, or has stood in lately. Knows no mark. */
import { arrayLiteral } from './array-literal.ts'
import type { Database } from './connect.ts'

/** What a kiosk made in another room, or in a lesson that was moved since, is taken for so long after: a kiosk may be offline for weeks. */
const REMEMBERED_DAYS = 31

/** What a device has a mark of: a row of the timetable, or else a course. */
export interface Subject {
  device_id: string
  room_id: string
  schedule_id: string | undefined
  course_id: string | undefined
}

/**
 * Those that are none of their device's. A row or course that the school does not have is not among them: it is refused elsewhere, by name.
 * One query, of however many devices.
 */
export async function outsideRooms({ sql }: Database, subjects: readonly Subject[], now: Date): Promise<Subject[]> {
  const column = (of: (subject: Subject) => string | undefined): string => arrayLiteral(subjects, of)
  const since = new Date(now.getTime() - REMEMBERED_DAYS * 86_400_000).toISOString()
  const rows = await sql<{ place: number }[]>`
    WITH asked AS MATERIALIZED (
      SELECT * FROM ROWS FROM (
        generate_series(1, ${subjects.length}::integer),
        unnest(${column(({ device_id }) => device_id)}::text::text[]), unnest(${column(({ room_id }) => room_id)}::text::text[]),
        unnest(${column(({ schedule_id }) => schedule_id)}::text::text[]), unnest(${column(({ course_id }) => course_id)}::text::text[])
      ) AS a (place, device_id, room_id, schedule_id, course_id)
    ), rooms AS MATERIALIZED (
      SELECT device_id, room_id FROM asked
      UNION
      SELECT a.device_id, b.classroom_id FROM asked a JOIN rooms_before b ON b.of = 'device' AND b.id = a.device_id AND b.until >= ${since}::timestamptz
    )
    SELECT a.place FROM asked a
    CROSS JOIN LATERAL (
      SELECT schedule_id, classroom_id FROM schedules WHERE schedule_id = a.schedule_id
      UNION ALL
      SELECT schedule_id, classroom_id FROM schedules WHERE course_id = a.course_id
    ) s
    GROUP BY a.place
    HAVING NOT bool_or(s.classroom_id = a.room_id OR EXISTS (
      SELECT FROM rooms r WHERE r.device_id = a.device_id AND (r.room_id = s.classroom_id OR EXISTS (
        SELECT FROM rooms_before b WHERE b.of = 'schedule' AND b.id = s.schedule_id AND b.until >= ${since}::timestamptz AND b.classroom_id = r.room_id
      ))
    ))`
  return rows.flatMap(({ place }) => subjects[place - 1] ?? [])
}
