/** `<audit-list>`: for the privacy officer: who did what to whom, newest first, by kind and by whom it concerns. Nothing here can be changed. */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { AuditActor, AuditSubject, auditActions, type AuditAction, type AuditEntry } from '#contract/audit'
import type { Session } from '#contract/people'
import { auditLog, isSignedOut, type AuditFilter } from '../sync/office.ts'
import { actionWords, detailWords } from './audit-wording.ts'
import { look, problemNote, waiting } from './look.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { problemWords } from './wording.ts'

@customElement('audit-list')
export class AuditList extends LitElement {
  static override styles = [
    look,
    css`
      .intro {
        margin: var(--space-2) 0 var(--space-4);
        max-width: 44rem;
      }
      form {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-3);
        align-items: end;
        margin-bottom: var(--space-4);
      }
      label {
        display: grid;
        gap: 0.2rem;
      }
      .scroll {
        overflow-x: auto;
      }
      table {
        border-collapse: collapse;
        width: 100%;
      }
      th,
      td {
        text-align: left;
        vertical-align: top;
        padding: 0.4rem 0.8rem 0.4rem 0;
        border-bottom: 1px solid var(--line);
      }
      td.when {
        white-space: nowrap;
      }
      .older {
        margin-top: var(--space-4);
      }
    `,
  ]

  @property({ attribute: false }) session!: Session
  @state() private entries: AuditEntry[] | undefined
  @state() private more = false
  @state() private timeZone = 'UTC'
  @state() private problem: string | undefined
  /** What a field of the form is wrong with. */
  @state() private fault: string | undefined
  private filter: AuditFilter = {}

  override connectedCallback(): void {
    super.connectedCallback()
    if (this.session.role === 'privacy') void this.load()
  }

  private readonly load = (): Promise<void> => this.page(undefined)

  private readonly older = (): Promise<void> => this.page(this.entries?.at(-1)?.seq)

  private async page(before: number | undefined): Promise<void> {
    this.problem = undefined
    try {
      const { entries, more, time_zone } = await auditLog(this.filter, before)
      this.entries = before === undefined ? entries : [...(this.entries ?? []), ...entries]
      this.more = more
      this.timeZone = time_zone
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problem = problemWords(error)
    }
  }

  private readonly narrow = (event: SubmitEvent): void => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const said = (name: string): string => String(form.get(name) ?? '').trim()
    const subject = said('subject')
    // A student's id is what is asked for most.
    const whole = subject === '' || subject.includes(':') || subject === 'school' || subject === 'audit' ? subject : `student:${subject}`
    if (whole !== '' && !AuditSubject.safeParse(whole).success) return void (this.fault = 'Type a student’s id such as S001, or device:pi-1, room:LAB-301, course:CS101, account:office, school.')
    if (said('actor') !== '' && !AuditActor.safeParse(said('actor')).success) return void (this.fault = 'Type account:office, device:pi-1, command:encode, script, server or anonymous.')
    this.fault = undefined
    this.filter = { action: (said('action') || undefined) as AuditAction | undefined, subject: whole || undefined, actor: said('actor') || undefined }
    this.entries = undefined
    void this.load()
  }

  override render(): TemplateResult {
    if (this.session.role !== 'privacy') return html`<h1>Audit</h1><p class="note">The audit log is for the privacy officer: sign in as one.</p>`
    return html`<h1>Audit</h1>
      <p class="intro soft">Who read or changed what, and when. No line of it can be changed unnoticed: each is sealed to the one before. To prove that, the school’s IT runs <code>npm run audit -- --verify</code>.</p>
      <form @submit=${this.narrow}>
        <label>What
          <select name="action">
            <option value="">Everything</option>
            ${auditActions.map((action) => html`<option value=${action}>${actionWords(action)}</option>`)}
          </select>
        </label>
        <label>Whom or what it concerns <input name="subject" autocomplete="off" placeholder="S001" /></label>
        <label>Who did it <input name="actor" autocomplete="off" placeholder="account:office" /></label>
        <button>Show</button>
      </form>
      ${problemNote(this.fault)} ${problemNote(this.problem, this.load)}
      ${this.entries ? this.renderEntries(this.entries) : this.problem === undefined ? waiting('Loading the audit log…') : nothing}`
  }

  private renderEntries(entries: readonly AuditEntry[]): TemplateResult {
    if (entries.length === 0) return html`<p class="note">Nothing of this kind is on record.</p>`
    const when = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', timeZone: this.timeZone })
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Audit log">
        <table>
          <thead><tr><th scope="col">No.</th><th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">Whom</th><th scope="col">More</th></tr></thead>
          <tbody>
            ${entries.map(
              ({ seq, at, actor, action, subject, details }) => html`<tr>
                <td>${seq}</td>
                <td class="when">${when.format(new Date(at))}</td>
                <td>${actor}</td>
                <td>${actionWords(action)}</td>
                <td>${subject}</td>
                <td class="soft small">${detailWords(details)}</td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>
      ${this.more ? html`<p class="older"><button @click=${this.older}>Show older ones</button></p>` : nothing}`
  }
}
