/** What a room's kiosk may know: its lesson, the lessons ahead, their students and those students' templates. Nobody else's. */
import type { LivenessPolicy } from '#contract/device'
import type { SchoolPolicy } from '#contract/policy'
import type { Lesson, RosterStudent, Schedule } from '#contract/schedule'
import { packEmbedding } from '#contract/model'
import type { ModelId } from '#contract/model'
import type { RotationSeed } from '#contract/rotation'
import type postgres from 'postgres'
import type { Database } from './connect.ts'
import { textArray } from './keyring.ts'
import type { Keyring } from './keyring.ts'
import { iso } from './registers.ts'
import { openTemplate } from './sealed-templates.ts'

/** The cable may be pulled now: so many hours ahead are always known, and the whole of the school's day. */
const HOURS_AHEAD = 12

/** A schedule without what the server itself adds: its clock, and the settings that are the same for all rooms. */
export type RoomSchedule = Omit<Schedule, 'now' | 'settings'> & { liveness: LivenessPolicy; policy: SchoolPolicy }

/** What a room's kiosk may know but for the embeddings themselves: enough to tell one state of it from another. */
export interface RoomOutline {
  /** Of the state of the school that it is from; see `rosterKey`. */
  key: string
  /** The same bytes as long as nothing changed: everything is in a fixed order, and each template has the fingerprint of its sealed bytes. */
  text: string
  /** ms since 1970; until then nothing in it moves by the clock alone. */
  changesAt: number
}

/** Moves whenever anything of any roster has changed, and is one small query. Undefined: there is no school yet. */
export async function rosterKey(db: Database): Promise<string | undefined> {
  const [school] = await db.sql<{ key: string }[]>`SELECT ${keyOf(db.sql)} AS key FROM school`
  return school?.key
}

const keyOf = (sql: postgres.Sql) => sql`concat_ws(' ', school.roster_version, school.time_zone, school.name)`

/** Undefined: no such room. One statement, so one snapshot. */
export async function roomOutline(db: Database, roomId: string, at: Date): Promise<RoomOutline | undefined> {
  const { sql } = db
  const [found] = await sql<{ key: string; text: string; changes_at: string }[]>`
    WITH day AS MATERIALIZED (
      SELECT i.instant, m.midnight, greatest(m.midnight, i.instant + ${HOURS_AHEAD} * interval '1 hour') AS horizon
      FROM school
      CROSS JOIN LATERAL (SELECT ${at.toISOString()}::timestamptz AS instant) i
      CROSS JOIN LATERAL (SELECT ((i.instant AT TIME ZONE school.time_zone)::date + 1)::timestamp AT TIME ZONE school.time_zone AS midnight) m
    ), in_view AS MATERIALIZED (
      SELECT l.*, c.course_code, c.course_name
      FROM day CROSS JOIN LATERAL lessons_between(day.instant, day.horizon) l JOIN courses c ON c.course_id = l.course_id
      WHERE l.classroom_id = ${roomId}
    ), enrolled AS MATERIALIZED (
      SELECT DISTINCT l.lesson_id, l.held_on, e.student_id
      FROM in_view l JOIN enrollments e ON e.course_id = l.course_id AND is_enrolled(e.enrolled_from, e.enrolled_to, l.ends_at)
    ), known AS MATERIALIZED (SELECT DISTINCT student_id FROM enrolled)
    SELECT ${keyOf(sql)} AS key,
      ${iso(sql, sql`(SELECT min(changes.instant) FROM (
        SELECT day.midnight UNION ALL
        SELECT b.instant FROM in_view l CROSS JOIN LATERAL (VALUES (l.starts_at), (l.ends_at)) b (instant) WHERE b.instant > day.instant UNION ALL
        SELECT next.starts_at - ${HOURS_AHEAD} * interval '1 hour' FROM lessons_between(day.horizon, day.horizon + interval '1 day') next
        WHERE next.classroom_id = ${roomId} AND next.starts_at >= day.horizon
      ) changes (instant))`)} AS changes_at,
      json_build_object(
        'room', json_build_object('room_id', r.classroom_id, 'name', r.name),
        'school', json_build_object('name', school.name, 'time_zone', school.time_zone),
        'liveness', r.liveness,
        'policy', school.policy,
        'on', EXISTS (SELECT FROM in_view l WHERE l.starts_at <= day.instant),
        'lessons', (
          SELECT coalesce(json_agg(json_build_object(
            'lesson_id', l.lesson_id, 'held_on', l.held_on::text, 'course_id', l.course_id, 'course_code', l.course_code, 'course_name', l.course_name, 'room_id', l.classroom_id,
            'starts_at', ${iso(sql, sql`l.starts_at`)}, 'ends_at', ${iso(sql, sql`l.ends_at`)},
            'student_ids', (SELECT coalesce(json_agg(e.student_id ORDER BY e.student_id COLLATE "C"), '[]') FROM enrolled e WHERE e.lesson_id = l.lesson_id AND e.held_on = l.held_on)
          ) ORDER BY l.starts_at, l.lesson_id COLLATE "C"), '[]')
          FROM in_view l
        ),
        'students', (
          SELECT coalesce(json_agg(json_build_object(
            'student_id', s.student_id, 'first_name', s.first_name, 'last_name', s.last_name,
            'pin', (SELECT json_build_object('salt', encode(p.salt, 'base64'), 'hash', encode(p.hash, 'base64'), 'iterations', p.iterations) FROM student_pins p WHERE p.student_id = s.student_id),
            'card', (SELECT encode(k.token_sha256, 'base64') FROM student_cards k WHERE k.student_id = s.student_id),
            'look_alikes', coalesce(alike.others, '[]'),
            'templates', coalesce(face.templates, '[]')
          ) ORDER BY s.student_id COLLATE "C"), '[]')
          FROM known JOIN students s ON s.student_id = known.student_id
          LEFT JOIN LATERAL (
            SELECT json_agg(p.other ORDER BY p.other COLLATE "C") AS others
            FROM (SELECT student_b::text AS other FROM look_alikes WHERE student_a = s.student_id UNION SELECT student_a FROM look_alikes WHERE student_b = s.student_id) p
            -- Where one face is compared with one student, nobody is taken for somebody else.
            WHERE school.policy = 'default'
          ) alike ON true
          LEFT JOIN LATERAL (
            SELECT json_agg(json_build_object('template_id', t.template_id, 'model', t.model, 'md5', md5(t.sealed)) ORDER BY t.model COLLATE "C", t.template_id) AS templates
            FROM templates t WHERE t.student_id = s.student_id AND school.policy <> 'no-biometrics' AND EXISTS (SELECT FROM consents c WHERE c.student_id = t.student_id AND c.withdrawn_at IS NULL)
          ) face ON true
        )
      )::text AS text
    FROM classrooms r CROSS JOIN school CROSS JOIN day WHERE r.classroom_id = ${roomId}`
  return found && { key: found.key, text: found.text, changesAt: Date.parse(found.changes_at) }
}

