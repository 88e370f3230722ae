/**
 * Records that could be read and not be taken: an absurd time, an unknown student or lesson, a value that PostgreSQL
 * would not keep. Each is one row with its reason, which stays; the office records it after all (record-after-all.ts) or
 * dismisses it. Knows no rule by which a record is refused: marks.ts does, and the recorder.
 */
import { createHash } from 'node:crypto'
import type { SetAside } from '#contract/set-aside'
import type { Database } from './connect.ts'
import { iso } from './registers.ts'
import { storable, storableJson } from './storable.ts'

/** One record that was refused for good. `record`: as it was sent, without the device, which stands beside it. */
export interface Refused {
  record: unknown
  device_id: string | undefined
  /** The storage that it came from, where it told. */
  store_id?: string | undefined
  code: string
  field: string
  reason: string
}

/** A row as table set_aside takes it. */
interface SetAsideRow {
  /** Hexadecimal. */
  record_sha256: string
  /** JSON text. */
  record: string
  device_id: string | null
  code: string
  field: string
  reason: string
  /** How often the record is among those handed in. */
  times: number
}

/** One row for each different record. The same record is known by its members, whatever order they come in. */
function setAsideRows(refused: readonly Refused[]): SetAsideRow[] {
  const rows = new Map<string, SetAsideRow>()
  for (const { record, device_id, code, field, reason } of refused) {
    const text = storableJson(inOneOrder(record ?? null))
    const record_sha256 = createHash('sha256').update(`${device_id ?? ''}\n${text}`).digest('hex')
    const times = (rows.get(record_sha256)?.times ?? 0) + 1
    rows.set(record_sha256, { record_sha256, record: text, device_id: device_id === undefined ? null : storable(device_id), code, field: storable(field), reason: storable(reason), times })
  }
  return [...rows.values()]
}

/** Keeps each, once: one that is there already counts up. What a person has closed stays closed. */
export async function setAside(db: Database, refused: readonly Refused[], now: Date): Promise<void> {
  const rows = setAsideRows(refused)
  if (rows.length === 0) return
  const at = now.toISOString()
  // One order for all: statements that write the same rows then wait for each other, and never in a ring.
  await db.sql`
    INSERT INTO set_aside AS a (record_sha256, record, device_id, code, field, reason, first_at, last_at, times)
    SELECT decode(r.record_sha256, 'hex'), r.record::jsonb, r.device_id, r.code, r.field, r.reason, ${at}::timestamptz, ${at}::timestamptz, r.times
    FROM jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      AS r (record_sha256 text, record text, device_id text, code text, field text, reason text, times integer)
    ORDER BY 1
    ON CONFLICT (record_sha256) DO UPDATE SET times = a.times + excluded.times, last_at = greatest(a.last_at, excluded.last_at)`
}

/** Records of ours have one level. What comes a thousand deep would end our stack, or PostgreSQL's. */
const DEEPEST = 32

/** Objects with their members by name: JSON says the same in any order, a hash does not. */
function inOneOrder(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth === DEEPEST) return '(nested too deeply to be kept)'
  if (Array.isArray(value)) return value.map((inner) => inOneOrder(inner, depth + 1))
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, inner]) => [name, inOneOrder(inner, depth + 1)]))
}

export type OpenSetAside = Omit<SetAside, 'recordable'>

/** The newest first. `before`: only those older than this one. */
export async function openSetAside(db: Database, { limit, before }: { limit: number; before?: number }): Promise<OpenSetAside[]> {
  return listed(db, { limit, before: before ?? null, only: null })
}

/** Undefined: there is none. `closed_as` null: it is open. */
export async function setAsideById(db: Database, id: number): Promise<(OpenSetAside & { closed_as: 'recorded' | 'dismissed' | null; closed_by: string | null }) | undefined> {
  const [closing] = await db.sql<{ closed_as: 'recorded' | 'dismissed' | null; closed_by: string | null }[]>`SELECT closed_as, closed_by FROM set_aside WHERE set_aside_id = ${id}`
  const [entry] = closing ? await listed(db, { limit: 1, before: null, only: id }) : []
  return closing && entry ? { ...entry, ...closing } : undefined
}

type Row = Omit<OpenSetAside, 'record' | 'says'> & { record: string } & OpenSetAside['says']

async function listed({ sql }: Database, { limit, before, only }: { limit: number; before: number | null; only: number | null }): Promise<OpenSetAside[]> {
  const said = (member: string) => sql`CASE WHEN jsonb_typeof(a.record -> ${member}) = 'string' THEN a.record ->> ${member} END`
  const rows = await sql<Row[]>`
    SELECT a.set_aside_id, a.record::text AS record, a.device_id, d.classroom_id AS room_id, a.code, a.field, a.reason, a.times,
      ${iso(sql, sql`a.first_at`)} AS first_at, ${iso(sql, sql`a.last_at`)} AS last_at,
      ${said('student_id')} AS student_id, s.first_name || ' ' || s.last_name AS student_name,
      ${said('course_id')} AS course_id, c.course_name,
      ${said('timestamp')} AS timestamp, ${said('held_on')} AS held_on, ${said('lesson_id')} AS lesson_id
    FROM set_aside a
    LEFT JOIN devices d ON d.device_id = a.device_id
    LEFT JOIN students s ON s.student_id = a.record ->> 'student_id'
    LEFT JOIN courses c ON c.course_id = a.record ->> 'course_id'
    WHERE CASE WHEN ${only}::integer IS NULL
      THEN a.closed_at IS NULL AND (${before}::integer IS NULL OR a.set_aside_id < ${before}::integer)
      ELSE a.set_aside_id = ${only}::integer END
    ORDER BY a.set_aside_id DESC
    LIMIT ${limit}`
  return rows.map(({ record, student_id, student_name, course_id, course_name, timestamp, held_on, lesson_id, ...row }) => ({
    ...row,
    record: JSON.parse(record) as unknown,
    says: { student_id, student_name, course_id, course_name, timestamp, held_on, lesson_id },
  }))
}

export async function countOpenSetAside(db: Database): Promise<number> {
  const [sum] = await db.sql<{ open: number }[]>`SELECT count(*)::integer AS open FROM set_aside WHERE closed_at IS NULL`
  return sum?.open ?? 0
}

/** The row stays, with who dismissed it. `closed`: somebody recorded or dismissed it before. */
export async function dismiss(db: Database, id: number, who: string, now: Date): Promise<'dismissed' | 'closed' | 'absent'> {
  const changed = await db.sql`
    UPDATE set_aside SET closed_at = ${now.toISOString()}::timestamptz, closed_by = ${storable(who)}, closed_as = 'dismissed'
    WHERE set_aside_id = ${id} AND closed_at IS NULL`
  if (changed.count > 0) return 'dismissed'
  const [row] = await db.sql`SELECT FROM set_aside WHERE set_aside_id = ${id}`
  return row ? 'closed' : 'absent'
}
