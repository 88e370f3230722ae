/**
 * The way to a mark without a face: one's name, then one's PIN; and what is said of a card that made no mark. Shows what `PinPanel` says; the digits that are
 * being typed are known here alone, and gone when they are handed over.
 */
import { LitElement, type TemplateResult, css, html, nothing } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { differs } from './differs.ts'
import { keyLook, look, problemLook } from './look.ts'
import './name-grid.ts'
import { shrinkToFit } from './shrink-to-fit.ts'
import type { PinPanel as Panel, PinProblem, WaitingStudent } from './state.ts'
import { symbol, symbolStyle } from './symbols.ts'

/** As many digits as a PIN may have: PinRequest of the contract. */
const FEWEST_DIGITS = 4
const MOST_DIGITS = 6

type Digits = Extract<Panel, { step: 'digits' }>

/**
 * All bubble out of the screen.
 * @fires pin-name-picked - detail: {studentId}; by name-grid.
 * @fires pin-entered - detail: {pin}.
 * @fires pin-back - one step back.
 * @fires pin-closed - away with it.
 * @fires pin-touched - somebody is at it.
 */
@customElement('pin-panel')
export class PinPanelElement extends LitElement {
  @property({ attribute: false, hasChanged: differs }) panel: Panel | undefined
  @state() private typed = ''
  private tries: number | undefined
  private shownStep: Panel['step'] | undefined

  override connectedCallback(): void {
    super.connectedCallback()
    // A keyboard's keys reach the keypad whatever has the focus.
    addEventListener('keydown', this.press)
    for (const type of ['pointerdown', 'scroll']) this.renderRoot.addEventListener(type, this.touch, true)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    removeEventListener('keydown', this.press)
  }

  override willUpdate(): void {
    const tries = this.panel?.step === 'digits' ? this.panel.tries : undefined
    if (tries !== this.tries) this.typed = ''
    this.tries = tries
  }

  override updated(): void {
    for (const line of this.renderRoot.querySelectorAll<HTMLElement>('h2 .name')) shrinkToFit(line)
    if (this.panel?.step === this.shownStep) return
    this.shownStep = this.panel?.step
    this.renderRoot.querySelector<HTMLElement>('section')?.focus({ preventScroll: true })
  }

  override render() {
    const { panel } = this
    if (panel?.step === 'names') return this.names(panel.waiting)
    if (panel?.step === 'digits') return this.digits(panel)
    switch (panel?.step) {
      case 'see_teacher':
        return this.told(panel.student.name, 'Please see your teacher', 'You have no PIN yet. Your teacher marks you present, and the school office gives you a PIN.')
      case 'unknown_card':
        return this.told('', 'This card is not known here', 'It belongs to another lesson, or a newer card has taken its place. Use your PIN, or see your teacher.')
      case 'here_already':
        return this.told(panel.student.name, 'You are here already', 'One mark a lesson is enough.')
      case 'card_not_saved':
        return this.told('', 'You are not marked', `Please tell your teacher. ${panel.why}`)
      default:
        return nothing
    }
  }

  private names(waiting: WaitingStudent[]): TemplateResult {
    return html`
      <section tabindex="-1" role="dialog" aria-label="Who are you?">
        ${this.head('Who are you?', 'pin-closed')}
        <name-grid .waiting=${waiting}></name-grid>
      </section>
    `
  }

  private digits({ student, checking, problem }: Digits): TemplateResult {
    const locked = problem?.kind === 'locked'
    const waits = checking || locked
    return html`
      <section class="pad" tabindex="-1" role="dialog" aria-label="PIN of ${student.name}">
        <div class="said">
          ${this.head(student.name, 'pin-back')}
          <p class="ask">${checking ? 'One moment…' : 'Type your PIN'}</p>
          <p class="dots" role="status" aria-label="${this.typed.length} digits typed">
            ${Array.from({ length: Math.max(FEWEST_DIGITS, this.typed.length) }, (_, i) => html`<span class=${i < this.typed.length ? 'dot typed' : 'dot'}></span>`)}
          </p>
          ${problem ? html`<p class="problem" role="alert">${symbol('attention')}<span>${problemWords(problem)}</span></p>` : nothing}
        </div>
        <div class="keys" role="group" aria-label="Keypad">
          ${['1', '2', '3', '4', '5', '6', '7', '8', '9'].map((digit) => this.digitKey(digit, waits))}
          <button type="button" class="key" aria-label="Rub out" ?disabled=${waits || this.typed === ''} @click=${this.rubOut}>${symbol('rub_out')}</button>
          ${this.digitKey('0', waits)}
          <button type="button" class="key main" ?disabled=${waits || this.typed.length < FEWEST_DIGITS} @click=${this.enter}>OK</button>
        </div>
      </section>
    `
  }

  private digitKey(digit: string, waits: boolean): TemplateResult {
    return html`<button type="button" class="key" ?disabled=${waits} @click=${() => this.type(digit)}>${digit}</button>`
  }

