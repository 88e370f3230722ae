/**
 * `<pin-list>`: the PINs of one course's students, for the office: who has one, a new one, one of one's own choice, none.
 * A PIN is told once, when it is made: it stands here, to be printed and handed out, until the page is left.
 */
import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import { Pin, type Course, type PinRequest, type Session, type Student } from '#contract/people'
import { courses, isSignedOut, removePin, savePin, students } from '../sync/office.ts'
import { look, problemNote, waiting } from './look.ts'
import { hashOf } from './route.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { problemWords } from './wording.ts'

@customElement('pin-list')
export class PinList extends LitElement {
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
      li + li {
        border-top: 1px solid var(--line);
      }
      li {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        gap: var(--space-1) var(--space-4);
        align-items: center;
        padding: var(--space-2) var(--space-3);
      }
      .who {
        overflow-wrap: anywhere;
      }
      .who b {
        font-weight: var(--weight-strong);
      }
      .told {
        font-size: 1.5rem;
        font-weight: 700;
        letter-spacing: 0.15em;
        color: var(--accent);
      }
      form {
        grid-column: 1 / -1;
        display: flex;
        gap: var(--space-2);
        align-items: end;
      }
      form input {
        max-width: 10rem;
      }
      .problem {
        grid-column: 1 / -1;
      }
      .slips {
        display: none;
      }
      @media (max-width: 40rem) {
        li {
          grid-template-columns: minmax(0, 1fr);
        }
      }
      @media print {
        .screen {
          display: none;
        }
        .slips {
          display: grid;
          grid-template-columns: 1fr 1fr;
          color: #000;
          background: #fff;
        }
        .slips li {
          display: block;
          padding: 0.6cm;
          border: 1px dashed #777;
          break-inside: avoid;
        }
        .slips b {
          display: block;
          font-size: 22pt;
          letter-spacing: 0.2em;
        }
      }
    `,
  ]

  @property({ attribute: false }) course_id: string | undefined
  @property({ attribute: false }) session!: Session
  @state() private courses: Course[] | undefined
  @state() private students = new Map<string, Student>()
  /** Made since this page was opened, by student. Nowhere else are they to be had again. */
  @state() private told = new Map<string, string>()
  @state() private problem: string | undefined
  @state() private problems = new Map<string, string>()
  /** The student whose PIN is being typed. */
  @state() private choosing: string | undefined
  @state() private busy = false
  @state() private announcement = ''

  override connectedCallback(): void {
    super.connectedCallback()
    if (this.session.role === 'office') void this.load()
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('course_id')) this.choosing = undefined
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

  private set(studentId: string, wanted: PinRequest): Promise<boolean> {
    return this.change(studentId, async () => {
      const { pin, student } = await savePin(studentId, wanted)
      this.told = new Map(this.told).set(studentId, pin)
      return student
    })
  }

  private async make(ids: readonly string[]): Promise<void> {
    this.busy = true
    let made = 0
    for (const id of ids) {
      if (!(await this.set(id, { generate: true }))) break
      made += 1
    }
    this.busy = false
    this.announcement = made === 1 ? 'One new PIN.' : `${made} new PINs.`
  }

  private async takeAway(studentId: string): Promise<void> {
    if (await this.change(studentId, () => removePin(studentId))) this.told = without(this.told, studentId)
  }

  private async choose(event: SubmitEvent, studentId: string): Promise<void> {
    event.preventDefault()
    const typed = Pin.safeParse(new FormData(event.target as HTMLFormElement).get('pin'))
    if (!typed.success) this.problems = new Map(this.problems).set(studentId, 'A PIN has 4 to 6 digits.')
    else if (await this.set(studentId, { pin: typed.data })) this.choosing = undefined
  }

  override render() {
    if (this.session.role !== 'office') return html`<h1>PINs</h1><p class="note">PINs are given by the office: sign in as the office.</p>`
    if (!this.courses) return this.problem === undefined ? waiting('Loading the courses…') : problemNote(this.problem, this.load)
    const course = this.courses.find(({ course_id }) => course_id === this.course_id)
    const listed = (course?.student_ids ?? []).flatMap((id) => this.students.get(id) ?? []).sort((a, b) => a.last_name.localeCompare(b.last_name) || a.first_name.localeCompare(b.first_name))
    return html`<div class="screen">
        <h1>PINs</h1>
        <p class="soft">With a PIN a student is marked at the kiosk without a face: no photo, no camera, no network is needed.</p>
        <nav class="row courses" aria-label="Courses">
          ${this.courses.map(({ course_id, course_name }) => html`<a class="button" href=${hashOf({ view: 'pins', course_id })} aria-current=${course_id === this.course_id ? 'true' : nothing}>${course_name}</a>`)}
        </nav>
        ${course ? this.renderCourse(listed) : html`<p class="note">${this.course_id === undefined ? 'Choose a course.' : `The school has no course ${this.course_id}.`}</p>`}
        <div class="hidden-words" aria-live="polite">${this.announcement}</div>
      </div>
      ${course ? this.renderSlips(course, listed) : nothing}`
  }

  private renderCourse(listed: Student[]): TemplateResult {
    const bare = listed.filter(({ pin_set_at }) => pin_set_at === null).map(({ student_id }) => student_id)
    const told = listed.filter(({ student_id }) => this.told.has(student_id)).length
    return html`<div class="row all">
        <button class="main" ?disabled=${this.busy || bare.length === 0} @click=${() => this.make(bare)}>${this.busy ? 'Making PINs…' : `Make PINs for the ${bare.length} without one`}</button>
        ${told === 0 ? nothing : html`<button @click=${() => print()}>Print the ${told} new</button>`}
      </div>
      ${told === 0 ? nothing : html`<p class="note warn">New PINs are shown only now: print them, or write them down, before you leave this page.</p>`}
      ${listed.length === 0
        ? html`<p class="note">Nobody is enrolled in this course yet.</p>`
        : html`<ul class="card">
            ${repeat(
              listed,
              ({ student_id }) => student_id,
              (student) => this.renderStudent(student),
            )}
          </ul>`}`
  }

  private renderStudent(student: Student): TemplateResult {
    const { student_id, first_name, last_name, pin_set_at } = student
    const name = html`<span class="hidden-words"> of ${first_name} ${last_name}</span>`
    const told = this.told.get(student_id)
    const problem = this.problems.get(student_id)
    return html`<li>
      <div class="who">
        <b>${first_name} ${last_name}</b> <span class="soft small">${student_id}</span><br />
        ${told === undefined ? html`<span class="pill ${pin_set_at === null ? 'expected' : 'present'}">${pin_set_at === null ? 'no PIN' : 'has a PIN'}</span>` : html`<span class="told numbers">${told}</span>`}
      </div>
      <div class="row">
        <button ?disabled=${this.busy} @click=${() => this.make([student_id])}>New PIN${name}</button>
        <button ?disabled=${this.busy} aria-expanded=${this.choosing === student_id} @click=${() => (this.choosing = this.choosing === student_id ? undefined : student_id)}>Choose…${name}</button>
        <button ?disabled=${this.busy || pin_set_at === null} @click=${() => this.takeAway(student_id)}>Remove${name}</button>
      </div>
      ${this.choosing === student_id
        ? html`<form @submit=${(event: SubmitEvent) => this.choose(event, student_id)} novalidate>
            <label>PIN of ${first_name}, 4 to 6 digits <input name="pin" inputmode="numeric" autocomplete="off" maxlength="6" /></label>
            <button class="main">Save</button>
          </form>`
        : nothing}
      ${problem === undefined ? nothing : html`<p class="problem note bad" role="alert">${problem}</p>`}
    </li>`
  }

  /** On paper only: one slip for each new PIN, to be cut apart. */
  private renderSlips(course: Course, listed: Student[]): TemplateResult {
    return html`<ul class="slips" aria-hidden="true">
      ${listed.flatMap(({ student_id, first_name, last_name }) => {
        const pin = this.told.get(student_id)
        return pin === undefined ? [] : [html`<li>${first_name} ${last_name} · ${course.course_name}<b>${pin}</b>Your PIN for the attendance screen. Keep it to yourself.</li>`]
      })}
    </ul>`
  }
}

function without<V>(map: Map<string, V>, key: string): Map<string, V> {
  const rest = new Map(map)
  rest.delete(key)
  return rest
}
