/** What the kiosk has seen and how fast, for whoever repairs it. No name, no student id, no picture. A tap closes it. */
import { LitElement, css, html, nothing } from 'lit'
import { customElement, property } from 'lit/decorators.js'
import { look } from './look.ts'
import type { Badge, Diagnostics } from './state.ts'
import { symbol, symbolStyle } from './symbols.ts'

/** Forgotten open, it closes by itself: it covers the lesson. */
const CLOSE_AFTER_MS = 120_000

@customElement('technician-panel')
export class TechnicianPanel extends LitElement {
  // The same object is handed over again and again with new figures in it.
  @property({ attribute: false, hasChanged: () => true }) diagnostics: Diagnostics | undefined
  @property({ attribute: false }) badge: Badge | undefined
  /** The finger that opened the panel lifts over it: only a touch that began here closes it. */
  private touched = false
  private closing: ReturnType<typeof setTimeout> | undefined

  override connectedCallback(): void {
    super.connectedCallback()
    this.addEventListener('pointerdown', this.touch)
    this.addEventListener('click', this.tap)
    this.closing = setTimeout(this.close, CLOSE_AFTER_MS)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.removeEventListener('pointerdown', this.touch)
    this.removeEventListener('click', this.tap)
    clearTimeout(this.closing)
  }

  override render() {
    if (!this.diagnostics) return nothing
    const storage = this.badge?.storageProblem
    return html`
      <section role="dialog" aria-label="Technician’s panel">
        <h2>${symbol('hold_still')} Technician’s panel <span>tap to close</span></h2>
        <dl>
          ${rows(this.diagnostics, this.badge).map(([what, value]) => html`<div><dt>${what}</dt><dd>${value}</dd></div>`)}
        </dl>
        ${storage === undefined ? nothing : html`<p>Storage: ${storage}</p>`}
      </section>
    `
  }

  private touch = (): void => {
    this.touched = true
  }

  private tap = (): void => {
    if (this.touched) this.close()
  }

  private close = (): void => void this.dispatchEvent(new Event('closed'))

  static override styles = [
    look,
    symbolStyle,
    css`
      :host {
        position: fixed;
        inset: 0;
        z-index: 1;
        padding: 0.6rem;
        background: var(--ground);
      }
      section {
        height: 100%;
        padding: 0.9rem 1.2rem;
        border-radius: var(--radius);
        background: var(--surface);
        overflow: auto;
      }
      h2 {
        display: flex;
        align-items: center;
        gap: 0.5rem;
        margin: 0 0 0.5rem;
        font-size: 1.3rem;
      }
      h2 .symbol {
        color: var(--accent);
      }
      h2 span {
        margin-left: auto;
        font-size: 0.95rem;
        font-weight: 400;
        color: var(--ink-quiet);
      }
      dl {
        display: grid;
        grid-template-columns: repeat(2, minmax(0, 1fr));
        column-gap: 2rem;
      }
      dl div {
        display: flex;
        justify-content: space-between;
        align-items: baseline;
        gap: 0.8rem;
        padding: 0.5rem 0;
        border-top: 1px solid var(--line);
        font-size: 1rem;
      }
      dt {
        color: var(--ink-quiet);
        white-space: nowrap;
      }
      dd {
        text-align: right;
        font-variant-numeric: tabular-nums;
        overflow-wrap: anywhere;
      }
      p {
        margin-top: 0.5rem;
        font-size: 0.95rem;
        color: var(--caution-ink);
      }
      @media (orientation: portrait) {
        dl {
          grid-template-columns: minmax(0, 1fr);
        }
      }
    `,
  ]
}

function rows(seen: Diagnostics, badge: Badge | undefined): [string, string][] {
  const { ms, marked } = seen
  const sure = marked.filter(({ method }) => method !== 'pin').map(({ confidence }) => confidence).sort((a, b) => a - b)
  return [
    ['Version', seen.appVersion],
    ['Camera', seen.camera],
    ['Model', seen.model ?? 'not loaded'],
    ['Marked since start', String(marked.length)],
    ['Frames looked at', seen.frames.toLocaleString('en-GB')],
    ['Faces seen', seen.facesSeen.toLocaleString('en-GB')],
    ['Unknown faces, sightings', `${seen.unknownFaces}, ${seen.unknownSightings.toLocaleString('en-GB')}`],
    ['Confidence, lowest', sure[0]?.toFixed(2) ?? '–'],
    ['Whole frame', milliseconds(ms?.frame)],
    ['Detect', milliseconds(ms?.detect)],
    ['Align', milliseconds(ms?.align)],
    ['Embed', milliseconds(ms?.embed)],
    ['Marks to send', String(badge?.unsentMarks ?? 0)],
    ['Marks refused', String(badge?.refusedMarks ?? 0)],
  ]
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? '–' : `${value.toFixed(1)} ms`
}
