/** `<privacy-student>`: one student's consents, all of them, and what a person may ask for: to withdraw, to be erased, to have everything that is held on them. */
import { html, nothing, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { v4 as uuidv4 } from 'uuid'
import type { Certificate, MarksFate, StudentConsents } from '#contract/consent'
import { consentsOf, eraseStudent, exportPath, saveGuardianOf, withdrawConsent } from '../sync/office.ts'
import './asked-twice.ts'
import { PrivacyPart } from './privacy-part.ts'
import { confirmedWords, giverWords, momentOf, textWords } from './privacy-wording.ts'
import { hashOf } from './route.ts'

@customElement('privacy-student')
export class PrivacyStudent extends PrivacyPart<StudentConsents> {
  @property({ attribute: false }) student_id = ''
  @state() private certificate: Certificate | undefined
  @state() private marks: MarksFate = 'pseudonym'
  /** One for each thing that is asked: asked again after an answer that was lost, it is still one erasure. */
  private readonly requestIds = { biometrics: uuidv4(), person: uuidv4() }

  protected override ask(): Promise<StudentConsents> {
    return consentsOf(this.student_id)
  }

  private readonly withdraw = async (): Promise<void> => {
    if (await this.attempt(() => withdrawConsent(this.student_id))) await this.load()
  }

  private async erase(scope: 'biometrics' | 'person'): Promise<void> {
    const done = await this.attempt(async () => {
      this.certificate = await eraseStudent(this.student_id, { scope, marks: this.marks, request_id: this.requestIds[scope] })
    })
    if (done && scope === 'biometrics') await this.load()
  }

  private async need(required: boolean): Promise<void> {
    if (await this.attempt(() => saveGuardianOf(this.student_id, required))) await this.load()
  }

  override render(): TemplateResult {
    return html`<h1>${this.student_id}</h1>
      ${this.certificate ? this.renderErased(this.certificate) : nothing} ${this.certificate?.kind === 'person' ? nothing : this.shown()}`
  }

  private renderErased({ certificate_id, forgetting }: Certificate): TemplateResult {
    return html`<div class="note good" role="status">
      <p>Erased on the server. ${forgetting ? html`${confirmedWords(forgetting)} so far; see <a href=${hashOf({ view: 'privacy', part: 'kiosks', id: undefined })}>Forgotten by kiosks</a>.` : nothing}</p>
      <p><a href=${hashOf({ view: 'privacy', part: 'certificates', id: certificate_id })}>The certificate</a></p>
    </div>`
  }

  protected override show({ guardian_required, consents }: StudentConsents): TemplateResult {
    const inForce = consents.some(({ withdrawn_at }) => withdrawn_at === null)
    return html`<div class="stack">
      <div class="card">
        <h2>Consents</h2>
        ${consents.length === 0 ? html`<p class="soft">None was ever given.</p>` : this.renderLedger(consents)}
        <label><input type="checkbox" .checked=${guardian_required} ?disabled=${this.busy} @change=${(event: Event) => this.need((event.target as HTMLInputElement).checked)} /> A guardian must consent for this student</label>
        ${inForce
          ? html`<asked-twice label="Withdraw consent…" yes="Withdraw and erase" danger ?busy=${this.busy} @sure=${this.withdraw}>
              <p>Every template is erased on the server at once, and on every kiosk at its next contact. Marks stay.</p>
            </asked-twice>`
          : nothing}
      </div>
      <div class="card">
        <h2>Everything that is held on them</h2>
        <p class="soft">One file, with every mark of all years. It is put on record that it was made.</p>
        <a class="button" href=${exportPath(this.student_id)} download=${`${this.student_id}.json`}>Save the file</a>
      </div>
      <div class="card">
        <h2>Erase</h2>
        <asked-twice label="Erase the face…" yes="Erase the face" danger ?busy=${this.busy} @sure=${() => this.erase('biometrics')}>
          <p>Consent is withdrawn, and the templates, their key and every likeness to others are erased. Backups cannot open what they hold of them any more.</p>
        </asked-twice>
        <fieldset>
          <legend>Marks of an erased person</legend>
          <label><input type="radio" name="marks" .checked=${this.marks === 'pseudonym'} @change=${() => (this.marks = 'pseudonym')} /> stay in the lessons’ registers, under a name that leads to nobody</label>
          <label><input type="radio" name="marks" .checked=${this.marks === 'delete'} @change=${() => (this.marks = 'delete')} /> are deleted, too</label>
        </fieldset>
        <asked-twice label="Erase the person…" yes="Erase ${this.student_id} for good" danger ?busy=${this.busy} @sure=${() => this.erase('person')}>
          <p>The face, the name, the address, PIN, card, account and everything else that leads to this person is erased. It cannot be undone.</p>
        </asked-twice>
      </div>
    </div>`
  }

  private renderLedger(consents: StudentConsents['consents']): TemplateResult {
    const when = (instant: string): string => momentOf(instant, Intl.DateTimeFormat().resolvedOptions().timeZone)
    return html`<div class="scroll"><table>
      <thead><tr><th>Given by</th><th>When</th><th>Text</th><th>Recorded</th><th>Withdrawn</th></tr></thead>
      <tbody>
        ${consents.map(
          (consent) => html`<tr>
            <td>${giverWords(consent)}</td>
            <td>${when(consent.given_at)}</td>
            <td><details><summary>${textWords(consent)}</summary><blockquote class="small" lang=${consent.text.language}>${consent.statement}</blockquote></details></td>
            <td>${when(consent.recorded_at)}, ${consent.recorded_by}</td>
            <td>${consent.withdrawn_at === null ? html`<b>in force</b>` : html`${when(consent.withdrawn_at)}, ${consent.withdrawn_by ?? ''}`}</td>
          </tr>`,
        )}
      </tbody>
    </table></div>`
  }
}
