/**
 * The live picture, as in a mirror, with an outline around each face and a tag beside it. Drawn up to
 * 15 times a second: outlines and tags are moved, not rendered; a tag's words are rendered when they change.
 */
import { LitElement, type TemplateResult, css, html, render } from 'lit'
import { customElement, property, query } from 'lit/decorators.js'
import type { Box } from '../vision/face.ts'
import { look } from './look.ts'
import { type Size, mirrored, pictureIn } from './picture.ts'
import type { OutlinedFace } from './state.ts'
import { symbol, symbolStyle } from './symbols.ts'
import { placeTags } from './tags.ts'
import { HINT_WORDS } from './wording.ts'

/** Sizes of a tag, rem; the stylesheet below has the same. */
const TAG = { height: 1.6, padding: 0.5, symbol: 1.2, symbolGap: 0.3, widest: 14, narrowest: 6, gap: 0.35 }
/** Where space is scarce, a student's own name first, then what to do, then the rest. */
const RANK: Record<OutlinedFace['kind'], number> = { here: 0, hint: 1, looking: 2, unknown: 3 }

interface Outline {
  outline: HTMLElement
  tag: HTMLElement
  /** What the tag says now. */
  words: string
}

@customElement('live-stage')
export class LiveStage extends LitElement {
  @property({ attribute: false }) video: HTMLVideoElement | undefined
  @property({ attribute: false }) faces: OutlinedFace[] = []
  @property({ attribute: false }) frameSize: Size = { width: 0, height: 0 }
  @query('.picture') private picture!: HTMLElement
  @query('.outlines') private layer!: HTMLElement
  private readonly outlines = new Map<number, Outline>()
  private readonly widths = new Map<string, number>()
  private readonly pen = document.createElement('canvas').getContext('2d')
  private stage: Size = { width: 0, height: 0 }
  private rem = 16
  private readonly resized = new ResizeObserver(() => {
    this.measure()
    this.draw()
  })

  override render() {
    return html`<div class="picture">${this.video}<div class="outlines" aria-hidden="true"></div></div>`
  }

  override connectedCallback(): void {
    super.connectedCallback()
    this.resized.observe(this)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.resized.disconnect()
    if (this.video) keepPlaying(this.video)
  }

  override updated(changed: Map<string, unknown>): void {
    if (changed.has('video')) {
      const before = changed.get('video') as HTMLVideoElement | undefined
      if (before) keepPlaying(before)
      if (this.video) keepPlaying(this.video)
    }
    if (this.stage.width === 0) this.measure()
    this.draw()
  }

