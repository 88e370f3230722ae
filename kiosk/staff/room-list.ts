/** `<room-list>`: the rooms, what each kiosk does about pictures held before its camera, and the code that makes a device a room's kiosk. The office decides, a teacher reads. */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import type { LivenessPolicy } from '#contract/device'
import type { Session } from '#contract/people'
import type { Room } from '#contract/rooms'
import { isSignedOut, rooms, saveRoom } from '../sync/office.ts'
import { look, problemNote, waiting } from './look.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { problemWords } from './wording.ts'
import './pairing-code.ts'

const POLICIES: readonly { policy: LivenessPolicy; word: string; what: string }[] = [
  { policy: 'off', word: 'Off', what: 'A face is enough. A photo held up may be marked.' },
  { policy: 'watch', word: 'Watch', what: 'Students are marked at once; what looks like a picture is flagged in the register.' },
  { policy: 'require', word: 'Require', what: 'Nobody is marked before the face has shown that it lives. Who is in doubt is asked to turn the head.' },
]

@customElement('room-list')
export class RoomList extends LitElement {
  static override styles = [
    look,
    css`
      ul {
        display: grid;
        gap: 0.75rem;
      }
      li {
        padding: 1rem;
        display: grid;
        grid-template-columns: 1fr auto;
        gap: 0.5rem 1.5rem;
        align-items: center;
      }
      .name {
        font-weight: 650;
        overflow-wrap: anywhere;
      }
      .what {
        grid-column: 1 / -1;
      }
      .choices {
        display: flex;
      }
      .choices button {
        border-radius: 0;
        margin-left: -1px;
      }
      .choices button:first-child {
        border-radius: var(--radius-small) 0 0 var(--radius-small);
      }
      .choices button:last-child {
        border-radius: 0 var(--radius-small) var(--radius-small) 0;
      }
      @media (max-width: 36rem) {
        li {
          grid-template-columns: 1fr;
        }
        .choices button {
          flex: 1;
        }
      }
    `,
  ]

  @property({ attribute: false }) session: Session | undefined
  @state() private known: Room[] | undefined
  @state() private problem: string | undefined
  /** The room whose policy is on its way to the server. */
  @state() private saving: string | undefined

  override connectedCallback(): void {
    super.connectedCallback()
    void this.load()
  }

  private readonly load = async (): Promise<void> => {
    try {
      this.known = await rooms()
      this.problem = undefined
    } catch (error) {
      this.fail(error)
    }
  }

  private fail(error: unknown): void {
    if (isSignedOut(error)) tellSignedOut(this)
    else this.problem = problemWords(error)
  }

  private async set(room: Room, liveness: LivenessPolicy): Promise<void> {
    if (this.saving !== undefined || room.liveness === liveness) return
    this.saving = room.room_id
    try {
      const saved = await saveRoom(room.room_id, { liveness })
      this.known = this.known?.map((one) => (one.room_id === saved.room_id ? saved : one))
      this.problem = undefined
    } catch (error) {
      this.fail(error)
    } finally {
      this.saving = undefined
    }
  }

  override render() {
    return html`<h1>Rooms</h1>
      <p class="intro soft">
        What each room's kiosk does about a photo or a screen held before its camera. A kiosk obeys within a minute. No check made by one camera is
        perfect: a film played on a screen that stands still can pass.
      </p>
      ${problemNote(this.problem, this.load)}
      ${this.known ? this.renderRooms(this.known) : this.problem === undefined ? waiting('Loading the rooms…') : nothing}`
  }

  private renderRooms(known: readonly Room[]): TemplateResult {
    if (known.length === 0) return html`<div class="note"><p>The school has no rooms yet.</p></div>`
    return html`<ul>
      ${repeat(
        known,
        ({ room_id }) => room_id,
        (room) => html`<li class="card">${this.renderRoom(room)}</li>`,
      )}
    </ul>`
  }

  private renderRoom(room: Room): TemplateResult {
    const chosen = POLICIES.find(({ policy }) => policy === room.liveness)
    return html`<span>
        <span class="name">${room.name}</span><br />
        <span class="soft small">${[room.room_id, room.building, kiosksWords(room.kiosks)].filter((part) => part !== '').join(' · ')}</span>
      </span>
      ${this.session?.role === 'office'
        ? html`<div class="choices" role="group" aria-label="Check for pictures in ${room.name}">
            ${POLICIES.map(
              ({ policy, word }) =>
                html`<button class=${policy === room.liveness ? 'main' : ''} aria-pressed=${policy === room.liveness} ?disabled=${this.saving === room.room_id} @click=${() => this.set(room, policy)}>
                  ${word}
                </button>`,
            )}
          </div>`
        : html`<b>${chosen?.word}</b>`}
      <p class="what soft small" role="status">${chosen?.what}</p>
      ${this.session?.role === 'office' ? html`<pairing-code class="what" label="Pair a kiosk…" of="for ${room.name}" .roomId=${room.room_id}></pairing-code>` : nothing}`
  }
}

const kiosksWords = (count: number): string => (count === 0 ? 'no kiosk' : count === 1 ? '1 kiosk' : `${count} kiosks`)
