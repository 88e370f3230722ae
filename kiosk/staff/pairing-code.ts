/**
 * `<pairing-code>`: a button that has a one-time code made for a room, and shows it, as text and as a QR code, until it is put away. Nothing of it
 * is kept: a code that was put away is made anew.
 */
import { LitElement, css, html, nothing } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { CODE_MINUTES } from '#contract/pairing'
import type { PairingCode as Made } from '#contract/pairing'
import { isSignedOut, makePairingCode } from '../sync/office.ts'
import { look, problemNote } from './look.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { problemWords } from './wording.ts'

@customElement('pairing-code')
export class PairingCode extends LitElement {
  static override styles = [
    look,
    css`
      .shown {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-4);
        align-items: center;
      }
      img {
        width: 11rem;
        height: 11rem;
        border-radius: var(--radius-small);
        background: white;
      }
      .code {
        font-size: 2rem;
        font-weight: var(--weight-strong);
        letter-spacing: 0.06em;
        font-variant-numeric: tabular-nums;
        white-space: nowrap;
      }
      .words {
        display: grid;
        gap: var(--space-2);
        max-width: 24rem;
      }
    `,
  ]

  /** The button's words. */
  @property() label = ''
  /** Read to a screen reader after them: which of several buttons of that name. */
  @property() of = ''
  @property() roomId = ''
  /** The kiosk to be paired anew; empty: a new one. */
  @property() deviceId = ''
  @state() private made: Made | undefined
  @state() private problem: string | undefined
  @state() private busy = false

  private readonly make = async (): Promise<void> => {
    this.busy = true
    this.problem = undefined
    try {
      this.made = await makePairingCode(this.roomId, this.deviceId === '' ? {} : { device_id: this.deviceId })
      await this.updateComplete
      this.renderRoot.querySelector<HTMLElement>('.code')?.focus()
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problem = problemWords(error)
    } finally {
      this.busy = false
    }
  }

  private readonly putAway = (): void => {
    this.made = undefined
  }

  override render() {
    const { made } = this
    if (!made) {
      return html`<button ?disabled=${this.busy} @click=${this.make}>${this.label}${this.of === '' ? nothing : html`<span class="hidden-words"> ${this.of}</span>`}</button> ${problemNote(this.problem)}`
    }
    return html`<div class="note shown" role="group" aria-label="Pairing code">
      <img alt="QR code of the pairing link" src=${`data:image/svg+xml,${encodeURIComponent(made.qr_svg)}`} />
      <div class="words">
        <p class="code" tabindex="-1">${made.code}</p>
        <p>
          Type it at the kiosk${made.device_id === null ? '' : ` (${made.device_id})`}, or open the link of the QR code there. It works once, for ${CODE_MINUTES} minutes, and is not shown
          again.
        </p>
        <p class="row"><button @click=${this.putAway}>Done</button></p>
      </div>
    </div>`
  }
}
