/** First letters of first names, to find one's own among many. Pure. */
import type { WaitingStudent } from './state.ts'

/** Without accents, so that Åsa and Anna are found under the letter that everybody looks for; what is no letter stands under itself. */
export function initialOf({ name }: Pick<WaitingStudent, 'name'>): string {
  const [first = ''] = name.trim().normalize('NFD').replace(/\p{Diacritic}/gu, '')
  return first.toLocaleUpperCase()
}

/** Each once, in order. */
export function initialsOf(students: readonly Pick<WaitingStudent, 'name'>[]): string[] {
  return [...new Set(students.map(initialOf))].sort((a, b) => a.localeCompare(b))
}

export function inGroup(student: Pick<WaitingStudent, 'name'>, initial: string): boolean {
  return initialOf(student) === initial
}
