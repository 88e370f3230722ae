/**
 * The teacher's and the office's view, on /office: which lessons, who is in them, and why.
 * Knows the server only through sync/office.ts, and no camera, model or template.
 */
import { html, type TemplateResult } from 'lit'
import { customElement, state } from 'lit/decorators.js'
import type { Session } from '#contract/people'
import { hashOf, routeOf, type Route } from './route.ts'
import { look, wholePage } from './look.ts'
import { SignedInPage } from './signed-in-page.ts'
import './account-list.ts'
import './attendance-report.ts'
import './audit-list.ts'
import './kiosk-list.ts'
import './lesson-list.ts'
import './lesson-register.ts'
import './card-list.ts'
import './my-account.ts'
import './my-attendance.ts'
import './pin-list.ts'
import './policy-page.ts'
import './privacy-page.ts'
import './recognition-overview.ts'
import './record-history.ts'
import './room-list.ts'
import './set-aside-list.ts'

/** What is of no business to a privacy officer: lessons, registers, histories. */
const TAUGHT: ReadonlySet<Route['view']> = new Set(['day', 'lesson', 'reports', 'student', 'course', 'rooms'])

const PRIVACY_HOME = { view: 'privacy', part: 'students', id: undefined } as const satisfies Route

@customElement('staff-page')
export class StaffPage extends SignedInPage {
  static override styles = [look, wholePage]

  protected override readonly where = 'office'
  @state() private route: Route = routeOf(location.hash)

  override connectedCallback(): void {
    super.connectedCallback()
    addEventListener('hashchange', this.follow)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    removeEventListener('hashchange', this.follow)
  }

  private readonly follow = (): void => {
    this.route = routeOf(location.hash)
    scrollTo(0, 0)
  }

  protected override renderFor(session: Session): TemplateResult {
    const { route } = this
    if (route.view === 'account') return html`<my-account></my-account>`
    // Who sees one thing sees it at once, whatever address they were sent.
    if (session.role === 'student') return html`<my-attendance .session=${session}></my-attendance>`
    if (session.role === 'privacy' && TAUGHT.has(route.view)) return html`<privacy-page .route=${PRIVACY_HOME} .session=${session}></privacy-page>`
    switch (route.view) {
      case 'accounts':
        return html`<account-list .session=${session}></account-list>`
      case 'my-attendance':
        return html`<p class="note">This page is a student's: there is nothing of yours in it.</p>`
      case 'day':
        return html`<lesson-list .date=${route.date} @pick-day=${(event: CustomEvent<string | undefined>) => (location.hash = hashOf({ view: 'day', date: event.detail }))}></lesson-list>`
      case 'lesson':
        return html`<lesson-register .held_on=${route.held_on} .lesson_id=${route.lesson_id}></lesson-register>`
      case 'recognition':
        return html`<recognition-overview .session=${session}></recognition-overview>`
      case 'audit':
        return session.role === 'privacy' ? html`<audit-list></audit-list>` : html`<h1>Audit</h1><p class="note">The audit log is for the privacy officer: sign in as one.</p>`
      case 'rooms':
        return html`<room-list .session=${session}></room-list>`
      case 'kiosks':
        return html`<kiosk-list .session=${session}></kiosk-list>`
      case 'set-aside':
        return html`<set-aside-list .session=${session}></set-aside-list>`
      case 'reports':
        return html`<attendance-report .course_id=${route.course_id}></attendance-report>`
      case 'privacy':
        return html`<privacy-page .route=${route} .session=${session}></privacy-page>`
      case 'policy':
        return html`<policy-page .session=${session}></policy-page>`
      case 'cards':
        return html`<card-list .course_id=${route.course_id} .session=${session}></card-list>`
      case 'pins':
        return html`<pin-list .course_id=${route.course_id} .session=${session}></pin-list>`
      case 'student':
      case 'course':
        return html`<record-history .of=${route}></record-history>`
    }
  }
}

export function mount(root: HTMLElement): void {
  document.title = 'Lessons · FastrackAI'
  root.replaceChildren(document.createElement('staff-page'))
}
export default mount
