/** How every kiosk of the school is, as it last told, and which of them should have told more. Knows no key of theirs. */
import type { Heartbeat } from '#contract/device'
import type { Kiosk, SilentKiosk } from '#contract/kiosks'
import { openAlarms } from './alarms.ts'
import type { Database } from './connect.ts'
import { iso } from './registers.ts'

/** All, revoked ones too, by room and device. */
export async function kiosks(db: Database): Promise<Kiosk[]> {
  const { sql } = db
  const [rows, alarms] = await Promise.all([
    sql<(Pick<Kiosk, 'device_id' | 'room_id' | 'room_name' | 'last_seen_at' | 'revoked_at' | 'fenced_at' | 'key_drawn_at' | 'key_wanted'> & { beat: string | null })[]>`
      SELECT d.device_id, d.classroom_id AS room_id, r.name AS room_name, d.last_heartbeat::text AS beat,
        ${iso(sql, sql`d.last_seen_at`)} AS last_seen_at, ${iso(sql, sql`d.revoked_at`)} AS revoked_at, ${iso(sql, sql`d.fenced_at`)} AS fenced_at,
        ${iso(sql, sql`d.key_drawn_at`)} AS key_drawn_at, d.key_wanted_at IS NOT NULL AS key_wanted
      FROM devices d JOIN classrooms r ON r.classroom_id = d.classroom_id
      ORDER BY d.classroom_id COLLATE "C", d.device_id COLLATE "C"`,
    openAlarms(db),
  ])
  return rows.map(({ beat, ...row }) => ({
    ...row,
    ...toldBy(beat === null ? {} : (JSON.parse(beat) as Partial<Heartbeat>)),
    alarms: alarms.filter(({ device_id }) => device_id === row.device_id).map(({ device_id: _device, ...alarm }) => alarm),
  }))
}

type Told = Pick<Kiosk, 'app_version' | 'camera' | 'unsent_marks' | 'refused_marks' | 'clock_offset_ms' | 'storage_persisted' | 'roster_pulled_at'>

/** The beat was parsed by the contract when it came; an older app, or a script, tells less. */
function toldBy(beat: Partial<Heartbeat>): Told {
  const { app_version = null, camera = null, unsent_marks = null, refused_marks = null, clock_offset_ms = null, storage_persisted = null, roster_pulled_at = null } = beat
  return { app_version, camera, unsent_marks, refused_marks, clock_offset_ms, storage_persisted, roster_pulled_at }
}

/** Kiosks in whose room a lesson is on, and of which nothing was heard since `heardSince`, the longest silent first. */
export async function silentKiosks({ sql }: Database, heardSince: Date, now: Date): Promise<SilentKiosk[]> {
  const rows = await sql<(Omit<SilentKiosk, 'lesson'> & SilentKiosk['lesson'])[]>`
    SELECT DISTINCT ON (d.last_seen_at, d.device_id) d.device_id, d.classroom_id AS room_id, r.name AS room_name, ${iso(sql, sql`d.last_seen_at`)} AS last_seen_at,
      l.lesson_id, l.held_on::text AS held_on, c.course_name, ${iso(sql, sql`l.starts_at`)} AS starts_at, ${iso(sql, sql`l.ends_at`)} AS ends_at
    FROM lessons_at(${now.toISOString()}::timestamptz) l
    JOIN devices d ON d.classroom_id = l.classroom_id
    JOIN classrooms r ON r.classroom_id = d.classroom_id
    JOIN courses c ON c.course_id = l.course_id
    WHERE d.revoked_at IS NULL AND (d.last_seen_at IS NULL OR d.last_seen_at < ${heardSince.toISOString()}::timestamptz)
    ORDER BY d.last_seen_at NULLS FIRST, d.device_id, l.starts_at DESC`
  return rows.map(({ lesson_id, held_on, course_name, starts_at, ends_at, ...kiosk }) => ({ ...kiosk, lesson: { lesson_id, held_on, course_name, starts_at, ends_at } }))
}

/** The school's IANA zone. */
export async function schoolZone(db: Database): Promise<string> {
  const [school] = await db.sql<{ time_zone: string }[]>`SELECT time_zone FROM school`
  return school?.time_zone ?? 'UTC'
}
