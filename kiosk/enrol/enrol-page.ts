/**
 * Enrolment, on /enrol, for the office: a student, their consent, and three shots or some photos that
 * become templates on this device. Templates leave the browser; pictures never do.
 * Knows the server only through sync/office.ts and faces only through kiosk/vision.
 */
import { css, html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { customElement, state } from 'lit/decorators.js'
import { keyed } from 'lit/directives/keyed.js'
import type { NearStudent } from '#contract/look-alike'
import { CURRENT_MODEL } from '#contract/model'
import type { ConsentRequest, ConsentText } from '#contract/consent'
import type { Session, Student } from '#contract/people'
import { seesFaces, type SchoolPolicy } from '#contract/policy'
import { look, problemNote, waiting, wholePage } from '../staff/look.ts'
import { SignedInPage, tellSignedOut } from '../staff/signed-in-page.ts'
import { problemWords } from '../staff/wording.ts'
import { consentTexts, isSignedOut, lessonsOn, saveConsent, saveTemplates, studentsAndModel, withdrawConsent } from '../sync/office.ts'
import { Refused } from '../sync/request.ts'
import { startVision, type Vision } from '../vision/vision.ts'
import { templateOf } from './shots.ts'
import { nextMissing, standingOf } from './standing.ts'
import './consent-step.ts'
import './shots-step.ts'
import './student-picker.ts'

@customElement('enrol-page')
export class EnrolPage extends SignedInPage {
  static override styles = [
    look,
    wholePage,
    css`
      .columns {
        display: grid;
        grid-template-columns: 20rem minmax(0, 1fr);
        gap: var(--space-8);
        align-items: start;
      }
      student-picker {
        position: sticky;
        top: var(--space-4);
        --list-height: calc(100dvh - 14rem);
      }
      .back {
        display: none;
        align-items: center;
        min-height: var(--touch);
      }
      .step {
        padding: var(--space-4);
        margin-top: var(--space-4);
      }
      .step > h2 {
        margin-bottom: var(--space-3);
      }
      .note {
        margin-top: var(--space-4);
      }
      .note.bad a {
        color: inherit;
      }
      .gap {
        margin-top: var(--space-3);
      }
      h1:focus {
        outline: none;
      }
      @media (max-width: 54rem) {
        .columns {
          grid-template-columns: minmax(0, 1fr);
        }
        .columns.picked > student-picker {
          display: none;
        }
        .columns:not(.picked) > .nobody {
          display: none;
        }
        .back {
          display: inline-flex;
        }
        student-picker {
          position: static;
          --list-height: none;
        }
      }
      @media (max-width: 32rem) {
        .step {
          padding: var(--space-3);
        }
      }
    `,
  ]

  protected override readonly where = 'enrol'
  @state() private all: Student[] | undefined
  /** The model that the school uses, as the server says. */
  @state() private model: string = CURRENT_MODEL
  @state() private policy: SchoolPolicy = 'default'
  @state() private texts: ConsentText[] = []
  @state() private timeZone: string | undefined
  @state() private picked: string | undefined = pickedOf(location.hash)
  @state() private problem: string | undefined
  @state() private busy = false
  /** The student whose templates were just saved. */
  @state() private done: string | undefined
  @state() private again = false
  /** Shots that were not stored, because by the templates on record they show these other students. */
  @state() private taken: { studentId: string; embeddings: Float32Array[]; others: NearStudent[] } | undefined
  /** Whom the student just saved may be taken for. */
  @state() private lookAlikes: NearStudent[] = []
  @state() private vision: Vision | undefined
  @state() private loaded = 0
  @state() private visionProblem: string | undefined
  private starting = false

  override connectedCallback(): void {
    super.connectedCallback()
    addEventListener('hashchange', this.follow)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    removeEventListener('hashchange', this.follow)
  }

  protected override enter(): void {
    void this.load()
  }

  protected override letGo(): void {
    this.vision?.close()
    this.vision = undefined
    this.all = undefined
    this.done = undefined
    this.taken = undefined
  }

  private readonly follow = (): void => {
    this.picked = pickedOf(location.hash)
    this.problem = undefined
    this.done = undefined
    this.again = false
    this.taken = undefined
    scrollTo(0, 0)
  }

  override updated(changed: PropertyValues): void {
    const student = this.all?.find(({ student_id }) => student_id === this.picked)
    if (student && seesFaces(this.policy) && this.wantsShots(student) && this.visionProblem === undefined) void this.see()
    if (changed.has('picked') || changed.has('done')) this.renderRoot.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
  }

  private readonly load = async (): Promise<void> => {
    this.problem = undefined
    try {
      const [{ students: all, model, policy }, { time_zone }, { texts }] = await Promise.all([studentsAndModel(), lessonsOn(undefined), consentTexts()])
      this.texts = texts
      this.policy = policy
      this.all = all
      this.model = model
      this.timeZone = time_zone
    } catch (error) {
      this.fail(error)
    }
  }

  private fail(error: unknown): void {
    if (isSignedOut(error)) tellSignedOut(this)
    else this.problem = problemWords(error)
  }

  /** A write that answers with the student as they are now. @returns whether it was done */
  private async write(work: () => Promise<Student>): Promise<boolean> {
    this.busy = true
    this.problem = undefined
    try {
      const now = await work()
      this.all = this.all?.map((student) => (student.student_id === now.student_id ? now : student))
      return true
    } catch (error) {
      this.fail(error)
      return false
    } finally {
      this.busy = false
    }
  }

  private async withdraw(studentId: string): Promise<void> {
    this.done = undefined
    this.again = false
    await this.write(() => withdrawConsent(studentId))
  }

  /**
   * The element around the shots is one student's (keyed): nobody's shots are ever saved as another's.
   * @param differentFrom whom they only look like: a person has said so
   */
  private async save(student: Student, embeddings: Float32Array[], differentFrom: string[] = []): Promise<void> {
    const { student_id } = student
    this.taken = undefined
    const saved = await this.write(async () => {
      try {
        const { look_alikes, ...now } = await saveTemplates(student_id, embeddings.map((embedding) => templateOf(embedding, CURRENT_MODEL)), undefined, differentFrom)
        this.lookAlikes = look_alikes
        return now
      } catch (error) {
        if (error instanceof Refused && error.problem.code === 'same_person') this.taken = { studentId: student_id, embeddings, others: error.problem.others ?? [] }
        throw error
      }
    })
    if (this.taken) {
      this.problem = undefined
      scrollTo(0, 0)
    }
    if (!saved) return
    this.done = student_id
    this.again = false
    scrollTo(0, 0)
  }

  private readonly see = async (): Promise<void> => {
    if (this.vision || this.starting) return
    this.starting = true
    this.visionProblem = undefined
    this.loaded = 0
    try {
      this.vision = await startVision({ onProgress: ({ done }) => (this.loaded = done) })
    } catch (error) {
      this.visionProblem = `What sees faces did not load: ${error instanceof Error ? error.message : String(error)}.`
    } finally {
      this.starting = false
    }
  }

  private visionCrashed(): void {
    this.vision?.close()
    this.vision = undefined
    this.visionProblem = 'What sees faces has stopped. The shots that are not saved are lost.'
  }

  protected override renderFor(session: Session): TemplateResult {
    if (session.role !== 'office') {
      return html`<div class="note">
        <h1>Enrolment is for the office</h1>
        <p>You are signed in as ${session.username}, a teacher. Sign out and in again as the office, or go back to the <a href="/office#/">lessons</a>.</p>
      </div>`
    }
    if (!this.all) {
      if (this.problem !== undefined) return html`${problemNote(this.problem, this.load)}`
      return waiting('Loading the students…')
    }
    if (!seesFaces(this.policy)) {
      return html`<div class="note">
        <h1>No faces are enrolled here</h1>
        <p>The school’s policy is “no biometrics”: no photo is taken, and nothing made of a face is kept. Students are marked by <a href="/office#/pins">PIN</a>, by <a href="/office#/cards">card</a>, or by their teacher.</p>
        <p>The privacy officer sets the policy.</p>
      </div>`
    }
    if (this.model !== CURRENT_MODEL) return this.renderOtherModel()
    const { all, picked } = this
    const student = all.find(({ student_id }) => student_id === picked)
    return html`<div class="columns ${picked === undefined ? '' : 'picked'}">
      <student-picker .students=${all} .picked=${picked}></student-picker>
      ${student
        ? html`<section>${this.renderStudent(student, all)}</section>`
        : html`<section class=${picked === undefined ? 'nobody' : ''}>
            <h1 tabindex="-1">Enrol</h1>
            <p>${picked === undefined ? 'Pick a student. You record their consent, then take three shots or choose photos.' : html`The school has no student ${picked}. <a href="#/">All students</a>`}</p>
          </section>`}
    </div>`
  }

  /** A page of an older app would make templates that no kiosk compares. */
  private renderOtherModel(): TemplateResult {
    return html`<div class="note warn">
      <h1>The school has changed its model</h1>
      <p>Faces are enrolled with ${this.model} now, and this page was made for ${CURRENT_MODEL}. Load it again to go on.</p>
      <p class="row gap"><button class="main" @click=${() => location.reload()}>Load again</button></p>
      <p class="soft small">If this stays: a kiosk that is open in the same browser renews the app between two lessons.</p>
    </div>`
  }

  private renderStudent(student: Student, all: Student[]): TemplateResult {
    const { student_id, first_name, last_name } = student
    const standing = standingOf(student)
    const name = `${first_name} ${last_name}`
    const next = nextMissing(all, student_id)
    return html`<a class="back" href="#/">‹ All students</a>
      <h1 tabindex="-1">${name}</h1>
      <p class="soft">${student_id}${student.course_ids.length === 0 ? '' : ` · ${student.course_ids.join(', ')}`}</p>
      ${student.course_ids.length === 0 ? html`<p class="note warn">${first_name} is in no course yet, so no kiosk looks for them. The face can be enrolled all the same.</p>` : nothing}
      ${problemNote(this.problem)} ${this.renderTaken(student)}
      ${this.done === student_id
        ? html`<div class="note good" role="status">
            <p><b>${student_id} is ready</b>: the kiosks of their lessons know ${first_name} within a minute.</p>
            ${this.lookAlikes.length === 0
              ? nothing
              : html`<p><b>Looks like ${namesOf(this.lookAlikes)}.</b> Kiosks ask them for a tap or a PIN as well. See <a href="/office#/recognition">Recognition</a>.</p>`}
            <p class="row">
              ${next
                ? html`<a class="button main" href=${`#/${encodeURIComponent(next.student_id)}`}>Next student: ${next.first_name} ${next.last_name}</a>`
                : html`Everybody is ready. <a class="button" href="#/">All students</a>`}
            </p>
          </div>`
        : nothing}
      <div class="step card">
        <h2>1. Consent</h2>
        ${keyed(
          student_id,
          html`<consent-step
            .student=${student}
            .texts=${this.texts}
            .timeZone=${this.timeZone}
            ?busy=${this.busy}
            @give=${(event: CustomEvent<ConsentRequest>) => this.write(() => saveConsent(student_id, event.detail))}
            @withdraw=${() => this.withdraw(student_id)}
          ></consent-step>`,
        )}
      </div>
      <div class="step card">
        <h2>2. Face</h2>
        ${this.renderFace(student, standing)}
      </div>`
  }

  /** Nothing was stored: either the wrong student was picked, or they are twins. */
  private renderTaken(student: Student): TemplateResult | typeof nothing {
    const { taken } = this
    if (taken?.studentId !== student.student_id) return nothing
    const ids = taken.others.map(({ student_id }) => student_id)
    return html`<div class="note bad" role="alert">
      <p><b>This face is already enrolled as ${namesOf(taken.others)}.</b> Nothing was stored for ${student.first_name} ${student.last_name}.</p>
      <p>Is it the same person? Then pick the right student: ${taken.others.map(({ student_id, first_name, last_name }) => html`<a href=${`#/${encodeURIComponent(student_id)}`}>${first_name} ${last_name}</a> `)}</p>
      <p class="row"><button ?disabled=${this.busy} @click=${() => this.save(student, taken.embeddings, ids)}>They are two people (twins)</button></p>
    </div>`
  }

  private wantsShots(student: Student): boolean {
    const standing = standingOf(student)
    return standing !== 'no_consent' && (standing !== 'ready' || this.again)
  }

  private renderFace(student: Student, standing: ReturnType<typeof standingOf>): TemplateResult {
    const { first_name, templates } = student
    if (standing === 'no_consent') return html`<p class="soft">Without consent there are no photos, and the teacher takes ${first_name}’s attendance: just as good.</p>`
    if (!this.wantsShots(student)) {
      const held = templates.reduce((sum, { count }) => sum + count, 0)
      return html`<p>${held} ${held === 1 ? 'template is' : 'templates are'} on record. Kiosks know ${first_name}.</p>
        <p class="row gap"><button @click=${() => (this.again = true)}>Take new shots</button><span class="soft small">They replace the old ones.</span></p>`
    }
    if (this.visionProblem !== undefined) return html`${problemNote(this.visionProblem, this.see)}`
    return html`${standing === 'old_model' ? html`<p class="note warn">The templates on record are of a model that kiosks no longer use: take new shots.</p>` : nothing}
      ${keyed(
        student.student_id,
        html`<shots-step
          .vision=${this.vision}
          .loaded=${this.loaded}
          ?busy=${this.busy}
          @save=${(event: CustomEvent<Float32Array[]>) => this.save(student, event.detail)}
          @vision-crashed=${() => this.visionCrashed()}
        ></shots-step>`,
      )}`
  }
}

/** Such as `Amina Yusuf (S001) and Mei Tanaka (S003)`. */
const namesOf = (students: readonly NearStudent[]): string =>
  new Intl.ListFormat('en-GB').format(students.map(({ student_id, first_name, last_name }) => `${first_name} ${last_name} (${student_id})`))

function pickedOf(hash: string): string | undefined {
  const id = hash.replace(/^#?\/?/, '')
  try {
    return id === '' ? undefined : decodeURIComponent(id)
  } catch {
    return undefined
  }
}

export function mount(root: HTMLElement): void {
  document.title = 'Enrol · FastrackAI'
  root.replaceChildren(document.createElement('enrol-page'))
}
export default mount
