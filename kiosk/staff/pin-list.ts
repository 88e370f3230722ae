/** `<pin-list>`: the PINs of one course's students, for the office: who has one, a new one, one of one's own choice, none. */
import { css, html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { customElement, state } from 'lit/decorators.js'
import { Pin, type Course, type PinRequest, type Student } from '#contract/people'
import { removePin, savePin } from '../sync/office.ts'
import { CourseStudents, type Made } from './course-students.ts'

@customElement('pin-list')
export class PinList extends CourseStudents {
  static override styles = [
    ...CourseStudents.styles,
    css`
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
      @media print {
        .slips {
          grid-template-columns: 1fr 1fr;
        }
        .slips li {
          padding: 0.6cm;
        }
        .slips b {
          font-size: 22pt;
          letter-spacing: 0.2em;
        }
      }
    `,
  ]

  /** The student whose PIN is being typed. */
  @state() private choosing: string | undefined

  protected override readonly view = 'pins'
  protected override readonly words = {
    heading: 'PINs',
    one: 'PIN',
    about: 'With a PIN a student is marked at the kiosk without a face: no photo, no camera, no network is needed.',
    others: 'PINs are given by the office: sign in as the office.',
    shownOnlyNow: 'New PINs are shown only now: print them, or write them down, before you leave this page.',
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('course_id')) this.choosing = undefined
  }

  protected override has({ pin_set_at }: Student): boolean {
    return pin_set_at !== null
  }

  protected override makeNew(studentId: string): Promise<Made> {
    return newPin(studentId, { generate: true })
  }

  protected override end(studentId: string): Promise<Student> {
    return removePin(studentId)
  }

  private async choose(event: SubmitEvent, studentId: string): Promise<void> {
    event.preventDefault()
    const typed = Pin.safeParse(new FormData(event.target as HTMLFormElement).get('pin'))
    if (!typed.success) this.problems = new Map(this.problems).set(studentId, 'A PIN has 4 to 6 digits.')
    else if (await this.give(studentId, () => newPin(studentId, { pin: typed.data }))) this.choosing = undefined
  }

  protected override row(student: Student, told: string | undefined): TemplateResult {
    const { student_id, first_name, last_name } = student
    const name = html`<span class="hidden-words"> of ${first_name} ${last_name}</span>`
    const has = this.has(student)
    return html`<div class="who">
        <b>${first_name} ${last_name}</b> <span class="soft small">${student_id}</span><br />
        ${told === undefined ? html`<span class="pill ${has ? 'present' : 'expected'}">${has ? 'has a PIN' : 'no PIN'}</span>` : html`<span class="told numbers">${told}</span>`}
      </div>
      <div class="row">
        <button ?disabled=${this.busy} @click=${() => this.make([student_id])}>New PIN${name}</button>
        <button ?disabled=${this.busy} aria-expanded=${this.choosing === student_id} @click=${() => (this.choosing = this.choosing === student_id ? undefined : student_id)}>Choose…${name}</button>
        <button ?disabled=${this.busy || !has} @click=${() => this.takeAway(student_id)}>Remove${name}</button>
      </div>
      ${this.choosing === student_id
        ? html`<form @submit=${(event: SubmitEvent) => this.choose(event, student_id)} novalidate>
            <label>PIN of ${first_name}, 4 to 6 digits <input name="pin" inputmode="numeric" autocomplete="off" maxlength="6" /></label>
            <button class="main">Save</button>
          </form>`
        : nothing}`
  }

  protected override slip({ first_name, last_name }: Student, told: string, { course_name }: Course): TemplateResult {
    return html`${first_name} ${last_name} · ${course_name}<b>${told}</b>Your PIN for the attendance screen. Keep it to yourself.`
  }
}

async function newPin(studentId: string, wanted: PinRequest): Promise<Made> {
  const { pin, student } = await savePin(studentId, wanted)
  return { student, told: pin }
}