interface Outlined {
  room: Schedule['room']
  school: Schedule['school']
  liveness: LivenessPolicy
  policy: SchoolPolicy
  /** Whether the first of the lessons is on. */
  on: boolean
  lessons: Lesson[]
  students: (Omit<RosterStudent, 'templates'> & { templates: { template_id: string; model: ModelId }[] })[]
}

/**
 * The outline with its embeddings, and the rotations that they were turned by. Undefined: one of its templates has been erased since, and another
 * outline must be taken. @param keyring undefined: for one who is told of no template
 */
export async function scheduleOf(db: Database, { text }: RoomOutline, keyring: Keyring | undefined): Promise<RoomSchedule | undefined> {
  const { on, lessons, students: outlined, ...place } = JSON.parse(text) as Outlined
  const faces = await facesOf(db, keyring, keyring ? outlined.flatMap(({ templates }) => templates.map(({ template_id }) => template_id)) : [])
  if (!faces) return undefined
  const students = outlined.map((student): RosterStudent => ({
    ...student,
    templates: student.templates.flatMap(({ template_id, model }) => {
      const embedding = faces.embeddings.get(template_id)
      return embedding ? [{ template_id, model, embedding: packEmbedding(embedding) }] : []
    }),
  }))
  const [first] = lessons
  const current = on && first ? first : null
  const inCurrent = new Set(current?.student_ids)
  return {
    ...place,
    rotations: faces.rotations,
    current_class: current,
    students: students.filter((student) => inCurrent.has(student.student_id)),
    ahead: { lessons: current ? lessons.slice(1) : lessons, students: students.filter((student) => !inCurrent.has(student.student_id)) },
  }
}

/** Another one whenever anything of any roster has changed; undefined: there is no school yet. */
export async function rosterVersion(db: Database): Promise<string | undefined> {
  const [school] = await db.sql<{ roster_version: string }[]>`SELECT roster_version::text FROM school`
  return school?.roster_version
}

interface Faces {
  /** By template id; what did not open is missing. */
  embeddings: Map<string, Float32Array>
  rotations: RotationSeed[]
}

/** One statement, so that all are turned by the rotations that come with them. Undefined: one of them is not there any more. */
async function facesOf(db: Database, keyring: Keyring | undefined, templateIds: string[]): Promise<Faces | undefined> {
  const [embeddings, keys, rotations] = [new Map<string, Float32Array>(), new Map<string, Buffer | undefined>(), new Map<string, RotationSeed>()]
  if (!keyring || templateIds.length === 0) return { embeddings, rotations: [] }
  const rows = await db.sql<{ template_id: string; student_id: string; model: ModelId; sealed: Buffer; key: Buffer | null; seed: Buffer | null }[]>`
    SELECT t.template_id, t.student_id, t.model, t.sealed, k.wrapped AS key, r.wrapped AS seed FROM templates t
    LEFT JOIN keyring.students k ON k.student_id = t.student_id
    LEFT JOIN keyring.rotations r ON r.model = t.model
    WHERE t.template_id = ANY (${textArray(templateIds)}::text::uuid[])`
  if (rows.length < templateIds.length) return undefined
  for (const { sealed, key: wrapped, seed, ...row } of rows) {
    const { student_id, model } = row
    if (!keys.has(student_id)) keys.set(student_id, wrapped ? keyring.unwrapKey(student_id, wrapped) : undefined)
    const key = keys.get(student_id)
    const embedding = key && openTemplate(key, row, sealed)
    const opened = seed && !rotations.has(model) ? keyring.unwrapSeed(model, seed) : undefined
    if (opened) rotations.set(model, { model, seed: opened.toString('base64') })
    if (embedding && rotations.has(model)) embeddings.set(row.template_id, embedding)
    else keyring.unopened({ student_id, model })
  }
  return { embeddings, rotations: [...rotations.values()].sort((a, b) => (a.model < b.model ? -1 : 1)) }
}
