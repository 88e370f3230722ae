/** `<card-list>`: the cards of one course's students, for the office: who has one, a new one (which ends the one before: a lost card opens nothing any more), none. */
import { css, html, nothing, type TemplateResult } from 'lit'
import { customElement } from 'lit/decorators.js'
import type { Course, Student } from '#contract/people'
import { makeCard, removeCard } from '../sync/office.ts'
import './asked-twice.ts'
import { cardCode } from './card-code.ts'
import { CourseStudents, type Made } from './course-students.ts'

@customElement('card-list')
export class CardList extends CourseStudents {
  static override styles = [
    ...CourseStudents.styles,
    css`
      .who {
        display: flex;
        align-items: center;
        gap: var(--space-3);
      }
      .who .code {
        flex: none;
        width: 6rem;
        height: 6rem;
        border-radius: var(--radius-small);
      }
      @media print {
        /* Of a bank card's size, two beside each other. */
        .slips {
          grid-template-columns: repeat(2, 85.6mm);
        }
        .slips li {
          display: grid;
          grid-template-columns: 40mm minmax(0, 1fr);
          align-items: center;
          gap: 3mm;
          width: 85.6mm;
          height: 54mm;
          padding: 4mm;
          overflow: hidden;
        }
        .slips .code {
          width: 40mm;
          height: 40mm;
        }
        .slips b {
          font-size: 14pt;
          line-height: 1.15;
          overflow-wrap: anywhere;
          max-height: 5lh;
          overflow: hidden;
        }
        .slips span {
          display: block;
          margin-top: 2mm;
          font-size: 9pt;
          line-height: 1.25;
        }
      }
    `,
  ]

  protected override readonly view = 'cards'
  protected override readonly words = {
    heading: 'Cards',
    one: 'card',
    about: 'A card says who a student is, as a PIN does: they show it to the kiosk’s scanner, or to its camera. It holds a random number, no name and no data.',
    others: 'Cards are made by the office: sign in as the office.',
    shownOnlyNow: 'New cards are shown only now: print them before you leave this page. A card that was not printed is made anew.',
  }

  protected override has({ card_made_at }: Student): boolean {
    return card_made_at !== null
  }

  protected override async makeNew(studentId: string): Promise<Made> {
    const { token, student } = await makeCard(studentId)
    return { student, told: token }
  }

  protected override end(studentId: string): Promise<Student> {
    return removeCard(studentId)
  }

  protected override row(student: Student, told: string | undefined): TemplateResult {
    const { student_id, first_name, last_name } = student
    const of = `of ${first_name} ${last_name}`
    const has = this.has(student)
    return html`<div class="who">
        ${told === undefined ? nothing : cardCode(told)}
        <div>
          <b>${first_name} ${last_name}</b> <span class="soft small">${student_id}</span><br />
          <span class="pill ${has ? 'present' : 'expected'}">${has ? (told === undefined ? 'has a card' : 'new card') : 'no card'}</span>
        </div>
      </div>
      <div class="row">
        ${has
          ? html`<asked-twice label="New card" .of=${of} yes="Make a new one" ?busy=${this.busy} @sure=${() => this.make([student_id])}><p>The card that ${first_name} has now, lost or not, stops working at every kiosk.</p></asked-twice>
              <asked-twice label="End" .of=${of} yes="End the card" ?busy=${this.busy} @sure=${() => this.takeAway(student_id)}><p>The card that ${first_name} has now stops working, and there is no new one.</p></asked-twice>`
          : html`<button ?disabled=${this.busy} @click=${() => this.make([student_id])}>Make a card<span class="hidden-words"> ${of}</span></button>`}
      </div>`
  }

  protected override slip({ first_name, last_name }: Student, told: string, { course_name }: Course): TemplateResult {
    return html`${cardCode(told)}<div><b>${first_name} ${last_name}</b><span>${course_name}</span><span>Show this code to the attendance screen. Lost it? Tell the school office.</span></div>`
  }
}
