/** `<recognition-overview>`: how sure recognition is in this school: wrong marks to expect, look-alikes, students without a face. */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { likenessOf, type LookAlikePair } from '#contract/look-alike'
import { MOST_CHECKS } from '#contract/mark-check'
import type { Session } from '#contract/people'
import { TERM_WEEKS, expectedWrongMarks, type Recognition, type WithoutFace } from '#contract/recognition'
import type { SchoolPolicy } from '#contract/policy'
import { confirmDifferent, isSignedOut, recognition, schoolPolicy } from '../sync/office.ts'
import { look, problemNote, waiting } from './look.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { dateWords, problemWords } from './wording.ts'

/** Strangers who step before a kiosk in one lesson, until the office says otherwise: somebody of the lesson before. */
const STRANGERS = 1
const STRANGERS_MOST = 1000

const WHY: Record<WithoutFace, string> = {
  no_consent: 'no consent',
  no_template: 'consent, but no photos yet',
  old_model: 'photos of a model that is no longer used',
}

const POLICY_NOTE: Record<Exclude<SchoolPolicy, 'default'>, string> = {
  'no-biometrics': 'This school uses no faces: nobody is recognised, nothing of a face is kept, and nobody can be taken for somebody else.',
  'verify-only': 'This school only verifies: a PIN or a card says who it is, and one face is compared with that one student. Nobody is searched for, so the wrong marks below, which are those of a search, are not to be expected.',
}

@customElement('recognition-overview')
export class RecognitionOverview extends LitElement {
  static override styles = [
    look,
    css`
      h2 {
        margin: var(--space-8) 0 var(--space-2);
      }
      .figures {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr));
        gap: var(--space-3);
        margin-top: var(--space-4);
      }
      .figures li {
        padding: var(--space-3) var(--space-4);
      }
      .figures b {
        display: block;
        font-size: 2rem;
        line-height: 1.1;
      }
      .sum {
        padding: var(--space-4);
        display: grid;
        gap: var(--space-3);
        max-width: 46rem;
      }
      .sum label {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-2) var(--space-3);
        align-items: center;
      }
      .sum input {
        width: 6rem;
      }
      .explained {
        max-width: 46rem;
        margin-bottom: var(--space-3);
      }
      li.pair {
        display: grid;
        grid-template-columns: minmax(0, 3fr) minmax(0, 2fr) minmax(0, 3fr);
        gap: var(--space-1) var(--space-4);
        align-items: center;
        padding: var(--space-3) var(--space-4);
        overflow-wrap: anywhere;
      }
      li.pair + li.pair,
      li.one + li.one {
        border-top: 1px solid var(--line);
      }
      li.one {
        display: flex;
        flex-wrap: wrap;
        justify-content: space-between;
        gap: 0 var(--space-4);
        align-items: center;
        min-height: var(--touch);
        padding: var(--space-1) var(--space-4);
      }
      .say {
        grid-column: 1 / -1;
      }
      details > summary {
        min-height: var(--touch);
        display: flex;
        align-items: center;
        cursor: pointer;
        color: var(--accent);
        font-weight: 600;
      }
      @media (max-width: 46rem) {
        li.pair {
          grid-template-columns: minmax(0, 1fr);
        }
      }
    `,
  ]

  @property({ attribute: false }) session!: Session
  @state() private answer: Recognition | undefined
  @state() private policy: SchoolPolicy = 'default'
  @state() private problem: string | undefined
  @state() private strangers = STRANGERS
  @state() private busy = false

  override connectedCallback(): void {
    super.connectedCallback()
    void this.load()
  }

  private readonly load = async (): Promise<void> => {
    if (this.session.role !== 'office') return
    this.problem = undefined
    try {
      ;[this.answer, { policy: this.policy }] = await Promise.all([recognition(), schoolPolicy()])
    } catch (error) {
      this.fail(error)
    }
  }

  private fail(error: unknown): void {
    if (isSignedOut(error)) tellSignedOut(this)
    else this.problem = problemWords(error)
  }

  private async confirm([one, other]: LookAlikePair['students']): Promise<void> {
    this.busy = true
    try {
      await confirmDifferent([one.student_id, other.student_id])
      await this.load()
    } catch (error) {
      this.fail(error)
    } finally {
      this.busy = false
    }
  }

  override render(): TemplateResult {
    if (this.session.role !== 'office') return html`<div class="note"><h1>Recognition is for the office</h1><p>You are signed in as ${this.session.username}, a teacher.</p></div>`
    const { answer } = this
    return html`<h1>Recognition</h1>
      ${problemNote(this.problem, this.load)}
      ${this.policy === 'default' ? nothing : html`<p class="note">${POLICY_NOTE[this.policy]} <a href="/office#/policy">Policy</a></p>`}
      ${this.policy === 'no-biometrics' ? nothing : answer ? this.renderAnswer(answer) : this.problem === undefined ? waiting('Loading…') : nothing}`
  }

  private renderAnswer(answer: Recognition): TemplateResult {
    return html`<ul class="figures numbers">
        <li class="card"><b>${answer.with_face}</b>of ${answer.students} students have a face on record</li>
        <li class="card"><b>${answer.look_alikes.length}</b>${answer.look_alikes.length === 1 ? 'pair looks' : 'pairs look'} alike</li>
        <li class="card"><b>${answer.lessons_left.count.toLocaleString('en-GB')}</b>lessons before a kiosk in the next ${TERM_WEEKS} weeks</li>
      </ul>
      ${renderAccuracy(answer)} ${this.renderExpected(answer)} ${this.renderLookAlikes(answer)} ${renderWithout(answer)}`
  }

