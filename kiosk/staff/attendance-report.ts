/** `<attendance-report>`: attendance over months in percent: the school's courses, or one course's students, the lowest first. */
import { LitElement, css, html, nothing, svg, type PropertyValues, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import type { AttendanceCounts, CourseReport, SchoolReport } from '#contract/report'
import { courseReport, isSignedOut, schoolReport, type ReportMonths } from '../sync/office.ts'
import { csvOf } from './csv.ts'
import { look, problemNote, waiting } from './look.ts'
import { hashOf } from './route.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { dateOf, problemWords, shortDate, timeOf } from './wording.ts'
import { countsWords, monthWords, percentWords, shortMonth } from './report-wording.ts'

type Shown = { of: 'school'; report: SchoolReport } | { of: 'course'; report: CourseReport }

/** One line of the list, whatever it lists. */
interface Line extends AttendanceCounts {
  id: string
  name: string
  href: string
}

/** From so many lines on, a field to find one. */
const FIND_FROM = 9

@customElement('attendance-report')
export class AttendanceReport extends LitElement {
  static override styles = [
    look,
    css`
      .months {
        margin: var(--space-4) 0;
        gap: var(--space-2) var(--space-4);
      }
      .months label {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0 var(--space-2);
      }
      .months input {
        width: 11rem;
      }
      .sum {
        display: grid;
        grid-template-columns: minmax(10rem, auto) minmax(0, 1fr);
        gap: var(--space-3) var(--space-6);
        align-items: end;
        padding: var(--space-4);
      }
      .sum b {
        display: block;
        font-size: 2.4rem;
        line-height: 1.1;
      }
      ol.trend {
        display: flex;
        gap: var(--space-1);
        justify-content: flex-end;
        align-items: end;
      }
      .trend li {
        flex: 0 1 3.4rem;
        min-width: 0;
        text-align: center;
      }
      .trend svg {
        height: 3.4rem;
      }
      svg {
        display: block;
        width: 100%;
        height: 8px;
      }
      .ground {
        fill: var(--surface-quiet);
      }
      .share {
        fill: var(--accent);
      }
      .tools {
        margin: var(--space-6) 0 var(--space-2);
        justify-content: space-between;
      }
      .tools input {
        max-width: 22rem;
      }
      li.line {
        display: grid;
        grid-template-columns: minmax(0, 5fr) 4.5rem minmax(4rem, 3fr) minmax(0, 5fr);
        gap: 0 var(--space-4);
        align-items: center;
        min-height: var(--touch);
        padding: var(--space-1) var(--space-4);
      }
      li.line + li.line {
        border-top: 1px solid var(--line);
      }
      .percent {
        text-align: right;
        font-weight: 600;
      }
      .name {
        overflow-wrap: anywhere;
      }
      .name a {
        display: inline-flex;
        align-items: center;
        min-height: var(--touch);
      }
      .foot {
        margin-top: var(--space-4);
        max-width: 46rem;
      }
      @media (max-width: 46rem) {
        li.line {
          grid-template-columns: minmax(0, 1fr) auto;
          padding-bottom: var(--space-2);
        }
        .line .bar,
        .line .said {
          grid-column: 1 / -1;
        }
        .sum {
          grid-template-columns: minmax(0, 1fr);
        }
        .trend {
          justify-content: flex-start;
        }
      }
      @media print {
        .months,
        .tools,
        .back {
          display: none;
        }
      }
    `,
  ]

  /** Undefined: the whole school. */
  @property({ attribute: false }) course_id: string | undefined
  @state() private shown: Shown | undefined
  @state() private months: ReportMonths = { from: undefined, to: undefined }
  @state() private problem: string | undefined
  @state() private wanted = ''
  /** The newest question: what comes late to an older one is not shown. */
  private asked = 0

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('course_id') || this.asked === 0) {
      this.shown = undefined
      this.wanted = ''
      void this.load()
    }
  }

  private readonly load = async (): Promise<void> => {
    const mine = ++this.asked
    const { course_id, months } = this
    this.problem = undefined
    try {
      const shown: Shown = course_id === undefined ? { of: 'school', report: await schoolReport(months) } : { of: 'course', report: await courseReport(course_id, months) }
      if (mine === this.asked) this.shown = shown
    } catch (error) {
      if (mine !== this.asked) return
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problem = problemWords(error)
    }
  }

  private choose(end: 'from' | 'to', month: string): void {
    const { report } = this.shown ?? {}
    if (!report || month === '') return
    // What is asked for is what both fields say.
    this.months = { from: this.months.from ?? report.from, to: this.months.to ?? report.to, [end]: month }
    void this.load()
  }

  override render(): TemplateResult {
    const { shown } = this
    return html`${this.course_id === undefined ? nothing : html`<a class="back" href=${hashOf({ view: 'reports', course_id: undefined })}>‹ All courses</a>`}
      ${shown ? this.renderShown(shown) : nothing}
      ${this.problem === undefined ? (shown ? nothing : waiting('Counting…')) : problemNote(this.problem, this.load)}`
  }

  private renderShown(shown: Shown): TemplateResult {
    const { report } = shown
    return html`<h1>${shown.of === 'school' ? 'Reports' : shown.report.course.course_name}</h1>
      <p class="soft">${shown.of === 'school' ? 'The whole school' : shown.report.course.course_code}, ${monthWords(report.from)} to ${monthWords(report.to)}</p>
      <div class="row months" role="group" aria-label="Months">
        ${this.renderMonth('from', 'From', this.months.from ?? report.from)} ${this.renderMonth('to', 'to', this.months.to ?? report.to)}
      </div>
      <div class="card sum">
        <p class="numbers"><b>${percentWords(report.total)}</b>${countsWords(report.total)}</p>
        ${trend(report.months)}
      </div>
      ${report.as_of === null ? html`<p class="note foot">The school’s report is being counted for the first time. Look again in a minute.</p>` : this.renderLines(shown)}
      ${report.as_of === null ? nothing : html`<p class="soft small foot">${footWords(shown)}</p>`}`
  }

  private renderMonth(end: 'from' | 'to', words: string, month: string): TemplateResult {
    return html`<label>${words} <input type="month" required .value=${month} @change=${(event: Event) => this.choose(end, (event.target as HTMLInputElement).value)} /></label>`
  }

  private renderLines(shown: Shown): TemplateResult {
    const lines = linesOf(shown)
    if (lines.length === 0) return html`<p class="note foot">No lesson ended in these months.</p>`
    const wanted = this.wanted.trim().toLowerCase()
    const found = lines.filter(({ id, name }) => `${id} ${name}`.toLowerCase().includes(wanted))
    return html`<div class="row tools">
        <h2>${shown.of === 'school' ? 'Courses' : 'Students'}</h2>
        ${lines.length >= FIND_FROM
          ? html`<input type="search" placeholder="Find" aria-label=${shown.of === 'school' ? 'Find a course' : 'Find a student'} .value=${this.wanted}
              @input=${(event: Event) => (this.wanted = (event.target as HTMLInputElement).value)} />`
          : nothing}
        <button @click=${() => saveFile(fileName(shown), csvOf(table(shown)))}>Download as CSV</button>
      </div>
      ${found.length === 0 ? html`<p class="soft">Nothing has “${this.wanted}” in it.</p>` : nothing}
      <ul class="card">
        ${found.map(
          (line) =>
            html`<li class="line numbers">
              <span class="name"><a href=${line.href}>${line.name}</a> <span class="soft small">${line.id}</span></span>
              <span class="percent">${percentWords(line)}</span>
              <span class="bar" aria-hidden="true">${bar(line.percentage)}</span>
              <span class="said soft small">${countsWords(line)}</span>
            </li>`,
        )}
      </ul>`
  }
}

