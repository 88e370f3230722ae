/** `<privacy-schedule>`: for how long each kind of data is kept, as everybody may read it; what the privacy officer sets is set here. */
import { html, type TemplateResult } from 'lit'
import { customElement } from 'lit/decorators.js'
import { RetentionRequest, type RetentionSchedule } from '#contract/consent'
import { retentionSchedule, saveRetentionRule } from '../sync/office.ts'
import { PrivacyPart } from './privacy-part.ts'
import { timeWords } from './privacy-wording.ts'

@customElement('privacy-schedule')
export class PrivacySchedule extends PrivacyPart<RetentionSchedule> {
  protected override ask(): Promise<RetentionSchedule> {
    return retentionSchedule()
  }

  private async set(event: SubmitEvent, kind: string): Promise<void> {
    event.preventDefault()
    const days = String(new FormData(event.currentTarget as HTMLFormElement).get('days') ?? '').trim()
    const rule = RetentionRequest.safeParse({ kind, days: days === '' ? null : Number(days) })
    if (!rule.success) return void (this.problem = rule.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; '))
    await this.attempt(async () => (this.known = await saveRetentionRule(rule.data)))
  }

  override render(): TemplateResult {
    return html`<h1>Retention</h1>
      <p class="intro soft">What is older is erased once a day, with a certificate. Anybody may read this at <a href="/retention-schedule">/retention-schedule</a>. An empty number keeps for good.</p>
      ${this.shown()}`
  }

  protected override show({ kinds }: RetentionSchedule): TemplateResult {
    return html`<div class="scroll"><table>
      <thead><tr><th>What</th><th>How long</th><th>Counted from</th></tr></thead>
      <tbody>
        ${kinds.map(
          ({ kind, what, counted_from, settable, days, months }) => html`<tr>
            <td>${what}</td>
            <td>
              ${settable
                ? html`<form @submit=${(event: SubmitEvent) => this.set(event, kind)} novalidate>
                    <label><span class="hidden-words">${what}: </span><input name="days" inputmode="numeric" size="6" .value=${days === null ? '' : String(days)} /> days</label>
                    <button ?disabled=${this.busy}>Set</button>
                  </form>`
                : timeWords({ days, months })}
            </td>
            <td>${counted_from}</td>
          </tr>`,
        )}
      </tbody>
    </table></div>`
  }
}
