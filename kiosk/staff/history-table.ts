/** The lines of a history, newest first: the same table for a student's and for a course's. Plain data in, nothing out. */
import { css, html, nothing, type TemplateResult } from 'lit'
import type { HistoryEntry, Status } from '#contract/register'
import { hashOf } from './route.ts'
import { STATUS_WORD, correctionWords, shortDate, timeOf } from './wording.ts'

export const historyLook = css`
  .sums {
    margin: var(--space-3) 0 var(--space-4);
  }
  .month {
    margin: var(--space-6) 0 var(--space-2);
  }
  li.record {
    display: grid;
    grid-template-columns: 7rem minmax(8rem, 1fr) 6.5rem minmax(0, 2fr);
    gap: 0 var(--space-4);
    align-items: center;
    min-height: var(--touch);
    padding: var(--space-1) var(--space-3);
  }
  li.record + li.record {
    border-top: 1px solid var(--line);
  }
  .said {
    overflow-wrap: anywhere;
  }
  @media (max-width: 46rem) {
    li.record {
      grid-template-columns: minmax(0, 1fr) auto;
      padding: var(--space-2);
    }
    .said {
      grid-column: 1 / -1;
    }
    .who {
      grid-row: 2;
      grid-column: 1 / -1;
    }
  }
`

/**
 * @param who what tells the lines apart: the course in a student's history, the student in a course's.
 * @param linked whether the reader may open the lessons' registers.
 */
export function historyTable(records: readonly HistoryEntry[], timeZone: string, who: (record: HistoryEntry) => TemplateResult, linked = true): TemplateResult {
  if (records.length === 0) return html`<p class="note">Nothing is recorded in the last three months.</p>`
  return html`<ul class="card">
    ${records.map(
      (record) =>
        html`<li class="record">
          ${linked
            ? html`<a class="numbers" href=${hashOf({ view: 'lesson', held_on: record.held_on, lesson_id: record.lesson_id })}>${shortDate(record.held_on)}</a>`
            : html`<span class="numbers">${shortDate(record.held_on)}</span>`}
          <span class="who">${who(record)}</span>
          <span><span class="pill ${record.status}">${STATUS_WORD[record.status]}</span></span>
          <span class="said soft small numbers">${recordWords(record, timeZone)}</span>
        </li>`,
    )}
  </ul>`
}

/** What the camera saw and, beside it, what a person set. */
export function recordWords({ timestamp, confidence, corrections, held_on }: HistoryEntry, timeZone: string): string {
  const [newest] = corrections
  return [
    timestamp === null ? undefined : `seen ${timeOf(timestamp, timeZone)}${confidence === null ? '' : `, ${confidence.toFixed(2)}`}`,
    newest ? correctionWords(newest, timeZone, held_on) : undefined,
  ]
    .filter((part) => part !== undefined)
    .join(' · ')
}

/** How often each status stands in a history. */
export function sums(records: readonly HistoryEntry[]): TemplateResult | typeof nothing {
  if (records.length === 0) return nothing
  const all: Status[] = ['present', 'late', 'absent', 'excused', 'not_taken']
  return html`<p class="sums row">
    ${all
      .map((status) => ({ status, count: records.filter((record) => record.status === status).length }))
      .filter(({ count }) => count > 0)
      .map(({ status, count }) => html`<span class="pill ${status} numbers">${count} ${STATUS_WORD[status].toLowerCase()}</span>`)}
  </p>`
}
