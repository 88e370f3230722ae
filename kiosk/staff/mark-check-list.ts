/**
 * `<mark-check-list>`: "Was she really here?" of at most three marks of the lesson, drawn by the server. Nobody has to answer. What is
 * answered stays where it is until the page is left, so that no question moves under a finger. After a "no" the register's own correction is offered; fires `correct` with it.
 */
import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import type { CheckAnswer, MarkCheck } from '#contract/mark-check'
import type { CorrectionRequest } from '#contract/register'
import { answerCheck, isSignedOut, markChecks } from '../sync/office.ts'
import { look, problemNote } from './look.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { problemWords, timeOf } from './wording.ts'

@customElement('mark-check-list')
export class MarkCheckList extends LitElement {
  static override styles = [
    look,
    css`
      section {
        padding: var(--space-3) var(--space-4);
        margin-bottom: var(--space-4);
      }
      li {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: var(--space-1) var(--space-4);
        padding: var(--space-1) 0;
      }
      button[aria-pressed='true'] {
        border-color: var(--accent);
        box-shadow: inset 0 0 0 1px var(--accent);
      }
      .answers {
        display: flex;
        gap: var(--space-2);
      }
    `,
  ]

  @property({ attribute: false }) held_on!: string
  @property({ attribute: false }) lesson_id!: string
  @property({ attribute: false }) timeZone!: string
  /** Marks in the register: another number may bring others to ask about. */
  @property({ attribute: false }) marks = 0
  @state() private checks: readonly MarkCheck[] = []
  @state() private busy: string | undefined
  @state() private problem: string | undefined
  /** Answered in this page. */
  @state() private answered: ReadonlySet<string> = new Set()
  /** Said not to have been here, in this page: the correction is offered. */
  @state() private denied: MarkCheck | undefined
  @state() private announcement = ''

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('held_on') || changed.has('lesson_id')) {
      this.checks = []
      this.answered = new Set()
      this.denied = undefined
      this.problem = undefined
    }
    if (changed.has('held_on') || changed.has('lesson_id') || changed.has('marks')) void this.load()
  }

  private async load(): Promise<void> {
    const { held_on, lesson_id } = this
    try {
      const { checks } = await markChecks({ held_on, lesson_id })
      if (held_on === this.held_on && lesson_id === this.lesson_id) this.checks = checks
    } catch (error) {
      // The register says itself when the server cannot be reached; without these questions it is whole.
      if (isSignedOut(error)) tellSignedOut(this)
    }
  }

  private async answer(check: MarkCheck, answer: CheckAnswer): Promise<void> {
    this.busy = check.student_id
    this.problem = undefined
    try {
      this.checks = (await answerCheck({ held_on: this.held_on, lesson_id: this.lesson_id }, { student_id: check.student_id, answer })).checks
      this.answered = new Set(this.answered).add(check.student_id)
      this.announcement = `${nameOf(check)}: thank you.`
      this.denied = answer === 'no' ? check : this.denied?.student_id === check.student_id ? undefined : this.denied
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problem = `Not saved. ${problemWords(error)}`
    } finally {
      this.busy = undefined
    }
  }

  private correct(check: MarkCheck): void {
    const correction: CorrectionRequest = { student_id: check.student_id, status: 'absent', note: 'Not here; marked by mistake' }
    this.dispatchEvent(new CustomEvent('correct', { detail: { correction, name: nameOf(check) } }))
    this.denied = undefined
  }

  override render(): TemplateResult {
    const shown = this.checks.filter(({ answer, student_id }) => answer === null || this.answered.has(student_id))
    return html`${shown.length === 0 && !this.denied && this.problem === undefined
        ? nothing
        : html`<section class="card" aria-label="Was the kiosk right?">
            <p class="soft small">A few of the kiosk’s marks, drawn at random. Your answers show how often it is right; nothing changes in the register.</p>
            <ul>
              ${repeat(shown, ({ student_id }) => student_id, (check) => this.renderCheck(check))}
            </ul>
            ${this.denied ? this.renderDenied(this.denied) : nothing} ${problemNote(this.problem)}
          </section>`}
      <div class="hidden-words" aria-live="polite">${this.announcement}</div>`
  }

  private renderCheck(check: MarkCheck): TemplateResult {
    const button = (answer: CheckAnswer, words: string): TemplateResult => html`<button aria-pressed=${check.answer === answer} aria-label="${words}, ${nameOf(check)}" ?disabled=${this.busy !== undefined} @click=${() => this.answer(check, answer)}>${words}</button>`
    return html`<li>
      <span>Was <b>${nameOf(check)}</b> really here? <span class="soft small numbers">Seen at ${timeOf(check.timestamp, this.timeZone)}</span></span>
      <span class="answers">${button('yes', 'Yes')} ${button('no', 'No')} ${button('unknown', 'Don’t know')}</span>
    </li>`
  }

  private renderDenied(check: MarkCheck): TemplateResult {
    return html`<p class="note warn">
      ${nameOf(check)} is still marked as here. <button @click=${() => this.correct(check)}>Correct to absent</button>
      <button class="quiet" @click=${() => (this.denied = undefined)}>Leave it</button>
    </p>`
  }
}

function nameOf({ first_name, last_name }: MarkCheck): string {
  return `${first_name} ${last_name}`
}
