/** How many are here of how many, and who: newest first, condensed when they are many, scrolled by touch when they are more. */
import { LitElement, css, html, nothing } from 'lit'
import { customElement, property, query, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import { condense } from './condense.ts'
import { differs } from './differs.ts'
import { look } from './look.ts'
import type { PresentStudent } from './state.ts'
import { clockTime } from './zoned-time.ts'

/** Heights of the rows, rem; the stylesheet below has the same. */
const ROW = { full: 1.9, pair: 1.6 }
/** A list that somebody scrolled goes back to the newest after so long. */
const SCROLL_BACK_MS = 15_000

@customElement('present-list')
export class PresentList extends LitElement {
  // The time last seen moves with every sighting and is not shown: it must not draw the list again.
  @property({ attribute: false, hasChanged: (next: PresentStudent[], before?: PresentStudent[]) => differs(next.map(shown), before?.map(shown)) })
  present: PresentStudent[] = []
  @property({ attribute: false }) enrolled = 0
  @property({ attribute: false }) withoutFace = 0
  @property({ attribute: false }) timeZone = 'UTC'
  /** What stands here while nobody has come. */
  @property({ attribute: false }) empty = 'Names appear here as students arrive.'
  @state() private height = 0
  @query('.names') private names!: HTMLElement
  private goingBack: ReturnType<typeof setTimeout> | undefined
  private readonly resized = new ResizeObserver(() => {
    this.height = this.names.clientHeight
  })

  override render() {
    const here = this.present.length
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize)
    const { full, hidden } = condense(here, this.height, { full: ROW.full * rem, pair: ROW.pair * rem })
    const share = this.enrolled > 0 ? Math.min(1, here / this.enrolled) : 0
    return html`
      <p class="count"><strong>${here}</strong> of ${this.enrolled} here</p>
      <div class="share"><div .style=${`transform: scaleX(${share})`}></div></div>
      <ul class=${hidden > 0 ? 'names more' : 'names'} @scroll=${this.scrolled}>
        ${here === 0 ? html`<li class="nobody">${this.enrolled > 0 ? this.empty : 'Nobody is enrolled in this course.'}</li>` : nothing}
        ${repeat(
          this.present,
          ({ studentId }) => studentId,
          (student, at) => this.row(student, at < full),
        )}
      </ul>
      <p class="below">
        <span>${hidden > 0 ? `${hidden} more` : ''}</span>
        <span>${this.withoutFace > 0 ? `${this.withoutFace} without a photo` : ''}</span>
      </p>
    `
  }

  private row({ name, markedAt }: PresentStudent, full: boolean) {
    return html`
      <li class=${full ? 'full' : 'pair'}>
        <span class="name" dir="auto">${name}</span>
        ${full ? html`<time>${clockTime(markedAt, this.timeZone)}</time>` : nothing}
      </li>
    `
  }

  override firstUpdated(): void {
    this.resized.observe(this.names)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    clearTimeout(this.goingBack)
  }

  override updated(changed: Map<string, unknown>): void {
    if (changed.has('present')) this.names.scrollTop = 0
  }

  private scrolled = (): void => {
    clearTimeout(this.goingBack)
    this.goingBack = setTimeout(() => this.names.scrollTo({ top: 0 }), SCROLL_BACK_MS)
  }

  static override styles = [
    look,
    css`
      :host {
        display: flex;
        flex-direction: column;
        padding: 0.5rem 0.9rem 0.4rem;
        border-radius: var(--radius);
        background: var(--surface);
      }
      .count {
        font-size: 1.3rem;
        line-height: 1.1;
        color: var(--ink-quiet);
        white-space: nowrap;
      }
      .count strong {
        font-size: 2.6rem;
        font-weight: var(--weight-strong);
        color: var(--ink);
        font-variant-numeric: tabular-nums;
        letter-spacing: -0.02em;
      }
      .share {
        height: 0.3rem;
        margin: 0.15rem 0 0.4rem;
        border-radius: var(--radius-round);
        background: var(--surface-quiet);
        overflow: hidden;
      }
      .share div {
        height: 100%;
        border-radius: inherit;
        background: var(--accent);
        transform-origin: left;
        transition: transform var(--calm) ease-out;
      }
      .names {
        flex: 1;
        min-height: 0;
        display: grid;
        grid-template-columns: minmax(0, 1fr) minmax(0, 1fr);
        align-content: start;
        column-gap: 0.6rem;
        overflow-y: auto;
        overscroll-behavior: contain;
        touch-action: pan-y;
        scrollbar-width: none;
      }
      .names.more {
        mask-image: linear-gradient(to bottom, #000 calc(100% - 1.2rem), transparent);
      }
      .nobody {
        grid-column: 1 / -1;
        padding-top: 0.4rem;
        font-size: 1rem;
        line-height: 1.4;
        color: var(--ink-quiet);
      }
      .full {
        grid-column: 1 / -1;
        display: flex;
        align-items: center;
        gap: 0.6rem;
        height: 1.9rem;
        font-size: 1.2rem;
      }
      .full .name {
        flex: 1;
      }
      .full time {
        font-size: 0.95rem;
        color: var(--ink-quiet);
        font-variant-numeric: tabular-nums;
      }
      .pair {
        display: flex;
        align-items: center;
        height: 1.6rem;
        font-size: 0.9rem;
      }
      .below {
        display: flex;
        justify-content: space-between;
        height: 1.3rem;
        line-height: 1.3rem;
        font-size: 0.9rem;
        color: var(--ink-quiet);
        white-space: nowrap;
      }
    `,
  ]
}

function shown({ studentId, name, markedAt }: PresentStudent): unknown {
  return [studentId, name, markedAt]
}
