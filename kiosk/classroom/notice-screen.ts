/** One calm message in place of the lesson: what is so, and what to do about it, if anything. */
import { LitElement, css, html, nothing } from 'lit'
import { customElement, property } from 'lit/decorators.js'
import { differs } from './differs.ts'
import { look, problemLook } from './look.ts'
import './pairing-pad.ts'
import type { PairingStep } from './state.ts'
import { type SymbolName, symbol, symbolStyle } from './symbols.ts'

export interface Notice {
  symbol: SymbolName
  heading: string
  /** What is so, in a sentence or two. */
  text: string
  /** What to do, one after the other. */
  steps?: readonly string[]
  /** The fault in the machine's own words. */
  problem?: string | undefined
  /** A pairing code can be typed here. */
  pairing?: PairingStep | undefined
  /** 0 to 1. */
  progress?: number
  /** What comes by itself, and when. */
  next?: { time: string; what: string }
}

@customElement('notice-screen')
export class NoticeScreen extends LitElement {
  @property({ attribute: false, hasChanged: differs }) notice: Notice | undefined

  override render() {
    if (!this.notice) return nothing
    const { heading, text, steps, problem, pairing, progress, next } = this.notice
    return html`
      <div class="disc">${symbol(this.notice.symbol)}</div>
      <div class="words">
        <h2>${heading}</h2>
        ${text ? html`<p class="text">${text}</p>` : nothing}
        ${next ? html`<p class="next"><span class="time">${next.time}</span><span class="what" dir="auto">${next.what}</span></p>` : nothing}
        ${steps ? html`<ol>${steps.map((step) => html`<li>${step}</li>`)}</ol>` : nothing}
        ${problem ? html`<p class="problem">${problem}</p>` : nothing}
        ${pairing ? html`<pairing-pad .step=${pairing}></pairing-pad>` : nothing}
        ${progress === undefined ? nothing : this.progressBar(progress)}
      </div>
    `
  }

  private progressBar(progress: number) {
    const share = Math.min(1, Math.max(0, progress))
    return html`
      <div class="bar" role="progressbar" aria-label=${this.notice?.heading ?? ''} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(share * 100)}>
        <div .style=${`transform: scaleX(${share})`}></div>
      </div>
    `
  }

  static override styles = [
    look,
    problemLook,
    symbolStyle,
    css`
      :host {
        display: flex;
        align-items: center;
        gap: 2rem;
        padding: 1rem 2rem;
        border-radius: var(--radius);
        background: var(--surface);
      }
      .disc {
        flex: none;
        display: grid;
        place-items: center;
        width: 7rem;
        height: 7rem;
        border-radius: var(--radius-round);
        background: var(--accent-soft);
        color: var(--accent-ink);
      }
      .disc .symbol {
        width: 3.8rem;
        height: 3.8rem;
        stroke-width: 1.5;
      }
      .words {
        flex: 1;
        min-width: 0;
        display: flex;
        flex-direction: column;
        gap: 0.7rem;
        max-width: 28rem;
      }
      h2 {
        margin: 0;
        font-size: 2rem;
        font-weight: var(--weight-strong);
        line-height: 1.15;
        letter-spacing: -0.015em;
        text-wrap: balance;
      }
      .text,
      ol {
        font-size: 1.2rem;
        line-height: 1.4;
        color: var(--ink-quiet);
        text-wrap: pretty;
      }
      ol {
        display: flex;
        flex-direction: column;
        gap: 0.4rem;
        list-style: none;
        counter-reset: step;
        color: var(--ink);
      }
      li {
        display: flex;
        gap: 0.7rem;
        counter-increment: step;
      }
      li::before {
        content: counter(step);
        flex: none;
        display: grid;
        place-items: center;
        width: 1.6rem;
        height: 1.6rem;
        border-radius: var(--radius-round);
        background: var(--surface-quiet);
        font-size: 1rem;
        font-weight: var(--weight-strong);
      }
      /* The keys of a pairing code need the room. */
      .disc:has(+ .words pairing-pad) {
        display: none;
      }
      .words:has(pairing-pad) {
        gap: 0.4rem;
        max-width: none;
      }
      .words:has(pairing-pad) h2 {
        font-size: 1.5rem;
      }
      .words:has(pairing-pad) .text {
        font-size: 1.05rem;
        line-height: 1.3;
      }
      .problem {
        line-height: 1.35;
        display: -webkit-box;
        -webkit-box-orient: vertical;
        -webkit-line-clamp: 3;
        overflow: hidden;
      }
      .next {
        display: flex;
        flex-direction: column;
        gap: 0.2rem;
      }
      .next .time {
        font-size: 3.2rem;
        font-weight: var(--weight-strong);
        line-height: 1.1;
        color: var(--accent);
        font-variant-numeric: tabular-nums;
        letter-spacing: -0.02em;
      }
      .next .what {
        font-size: 1.4rem;
        line-height: 1.3;
      }
      .bar {
        height: 0.6rem;
        margin-top: 0.3rem;
        border-radius: var(--radius-round);
        background: var(--surface-quiet);
        overflow: hidden;
      }
      .bar div {
        height: 100%;
        border-radius: inherit;
        background: var(--accent);
        transform-origin: left;
        transition: transform var(--calm) ease-out;
      }
      /* Above the way by PIN there is less room. */
      :host([compact]) {
        padding: 0.5rem 1.5rem;
        gap: 1.5rem;
      }
      :host([compact]) .disc {
        width: 5.5rem;
        height: 5.5rem;
      }
      :host([compact]) .words {
        gap: 0.5rem;
        max-width: none;
      }
      :host([compact]) h2 {
        font-size: 1.6rem;
      }
      :host([compact]) :is(.text, ol) {
        font-size: 1.1rem;
        line-height: 1.3;
      }
      @media (orientation: portrait) {
        :host {
          flex-direction: column;
          justify-content: center;
        }
        .words {
          flex: none;
          width: 100%;
        }
      }
    `,
  ]
}
