/**
 * `<register-row>`: one student of a register. One tap on a status corrects it; the correction is
 * shown beside the mark. Fires `correct` with {student_id, status, note}; knows no server.
 */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, query, state } from 'lit/decorators.js'
import { CorrectedStatus, type CorrectionRequest, type LessonSummary, type RegisterEntry } from '#contract/register'
import { look } from './look.ts'
import { hashOf } from './route.ts'
import { STATUS_WORD, doubtWords, methodWords, rowWords, whyWords } from './wording.ts'

@customElement('register-row')
export class RegisterRow extends LitElement {
  static override styles = [
    look,
    css`
      .entry {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        gap: var(--space-1) var(--space-4);
        align-items: center;
        padding: var(--space-2) var(--space-3);
      }
      .name {
        font-weight: var(--weight-strong);
        color: inherit;
        text-decoration-color: var(--line-strong);
        text-underline-offset: 3px;
        overflow-wrap: anywhere;
      }
      .line {
        overflow-wrap: anywhere;
      }
      .why-button {
        min-height: 2rem;
        padding: 0.1rem 0.4rem;
        font-size: 0.9rem;
        text-decoration: underline;
        text-underline-offset: 3px;
      }
      .statuses {
        display: flex;
      }
      .statuses button {
        border-radius: 0;
        margin-left: -1px;
        padding: 0 var(--space-3);
        font-weight: 500;
        min-width: 6.2rem;
      }
      .statuses button:first-child {
        border-radius: var(--radius-small) 0 0 var(--radius-small);
        margin-left: 0;
      }
      .statuses button:last-child {
        border-radius: 0 var(--radius-small) var(--radius-small) 0;
      }
      .statuses button:focus-visible {
        z-index: 1;
      }
      .statuses button[aria-pressed='true'] {
        font-weight: 700;
      }
      button[aria-pressed='true'].present,
      button[aria-pressed='true'].present:hover {
        background: var(--accent);
        border-color: var(--accent);
        color: var(--on-accent);
      }
      button[aria-pressed='true'].late,
      button[aria-pressed='true'].late:hover {
        background: var(--caution-soft);
        border-color: var(--caution-ink);
        color: var(--caution-ink);
      }
      button[aria-pressed='true'].absent,
      button[aria-pressed='true'].absent:hover {
        background: var(--fault-soft);
        border-color: var(--fault-ink);
        color: var(--fault-ink);
      }
      button[aria-pressed='true'].excused,
      button[aria-pressed='true'].excused:hover {
        background: var(--surface-quiet);
        border-color: var(--ink);
        color: var(--ink);
      }
      @media (hover: hover) {
        .statuses button[aria-pressed='false']:hover {
          background: var(--surface);
          box-shadow: inset 0 0 0 2px var(--line-strong);
        }
      }
      .statuses button.saving {
        opacity: 0.6;
      }
      .more,
      .problem {
        grid-column: 1 / -1;
      }
      .more {
        display: grid;
        gap: var(--space-3);
        padding: var(--space-2) 0 var(--space-3);
      }
      .more ul {
        display: grid;
        gap: var(--space-1);
        max-width: 44rem;
      }
      form {
        display: flex;
        gap: var(--space-2);
        align-items: end;
        max-width: 40rem;
      }
      form label {
        flex: 1;
        min-width: 0;
      }
      form button {
        flex: none;
      }
      @media (max-width: 46rem) {
        .entry {
          grid-template-columns: minmax(0, 1fr);
          padding: var(--space-3) var(--space-2);
        }
        .statuses button {
          flex: 1 1 0;
          min-width: 0;
          padding: 0 0.2rem;
        }
      }
      @media (max-width: 24rem) {
        .statuses button {
          font-size: 0.92rem;
        }
      }
    `,
  ]

  @property({ attribute: false }) entry!: RegisterEntry
  @property({ attribute: false }) lesson!: LessonSummary
  @property({ attribute: false }) timeZone!: string
  /** The status that is being saved, if one is. */
  @property({ attribute: false }) saving: CorrectedStatus | undefined
  /** Why the last correction was not saved. */
  @property({ attribute: false }) problem: string | undefined
  @state() private open = false
  @query('input') private note!: HTMLInputElement

  private set(status: CorrectedStatus, note: string): void {
    const correction: CorrectionRequest = { student_id: this.entry.student_id, status, note }
    this.dispatchEvent(new CustomEvent('correct', { detail: correction }))
  }

  /** The camera's own status is left to the camera: confirming what already stands would only add noise to the record, unless it is doubted. */
  private tap(status: CorrectedStatus): void {
    const doubted = doubtWords(this.entry) !== undefined
    if (this.saving === undefined && (status !== this.entry.status || doubted)) this.set(status, '')
  }

  private saveNote(event: Event): void {
    event.preventDefault()
    const status = CorrectedStatus.safeParse(this.entry.status)
    const note = this.note.value.trim()
    if (!status.success || note === '' || this.saving !== undefined) return
    this.set(status.data, note)
    this.note.value = ''
  }

  override render() {
    const { entry, lesson, timeZone } = this
    const name = `${entry.first_name} ${entry.last_name}`
    const shown = this.saving ?? entry.status
    const open = entry.status === 'expected' || entry.status === 'not_taken'
    const method = entry.mark ? methodWords(entry.mark) : undefined
    const doubt = doubtWords(entry)
    return html`<div class="entry">
      <div>
        <div class="row">
          <a class="name" href=${hashOf({ view: 'student', student_id: entry.student_id })}>${name}</a>
          ${open && this.saving === undefined ? html`<span class="pill ${entry.status}">${STATUS_WORD[entry.status]}</span>` : nothing}
          ${method === undefined ? nothing : html`<span class="pill excused">${method}</span>`}
          ${doubt === undefined ? nothing : html`<span class="pill late">${doubt}</span>`}
        </div>
        <span class="line soft small numbers">${rowWords(entry, timeZone, lesson.held_on)}</span>
        <button class="quiet why-button" aria-expanded=${this.open} @click=${() => (this.open = !this.open)}>Why?<span class="hidden-words"> ${name}</span></button>
      </div>
      <div class="statuses" role="group" aria-label="Status of ${name}">
        ${CorrectedStatus.options.map(
          (status) => html`<button class="${status} ${this.saving === status ? 'saving' : ''}" aria-pressed=${shown === status} @click=${() => this.tap(status)}>${STATUS_WORD[status]}</button>`,
        )}
      </div>
      ${this.problem === undefined ? nothing : html`<p class="problem note bad" role="alert">${this.problem}</p>`} ${this.open ? this.renderMore(name, open) : nothing}
    </div>`
  }

  private renderMore(name: string, statusOpen: boolean): TemplateResult {
    return html`<div class="more">
      <ul class="small">
        ${whyWords(this.entry, this.lesson, this.timeZone).map((line) => html`<li>${line}</li>`)}
      </ul>
      ${statusOpen
        ? html`<p class="soft small">To leave a note, choose a status first.</p>`
        : html`<form @submit=${this.saveNote}>
            <label class="small">Note on ${name}<input maxlength="500" placeholder="Such as: at the dentist until ten" /></label>
            <button ?disabled=${this.saving !== undefined}>Save note</button>
          </form>`}
    </div>`
  }
}
