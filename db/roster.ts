/** What a room's kiosk may know: its lesson, the lessons ahead, their students and those students' templates. Nobody else's. */
import type { LivenessPolicy } from '#contract/device'
import type { Lesson, RosterStudent, Schedule } from '#contract/schedule'
import type { ModelId } from '#contract/model'
import type { Database } from './connect.ts'
import { iso } from './registers.ts'

/** The cable may be pulled now: so many hours ahead are always known, and the whole of the school's day. */
const HOURS_AHEAD = 12
/** Embeddings travel rounded to so many decimals: 2 kB a template instead of 4, and a cosine moves by less than 1e-4. */
const DECIMALS = 5

/** A schedule without what the server itself adds: its clock, and the settings that are the same for all rooms. */
export type RoomSchedule = Omit<Schedule, 'now' | 'settings'> & { liveness: LivenessPolicy }

/**
 * The same bytes as long as nothing changed: everything is in a fixed order, and nothing is in it that
 * moves with the clock but the lessons that come into view. Undefined: no such room.
 */
export async function roomSchedule(db: Database, roomId: string, at: Date): Promise<RoomSchedule | undefined> {
  return db.sql.begin('ISOLATION LEVEL REPEATABLE READ READ ONLY', async (sql) => {
    const [place] = await sql<{ room_id: string; room_name: string; liveness: LivenessPolicy; school_name: string; time_zone: string }[]>`
      SELECT r.classroom_id AS room_id, r.name AS room_name, r.liveness, school.name AS school_name, school.time_zone
      FROM classrooms r CROSS JOIN school WHERE r.classroom_id = ${roomId}`
    if (!place) return undefined
    const now = sql`${at.toISOString()}::timestamptz`
    const lessons = await sql<Lesson[]>`
      SELECT l.lesson_id, l.held_on::text AS held_on, l.course_id, c.course_code, c.course_name, l.classroom_id AS room_id,
        ${iso(sql, sql`l.starts_at`)} AS starts_at, ${iso(sql, sql`l.ends_at`)} AS ends_at,
        coalesce(e.student_ids, '[]') AS student_ids
      FROM school
      CROSS JOIN LATERAL (SELECT (((${now} AT TIME ZONE school.time_zone)::date + 1)::timestamp AT TIME ZONE school.time_zone) AS midnight) d
      CROSS JOIN LATERAL lessons_between(${now}, greatest(d.midnight, ${now} + ${HOURS_AHEAD} * interval '1 hour')) l
      JOIN courses c ON c.course_id = l.course_id
      LEFT JOIN LATERAL (
        SELECT json_agg(n.student_id ORDER BY n.student_id COLLATE "C") AS student_ids
        FROM (SELECT DISTINCT student_id FROM enrollments e WHERE e.course_id = l.course_id AND is_enrolled(e.enrolled_from, e.enrolled_to, l.ends_at)) n
      ) e ON true
      WHERE l.classroom_id = ${roomId}
      ORDER BY l.starts_at, l.lesson_id COLLATE "C"`
    const ids = [...new Set(lessons.flatMap((lesson) => lesson.student_ids))]
    const people = await sql<{ student_id: string; first_name: string; last_name: string; pin: RosterStudent['pin'] }[]>`
      SELECT s.student_id, s.first_name, s.last_name,
        (SELECT json_build_object('salt', encode(p.salt, 'base64'), 'hash', encode(p.hash, 'base64'), 'iterations', p.iterations)
         FROM student_pins p WHERE p.student_id = s.student_id) AS pin
      FROM students s
      WHERE s.student_id IN (SELECT jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb))
      ORDER BY s.student_id COLLATE "C"`
    const faces = await sql<{ template_id: string; student_id: string; model: ModelId; embedding: Buffer }[]>`
      SELECT t.template_id, t.student_id, t.model, t.embedding
      FROM templates t JOIN consents c ON c.student_id = t.student_id AND c.withdrawn_at IS NULL
      WHERE t.student_id IN (SELECT jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb))
      ORDER BY t.student_id COLLATE "C", t.model COLLATE "C", t.template_id`
    const pairs = await sql<{ student_id: string; others: string[] }[]>`
      SELECT p.one AS student_id, json_agg(DISTINCT p.other) AS others
      FROM (SELECT student_a::text AS one, student_b::text AS other FROM look_alikes UNION ALL SELECT student_b, student_a FROM look_alikes) p
      WHERE p.one IN (SELECT jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb))
      GROUP BY p.one`
    const lookAlikes = new Map(pairs.map(({ student_id, others }) => [student_id, others.sort()]))
    const students = people.map((person): RosterStudent => ({
      ...person,
      look_alikes: lookAlikes.get(person.student_id) ?? [],
      templates: faces
        .filter((face) => face.student_id === person.student_id)
        .map(({ template_id, model, embedding }) => ({ template_id, model, embedding: embeddingOf(embedding) })),
    }))
    const [first] = lessons
    const current = first && Date.parse(first.starts_at) <= at.getTime() ? first : undefined
    const inCurrent = new Set(current?.student_ids)
    return {
      room: { room_id: place.room_id, name: place.room_name },
      school: { name: place.school_name, time_zone: place.time_zone },
      liveness: place.liveness,
      current_class: current ?? null,
      students: students.filter((student) => inCurrent.has(student.student_id)),
      ahead: {
        lessons: lessons.filter((lesson) => lesson !== current),
        students: students.filter((student) => !inCurrent.has(student.student_id)),
      },
    }
  }) as Promise<RoomSchedule | undefined>
}

/** Another one whenever anything of any roster has changed; undefined: there is no school yet. */
export async function rosterVersion(db: Database): Promise<string | undefined> {
  const [school] = await db.sql<{ roster_version: string }[]>`SELECT roster_version::text FROM school`
  return school?.roster_version
}

/** float32 little-endian -> numbers rounded for the wire. */
export function embeddingOf(bytes: Buffer): number[] {
  const scale = 10 ** DECIMALS
  // + 0 turns the -0 that rounding makes into 0.
  return Array.from({ length: bytes.length / 4 }, (_, i) => Math.round(bytes.readFloatLE(i * 4) * scale) / scale + 0)
}
