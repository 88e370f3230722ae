/** `<my-attendance>`: a student's own: percentages of the last twelve months, what was recorded in the last three, and their consent. */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import type { Session, Student } from '#contract/people'
import type { HistoryEntry } from '#contract/register'
import type { CourseCounts, StudentReport } from '#contract/report'
import { isSignedOut, student, studentHistory, studentReport } from '../sync/office.ts'
import { historyLook, historyTable, sums } from './history-table.ts'
import { look, problemNote, waiting } from './look.ts'
import { countsWords, percentWords } from './report-wording.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { dateOf, dateWords, problemWords } from './wording.ts'

interface Mine {
  me: Student
  report: StudentReport
  records: HistoryEntry[]
}

@customElement('my-attendance')
export class MyAttendance extends LitElement {
  static override styles = [
    look,
    historyLook,
    css`
      .total {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr);
        gap: var(--space-2) var(--space-6);
        align-items: baseline;
        padding: var(--space-4);
        margin: var(--space-4) 0;
      }
      .total b {
        font-size: 2.4rem;
        line-height: 1.1;
      }
      h2 {
        margin: var(--space-6) 0 var(--space-2);
      }
      li.course {
        display: grid;
        grid-template-columns: minmax(0, 1fr) 5rem;
        gap: 0 var(--space-4);
        padding: var(--space-2) var(--space-3);
      }
      li.course + li.course {
        border-top: 1px solid var(--line);
      }
      li.course b {
        text-align: right;
      }
      .wrong {
        margin-top: var(--space-3);
      }
      .consent {
        padding: var(--space-4);
        display: grid;
        gap: var(--space-2);
        overflow-wrap: anywhere;
      }
    `,
  ]

  @property({ attribute: false }) session!: Session
  @state() private mine: Mine | undefined
  @state() private problem: string | undefined

  override connectedCallback(): void {
    super.connectedCallback()
    void this.load()
  }

  private readonly load = async (): Promise<void> => {
    const id = this.session.student_id
    if (id === undefined) return
    this.problem = undefined
    try {
      const [me, report, { records }] = await Promise.all([student(id), studentReport(id, { from: undefined, to: undefined }), studentHistory(id)])
      this.mine = { me, report, records }
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problem = problemWords(error)
    }
  }

  override render() {
    if (!this.mine) return this.problem === undefined ? waiting('Loading your attendance…') : problemNote(this.problem, this.load)
    const { me, report, records } = this.mine
    const courseName = new Map(report.courses.map(({ course_id, course_name }) => [course_id, course_name]))
    return html`<h1>My attendance</h1>
      <p class="soft">${me.first_name} ${me.last_name} · ${me.student_id}</p>
      <div class="card total">
        <b class="numbers">${percentWords(report.total)}</b>
        <span class="soft small">of the last twelve months' lessons that count · ${countsWords(report.total)}</span>
      </div>
      ${report.courses.length === 0
        ? nothing
        : html`<h2>Courses</h2>
            <ul class="card">
              ${report.courses.map(renderCourse)}
            </ul>`}
      <h2>The last three months</h2>
      ${sums(records)} ${historyTable(records, report.time_zone, ({ course_id }) => html`${courseName.get(course_id) ?? course_id}`, false)}
      <h2>My face</h2>
      ${renderConsent(me, report.time_zone)}
      <p class="wrong soft small">Is something wrong? Tell your teacher or the office: they correct it, and what was there before stays visible.</p>`
  }
}

function renderCourse(course: CourseCounts): TemplateResult {
  return html`<li class="course">
    <span>${course.course_name}</span><b class="numbers">${percentWords(course)}</b>
    <span class="soft small">${countsWords(course)}</span>
  </li>`
}

function renderConsent({ consent, templates }: Student, timeZone: string): TemplateResult {
  if (!consent) return html`<p class="note">No consent is on record, so nothing about your face is kept. You are marked by your PIN, your card or your teacher.</p>`
  const faces = templates.reduce((sum, { count }) => sum + count, 0)
  return html`<div class="card consent">
    <p>Consent given by ${consent.given_by} on ${dateWords(dateOf(consent.given_at, timeZone))}:</p>
    <blockquote class="soft">“${consent.statement}”</blockquote>
    <p>${faces === 0 ? 'No face is enrolled.' : 'Your face is enrolled.'} The consent may be withdrawn at the office at any time; everything made of your face is then erased, and you are marked without it.</p>
  </div>`
}
