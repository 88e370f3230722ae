/** Which marks of a lesson are asked about: the lowest by a secret hash. Nobody who does not hold the school's key can tell or choose them. */
import { createHmac } from 'node:crypto'
import { MOST_CHECKS } from '#contract/mark-check'
import type { LessonKey } from '../db/registers.ts'

/**
 * At most MOST_CHECKS, in the hash's order. The draw is each mark's own: a mark that comes later may take a place, and does not move the order of
 * the others. What was answered stays in the sample, whoever comes after, and nobody is asked for more than so many.
 */
export function drawn<M extends { student_id: string; answer: unknown }>(key: Buffer, { held_on, lesson_id }: LessonKey, marks: readonly M[]): M[] {
  const place = (mark: M): string => createHmac('sha256', key).update(JSON.stringify([held_on, lesson_id, mark.student_id])).digest('hex')
  const ordered = marks.map((mark) => ({ mark, place: place(mark) })).toSorted((a, b) => (a.place < b.place ? -1 : 1)).map(({ mark }) => mark)
  const answered = ordered.filter(({ answer }) => answer !== null)
  const open = ordered.filter(({ answer }) => answer === null).slice(0, Math.max(0, MOST_CHECKS - answered.length))
  return ordered.filter((mark) => open.includes(mark) || answered.includes(mark)).slice(0, MOST_CHECKS)
}
