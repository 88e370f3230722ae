/** `<set-aside-list>`: for the office: the records that could not be taken, each with its reason in plain words, to be recorded after all or dismissed. */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import type { Session } from '#contract/people'
import type { RecordRequest, SetAside } from '#contract/set-aside'
import { dismissSetAside, isSignedOut, recordSetAside, setAside } from '../sync/office.ts'
import { look, problemNote, waiting } from './look.ts'
import { hashOf } from './route.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { whoWords } from './kiosk-wording.ts'
import { problemWords } from './wording.ts'
import './set-aside-card.ts'

@customElement('set-aside-list')
export class SetAsideList extends LitElement {
  static override styles = [
    look,
    css`
      ul {
        display: grid;
        gap: var(--space-3);
      }
      .note {
        margin-bottom: var(--space-4);
      }
      .older {
        margin-top: var(--space-4);
      }
    `,
  ]

  @property({ attribute: false }) session!: Session
  @state() private entries: SetAside[] | undefined
  @state() private open = 0
  @state() private timeZone = 'UTC'
  @state() private problem: string | undefined
  @state() private problems = new Map<number, string>()
  /** The record whose closing is on its way to the server. */
  @state() private busy: number | undefined
  @state() private announcement = ''

  override connectedCallback(): void {
    super.connectedCallback()
    if (this.session.role === 'office') void this.load()
  }

  private readonly load = (): Promise<void> => this.page(undefined)

  private readonly older = (): Promise<void> => this.page(this.entries?.at(-1)?.set_aside_id)

  private async page(before: number | undefined): Promise<void> {
    this.problem = undefined
    try {
      const { entries, open, time_zone } = await setAside(before)
      this.entries = before === undefined ? entries : [...(this.entries ?? []), ...entries]
      this.open = open
      this.timeZone = time_zone
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problem = problemWords(error)
    }
  }

  private async close({ set_aside_id: id, says }: SetAside, work: () => Promise<string>): Promise<void> {
    this.busy = id
    this.problems = new Map([...this.problems].filter(([other]) => other !== id))
    try {
      this.announcement = `${whoWords(says)}: ${await work()}.`
      this.entries = this.entries?.filter((entry) => entry.set_aside_id !== id)
      this.open -= 1
      await this.updateComplete
      // The button that was pressed is gone with its record.
      this.renderRoot.querySelector<HTMLElement>('h1')?.focus()
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problems = new Map(this.problems).set(id, problemWords(error))
    } finally {
      this.busy = undefined
    }
  }

  private record(entry: SetAside, change: RecordRequest): Promise<void> {
    return this.close(entry, async () => ((await recordSetAside(entry.set_aside_id, change)).outcome === 'stored' ? 'recorded' : 'was marked in that lesson already'))
  }

  private dismiss(entry: SetAside): Promise<void> {
    return this.close(entry, async () => {
      await dismissSetAside(entry.set_aside_id)
      return 'dismissed'
    })
  }

  override render(): TemplateResult {
    if (this.session.role !== 'office') return html`<h1>Set aside</h1><p class="note">What was set aside is for the office to decide: sign in as the office.</p>`
    return html`<a class="back" href=${hashOf({ view: 'kiosks' })}>‹ Kiosks</a>
      <h1 tabindex="-1">Set aside</h1>
      <p class="intro soft">Records that could not be taken as they came. Nothing of them is in a register until you record them here. What you record or dismiss stays on file, with your name.</p>
      <div role="status">${this.announcement === '' ? nothing : html`<p class="note good">${this.announcement}</p>`}</div>
      ${problemNote(this.problem, this.load)}
      ${this.entries ? this.renderEntries(this.entries) : this.problem === undefined ? waiting('Loading what is set aside…') : nothing}`
  }

  private renderEntries(entries: readonly SetAside[]): TemplateResult {
    if (entries.length === 0 && this.open <= 0) return html`<p class="note">Nothing is set aside.</p>`
    return html`<ul aria-label="Records set aside">
        ${repeat(
          entries,
          ({ set_aside_id }) => set_aside_id,
          (entry) => html`<li>
            <set-aside-card
              .entry=${entry}
              .timeZone=${this.timeZone}
              .busy=${this.busy === entry.set_aside_id}
              .problem=${this.problems.get(entry.set_aside_id)}
              @record=${(event: CustomEvent<RecordRequest>) => this.record(entry, event.detail)}
              @dismiss=${() => this.dismiss(entry)}
            ></set-aside-card>
          </li>`,
        )}
      </ul>
      ${entries.length < this.open ? html`<p class="older"><button @click=${entries.length === 0 ? this.load : this.older}>Show older ones (${this.open - entries.length} more)</button></p>` : nothing}`
  }
}
