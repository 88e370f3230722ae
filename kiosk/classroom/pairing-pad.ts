/** `<pairing-pad>`: where a pairing code is typed, by touch or by a keyboard. Shows what `PairingStep` says; what is being typed is known here alone. */
import { LitElement, css, html, nothing } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { CODE_CHARACTERS, CODE_LENGTH, plainCode } from '#contract/pairing'
import { differs } from './differs.ts'
import { keyLook, look } from './look.ts'
import type { PairingStep } from './state.ts'
import { symbol, symbolStyle } from './symbols.ts'

/** @fires pairing-code-entered - detail: {code}, as soon as it is whole. Bubbles out of the screen. */
@customElement('pairing-pad')
export class PairingPad extends LitElement {
  @property({ attribute: false, hasChanged: differs }) step: PairingStep | undefined
  @state() private typed = ''

  override connectedCallback(): void {
    super.connectedCallback()
    // A keyboard's keys, and a scanner's, reach the pad whatever has the focus.
    addEventListener('keydown', this.press)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    removeEventListener('keydown', this.press)
  }

  override render() {
    const busy = this.step?.busy === true
    const places = Array.from({ length: CODE_LENGTH }, (_, i) => this.typed[i] ?? '')
    return html`
      <div class="code" role="img" aria-label=${this.typed === '' ? 'No character typed yet' : `Typed so far: ${[...this.typed].join(' ')}`}>
        ${places.map((one, i) => html`${i === CODE_LENGTH / 2 ? html`<span class="dash">–</span>` : nothing}<span class="place">${one}</span>`)}
      </div>
      <div class="keys">
        ${[...CODE_CHARACTERS].map((one) => html`<button type="button" ?disabled=${busy} @click=${() => this.type(one)}>${one}</button>`)}
        <button class="rub" type="button" aria-label="Rub out" ?disabled=${busy || this.typed === ''} @click=${this.rubOut}>${symbol('rub_out')}</button>
      </div>
      <p class="told" role="status">${busy ? 'Asking the school’s server …' : (this.step?.problem ?? '')}</p>
    `
  }

  private type(one: string): void {
    if (this.step?.busy === true || this.typed.length >= CODE_LENGTH) return
    this.typed += one
    if (this.typed.length < CODE_LENGTH) return
    const code = this.typed
    this.typed = ''
    this.dispatchEvent(new CustomEvent('pairing-code-entered', { detail: { code }, bubbles: true, composed: true }))
  }

  private readonly rubOut = (): void => {
    this.typed = this.typed.slice(0, -1)
  }

  private readonly press = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.altKey || event.metaKey) return
    if (event.key === 'Backspace') return this.rubOut()
    // One character of a code, whatever its case, and an O that is meant as a zero.
    const one = event.key.length === 1 ? plainCode(event.key.repeat(CODE_LENGTH))?.[0] : undefined
    if (one !== undefined) this.type(one)
  }

  static override styles = [
    look,
    keyLook,
    symbolStyle,
    css`
      :host {
        display: flex;
        flex-direction: column;
        gap: 0.35rem;
      }
      .code {
        display: flex;
        align-items: center;
        gap: 0.3rem;
      }
      .place {
        display: grid;
        place-items: center;
        width: 2.2rem;
        height: 2.2rem;
        border-bottom: 3px solid var(--line-strong);
        font-size: 1.8rem;
        font-weight: var(--weight-strong);
        font-variant-numeric: tabular-nums;
      }
      .dash {
        color: var(--ink-quiet);
      }
      .keys {
        display: grid;
        grid-template-columns: repeat(11, minmax(0, 1fr));
        gap: 0.3rem;
      }
      button {
        display: grid;
        place-items: center;
        min-width: 0;
        height: max(2.5rem, var(--touch));
        padding: 0;
        font-size: 1.2rem;
      }
      button:disabled {
        border-color: var(--line);
        color: var(--ink-quiet);
      }
      .told {
        min-height: 2.6rem;
        font-size: 1rem;
        line-height: 1.3;
        overflow-wrap: anywhere;
      }
      @media (orientation: portrait) {
        .keys {
          grid-template-columns: repeat(7, minmax(0, 1fr));
        }
      }
    `,
  ]
}
