/**
 * `<set-aside-card>`: one record that could not be taken: who, why, what it says; and the two ways out. Fires `record`
 * with a RecordRequest, and `dismiss`. A record whose time or lesson is wrong is recorded into a lesson that a person chooses.
 */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import type { LessonSummary } from '#contract/register'
import type { SetAside } from '#contract/set-aside'
import { isSignedOut, lessonsOn } from '../sync/office.ts'
import { cameWords, isAboutTime, reasonWords, whenWords, whoWords } from './kiosk-wording.ts'
import { look } from './look.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { dateOf, dateWords, problemWords, timeOf } from './wording.ts'
import './asked-twice.ts'

@customElement('set-aside-card')
export class SetAsideCard extends LitElement {
  static override styles = [
    look,
    css`
      article {
        display: grid;
        gap: var(--space-2);
        padding: var(--space-4);
      }
      h2 {
        overflow-wrap: anywhere;
      }
      h2 .small {
        font-weight: 400;
      }
      .ways {
        align-items: start;
      }
      form {
        display: grid;
        gap: var(--space-3);
      }
      form input[type='date'] {
        max-width: 12rem;
      }
      fieldset {
        border: 0;
        margin: 0;
        padding: 0;
      }
      legend {
        font-weight: 600;
        padding: 0;
      }
      label.lesson {
        display: flex;
        gap: var(--space-2);
        align-items: center;
        min-height: var(--touch);
        font-weight: 400;
      }
      input[type='radio'] {
        width: 24px;
        min-height: 24px;
        flex: none;
        accent-color: var(--accent);
      }
      summary {
        min-height: var(--touch);
        display: flex;
        align-items: center;
        cursor: pointer;
        color: var(--accent);
      }
      pre {
        margin: 0;
        white-space: pre-wrap;
        overflow-wrap: anywhere;
        font-size: 0.85rem;
      }
    `,
  ]

  @property({ attribute: false }) entry!: SetAside
  @property({ attribute: false }) timeZone = 'UTC'
  @property({ attribute: false }) busy = false
  @property({ attribute: false }) problem: string | undefined
  /** The day whose lessons are offered; undefined: nobody wants to record it yet. */
  @state() private day: string | undefined
  /** The course's lessons of that day. */
  @state() private lessons: LessonSummary[] | undefined
  @state() private chosen: string | undefined
  @state() private listProblem: string | undefined

  private async offer(day: string): Promise<void> {
    this.day = day
    this.lessons = undefined
    this.chosen = undefined
    this.listProblem = undefined
    try {
      const { lessons } = await lessonsOn(day)
      if (this.day !== day) return
      const { says, room_id } = this.entry
      this.lessons = lessons.filter(({ course_id }) => course_id === says.course_id).toSorted((a, b) => a.starts_at.localeCompare(b.starts_at))
      const here = this.lessons.filter((lesson) => lesson.room_id === room_id)
      this.chosen = (here.length === 1 ? here[0] : this.lessons.length === 1 ? this.lessons[0] : undefined)?.lesson_id
    } catch (error) {
      if (isSignedOut(error)) tellSignedOut(this)
      else this.listProblem = problemWords(error)
    }
  }

  private readonly openLessons = async (): Promise<void> => {
    // The day that it came is the likeliest, where the record's own cannot be right.
    const { says, code, first_at } = this.entry
    await this.offer(code === 'unknown_lesson' && says.held_on !== null ? says.held_on : dateOf(first_at, this.timeZone))
    await this.updateComplete
    this.renderRoot.querySelector<HTMLElement>('form input')?.focus()
  }

  private readonly submit = (event: Event): void => {
    event.preventDefault()
    if (this.day === undefined || this.chosen === undefined) return
    this.dispatchEvent(new CustomEvent('record', { detail: { held_on: this.day, lesson_id: this.chosen } }))
  }

