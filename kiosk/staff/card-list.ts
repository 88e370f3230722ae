/**
 * `<card-list>`: the cards of one course's students, for the office: who has one, a new one (which ends the one before: a lost card opens nothing any
 * more), none. What stands on a card is told once, when it is made: it is drawn here, to be printed, until the page is left.
 */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import type { Course, Session, Student } from '#contract/people'
import { courses, isSignedOut, makeCard, removeCard, students } from '../sync/office.ts'
import './asked-twice.ts'
import { cardCode } from './card-code.ts'
import { look, problemNote, waiting } from './look.ts'
import { hashOf } from './route.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { problemWords } from './wording.ts'

@customElement('card-list')
export class CardList extends LitElement {
  static override styles = [
    look,
    css`
      .courses,
      .all {
        margin: var(--space-4) 0;
      }
      .courses a[aria-current] {
        background: var(--accent-soft);
        border-color: var(--accent);
        color: var(--accent-ink);
      }
      .note {
        margin-bottom: var(--space-3);
      }
      .listed > li + li {
        border-top: 1px solid var(--line);
      }
      .listed > li {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        gap: var(--space-1) var(--space-4);
        align-items: center;
        padding: var(--space-2) var(--space-3);
      }
      .who {
        display: flex;
        align-items: center;
        gap: var(--space-3);
        overflow-wrap: anywhere;
      }
      .who b {
        font-weight: var(--weight-strong);
      }
      .who .code {
        flex: none;
        width: 6rem;
        height: 6rem;
        border-radius: var(--radius-small);
      }
      .problem {
        grid-column: 1 / -1;
      }
      .printed {
        display: none;
      }
      @media (max-width: 40rem) {
        .listed > li {
          grid-template-columns: minmax(0, 1fr);
        }
      }
      @media print {
        .screen {
          display: none;
        }
        /* Of a bank card's size, two beside each other, to be cut apart. */
        .printed {
          display: grid;
          grid-template-columns: repeat(2, 85.6mm);
          gap: 0;
          color: #000;
          background: #fff;
        }
        .printed li {
          display: grid;
          grid-template-columns: 40mm minmax(0, 1fr);
          align-items: center;
          gap: 3mm;
          box-sizing: border-box;
          width: 85.6mm;
          height: 54mm;
          padding: 4mm;
          border: 1px dashed #777;
          break-inside: avoid;
        }
        .printed .code {
          width: 40mm;
          height: 40mm;
        }
        .printed b {
          display: block;
          font-size: 14pt;
          line-height: 1.15;
          overflow-wrap: anywhere;
        }
        .printed span {
          display: block;
          margin-top: 2mm;
          font-size: 9pt;
          line-height: 1.25;
        }
      }
    `,
  ]

  @property({ attribute: false }) course_id: string | undefined
  @property({ attribute: false }) session!: Session
  @state() private courses: Course[] | undefined
  @state() private students = new Map<string, Student>()
  /** Made since this page was opened, by student. Nowhere else are they to be had again. */
  @state() private made = new Map<string, string>()
  @state() private problem: string | undefined
  @state() private problems = new Map<string, string>()
  @state() private busy = false
  @state() private announcement = ''

  override connectedCallback(): void {
    super.connectedCallback()
    if (this.session.role === 'office') void this.load()
  }

  private readonly load = async (): Promise<void> => {
    this.problem = undefined
    try {
      const [all, everybody] = await Promise.all([courses(), students()])
      this.students = new Map(everybody.map((student) => [student.student_id, student]))
      this.courses = all
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problem = problemWords(error)
    }
  }

  /** @returns whether it was done; why not stands beside the student. */
  private async change(studentId: string, work: () => Promise<Student>): Promise<boolean> {
    this.problems = without(this.problems, studentId)
    try {
      const student = await work()
      this.students = new Map(this.students).set(studentId, student)
      return true
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problems = new Map(this.problems).set(studentId, problemWords(error))
      return false
    }
  }

  private async make(ids: readonly string[]): Promise<void> {
    this.busy = true
    let count = 0
    for (const id of ids) {
      const done = await this.change(id, async () => {
        const { token, student } = await makeCard(id)
        this.made = new Map(this.made).set(id, token)
        return student
      })
      if (!done) break
      count += 1
    }
    this.busy = false
    this.announcement = count === 1 ? 'One new card.' : `${count} new cards.`
  }

  private async end(studentId: string): Promise<void> {
    if (await this.change(studentId, () => removeCard(studentId))) this.made = without(this.made, studentId)
  }

