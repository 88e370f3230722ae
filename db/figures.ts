/** The school's figures for a monitor, in few and cheap questions: how each kiosk last told it is, and what waits for a person. Knows no name. */
import type { CameraState } from '#contract/device'
import type { AlarmKind } from '#contract/kiosks'
import type { Database } from './connect.ts'

/** One device that is not revoked; null: it has not said. Instants are seconds since 1970. */
export interface KioskFigures {
  device_id: string
  room_id: string
  seen_at: number | null
  fenced: boolean
  unsent_marks: number | null
  refused_marks: number | null
  oldest_unsent_at: number | null
  roster_pulled_at: number | null
  clock_offset_ms: number | null
  camera: CameraState | null
  frame_ms: number | null
  embed_ms: number | null
}

export interface SchoolFigures {
  kiosks: KioskFigures[]
  alarms: { device_id: string; kind: AlarmKind; alarms: number }[]
  set_aside: number
  months_ahead: number
  /** The newest row of the audit log; 0: there is none. */
  audit_rows: number
}

/** The beat was parsed by the contract when it came; an older app, or a script, tells less. */
export async function schoolFigures({ sql }: Database, now: Date): Promise<SchoolFigures> {
  const instant = (member: string) => sql`extract(epoch FROM (d.last_heartbeat ->> ${member})::timestamptz)::double precision`
  const number = (member: string) => sql`(d.last_heartbeat ->> ${member})::double precision`
  const [kiosks, alarms, [sums]] = await Promise.all([
    sql<KioskFigures[]>`
      SELECT d.device_id, d.classroom_id AS room_id, d.fenced_at IS NOT NULL AS fenced, extract(epoch FROM d.last_seen_at)::double precision AS seen_at,
        ${number('unsent_marks')} AS unsent_marks, ${number('refused_marks')} AS refused_marks, ${instant('oldest_unsent_at')} AS oldest_unsent_at,
        ${instant('roster_pulled_at')} AS roster_pulled_at, ${number('clock_offset_ms')} AS clock_offset_ms, d.last_heartbeat ->> 'camera' AS camera,
        ${number('frame_ms')} AS frame_ms, ${number('embed_ms')} AS embed_ms
      FROM devices d WHERE d.revoked_at IS NULL ORDER BY d.device_id COLLATE "C"`,
    sql<SchoolFigures['alarms']>`SELECT device_id, kind, count(*)::integer AS alarms FROM device_alarms WHERE closed_at IS NULL GROUP BY device_id, kind`,
    sql<Omit<SchoolFigures, 'kiosks' | 'alarms'>[]>`
      SELECT (SELECT count(*)::integer FROM set_aside WHERE closed_at IS NULL) AS set_aside, months_ahead(${now.toISOString()}::timestamptz) AS months_ahead,
        coalesce((SELECT max(seq) FROM audit_log), 0)::double precision AS audit_rows`,
  ])
  if (!sums) throw new Error('the database counted nothing')
  return { kiosks, alarms, ...sums }
}
