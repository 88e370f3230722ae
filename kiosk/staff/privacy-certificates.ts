/** `<privacy-certificates>`: proofs of what was deleted, each to be printed by itself. */
import { html, nothing, type TemplateResult } from 'lit'
import { customElement, property } from 'lit/decorators.js'
import type { Certificate, Certificates } from '#contract/consent'
import { certificates } from '../sync/office.ts'
import { PrivacyPart } from './privacy-part.ts'
import { confirmedWords, KIND_WORDS, kioskWords, momentOf } from './privacy-wording.ts'
import { hashOf } from './route.ts'

@customElement('privacy-certificates')
export class PrivacyCertificates extends PrivacyPart<Certificates> {
  /** One alone; undefined: the list. */
  @property({ attribute: false }) only: string | undefined

  protected override ask(): Promise<Certificates> {
    return certificates()
  }

  override render(): TemplateResult {
    return html`${this.only === undefined ? html`<h1>Certificates</h1><p class="intro soft">What was deleted, when, and how much of it. Nobody is named in them.</p>` : nothing} ${this.shown()}`
  }

  protected override show(known: Certificates): TemplateResult {
    const { only } = this
    if (only !== undefined) {
      const one = known.certificates.find(({ certificate_id }) => certificate_id === only)
      return one ? this.renderOne(one, known) : html`<p class="note warn">There is no certificate ${only} among the newest.</p>`
    }
    if (known.certificates.length === 0) return html`<p class="note">Nothing was deleted yet.</p>`
    return html`<div class="scroll"><table>
      <thead><tr><th>When</th><th>What</th><th>Rows</th><th>Kiosks</th></tr></thead>
      <tbody>
        ${known.certificates.map(
          (one) => html`<tr>
            <td><a href=${hashOf({ view: 'privacy', part: 'certificates', id: one.certificate_id })}>${momentOf(one.made_at, known.time_zone)}</a></td>
            <td>${KIND_WORDS[one.kind]} ${one.student_id ?? ''}</td>
            <td>${countWords(one)}</td>
            <td>${one.forgetting ? confirmedWords(one.forgetting) : '—'}</td>
          </tr>`,
        )}
      </tbody>
    </table></div>`
  }

  private renderOne(one: Certificate, { school, time_zone }: Certificates): TemplateResult {
    return html`<div class="stack"><div class="card">
      <h1>Certificate of deletion</h1>
      <p>${school}</p>
      <p><b>${KIND_WORDS[one.kind]}</b> ${one.student_id ?? ''}<br />${momentOf(one.made_at, time_zone)}, by ${one.made_by}</p>
      <p>Number ${one.certificate_id}, under which the deletion also stands in the audit log.</p>
      <table>
        <thead><tr><th>What</th><th>Rows</th></tr></thead>
        <tbody>${Object.entries(one.counts).map(([kind, count]) => html`<tr><td>${kind.replaceAll('_', ' ')}</td><td>${count}</td></tr>`)}</tbody>
      </table>
      ${one.marks === null ? nothing : html`<p>${one.marks === 'delete' ? 'The marks were deleted.' : 'The marks stay in the lessons’ registers, under a name that leads to nobody.'}</p>`}
      ${one.forgetting
        ? html`<p>${confirmedWords(one.forgetting)}.</p><ul>${one.forgetting.kiosks.map((kiosk) => html`<li class="small">${kiosk.room_id} (${kiosk.device_id}): ${kioskWords(kiosk, time_zone)}</li>`)}</ul>`
        : nothing}
      <button @click=${() => print()}>Print</button>
    </div></div>`
  }
}

const countWords = ({ counts }: Certificate): string => Object.entries(counts).map(([kind, count]) => `${count} ${kind.replaceAll('_', ' ')}`).join(', ') || 'nothing was there'
