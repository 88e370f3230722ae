/** `<my-account>`: one's own password and second factor. Keeps nothing that was typed; a secret and recovery codes are shown once. */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, state } from 'lit/decorators.js'
import { MIN_PASSWORD_LENGTH, type Account, type SecondFactorStart } from '#contract/account'
import { beginSecondFactor, changePassword, confirmSecondFactor, isSignedOut, myAccount, removeSecondFactor } from '../sync/office.ts'
import { Refused } from '../sync/request.ts'
import { look, problemNote, waiting } from './look.ts'
import { ROLE_WHAT, ROLE_WORD } from './role-words.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { problemWords } from './wording.ts'

/** What a refused field is to its form. */
const FIELD_WORDS: Readonly<Record<string, string>> = {
  password_now: 'This is not your present password.',
  code: 'This code is not right. Each works once and for half a minute: type the one that the app shows now.',
}

@customElement('my-account')
export class MyAccountPage extends LitElement {
  static override styles = [
    look,
    css`
      section {
        padding: var(--space-4);
        margin: var(--space-4) 0;
        display: grid;
        gap: var(--space-3);
      }
      form {
        display: grid;
        gap: var(--space-3);
        max-width: 24rem;
      }
      label {
        display: grid;
        gap: var(--space-1);
      }
      .setup {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-4);
      }
      img {
        width: 12rem;
        height: 12rem;
        border-radius: var(--radius-small);
        background: white;
      }
      .setup > div {
        flex: 1 1 16rem;
        display: grid;
        gap: var(--space-3);
        align-content: start;
      }
      code {
        font-size: 1.05rem;
        overflow-wrap: anywhere;
      }
      .codes {
        margin-top: var(--space-3);
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr));
        gap: var(--space-2);
        font: 1.05rem/1.6 monospace;
      }
    `,
  ]

  @state() private account: Account | undefined
  @state() private problem: string | undefined
  /** What went wrong, or right, with which form. */
  @state() private said: { form: 'password' | 'factor'; good: boolean; words: string } | undefined
  @state() private busy = false
  @state() private begun: SecondFactorStart | undefined
  @state() private recoveryCodes: string[] | undefined

  override connectedCallback(): void {
    super.connectedCallback()
    void this.load()
  }

  private readonly load = async (): Promise<void> => {
    this.problem = undefined
    try {
      this.account = await myAccount()
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problem = problemWords(error)
    }
  }

  /** @returns whether it was done; the form is empty then. */
  private async do(form: 'password' | 'factor', event: SubmitEvent, work: (typed: (name: string) => string) => Promise<string>): Promise<void> {
    event.preventDefault()
    if (this.busy) return
    const element = event.currentTarget as HTMLFormElement
    const fields = new FormData(element)
    this.busy = true
    this.said = undefined
    try {
      const words = await work((name) => String(fields.get(name) ?? ''))
      element.reset()
      if (words !== '') this.said = { form, good: true, words }
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.said = { form, good: false, words: wordsOf(error) }
    } finally {
      this.busy = false
    }
  }

  private readonly savePassword = (event: SubmitEvent): Promise<void> =>
    this.do('password', event, async (typed) => {
      if (typed('password') !== typed('again')) throw new Typed('The new password and its repetition differ.')
      this.account = await changePassword({ password_now: typed('password_now'), password: typed('password') })
      return 'Your password is changed. Everybody else who was signed in with the old one no longer is.'
    })

  private readonly begin = (event: SubmitEvent): Promise<void> =>
    this.do('factor', event, async (typed) => {
      this.begun = await beginSecondFactor(typed('password_now'))
      return ''
    })

  private readonly confirm = (event: SubmitEvent): Promise<void> =>
    this.do('factor', event, async (typed) => {
      const { recovery_codes, account } = await confirmSecondFactor(typed('code'))
      this.begun = undefined
      this.recoveryCodes = recovery_codes
      this.account = account
      return ''
    })

  private readonly removeFactor = (event: SubmitEvent): Promise<void> =>
    this.do('factor', event, async (typed) => {
      this.account = await removeSecondFactor(typed('password_now'), typed('code'))
      this.recoveryCodes = undefined
      return 'The second factor is removed: name and password are enough again.'
    })

  override render() {
    const { account } = this
    if (!account) return this.problem === undefined ? waiting('Loading your account…') : problemNote(this.problem, this.load)
    return html`<h1>My account</h1>
      <p class="soft"><b>${account.username}</b> · ${ROLE_WORD[account.role]}: ${ROLE_WHAT[account.role]}</p>
      ${account.has_password
        ? html`${this.renderPassword(account)} ${this.renderFactor(account)}`
        : html`<p class="note">You sign in by the school's own login: password and second factor are kept there.</p>`}`
  }

