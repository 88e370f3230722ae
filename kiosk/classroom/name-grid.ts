/** The names of those who are not here yet, to touch one's own: with letters to choose by where they are many. */
import { LitElement, css, html, nothing } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import { differs } from './differs.ts'
import { keyLook, look } from './look.ts'
import { inGroup, initialsOf } from './name-list.ts'
import type { WaitingStudent } from './state.ts'

/** So many names are seen at a glance; more get letters to choose by. */
const LETTERS_FROM = 13

/** @fires pin-name-picked - detail: {studentId}; bubbles out of the screen. */
@customElement('name-grid')
export class NameGrid extends LitElement {
  @property({ attribute: false, hasChanged: differs }) waiting: WaitingStudent[] = []
  @state() private initial: string | undefined

  override render() {
    const { waiting } = this
    const initials = initialsOf(waiting)
    const initial = this.initial !== undefined && initials.includes(this.initial) ? this.initial : undefined
    const shown = initial === undefined ? waiting : waiting.filter((student) => inGroup(student, initial))
    return html`
      ${waiting.length < LETTERS_FROM
        ? nothing
        : html`<div class="letters" role="group" aria-label="First letter of the first name">
            ${[undefined, ...initials].map(
              (letter) => html`<button type="button" aria-pressed=${letter === initial} @click=${() => (this.initial = letter)}>${letter ?? 'All'}</button>`,
            )}
          </div>`}
      <ul class="names">
        ${waiting.length === 0 ? html`<li class="nobody">Everybody is here.</li>` : nothing}
        ${repeat(
          shown,
          ({ studentId }) => studentId,
          (student) => html`<li>
            <button type="button" class=${student.hasPin ? '' : 'without'} @click=${() => this.pick(student)}>
              <span class="name" dir="auto">${student.name}</span>${student.hasPin ? nothing : html`<span class="note">ask your teacher</span>`}
            </button>
          </li>`,
        )}
      </ul>
    `
  }

  private pick({ studentId }: WaitingStudent): void {
    this.initial = undefined
    this.dispatchEvent(new CustomEvent('pin-name-picked', { detail: { studentId }, bubbles: true, composed: true }))
  }

  static override styles = [
    look,
    keyLook,
    css`
      :host {
        flex: 1;
        display: flex;
        flex-direction: column;
        gap: 0.6rem;
        min-height: 0;
      }
      .letters {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(max(2.4rem, var(--touch)), 1fr));
        gap: 0.3rem;
      }
      .letters button {
        height: 2.4rem;
        padding: 0 0.2rem;
        font-size: 1.1rem;
      }
      .letters button[aria-pressed='true'] {
        border-color: var(--accent);
        background: var(--accent);
        color: var(--on-accent);
      }
      /* Beside the lesson's list: one row of letters to be pushed along, and narrower names. */
      :host([compact]) {
        gap: 0.3rem;
      }
      :host([compact]) .letters {
        flex: none;
        grid-template-columns: none;
        grid-auto-flow: column;
        grid-auto-columns: minmax(max(2.4rem, var(--touch)), 1fr);
        padding: 3px;
        overflow-x: auto;
        overscroll-behavior: contain;
        touch-action: pan-x;
        scrollbar-width: none;
      }
      :host([compact]) .letters button {
        touch-action: pan-x;
      }
      :host([compact]) .names {
        grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr));
      }
      .names {
        flex: 1;
        min-height: 0;
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr));
        align-content: start;
        gap: 0.4rem;
        padding: 3px;
        overflow-y: auto;
        overscroll-behavior: contain;
        touch-action: pan-y;
      }
      .names button {
        display: flex;
        flex-direction: column;
        justify-content: center;
        width: 100%;
        height: 2.9rem;
        font-size: 1.1rem;
        line-height: 1.15;
        text-align: left;
        touch-action: pan-y;
      }
      .names .name {
        max-width: 100%;
      }
      .without {
        border-color: var(--line);
        background: var(--surface-quiet);
      }
      .note {
        font-size: 0.9rem;
        font-weight: 400;
        color: var(--ink-quiet);
        white-space: nowrap;
      }
      .nobody {
        grid-column: 1 / -1;
        padding: 1rem 0.4rem;
        font-size: 1.3rem;
        color: var(--ink-quiet);
      }
    `,
  ]
}
