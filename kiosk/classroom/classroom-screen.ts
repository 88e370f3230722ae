/**
 * The kiosk's screen: handed a ScreenState, it shows it. Knows no camera, no model, no storage and no
 * network, and asks nobody what time it is. Each state has its own calm screen under the same header;
 * nothing is written on the live picture but the faces' tags.
 */
import { LitElement, css, html, nothing } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import './greeting-strip.ts'
import './header-bar.ts'
import './live-stage.ts'
import './notice-screen.ts'
import './page.css'
import './present-list.ts'
import './technician-panel.ts'
import { offlineSince } from './connection-badge.ts'
import { NO_HINT, holdHint, nearestHint } from './held-hint.ts'
import { look } from './look.ts'
import { noticeFor } from './notices.ts'
import type { Size } from './picture.ts'
import type { Diagnostics, LessonCard, Place, ScreenState } from './state.ts'
import { clockTime, dayName, span } from './zoned-time.ts'

/** A mouse is a technician's or a developer's: its pointer shows while it moves, and so long after. */
const POINTER_SHOWN_MS = 3_000

/** @fires diagnostics-shown - detail: boolean; the technician's panel was opened or closed. */
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
      ${shown.screen === 'lesson' ? this.lesson(shown) : html`<notice-screen .notice=${noticeFor(shown)}></notice-screen>`}
      ${this.panelOpen && this.diagnostics
        ? html`<technician-panel .diagnostics=${this.diagnostics} .badge=${place?.badge} @closed=${() => this.showPanel(false)}></technician-panel>`
        : nothing}
    `
  }

  private lesson({ place, video, faces, frameSize, present, enrolled, withoutFace, greeting }: Extract<ScreenState, { screen: 'lesson' }>) {
    const { timeZone } = place
    const greeted = greeting && { studentId: greeting.studentId, firstName: greeting.firstName, time: clockTime(greeting.markedAt, timeZone) }
    return html`
      <main .style=${`--aspect: ${aspect(frameSize)}`}>
        <live-stage .video=${video} .faces=${faces} .frameSize=${frameSize}></live-stage>
        <present-list .present=${present} .enrolled=${enrolled} .withoutFace=${withoutFace} .timeZone=${timeZone}></present-list>
        <greeting-strip .greeting=${greeted} .hint=${this.hint.shown} .problem=${place.badge.storageProblem}></greeting-strip>
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
      greeting-strip {
        grid-area: strip;
      }
      @media (orientation: portrait) {
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
      }
    `,
  ]
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
