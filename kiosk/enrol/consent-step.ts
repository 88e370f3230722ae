/**
 * `<consent-step>`: which words were agreed to, by whom, how and when; or the form that records it. Fires
 * `give` with a ConsentRequest and `withdraw`; knows no server.
 */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, query, state } from 'lit/decorators.js'
import type { ConsentRequest, ConsentText, ConsentWay, Giver } from '#contract/consent'
import type { Student } from '#contract/people'
import { look } from '../staff/look.ts'

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
      form > fieldset {
        width: 100%;
      }
      fieldset {
        margin: 0;
        padding: 0;
        border: 0;
        display: flex;
        flex-wrap: wrap;
        gap: 0 var(--space-4);
      }
      .words {
        white-space: pre-line;
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
    `,
  ]

  @property({ attribute: false }) student!: Student
  /** The newest version of each text and language that the school offers. */
  @property({ attribute: false }) texts: readonly ConsentText[] = []
  /** The school's time zone, for the date. */
  @property({ attribute: false }) timeZone: string | undefined
  @property({ type: Boolean }) busy = false
  @state() private asking = false
  @state() private problem: string | undefined
  /** Of `texts`; undefined: the one that fits the page's language. */
  @state() private chosen: number | undefined
  @state() private giver: Giver | undefined
  @state() private way: ConsentWay = 'screen'
  @query('input[name=given_by]') private givenBy!: HTMLInputElement
  @query('input[name=relationship]') private relationship!: HTMLInputElement | null
  @query('input[name=agreed]') private agreed!: HTMLInputElement

  private text(): ConsentText | undefined {
    const own = this.texts.findIndex(({ language }) => language.split('-')[0] === 'en')
    return this.texts[this.chosen ?? Math.max(0, own)]
  }

  /** A guardian where one is needed, whatever was chosen. */
  private giverNow(): Giver {
    return this.student.guardian_required ? 'guardian' : (this.giver ?? 'student')
  }

  private give(event: Event): void {
    event.preventDefault()
    const text = this.text()
    if (!text) return this.missing('The school has no text to agree to yet. The privacy officer writes it on the page Privacy.', this.givenBy)
    const { text_id, version, language } = text
    const giver = this.giverNow()
    const given_by = this.givenBy.value.trim()
    const relationship = this.relationship?.value.trim() ?? ''
    if (given_by === '') return this.missing(giver === 'guardian' ? 'Write the name of the guardian who gave it.' : 'Write who gave it: the name of the student.', this.givenBy)
    if (giver === 'guardian' && relationship === '') return this.missing('Write who the guardian is to the student, such as mother.', this.relationship ?? this.givenBy)
    if (!this.agreed.checked) return this.missing('Tick the box once they have agreed. Without consent there are no photos.', this.agreed)
    this.problem = undefined
    const consent: ConsentRequest = { text: { text_id, version, language }, given_by, giver, relationship, way: this.way }
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
    const text = this.text()
    const { guardian_required, first_name } = this.student
    const giver = this.giverNow()
    return html`<form @submit=${this.give} novalidate>
      ${this.texts.length > 1
        ? html`<label>Text and language
            <select name="text" @change=${(event: Event) => (this.chosen = (event.target as HTMLSelectElement).selectedIndex)}>
              ${this.texts.map((one) => html`<option ?selected=${one === text}>${one.text_id}, version ${one.version}, ${languageName(one.language)}</option>`)}
            </select>
          </label>`
        : nothing}
      ${text ? html`<blockquote class="words" lang=${text.language}>${text.words}</blockquote>` : nothing}
      ${guardian_required
        ? html`<p>A guardian must agree for ${first_name}.</p>`
        : html`<fieldset>
            <legend>Who agrees</legend>
            ${this.choice('giver', 'student', 'The student', giver === 'student', () => (this.giver = 'student'))}
            ${this.choice('giver', 'guardian', 'A guardian', giver === 'guardian', () => (this.giver = 'guardian'))}
          </fieldset>`}
      <label>Given by <input name="given_by" maxlength="200" autocomplete="off" placeholder=${giver === 'guardian' ? 'Name of the guardian' : 'Name of the student'} /></label>
      ${giver === 'guardian' ? html`<label>Who is to ${first_name} <input name="relationship" maxlength="100" autocomplete="off" placeholder="mother, father, guardian" /></label>` : nothing}
      <fieldset>
        <legend>How</legend>
        ${this.choice('way', 'screen', 'On this screen', this.way === 'screen', () => (this.way = 'screen'))}
        ${this.choice('way', 'paper', 'On paper, which the school keeps', this.way === 'paper', () => (this.way = 'paper'))}
      </fieldset>
      <label class="tick"><input type="checkbox" name="agreed" /> They have read this, or it was read to them, and they agree.</label>
      ${this.problem === undefined ? nothing : html`<p class="note bad" role="alert">${this.problem}</p>`}
      <button class="main" ?disabled=${this.busy}>${this.busy ? 'Recording…' : 'Record consent'}</button>
    </form>`
  }

  private choice(name: string, value: string, words: string, checked: boolean, choose: () => void): TemplateResult {
    return html`<label class="tick"><input type="radio" name=${name} value=${value} .checked=${checked} @change=${choose} /> ${words}</label>`
  }
}

/** In the page's language; the tag itself where the browser knows no name. */
function languageName(tag: string): string {
  return new Intl.DisplayNames(['en'], { type: 'language' }).of(tag) ?? tag
}
