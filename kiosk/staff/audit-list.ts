/** `<audit-list>`: for the privacy officer: who did what to whom, newest first, by kind and by whom it concerns. Nothing here can be changed. */
import { css, html, nothing, type TemplateResult } from 'lit'
import { customElement, state } from 'lit/decorators.js'
import { AuditActor, AuditSubject, auditActions, type AuditAction, type AuditLog } from '#contract/audit'
import { auditLog, type AuditFilter } from '../sync/office.ts'
import { actionWords, detailWords } from './audit-wording.ts'
import { problemNote } from './look.ts'
import { PrivacyPart } from './privacy-part.ts'

@customElement('audit-list')
export class AuditList extends PrivacyPart<AuditLog> {
  static override styles = [
    ...PrivacyPart.styles,
    css`
      label {
        display: grid;
        gap: 0.2rem;
      }
      td.when {
        white-space: nowrap;
      }
      .older {
        margin-top: var(--space-4);
      }
    `,
  ]

  /** What a field of the form is wrong with. */
  @state() private fault: string | undefined
  private filter: AuditFilter = {}

  protected override ask(): Promise<AuditLog> {
    return auditLog(this.filter, undefined)
  }

  private async older(entries: AuditLog['entries']): Promise<void> {
    await this.attempt(async () => {
      const next = await auditLog(this.filter, entries.at(-1)?.seq)
      // Unless another list was asked for meanwhile.
      if (this.known?.entries === entries) this.known = { ...next, entries: [...entries, ...next.entries] }
    })
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
    this.known = undefined
    void this.again()
  }

  override render(): TemplateResult {
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
      ${problemNote(this.fault)} ${this.shown('Loading the audit log…')}`
  }

  protected override show({ entries, more, time_zone }: AuditLog): TemplateResult {
    if (entries.length === 0) return html`<p class="note">Nothing of this kind is on record.</p>`
    const when = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', timeZone: time_zone })
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
      ${more ? html`<p class="older"><button @click=${() => this.older(entries)}>Show older ones</button></p>` : nothing}`
  }
}
