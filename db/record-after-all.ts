/** The office records what was set aside: through the one way in that every mark takes. Knows no rule of its own about marks. */
import type { Database } from './connect.ts'
import { insertMarks } from './marks.ts'
import type { MarkOutcome, NewMark } from './marks.ts'
import { iso } from './registers.ts'
import { storable } from './storable.ts'

/**
 * Stores the mark that a record set aside has become, then closes its row. In this order: when the server dies in between, the
 * row is still open, and recording it again finds the mark. Who dismissed it in that moment is overruled: it is on record.
 * Refused (nothing is changed): the reason still holds.
 */
export async function recordAfterAll(db: Database, id: number, mark: NewMark, who: string, now: Date): Promise<MarkOutcome> {
  const [outcome] = await insertMarks(db, [mark], now, { keepRefused: false })
  if (!outcome) throw new Error('a mark was left without an outcome')
  if (outcome.outcome === 'refused') return outcome
  await db.sql`
    UPDATE set_aside SET closed_at = ${now.toISOString()}::timestamptz, closed_by = ${storable(who)}, closed_as = 'recorded'
    WHERE set_aside_id = ${id} AND closed_as IS DISTINCT FROM 'recorded'`
  return outcome
}

/** When a lesson of the timetable is held; undefined: there is none such on that date. */
export async function lessonTimes(db: Database, { held_on, lesson_id }: { held_on: string; lesson_id: string }): Promise<{ starts_at: string; ends_at: string } | undefined> {
  const { sql } = db
  const [lesson] = await sql<{ starts_at: string; ends_at: string }[]>`
    SELECT ${iso(sql, sql`l.starts_at`)} AS starts_at, ${iso(sql, sql`l.ends_at`)} AS ends_at
    FROM lessons_on(${held_on}::date) l WHERE l.lesson_id = ${lesson_id}`
  return lesson
}
