/**
 * What a heartbeat told of a kiosk's storage and a person must look at, and how it is closed. Who raises an alarm, and by
 * which rule, is heartbeats.ts's.
 */
import type { KioskAlarm } from '#contract/kiosks'
import type { Database } from './connect.ts'
import { iso } from './registers.ts'
import { storable } from './storable.ts'

/** The newest first. */
export async function openAlarms({ sql }: Database): Promise<(KioskAlarm & { device_id: string })[]> {
  return sql<(KioskAlarm & { device_id: string })[]>`
    SELECT device_id, alarm_id, kind, store_id, marks, ${iso(sql, sql`raised_at`)} AS raised_at
    FROM device_alarms WHERE closed_at IS NULL
    ORDER BY raised_at DESC, alarm_id DESC`
}

/**
 * Somebody has looked at it; the row stays. `fenced`: two copies of the kiosk's storage are in use, which looking does not
 * mend: clearFence closes that alarm. `closed`: somebody has closed it before.
 */
export async function closeAlarm(db: Database, device_id: string, alarm_id: number, who: string, now: Date): Promise<'done' | 'closed' | 'absent' | 'fenced'> {
  const closed = await db.sql`
    UPDATE device_alarms a SET closed_at = ${now.toISOString()}::timestamptz, closed_by = ${storable(who)}
    FROM devices d
    WHERE d.device_id = a.device_id AND a.device_id = ${device_id} AND a.alarm_id = ${alarm_id} AND a.closed_at IS NULL
      AND (a.kind <> 'storage_copied' OR d.fenced_at IS NULL)`
  if (closed.count > 0) return 'done'
  const [alarm] = await db.sql<{ closed: boolean }[]>`SELECT closed_at IS NOT NULL AS closed FROM device_alarms WHERE device_id = ${device_id} AND alarm_id = ${alarm_id}`
  if (!alarm) return 'absent'
  return alarm.closed ? 'closed' : 'fenced'
}

/**
 * The office says that the copy which is in use now is the right one: its next heartbeat is believed, whatever fence it
 * presents. Another copy that is still in use is found again at its next heartbeat. False: no such device.
 */
export async function clearFence(db: Database, device_id: string, who: string, now: Date): Promise<boolean> {
  const cleared = await db.sql`
    -- The device first, as a heartbeat does: two that meet wait for each other, and never in a ring.
    WITH cleared AS (
      UPDATE devices SET fenced_at = NULL WHERE device_id = ${device_id} RETURNING device_id
    ), forgotten AS (
      UPDATE device_stores SET fence = NULL, fence_from = NULL WHERE device_id IN (SELECT device_id FROM cleared)
    ), closed AS (
      UPDATE device_alarms SET closed_at = ${now.toISOString()}::timestamptz, closed_by = ${storable(who)}
      WHERE device_id IN (SELECT device_id FROM cleared) AND kind = 'storage_copied' AND closed_at IS NULL
    )
    SELECT FROM cleared`
  return cleared.length > 0
}
