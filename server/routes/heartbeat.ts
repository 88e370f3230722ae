/** `POST /api/v1/heartbeat`: how a kiosk is, once a minute; the answer tells it the time, the build it should run, and whether any roster has changed. */
import { Hono } from 'hono'
import { z } from 'zod'
import { Heartbeat } from '#contract/device'
import type { HeartbeatAnswer } from '#contract/device'
import { saveHeartbeat } from '../../db/heartbeats.ts'
import { rosterVersion } from '../../db/roster.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { fenced, onlyFor, refuseOtherDevices } from '../identity.ts'
import { answerJson } from '../json-answer.ts'
import { KnownDate, parse, readJson } from '../request-body.ts'

export function heartbeatRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, devices, now, appVersion } = parts
  const routes = new Hono<AppEnv>()
  routes.post('/api/v1/heartbeat', onlyFor(parts, 'device', 'script'), async (c) => {
    const beat = await readJson(c, Heartbeat)
    if (beat.lesson) parse(z.object({ lesson: z.object({ held_on: KnownDate }) }), beat)
    await refuseOtherDevices(devices, c.var.identity, beat.device_id)
    const receivedAt = now()
    if ((await saveHeartbeat(db, beat, receivedAt)) === 'fenced') {
      // So that its next request is told, too.
      await devices.reload()
      throw fenced(beat.device_id)
    }
    const answer: HeartbeatAnswer = { now: receivedAt.toISOString(), app_version: appVersion, roster_version: await rosterVersion(db) }
    return answerJson(c, answer)
  })
  return routes
}
