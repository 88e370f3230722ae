/**
 * `<account-list>`: who may sign in, for the office: new accounts, what each may do and teaches, new passwords, disabled ones.
 * A password is told once, when it is made: it stands here until the page is left.
 */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import type { Account, AccountRequest, Accounts, NewAccount } from '#contract/account'
import { AccountRole, type Course, type Session, type Student } from '#contract/people'
import { accounts, courses, endSessionsOf, isSignedOut, makeAccount, removeFactorOf, renewPassword, saveAccount, students } from '../sync/office.ts'
import { look, problemNote, waiting } from './look.ts'
import { ROLE_WHAT, ROLE_WORD } from './role-words.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { problemWords } from './wording.ts'
import './asked-twice.ts'

/** From so many on, a field to find one. */
const FIND_FROM = 9

@customElement('account-list')
export class AccountList extends LitElement {
  static override styles = [
    look,
    css`
      .find {
        max-width: 24rem;
        margin: var(--space-4) 0;
      }
      .add {
        margin: var(--space-4) 0;
      }
      ul.list > li + li {
        border-top: 1px solid var(--line);
      }
      ul.list > li {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        gap: var(--space-1) var(--space-4);
        align-items: center;
        padding: var(--space-3);
      }
      .who {
        overflow-wrap: anywhere;
      }
      .whole {
        grid-column: 1 / -1;
      }
      form {
        display: grid;
        gap: var(--space-3);
        max-width: 34rem;
      }
      form.card {
        padding: var(--space-4);
        margin: var(--space-4) 0;
      }
      form label {
        display: grid;
        gap: var(--space-1);
      }
      fieldset {
        border: 0;
        margin: 0;
        padding: 0;
      }
      legend {
        padding: 0;
        font-weight: 600;
      }
      .courses {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr));
      }
      .courses label {
        display: flex;
        align-items: center;
        gap: var(--space-2);
        min-height: var(--touch);
        font-weight: 400;
      }
      .told b {
        font-size: 1.3rem;
        letter-spacing: 0.04em;
      }
      @media (max-width: 40rem) {
        ul.list > li {
          grid-template-columns: minmax(0, 1fr);
        }
      }
    `,
  ]

  @property({ attribute: false }) session!: Session
  @state() private answer: Accounts | undefined
  @state() private courses: Course[] = []
  @state() private students: Student[] = []
  @state() private problem: string | undefined
  /** The form that is open: a new account's, or the account's of this number. */
  @state() private open: 'new' | number | undefined
  /** What is chosen in it, because other fields follow from it. */
  @state() private chosenRole: AccountRole = 'teacher'
  /** What went wrong with it. */
  @state() private fault: string | undefined
  /** The last password made, told this once. */
  @state() private told: { username: string; password: string } | undefined
  @state() private busy = false
  @state() private wanted = ''
  @state() private announcement = ''

  override connectedCallback(): void {
    super.connectedCallback()
    if (this.session.role === 'office') void this.load()
  }

  private readonly load = async (): Promise<void> => {
    this.problem = undefined
    try {
      const [answer, all, everybody] = await Promise.all([accounts(), courses(), students()])
      this.courses = all
      this.students = everybody
      this.answer = answer
    } catch (error) {
      this.fail(error)
    }
  }

  private fail(error: unknown): void {
    if (isSignedOut(error)) tellSignedOut(this)
    else if (this.open === undefined) this.problem = problemWords(error)
    else this.fault = problemWords(error)
  }

  /** @returns whether it was done. */
  private async do(work: () => Promise<Account | NewAccount>, words: string): Promise<boolean> {
    if (this.busy || !this.answer) return false
    this.busy = true
    this.fault = undefined
    this.problem = undefined
    try {
      const done = await work()
      const account = 'account' in done ? done.account : done
      if ('account' in done && done.password !== null) this.told = { username: account.username, password: done.password }
      const others = this.answer.accounts.filter(({ account_id }) => account_id !== account.account_id)
      this.answer = { ...this.answer, accounts: [...others, account].sort((a, b) => a.username.localeCompare(b.username)) }
      this.announcement = words
      this.open = undefined
      return true
    } catch (error) {
      this.fail(error)
      return false
    } finally {
      this.busy = false
    }
  }

  private openForm(which: 'new' | number, role: AccountRole): void {
    this.open = this.open === which ? undefined : which
    this.chosenRole = role
    this.fault = undefined
  }

