/** `<student-history>`: what was recorded of one student, in every course, newest first. */
import { LitElement, html, type PropertyValues } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import type { StudentHistory } from '#contract/register'
import { isSignedOut, lessonsOn, studentHistory } from '../sync/office.ts'
import { historyLook, historyTable, sums } from './history-table.ts'
import { look, problemNote, waiting } from './look.ts'
import { hashOf } from './route.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { problemWords } from './wording.ts'

@customElement('student-history')
export class StudentHistoryView extends LitElement {
  static override styles = [look, historyLook]

  @property({ attribute: false }) student_id!: string
  @state() private answer: { history: StudentHistory; timeZone: string } | undefined
  @state() private problem: string | undefined

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('student_id')) void this.load()
  }

  private readonly load = async (): Promise<void> => {
    const { student_id } = this
    this.answer = undefined
    this.problem = undefined
    try {
      const [history, { time_zone }] = await Promise.all([studentHistory(student_id), lessonsOn(undefined)])
      if (student_id === this.student_id) this.answer = { history, timeZone: time_zone }
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problem = problemWords(error)
    }
  }

  override render() {
    const { answer } = this
    return html`<a class="back" href="#/" @click=${goBack}>‹ Back</a>
      ${answer === undefined
        ? this.problem === undefined
          ? waiting('Loading the history…')
          : problemNote(this.problem, this.load)
        : html`<h1>${answer.history.student.first_name} ${answer.history.student.last_name}</h1>
            <p class="soft">${answer.history.student.student_id} · the last three months</p>
            ${sums(answer.history.records)}
            ${historyTable(
              answer.history.records,
              answer.timeZone,
              ({ course_id }) => html`<a href=${hashOf({ view: 'course', course_id })}>${course_id}</a>`,
            )}`}`
  }
}

/** Back to where the reader came from; the link itself leads to today for one who came straight here. */
export function goBack(event: Event): void {
  if (history.length <= 1) return
  event.preventDefault()
  history.back()
}
