/** `<course-history>`: what was recorded in one course, newest first. */
import { LitElement, html, type PropertyValues } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import type { CourseHistory } from '#contract/register'
import { courseHistory, isSignedOut, lessonsOn } from '../sync/office.ts'
import { historyLook, historyTable, sums } from './history-table.ts'
import { look, problemNote, waiting } from './look.ts'
import { hashOf } from './route.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { goBack } from './student-history.ts'
import { problemWords } from './wording.ts'

@customElement('course-history')
export class CourseHistoryView extends LitElement {
  static override styles = [look, historyLook]

  @property({ attribute: false }) course_id!: string
  @state() private answer: { history: CourseHistory; timeZone: string } | undefined
  @state() private problem: string | undefined

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('course_id')) void this.load()
  }

  private readonly load = async (): Promise<void> => {
    const { course_id } = this
    this.answer = undefined
    this.problem = undefined
    try {
      const [history, { time_zone }] = await Promise.all([courseHistory(course_id), lessonsOn(undefined)])
      if (course_id === this.course_id) this.answer = { history, timeZone: time_zone }
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
        : html`<h1>${answer.history.course.course_name}</h1>
            <p class="soft">${answer.history.course.course_code} · the last three months</p>
            ${sums(answer.history.records)}
            ${historyTable(
              answer.history.records,
              answer.timeZone,
              ({ student_id, first_name, last_name }) => html`<a href=${hashOf({ view: 'student', student_id })}>${first_name} ${last_name}</a>`,
            )}`}`
  }
}
