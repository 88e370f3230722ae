/** `<privacy-page>`: the privacy officer's: whose consent is in force, what was erased and who has forgotten it, the words, and how long things are kept. */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property } from 'lit/decorators.js'
import type { Session } from '#contract/people'
import { hashOf, type PrivacyPart, type Route } from './route.ts'
import { look } from './look.ts'
import './privacy-certificates.ts'
import './privacy-kiosks.ts'
import './privacy-schedule.ts'
import './privacy-student.ts'
import './privacy-students.ts'
import './privacy-texts.ts'

const PARTS: readonly { part: PrivacyPart; name: string }[] = [
  { part: 'students', name: 'Consents' },
  { part: 'kiosks', name: 'Forgotten by kiosks' },
  { part: 'certificates', name: 'Certificates' },
  { part: 'texts', name: 'Texts' },
  { part: 'schedule', name: 'Retention' },
]

@customElement('privacy-page')
export class PrivacyPage extends LitElement {
  static override styles = [
    look,
    css`
      nav {
        display: flex;
        flex-wrap: wrap;
        gap: 0.25rem 1rem;
        margin-bottom: 1rem;
      }
      @media print {
        nav {
          display: none;
        }
      }
    `,
  ]

  @property({ attribute: false }) route!: Extract<Route, { view: 'privacy' }>
  @property({ attribute: false }) session!: Session

  override render(): TemplateResult {
    if (this.session.role !== 'privacy') return html`<h1>Privacy</h1><p class="note">This page is for the privacy officer: sign in as one.</p>`
    return html`<nav aria-label="Privacy">
        ${PARTS.map(({ part, name }) => html`<a href=${hashOf({ view: 'privacy', part, id: undefined })} aria-current=${part === this.route.part ? 'page' : nothing}>${name}</a>`)}
      </nav>
      ${this.renderPart()}`
  }

  private renderPart(): TemplateResult {
    const { part, id } = this.route
    switch (part) {
      case 'students':
        return id === undefined ? html`<privacy-students></privacy-students>` : html`<privacy-student .student_id=${id}></privacy-student>`
      case 'kiosks':
        return html`<privacy-kiosks></privacy-kiosks>`
      case 'certificates':
        return html`<privacy-certificates .only=${id}></privacy-certificates>`
      case 'texts':
        return html`<privacy-texts></privacy-texts>`
      case 'schedule':
        return html`<privacy-schedule></privacy-schedule>`
    }
  }
}
