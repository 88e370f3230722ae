/** `<student-picker>`: the school's students, found by name or id, with what is on record of each. Fires `pick` with the id. */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import type { Student } from '#contract/people'
import { look } from '../staff/look.ts'
import { findStudents, outdatedStudents, standingOf, type Standing } from './standing.ts'

const STANDING_WORD: Record<Standing, string> = {
  ready: 'Ready',
  old_model: 'Enrol again',
  no_template: 'Photos missing',
  no_consent: 'No consent',
}

/** Of how many students the list is drawn at once; beyond that the search narrows it. */
const DRAWN_MOST = 200

@customElement('student-picker')
export class StudentPicker extends LitElement {
  static override styles = [
    look,
    css`
      .find {
        display: grid;
        gap: var(--space-2);
        margin-bottom: var(--space-3);
      }
      .only {
        display: flex;
        gap: var(--space-2);
        align-items: center;
        min-height: var(--touch);
        font-weight: 400;
      }
      .list {
        overflow: auto;
        max-height: var(--list-height, none);
      }
      li + li {
        border-top: 1px solid var(--line);
      }
      li a {
        display: flex;
        justify-content: space-between;
        align-items: center;
        gap: var(--space-2);
        min-height: var(--touch);
        padding: var(--space-2) var(--space-3);
        color: inherit;
        text-decoration: none;
      }
      li a > span:first-child {
        min-width: 0;
        overflow-wrap: anywhere;
      }
      li a:hover {
        background: var(--surface-quiet);
      }
      li a[aria-current] {
        background: var(--accent-soft);
        color: var(--accent-ink);
      }
      li a[aria-current] .soft {
        color: inherit;
      }
      li a:focus-visible {
        outline-offset: -3px;
      }
    `,
  ]

  @property({ attribute: false }) students: Student[] = []
  @property({ attribute: false }) picked: string | undefined
  @state() private wanted = ''
  @state() private onlyMissing = false
  @state() private onlyOutdated = false

  override render() {
    const { students } = this
    const outdated = outdatedStudents(students)
    const found = findStudents(this.onlyOutdated && outdated.length > 0 ? outdated : students, this.wanted, this.onlyMissing)
    const ready = students.filter((student) => standingOf(student) === 'ready').length
    return html`<div class="find">
        <label>
          <span>Find a student</span>
          <input type="search" placeholder="Name or id" .value=${this.wanted} @input=${(event: Event) => (this.wanted = (event.target as HTMLInputElement).value)} />
        </label>
        <label class="only">
          <input type="checkbox" .checked=${this.onlyMissing} @change=${(event: Event) => (this.onlyMissing = (event.target as HTMLInputElement).checked)} />
          Only those not ready
        </label>
        ${outdated.length === 0 ? nothing : this.renderOutdated(outdated.length)}
        <p class="soft small numbers" role="status">${ready} of ${students.length} ready${found.length === students.length ? '' : `, ${found.length} shown`}</p>
      </div>
      ${found.length === 0 ? html`<p class="note">${students.length === 0 ? 'The school has no students yet.' : 'No student is called that.'}</p>` : this.renderList(found)}`
  }

  private renderOutdated(count: number): TemplateResult {
    return html`<div class="note warn outdated">
      <p>${count === 1 ? '1 student was' : `${count} students were`} enrolled with another model and must be enrolled again. Until then the teacher marks them.</p>
      <label class="only">
        <input type="checkbox" .checked=${this.onlyOutdated} @change=${(event: Event) => (this.onlyOutdated = (event.target as HTMLInputElement).checked)} />
        Show only these
      </label>
    </div>`
  }

  private renderList(found: Student[]): TemplateResult {
    return html`<ul class="card list">
        ${repeat(
          found.slice(0, DRAWN_MOST),
          (student) => student.student_id,
          (student) => {
            const standing = standingOf(student)
            return html`<li>
              <a href=${`#/${encodeURIComponent(student.student_id)}`} aria-current=${student.student_id === this.picked ? 'true' : nothing}>
                <span>${student.last_name}, ${student.first_name}<br /><span class="soft small">${student.student_id}</span></span>
                <span class="pill ${PILL[standing]}">${STANDING_WORD[standing]}</span>
              </a>
            </li>`
          },
        )}
      </ul>
      ${found.length > DRAWN_MOST ? html`<p class="soft small">The first ${DRAWN_MOST} are shown: type more of the name.</p>` : nothing}`
  }
}

const PILL: Record<Standing, string> = { ready: 'present', old_model: 'late', no_template: 'late', no_consent: 'expected' }
