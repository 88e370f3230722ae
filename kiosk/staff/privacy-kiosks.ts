/** `<privacy-kiosks>`: of each withdrawal and erasure, how many of the kiosks have confirmed that they have forgotten. Looked at again every few seconds. */
import { html, type TemplateResult } from 'lit'
import { customElement } from 'lit/decorators.js'
import type { Forgettings } from '#contract/consent'
import { forgettings } from '../sync/office.ts'
import { PrivacyPart } from './privacy-part.ts'
import { confirmedWords, KIND_WORDS, kioskWords, momentOf } from './privacy-wording.ts'

const LOOKED_AT_EVERY_MS = 5_000

@customElement('privacy-kiosks')
export class PrivacyKiosks extends PrivacyPart<Forgettings> {
  private timer: ReturnType<typeof setInterval> | undefined

  override connectedCallback(): void {
    super.connectedCallback()
    this.timer = setInterval(() => {
      if (!this.busy && document.visibilityState === 'visible') void this.load()
    }, LOOKED_AT_EVERY_MS)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    clearInterval(this.timer)
  }

  protected override ask(): Promise<Forgettings> {
    return forgettings()
  }

  override render(): TemplateResult {
    return html`<h1>Forgotten by kiosks</h1>
      <p class="intro soft">
        What is erased is gone from the server at once. A kiosk that is in reach forgets it within a minute, and confirms with its next heartbeat. One that is not in reach
        recognises nobody when it is back before it has forgotten, and after 7 days without contact its templates lapse by themselves.
      </p>
      ${this.shown()}`
  }

  protected override show({ forgettings: all, time_zone }: Forgettings): TemplateResult {
    if (all.length === 0) return html`<p class="note">Nothing was withdrawn or erased yet.</p>`
    return html`<div class="scroll"><table>
      <thead><tr><th>When</th><th>What</th><th>Kiosks</th></tr></thead>
      <tbody>
        ${all.map(
          (one) => html`<tr>
            <td>${momentOf(one.forgotten_at, time_zone)}</td>
            <td>${KIND_WORDS[one.kind]} ${one.student_id ?? ''}<br /><span class="soft small">${one.asked_by}</span></td>
            <td>
              <details>
                <summary><b>${confirmedWords(one)}</b></summary>
                <ul>${one.kiosks.map((kiosk) => html`<li class="small">${kiosk.room_id} (${kiosk.device_id}): ${kioskWords(kiosk, time_zone)}</li>`)}</ul>
              </details>
            </td>
          </tr>`,
        )}
      </tbody>
    </table></div>`
  }
}
