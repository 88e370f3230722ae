/**
 * Which kiosks have forgotten what was erased here. The rows are written by triggers (migration 0013), in the transaction that erases.
 *
 * [Note: When a kiosk has forgotten] A roster that was made at the version of the erasing transaction, or a later one, has none of what it
 * erased. A kiosk tells in each heartbeat at which version the roster that it holds was confirmed, or that it holds none. One
 * that never tells holds a roster that was last confirmed before the erasure, and its templates lapse so many days after that.
 */
import type { Forgetting } from '#contract/consent'
import type postgres from 'postgres'
import type { Database } from './connect.ts'
import { iso } from './registers.ts'

/** Agrees with TEMPLATES_LAPSE_AFTER_DAYS of #contract/consent. */
const LAPSE_AFTER_DAYS = 7

/** Newest first. `certificate`: only those of that certificate. */
export async function forgettings({ sql }: Database, now: Date, { limit = 100, certificate }: { limit?: number; certificate?: string } = {}): Promise<Forgetting[]> {
  const rows = await sql<Omit<Forgetting, 'confirmed'>[]>`
    SELECT f.forgetting_id, f.kind, f.student_id, ${iso(sql, sql`f.forgotten_at`)} AS forgotten_at, f.asked_by, f.certificate_id,
      (SELECT coalesce(json_agg(json_build_object(
          'device_id', k.device_id, 'room_id', d.classroom_id, 'confirmed_at', ${iso(sql, sql`k.confirmed_at`)}, 'last_seen_at', ${iso(sql, sql`d.last_seen_at`)},
          'how', CASE
            WHEN k.confirmed_at IS NOT NULL THEN 'told'
            WHEN d.revoked_at IS NOT NULL THEN 'revoked'
            WHEN f.forgotten_at + ${LAPSE_AFTER_DAYS}::integer * interval '1 day' <= ${now.toISOString()}::timestamptz THEN 'lapsed' END
        ) ORDER BY d.classroom_id COLLATE "C", k.device_id COLLATE "C"), '[]')
       FROM forgetting_kiosks k JOIN devices d ON d.device_id = k.device_id WHERE k.forgetting_id = f.forgetting_id) AS kiosks
    FROM forgettings f
    WHERE ${certificate ?? null}::uuid IS NULL OR f.certificate_id = ${certificate ?? null}::uuid
    ORDER BY f.forgetting_id DESC LIMIT ${limit}`
  return rows.map((row) => ({ ...row, confirmed: row.kiosks.filter(({ how }) => how !== null).length }))
}

/** What a heartbeat tells. @param held of the roster that the kiosk holds; null: it holds none */
export async function confirmForgotten(sql: postgres.Sql | postgres.TransactionSql, deviceId: string, held: string | null, at: Date): Promise<void> {
  // A version that this school has not reached is of another life of its database.
  await sql`
    UPDATE forgetting_kiosks k SET confirmed_at = ${at.toISOString()}::timestamptz
    FROM forgettings f
    WHERE k.device_id = ${deviceId} AND k.confirmed_at IS NULL AND f.forgetting_id = k.forgetting_id
      AND (${held}::bigint IS NULL OR (f.roster_version <= ${held}::bigint AND ${held}::bigint <= (SELECT roster_version FROM school)))`
}
