/** `<lesson-list>`: the lessons of a day, the one that is on first. Fires `pick-day` with a date, or undefined for today. */
import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import type { LessonSummary, Lessons } from '#contract/register'
import { isSignedOut, lessonsOn } from '../sync/office.ts'
import { look, problemNote, waiting } from './look.ts'
import { hashOf } from './route.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { dateAfter, dateOf, dateWords, inOrderOfInterest, phaseOf, problemWords, timeOf } from './wording.ts'

/** So often the counts of a day that is being looked at are asked for again. */
const REFRESH_MS = 20_000
/** From so many lessons on, a field to find one. */
const FIND_FROM = 9

@customElement('lesson-list')
export class LessonList extends LitElement {
  static override styles = [
    look,
    css`
      .head {
        display: flex;
        flex-wrap: wrap;
        gap: 0.75rem;
        align-items: end;
        justify-content: space-between;
        margin-bottom: 1rem;
      }
      .days {
        display: flex;
        gap: 0.4rem;
      }
      .days button {
        min-width: var(--touch);
        padding: 0.4rem 0.6rem;
      }
      .days input {
        width: 10.5rem;
      }
      .find {
        margin-bottom: 1rem;
        max-width: 24rem;
      }
      h2 {
        margin: 1.4rem 0 0.5rem;
      }
      ul {
        display: grid;
        gap: 0.5rem;
      }
      a.lesson {
        display: grid;
        grid-template-columns: 7.2rem 1fr auto;
        gap: 0.25rem 1rem;
        align-items: center;
        padding: 0.8rem 1rem;
        color: inherit;
        text-decoration: none;
      }
      a.lesson:hover {
        background: var(--surface-quiet);
      }
      .now a.lesson {
        border: 2px solid var(--accent);
        padding: 1.1rem 1rem;
      }
      .now .what {
        font-size: 1.25rem;
      }
      .what {
        font-weight: 650;
        overflow-wrap: anywhere;
      }
      .count {
        text-align: right;
        white-space: nowrap;
      }
      .count b {
        font-size: 1.25rem;
      }
      .now .count b {
        font-size: 1.7rem;
      }
      @media (max-width: 36rem) {
        a.lesson {
          grid-template-columns: 1fr auto;
        }
        a.lesson .when {
          grid-column: 1 / -1;
        }
        .days,
        .days input {
          flex: 1;
        }
        .head > div {
          flex: 1 0 100%;
        }
      }
    `,
  ]

  @property({ attribute: false }) date: string | undefined
  @state() private answer: Lessons | undefined
  @state() private problem: string | undefined
  @state() private wanted = ''
  private refresh: ReturnType<typeof setInterval> | undefined

  override connectedCallback(): void {
    super.connectedCallback()
    this.refresh = setInterval(() => void this.load(), REFRESH_MS)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    clearInterval(this.refresh)
  }

  override willUpdate(changed: PropertyValues<this>): void {
    // Today is no date, and so no change, when the list is first shown.
    if (changed.has('date') || !this.hasUpdated) {
      this.answer = undefined
      this.wanted = ''
      void this.load()
    }
  }

  private readonly load = async (): Promise<void> => {
    const { date } = this
    try {
      const answer = await lessonsOn(date)
      if (date !== this.date) return
      this.answer = answer
      this.problem = undefined
    } catch (error) {
      if (date !== this.date) return
      if (isSignedOut(error)) tellSignedOut(this)
      else this.problem = problemWords(error)
    }
  }

  private pick(date: string | undefined): void {
    this.dispatchEvent(new CustomEvent('pick-day', { detail: date }))
  }

  override render() {
    const { answer } = this
    const shown = this.date ?? answer?.date
    const today = answer ? dateOf(answer.now, answer.time_zone) : undefined
    return html`<div class="head">
        <div>
          <h1>${shown === undefined ? 'Lessons' : shown === today ? 'Today' : dateWords(shown)}</h1>
          ${shown !== undefined && shown === today ? html`<p class="soft">${dateWords(shown)}</p>` : nothing}
        </div>
        ${shown === undefined
          ? nothing
          : html`<div class="days" role="group" aria-label="Day">
              <button aria-label="The day before" @click=${() => this.pick(dateAfter(shown, -1))}>‹</button>
              <input type="date" aria-label="Pick a day" .value=${shown} @change=${(event: Event) => this.pick((event.target as HTMLInputElement).value || undefined)} />
              <button aria-label="The day after" @click=${() => this.pick(dateAfter(shown, 1))}>›</button>
              <button ?disabled=${shown === today} @click=${() => this.pick(undefined)}>Today</button>
            </div>`}
      </div>
      ${problemNote(this.problem, this.load)} ${answer ? this.renderLessons(answer) : this.problem === undefined ? waiting('Loading the lessons…') : nothing}`
  }

  private renderLessons(answer: Lessons): TemplateResult {
    if (answer.lessons.length === 0) {
      return html`<div class="note"><p>No lessons on this day.</p></div>`
    }
    const wanted = this.wanted.trim().toLowerCase()
    const found = answer.lessons.filter((l) => `${l.course_code} ${l.course_name} ${l.room_id}`.toLowerCase().includes(wanted))
    const { now, later, over } = inOrderOfInterest(found, answer.now)
    const isToday = answer.date === dateOf(answer.now, answer.time_zone)
    return html`${answer.lessons.length >= FIND_FROM
        ? html`<input class="find" type="search" placeholder="Find a course or room" aria-label="Find a course or room" .value=${this.wanted}
            @input=${(event: Event) => (this.wanted = (event.target as HTMLInputElement).value)} />`
        : nothing}
      ${found.length === 0 ? html`<p class="soft">No course or room has “${this.wanted}” in it.</p>` : nothing}
      ${section('now', 'On now', now, answer)} ${section('later', isToday ? 'Later today' : 'To come', later, answer)}
      ${section('over', isToday ? 'Earlier today' : 'Held', isToday ? over : over.toReversed(), answer)}`
  }
}

function section(kind: string, title: string, lessons: LessonSummary[], answer: Lessons): TemplateResult | typeof nothing {
  if (lessons.length === 0) return nothing
  return html`<section class=${kind}>
    <h2>${title}</h2>
    <ul>
      ${repeat(
        lessons,
        (lesson) => `${lesson.held_on}/${lesson.lesson_id}`,
        (lesson) => html`<li>${lessonCard(lesson, answer)}</li>`,
      )}
    </ul>
  </section>`
}

function lessonCard(lesson: LessonSummary, { time_zone, now }: Lessons): TemplateResult {
  const phase = phaseOf(lesson, now)
  return html`<a class="lesson card" href=${hashOf({ view: 'lesson', held_on: lesson.held_on, lesson_id: lesson.lesson_id })}>
    <span class="when numbers">${timeOf(lesson.starts_at, time_zone)}–${timeOf(lesson.ends_at, time_zone)}</span>
    <span>
      <span class="what">${lesson.course_name}</span><br />
      <span class="soft small">${lesson.course_code} · ${lesson.room_id}</span>
    </span>
    <span class="count numbers">
      ${phase === 'over' && !lesson.taken
        ? html`<span class="pill not_taken">Not taken</span>`
        : phase === 'later' && lesson.here === 0
          ? html`<span class="soft small">${lesson.enrolled} enrolled</span>`
          : html`<b>${lesson.here}</b> <span class="soft">of ${lesson.enrolled} here</span>`}
    </span>
  </a>`
}
