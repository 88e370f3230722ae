/** `GET /api/v1/rooms`, `PUT /api/v1/rooms/{id}`: the rooms, and what each does about pictures held before its camera. */
import { Hono } from 'hono'
import { z } from 'zod'
import { RoomId } from '#contract/ids'
import { RoomRequest } from '#contract/rooms'
import { rooms, saveLiveness } from '../../db/rooms.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor } from '../identity.ts'
import { Refusal } from '../problem.ts'
import { parse, readJson } from '../request-body.ts'

export function roomRoutes(parts: AppParts): Hono<AppEnv> {
  const { db } = parts
  const routes = new Hono<AppEnv>()

  routes.get('/api/v1/rooms', onlyFor(parts, 'script', 'office', 'teacher'), async (c) => c.json({ rooms: await rooms(db) }))

  routes.put('/api/v1/rooms/:room_id', onlyFor(parts, 'script', 'office'), async (c) => {
    const { room_id } = parse(z.object({ room_id: RoomId }), c.req.param())
    const { liveness } = await readJson(c, RoomRequest)
    const saved = await together(db, async (inside) => {
      if (!(await saveLiveness(inside, room_id, liveness))) return false
      await parts.audit({ actor: actorOf(c.var.identity), action: 'room_changed', subject: `room:${room_id}`, details: { liveness } }, inside)
      return true
    })
    if (!saved) throw new Refusal('not_found', `there is no room ${room_id}`)
    return c.json((await rooms(db)).find((room) => room.room_id === room_id))
  })
  return routes
}
