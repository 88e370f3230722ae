/** `<lesson-register>`: one lesson's register, filling while the kiosk marks, and corrected by a tap. */
import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import type { CorrectedStatus, CorrectionRequest, Register, RegisterEntry } from '#contract/register'
import { correct, isSignedOut, register, watchRegister, type Line } from '../sync/office.ts'
import { look, problemNote, waiting } from './look.ts'
import { hashOf } from './route.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { STATUS_WORD, countOf, dateOf, dateWords, phaseOf, problemWords, timeOf, timeToTheSecond } from './wording.ts'
import './mark-check-list.ts'
import './register-row.ts'

@customElement('lesson-register')
export class LessonRegister extends LitElement {
  static override styles = [
    look,
    css`
      .head {
        display: flex;
        flex-wrap: wrap;
        justify-content: space-between;
        align-items: end;
        gap: var(--space-2) var(--space-6);
        margin-bottom: var(--space-4);
      }
      h1 a {
        color: inherit;
        text-decoration-color: var(--line-strong);
        text-underline-offset: 4px;
      }
      .count b {
        font-size: 2.4rem;
        line-height: 1;
        font-weight: 700;
      }
      .counts {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-2);
        margin-bottom: var(--space-3);
        align-items: center;
      }
      .line-state {
        margin-left: auto;
      }
      .line-state::before {
        content: '';
        display: inline-block;
        width: 0.6rem;
        height: 0.6rem;
        margin-right: 0.4rem;
        border-radius: 50%;
        background: var(--accent);
      }
      .line-state.down::before {
        background: none;
        border: 2px solid currentcolor;
      }
      .note {
        margin-bottom: var(--space-3);
      }
      li + li {
        border-top: 1px solid var(--line);
      }
    `,
  ]

  @property({ attribute: false }) held_on!: string
  @property({ attribute: false }) lesson_id!: string
  @state() private answer: Register | undefined
  @state() private line: Line = 'live'
  @state() private problem: string | undefined
  @state() private saving = new Map<string, CorrectedStatus>()
  @state() private problems = new Map<string, string>()
  @state() private announcement = ''
  private stopWatching: (() => void) | undefined

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.stopWatching?.()
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('held_on') || changed.has('lesson_id')) this.follow()
  }

  private follow(): void {
    this.stopWatching?.()
    this.answer = undefined
    this.problem = undefined
    const key = { held_on: this.held_on, lesson_id: this.lesson_id }
    const watching = { register: this.show, line: (line: Line) => (this.line = line), refused: this.fail }
    this.stopWatching = watchRegister(key, watching)
    register(key).then(
      (answer) => this.show(answer),
      (error: unknown) => this.fail(error),
    )
  }

  private readonly show = (answer: Register): void => {
    if (answer.lesson.held_on !== this.held_on || answer.lesson.lesson_id !== this.lesson_id) return
    // Two roads bring registers (the live line and our own questions): the older answer never covers the newer.
    if (this.answer && Date.parse(answer.now) < Date.parse(this.answer.now)) return
    this.answer = answer
    this.problem = undefined
  }

  private readonly fail = (error: unknown): void => {
    if (isSignedOut(error)) tellSignedOut(this)
    else this.problem = problemWords(error)
  }

  private async correct({ student_id, status, note }: CorrectionRequest, name: string): Promise<void> {
    this.saving = new Map(this.saving).set(student_id, status)
    this.problems = without(this.problems, student_id)
    const key = { held_on: this.held_on, lesson_id: this.lesson_id }
    try {
      this.show(await correct(key, { student_id, status, note }))
      this.announcement = `${name}: ${STATUS_WORD[status]}, saved.`
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problems = new Map(this.problems).set(student_id, `Not saved: ${STATUS_WORD[status].toLowerCase()}. ${problemWords(error)}`)
    } finally {
      this.saving = without(this.saving, student_id)
    }
  }

  override render() {
    const { answer } = this
    return html`<a class="back" href=${hashOf({ view: 'day', date: this.isToday() ? undefined : this.held_on })}>‹ ${this.isToday() ? 'Today’s lessons' : dateWords(this.held_on)}</a>
      ${answer ? this.renderRegister(answer) : this.problem === undefined ? waiting('Loading the register…') : problemNote(this.problem, () => this.follow())}
      <div class="hidden-words" aria-live="polite">${this.announcement}</div>`
  }

  private isToday(): boolean {
    return this.answer === undefined || dateOf(this.answer.now, this.answer.time_zone) === this.held_on
  }

  private renderRegister(answer: Register): TemplateResult {
    const { lesson, entries, time_zone } = answer
    const phase = phaseOf(lesson, answer.now)
    return html`<div class="head">
        <div>
          <h1><a href=${hashOf({ view: 'course', course_id: lesson.course_id })}>${lesson.course_name}</a></h1>
          <p class="soft numbers">
            ${lesson.course_code} · ${lesson.room_id} · ${dateWords(lesson.held_on)}, ${timeOf(lesson.starts_at, time_zone)}–${timeOf(lesson.ends_at, time_zone)}${phase === 'now' ? ' · on now' : ''}
          </p>
        </div>
        <p class="count numbers"><b>${countOf(entries, 'present', 'late')}</b> of ${entries.length} here</p>
      </div>
      ${this.problem === undefined ? nothing : problemNote(this.problem, () => this.follow())}
      ${phase === 'over' && !lesson.taken && countOf(entries, 'not_taken') > 0
        ? html`<p class="note warn">
            Nobody took this register: no working kiosk watched the lesson. Whoever was not seen is “not taken”, which is not an absence. Set the statuses you know.
          </p>`
        : nothing}
      <div class="counts">
        ${counts(entries)}
        <span class="line-state small soft numbers ${this.line}" role="status"
          >${this.line === 'live' ? 'Live' : `No line to the server; as it was at ${timeToTheSecond(answer.now, time_zone)}. Trying again…`}</span
        >
      </div>
      <mark-check-list
        .held_on=${this.held_on}
        .lesson_id=${this.lesson_id}
        .timeZone=${time_zone}
        .marks=${entries.filter(({ mark }) => mark !== null).length}
        @correct=${({ detail }: CustomEvent<{ correction: CorrectionRequest; name: string }>) => this.correct(detail.correction, detail.name)}
      ></mark-check-list>
      ${entries.length === 0
        ? html`<p class="note">Nobody is enrolled in this course yet.</p>`
        : html`<ul class="card">
            ${repeat(
              entries,
              (entry) => entry.student_id,
              (entry) =>
                html`<li>
                  <register-row
                    .entry=${entry}
                    .lesson=${lesson}
                    .timeZone=${time_zone}
                    .saving=${this.saving.get(entry.student_id)}
                    .problem=${this.problems.get(entry.student_id)}
                    @correct=${(event: CustomEvent<CorrectionRequest>) => this.correct(event.detail, `${entry.first_name} ${entry.last_name}`)}
                  ></register-row>
                </li>`,
            )}
          </ul>`}`
  }
}

/** How many have each status that somebody has. */
function counts(entries: RegisterEntry[]): TemplateResult[] {
  return (['present', 'late', 'absent', 'excused', 'expected', 'not_taken'] as const)
    .filter((status) => countOf(entries, status) > 0)
    .map((status) => html`<span class="pill ${status} numbers">${countOf(entries, status)} ${STATUS_WORD[status].toLowerCase()}</span>`)
}

function without<V>(map: ReadonlyMap<string, V>, key: string): Map<string, V> {
  const rest = new Map(map)
  rest.delete(key)
  return rest
}