  override render(): TemplateResult {
    const { entry, timeZone } = this
    const { says } = entry
    const who = whoWords(says)
    return html`<article class="card" aria-label=${who}>
      <h2>${who}${says.student_name === null ? nothing : html` <span class="soft small">${says.student_id}</span>`}</h2>
      <p>${reasonWords(entry, timeZone)}</p>
      <p class="soft small numbers">
        ${[`${says.course_name ?? says.course_id ?? 'no course'}`, whenWords(says.timestamp, timeZone) ?? 'no time', says.held_on !== null && says.lesson_id !== null ? `lesson ${says.lesson_id} of ${says.held_on}` : '']
          .filter((part) => part !== '')
          .join(' · ')}<br />
        Came ${cameWords(entry, timeZone)}
      </p>
      <details>
        <summary>The record as it was sent</summary>
        <pre>${JSON.stringify(entry.record, undefined, 2)}</pre>
      </details>
      ${this.problem === undefined ? nothing : html`<p class="note bad" role="alert">${this.problem}</p>`}
      ${this.day === undefined
        ? html`<div class="row ways">
            ${entry.recordable ? this.renderRecord(who) : html`<p class="soft small">It cannot be read as a mark, so it can only be dismissed.</p>`}
            <asked-twice label="Dismiss…" of=${who} yes="Dismiss" danger ?busy=${this.busy} @sure=${() => this.dispatchEvent(new CustomEvent('dismiss'))}>
              <p>It will be in no register. If it comes again as it is, it stays dismissed.</p>
            </asked-twice>
          </div>`
        : this.renderLessons(this.day, who)}
    </article>`
  }

  private renderRecord(who: string): TemplateResult {
    if (isAboutTime(this.entry) && this.entry.says.course_name !== null) return html`<button ?disabled=${this.busy} @click=${this.openLessons}>Record it…<span class="hidden-words"> ${who}</span></button>`
    return html`<asked-twice label="Record it…" of=${who} yes="Record it" ?busy=${this.busy} @sure=${() => this.dispatchEvent(new CustomEvent('record', { detail: {} }))}>
      <p>It is recorded as it was sent, if it can be taken now.</p>
    </asked-twice>`
  }

  private renderLessons(day: string, who: string): TemplateResult {
    return html`<form class="note" @submit=${this.submit} @keydown=${(event: KeyboardEvent) => event.key === 'Escape' && (this.day = undefined)}>
      <label>On which day was ${who} seen?
        <input type="date" required .value=${day} @change=${(event: Event) => {
          const { value } = event.target as HTMLInputElement
          if (value !== '') void this.offer(value)
        }} />
      </label>
      <div aria-live="polite">
        ${this.listProblem !== undefined
          ? html`<p class="note bad">${this.listProblem}</p>`
          : this.lessons === undefined
            ? html`<p class="soft">Loading the lessons…</p>`
            : this.lessons.length === 0
              ? html`<p>${this.entry.says.course_name} has no lesson on ${dateWords(day)}. Choose another day.</p>`
              : html`<fieldset>
                  <legend>In which lesson of ${this.entry.says.course_name}?</legend>
                  ${this.lessons.map(
                    (lesson) => html`<label class="lesson numbers"
                      ><input type="radio" name="lesson" .checked=${this.chosen === lesson.lesson_id} @change=${() => (this.chosen = lesson.lesson_id)} />
                      ${timeOf(lesson.starts_at, this.timeZone)}–${timeOf(lesson.ends_at, this.timeZone)}, ${lesson.room_id}</label
                    >`,
                  )}
                </fieldset>`}
      </div>
      <p class="soft small">Unless the record’s own time lies in that lesson, it counts as seen when the lesson began.</p>
      <p class="row">
        <button class="main" ?disabled=${this.busy || this.chosen === undefined}>Record it<span class="hidden-words"> ${who}</span></button>
        <button type="button" ?disabled=${this.busy} @click=${() => (this.day = undefined)}>Cancel</button>
      </p>
    </form>`
  }
}