  private renderSaid(form: 'password' | 'factor'): TemplateResult {
    const said = this.said?.form === form ? this.said : undefined
    return html`<div aria-live="polite">${said ? html`<p class="note ${said.good ? 'good' : 'bad'}">${said.words}</p>` : nothing}</div>`
  }

  private renderPassword({ username }: Account): TemplateResult {
    return html`<section class="card" aria-labelledby="password">
      <h2 id="password">Password</h2>
      <form @submit=${this.savePassword}>
        <input name="username" autocomplete="username" .value=${username} hidden />
        <label>Present password <input name="password_now" type="password" autocomplete="current-password" required maxlength="200" /></label>
        <label>New password, at least ${MIN_PASSWORD_LENGTH} characters <input name="password" type="password" autocomplete="new-password" required minlength=${MIN_PASSWORD_LENGTH} maxlength="200" /></label>
        <label>New password again <input name="again" type="password" autocomplete="new-password" required maxlength="200" /></label>
        <p><button class="main" ?disabled=${this.busy}>Change password</button></p>
      </form>
      ${this.renderSaid('password')}
    </section>`
  }

  private renderFactor({ second_factor, recovery_codes_left }: Account): TemplateResult {
    return html`<section class="card" aria-labelledby="factor">
      <div class="row">
        <h2 id="factor">Second factor</h2>
        <span class="pill ${second_factor ? 'present' : 'expected'}">${second_factor ? 'on' : 'off'}</span>
      </div>
      ${this.recoveryCodes ? this.renderRecovery(this.recoveryCodes) : nothing}
      ${second_factor
        ? html`<p class="soft">
              Signing in asks for the code that your app shows, too. ${recovery_codes_left === 0 ? 'No recovery code is left' : `${recovery_codes_left} recovery ${recovery_codes_left === 1 ? 'code is' : 'codes are'} left`} for a lost
              phone.
            </p>
            <form @submit=${this.removeFactor}>
              <label>Present password <input name="password_now" type="password" autocomplete="current-password" required maxlength="200" /></label>
              <label>Code of the app, or a recovery code <input name="code" autocomplete="one-time-code" required maxlength="40" /></label>
              <p><button class="danger" ?disabled=${this.busy}>Remove the second factor</button></p>
            </form>`
        : this.begun
          ? this.renderSetup(this.begun)
          : html`<p class="soft">A code of an app on your phone, asked for beside the password: whoever learns the password alone does not get in.</p>
              <form @submit=${this.begin}>
                <label>Present password <input name="password_now" type="password" autocomplete="current-password" required maxlength="200" /></label>
                <p><button class="main" ?disabled=${this.busy}>Set up…</button></p>
              </form>`}
      ${this.renderSaid('factor')}
    </section>`
  }

  private renderSetup({ secret, qr_svg }: SecondFactorStart): TemplateResult {
    return html`<div class="setup">
      <img alt="QR code for the authenticator app" src=${`data:image/svg+xml,${encodeURIComponent(qr_svg)}`} />
      <div>
        <p>1. Scan this with an authenticator app, or type the key into it:<br /><code>${secret.match(/.{1,4}/g)?.join(' ')}</code></p>
        <form @submit=${this.confirm}>
          <label>2. The code that the app shows <input name="code" inputmode="numeric" autocomplete="one-time-code" required maxlength="40" /></label>
          <p class="row">
            <button class="main" ?disabled=${this.busy}>Turn on</button>
            <button type="button" @click=${() => (this.begun = undefined)}>Cancel</button>
          </p>
        </form>
      </div>
    </div>`
  }

  private renderRecovery(codes: readonly string[]): TemplateResult {
    return html`<div class="note warn">
      <p>Should the phone be lost, each of these codes stands in for one code of the app, once. They are shown only now: print them, or write them down.</p>
      <ul class="codes">
        ${codes.map((code) => html`<li>${code}</li>`)}
      </ul>
      <p class="row">
        <button @click=${() => print()}>Print</button>
        <button @click=${() => (this.recoveryCodes = undefined)}>I have them</button>
      </p>
    </div>`
  }
}

/** A fault that needs no server to be seen. */
class Typed extends Error {}

function wordsOf(error: unknown): string {
  if (error instanceof Typed) return error.message
  const field = error instanceof Refused ? error.problem.errors?.[0]?.field : undefined
  return (field === undefined ? undefined : FIELD_WORDS[field]) ?? problemWords(error)
}