  private renderExpected(answer: Recognition): TemplateResult {
    const { false_accept_budget: budget, lessons_left } = answer
    const change = (event: Event): void => {
      const typed = (event.target as HTMLInputElement).valueAsNumber
      if (typed >= 0 && typed <= STRANGERS_MOST) this.strangers = typed
    }
    return html`<h2>Expected wrong marks this term</h2>
      <div class="card sum">
        <p class="numbers" role="status"><b>About ${wrongMarkWords(expectedWrongMarks(answer, this.strangers))}</b> until ${dateWords(lessons_left.to)}</p>
        <label>Strangers before the camera in one lesson <input type="number" min="0" max=${STRANGERS_MOST} step="any" inputmode="decimal" .value=${String(this.strangers)} @input=${change} /></label>
        <p class="soft small numbers">
          ${percent(budget)} of strangers × ${this.strangers.toLocaleString('en-GB')} a lesson × ${lessons_left.count.toLocaleString('en-GB')} lessons. A stranger is anybody who steps before a kiosk and is not of that lesson:
          nobody counts them, so say what you see. ${percent(budget)} is what kiosks aim to stay under for each of them, by what was measured of the model; a poor camera or light can be worse.
          Look-alikes add none: the face alone never marks them.
        </p>
      </div>`
  }

  private renderLookAlikes({ look_alikes }: Recognition): TemplateResult {
    return html`<h2>Look-alikes</h2>
      ${look_alikes.length === 0
        ? html`<p class="note">No two students’ faces are near enough to be taken for each other.</p>`
        : html`<p class="explained soft">Brothers and sisters, twins, or one person under two ids. The face alone never marks them: the kiosk asks for a tap or a PIN.</p>
            <ul class="card">
              ${look_alikes.map((pair) => this.renderPair(pair))}
            </ul>`}`
  }

  private renderPair(pair: LookAlikePair): TemplateResult {
    const { students, similarity, shared_course_ids: shared, confirmed_different: confirmed } = pair
    const same = likenessOf(similarity) === 'same_person'
    const [one, other] = students
    return html`<li class="pair">
      <span><b>${one.first_name} ${one.last_name}</b> <span class="soft small">${one.student_id}</span> and <b>${other.first_name} ${other.last_name}</b> <span class="soft small">${other.student_id}</span></span>
      <span>${same ? 'As near as one person' : 'Near'} <span class="soft small numbers">${similarity.toFixed(2)}</span></span>
      <span class="soft small">${shared.length === 0 ? 'No course in common' : `Together in ${shared.join(', ')}`}</span>
      ${confirmed
        ? html`<span class="say soft small">Two people: said by ${confirmed.confirmed_by} on ${dateWords(confirmed.confirmed_at.slice(0, 10))}</span>`
        : same
          ? html`<div class="say note warn">
              <p>Is this one person under two ids? Then withdraw the consent of the wrong one under <a href="/enrol">Enrol</a>; that erases the face.</p>
              <p class="row"><button ?disabled=${this.busy} @click=${() => this.confirm(students)}>They are two people (twins)</button></p>
            </div>`
          : nothing}
    </li>`
  }
}

/** What the interval says first: a share of three answers is no promise. */
function renderAccuracy({ accuracy }: Recognition): TemplateResult {
  return html`<h2>Marks that were right</h2>
    <div class="card sum">
      ${accuracy
        ? html`<p class="numbers" role="status"><b>Between ${percentDown(accuracy.lower)} and ${percentUp(accuracy.upper)}</b> of marks by face, since ${dateWords(accuracy.from)}</p>
            <p class="soft small numbers">
              ${accuracy.checked} ${accuracy.checked === 1 ? 'mark was' : 'marks were'} confirmed or denied by teachers, in ${accuracy.lessons} ${accuracy.lessons === 1 ? 'lesson' : 'lessons'} with ${accuracy.marks} marks by face;
              the share of right ones, each lesson weighted by its marks, is ${percent(accuracy.estimate)}. The truth lies between the two in 19 of 20 cases.
            </p>`
        : html`<p>Nobody has answered yet. In each lesson’s register teachers are asked about at most ${MOST_CHECKS} marks, drawn at random: only that shows how often the kiosks are right.</p>`}
    </div>`
}

/** Rounded outwards: the interval is never told narrower than it is. */
const percentDown = (share: number): string => `${(Math.floor(share * 1000) / 10).toLocaleString('en-GB')} %`
const percentUp = (share: number): string => `${(Math.ceil(share * 1000) / 10).toLocaleString('en-GB')} %`

function renderWithout({ without_face }: Recognition): TemplateResult {
  if (without_face.length === 0) return html`<h2>Without a face</h2><p class="note good">Every student has a face on record.</p>`
  return html`<h2>Without a face</h2>
    <p class="explained soft">They are marked by the teacher or by PIN, which is just as good.</p>
    <details>
      <summary>${without_face.length} ${without_face.length === 1 ? 'student' : 'students'}</summary>
      <ul class="card">
        ${without_face.map(
          ({ student_id, first_name, last_name, why }) =>
            html`<li class="one"><a href=${`/enrol#/${encodeURIComponent(student_id)}`}>${first_name} ${last_name}</a><span class="soft small">${student_id} · ${WHY[why]}</span></li>`,
        )}
      </ul>
    </details>`
}

const percent = (share: number): string => `${(100 * share).toLocaleString('en-GB', { maximumSignificantDigits: 3 })}\u00a0%`

/** Such as `0.4 wrong marks`: below ten the first decimal matters. */
const wrongMarkWords = (expected: number): string =>
  `${expected.toLocaleString('en-GB', { maximumFractionDigits: expected < 10 ? 1 : 0 })} wrong ${expected === 1 ? 'mark' : 'marks'}`
