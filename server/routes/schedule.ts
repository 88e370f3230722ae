/** `GET /api/v1/schedule?room_id=`: what a room's kiosk may know, and only that kiosk or a script. */
import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import { ScheduleQuery } from '#contract/schedule'
import type { Schedule } from '#contract/schedule'
import { roomSchedule } from '../../db/roster.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { onlyFor } from '../identity.ts'
import { Refusal } from '../problem.ts'
import { parse } from '../request-body.ts'

export function scheduleRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now, settings } = parts
  const routes = new Hono<AppEnv>()
  routes.get('/api/v1/schedule', onlyFor(parts, 'device', 'script'), async (c) => {
    const { room_id } = parse(ScheduleQuery, c.req.query())
    const identity = c.var.identity
    if (identity.kind === 'device' && identity.room_id !== room_id) throw new Refusal('forbidden', `device ${identity.device_id} belongs to room ${identity.room_id} and may know no other`)
    const at = now()
    const known = await roomSchedule(db, room_id, at)
    if (!known) throw new Refusal('not_found', `there is no room ${room_id}`)
    const { liveness, ...roster } = known
    const unchanging: Omit<Schedule, 'now'> = { ...roster, settings: { ...settings, liveness } }
    const json = JSON.stringify(unchanging)
    const headers = { etag: `"${createHash('sha256').update(json).digest('base64url').slice(0, 32)}"`, 'cache-control': 'private, no-cache' }
    if (matches(c.req.header('if-none-match'), headers.etag)) return c.body(null, 304, headers)
    // The templates of a day's classes are a megabyte of numbers: written out once, for the tag and for the answer.
    return c.body(`{"now":${JSON.stringify(at.toISOString())},${json.slice(1)}`, 200, { ...headers, 'content-type': 'application/json' })
  })
  return routes
}

/** RFC 9110: weak comparison, because compression on the way makes a tag weak. */
function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  return ifNoneMatch !== undefined && ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
}
