/** The camera on demand: one student's face is compared with their own, or a card is read; or why that did not work, and what to do. Knows no camera and no template. */
import { LitElement, type TemplateResult, css, html, nothing } from 'lit'
import { customElement, property } from 'lit/decorators.js'
import './live-stage.ts'
import { look, problemLook } from './look.ts'
import type { CheckPanel } from './state.ts'
import { type SymbolName, symbol, symbolStyle } from './symbols.ts'
import { HINT_WORDS } from './wording.ts'

type Open = Exclude<CheckPanel, { step: 'closed' }>
type Failed = Extract<Open, { step: 'failed' }>

/**
 * Both bubble out of the screen.
 * @fires check-again - the same student tries once more.
 * @fires check-closed - away with it: another student, or the card is typed in after all.
 */
@customElement('check-view')
export class CheckView extends LitElement {
  @property({ attribute: false }) check: Open | undefined

  override render() {
    const { check } = this
    if (!check) return nothing
    return check.step === 'failed' ? this.failed(check) : this.looking(check)
  }

  private looking(check: Exclude<Open, Failed>): TemplateResult {
    const [sign, words] = check.step === 'card' ? forCard(check) : forFace(check)
    return html`
      <div class="stage">${check.video ? html`<live-stage .video=${check.video} .faces=${check.faces} .frameSize=${check.frameSize}></live-stage>` : html`<div class="dark">${symbol(check.step === 'card' ? 'card' : 'face')}</div>`}</div>
      <section class="said">
        <h2 class="name" dir="auto">${check.step === 'card' ? 'Show your card' : check.student.name}</h2>
        <p class="words" role="status">${symbol(sign)}<span>${words}</span></p>
        ${check.step === 'face' && check.done ? nothing : this.away(check.step === 'card' ? 'Back' : 'Not you?')}
      </section>
    `
  }

  private failed({ student, why, said, again }: Failed): TemplateResult {
    return html`
      <section class="failed" role="alertdialog" aria-label="You are not marked yet">
        <h2 class="name" dir="auto">${student.name}</h2>
        <p class="big">${FAILED[why]}</p>
        <p>${again && why === 'not_confirmed' ? 'Stand in good light, show your whole face, and try again. ' : ''}Your teacher can mark you present at any time.</p>
        ${said === '' ? nothing : html`<p class="problem">${symbol('attention')}<span>${said}</span></p>`}
        <div class="row">
          ${again ? html`<button type="button" class="main" @click=${() => this.tell('check-again')}>${symbol('again')}<span>Try again</span></button>` : nothing}
          <button type="button" @click=${() => this.tell('check-closed')}>${again ? 'See your teacher' : 'OK, I see my teacher'}</button>
        </div>
      </section>
    `
  }

  private away(words: string): TemplateResult {
    return html`<button type="button" class="away" @click=${() => this.tell('check-closed')}>${symbol('back')}<span>${words}</span></button>`
  }

  private tell(type: string): void {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true }))
  }

  static override styles = [
    look,
    problemLook,
    symbolStyle,
    css`
      :host {
        display: grid;
        grid-template-columns: minmax(0, 3fr) minmax(0, 2fr);
        gap: 0.5rem;
      }
      .stage {
        min-height: 0;
        display: grid;
      }
      .dark {
        display: grid;
        place-items: center;
        border-radius: var(--radius);
        background: var(--surface);
        color: var(--accent-ink);
      }
      .dark .symbol {
        width: 6rem;
        height: 6rem;
        stroke-width: 1.4;
      }
      section {
        min-width: 0;
        min-height: 0;
        display: flex;
        flex-direction: column;
        gap: 0.6rem;
        padding: 0.7rem 0.9rem;
        border-radius: var(--radius);
        background: var(--surface);
        overflow-y: auto;
      }
      h2.name {
        flex: none;
        max-width: 100%;
        text-align: inherit;
        font-size: 1.4rem;
        line-height: 1.2;
        white-space: normal;
        overflow-wrap: anywhere;
      }
      .words {
        display: flex;
        align-items: center;
        gap: 0.7rem;
        font-size: 1.3rem;
        font-weight: var(--weight-strong);
        line-height: 1.25;
      }
      .words .symbol {
        width: 1.6em;
        height: 1.6em;
        color: var(--accent);
      }
      .away {
        flex: none;
        margin-top: auto;
      }
      button {
        display: flex;
        align-items: center;
        justify-content: center;
        gap: 0.5rem;
        min-height: max(var(--touch), 3.2rem);
        padding: 0 1rem;
        font-size: 1.2rem;
      }
      .failed {
        grid-column: 1 / -1;
        align-items: center;
        justify-content: center;
        text-align: center;
        font-size: 1.2rem;
        line-height: 1.4;
      }
      .failed p {
        flex: none;
        max-width: 32rem;
      }
      .failed .big {
        font-size: 1.7rem;
        line-height: 1.2;
        font-weight: var(--weight-strong);
        text-wrap: balance;
      }
      .row {
        display: flex;
        flex-wrap: wrap;
        justify-content: center;
        gap: 0.6rem;
      }
      @media (orientation: portrait) {
        :host {
          grid-template-columns: minmax(0, 1fr);
          grid-template-rows: minmax(0, 1fr) auto;
        }
      }
    `,
  ]
}

const FAILED: Record<Failed['why'], string> = {
  not_confirmed: 'The camera could not tell that it is you',
  camera: 'The camera does not work just now',
  model: 'Faces cannot be compared just now',
  not_saved: 'You are not marked: it could not be kept',
}

function forFace({ hint, another, done, model, video }: Extract<Open, { step: 'face' }>): [SymbolName, string] {
  if (done) return ['check', 'That is you']
  if (!model) return ['hourglass', 'Getting ready…']
  if (!video) return ['camera', 'The camera opens…']
  if (hint) return [hint, HINT_WORDS[hint]]
  return another ? ['look_here', 'Not sure yet: look straight into the camera'] : ['face', 'Look into the camera']
}

function forCard({ model, video, camera }: Extract<Open, { step: 'card' }>): [SymbolName, string] {
  if (camera !== 'live' && camera !== 'starting') return ['camera_off', 'The camera does not work just now']
  if (!model || !video) return ['camera', 'The camera opens…']
  return ['card', 'Hold the code before the camera, a hand’s width away']
}
