/**
 * What the screens of PINs and of cards share: the students of one course, each with something of their own that the office makes and takes away. It is told
 * once, when it is made: it stands here, to be printed, until the page is left. Knows neither PIN nor card.
 */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import type { Course, Session, Student } from '#contract/people'
import { courses, isSignedOut, students } from '../sync/office.ts'
import { look, problemNote, waiting } from './look.ts'
import { hashOf } from './route.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { problemWords } from './wording.ts'

/** How the screen speaks of what is made. */
export interface Words {
  heading: string
  /** One of them; more take an s. */
  one: string
  /** What it is for. */
  about: string
  /** To whoever is not the office. */
  others: string
  /** What to do with the new ones, which are shown only now. */
  shownOnlyNow: string
}

export interface Made {
  student: Student
  /** What is told this once. */
  told: string
}

export abstract class CourseStudents extends LitElement {
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
        overflow-wrap: anywhere;
      }
      .who b {
        font-weight: var(--weight-strong);
      }
      .problem {
        grid-column: 1 / -1;
      }
      .slips {
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
        .slips {
          display: grid;
          color: #000;
          background: #fff;
        }
        .slips li {
          border: 1px dashed #777;
          break-inside: avoid;
        }
        .slips b {
          display: block;
        }
      }
    `,
  ]

  @property({ attribute: false }) course_id: string | undefined
  @property({ attribute: false }) session!: Session
  @state() private courses: Course[] | undefined
  @state() private students = new Map<string, Student>()
  /** Made since this page was opened, by student. Nowhere else are they to be had again. */
  @state() protected told = new Map<string, string>()
  @state() private problem: string | undefined
  @state() protected problems = new Map<string, string>()
  @state() protected busy = false
  @state() private announcement = ''

  protected abstract readonly view: 'pins' | 'cards'
  protected abstract readonly words: Words
  protected abstract has(student: Student): boolean
  /** On the server: a new one, which ends the one before. */
  protected abstract makeNew(studentId: string): Promise<Made>
  /** On the server: none any more. */
  protected abstract end(studentId: string): Promise<Student>
  /** On the screen. `told` undefined: nothing was made since the page was opened. */
  protected abstract row(student: Student, told: string | undefined): TemplateResult
  /** On paper, to be cut apart. */
  protected abstract slip(student: Student, told: string, course: Course): TemplateResult

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

  protected give(studentId: string, work: () => Promise<Made>): Promise<boolean> {
    return this.change(studentId, async () => {
      const { student, told } = await work()
      this.told = new Map(this.told).set(studentId, told)
      return student
    })
  }

  protected async make(ids: readonly string[]): Promise<void> {
    this.busy = true
    let made = 0
    for (const id of ids) {
      if (!(await this.give(id, () => this.makeNew(id)))) break
      made += 1
    }
    this.busy = false
    this.announcement = made === 1 ? `One new ${this.words.one}.` : `${made} new ${this.words.one}s.`
  }

  protected async takeAway(studentId: string): Promise<void> {
    if (await this.change(studentId, () => this.end(studentId))) this.told = without(this.told, studentId)
  }

  override render() {
    const { heading, about, others } = this.words
    if (this.session.role !== 'office') return html`<h1>${heading}</h1><p class="note">${others}</p>`
    if (!this.courses) return this.problem === undefined ? waiting('Loading the courses…') : problemNote(this.problem, this.load)
    const course = this.courses.find(({ course_id }) => course_id === this.course_id)
    const listed = (course?.student_ids ?? []).flatMap((id) => this.students.get(id) ?? []).sort((a, b) => a.last_name.localeCompare(b.last_name) || a.first_name.localeCompare(b.first_name))
    return html`<div class="screen">
        <h1>${heading}</h1>
        <p class="soft">${about}</p>
        <nav class="row courses" aria-label="Courses">
          ${this.courses.map(({ course_id, course_name }) => html`<a class="button" href=${hashOf({ view: this.view, course_id })} aria-current=${course_id === this.course_id ? 'true' : nothing}>${course_name}</a>`)}
        </nav>
        ${course ? this.renderCourse(listed) : html`<p class="note">${this.course_id === undefined ? 'Choose a course.' : `The school has no course ${this.course_id}.`}</p>`}
        <div class="hidden-words" aria-live="polite">${this.announcement}</div>
      </div>
      ${course ? this.renderSlips(course, listed) : nothing}`
  }

  private renderCourse(listed: Student[]): TemplateResult {
    const { one, shownOnlyNow } = this.words
    const bare = listed.filter((student) => !this.has(student)).map(({ student_id }) => student_id)
    const told = listed.filter(({ student_id }) => this.told.has(student_id)).length
    return html`<div class="row all">
        <button class="main" ?disabled=${this.busy || bare.length === 0} @click=${() => this.make(bare)}>${this.busy ? `Making ${one}s…` : `Make ${one}s for the ${bare.length} without one`}</button>
        ${told === 0 ? nothing : html`<button @click=${() => print()}>Print the ${told} new</button>`}
      </div>
      ${told === 0 ? nothing : html`<p class="note warn">${shownOnlyNow}</p>`}
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
    const problem = this.problems.get(student.student_id)
    return html`<li>
      ${this.row(student, this.told.get(student.student_id))}
      ${problem === undefined ? nothing : html`<p class="problem note bad" role="alert">${problem}</p>`}
    </li>`
  }

  private renderSlips(course: Course, listed: Student[]): TemplateResult {
    return html`<ul class="slips" aria-hidden="true">
      ${listed.flatMap((student) => {
        const told = this.told.get(student.student_id)
        return told === undefined ? [] : [html`<li>${this.slip(student, told, course)}</li>`]
      })}
    </ul>`
  }
}

function without<V>(map: Map<string, V>, key: string): Map<string, V> {
  const rest = new Map(map)
  rest.delete(key)
  return rest
}
