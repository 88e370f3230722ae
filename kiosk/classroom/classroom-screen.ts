/**
 * The kiosk's screen: handed a ScreenState, it shows it. Knows no camera, no model, no storage and no
 * network, and asks nobody what time it is. Each state has its own calm screen under the same header;
 * nothing is written on the live picture but the faces' tags.
 */
import { LitElement, css, html, nothing } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import './ask-card.ts'
import './check-view.ts'
import './greeting-strip.ts'
import './header-bar.ts'
import './live-stage.ts'
import './name-grid.ts'
import './notice-screen.ts'
import './page.css'
import './pin-panel.ts'
import './present-list.ts'
import './technician-panel.ts'
import { offlineSince } from './connection-badge.ts'
import { NO_HINT, holdHint, nearestHint } from './held-hint.ts'
import { look } from './look.ts'
import { noticeFor } from './notices.ts'
import type { Size } from './picture.ts'
import type { Diagnostics, LessonCard, PinPanel, Place, ScreenState } from './state.ts'
import { symbol, symbolStyle } from './symbols.ts'
import { clockTime, dayName, span } from './zoned-time.ts'

/** A mouse is a technician's or a developer's: its pointer shows while it moves, and so long after. */
const POINTER_SHOWN_MS = 3_000

/**
 * @fires diagnostics-shown - detail: boolean; the technician's panel was opened or closed.
 * @fires card-wanted - somebody wants to hold their card before the camera; what the camera on demand then fires is told in check-view.ts.
 * @fires pin-opened - somebody wants to be marked by PIN; what the panel then fires is told in pin-panel.ts, and of the question in ask-card.ts.
 */
@customElement('classroom-screen')
export class ClassroomScreen extends LitElement {
  @property({ attribute: false }) state: ScreenState | undefined
  @property({ attribute: false }) diagnostics: Diagnostics | undefined
  @state() private panelOpen = false
  private hint = NO_HINT
  private pointerHides: ReturnType<typeof setTimeout> | undefined

  override connectedCallback(): void {
    super.connectedCallback()
    this.addEventListener('pointermove', this.showPointer)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.removeEventListener('pointermove', this.showPointer)
    clearTimeout(this.pointerHides)
  }

  override willUpdate(): void {
    this.hint = this.state?.screen === 'lesson' ? holdHint(this.hint, nearestHint(this.state.faces), this.state.place.now) : NO_HINT
  }

  override render() {
    const shown = this.state
    if (!shown) return nothing
    const place = 'place' in shown ? shown.place : undefined
    return html`
      ${header(shown, place, () => this.showPanel(true))}
      ${this.main(shown)}
      ${this.panelOpen && this.diagnostics
        ? html`<technician-panel .diagnostics=${this.diagnostics} .badge=${place?.badge} @closed=${() => this.showPanel(false)}></technician-panel>`
        : nothing}
    `
  }

  private main(shown: ScreenState) {
    switch (shown.screen) {
      case 'lesson':
        return this.lesson(shown)
      case 'desk':
        return this.desk(shown)
      case 'check':
        return this.check(shown)
      default:
        return this.notice(shown)
    }
  }

  /** Without a camera, or with one that rests: one's name and PIN, or one's card. */
  private desk({ place, policy, waiting, present, enrolled, cards, greeting, pin }: Extract<ScreenState, { screen: 'desk' }>) {
    if (isOpen(pin)) return pinPanel(pin)
    const checks = policy === 'verify-only'
    return html`
      <main class="desk">
        <section class="who" aria-labelledby="who">
          <h2 id="who">${cards ? 'Touch your name or scan your card' : 'Touch your name, type your PIN'}</h2>
          <name-grid compact .waiting=${waiting}></name-grid>
        </section>
        <present-list .present=${present} .enrolled=${enrolled} .withoutFace=${0} .timeZone=${place.timeZone} .empty=${'Whoever has come appears here.'}></present-list>
        <div class="below">
          <greeting-strip .greeting=${greeting && greetingOf(greeting, place)} .problem=${place.badge.storageProblem} .idle=${DESK_IDLE[policy]}></greeting-strip>
          ${checks && cards
            ? html`<button class="pin quiet" type="button" @click=${() => this.dispatchEvent(new CustomEvent('card-wanted'))}>${symbol('card')}<span>Card to the camera</span></button>`
            : nothing}
        </div>
      </main>
    `
  }

  private check({ place, check, greeting }: Extract<ScreenState, { screen: 'check' }>) {
    return html`
      <main class="check">
        <check-view .check=${check}></check-view>
        <div class="below">
          <greeting-strip .greeting=${greeting && greetingOf(greeting, place)} .problem=${place.badge.storageProblem} .idle=${CHECK_IDLE[check.step]}></greeting-strip>
        </div>
      </main>
    `
  }

