/** `<sign-in>`: name and password. Fires `signed-in` with the session; keeps neither. */
import { LitElement, css, html, nothing } from 'lit'
import { customElement, property, query, state } from 'lit/decorators.js'
import type { Session } from '#contract/people'
import { signIn } from '../sync/office.ts'
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
  @query('input[name=username]') private username!: HTMLInputElement
  @query('input[name=password]') private password!: HTMLInputElement
  private ticking: ReturnType<typeof setInterval> | undefined

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    clearInterval(this.ticking)
  }

  override firstUpdated(): void {
    this.username.focus()
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
      const session: Session = await signIn(username, password)
      this.password.value = ''
      this.dispatchEvent(new CustomEvent('signed-in', { detail: session }))
    } catch (error) {
      this.refuse(error)
    } finally {
      this.busy = false
    }
  }

  private refuse(error: unknown): void {
    if (error instanceof Refused && error.problem.code === 'too_many_requests') {
      this.wait(Math.max(1, Math.ceil(error.retryAfterSeconds ?? 30)))
      return
    }
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
      <div aria-live="assertive">
        ${this.waitSeconds > 0
          ? html`<p class="note warn numbers">Too many tries. To keep guessers out, the next one is allowed in ${waitWords(this.waitSeconds)}.</p>`
          : this.problem === undefined
            ? nothing
            : html`<p class="note bad">${this.problem}</p>`}
      </div>
      <button class="main" ?disabled=${this.busy || this.waitSeconds > 0}>${this.busy ? 'Signing in…' : 'Sign in'}</button>
      <p class="soft small">The office’s first password was printed where the server was started for the first time.</p>
    </form>`
  }
}

function waitWords(seconds: number): string {
  if (seconds < 90) return `${seconds} ${seconds === 1 ? 'second' : 'seconds'}`
  return `${Math.ceil(seconds / 60)} minutes`
}
