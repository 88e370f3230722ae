/**
 * What the staff and the enrolment page share: nobody sees anything before the server has said who they
 * are, and a session that ended brings the sign-in back, in place, with the reason.
 */
import { LitElement, html, type TemplateResult, type nothing } from 'lit'
import { state } from 'lit/decorators.js'
import type { Session } from '#contract/people'
import { currentSession, signOut } from '../sync/office.ts'
import { problemNote, waiting } from './look.ts'
import { problemWords } from './wording.ts'
import './page-head.ts'
import './sign-in.ts'

type Who = { state: 'asking' } | { state: 'failed'; problem: string } | { state: 'nobody'; why: string | undefined } | { state: 'somebody'; session: Session }

export abstract class SignedInPage extends LitElement {
  @state() private who: Who = { state: 'asking' }

  protected abstract readonly where: 'office' | 'enrol'
  protected abstract renderFor(session: Session): TemplateResult
  /** Somebody is signed in, from now on. */
  protected enter(): void {}
  /** What must be let go of when nobody is signed in any more. */
  protected letGo(): void {}

  override connectedCallback(): void {
    super.connectedCallback()
    this.addEventListener('signed-out', this.sessionEnded)
    void this.askWho()
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.removeEventListener('signed-out', this.sessionEnded)
    this.letGo()
  }

  private readonly askWho = async (): Promise<void> => {
    this.who = { state: 'asking' }
    try {
      const session = await currentSession()
      if (session) this.welcome(session)
      else this.who = { state: 'nobody', why: undefined }
    } catch (error) {
      this.who = { state: 'failed', problem: problemWords(error) }
    }
  }

  private welcome(session: Session): void {
    this.who = { state: 'somebody', session }
    this.enter()
  }

  private readonly sessionEnded = (): void => {
    this.letGo()
    this.who = { state: 'nobody', why: 'Your session has ended. Sign in again; you will be back where you were.' }
  }

  private readonly leave = async (): Promise<void> => {
    try {
      await signOut()
      this.letGo()
      this.who = { state: 'nobody', why: undefined }
    } catch (error) {
      this.who = { state: 'failed', problem: `You are still signed in. ${problemWords(error)}` }
    }
  }

  override render() {
    const session = this.who.state === 'somebody' ? this.who.session : undefined
    return html`<page-head .session=${session} where=${this.where} @sign-out=${this.leave}></page-head>
      <main>${this.renderWho()}</main>`
  }

  private renderWho(): TemplateResult | typeof nothing {
    switch (this.who.state) {
      case 'asking':
        return waiting('One moment…')
      case 'failed':
        return problemNote(this.who.problem, this.askWho)
      case 'nobody':
        return html`<sign-in .why=${this.who.why} @signed-in=${(event: CustomEvent<Session>) => this.welcome(event.detail)}></sign-in>`
      case 'somebody':
        return this.renderFor(this.who.session)
    }
  }
}

/** Says that the session has ended: the page around shows the sign-in. */
export function tellSignedOut(element: HTMLElement): void {
  element.dispatchEvent(new CustomEvent('signed-out', { bubbles: true, composed: true }))
}
