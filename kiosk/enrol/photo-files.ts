/**
 * `<photo-files>`: photo files, chosen or dropped, one after the other -> faces, which `take` may still refuse; what
 * was refused is listed with its reason. Fires `looking` (true, then false) and `vision-crashed`. Pictures go nowhere.
 */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { look } from '../staff/look.ts'
import type { PhotoFace } from '../vision/photo.ts'
import { chooseFace } from '../vision/photo.ts'
import { remedyOf } from '../vision/remedies.ts'
import type { Vision } from '../vision/vision.ts'
import { PictureUnreadable, copyPicture, readPicture } from './picture.ts'

/** @returns why the photo is not taken; undefined: it is. */
export type TakePhoto = (face: NonNullable<PhotoFace['face']>, picture: HTMLCanvasElement, name: string) => string | undefined

@customElement('photo-files')
export class PhotoFiles extends LitElement {
  static override styles = [
    look,
    css`
      .drop {
        position: relative;
        display: grid;
        place-items: center;
        gap: var(--space-1);
        text-align: center;
        padding: var(--space-8) var(--space-4);
        max-width: 34rem;
        border: 2px dashed var(--line-strong);
        border-radius: var(--radius);
        font-weight: 400;
      }
      .drop.over {
        border-color: var(--accent);
        background: var(--accent-soft);
        color: var(--accent-ink);
      }
      .drop b {
        color: var(--accent);
        text-decoration: underline;
      }
      .drop input {
        position: absolute;
        inset: 0;
        height: 100%;
        opacity: 0;
        cursor: pointer;
      }
      .drop:focus-within {
        outline: 3px solid var(--accent);
        outline-offset: 2px;
      }
      .refused {
        display: grid;
        gap: var(--space-2);
        margin-top: var(--space-3);
        max-width: 34rem;
      }
      .refused li {
        overflow-wrap: anywhere;
      }
    `,
  ]

  @property({ attribute: false }) vision: Vision | undefined
  @property({ attribute: false }) take!: TakePhoto
  @state() private refused: { name: string; why: string }[] = []
  /** The file that is looked at. */
  @state() private looking: string | undefined
  @state() private dragged = false

  private readonly pick = (event: Event): void => {
    const input = event.target as HTMLInputElement
    void this.lookAtFiles([...(input.files ?? [])])
    input.value = ''
  }

  private readonly dropped = (event: DragEvent): void => {
    event.preventDefault()
    this.dragged = false
    void this.lookAtFiles([...(event.dataTransfer?.files ?? [])])
  }

  private readonly dragOver = (event: DragEvent): void => {
    event.preventDefault()
    this.dragged = true
  }

  /** Each by itself: a bad one is named, and the others go on. */
  private async lookAtFiles(files: File[]): Promise<void> {
    const { vision } = this
    if (!vision || this.looking !== undefined) return
    this.refused = []
    this.tell('looking', true)
    try {
      for (const file of files) {
        this.looking = file.name
        const why = await this.lookAtFile(file, vision)
        if (why !== undefined) this.refused = [...this.refused, { name: file.name, why }]
      }
    } catch (error) {
      this.tell('vision-crashed', error)
    } finally {
      this.looking = undefined
      this.tell('looking', false)
    }
  }

  private tell(event: 'looking' | 'vision-crashed', detail: unknown): void {
    this.dispatchEvent(new CustomEvent(event, { detail, bubbles: true, composed: true }))
  }

  /** @returns why the photo is refused */
  private async lookAtFile(file: File, vision: Vision): Promise<string | undefined> {
    try {
      const bitmap = await readPicture(file)
      const picture = copyPicture(bitmap)
      const { face, reason } = chooseFace((await vision.lookAtPhoto(bitmap)).faces)
      return face ? this.take(face, picture, file.name) : remedyOf(reason)
    } catch (error) {
      if (error instanceof PictureUnreadable) return error.message
      throw error
    }
  }

  override render(): TemplateResult {
    return html`<label class="drop ${this.dragged ? 'over' : ''}" @dragover=${this.dragOver} @dragleave=${() => (this.dragged = false)} @drop=${this.dropped}>
        <span><b>Choose photos</b> or drop them here</span>
        <span class="soft small">One face each, from the front, sharp and well lit. They stay on this device.</span>
        <input type="file" accept="image/*" multiple ?disabled=${this.looking !== undefined} @change=${this.pick} />
      </label>
      <p class="small" role="status">${this.looking === undefined ? nothing : `Looking at ${this.looking}…`}</p>
      ${this.refused.length === 0
        ? nothing
        : html`<ul class="refused" role="alert">
            ${this.refused.map(({ name, why }) => html`<li class="note bad"><b>${name}</b>: ${why}</li>`)}
          </ul>`}`
  }
}
