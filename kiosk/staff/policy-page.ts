/**
 * `<policy-page>`: what the school does with faces at all, in plain words, for whoever must sign it. The privacy officer sets it, asked twice; the
 * staff reads it.
 */
import { css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import type { Session } from '#contract/people'
import { SchoolPolicy, type PolicyAnswer } from '#contract/policy'
import { schoolPolicy, setPolicy } from '../sync/office.ts'
import './asked-twice.ts'
import { policyWords } from './policy-wording.ts'
import { PrivacyPart } from './privacy-part.ts'
import { dateOf, dateWords } from './wording.ts'

@customElement('policy-page')
export class PolicyPage extends PrivacyPart<PolicyAnswer> {
  static override styles = [
    ...PrivacyPart.styles,
    css`
      .intro {
        max-width: 46rem;
      }
      .policies {
        display: grid;
        gap: var(--space-4);
        max-width: 52rem;
      }
      .policies > li {
        padding: var(--space-4);
        display: grid;
        gap: var(--space-2);
      }
      .policies > li.chosen {
        border-color: var(--accent);
        box-shadow: inset 0 0 0 1px var(--accent);
      }
      h2 {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-2) var(--space-3);
        align-items: center;
      }
      li li {
        padding-left: 1.1rem;
        position: relative;
      }
      li li::before {
        content: '–';
        position: absolute;
        left: 0;
        color: var(--ink-quiet);
      }
      .facts {
        display: grid;
        gap: var(--space-1);
      }
    `,
  ]

  @property({ attribute: false }) session!: Session
  @state() private announcement = ''

  protected override ask(): Promise<PolicyAnswer> {
    return schoolPolicy()
  }

  private async choose(policy: SchoolPolicy): Promise<void> {
    this.problem = undefined
    if (await this.attempt(async () => (this.known = await setPolicy(policy)))) this.announcement = `The policy is now: ${policyWords(policy).name}.`
  }

  override render(): TemplateResult {
    return html`<h1>Policy</h1>
      <p class="intro soft">What this school does with faces. Each is complete: under each of them every student can be marked present, and a teacher can always put a register right.</p>
      ${this.shown()}
      <div class="hidden-words" aria-live="polite">${this.announcement}</div>`
  }

  protected override show(answer: PolicyAnswer): TemplateResult {
    const { changed_at, changed_by } = answer
    return html`${changed_at === null ? nothing : html`<p class="intro">Set by ${changed_by} on ${dateWords(dateOf(changed_at, Intl.DateTimeFormat().resolvedOptions().timeZone))}.</p>`}
      <ul class="policies">
        ${SchoolPolicy.options.map((policy) => this.renderPolicy(policy, answer))}
      </ul>
      ${this.session.role === 'privacy' ? nothing : html`<p class="intro soft">The privacy officer sets the policy.</p>`}`
  }

  private renderPolicy(policy: SchoolPolicy, answer: PolicyAnswer): TemplateResult {
    const { name, summary, facts } = policyWords(policy)
    const chosen = policy === answer.policy
    return html`<li class="card ${chosen ? 'chosen' : ''}">
      <h2>${name} ${chosen ? html`<span class="pill present">in force</span>` : nothing}</h2>
      <p>${summary}</p>
      <ul class="facts">
        ${facts.map((fact) => html`<li>${fact}</li>`)}
      </ul>
      ${chosen || this.session.role !== 'privacy'
        ? nothing
        : html`<asked-twice
            label="Choose this"
            .of=${`policy: ${name}`}
            .yes=${policy === 'no-biometrics' ? 'Erase all faces and choose it' : 'Choose it'}
            ?danger=${policy === 'no-biometrics'}
            ?busy=${this.busy}
            @sure=${() => this.choose(policy)}
          >
            <p>${whatFollows(policy, answer)}</p>
          </asked-twice>`}
    </li>`
  }
}

function whatFollows(policy: SchoolPolicy, { students_with_templates: count }: PolicyAnswer): string {
  switch (policy) {
    case 'no-biometrics':
      return `The faces of ${count} ${count === 1 ? 'student' : 'students'} are erased on this server at once and for good, with their keys, and on each kiosk at its next contact. To use faces again everybody would have to be enrolled anew, with new photos.`
    case 'verify-only':
      return 'Kiosks stop looking for faces at their next contact. From then on every student types a PIN or scans a card: see that everybody has one.'
    case 'default':
      return 'Kiosks open their camera during lessons from their next contact on, and recognise the students who have consented and are enrolled.'
  }
}
