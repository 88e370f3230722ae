/**
 * Marks as one statement takes them: what is wrong with some set apart, and the rest in columns. What the marks of one kiosk in one
 * lesson have in common stands once, in a sheet; a lesson's thirty marks then cost one look at the timetable. Knows no SQL.
 */
import { faultOfMark, faultOfSheet, isPlace, isStore } from './mark-fault.ts'
import type { Sheet } from './mark-fault.ts'
import type { MarkOutcome, NewMark } from './marks.ts'

export interface MarkBatch {
  /** In the order of the marks; undefined where nothing is wrong. */
  faults: (MarkOutcome | undefined)[]
  sheets: Sheet[]
  /** The sound ones alone. */
  rows: MarkRow[]
}

export interface MarkRow {
  mark: NewMark
  /** Of the mark among all that were handed in. */
  index: number
  /** Place of its sheet, from 1. */
  sheet: number
  /** Of its timestamp, in milliseconds since 1970: PostgreSQL reads a number several times faster than a date. */
  at: number
}

export function batchOf(marks: NewMark[], receivedAt: Date): MarkBatch {
  const faults: MarkBatch['faults'] = []
  const sheets: Sheet[] = []
  const rows: MarkRow[] = []
  const known = new Map<string, { mark: NewMark; sheet: number; fault: MarkOutcome | undefined }>()
  let last: { mark: NewMark; sheet: number; fault: MarkOutcome | undefined } | undefined
  for (let index = 0; index < marks.length; index++) {
    const mark = marks[index]
    if (!mark) continue
    // Marks of one kiosk come together: mostly it is the sheet of the mark before.
    if (!last || !onOneSheet(last.mark, mark)) {
      const name = `${mark.lesson_id} ${mark.held_on} ${mark.device_id} ${mark.course_id}`
      last = known.get(name)
      if (!last || !onOneSheet(last.mark, mark)) {
        const fault = faultOfSheet(mark)
        last = { mark, sheet: fault ? 0 : sheets.push(mark), fault }
        known.set(name, last)
      }
    }
    const at = Date.parse(mark.timestamp)
    const fault = last.fault ?? faultOfMark(mark, at, receivedAt)
    faults.push(fault)
    if (!fault) rows.push({ mark, index, sheet: last.sheet, at })
  }
  return { faults, sheets, rows }
}

function onOneSheet(a: Sheet, b: Sheet): boolean {
  return a.lesson_id === b.lesson_id && a.held_on === b.held_on && a.device_id === b.device_id && a.course_id === b.course_id && a.model === b.model && a.method === b.method
}

/** Of one storage of one device: the sequences of its marks, as PostgreSQL reads a multirange. See [Note: What came of a storage]. */
export interface Received { device_id: string; store_id: string; sequences: string }

export function receivedOf(marks: Pick<NewMark, 'device_id' | 'store_id' | 'sequence'>[]): Received[] {
  const stores = new Map<string, { device_id: string; store_id: string; sequences: number[] }>()
  let last: { device_id: string; store_id: string; sequences: number[] } | undefined
  for (const { device_id, store_id, sequence } of marks) {
    if (store_id === undefined || !isPlace(sequence)) continue
    if (last?.store_id !== store_id || last.device_id !== device_id) {
      if (!isStore(device_id, store_id)) continue
      const name = `${device_id} ${store_id}`
      last = stores.get(name) ?? { device_id, store_id, sequences: [] }
      stores.set(name, last)
    }
    last.sequences.push(sequence)
  }
  return [...stores.values()].map(({ device_id, store_id, sequences }) => ({ device_id, store_id, sequences: multirange(sequences) }))
}

/** The shortest that holds them: neighbours in one range. */
function multirange(sequences: number[]): string {
  const ranges: { from: number; to: number }[] = []
  for (const sequence of sequences.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last && sequence <= last.to) last.to = Math.max(last.to, sequence + 1)
    else ranges.push({ from: sequence, to: sequence + 1 })
  }
  return `{${ranges.map(({ from, to }) => `[${from},${to})`).join(',')}}`
}
