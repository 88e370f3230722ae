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
import './attendance-report.ts'
import './kiosk-list.ts'
import './lesson-list.ts'
import './lesson-register.ts'
import './pin-list.ts'
import './recognition-overview.ts'
import './record-history.ts'
import './room-list.ts'
import './set-aside-list.ts'

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
    switch (route.view) {
      case 'day':
        return html`<lesson-list .date=${route.date} @pick-day=${(event: CustomEvent<string | undefined>) => (location.hash = hashOf({ view: 'day', date: event.detail }))}></lesson-list>`
      case 'lesson':
        return html`<lesson-register .held_on=${route.held_on} .lesson_id=${route.lesson_id}></lesson-register>`
      case 'recognition':
        return html`<recognition-overview .session=${session}></recognition-overview>`
      case 'rooms':
        return html`<room-list .session=${session}></room-list>`
      case 'kiosks':
        return html`<kiosk-list .session=${session}></kiosk-list>`
      case 'set-aside':
        return html`<set-aside-list .session=${session}></set-aside-list>`
      case 'reports':
        return html`<attendance-report .course_id=${route.course_id}></attendance-report>`
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
