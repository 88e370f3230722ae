/** How often a mark by face is right, from the sample that teachers answer. Knows not how it is drawn. */
import { ACCURACY_DAYS } from '#contract/mark-check'
import type { Accuracy } from '#contract/mark-check'
import type { Database } from '../db/connect.ts'
import { checkedLessons } from '../db/mark-checks.ts'
import type { CheckedLesson } from '../db/mark-checks.ts'

/** Two-sided 95 %. */
const Z = 1.959964

/**
 * [Note: The share of right marks] Of each lesson at most three marks are asked about, whatever its size; so each answer stands for
 * marks / answers of its lesson (Hajek's ratio estimator: weighted right answers over the sum of weights). The interval is
 * Wilson's score interval (Wilson 1927) at the effective sample size n = (sum w)^2 / sum w^2 (Kish 1965), the form that keeps its
 * coverage near 1, where a share of right marks lies and the normal interval does not: Franco, Little, Louis and Slud,
 * "Comparative study of confidence intervals for proportions in complex sample surveys", J. Survey Stat. Methodol. 7 (2019) 334-364. It takes answers of one
 * lesson as independent; where a kiosk is wrong about a whole class at once it is too narrow. Lessons in which nobody answers are not in it.
 * @returns shares from 0 to 1; undefined: nothing was answered
 */
export function shareRight(lessons: readonly CheckedLesson[]): { estimate: number; lower: number; upper: number; checked: number } | undefined {
  let [sum, squares, right, checked] = [0, 0, 0, 0]
  for (const lesson of lessons) {
    const answers = lesson.right + lesson.wrong
    if (answers === 0) continue
    // A mark may have been erased since it was answered.
    const weight = Math.max(lesson.marks, answers) / answers
    sum += weight * answers
    squares += weight * weight * answers
    right += weight * lesson.right
    checked += answers
  }
  if (checked === 0) return undefined
  const estimate = right / sum
  const n = (sum * sum) / squares
  const middle = (estimate + (Z * Z) / (2 * n)) / (1 + (Z * Z) / n)
  const half = (Z / (1 + (Z * Z) / n)) * Math.sqrt((estimate * (1 - estimate)) / n + (Z * Z) / (4 * n * n))
  return { estimate, lower: Math.max(0, middle - half), upper: Math.min(1, middle + half), checked }
}

/** Over the last ACCURACY_DAYS days. Undefined: no teacher has answered. */
export async function accuracyNow(db: Database, now: Date): Promise<Accuracy | undefined> {
  const { from, lessons } = await checkedLessons(db, ACCURACY_DAYS, now)
  const share = shareRight(lessons)
  return share && { from, ...share, lessons: lessons.length, marks: lessons.reduce((sum, { marks }) => sum + marks, 0) }
}