  private notice(shown: Exclude<ScreenState, { screen: 'lesson' | 'desk' | 'check' }>) {
    const pin = 'pin' in shown ? shown.pin : undefined
    const place = 'place' in shown ? shown.place : undefined
    if (!pin || !place) return html`<notice-screen .notice=${noticeFor(shown)}></notice-screen>`
    if (isOpen(pin)) return pinPanel(pin)
    const greeted = pin.step === 'greeting' ? { studentId: '', firstName: pin.firstName, time: clockTime(pin.markedAt, place.timeZone) } : undefined
    return html`
      <main class="notice">
        <notice-screen compact .notice=${noticeFor(shown)}></notice-screen>
        <div class="below">
          ${greeted ? html`<greeting-strip .greeting=${greeted}></greeting-strip>` : nothing}
          ${this.pinButton(greeted ? 'quiet' : 'wide')}
        </div>
      </main>
    `
  }

  /** Without a camera, without the models, with an old class list: this way stays. */
  private pinButton(kind: 'wide' | 'quiet') {
    return html`<button class="pin ${kind === 'wide' ? 'wide main' : kind}" type="button" @click=${() => this.dispatchEvent(new CustomEvent('pin-opened'))}>
      ${symbol('keypad')}<span>${kind === 'wide' ? 'Are you here? Use your PIN' : 'Use your PIN'}</span>
    </button>`
  }

  private lesson({ place, video, faces, frameSize, present, enrolled, withoutFace, greeting, ask, pin }: Extract<ScreenState, { screen: 'lesson' }>) {
    if (isOpen(pin)) return pinPanel(pin)
    const { timeZone } = place
    const greeted = greeting && greetingOf(greeting, place)
    return html`
      <main .style=${`--aspect: ${aspect(frameSize)}`}>
        <live-stage .video=${video} .faces=${faces} .frameSize=${frameSize}></live-stage>
        <present-list ?hidden=${ask !== undefined} .present=${present} .enrolled=${enrolled} .withoutFace=${withoutFace} .timeZone=${timeZone}></present-list>
        ${ask ? html`<ask-card .ask=${ask}></ask-card>` : nothing}
        <div class="below">
          <greeting-strip .greeting=${greeted} .hint=${this.hint.shown} .problem=${place.badge.storageProblem}></greeting-strip>
          ${this.pinButton('quiet')}
        </div>
      </main>
    `
  }

  private showPanel(open: boolean): void {
    this.panelOpen = open
    this.dispatchEvent(new CustomEvent('diagnostics-shown', { detail: open }))
  }

  private showPointer = ({ pointerType }: PointerEvent): void => {
    if (pointerType !== 'mouse') return
    this.classList.add('pointing')
    clearTimeout(this.pointerHides)
    this.pointerHides = setTimeout(() => this.classList.remove('pointing'), POINTER_SHOWN_MS)
  }

