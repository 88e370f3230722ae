/** Which lessons and courses are none of the rooms that a kiosk stands in, or has stood in lately. Knows no mark. */
import type { Database } from './connect.ts'

/** What a kiosk made in another room, or in a lesson that was moved since, is taken for so long after: a kiosk may be offline for weeks. */
const REMEMBERED_DAYS = 31

/**
 * Of these rows of the timetable and these courses, those that are none of the device's. A row or course that the school does not have is not among them:
 * it is refused elsewhere, by name.
 */
export async function outsideRooms({ sql }: Database, o: { device_id: string; room_id: string; schedules: string[]; courses: string[]; now: Date }): Promise<{ schedules: string[]; courses: string[] }> {
  // Ids, by the contract's pattern: none holds a quote or a backslash.
  const arrayOf = (ids: string[]): string => `{${ids.map((id) => `"${id}"`).join(',')}}`
  const [schedules, courses] = [arrayOf(o.schedules), arrayOf(o.courses)]
  const since = new Date(o.now.getTime() - REMEMBERED_DAYS * 86_400_000).toISOString()
  const rows = await sql<{ kind: 'schedule' | 'course'; id: string }[]>`
    WITH rooms AS MATERIALIZED (
      SELECT ${o.room_id} AS room UNION SELECT classroom_id FROM rooms_before WHERE of = 'device' AND id = ${o.device_id} AND until >= ${since}::timestamptz
    ), ours AS MATERIALIZED (
      SELECT s.schedule_id, s.course_id FROM schedules s
      WHERE s.schedule_id = ANY(${schedules}::text::text[]) OR s.course_id = ANY(${courses}::text::text[])
    ), placed AS (
      SELECT u.schedule_id, u.course_id, EXISTS (
        SELECT FROM schedules s WHERE s.schedule_id = u.schedule_id AND s.classroom_id IN (SELECT room FROM rooms)
        UNION ALL
        SELECT FROM rooms_before b WHERE b.of = 'schedule' AND b.id = u.schedule_id AND b.until >= ${since}::timestamptz AND b.classroom_id IN (SELECT room FROM rooms)
      ) AS inside
      FROM ours u
    )
    SELECT 'schedule' AS kind, schedule_id AS id FROM placed WHERE schedule_id = ANY(${schedules}::text::text[]) AND NOT inside
    UNION ALL
    SELECT 'course', course_id FROM placed WHERE course_id = ANY(${courses}::text::text[]) GROUP BY course_id HAVING NOT bool_or(inside)`
  return { schedules: rows.filter(({ kind }) => kind === 'schedule').map(({ id }) => id), courses: rows.filter(({ kind }) => kind === 'course').map(({ id }) => id) }
}
