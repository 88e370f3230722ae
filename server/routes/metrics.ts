/** `GET /metrics`: the school's figures for Prometheus, to who has its key or the API key. */
import { hash, timingSafeEqual } from 'node:crypto'
import { Hono } from 'hono'
import type { AppEnv, AppParts } from '../app-parts.ts'
import type { Metrics } from '../metrics.ts'
import { Refusal } from '../problem.ts'
import { openSchoolMetrics } from '../school-metrics.ts'

const MAX_KEY_LENGTH = 256

export function metricsRoutes(parts: AppParts, metrics: Metrics): Hono<AppEnv> {
  const routes = new Hono<AppEnv>()
  const scrape = openSchoolMetrics(parts)
  const keys = [parts.apiKey, ...(parts.metricsKey === undefined ? [] : [parts.metricsKey])].map(digestOf)

  routes.get('/metrics', async (c) => {
    const key = /^Bearer +(\S+)$/i.exec(c.req.header('authorization')?.trim() ?? '')?.[1]
    const sent = digestOf(key === undefined || key.length > MAX_KEY_LENGTH ? '' : key)
    // Each is compared, so that the time tells nothing.
    if (!keys.map((known) => timingSafeEqual(known, sent)).includes(true)) {
      throw new Refusal('unauthorized', 'send METRICS_KEY (the server keeps it in DATA_DIR/metrics-key) or the API key as "Authorization: Bearer <key>"', { headers: { 'www-authenticate': 'Bearer' } })
    }
    return c.body(await metrics.text(await scrape()), 200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' })
  })
  return routes
}

function digestOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer')
}
