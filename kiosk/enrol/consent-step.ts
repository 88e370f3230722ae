/**
 * `<consent-step>`: which words were agreed to, by whom and when; or the form that records it. Fires
 * `give` with {statement, given_by} and `withdraw`; knows no server.
 */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, query, state } from 'lit/decorators.js'
import type { ConsentRequest, Student } from '#contract/people'
import { look } from '../staff/look.ts'

const STATEMENT =
  'The school makes a face template from photos of the student and uses it for one purpose: to mark attendance in the lessons the student is enrolled in. ' +
  'The photos are not kept. Saying no, or withdrawing later, has no disadvantage: the template is erased at once and the teacher takes attendance instead.'

@customElement('consent-step')
export class ConsentStep extends LitElement {
  static override styles = [
    look,
    css`
      form,
      .given {
        display: grid;
        gap: var(--space-3);
        justify-items: start;
      }
      form > label,
      textarea {
        width: 100%;
      }
      blockquote {
        margin: 0;
        padding-left: var(--space-3);
        border-left: 3px solid var(--line-strong);
        overflow-wrap: anywhere;
      }
      .tick {
        display: flex;
        gap: var(--space-3);
        align-items: center;
        min-height: var(--touch);
        font-weight: 400;
      }
      textarea {
        field-sizing: content;
        min-height: 7rem;
        resize: vertical;
      }
    `,
  ]

  @property({ attribute: false }) student!: Student
  /** The school's time zone, for the date. */
  @property({ attribute: false }) timeZone: string | undefined
  @property({ type: Boolean }) busy = false
  @state() private asking = false
  @state() private problem: string | undefined
  @query('textarea') private statement!: HTMLTextAreaElement
  @query('input[name=given_by]') private givenBy!: HTMLInputElement
  @query('input[name=agreed]') private agreed!: HTMLInputElement

  private give(event: Event): void {
    event.preventDefault()
    const consent: ConsentRequest = { statement: this.statement.value.trim(), given_by: this.givenBy.value.trim() }
    if (consent.statement.length < 3) return this.missing('Write the words that were agreed to.', this.statement)
    if (consent.given_by === '') return this.missing('Write who gave it: the student, or the guardian.', this.givenBy)
    if (!this.agreed.checked) return this.missing('Tick the box once they have agreed. Without consent there are no photos.', this.agreed)
    this.problem = undefined
    this.dispatchEvent(new CustomEvent('give', { detail: consent }))
  }

  private missing(problem: string, field: HTMLElement): void {
    this.problem = problem
    field.focus()
  }

  override render(): TemplateResult {
    return this.student.consent ? this.renderGiven(this.student.consent) : this.renderForm()
  }

  private renderGiven(consent: NonNullable<Student['consent']>): TemplateResult {
    const when = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', ...(this.timeZone === undefined ? {} : { timeZone: this.timeZone }) }).format(new Date(consent.given_at))
    return html`<div class="given">
      <p>Given by <b>${consent.given_by}</b> on ${when}.</p>
      <blockquote class="soft small">${consent.statement}</blockquote>
      ${this.asking
        ? html`<div class="note warn" role="alert">
            <p>This erases the templates of ${this.student.first_name} on the server at once, and on every kiosk at its next contact. Marks stay.</p>
            <p class="row">
              <button class="danger" ?disabled=${this.busy} @click=${() => this.dispatchEvent(new CustomEvent('withdraw'))}>Withdraw and erase</button>
              <button ?disabled=${this.busy} @click=${() => (this.asking = false)}>Keep</button>
            </p>
          </div>`
        : html`<button @click=${() => (this.asking = true)}>Withdraw consent…</button>`}
    </div>`
  }

  private renderForm(): TemplateResult {
    return html`<form @submit=${this.give} novalidate>
      <label>What is agreed to <textarea maxlength="2000" .value=${STATEMENT}></textarea></label>
      <label>Given by <input name="given_by" maxlength="200" autocomplete="off" placeholder="Name of the student, or of the guardian" /></label>
      <label class="tick"><input type="checkbox" name="agreed" /> They have read this, or it was read to them, and they agree.</label>
      ${this.problem === undefined ? nothing : html`<p class="note bad" role="alert">${this.problem}</p>`}
      <button class="main" ?disabled=${this.busy}>${this.busy ? 'Recording…' : 'Record consent'}</button>
    </form>`
  }
}
