/** Records that were refused for good, as the office sees them: `GET /api/v1/set-aside`, and each recorded after all, or dismissed. */
import { Hono } from 'hono'
import type { Context } from 'hono'
import { z } from 'zod'
import { AttendanceRecord, MAX_CLOCK_OFFSET_MS } from '#contract/attendance'
import { DeviceId } from '#contract/ids'
import { RecordRequest, SetAsideQuery } from '#contract/set-aside'
import type { DismissedAnswer, RecordedAnswer, SetAsideList } from '#contract/set-aside'
import { schoolZone } from '../../db/kiosks.ts'
import type { NewMark } from '../../db/marks.ts'
import { lessonTimes, recordAfterAll } from '../../db/record-after-all.ts'
import { countOpenSetAside, dismiss, openSetAside, setAsideById } from '../../db/set-aside.ts'
import type { OpenSetAside } from '../../db/set-aside.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor, whoWrites } from '../identity.ts'
import { Refusal, refusalOfField } from '../problem.ts'
import { KnownDate, parse, readJson } from '../request-body.ts'
import { RowNumber } from './kiosks.ts'

export function setAsideRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now } = parts
  const routes = new Hono<AppEnv>()
  const forOffice = onlyFor(parts, 'script', 'office')
  const idOf = (c: Context): number => parse(z.object({ id: RowNumber }), c.req.param()).id

  routes.get('/api/v1/set-aside', forOffice, async (c) => {
    const { limit, before } = parse(SetAsideQuery, c.req.query())
    const [time_zone, open, entries] = await Promise.all([schoolZone(db), countOpenSetAside(db), openSetAside(db, { limit, ...(before === undefined ? {} : { before }) })])
    const answer: SetAsideList = { now: now().toISOString(), time_zone, open, entries: entries.map((entry) => ({ ...entry, recordable: markIn(entry) !== undefined })) }
    return c.json(answer)
  })

  routes.post('/api/v1/set-aside/:id/record', forOffice, async (c) => {
    const id = idOf(c)
    const change = await readJson(c, RecordRequest)
    if (change.held_on !== undefined) parse(z.object({ held_on: KnownDate }), change)
    const entry = await setAsideById(db, id)
    if (!entry) throw absent(id)
    if (entry.closed_as !== null) throw closed(id, entry)
    const mark = markIn(entry)
    if (!mark) throw new Refusal('conflict', 'this record cannot be read as a mark of a device of this school; it can only be dismissed')
    const outcome = await recordAfterAll(db, id, await changed(mark, change), whoWrites(c.var.identity), now())
    if (outcome.outcome === 'refused') {
      // Some say "there is no student S999", others "is more than 366 days ago", of their field.
      const why = /^(is|must)\b/.test(outcome.message) ? `its ${outcome.field} ${outcome.message}` : outcome.message
      throw new Refusal('conflict', `it still cannot be recorded: ${why}`)
    }
    await parts.audit({ actor: actorOf(c.var.identity), action: 'set_aside_recorded', subject: `set_aside:${id}`, details: { outcome: outcome.outcome, device: mark.device_id ?? null, student: mark.student_id } })
    const answer: RecordedAnswer = { set_aside_id: id, outcome: outcome.outcome }
    return c.json(answer)
  })

  /** What the device said of its clock stays known: the offset grows by what is changed here. */
  async function changed(mark: NewMark, { timestamp, held_on, lesson_id }: RecordRequest): Promise<NewMark> {
    if (timestamp !== undefined) {
      const { held_on: _on, lesson_id: _lesson, ...rest } = mark
      return movedTo(timestamp, rest)
    }
    if (held_on === undefined || lesson_id === undefined) return mark
    const lesson = await lessonTimes(db, { held_on, lesson_id })
    if (!lesson) throw refusalOfField('invalid_request', 'lesson_id', `must be a lesson of the timetable; there is no ${lesson_id} on ${held_on}`)
    const at = Date.parse(mark.timestamp)
    const fits = at >= Date.parse(lesson.starts_at) && at < Date.parse(lesson.ends_at)
    return { ...(fits ? mark : movedTo(lesson.starts_at, mark)), held_on, lesson_id }
  }

  routes.post('/api/v1/set-aside/:id/dismiss', forOffice, async (c) => {
    const id = idOf(c)
    const dismissed = await together(db, async (inside) => {
      const outcome = await dismiss(inside, id, whoWrites(c.var.identity), now())
      if (outcome === 'dismissed') await parts.audit({ actor: actorOf(c.var.identity), action: 'set_aside_dismissed', subject: `set_aside:${id}` }, inside)
      return outcome
    })
    switch (dismissed) {
      case 'dismissed':
        return c.json<DismissedAnswer>({ set_aside_id: id, outcome: 'dismissed' })
      case 'closed':
        throw closed(id, await setAsideById(db, id))
      case 'absent':
        throw absent(id)
    }
  })

  return routes
}

const absent = (id: number): Refusal => new Refusal('not_found', `there is no record ${id} set aside`)

const closed = (id: number, entry: { closed_as: string | null; closed_by: string | null } | undefined): Refusal =>
  new Refusal('conflict', `record ${id} was ${entry?.closed_as ?? 'closed'} before, by ${entry?.closed_by ?? 'somebody'}`)

/** Undefined: it cannot become a mark, whatever is changed about its time. */
function markIn({ record, device_id, room_id }: OpenSetAside): NewMark | undefined {
  const parsed = AttendanceRecord.safeParse(record)
  const device = DeviceId.safeParse(device_id)
  if (!parsed.success || !device.success || room_id === null) return undefined
  // Its sequence number was counted when it was refused.
  const { sequence: _counted, ...mark } = parsed.data
  return { ...mark, device_id: device.data }
}

function movedTo(timestamp: string, mark: NewMark): NewMark {
  const offset = Date.parse(timestamp) - Date.parse(mark.timestamp) + (mark.clock_offset_ms ?? 0)
  const { clock_offset_ms: _before, ...rest } = mark
  return { ...rest, timestamp, ...(Math.abs(offset) <= MAX_CLOCK_OFFSET_MS ? { clock_offset_ms: offset } : {}) }
}
