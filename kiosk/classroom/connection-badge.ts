/**
 * Connection and unsent marks, in one place that never changes its size. Held for three seconds it
 * fires `held`, which opens the technician's panel.
 */
import { LitElement, css, html } from 'lit'
import { customElement, property } from 'lit/decorators.js'
import { differs } from './differs.ts'
import { look } from './look.ts'
import type { Badge } from './state.ts'
import { symbol, symbolStyle } from './symbols.ts'
import { clockTimeOrDay } from './zoned-time.ts'

/** Long enough that nobody opens the panel by leaning on the screen. */
const HOLD_MS = 3_000

@customElement('connection-badge')
export class ConnectionBadge extends LitElement {
  @property({ attribute: false, hasChanged: differs }) badge: Badge | undefined
  @property({ attribute: false }) since = ''
  private holding: ReturnType<typeof setTimeout> | undefined

  override render() {
    if (!this.badge) return html``
    const { connection, storageProblem, fenced } = this.badge
    const more = secondLine(this.badge)
    return html`
      <button
        class=${connection === 'offline' || storageProblem !== undefined || fenced ? 'caution' : 'fine'}
        type="button"
        @pointerdown=${this.press}
        @pointerup=${this.release}
        @pointerleave=${this.release}
        @pointercancel=${this.release}
        @contextmenu=${(event: Event) => event.preventDefault()}
      >
        ${symbol(storageProblem === undefined && !fenced ? connection : 'attention')}
        <span class="lines">
          <span class="line">${fenced ? 'Two copies in use' : connection === 'online' ? 'Online' : this.since}</span>
          ${more ? html`<span class="line more">${more}</span>` : ''}
        </span>
      </button>
    `
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.release()
  }

  private press = (): void => {
    this.release()
    this.holding = setTimeout(() => this.dispatchEvent(new Event('held', { bubbles: true, composed: true })), HOLD_MS)
  }

  private release = (): void => clearTimeout(this.holding)

  static override styles = [
    look,
    symbolStyle,
    css`
      button {
        display: flex;
        align-items: center;
        gap: 0.5rem;
        width: 12.4rem;
        height: 100%;
        padding: 0 0.6rem;
        border: 0;
        border-radius: var(--radius);
        background: none;
        color: var(--ink-quiet);
        font: inherit;
        font-size: 0.9rem;
        line-height: 1.2;
        text-align: left;
        touch-action: none;
      }
      .fine {
        justify-content: flex-end;
      }
      .caution {
        background: var(--caution-soft);
        color: var(--caution-ink);
      }
      .symbol {
        width: 1.5rem;
        height: 1.5rem;
      }
      .fine .symbol {
        color: var(--accent);
      }
      .lines {
        min-width: 0;
      }
      .line {
        display: block;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
    `,
  ]
}

/** What the badge says of the connection that is not there. */
export function offlineSince(badge: Badge, now: number, timeZone: string): string {
  if (badge.lastContactAt === undefined) return 'Not connected yet'
  return `Offline since ${clockTimeOrDay(now, badge.lastContactAt, timeZone)}`
}

/** The most pressing of all that could be said; the technician's panel has the rest. */
function secondLine({ unsentMarks, refusedMarks, updateReady, storageProblem, fenced }: Badge): string {
  if (storageProblem !== undefined) return 'cannot save marks'
  if (fenced) return 'tell the office'
  if (unsentMarks > 0) return `${unsentMarks} to send`
  if (refusedMarks > 0) return `${refusedMarks} refused`
  return updateReady ? 'update waits' : ''
}
