/** `GET /api/v1/audit`: who did what to whom, for the privacy officer alone. */
import { Hono } from 'hono'
import { AuditQuery } from '#contract/audit'
import type { AuditLog } from '#contract/audit'
import { auditEntries } from '../../db/audit.ts'
import { schoolZone } from '../../db/kiosks.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { onlyFor } from '../identity.ts'
import { refusalOfField } from '../problem.ts'
import { parse } from '../request-body.ts'

/** What PostgreSQL's timestamptz takes without a sign of its own. */
const EARLIEST = Date.UTC(1970, 0, 1)
const LATEST = Date.UTC(3000, 0, 1)

export function auditRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now } = parts
  const routes = new Hono<AppEnv>()
  routes.get('/api/v1/audit', onlyFor(parts, 'privacy'), async (c) => {
    const query = parse(AuditQuery, c.req.query())
    const [from, to] = [instantOf('from', query.from), instantOf('to', query.to)]
    if (from !== undefined && to !== undefined && from >= to) throw refusalOfField('invalid_request', 'from', 'must be before to')
    const [time_zone, page] = await Promise.all([schoolZone(db), auditEntries(db, query)])
    const answer: AuditLog = { now: now().toISOString(), time_zone, ...page }
    return c.json(answer)
  })
  return routes
}

function instantOf(field: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const at = Date.parse(text)
  if (at >= EARLIEST && at < LATEST) return at
  throw refusalOfField('invalid_request', field, 'must lie between the years 1970 and 3000')
}
