/** The strip below the picture: the greeting for a new mark, else what to do. Always there, always as high. */
import { LitElement, css, html } from 'lit'
import { customElement, property, query } from 'lit/decorators.js'
import { differs } from './differs.ts'
import type { Hint } from './held-hint.ts'
import { look } from './look.ts'
import { shrinkToFit } from './shrink-to-fit.ts'
import { type SymbolName, symbol, symbolStyle } from './symbols.ts'
import { HINT_WORDS } from './wording.ts'

export interface Greeting {
  studentId: string
  firstName: string
  /** The mark's time, as the school's clock shows it. */
  time: string
}

/** Longer words are written smaller. */
const LONG_IDLE = 30

@customElement('greeting-strip')
export class GreetingStrip extends LitElement {
  @property({ attribute: false, hasChanged: differs }) greeting: Greeting | undefined
  @property({ attribute: false }) hint: Hint | undefined
  /** Why nothing can be marked now; comes before everything else. */
  @property({ attribute: false }) problem: string | undefined
  /** What to do where nothing else is to be said. */
  @property({ attribute: false, hasChanged: differs }) idle: { symbol: SymbolName; words: string } = { symbol: 'face', words: 'Look into the camera' }
  @query('.hello') private hello!: HTMLElement | null

  override render() {
    return html`<div class="strip" role="status">${this.words()}</div>`
  }

  private words() {
    if (this.problem !== undefined) {
      return html`<p class="problem">${symbol('attention')}<span>Nobody can be marked now; the teacher takes the register. ${this.problem}</span></p>`
    }
    if (this.greeting) {
      const { firstName, time } = this.greeting
      return html`
        <p class="greeting">
          <span class="tick">${symbol('check')}</span>
          <span class="hello name">Hello, <bdi>${firstName}</bdi></span>
          <span class="time">here at ${time}</span>
        </p>
      `
    }
    if (this.hint) return html`<p class="hint">${symbol(this.hint)}<span>${HINT_WORDS[this.hint]}</span></p>`
    return html`<p class=${this.idle.words.length > LONG_IDLE ? 'idle long' : 'idle'}>${symbol(this.idle.symbol)}<span>${this.idle.words}</span></p>`
  }

  override updated(): void {
    if (this.hello) shrinkToFit(this.hello)
  }

  static override styles = [
    look,
    symbolStyle,
    css`
      .strip {
        height: 100%;
        border-radius: var(--radius);
        background: var(--surface);
        overflow: hidden;
        container-type: size;
      }
      p {
        display: flex;
        align-items: center;
        gap: 0.8rem;
        height: 100%;
        padding: 0 1rem;
        animation: come var(--calm) ease-out;
      }
      @keyframes come {
        from {
          opacity: 0;
        }
      }
      .idle {
        color: var(--ink-quiet);
        font-size: min(38cqh, 1.8rem);
        line-height: 1.2;
      }
      .idle.long {
        font-size: min(32cqh, 1.15rem);
      }
      .idle .symbol {
        width: 1.5em;
        height: 1.5em;
        stroke-width: 1.6;
      }
      .hint {
        font-size: min(65cqh, 3.4rem);
        font-weight: var(--weight-strong);
      }
      .hint .symbol {
        width: 1.2em;
        height: 1.2em;
        color: var(--accent);
      }
      .greeting {
        background: var(--accent-soft);
        color: var(--accent-ink);
      }
      .tick {
        display: grid;
        place-items: center;
        flex: none;
        width: min(72cqh, 3.8rem);
        height: min(72cqh, 3.8rem);
        border-radius: var(--radius-round);
        background: var(--accent);
        color: var(--on-accent);
      }
      .tick .symbol {
        width: 72%;
        height: 72%;
        stroke-width: 3;
      }
      .hello {
        flex: 1;
        font-size: min(70cqh, 3.6rem);
        font-weight: var(--weight-strong);
        letter-spacing: -0.01em;
        line-height: 1.3;
      }
      .time {
        flex: none;
        font-size: 1.2rem;
        font-variant-numeric: tabular-nums;
      }
      @container (max-width: 17rem) {
        .time {
          display: none;
        }
      }
      .problem {
        background: var(--caution-soft);
        color: var(--caution-ink);
        font-size: 1rem;
        line-height: 1.3;
      }
      .problem .symbol {
        width: 2rem;
        height: 2rem;
      }
      .problem span {
        display: -webkit-box;
        -webkit-box-orient: vertical;
        -webkit-line-clamp: 2;
        overflow: hidden;
      }
    `,
  ]
}
