/** The top of every screen: what is on and where, the badge, the clock. */
import { LitElement, css, html, nothing } from 'lit'
import { customElement, property, query } from 'lit/decorators.js'
import './connection-badge.ts'
import { differs } from './differs.ts'
import { look } from './look.ts'
import { shrinkToFit } from './shrink-to-fit.ts'
import type { Badge } from './state.ts'

@customElement('header-bar')
export class HeaderBar extends LitElement {
  @property({ attribute: false }) heading = ''
  @property({ attribute: false }) below = ''
  @property({ attribute: false }) clock = ''
  /** What the badge says while offline. */
  @property({ attribute: false }) since = ''
  @property({ attribute: false, hasChanged: differs }) badge: Badge | undefined

  @query('h1') private line!: HTMLElement
  private readonly resized = new ResizeObserver(() => shrinkToFit(this.line))

  override firstUpdated(): void {
    this.resized.observe(this)
  }

  override updated(): void {
    shrinkToFit(this.line)
  }

  override render() {
    return html`
      <header>
        <div class="what">
          <h1 class="name" dir="auto">${this.heading}</h1>
          ${this.below ? html`<p class="name">${this.below}</p>` : nothing}
        </div>
        ${this.badge ? html`<connection-badge .badge=${this.badge} .since=${this.since}></connection-badge>` : nothing}
        ${this.clock ? html`<time class="clock">${this.clock}</time>` : nothing}
      </header>
    `
  }

  static override styles = [
    look,
    css`
      header {
        display: flex;
        align-items: stretch;
        gap: 0.6rem;
        height: 100%;
      }
      .what {
        flex: 1;
        min-width: 0;
        display: flex;
        flex-direction: column;
        justify-content: center;
        line-height: 1.25;
      }
      h1 {
        font-size: 1.2rem;
        font-weight: var(--weight-strong);
      }
      p {
        font-size: 0.9rem;
        color: var(--ink-quiet);
      }
      .clock {
        align-self: center;
        font-size: 2rem;
        font-weight: var(--weight-strong);
        font-variant-numeric: tabular-nums;
        line-height: 1;
        letter-spacing: -0.02em;
      }
      @media (orientation: portrait) {
        header {
          flex-wrap: wrap;
          justify-content: space-between;
        }
        .what {
          flex-basis: 100%;
        }
      }
    `,
  ]
}
