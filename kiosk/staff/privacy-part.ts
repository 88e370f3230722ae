/** What the privacy officer's screens share: they ask, show what came, and say what went wrong. Knows no question and no answer. */
import { LitElement, css, nothing, type TemplateResult } from 'lit'
import { state } from 'lit/decorators.js'
import { isSignedOut } from '../sync/office.ts'
import { look, problemNote, waiting } from './look.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { problemWords } from './wording.ts'

export abstract class PrivacyPart<Known> extends LitElement {
  static override styles = [
    look,
    css`
      .scroll {
        overflow-x: auto;
      }
      table {
        border-collapse: collapse;
        width: 100%;
      }
      th,
      td {
        text-align: left;
        vertical-align: top;
        padding: 0.4rem 0.8rem 0.4rem 0;
        border-bottom: 1px solid var(--line);
      }
      form {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-3);
        align-items: end;
        margin-bottom: var(--space-4);
      }
      .stack {
        display: grid;
        gap: var(--space-4);
      }
      .stack > .card {
        padding: var(--space-4);
        display: grid;
        gap: var(--space-3);
        justify-items: start;
      }
      blockquote {
        margin: 0;
        padding-left: var(--space-3);
        border-left: 3px solid var(--line-strong);
        overflow-wrap: anywhere;
        white-space: pre-line;
      }
      textarea {
        width: 100%;
        min-height: 8rem;
      }
    `,
  ]

  @state() protected known: Known | undefined
  @state() protected problem: string | undefined
  @state() protected busy = false

  protected abstract ask(): Promise<Known>
  protected abstract show(known: Known): TemplateResult

  override connectedCallback(): void {
    super.connectedCallback()
    void this.load()
  }

  protected readonly load = async (): Promise<void> => {
    await this.attempt(async () => (this.known = await this.ask()))
  }

  /** As `load`, for a person who waits for it: what went wrong before leaves the screen at once. */
  protected readonly again = (): Promise<void> => {
    this.problem = undefined
    return this.load()
  }

  /** @returns whether it went well; what went wrong is on the screen. */
  protected async attempt(work: () => Promise<unknown>): Promise<boolean> {
    this.busy = true
    try {
      await work()
      this.problem = undefined
      return true
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problem = problemWords(error)
      return false
    } finally {
      this.busy = false
    }
  }

  protected shown(meanwhile = 'Loading…'): (TemplateResult | typeof nothing)[] {
    return [problemNote(this.problem, this.again), this.known === undefined ? (this.problem === undefined ? waiting(meanwhile) : nothing) : this.show(this.known)]
  }
}