function linesOf(shown: Shown): Line[] {
  if (shown.of === 'school') return shown.report.courses.map((course) => ({ ...course, id: course.course_code, name: course.course_name, href: hashOf({ view: 'reports', course_id: course.course_id }) }))
  return shown.report.students.map((student) => ({ ...student, id: student.student_id, name: `${student.first_name} ${student.last_name}`, href: hashOf({ view: 'student', student_id: student.student_id }) }))
}

/** Drawn as shapes: the page's policy allows no style of its own to an element. */
function bar(percentage: number | null): TemplateResult {
  return html`<svg viewBox="0 0 100 8" preserveAspectRatio="none">
    ${svg`<rect class="ground" width="100" height="8"></rect>${percentage === null ? nothing : svg`<rect class="share" width=${percentage} height="8"></rect>`}`}
  </svg>`
}

function trend(months: SchoolReport['months']): TemplateResult | typeof nothing {
  if (months.length < 2) return nothing
  return html`<ol class="trend small numbers" aria-label="By month">
    ${months.map(
      (month) => html`<li>
        <span class="hidden-words">${monthWords(month.month)}: ${percentWords(month)}</span>
        <span aria-hidden="true">${month.percentage === null ? '–' : Math.round(month.percentage)}</span>
        <svg aria-hidden="true" viewBox="0 0 8 100" preserveAspectRatio="none">
          ${svg`<rect class="ground" width="8" height="100"></rect><rect class="share" y=${100 - (month.percentage ?? 0)} width="8" height=${month.percentage ?? 0}></rect>`}
        </svg>
        <span class="soft" aria-hidden="true">${shortMonth(month.month)}</span>
      </li>`,
    )}
  </ol>`
}

function footWords({ of, report }: Shown): string {
  const { as_of, time_zone } = report
  const when = as_of === null ? '' : `${shortDate(dateOf(as_of, time_zone))} ${timeOf(as_of, time_zone)}`
  return `Of lessons that had ended by ${when}${of === 'school' ? ' (counted every minute)' : ''}. Percent: present and late, of present, late and absent. Excused lessons, and lessons whose register nobody took, count neither way.`
}

function table(shown: Shown): (string | number | null)[][] {
  const counts = ({ present, late, absent, excused, not_taken, percentage }: AttendanceCounts) => [present, late, absent, excused, not_taken, percentage]
  const heading = ['present', 'late', 'absent', 'excused', 'not_taken', 'percentage']
  if (shown.of === 'school') return [['course_code', 'course_name', ...heading], ...shown.report.courses.map((line) => [line.course_code, line.course_name, ...counts(line)])]
  return [['student_id', 'last_name', 'first_name', ...heading], ...shown.report.students.map((line) => [line.student_id, line.last_name, line.first_name, ...counts(line)])]
}

const fileName = ({ of, report }: Shown): string => `attendance-${of === 'school' ? 'school' : report.course.course_id}-${report.from}-to-${report.to}.csv`

/** Hands the text to the browser as a download. */
function saveFile(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // The download has its own hold of it by the next task.
  setTimeout(() => URL.revokeObjectURL(url))
}