  private told(who: string, heading: string, words: string): TemplateResult {
    return html`
      <section tabindex="-1" role="dialog" aria-label=${heading}>
        ${this.head(who, 'pin-closed')}
        <div class="teacher">
          <p class="big">${heading}</p>
          <p>${words}</p>
          <button type="button" class="done main" @click=${() => this.tell('pin-closed')}>OK</button>
        </div>
      </section>
    `
  }

  private head(words: string, leave: 'pin-back' | 'pin-closed'): TemplateResult {
    return html`<h2>
      <button type="button" class="leave" aria-label=${leave === 'pin-back' ? 'Back' : 'Close'} @click=${() => this.tell(leave)}>${symbol(leave === 'pin-back' ? 'back' : 'close')}</button>
      <span class="name" dir="auto">${words}</span>
    </h2>`
  }

  // -- typing ---------------------------------------------------------------------------------

  private type(digit: string): void {
    if (this.typed.length < MOST_DIGITS) this.typed += digit
  }

  private rubOut = (): void => {
    this.typed = this.typed.slice(0, -1)
  }

  private enter = (): void => {
    if (this.typed.length < FEWEST_DIGITS) return
    const pin = this.typed
    this.typed = ''
    this.tell('pin-entered', { pin })
  }

  private press = (event: KeyboardEvent): void => {
    this.touch()
    const { panel } = this
    if (event.key === 'Escape') return this.tell(panel?.step === 'digits' ? 'pin-back' : 'pin-closed')
    if (panel?.step !== 'digits' || panel.checking || panel.problem?.kind === 'locked') return
    if (/^[0-9]$/.test(event.key)) this.type(event.key)
    else if (event.key === 'Backspace') this.rubOut()
    // A button that has the focus takes the key for itself.
    else if (event.key === 'Enter' && !(event.composedPath()[0] instanceof HTMLButtonElement)) this.enter()
  }

  private touch = (): void => this.tell('pin-touched')

  private tell(type: string, detail?: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }))
  }

  static override styles = [
    look,
    keyLook,
    problemLook,
    symbolStyle,
    css`
      section {
        display: flex;
        flex-direction: column;
        gap: 0.6rem;
        height: 100%;
        padding: 0.6rem;
        border-radius: var(--radius);
        background: var(--surface);
        outline: none;
      }
      h2 {
        display: flex;
        align-items: center;
        gap: 0.7rem;
        min-width: 0;
        margin: 0;
        font-size: 1.5rem;
        line-height: 1.2;
      }
      h2 .name {
        flex: 1;
        min-width: 0;
      }
      .leave {
        flex: none;
        display: grid;
        place-items: center;
        width: 2.8rem;
        height: 2.8rem;
        padding: 0;
      }
      .pad {
        flex-direction: row;
        gap: 1rem;
      }
      .said {
        flex: 1;
        min-width: 0;
        display: flex;
        flex-direction: column;
        gap: 0.8rem;
      }
      .ask {
        font-size: 1.2rem;
        color: var(--ink-quiet);
      }
      .dots {
        display: flex;
        gap: 0.8rem;
        height: 1.4rem;
      }
      .dot {
        width: 1.4rem;
        height: 1.4rem;
        border: 2px solid var(--line-strong);
        border-radius: var(--radius-round);
      }
      .typed {
        border-color: var(--accent);
        background: var(--accent);
      }
      .problem {
        padding: 0.6rem 0.8rem;
        font-size: 1.1rem;
      }
      .keys {
        flex: none;
        display: grid;
        grid-template: repeat(4, minmax(var(--touch), 1fr)) / repeat(3, 5.4rem);
        gap: 0.4rem;
      }
      .key {
        display: grid;
        place-items: center;
        font-size: 1.7rem;
      }
      .key:disabled {
        border-color: var(--line);
        background: var(--surface-quiet);
        color: var(--ink-quiet);
      }
      .teacher {
        flex: 1;
        display: flex;
        flex-direction: column;
        justify-content: center;
        align-items: center;
        gap: 0.7rem;
        text-align: center;
        font-size: 1.2rem;
        line-height: 1.4;
      }
      .teacher p:not(.big) {
        max-width: 26rem;
      }
      .big {
        font-size: 2rem;
        font-weight: var(--weight-strong);
      }
      .done {
        min-width: 8rem;
        height: 3.2rem;
        font-size: 1.3rem;
      }
      @media (orientation: portrait) {
        .pad {
          flex-direction: column;
        }
        .said {
          flex: none;
        }
        .keys {
          flex: 1;
          grid-template-columns: repeat(3, minmax(0, 1fr));
        }
      }
    `,
  ]
}

function problemWords(problem: PinProblem): string {
  switch (problem.kind) {
    case 'wrong':
      return `That is not your PIN. ${problem.left === 1 ? 'One more try' : `${problem.left} more tries`}, then it is locked for a while.`
    case 'locked':
      return `Too many wrong PINs: locked for ${problem.seconds < 90 ? `${problem.seconds} seconds` : `${Math.ceil(problem.seconds / 60)} minutes`}. Or ask your teacher.`
    case 'not_saved':
      return `You are not marked; please tell your teacher. ${problem.why}`
  }
}
