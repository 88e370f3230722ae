/** `<page-head>`: the bar above every staff screen: where one is, where one can go, who is signed in. Fires `sign-out`. */
import { LitElement, css, html, nothing } from 'lit'
import { customElement, property } from 'lit/decorators.js'
import type { Session } from '#contract/people'
import { look } from './look.ts'
import { routeOf, type Route } from './route.ts'

@customElement('page-head')
export class PageHead extends LitElement {
  static override styles = [
    look,
    css`
      header {
        background: var(--surface);
        border-bottom: 1px solid var(--line);
      }
      .inner {
        max-width: 80rem;
        margin: 0 auto;
        padding: 0.4rem 1rem;
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0 1rem;
      }
      .name {
        font-weight: 700;
      }
      .name.alone {
        line-height: var(--touch);
      }
      nav {
        display: flex;
        flex-wrap: wrap;
        gap: 0 0.25rem;
      }
      nav a {
        display: inline-flex;
        align-items: center;
        min-height: var(--touch);
        padding: 0 0.7rem;
        color: var(--ink);
        text-decoration: none;
        border-bottom: 3px solid transparent;
      }
      nav a[aria-current] {
        border-bottom-color: var(--accent);
        font-weight: 600;
      }
      .who {
        margin-left: auto;
        display: flex;
        align-items: center;
        gap: 0.25rem;
      }
      .user {
        min-height: var(--touch);
        display: inline-flex;
        align-items: center;
        padding: 0 var(--space-2);
      }
      .user[aria-current] {
        font-weight: 600;
      }
      @media print {
        :host {
          display: none;
        }
      }
      @media (max-width: 32rem) {
        .name:not(.alone) {
          display: none;
        }
        .user {
          max-width: 8rem;
          overflow: hidden;
          text-overflow: ellipsis;
          white-space: nowrap;
        }
        .inner {
          padding: 0.2rem 0.4rem;
        }
      }
    `,
  ]

  @property({ attribute: false }) session: Session | undefined
  @property() where: 'office' | 'enrol' = 'office'

  override connectedCallback(): void {
    super.connectedCallback()
    addEventListener('hashchange', this.moved)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    removeEventListener('hashchange', this.moved)
  }

  private readonly moved = (): void => this.requestUpdate()

  private isAt(...views: Route['view'][]): boolean {
    return this.where === 'office' && views.includes(routeOf(location.hash).view)
  }

  override render() {
    const { session } = this
    const teaches = session?.role === 'office' || session?.role === 'teacher'
    return html`<header>
      <div class="inner">
        <span class="name ${session ? '' : 'alone'}">FastrackAI</span>
        ${session
          ? html`<nav aria-label="Pages">
                ${session.role === 'student' ? html`<a href="/office#/" aria-current=${this.isAt('my-attendance', 'day') ? 'page' : nothing}>My attendance</a>` : nothing}
                ${teaches ? html`<a href="/office#/" aria-current=${this.isAt('day', 'lesson', 'student', 'course') ? 'page' : nothing}>Lessons</a>` : nothing}
                ${teaches ? html`<a href="/office#/reports" aria-current=${this.isAt('reports') ? 'page' : nothing}>Reports</a>` : nothing}
                ${session.role === 'office' ? html`<a href="/office#/pins" aria-current=${this.isAt('pins') ? 'page' : nothing}>PINs</a>` : nothing}
                ${session.role === 'office' ? html`<a href="/office#/cards" aria-current=${this.isAt('cards') ? 'page' : nothing}>Cards</a>` : nothing}
                ${session.role === 'office' || session.role === 'privacy' ? html`<a href="/office#/policy" aria-current=${this.isAt('policy') ? 'page' : nothing}>Policy</a>` : nothing}
                ${session.role === 'office' ? html`<a href="/office#/recognition" aria-current=${this.isAt('recognition') ? 'page' : nothing}>Recognition</a>` : nothing}
                ${session.role === 'office' ? html`<a href="/office#/kiosks" aria-current=${this.isAt('kiosks', 'set-aside') ? 'page' : nothing}>Kiosks</a>` : nothing}
                ${teaches ? html`<a href="/office#/rooms" aria-current=${this.isAt('rooms') ? 'page' : nothing}>Rooms</a>` : nothing}
                ${session.role === 'privacy' ? html`<a href="/office#/privacy/students" aria-current=${this.isAt('privacy', 'day') ? 'page' : nothing}>Privacy</a>` : nothing}
                ${session.role === 'privacy' ? html`<a href="/office#/audit" aria-current=${this.isAt('audit') ? 'page' : nothing}>Audit</a>` : nothing}
                ${session.role === 'office' ? html`<a href="/office#/accounts" aria-current=${this.isAt('accounts') ? 'page' : nothing}>Accounts</a>` : nothing}
                ${session.role === 'office' ? html`<a href="/enrol" aria-current=${this.where === 'enrol' ? 'page' : nothing}>Enrol</a>` : nothing}
              </nav>
              <div class="who">
                <a class="user small" href="/office#/account" aria-current=${this.isAt('account') ? 'page' : nothing}><span class="hidden-words">My account: </span>${session.username}</a>
                <button class="quiet" @click=${() => this.dispatchEvent(new CustomEvent('sign-out'))}>Sign out</button>
              </div>`
          : nothing}
      </div>
    </header>`
  }
}
