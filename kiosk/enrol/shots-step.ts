/**
 * `<shots-step>`: three shots by camera, or photo files (photo-files.ts), of one student -> templates. Fires `save` with the
 * embeddings, and `vision-crashed`. Pictures live as long as this element does and go nowhere; it knows no server.
 */
import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import type { CameraState } from '#contract/device'
import { look } from '../staff/look.ts'
import { openCamera, type Camera } from '../vision/camera.ts'
import type { Box, SeenFrame } from '../vision/face.ts'
import { chooseFace } from '../vision/photo.ts'
import { remedyOf } from '../vision/remedies.ts'
import type { Vision } from '../vision/vision.ts'
import type { TakePhoto } from './photo-files.ts'
import { copyPicture, thumbnailOf } from './picture.ts'
import { NOT_STEADY, SHOTS_MOST, SHOTS_WANTED, someoneElse, steadier, type Steadiness } from './shots.ts'
import './photo-files.ts'

/** A shot that may become a template. */
interface Shot {
  id: number
  /** File name; undefined: the camera. */
  from: string | undefined
  embedding: Float32Array
  thumbnail: HTMLCanvasElement
}

const CAMERA_FPS = 15

const CAMERA_WORDS: Record<Exclude<CameraState, 'live'>, string> = {
  off: 'The camera is off.',
  starting: 'Starting the camera… The browser may ask whether it may be used.',
  none: 'No camera was found. Plug one in, or use photo files.',
  denied: 'The browser does not let this page use the camera. Allow it beside the address, or use photo files.',
  lost: 'The camera is gone. Plug it in again, or use photo files.',
  black: 'The camera sees nothing. Is its lens covered, or the light off?',
  frozen: 'The camera’s picture stands still. It is started again by itself; if this stays, pull its cable and plug it in again.',
}

@customElement('shots-step')
export class ShotsStep extends LitElement {
  static override styles = [
    look,
    css`
      .ways {
        display: flex;
        gap: var(--space-2);
        margin-bottom: var(--space-3);
      }
      .ways button[aria-pressed='true'] {
        background: var(--accent-soft);
        color: var(--accent-ink);
        border-color: var(--accent);
      }
      .stage {
        position: relative;
        aspect-ratio: 4 / 3;
        max-width: 34rem;
        max-height: 62dvh;
        border-radius: var(--radius);
        overflow: hidden;
        background: var(--tag);
        color: var(--tag-ink);
        display: grid;
        place-items: center;
        text-align: center;
      }
      .stage > p {
        padding: var(--space-4);
        max-width: 26rem;
      }
      .stage video {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        object-fit: cover;
        transform: scaleX(-1);
      }
      .outline {
        position: absolute;
        border: 4px solid var(--on-picture-quiet);
        border-radius: 30%;
        filter: drop-shadow(0 0 2px var(--picture-halo));
      }
      .outline.good {
        border-color: var(--on-picture-here);
      }
      .hint {
        max-width: 34rem;
        margin: var(--space-2) 0 var(--space-3);
        min-height: 3.4rem;
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: var(--space-3);
        font-size: 1.15rem;
        font-weight: var(--weight-strong);
      }
      .hint button {
        flex: none;
        font-size: 1rem;
      }
      .shots {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-3);
        margin: var(--space-4) 0;
      }
      .shots li {
        width: 6.5rem;
        display: grid;
        gap: var(--space-1);
        align-content: start;
        justify-items: stretch;
      }
      .shots canvas,
      .empty {
        width: 6.5rem;
        height: 6.5rem;
        border-radius: var(--radius-small);
        display: grid;
        place-items: center;
      }
      .empty {
        border: 2px dashed var(--line-strong);
        color: var(--ink-quiet);
        font-size: 1.4rem;
      }
      .from {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .shots button {
        padding: 0;
      }
      progress {
        width: min(100%, 24rem);
        height: 0.8rem;
        accent-color: var(--accent);
      }
    `,
  ]