  private measure(): void {
    this.stage = { width: this.clientWidth, height: this.clientHeight }
    this.rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize)
    this.widths.clear()
  }

  private draw(): void {
    if (!this.hasUpdated) return
    const picture = pictureIn(this.stage, this.frameSize)
    moveTo(this.picture, picture)
    this.forgetGone()
    const boxes = this.faces.map(({ box }) => mirrored(box, this.frameSize, picture))
    const words = this.faces.map(wordsOf)
    const places = placeTags(
      this.faces.map((face, at) => ({ face: boxes[at]!, width: words[at] ? this.tagWidth(face, words[at]) : undefined, rank: RANK[face.kind] })),
      { height: TAG.height * this.rem, gap: TAG.gap * this.rem, narrowest: TAG.narrowest * this.rem },
      picture,
    )
    this.faces.forEach((face, at) => this.drawFace(face, boxes[at]!, words[at]!, places[at]))
  }

  private drawFace(face: OutlinedFace, box: Box, words: string, place: Box | undefined): void {
    const drawn = this.outlines.get(face.track) ?? this.addOutline(face.track)
    const { outline, tag } = drawn
    if (outline.dataset['kind'] !== face.kind) outline.dataset['kind'] = tag.dataset['kind'] = face.kind
    moveTo(outline, box)
    tag.hidden = !place
    if (place) moveTo(tag, place)
    if (drawn.words === words) return
    drawn.words = words
    render(tagWords(face, words), tag)
  }

  private addOutline(track: number): Outline {
    const outline = document.createElement('div')
    outline.className = 'outline'
    const tag = document.createElement('div')
    tag.className = 'tag'
    this.layer.append(outline, tag)
    const drawn = { outline, tag, words: '' }
    this.outlines.set(track, drawn)
    return drawn
  }

  private forgetGone(): void {
    const tracks = new Set(this.faces.map(({ track }) => track))
    for (const [track, { outline, tag }] of this.outlines) {
      if (tracks.has(track)) continue
      outline.remove()
      tag.remove()
      this.outlines.delete(track)
    }
  }

  private tagWidth(face: OutlinedFace, words: string): number {
    const symbolWidth = face.kind === 'unknown' ? 0 : TAG.symbol + TAG.symbolGap
    return Math.min(TAG.widest * this.rem, this.textWidth(words) + (2 * TAG.padding + symbolWidth) * this.rem)
  }

  private textWidth(words: string): number {
    let width = this.widths.get(words)
    if (width === undefined && this.pen) {
      const style = getComputedStyle(this.layer)
      this.pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`
      // One pixel more: the canvas and the page round differently, and a cut letter is worse than a wide tag.
      width = this.pen.measureText(words).width + 1
      this.widths.set(words, width)
    }
    return width ?? 0
  }

  static override styles = [
    look,
    symbolStyle,
    css`
      :host {
        position: relative;
        overflow: hidden;
        border-radius: var(--radius);
        background: var(--surface-quiet);
        contain: strict;
      }
      .picture {
        position: absolute;
        top: 0;
        left: 0;
        overflow: hidden;
        border-radius: var(--radius);
      }
      video {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        object-fit: contain;
        transform: scaleX(-1);
      }
      .outlines {
        position: absolute;
        inset: 0;
        font-size: 1rem;
        font-weight: var(--weight-strong);
      }
      .outline,
      .tag {
        position: absolute;
        top: 0;
        left: 0;
      }
      .outline {
        border: 3px solid var(--on-picture);
        border-radius: 0.9rem;
        box-shadow:
          0 0 0 1.5px var(--picture-halo),
          inset 0 0 0 1.5px var(--picture-halo);
      }
      .outline[data-kind='here'] {
        border: 4px solid var(--on-picture-here);
      }
      .outline[data-kind='unknown'] {
        border-color: var(--on-picture-quiet);
        border-width: 2px;
      }
      .tag {
        display: flex;
        align-items: center;
        gap: 0.3rem;
        padding: 0 0.5rem;
        border-radius: var(--radius-small);
        background: var(--tag);
        color: var(--tag-ink);
        white-space: nowrap;
      }
      .tag[hidden] {
        display: none;
      }
      .tag[data-kind='here'] {
        background: var(--tag-here);
        color: var(--tag-here-ink);
      }
      .tag[data-kind='unknown'] {
        color: var(--on-picture-quiet);
      }
      .tag .symbol {
        width: 1.2rem;
        height: 1.2rem;
        stroke-width: 2.5;
      }
    `,
  ]
}

function wordsOf({ kind, name, hint }: OutlinedFace): string {
  if (kind === 'here') return name ?? ''
  if (kind === 'hint') return hint ? HINT_WORDS[hint] : ''
  return kind === 'unknown' ? 'Unknown' : ''
}

function tagWords({ kind, hint }: OutlinedFace, words: string): TemplateResult {
  const mark = kind === 'here' ? symbol('check') : hint ? symbol(hint) : ''
  return html`${mark}<span class="name" dir="auto">${words}</span>`
}

function moveTo({ style }: HTMLElement, { x, y, width, height }: Box): void {
  style.transform = `translate(${x}px, ${y}px)`
  style.width = `${width}px`
  style.height = `${height}px`
}

/** A browser pauses a video that is put into or taken out of a page; the camera behind it goes on, and so must its picture. */
function keepPlaying(video: HTMLVideoElement): void {
  setTimeout(() => {
    if (video.srcObject && video.paused) video.play().catch(() => undefined) // refused: the camera is closing
  })
}
