/** `GET /api/v1/operations`: the server's own work in figures, for the office and for a monitor: whatever is not as it should be needs a person. */
import { Hono } from 'hono'
import { SILENT_AFTER_MINUTES } from '#contract/kiosks'
import type { Operations } from '#contract/kiosks'
import { openAlarms } from '../../db/alarms.ts'
import { schoolZone, silentKiosks } from '../../db/kiosks.ts'
import { monthsAhead } from '../../db/partitions.ts'
import { countOpenSetAside } from '../../db/set-aside.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { onlyFor } from '../identity.ts'

export function operationsRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now, queueState } = parts
  const routes = new Hono<AppEnv>()

  routes.get('/api/v1/operations', onlyFor(parts, 'script', 'office'), async (c) => {
    const at = now()
    const heardSince = new Date(at.getTime() - SILENT_AFTER_MINUTES * 60_000)
    const [time_zone, months_ahead, queue, set_aside, alarms, silent] = await Promise.all([
      schoolZone(db), monthsAhead(db, at), queueNow(), countOpenSetAside(db), openAlarms(db), silentKiosks(db, heardSince, at),
    ])
    const answer: Operations = { now: at.toISOString(), time_zone, months_ahead, queue, set_aside, alarms: alarms.length, silent }
    return c.json(answer)
  })

  /** A Redis that does not answer is no fault of this request's: it is what is told. */
  async function queueNow(): Promise<Operations['queue']> {
    if (!queueState) return null
    const state = await queueState().catch(() => undefined)
    return { waiting: state?.waiting ?? null, oldest_ms: state?.oldest_ms ?? null }
  }

  return routes
}
