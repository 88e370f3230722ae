/**
 * `<asked-twice>`: a button whose work is not undone by another: pressed, it says what follows and asks once more. Fires `sure`.
 * Knows nothing of what it is about: `label` is the button's words, `yes` those of the second, the slot says what follows.
 */
import { LitElement, css, html, nothing, type PropertyValues } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { look } from './look.ts'

@customElement('asked-twice')
export class AskedTwice extends LitElement {
  static override styles = [
    look,
    css`
      .asked {
        width: 100%;
      }
    `,
  ]

  @property() label = ''
  /** Read to a screen reader after the label: which of several buttons of that name. */
  @property() of = ''
  @property() yes = ''
  @property({ type: Boolean }) danger = false
  @property({ type: Boolean }) busy = false
  @state() private asking = false

  override updated(changed: PropertyValues): void {
    // Whoever came with the keyboard stays where the question is.
    if (changed.has('asking') && changed.get('asking') !== undefined) this.renderRoot.querySelector<HTMLElement>(this.asking ? 'button.first' : 'button')?.focus()
  }

  override render() {
    const of = this.of === '' ? nothing : html`<span class="hidden-words"> ${this.of}</span>`
    if (!this.asking) return html`<button ?disabled=${this.busy} @click=${() => (this.asking = true)}>${this.label}${of}</button>`
    return html`<div class="asked note warn" role="group" aria-label=${this.label} @keydown=${this.escape}>
      <slot></slot>
      <p class="row">
        <button class="first ${this.danger ? 'danger' : 'main'}" ?disabled=${this.busy} @click=${() => this.dispatchEvent(new CustomEvent('sure'))}>${this.yes}${of}</button>
        <button ?disabled=${this.busy} @click=${() => (this.asking = false)}>Cancel</button>
      </p>
    </div>`
  }

  private readonly escape = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') this.asking = false
  }
}
