/** `<kiosk-list>`: for the office: first what needs a person (alarms, records set aside, silent kiosks, the server's own work), then how every kiosk is. */
import { LitElement, css, html, nothing, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import type { Kiosk, KioskAlarm, Kiosks, Operations } from '#contract/kiosks'
import type { Session } from '#contract/people'
import { clearFence, closeAlarm, isSignedOut, kiosks, operations, revokeKiosk, wantKey } from '../sync/office.ts'
import { CAMERA_WORD, alarmWords, cameraFails, clockWords, heardWords, keyWords, marksWords, serverTroubles, silentWords } from './kiosk-wording.ts'
import { look, problemNote, waiting } from './look.ts'
import { hashOf } from './route.ts'
import { tellSignedOut } from './signed-in-page.ts'
import { problemWords, timeToTheSecond } from './wording.ts'
import './asked-twice.ts'
import './pairing-code.ts'

/** Kiosks beat once a minute. */
const REFRESH_MS = 30_000

@customElement('kiosk-list')
export class KioskList extends LitElement {
  static override styles = [
    look,
    css`
      h2 {
        margin: var(--space-6) 0 var(--space-2);
      }
      ul.needs {
        display: grid;
        gap: var(--space-3);
      }
      .needs .note > p + p,
      .needs asked-twice {
        margin-top: var(--space-2);
      }
      .needs .name {
        font-weight: var(--weight-strong);
        overflow-wrap: anywhere;
      }
      .needs a {
        color: inherit;
        font-weight: 600;
      }
      .needs .name .small {
        font-weight: 400;
      }
      table {
        width: 100%;
        border-spacing: 0;
      }
      caption {
        text-align: left;
        padding-bottom: var(--space-2);
      }
      th,
      td {
        text-align: left;
        vertical-align: top;
        padding: var(--space-2) var(--space-3);
        font-weight: 400;
      }
      thead th {
        font-weight: 600;
        font-size: 0.9rem;
        color: var(--ink-quiet);
      }
      tbody th,
      tbody td {
        border-top: 1px solid var(--line);
      }
      tbody th b {
        font-weight: var(--weight-strong);
        overflow-wrap: anywhere;
      }
      td.key .row {
        flex-wrap: wrap;
        font-size: 1rem;
        gap: var(--space-2);
        margin-top: var(--space-1);
      }
      .about {
        display: none;
      }
      /* On a phone each kiosk is a card of lines; the roles in the markup keep it a table for those who listen. */
      @media (max-width: 52rem) {
        thead {
          position: absolute;
          width: 1px;
          height: 1px;
          overflow: hidden;
          clip-path: inset(50%);
        }
        table,
        tbody,
        tr,
        tbody th,
        td,
        caption {
          display: block;
        }
        caption {
          padding: var(--space-2) var(--space-3);
        }
        tbody td {
          border-top: 0;
        }
        tr {
          padding-bottom: var(--space-2);
        }
        td {
          display: flex;
          justify-content: space-between;
          gap: var(--space-4);
          padding-block: 0.1rem;
        }
        td.key {
          flex-wrap: wrap;
        }
        .about {
          display: inline;
          color: var(--ink-quiet);
          font-weight: 400;
          white-space: nowrap;
        }
        td > span:last-child {
          text-align: right;
          overflow-wrap: anywhere;
        }
      }
    `,
  ]

  @property({ attribute: false }) session!: Session
  @state() private answer: (Kiosks & { work: Operations }) | undefined
  @state() private problem: string | undefined
  @state() private busy = false
  @state() private announcement = ''
  private refresh: ReturnType<typeof setInterval> | undefined

  override connectedCallback(): void {
    super.connectedCallback()
    if (this.session.role !== 'office') return
    void this.load()
    this.refresh = setInterval(() => {
      if (!document.hidden) void this.load()
    }, REFRESH_MS)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    clearInterval(this.refresh)
  }

  private readonly load = async (): Promise<void> => {
    try {
      const [all, work] = await Promise.all([kiosks(), operations()])
      this.answer = { ...all, work }
      this.problem = undefined
    } catch (error) {
      this.fail(error)
    }
  }

  private fail(error: unknown): void {
    if (isSignedOut(error)) tellSignedOut(this)
    else this.problem = problemWords(error)
  }

  private async do(work: () => Promise<Kiosk>, done: string): Promise<void> {
    this.busy = true
    try {
      await work()
      this.announcement = done
      await this.load()
      await this.updateComplete
      // The button that was pressed is gone with its alarm.
      this.renderRoot.querySelector<HTMLElement>('h2')?.focus()
    } catch (error) {
      this.fail(error)
    } finally {
      this.busy = false
    }
  }

  override render(): TemplateResult {
    if (this.session.role !== 'office') return html`<h1>Kiosks</h1><p class="note">The kiosks are looked after by the office: sign in as the office.</p>`
    const { answer } = this
    return html`<h1>Kiosks</h1>
      ${problemNote(this.problem, this.load)}
      ${answer ? html`${this.renderNeeds(answer)} ${this.renderTable(answer)}` : this.problem === undefined ? waiting('Loading the kiosks…') : nothing}
      <div class="hidden-words" aria-live="polite">${this.announcement}</div>`
  }

  private renderNeeds({ kiosks, work, now, time_zone }: Kiosks & { work: Operations }): TemplateResult {
    const alarms = kiosks.flatMap((kiosk) => kiosk.alarms.map((alarm) => ({ kiosk, alarm })))
    const troubles = serverTroubles(work)
    const nothingToDo = alarms.length + troubles.length + work.set_aside + work.silent.length === 0
    return html`<h2 tabindex="-1">What needs you</h2>
      ${nothingToDo
        ? html`<p class="note good">Nothing. <span class="small">As it was at ${timeToTheSecond(now, time_zone)}.</span></p>`
        : html`<ul class="needs">
            ${repeat(alarms, ({ alarm }) => alarm.alarm_id, ({ kiosk, alarm }) => html`<li>${this.renderAlarm(kiosk, alarm, now, time_zone)}</li>`)}
            ${work.set_aside === 0
              ? nothing
              : html`<li class="note warn">
                  <p>
                    ${work.set_aside === 1 ? '1 record could' : `${work.set_aside.toLocaleString('en-GB')} records could`} not be taken and ${work.set_aside === 1 ? 'waits' : 'wait'} for you:
                    <a href=${hashOf({ view: 'set-aside' })}>look at what is set aside</a>.
                  </p>
                </li>`}
            ${troubles.map((trouble) => html`<li class="note bad"><p>${trouble}</p></li>`)}
            ${work.silent.map(
              (kiosk) => html`<li class="note warn">
                <p class="name">${kiosk.room_name}: silent <span class="small">${kiosk.device_id}</span></p>
                <p>${silentWords(kiosk, now, time_zone)}</p>
              </li>`,
            )}
          </ul>`}`
  }

  private renderAlarm(kiosk: Kiosk, alarm: KioskAlarm, now: string, timeZone: string): TemplateResult {
    const { title, what } = alarmWords(alarm)
    const { device_id, room_name } = kiosk
    return html`<div class="note bad">
      <p class="name">${room_name}: ${title.charAt(0).toLowerCase()}${title.slice(1)} <span class="small">${device_id}, ${heardWords(alarm.raised_at, now, timeZone)}</span></p>
      <p>${what}</p>
      ${alarm.kind === 'storage_copied'
        ? html`<asked-twice label="This is the right one…" of="for ${room_name}" yes="It is the right one" ?busy=${this.busy} @sure=${() => this.do(() => clearFence(device_id), `${room_name}: the kiosk is believed again.`)}>
            <p>The copy that is switched on now is believed from its next contact, with the marks it holds. If the other one comes back, this alarm comes back.</p>
          </asked-twice>`
        : html`<asked-twice label="I have seen to it…" of="for ${room_name}" yes="Close the alarm" ?busy=${this.busy} @sure=${() => this.do(() => closeAlarm(device_id, alarm.alarm_id), `${room_name}: alarm closed.`)}>
            <p>It stays on record, with your name. Nothing else is changed.</p>
          </asked-twice>`}
    </div>`
  }

  /** What the office does about the kiosk's right to be one. */
  private renderKey({ device_id, room_id, room_name, revoked_at, key_wanted }: Kiosk): TemplateResult {
    const of = `${device_id} in ${room_name}`
    return html`<div class="row">
      ${revoked_at !== null || key_wanted
        ? nothing
        : html`<button ?disabled=${this.busy} @click=${() => this.do(() => wantKey(device_id), `${room_name}: the kiosk draws a new key at its next beat.`)}>New key<span class="hidden-words"> for ${of}</span></button>`}
      <pairing-code label="Pair anew…" of=${of} .roomId=${room_id} .deviceId=${device_id}></pairing-code>
      ${revoked_at === null
        ? html`<asked-twice danger label="Revoke…" of=${of} yes="Revoke it" ?busy=${this.busy} @sure=${() => this.do(() => revokeKiosk(device_id), `${room_name}: the kiosk was revoked.`)}>
            <p>Its key opens nothing any more. At its next contact, within a minute where it is on, it erases every name and face; marks that it has not sent yet it keeps, and sends once it is paired again.</p>
          </asked-twice>`
        : nothing}
    </div>`
  }

  private renderTable({ kiosks, now, time_zone, app_version }: Kiosks): TemplateResult {
    if (kiosks.length === 0) return html`<h2>All kiosks</h2><p class="note">The school has no kiosks yet.</p>`
    return html`<h2>All kiosks</h2>
      <table class="card" role="table">
        <caption class="soft small">As they last told, once a minute. As it was at ${timeToTheSecond(now, time_zone)}.</caption>
        <thead role="rowgroup">
          <tr role="row">
            ${['Kiosk', 'Last heard', 'Camera', 'Marks', 'Its clock', 'Roster', 'Storage', 'App', 'Key'].map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}
          </tr>
        </thead>
        <tbody role="rowgroup">
          ${repeat(
            kiosks,
            ({ device_id }) => device_id,
            (kiosk) => html`<tr role="row">
              <th role="rowheader" scope="row">
                <b>${kiosk.room_name}</b><br />
                <span class="soft small">${kiosk.device_id} · ${kiosk.room_id}</span>
                ${kiosk.fenced_at === null ? nothing : html`<span class="pill absent">fenced</span>`} ${kiosk.revoked_at === null ? nothing : html`<span class="pill excused">revoked</span>`}
              </th>
              ${cell('Last heard', heardWords(kiosk.last_seen_at, now, time_zone))} ${cell('Camera', kiosk.camera && CAMERA_WORD[kiosk.camera], cameraFails(kiosk.camera))}
              ${cell('Marks', marksWords(kiosk), (kiosk.refused_marks ?? 0) > 0)} ${cell('Its clock', clockWords(kiosk.clock_offset_ms))}
              ${cell('Roster', kiosk.roster_pulled_at && heardWords(kiosk.roster_pulled_at, now, time_zone))}
              ${cell('Storage', kiosk.storage_persisted === null ? null : kiosk.storage_persisted ? 'kept' : 'may be evicted')}
              ${cell('App', kiosk.app_version && `${kiosk.app_version}${kiosk.app_version === app_version ? '' : ' (not the newest)'}`)}
              <td role="cell" class="key small">
                <span class="about" aria-hidden="true">Key</span>
                <span>${keyWords(kiosk, now, time_zone)}</span>
                ${this.renderKey(kiosk)}
              </td>
            </tr>`,
          )}
        </tbody>
      </table>`
  }
}

/** `words` null: it has not said. */
const cell = (about: string, words: string | null, bad = false): TemplateResult =>
  html`<td role="cell" class="numbers small">
    <span class="about" aria-hidden="true">${about}</span>
    <span>${words === null ? html`<span aria-hidden="true">–</span><span class="hidden-words">not told yet</span>` : bad ? html`<span class="pill absent">${words}</span>` : words}</span>
  </td>`
