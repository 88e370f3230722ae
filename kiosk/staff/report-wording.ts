/** The words of the reports: percentages, counts, months. Pure; knows no element and no server. */
import type { AttendanceCounts } from '#contract/report'
import { STATUS_WORD } from './wording.ts'

/** Such as `97.5 %`; a dash where nothing counts. */
export const percentWords = ({ percentage }: Pick<AttendanceCounts, 'percentage'>): string => (percentage === null ? '–' : `${percentage.toFixed(1)}\u00a0%`)

/** Such as `112 present · 4 late · 1 not taken`: only what there is. */
export function countsWords(counts: AttendanceCounts): string {
  const said = (['present', 'late', 'absent', 'excused', 'not_taken'] as const).filter((status) => counts[status] > 0)
  return said.map((status) => `${counts[status].toLocaleString('en-GB')} ${STATUS_WORD[status].toLowerCase()}`).join(' · ') || 'nothing recorded'
}

/** Such as `September 2026`. */
export const monthWords = (month: string): string => new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', month: 'long', year: 'numeric' }).format(new Date(`${month}-01T00:00:00Z`))

/** Such as `Sep`. */
export const shortMonth = (month: string): string => new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', month: 'short' }).format(new Date(`${month}-01T00:00:00Z`)).slice(0, 3)
