/** `<privacy-texts>`: the words that people are asked to agree to. They are never changed: other words are a new version. */
import { html, type TemplateResult } from 'lit'
import { customElement } from 'lit/decorators.js'
import { ConsentTextRequest, type ConsentTexts } from '#contract/consent'
import { addConsentText, consentTexts, saveGuardianRequired } from '../sync/office.ts'
import { PrivacyPart } from './privacy-part.ts'

@customElement('privacy-texts')
export class PrivacyTexts extends PrivacyPart<ConsentTexts> {
  protected override ask(): Promise<ConsentTexts> {
    return consentTexts()
  }

  private readonly add = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const said = new FormData(form)
    const text = ConsentTextRequest.safeParse({ text_id: said.get('text_id'), language: said.get('language'), words: said.get('words') })
    if (!text.success) return void (this.problem = text.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; '))
    if (await this.attempt(async () => (this.known = await addConsentText(text.data)))) form.reset()
  }

  private async need(required: boolean): Promise<void> {
    await this.attempt(async () => (this.known = await saveGuardianRequired(required)))
  }

  override render(): TemplateResult {
    return html`<h1>Texts</h1>
      <p class="intro soft">What students and guardians are asked to agree to. A text is never changed: other words make a new version, and consents to the older one stay what they are.</p>
      ${this.shown()}`
  }

  protected override show({ texts, guardian_required }: ConsentTexts): TemplateResult {
    return html`<div class="stack">
      <label><input type="checkbox" .checked=${guardian_required} ?disabled=${this.busy} @change=${(event: Event) => this.need((event.target as HTMLInputElement).checked)} /> A guardian must consent for every student of whom nothing else is said</label>
      ${texts.map(
        ({ text_id, version, language, words }) => html`<div class="card">
          <h2>${text_id}, version ${version}, ${language}</h2>
          <blockquote lang=${language}>${words}</blockquote>
        </div>`,
      )}
      <form class="card" @submit=${this.add} novalidate>
        <label>Text <input name="text_id" maxlength="64" value="school" /></label>
        <label>Language <input name="language" maxlength="35" value="en" /></label>
        <label>Words <textarea name="words" maxlength="2000"></textarea></label>
        <button class="main" ?disabled=${this.busy}>Add as a new version</button>
      </form>
    </div>`
  }
}
