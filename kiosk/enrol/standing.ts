/** How far a student's enrolment is, from what is on record. Pure. */
import { CURRENT_MODEL } from '#contract/model'
import type { Student } from '#contract/people'

/** `old_model`: there are templates, but of a model that the kiosks do not compare: to be enrolled again. */
export type Standing = 'no_consent' | 'no_template' | 'old_model' | 'ready'

/** @param model the school's; in the app the one that it was built for. */
export function standingOf({ consent, templates }: Pick<Student, 'consent' | 'templates'>, model: string = CURRENT_MODEL): Standing {
  if (!consent) return 'no_consent'
  if (templates.some((held) => held.model === model && held.count > 0)) return 'ready'
  return templates.length > 0 ? 'old_model' : 'no_template'
}

/** Who must be enrolled again because the school has changed its model. */
export function outdatedStudents(students: readonly Student[], model: string = CURRENT_MODEL): Student[] {
  return students.filter((student) => standingOf(student, model) === 'old_model')
}

/** By any part of the name, either way round, or of the id; accents need not be typed. */
export function findStudents(students: readonly Student[], wanted: string, onlyMissing: boolean): Student[] {
  const words = plain(wanted).split(/\s+/).filter((word) => word !== '')
  return students
    .filter((student) => !onlyMissing || standingOf(student) !== 'ready')
    .filter(({ student_id, first_name, last_name }) => {
      const all = plain(`${student_id} ${first_name} ${last_name}`)
      return words.every((word) => all.includes(word))
    })
    .toSorted((a, b) => a.last_name.localeCompare(b.last_name) || a.first_name.localeCompare(b.first_name))
}

/** The next one, in the list's order, who is not ready; from the end it goes on at the front. */
export function nextMissing(students: readonly Student[], after: string): Student | undefined {
  const all = findStudents(students, '', false)
  const at = all.findIndex(({ student_id }) => student_id === after)
  return [...all.slice(at + 1), ...all.slice(0, Math.max(at, 0))].find((student) => standingOf(student) !== 'ready')
}

const plain = (text: string): string =>
  text
    .normalize('NFD')
    .replace(/\p{Diacritic}/gu, '')
    .replace(',', ' ')
    .toLowerCase()
