/** `POST /api/v1/heartbeat`: how a kiosk is, once a minute; the answer tells it the time, the build it should run, and whether any roster has changed. */
import { Hono } from 'hono'
import { z } from 'zod'
import { Heartbeat } from '#contract/device'
import type { HeartbeatAnswer } from '#contract/device'
import { KEY_DAYS } from '#contract/pairing'
import { saveHeartbeat } from '../../db/heartbeats.ts'
import { rosterVersion } from '../../db/roster.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import type { Identity } from '../identity.ts'
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
    parts.metrics?.beat(beat)
    const answer: HeartbeatAnswer = { now: receivedAt.toISOString(), app_version: appVersion, roster_version: await rosterVersion(db), ...(await wantsNewKey(c.var.identity, receivedAt)) }
    return answerJson(c, answer)
  })

  /** A script has no key of a device; one that was handed out in a link stays until the office asks for another. */
  async function wantsNewKey(identity: Identity, at: Date): Promise<Pick<HeartbeatAnswer, 'new_key'>> {
    const device = identity.kind === 'device' ? await devices.byId(identity.device_id) : undefined
    if (!device) return {}
    const { key_drawn_at, key_wanted } = device
    return key_wanted || (key_drawn_at !== null && at.getTime() - Date.parse(key_drawn_at) >= KEY_DAYS * 86_400_000) ? { new_key: true } : {}
  }

  return routes
}
