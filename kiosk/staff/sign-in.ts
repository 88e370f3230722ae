/** `<sign-in>`: name and password, and a code where the account wants one; or the school's own login. Fires `signed-in` with the session; keeps nothing. */
import { LitElement, css, html, nothing, type PropertyValues } from 'lit'
import { customElement, property, query, state } from 'lit/decorators.js'
import { SignInFault } from '#contract/account'
import type { Session } from '#contract/people'
import { SCHOOL_LOGIN, signIn, signInWays } from '../sync/office.ts'
import { Refused } from '../sync/request.ts'
import { look } from './look.ts'
import { problemWords } from './wording.ts'

@customElement('sign-in')
export class SignInForm extends LitElement {
  static override styles = [
    look,
    css`
      form {
        max-width: 24rem;
        margin: clamp(1rem, 8vh, 6rem) auto 2rem;
        padding: 1.5rem;
        display: grid;
        gap: 1rem;
      }
      label {
        display: grid;
        gap: 0.3rem;
      }
      .secret {
        position: relative;
        display: block;
      }
      .secret input {
        padding-right: 5rem;
      }
      .secret button {
        position: absolute;
        right: 0;
        top: 0;
      }
    `,
  ]

  /** Why one has to sign in, when it is not plain. */
  @property({ attribute: false }) why: string | undefined

  @state() private busy = false
  @state() private problem: string | undefined
  /** Seconds until another try is allowed. */
  @state() private waitSeconds = 0
  @state() private shown = false
  /** The password was right, and the account has a second factor. */
  @state() private wantsCode = false
  @state() private schoolLogin = false
  @query('input[name=username]') private username!: HTMLInputElement
  @query('input[name=password]') private password!: HTMLInputElement
  @query('input[name=code]') private code!: HTMLInputElement | null
  private ticking: ReturnType<typeof setInterval> | undefined

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    clearInterval(this.ticking)
  }

  override firstUpdated(): void {
    this.username.focus()
    this.problem = faultWords()
    // Where it cannot be asked, name and password are there all the same.
    signInWays().then(
      ({ school_login }) => (this.schoolLogin = school_login),
      () => {},
    )
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault()
    if (this.busy || this.waitSeconds > 0) return
    const username = this.username.value.trim()
    const password = this.password.value
    if (username === '' || password === '') {
      this.problem = username === '' ? 'Type your name.' : 'Type your password.'
      ;(username === '' ? this.username : this.password).focus()
      return
    }
    this.busy = true
    this.problem = undefined
    try {
      const session: Session = await signIn(username, password, this.wantsCode ? (this.code?.value ?? '') : undefined)
      this.password.value = ''
      this.wantsCode = false
      this.dispatchEvent(new CustomEvent('signed-in', { detail: session }))
    } catch (error) {
      this.refuse(error)
    } finally {
      this.busy = false
    }
  }

  override updated(changed: PropertyValues): void {
    if (changed.has('wantsCode') && this.wantsCode) this.code?.focus()
  }

  private refuse(error: unknown): void {
    if (error instanceof Refused && error.problem.code === 'too_many_requests') {
      this.wait(Math.max(1, Math.ceil(error.retryAfterSeconds ?? 30)))
      return
    }
    if (error instanceof Refused && (error.problem.code === 'second_factor' || error.problem.errors?.[0]?.field === 'code')) {
      this.problem = this.wantsCode ? 'This code is not right. Each works once and for half a minute: type the one that the app shows now, or a recovery code.' : undefined
      this.wantsCode = true
      return
    }
    this.wantsCode = false
    this.problem =
      error instanceof Refused && error.problem.code === 'unauthorized' ? 'This name and password do not belong together. Check both, and Caps Lock.' : problemWords(error)
    this.password.select()
  }

  private wait(seconds: number): void {
    this.waitSeconds = seconds
    clearInterval(this.ticking)
    this.ticking = setInterval(() => {
      this.waitSeconds -= 1
      if (this.waitSeconds <= 0) clearInterval(this.ticking)
    }, 1000)
  }

  override render() {
    return html`<form class="card" @submit=${this.submit} novalidate>
      <h1>Sign in</h1>
      ${this.why === undefined ? nothing : html`<p class="note warn">${this.why}</p>`}
      <label>Name <input name="username" autocomplete="username" autocapitalize="none" spellcheck="false" /></label>
      <div>
        <label for="password">Password</label>
        <span class="secret">
          <input id="password" name="password" type=${this.shown ? 'text' : 'password'} autocomplete="current-password" />
          <button type="button" class="quiet" aria-pressed=${this.shown} @click=${() => (this.shown = !this.shown)}>
            ${this.shown ? 'Hide' : 'Show'}<span class="hidden-words"> the password</span>
          </button>
        </span>
      </div>
      ${this.wantsCode
        ? html`<label>Code of your second factor <input name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="40" /></label>`
        : nothing}
      <div aria-live="assertive">
        ${this.waitSeconds > 0
          ? html`<p class="note warn numbers">Too many tries. To keep guessers out, the next one is allowed in ${waitWords(this.waitSeconds)}.</p>`
          : this.problem === undefined
            ? nothing
            : html`<p class="note bad">${this.problem}</p>`}
      </div>
      <button class="main" ?disabled=${this.busy || this.waitSeconds > 0}>${this.busy ? 'Signing in…' : 'Sign in'}</button>
      ${this.schoolLogin ? html`<a class="button" href=${SCHOOL_LOGIN}>Sign in with the school’s own login</a>` : nothing}
      <p class="soft small">The office’s first password was printed where the server was started for the first time.</p>
      <p class="soft small"><a href="/retention-schedule">How long this school keeps what</a></p>
    </form>`
  }
}

function waitWords(seconds: number): string {
  if (seconds < 90) return `${seconds} ${seconds === 1 ? 'second' : 'seconds'}`
  return `${Math.ceil(seconds / 60)} minutes`
}

const FAULT_WORDS: Readonly<Record<SignInFault, string>> = {
  away: 'The school’s own login does not answer. Try again in a while, or sign in with name and password.',
  refused: 'The school’s own login did not let you in. Try again.',
  too_late: 'That took too long, or was begun in another window. Try again.',
  no_account: 'The school’s own login knows you, but you have no account here. Ask the office for one.',
  disabled: 'Your account here is disabled. Ask the office.',
  role: 'The school’s own login says that you are something else than your account here. Ask the office.',
}

/** Why the school's own login sent somebody back; said once, and gone from the address. */
function faultWords(): string | undefined {
  const fault = SignInFault.safeParse(new URLSearchParams(location.search).get('sign-in'))
  if (!fault.success) return undefined
  history.replaceState(null, '', location.pathname + location.hash)
  return FAULT_WORDS[fault.data]
}