  override render() {
    if (this.session.role !== 'office') return html`<h1>Cards</h1><p class="note">Cards are made by the office: sign in as the office.</p>`
    if (!this.courses) return this.problem === undefined ? waiting('Loading the courses…') : problemNote(this.problem, this.load)
    const course = this.courses.find(({ course_id }) => course_id === this.course_id)
    const listed = (course?.student_ids ?? []).flatMap((id) => this.students.get(id) ?? []).sort((a, b) => a.last_name.localeCompare(b.last_name) || a.first_name.localeCompare(b.first_name))
    return html`<div class="screen">
        <h1>Cards</h1>
        <p class="soft">A card says who a student is, as a PIN does: they show it to the kiosk’s scanner, or to its camera. It holds a random number, no name and no data.</p>
        <nav class="row courses" aria-label="Courses">
          ${this.courses.map(({ course_id, course_name }) => html`<a class="button" href=${hashOf({ view: 'cards', course_id })} aria-current=${course_id === this.course_id ? 'true' : nothing}>${course_name}</a>`)}
        </nav>
        ${course ? this.renderCourse(listed) : html`<p class="note">${this.course_id === undefined ? 'Choose a course.' : `The school has no course ${this.course_id}.`}</p>`}
        <div class="hidden-words" aria-live="polite">${this.announcement}</div>
      </div>
      ${course ? this.renderPrinted(course, listed) : nothing}`
  }

  private renderCourse(listed: Student[]): TemplateResult {
    const bare = listed.filter(({ card_made_at }) => card_made_at === null).map(({ student_id }) => student_id)
    const made = listed.filter(({ student_id }) => this.made.has(student_id)).length
    return html`<div class="row all">
        <button class="main" ?disabled=${this.busy || bare.length === 0} @click=${() => this.make(bare)}>${this.busy ? 'Making cards…' : `Make cards for the ${bare.length} without one`}</button>
        ${made === 0 ? nothing : html`<button @click=${() => print()}>Print the ${made} new</button>`}
      </div>
      ${made === 0 ? nothing : html`<p class="note warn">New cards are shown only now: print them before you leave this page. A card that was not printed is made anew.</p>`}
      ${listed.length === 0
        ? html`<p class="note">Nobody is enrolled in this course yet.</p>`
        : html`<ul class="card listed">
            ${repeat(
              listed,
              ({ student_id }) => student_id,
              (student) => this.renderStudent(student),
            )}
          </ul>`}`
  }

  private renderStudent(student: Student): TemplateResult {
    const { student_id, first_name, last_name, card_made_at } = student
    const of = `of ${first_name} ${last_name}`
    const token = this.made.get(student_id)
    const problem = this.problems.get(student_id)
    return html`<li>
      <div class="who">
        ${token === undefined ? nothing : cardCode(token)}
        <div>
          <b>${first_name} ${last_name}</b> <span class="soft small">${student_id}</span><br />
          <span class="pill ${card_made_at === null ? 'expected' : 'present'}">${card_made_at === null ? 'no card' : token === undefined ? 'has a card' : 'new card'}</span>
        </div>
      </div>
      <div class="row">
        ${card_made_at === null
          ? html`<button ?disabled=${this.busy} @click=${() => this.make([student_id])}>Make a card<span class="hidden-words"> ${of}</span></button>`
          : html`<asked-twice label="New card" .of=${of} yes="Make a new one" ?busy=${this.busy} @sure=${() => this.make([student_id])}><p>The card that ${first_name} has now, lost or not, stops working at every kiosk.</p></asked-twice>
              <asked-twice label="End" .of=${of} yes="End the card" ?busy=${this.busy} @sure=${() => this.end(student_id)}><p>The card that ${first_name} has now stops working, and there is no new one.</p></asked-twice>`}
      </div>
      ${problem === undefined ? nothing : html`<p class="problem note bad" role="alert">${problem}</p>`}
    </li>`
  }

  /** On paper only: the new cards, to be cut apart. */
  private renderPrinted(course: Course, listed: Student[]): TemplateResult {
    return html`<ul class="printed" aria-hidden="true">
      ${listed.flatMap(({ student_id, first_name, last_name }) => {
        const token = this.made.get(student_id)
        return token === undefined ? [] : [html`<li>${cardCode(token)}<div><b>${first_name} ${last_name}</b><span>${course.course_name}</span><span>Show this code to the attendance screen. Lost it? Tell the school office.</span></div></li>`]
      })}
    </ul>`
  }
}

function without<V>(map: Map<string, V>, key: string): Map<string, V> {
  const rest = new Map(map)
  rest.delete(key)
  return rest
}