  /** Undefined while it loads. */
  @property({ attribute: false }) vision: Vision | undefined
  /** 0 to 1, of the models. */
  @property({ attribute: false }) loaded = 0
  @property({ type: Boolean }) busy = false
  @state() private way: 'camera' | 'files' = 'camera'
  @state() private shots: Shot[] = []
  @state() private cameraState: CameraState = 'starting'
  @state() private hint = ''
  @state() private good = false
  /** The face that is judged, and the frame it lies in. */
  @state() private outlined: { box: Box; width: number; height: number } | undefined
  @state() private looking = false
  private camera: Camera | undefined
  private steadiness: Steadiness = NOT_STEADY
  private lastWords = ''
  private takeNow = false
  private ids = 0

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.closeCamera()
  }

  /** The camera is on only while shots are wanted of it. */
  override updated(_: PropertyValues<this>): void {
    const wanted = this.vision !== undefined && this.way === 'camera' && this.shots.length < SHOTS_WANTED && this.isConnected
    if (wanted && !this.camera) this.startCamera(this.vision)
    if (!wanted && this.camera) this.closeCamera()
    this.placeOutline()
  }

  /** By the style's own properties: the server forbids style attributes, and a template could only write those. */
  private placeOutline(): void {
    const stage = this.renderRoot.querySelector<HTMLElement>('.stage')
    const outline = this.renderRoot.querySelector<HTMLElement>('.outline')
    if (!stage || !outline || !this.outlined) return
    const { box, width, height } = this.outlined
    const share = (part: number, whole: number): string => `${(100 * part) / whole}%`
    stage.style.aspectRatio = `${width} / ${height}`
    // The picture is mirrored, as people know themselves; so is the outline.
    outline.style.right = share(box.x, width)
    outline.style.top = share(box.y, height)
    outline.style.width = share(box.width, width)
    outline.style.height = share(box.height, height)
  }

  // ---------- by camera ----------

  private startCamera(vision: Vision | undefined): void {
    if (!vision) return
    this.steadiness = NOT_STEADY
    this.cameraState = 'starting'
    this.hint = ''
    this.good = false
    this.outlined = undefined
    const camera = openCamera({ fps: CAMERA_FPS, onState: (state) => (this.cameraState = state) })
    this.camera = camera
    this.requestUpdate()
    this.watch(camera, vision).catch((error: unknown) => {
      if (this.camera === camera) this.crash(error)
    })
  }

  private closeCamera(): void {
    this.camera?.close()
    this.camera = undefined
  }

  private crash(error: unknown): void {
    this.closeCamera()
    this.dispatchEvent(new CustomEvent('vision-crashed', { detail: error }))
  }

  /** One look after the other, until the camera is another one or none. */
  private async watch(camera: Camera, vision: Vision): Promise<void> {
    while (this.camera === camera) {
      const frame = await camera.nextFrame(0)
      if (this.camera !== camera) return frame.close()
      const picture = copyPicture(frame)
      const takenAt = performance.now()
      const seen = { ...(await vision.lookAtPhoto(frame)), takenAt }
      if (this.camera === camera) this.judge(seen, picture)
    }
  }

  private judge(seen: SeenFrame, picture: HTMLCanvasElement): void {
    const { face, reason } = chooseFace(seen.faces)
    const { due, ...steadiness } = steadier(this.steadiness, face !== undefined, seen.takenAt)
    this.steadiness = steadiness
    this.good = face !== undefined
    const box = face?.box ?? seen.faces[0]?.box
    this.outlined = box && { box, width: seen.width, height: seen.height }
    this.say(face ? (GOOD_WORDS[this.shots.length] ?? 'Good') : remedyOf(reason))
    if (face && (due || this.takeNow)) this.take(face, picture, undefined)
    this.takeNow = false
  }

  /** A hint stands only once two looks agree on it: a flicker helps nobody. */
  private say(words: string): void {
    if (words === this.lastWords) this.hint = words
    this.lastWords = words
  }

  /** @returns why the shot is not taken */
  private take(face: Pick<Shot, 'embedding'> & { box: Box }, picture: HTMLCanvasElement, from: string | undefined): string | undefined {
    const others = this.shots.map((shot) => shot.embedding)
    if (someoneElse(face.embedding, others) !== undefined) {
      this.hint = 'Is this someone else? It does not look like the person of the other shots'
      return 'It does not show the person of the other shots. Take out whichever is not the student’s.'
    }
    this.shots = [...this.shots, { id: this.ids++, from, embedding: face.embedding, thumbnail: thumbnailOf(picture, face.box) }]
    return undefined
  }

  private readonly takeFromFile: TakePhoto = (face, picture, name) => {
    if (this.shots.length >= SHOTS_MOST) return `${SHOTS_MOST} are enough of one student.`
    return this.take(face, picture, name)
  }

  private drop(id: number): void {
    this.shots = this.shots.filter((shot) => shot.id !== id)
  }

  // ---------- the screen ----------

  override render() {
    if (!this.vision) {
      return html`<div class="note" role="status">
        <p>Loading what sees faces. It runs on this device; no picture leaves it.</p>
        <progress max="1" value=${this.loaded} aria-label="Loading"></progress>
      </div>`
    }
    const { shots } = this
    return html`<div class="ways" role="group" aria-label="Where from">
        ${this.renderWay('camera', 'Camera')} ${this.renderWay('files', 'Photo files')}
      </div>
      ${this.way === 'camera' ? this.renderCamera() : this.renderFiles()}
      <ul class="shots" aria-label="Shots">
        ${repeat(
          shots,
          (shot) => shot.id,
          (shot, i) =>
            html`<li>
              ${shot.thumbnail}
              ${shot.from === undefined ? nothing : html`<span class="from soft small" title=${shot.from}>${shot.from}</span>`}
              <button @click=${() => this.drop(shot.id)}>${this.way === 'camera' ? 'Retake' : 'Remove'}<span class="hidden-words"> shot ${i + 1}</span></button>
            </li>`,
        )}
        ${Array.from({ length: Math.max(0, SHOTS_WANTED - shots.length) }, (_, i) => html`<li><span class="empty">${shots.length + i + 1}</span></li>`)}
      </ul>
      <p class="row">
        <button class="main" ?disabled=${shots.length === 0 || this.busy || this.looking} @click=${this.save}>
          ${this.busy ? 'Saving…' : shots.length === 0 ? 'Save' : `Save ${shots.length} ${shots.length === 1 ? 'template' : 'templates'}`}
        </button>
        <span class="soft small">${savingWords(shots.length)}</span>
      </p>`
  }

  private renderWay(way: 'camera' | 'files', words: string): TemplateResult {
    return html`<button aria-pressed=${this.way === way} @click=${() => (this.way = way)}>${words}</button>`
  }

  private renderCamera(): TemplateResult {
    if (this.shots.length >= SHOTS_WANTED) {
      return html`<p class="note good" role="status">${this.shots.length} good shots. The camera is off. Save them, or retake one.</p>`
    }
    const live = this.cameraState === 'live'
    return html`<div class="stage">
        ${live && this.camera ? this.camera.video : nothing}
        ${this.cameraState === 'live'
          ? this.outlined && html`<span class="outline ${this.good ? 'good' : ''}"></span>`
          : html`<p role="status">${CAMERA_WORDS[this.cameraState]}</p>`}
      </div>
      <div class="hint">
        <span role="status">${live ? this.hint : nothing}</span>
        ${live ? html`<button ?disabled=${!this.good} @click=${() => (this.takeNow = true)}>Take it now</button>` : nothing}
      </div>`
  }

  private renderFiles(): TemplateResult {
    return html`<photo-files .vision=${this.vision} .take=${this.takeFromFile} @looking=${(event: CustomEvent<boolean>) => (this.looking = event.detail)}></photo-files>`
  }

  private readonly save = (): void => {
    this.dispatchEvent(new CustomEvent('save', { detail: this.shots.map((shot) => shot.embedding) }))
  }
}

/** By the number of shots already taken: small turns make templates that know more of a face. */
const GOOD_WORDS: readonly string[] = ['Good: hold still', 'Good: turn the head a little to the left', 'Good: a little to the right']

function savingWords(shots: number): string {
  if (shots === 0) return 'Pictures never leave this device; only templates are sent.'
  return shots < SHOTS_WANTED ? `${SHOTS_WANTED} shots are recognised more surely than ${shots}.` : 'Only the templates are sent.'
}
