/** A mark as it lies on this device's disk, and what names it. */
import type { Mark } from '../attendance/register.ts'

export interface SavedMark extends Omit<Mark, 'method'> {
  /** Absent from a mark that an older version of the app saved. */
  method?: Mark['method']
  /** Place among all marks ever made in this storage, from 1; absent where the server had the mark before storages counted. */
  sequence?: number
  /** `unsent` until the server names it stored or refused. */
  state: 'unsent' | 'stored' | 'refused'
  /** ISO instant of the latest sighting in the lesson. */
  last_seen: string
  /** Made when nobody can say here which lesson was on: it is sent without one, and the school finds it. See redate.ts. */
  unplaced?: true
  /** Why the server refused it, in a person's words. */
  why?: string
}

/** A mark that is to be saved: the storage gives it its place in the count. */
export type NewMark = Omit<SavedMark, 'sequence'>

/** One mark per student and lesson. A SavedMark is its own key. */
export type MarkKey = Pick<SavedMark, 'held_on' | 'lesson_id' | 'student_id'>

export interface SettledMark {
  /** As it was sent. */
  mark: SavedMark
  state: 'stored' | 'refused'
  why?: string | undefined
}
