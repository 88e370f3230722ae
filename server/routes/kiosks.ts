/**
 * `GET /api/v1/kiosks`: how each kiosk is; what the office answers to an alarm: that it has looked, or that a fenced kiosk is the right one; and what
 * it does about a kiosk's key: revoke it, or ask for another.
 */
import { Hono } from 'hono'
import { z } from 'zod'
import { DeviceId } from '#contract/ids'
import type { Kiosk, Kiosks } from '#contract/kiosks'
import { clearFence, closeAlarm } from '../../db/alarms.ts'
import { revokeDevice, wantKey } from '../../db/devices.ts'
import { kiosks, schoolZone } from '../../db/kiosks.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor, whoWrites } from '../identity.ts'
import { Refusal } from '../problem.ts'
import { parse } from '../request-body.ts'

/** As PostgreSQL counts them. */
export const RowNumber = z.coerce.number().pipe(z.int().min(1).max(2_147_483_647))

export function kioskRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, devices, now, appVersion } = parts
  const routes = new Hono<AppEnv>()
  const forOffice = onlyFor(parts, 'script', 'office')

  routes.get('/api/v1/kiosks', forOffice, async (c) => {
    const answer: Kiosks = { now: now().toISOString(), time_zone: await schoolZone(db), app_version: appVersion, kiosks: await kiosks(db) }
    return c.json(answer)
  })

  async function kioskNow(id: string): Promise<Kiosk> {
    const kiosk = (await kiosks(db)).find(({ device_id }) => device_id === id)
    if (!kiosk) throw noKiosk(id)
    return kiosk
  }

  routes.post('/api/v1/kiosks/:device_id/alarms/:alarm_id/close', forOffice, async (c) => {
    const { device_id, alarm_id } = parse(z.object({ device_id: DeviceId, alarm_id: RowNumber }), c.req.param())
    const closing = await together(db, async (inside) => {
      const outcome = await closeAlarm(inside, device_id, alarm_id, whoWrites(c.var.identity), now())
      if (outcome === 'done') await parts.audit({ actor: actorOf(c.var.identity), action: 'alarm_closed', subject: `device:${device_id}`, details: { alarm: alarm_id } }, inside)
      return outcome
    })
    switch (closing) {
      case 'done':
        return c.json(await kioskNow(device_id))
      case 'closed':
        throw new Refusal('conflict', `alarm ${alarm_id} was closed before`)
      case 'fenced':
        throw new Refusal('conflict', `two copies of the storage of ${device_id} are in use: switch the wrong one off, then clear the fence, which closes this alarm`)
      case 'absent':
        throw new Refusal('not_found', `${device_id} has no alarm ${alarm_id}`)
    }
  })

  routes.post('/api/v1/kiosks/:device_id/clear-fence', forOffice, async (c) => {
    const { device_id } = parse(z.object({ device_id: DeviceId }), c.req.param())
    const cleared = await together(db, async (inside) => {
      if (!(await clearFence(inside, device_id, whoWrites(c.var.identity), now()))) return false
      await parts.audit({ actor: actorOf(c.var.identity), action: 'fence_cleared', subject: `device:${device_id}` }, inside)
      return true
    })
    if (!cleared) throw noKiosk(device_id)
    await devices.reload()
    return c.json(await kioskNow(device_id))
  })

  /** Its next request, on any server, is answered 401, and it forgets its roster. */
  routes.post('/api/v1/kiosks/:device_id/revoke', forOffice, async (c) => {
    const { device_id } = parse(z.object({ device_id: DeviceId }), c.req.param())
    const revoked = await together(db, async (inside) => {
      if (!(await revokeDevice(inside, device_id, now()))) return false
      await parts.audit({ actor: actorOf(c.var.identity), action: 'device_revoked', subject: `device:${device_id}` }, inside)
      return true
    })
    if (!revoked) throw noKiosk(device_id)
    await devices.reload()
    return c.json(await kioskNow(device_id))
  })

  /** It draws one after its next beat, within a minute. */
  routes.post('/api/v1/kiosks/:device_id/want-key', forOffice, async (c) => {
    const { device_id } = parse(z.object({ device_id: DeviceId }), c.req.param())
    await kioskNow(device_id)
    const wanted = await together(db, async (inside) => {
      if (!(await wantKey(inside, device_id, now()))) return false
      await parts.audit({ actor: actorOf(c.var.identity), action: 'device_key_wanted', subject: `device:${device_id}` }, inside)
      return true
    })
    if (!wanted) throw new Refusal('conflict', `${device_id} was revoked; pair it again, which gives it a new key`)
    await devices.reload()
    return c.json(await kioskNow(device_id))
  })

  return routes
}

const noKiosk = (id: string): Refusal => new Refusal('not_found', `there is no kiosk ${id}`)
