/** `<record-history>`: what was recorded of one student in every course, or in one course of everybody, newest first. */
import { LitElement, html, type PropertyValues } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import type { HistoryEntry } from '#contract/register'
import { courseHistory, isSignedOut, lessonsOn, studentHistory } from '../sync/office.ts'
import { historyLook, historyTable, sums } from './history-table.ts'
import { look, problemNote, waiting } from './look.ts'
import { type Route, hashOf } from './route.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { problemWords } from './wording.ts'

type Of = Extract<Route, { view: 'student' | 'course' }>

interface History {
  heading: string
  id: string
  records: HistoryEntry[]
  timeZone: string
}

@customElement('record-history')
export class RecordHistory extends LitElement {
  static override styles = [look, historyLook]

  @property({ attribute: false }) of!: Of
  @state() private history: History | undefined
  @state() private problem: string | undefined

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('of')) void this.load()
  }

  private readonly load = async (): Promise<void> => {
    const { of } = this
    this.history = undefined
    this.problem = undefined
    try {
      const history = await historyOf(of)
      if (of === this.of) this.history = history
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problem = problemWords(error)
    }
  }

  override render() {
    const { history } = this
    return html`<a class="back" href="#/" @click=${goBack}>‹ Back</a>
      ${history === undefined
        ? this.problem === undefined
          ? waiting('Loading the history…')
          : problemNote(this.problem, this.load)
        : html`<h1>${history.heading}</h1>
            <p class="soft">${history.id} · the last three months</p>
            ${sums(history.records)} ${historyTable(history.records, history.timeZone, this.other)}`}`
  }

  /** The other side of each record, as a way to its own history. */
  private readonly other = ({ student_id, first_name, last_name, course_id }: HistoryEntry) =>
    this.of.view === 'student'
      ? html`<a href=${hashOf({ view: 'course', course_id })}>${course_id}</a>`
      : html`<a href=${hashOf({ view: 'student', student_id })}>${first_name} ${last_name}</a>`
}

async function historyOf(of: Of): Promise<History> {
  if (of.view === 'student') {
    const [{ student, records }, { time_zone }] = await Promise.all([studentHistory(of.student_id), lessonsOn(undefined)])
    return { heading: `${student.first_name} ${student.last_name}`, id: student.student_id, records, timeZone: time_zone }
  }
  const [{ course, records }, { time_zone }] = await Promise.all([courseHistory(of.course_id), lessonsOn(undefined)])
  return { heading: course.course_name, id: course.course_code, records, timeZone: time_zone }
}

/** Back to where the reader came from; the link itself leads to today for one who came straight here. */
function goBack(event: Event): void {
  if (history.length <= 1) return
  event.preventDefault()
  history.back()
}
