/** `GET /health`: whether this server can do its work, which it cannot without its database. */
import { Hono } from 'hono'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { databaseAnswers } from '../../db/connect.ts'
import { busy } from '../problem.ts'

export function healthRoutes({ db }: AppParts): Hono<AppEnv> {
  const routes = new Hono<AppEnv>()
  routes.get('/health', async (c) => {
    if (!(await databaseAnswers(db))) throw busy('the database does not answer')
    return c.json({ status: 'healthy' }, 200, { 'cache-control': 'no-store' })
  })
  return routes
}