  static override styles = [
    look,
    symbolStyle,
    css`
      :host {
        position: fixed;
        inset: 0;
        display: grid;
        grid-template-rows: 2.7rem minmax(0, 1fr);
        gap: 0.5rem;
        padding: 0.5rem 0.6rem 0.6rem;
        background: var(--ground);
        color: var(--ink);
        font-family: var(--font);
        font-size: 1rem;
        cursor: none;
      }
      :host(.pointing) {
        cursor: default;
      }
      /* The picture is as large as fits above a strip of 3.4rem and beside a list of more than a third; the strip takes what is left, and what is too much for it the stage. */
      main {
        --most-height: calc(100dvh - 8.2rem);
        --stage: min(60vw, var(--most-height) * var(--aspect));
        display: grid;
        grid-template:
          'stage list' minmax(calc(var(--stage) / var(--aspect)), 1fr)
          'strip strip' minmax(3.4rem, 6.5rem)
          / var(--stage) minmax(0, 1fr);
        gap: 0.5rem;
        min-height: 0;
      }
      live-stage {
        grid-area: stage;
      }
      present-list {
        grid-area: list;
      }
      present-list[hidden] {
        display: none;
      }
      ask-card {
        grid-area: list;
      }
      .below {
        grid-area: strip;
        display: flex;
        gap: 0.5rem;
        min-width: 0;
        min-height: 0;
      }
      greeting-strip {
        flex: 1;
      }
      main.notice {
        grid-template:
          'notice' minmax(0, 1fr)
          'strip' 4.2rem
          / minmax(0, 1fr);
      }
      main.desk,
      main.check {
        grid-template:
          'who list' minmax(0, 1fr)
          'strip strip' 3.4rem
          / minmax(0, 2fr) minmax(0, 1fr);
      }
      main.check {
        grid-template:
          'who' minmax(0, 1fr)
          'strip' 3.4rem
          / minmax(0, 1fr);
      }
      .who,
      check-view {
        grid-area: who;
      }
      .who {
        display: flex;
        flex-direction: column;
        gap: 0.35rem;
        min-width: 0;
        min-height: 0;
        padding: 0.5rem 0.7rem;
        border-radius: var(--radius);
        background: var(--surface);
      }
      .who h2 {
        font-size: 1.15rem;
        line-height: 1.25;
      }
      .pin {
        flex: none;
        display: flex;
        align-items: center;
        justify-content: center;
        gap: 0.6rem;
        padding: 0 1rem;
        border-radius: var(--radius);
        font-size: 1.1rem;
        line-height: 1.2;
      }
      .pin.wide {
        flex: 1;
        font-size: 1.5rem;
      }
      .pin .symbol {
        width: 1.6em;
        height: 1.6em;
      }
      .pin:active {
        transform: scale(0.98);
      }
      @media (orientation: portrait) {
        .pin.quiet {
          flex-direction: column;
          gap: 0.1rem;
          padding: 0 0.6rem;
          font-size: 0.9rem;
        }
        .pin.wide {
          font-size: 1.2rem;
        }
        :host {
          grid-template-rows: auto minmax(0, 1fr);
        }
        main {
          --stage: min(100vw - 1.2rem, 50dvh * var(--aspect));
          grid-template:
            'stage' calc(var(--stage) / var(--aspect))
            'strip' 3.4rem
            'list' minmax(0, 1fr)
            / minmax(0, 1fr);
        }
        main.desk {
          grid-template:
            'who' minmax(0, 3fr)
            'strip' 3.4rem
            'list' minmax(0, 2fr)
            / minmax(0, 1fr);
        }
      }
    `,
  ]
}

const DESK_IDLE = {
  'no-biometrics': { symbol: 'camera_off', words: 'No camera is used here. No PIN? Ask your teacher.' },
  'verify-only': { symbol: 'camera', words: 'The camera opens only to check that it is you.' },
} as const
const CHECK_IDLE = {
  face: { symbol: 'face', words: 'Only your own face is compared, with your own photos.' },
  card: { symbol: 'card', words: 'Only the code on the card is read. No face is looked for.' },
  failed: { symbol: 'keypad', words: 'Your teacher can mark you present at any time.' },
} as const

function greetingOf({ studentId, firstName, markedAt }: { studentId: string; firstName: string; markedAt: number }, { timeZone }: Place) {
  return { studentId, firstName, time: clockTime(markedAt, timeZone) }
}

/** Steps that cover the lesson. */
function isOpen(pin: PinPanel): boolean {
  return pin.step !== 'closed' && pin.step !== 'greeting'
}

function pinPanel(panel: PinPanel) {
  return html`<pin-panel .panel=${panel}></pin-panel>`
}

function header(shown: ScreenState, place: Place | undefined, onHeld: () => void) {
  const { heading, below } = titles(shown, place)
  return html`
    <header-bar
      .heading=${heading}
      .below=${below}
      .clock=${place ? clockTime(place.now, place.timeZone) : ''}
      .badge=${place?.badge}
      .since=${place ? offlineSince(place.badge, place.now, place.timeZone) : ''}
      @held=${onHeld}
    ></header-bar>
  `
}

/** The lesson where there is one, else the room, else the product. */
function titles(shown: ScreenState, place: Place | undefined): { heading: string; below: string } {
  if (!place) return { heading: 'FastrackAI', below: '' }
  const lesson: LessonCard | undefined = 'lesson' in shown ? shown.lesson : undefined
  if (lesson) {
    // The room, which everybody in it knows, is what may be cut.
    const below = [span(lesson.startsAt, lesson.endsAt, place.timeZone), lesson.courseCode, place.roomName]
    return { heading: lesson.courseName, below: below.filter(Boolean).join(' · ') }
  }
  return { heading: place.roomName || 'FastrackAI', below: dayName(place.now, place.timeZone) }
}

/** Width by height; a frame of no size yet is taken for the usual one. */
function aspect({ width, height }: Size): string {
  return (width > 0 && height > 0 ? width / height : 4 / 3).toFixed(4)
}

declare global {
  interface HTMLElementTagNameMap {
    'classroom-screen': ClassroomScreen
  }
}
