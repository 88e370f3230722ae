/** `GET /api/v1/schedule?room_id=`: what a room's kiosk may know, and only that kiosk, or a script, which is told of no template. */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { Hono } from 'hono'
import { parseAccept } from 'hono/utils/accept'
import { ROSTER_VERSION_HEADER, ScheduleQuery } from '#contract/schedule'
import type { Schedule } from '#contract/schedule'
import { scheduleOf } from '../../db/roster.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor } from '../identity.ts'
import type { Identity } from '../identity.ts'
import { Refusal } from '../problem.ts'
import { parse } from '../request-body.ts'
import { openRoomTags } from '../room-tags.ts'
import type { RoomTag } from '../room-tags.ts'

/** Of a day's embeddings: a ninth more bytes than the usual level 6 for a quarter of its time, and at the bell every room asks. */
const GZIP_LEVEL = 4
const pack = promisify(gzip)

export function scheduleRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, keyring, now, settings } = parts
  const tags = openRoomTags(db, JSON.stringify(settings))
  const routes = new Hono<AppEnv>()
  routes.get('/api/v1/schedule', onlyFor(parts, 'device', 'script'), async (c) => {
    const { room_id } = parse(ScheduleQuery, c.req.query())
    const identity = c.var.identity
    if (identity.kind === 'device' && identity.room_id !== room_id) throw new Refusal('forbidden', `device ${identity.device_id} belongs to room ${identity.room_id} and may know no other`)
    const held = c.req.header('if-none-match')
    const headers = ({ version }: RoomTag, etag: string) => ({ etag, [ROSTER_VERSION_HEADER]: version, 'cache-control': 'private, no-cache' })
    const at = now()
    const known = held === undefined ? undefined : await tags.known(room_id, at)
    if (known !== undefined && matches(held, known.tag)) return c.body(null, 304, headers(known, known.tag))
    for (;;) {
      const taken = await tags.take(room_id, at)
      if (!taken) throw new Refusal('not_found', `there is no room ${room_id}`)
      if (matches(held, taken.tag)) return c.body(null, 304, headers(taken, taken.tag))
      const roster = await scheduleOf(db, taken.outline, identity.kind === 'device' ? keyring : undefined)
      // A template was erased in between: what was just taken is not so any more.
      if (!roster) continue
      const { liveness, policy, ...rest } = roster
      const schedule: Schedule = { now: at.toISOString(), ...rest, settings: { ...settings, liveness, policy } }
      await putOnRecord(room_id, schedule, identity)
      const json = JSON.stringify(schedule)
      const written = { vary: 'accept-encoding', 'content-type': 'application/json' }
      if (!takesGzip(c.req.header('accept-encoding'))) return c.body(json, 200, { ...headers(taken, taken.tag), ...written })
      return c.body(await pack(json, { level: GZIP_LEVEL }), 200, { ...headers(taken, `W/${taken.tag}`), ...written, 'content-encoding': 'gzip' })
    }
  })

  /** Templates are sent only once it is on record to whom, and how many: an answer without any reads nobody's. */
  async function putOnRecord(room_id: string, { students, ahead }: Schedule, identity: Identity): Promise<void> {
    const withFaces = [...students, ...ahead.students].filter(({ templates }) => templates.length > 0)
    if (withFaces.length === 0) return
    const templates = withFaces.reduce((sum, student) => sum + student.templates.length, 0)
    await parts.audit({ actor: actorOf(identity), action: 'templates_read', subject: `room:${room_id}`, details: { students: withFaces.length, templates } })
  }
  return routes
}

/** RFC 9110: weak comparison, because compression on the way makes a tag weak. */
function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  return ifNoneMatch !== undefined && ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
}

function takesGzip(acceptEncoding: string | undefined): boolean {
  const accepts = parseAccept(acceptEncoding ?? '')
  return ((accepts.find(({ type }) => type.toLowerCase() === 'gzip') ?? accepts.find(({ type }) => type === '*'))?.q ?? 0) > 0
}
