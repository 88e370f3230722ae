/**
 * The question beside the picture: "Are you …?" of one face at a time. Knows no score and no template; a name stands
 * here only for a face that is nearly that student's.
 */
import { LitElement, css, html } from 'lit'
import { customElement, property } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import { differs } from './differs.ts'
import { look } from './look.ts'
import type { AskCard as Card, WaitingStudent } from './state.ts'
import { symbol, symbolStyle } from './symbols.ts'

/** A question that has just come up takes no tap yet: the finger was on its way to something else. */
const DEAF_MS = 400
/** More names than these fit on no screen; who is not among them says so. */
const MOST_NAMES = 3

/**
 * @fires student-confirmed - detail: {track, studentId}; bubbles out of the screen.
 * @fires student-denied - detail: {track}; likewise.
 */
@customElement('ask-card')
export class AskCardElement extends LitElement {
  @property({ attribute: false, hasChanged: differs }) ask: Card | undefined
  private asked: number | undefined
  private deafUntil = 0

  override willUpdate(): void {
    if (this.ask?.track === this.asked) return
    this.asked = this.ask?.track
    this.deafUntil = performance.now() + DEAF_MS
  }

  override render() {
    if (!this.ask) return html``
    const { candidates, needs } = this.ask
    const [only] = candidates
    const one = candidates.length === 1 && only
    return html`
      <section class=${one ? '' : 'many'} role="group" aria-labelledby="question">
        <h2 id="question" aria-live="polite">${one ? html`Are you <bdi>${one.name}</bdi>?` : 'Who are you?'}</h2>
        ${candidates.length < MOST_NAMES ? html`<p>${needs === 'pin' ? 'Please prove it by PIN.' : 'Not quite sure: please tap.'}</p>` : ''}
        <div class="answers">${repeat(
          candidates.slice(0, MOST_NAMES),
          ({ studentId }) => studentId,
          (student) => html`<button class="yes main" type="button" @click=${() => this.confirm(student)}>
            ${symbol(needs === 'pin' ? 'keypad' : 'check')}<span class="name" dir="auto">${one ? html`Yes, I am <bdi>${student.firstName}</bdi>` : student.name}</span>
          </button>`,
        )}
        <button class="no" type="button" @click=${this.deny}>${symbol('close')}<span>${one ? 'No' : candidates.length === 2 ? 'Neither' : 'None of them'}</span></button>
        </div>
      </section>
    `
  }

  private confirm({ studentId }: WaitingStudent): void {
    if (this.ask) this.tell('student-confirmed', { track: this.ask.track, studentId })
  }

  private deny = (): void => {
    if (this.ask) this.tell('student-denied', { track: this.ask.track })
  }

  private tell(type: string, detail: unknown): void {
    if (performance.now() >= this.deafUntil) this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }))
  }

  static override styles = [
    look,
    symbolStyle,
    css`
      section {
        display: flex;
        flex-direction: column;
        gap: 0.5rem;
        height: 100%;
        padding: 0.7rem 0.9rem;
        border: 3px solid var(--accent);
        border-radius: var(--radius);
        background: var(--surface);
        overflow-y: auto;
        animation: come var(--calm) ease-out;
      }
      @keyframes come {
        from {
          opacity: 0;
        }
      }
      h2 {
        font-size: 1.7rem;
        line-height: 1.15;
        letter-spacing: -0.01em;
        overflow-wrap: anywhere;
        margin-bottom: auto;
      }
      p {
        font-size: 1rem;
        line-height: 1.3;
        color: var(--ink-quiet);
      }
      .answers {
        flex: 0 1 auto;
        min-height: 0;
        display: flex;
        flex-direction: column;
        gap: 0.4rem;
      }
      button {
        flex: 0 1 3.4rem;
        min-width: 0;
        display: flex;
        align-items: center;
        gap: 0.6rem;
        padding: 0 0.9rem;
        font-size: 1.2rem;
        text-align: left;
      }
      .name {
        flex: 1;
      }
      .no span {
        white-space: nowrap;
      }
      button:active {
        transform: scale(0.98);
      }
      /* Every answer in sight beside a wide picture on a small screen, the last one too. */
      @media (orientation: landscape) and (max-height: 34rem) {
        section {
          gap: 0.3rem;
          padding: 0.4rem 0.7rem;
        }
        .many h2 {
          font-size: 1.3rem;
          line-height: 1.1;
        }
        .many .answers {
          gap: 0.3rem;
        }
        .many button {
          padding: 0 0.6rem;
          line-height: 1.1;
        }
        .many p {
          display: none;
        }
      }
      @media (orientation: portrait) {
        .answers {
          display: grid;
          grid-template-columns: minmax(0, 1fr) minmax(0, 1fr);
          grid-auto-rows: minmax(var(--touch), 2.6rem);
        }
        .answers button {
          padding: 0 0.5rem;
          font-size: 1rem;
          line-height: 1.1;
        }
        .yes .symbol {
          display: none;
        }
        .answers .name {
          white-space: normal;
          overflow-wrap: anywhere;
          max-height: 2.2em;
        }
      }
    `,
  ]
}