  private readonly add = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const username = String(form.get('username') ?? '').trim()
    const sign_in = form.get('sign_in') === 'school' ? 'school' : 'password'
    await this.do(() => makeAccount({ username, sign_in, ...this.typed(form) }), `The account ${username} is made.`)
  }

  private async change(event: SubmitEvent, { account_id, username, disabled_at }: Account): Promise<void> {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    await this.do(() => saveAccount(account_id, { ...this.typed(form), disabled: disabled_at !== null }), `The account ${username} is changed.`)
  }

  private typed(form: FormData): Omit<AccountRequest, 'disabled'> {
    const email = String(form.get('email') ?? '').trim()
    const student = String(form.get('student_id') ?? '').trim()
    return {
      role: this.chosenRole,
      email: email === '' ? null : email,
      student_id: this.chosenRole === 'student' ? student : null,
      course_ids: this.chosenRole === 'teacher' ? form.getAll('course').map(String) : [],
    }
  }

  private able({ account_id, username, role, email, student_id, course_ids }: Account, disabled: boolean): Promise<boolean> {
    return this.do(() => saveAccount(account_id, { role, email, student_id, course_ids, disabled }), `The account ${username} is ${disabled ? 'disabled' : 'enabled'}.`)
  }

  override render() {
    if (this.session.role !== 'office') return html`<h1>Accounts</h1><p class="note">Accounts are kept by the office: sign in as the office.</p>`
    const { answer } = this
    return html`<h1>Accounts</h1>
      <p class="intro soft">Who may sign in, and as what. Disabling an account, or giving it another role, ends everything it has open at once.</p>
      ${problemNote(this.problem, this.answer ? undefined : this.load)}
      ${this.told
        ? html`<div class="note warn told">
            <p>Password of ${this.told.username}, shown only now: <b class="numbers">${this.told.password}</b></p>
            <p class="row"><button @click=${() => (this.told = undefined)}>Done</button></p>
          </div>`
        : nothing}
      ${answer ? this.renderAll(answer) : this.problem === undefined ? waiting('Loading the accounts…') : nothing}
      <div class="hidden-words" aria-live="polite">${this.announcement}</div>`
  }

  private renderAll({ accounts: all, school_login }: Accounts): TemplateResult {
    const word = this.wanted.toLowerCase()
    const listed = all.filter(({ username, email, student_id, role }) => [username, email, student_id, ROLE_WORD[role]].some((text) => text?.toLowerCase().includes(word)))
    return html`<p class="add"><button class=${this.open === 'new' ? '' : 'main'} aria-expanded=${this.open === 'new'} @click=${() => this.openForm('new', 'teacher')}>New account…</button></p>
      ${this.open === 'new' ? this.renderNew(school_login) : nothing}
      ${all.length < FIND_FROM ? nothing : html`<label class="find">Find <input type="search" .value=${this.wanted} @input=${(event: InputEvent) => (this.wanted = (event.target as HTMLInputElement).value.trim())} /></label>`}
      <ul class="card list">
        ${repeat(
          listed,
          ({ account_id }) => account_id,
          (account) => this.renderAccount(account),
        )}
      </ul>
      ${listed.length === 0 ? html`<p class="note">No account is found.</p>` : nothing}`
  }

  private renderNew(schoolLogin: boolean): TemplateResult {
    return html`<form class="card" @submit=${this.add}>
      <label>Name to sign in with <input name="username" required maxlength="64" autocomplete="off" autocapitalize="none" spellcheck="false" /></label>
      ${this.renderFields(undefined)}
      ${schoolLogin
        ? html`<fieldset>
            <legend>Signs in by</legend>
            <div class="courses">
              <label><input type="radio" name="sign_in" value="password" checked /> a password, made now</label>
              <label><input type="radio" name="sign_in" value="school" /> the school's own login alone</label>
            </div>
          </fieldset>`
        : nothing}
      ${problemNote(this.fault)}
      <p class="row"><button class="main" ?disabled=${this.busy}>Make the account</button><button type="button" @click=${() => (this.open = undefined)}>Cancel</button></p>
    </form>`
  }

  /** What the office decides about an account, in the order of its questions. */
  private renderFields(account: Account | undefined): TemplateResult {
    return html`<label>
        Role
        <select name="role" @change=${(event: Event) => (this.chosenRole = AccountRole.parse((event.target as HTMLSelectElement).value))}>
          ${AccountRole.options.map((role) => html`<option value=${role} ?selected=${role === this.chosenRole}>${ROLE_WORD[role]}</option>`)}
        </select>
      </label>
      <p class="soft small">${ROLE_WHAT[this.chosenRole]}</p>
      ${this.chosenRole === 'student'
        ? html`<label>
            Student
            <select name="student_id" required>
              ${this.students.map(({ student_id, first_name, last_name }) => html`<option value=${student_id} ?selected=${student_id === account?.student_id}>${first_name} ${last_name} (${student_id})</option>`)}
            </select>
          </label>`
        : nothing}
      ${this.chosenRole === 'teacher'
        ? html`<fieldset>
            <legend>Teaches</legend>
            <div class="courses">
              ${this.courses.map(({ course_id, course_name }) => html`<label><input type="checkbox" name="course" value=${course_id} ?checked=${account?.course_ids.includes(course_id)} /> ${course_name}</label>`)}
            </div>
          </fieldset>`
        : nothing}
      <label>E-mail address, by which the school's own login knows the account <input name="email" type="email" maxlength="254" .value=${account?.email ?? ''} autocomplete="off" /></label>`
  }

  private renderAccount(account: Account): TemplateResult {
    const { account_id, username, role, disabled_at, second_factor, sessions, has_password, school_login } = account
    const of = html`<span class="hidden-words"> of ${username}</span>`
    return html`<li>
      <div class="who">
        <b>${username}</b> <span class="pill ${role === 'office' ? 'late' : 'excused'}">${ROLE_WORD[role]}</span>
        ${disabled_at === null ? nothing : html`<span class="pill absent">disabled</span>`} ${second_factor ? html`<span class="pill present">second factor</span>` : nothing}<br />
        <span class="soft small">${this.aboutWords(account)}</span>
      </div>
      <div class="row">
        <button ?disabled=${this.busy} aria-expanded=${this.open === account_id} @click=${() => this.openForm(account_id, role)}>Change…${of}</button>
        ${has_password
          ? html`<asked-twice label="New password…" of=${`of ${username}`} yes="Make a new one" ?busy=${this.busy} @sure=${() => this.do(() => renewPassword(account_id), `${username} has a new password.`)}>
              <p>The old one stops working, and ${username} is signed out everywhere.</p>
            </asked-twice>`
          : nothing}
        ${sessions > 0 ? html`<button ?disabled=${this.busy} @click=${() => this.do(() => endSessionsOf(account_id), `${username} is signed out everywhere.`)}>Sign out${of}</button>` : nothing}
        ${second_factor
          ? html`<asked-twice label="Remove second factor…" of=${`of ${username}`} yes="Remove it" ?busy=${this.busy} @sure=${() => this.do(() => removeFactorOf(account_id), `${username} has no second factor any more.`)}>
              <p>For a lost phone: be sure that it is ${username} who asks. Name and password are enough then.</p>
            </asked-twice>`
          : nothing}
        ${disabled_at === null
          ? html`<asked-twice danger label="Disable…" of=${username} yes="Disable it" ?busy=${this.busy} @sure=${() => this.able(account, true)}>
              <p>${username} is signed out at once and gets in no more, ${school_login || !has_password ? 'not by the school\u2019s own login either, ' : ''}until it is enabled again.</p>
            </asked-twice>`
          : html`<button ?disabled=${this.busy} @click=${() => this.able(account, false)}>Enable${of}</button>`}
      </div>
      ${this.open === account_id
        ? html`<form class="whole" @submit=${(event: SubmitEvent) => this.change(event, account)}>
            ${this.renderFields(account)} ${problemNote(this.fault)}
            <p class="row"><button class="main" ?disabled=${this.busy}>Save</button><button type="button" @click=${() => (this.open = undefined)}>Cancel</button></p>
          </form>`
        : nothing}
    </li>`
  }

  private aboutWords({ role, course_ids, student_id, email, sessions, has_password }: Account): string {
    const names = course_ids.map((id) => this.courses.find(({ course_id }) => course_id === id)?.course_name ?? id)
    const student = this.students.find((one) => one.student_id === student_id)
    return [
      role === 'teacher' ? (names.length === 0 ? 'teaches no course yet' : `teaches ${names.join(', ')}`) : undefined,
      student ? `${student.first_name} ${student.last_name} (${student.student_id})` : undefined,
      email ?? undefined,
      has_password ? undefined : 'by the school\u2019s own login alone',
      sessions === 0 ? undefined : `${sessions} open ${sessions === 1 ? 'session' : 'sessions'}`,
    ]
      .filter((part) => part !== undefined)
      .join(' · ')
  }
}
