/** `<privacy-students>`: every student with the consent in force, to be searched. */
import { html, nothing, type TemplateResult } from 'lit'
import { customElement } from 'lit/decorators.js'
import type { Consents } from '#contract/consent'
import { consents } from '../sync/office.ts'
import { PrivacyPart } from './privacy-part.ts'
import { dayOf, giverWords } from './privacy-wording.ts'
import { hashOf } from './route.ts'

@customElement('privacy-students')
export class PrivacyStudents extends PrivacyPart<Consents> {
  private search = ''

  protected override ask(): Promise<Consents> {
    return consents(this.search, undefined)
  }

  private readonly find = (event: SubmitEvent): void => {
    event.preventDefault()
    this.search = String(new FormData(event.currentTarget as HTMLFormElement).get('search') ?? '').trim()
    void this.load()
  }

  private async older(known: Consents): Promise<void> {
    await this.attempt(async () => {
      const next = await consents(this.search, known.students.at(-1)?.student_id)
      this.known = { ...next, students: [...known.students, ...next.students] }
    })
  }

  override render(): TemplateResult {
    return html`<h1>Consents</h1>
      <p class="intro soft">Without a consent in force nothing is made of a face. Open a student to withdraw it, to erase, or to save everything that is held on them.</p>
      <form @submit=${this.find} role="search">
        <label>Name or id <input name="search" autocomplete="off" maxlength="100" /></label>
        <button ?disabled=${this.busy}>Find</button>
      </form>
      ${this.shown()}`
  }

  protected override show(known: Consents): TemplateResult {
    if (known.students.length === 0) return html`<p class="note">Nobody of that name or id.</p>`
    return html`<div class="scroll"><table>
        <thead><tr><th>Student</th><th>Consent</th><th>Templates</th></tr></thead>
        <tbody>
          ${known.students.map(
            ({ student_id, first_name, last_name, consent, templates, guardian_required }) => html`<tr>
              <td><a href=${hashOf({ view: 'privacy', part: 'students', id: student_id })}>${first_name} ${last_name}</a> <span class="soft small">${student_id}</span></td>
              <td>${consent ? html`${giverWords(consent)}, ${dayOf(consent.given_at, known.time_zone)}` : html`<span class="soft">none${guardian_required ? '; a guardian must give it' : ''}</span>`}</td>
              <td>${templates}</td>
            </tr>`,
          )}
        </tbody>
      </table></div>
      ${known.more ? html`<button ?disabled=${this.busy} @click=${() => this.older(known)}>More students</button>` : nothing}`
  }
}
