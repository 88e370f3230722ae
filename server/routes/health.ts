/**
 * Whether this process lives (`GET /livez`), whether it can do what others wait for (`GET /readyz`), and whether it can
 * do all its work, which it cannot without its database (`GET /health`). Nobody need say who they are.
 */
import { Hono } from 'hono'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { databaseAnswers } from '../../db/connect.ts'
import { answerProblem, busy } from '../problem.ts'

type HealthParts = Pick<AppParts, 'db' | 'stopping' | 'streamAnswers'>

const NO_STORE = { 'cache-control': 'no-store' }
const STARTING_RETRY_SECONDS = 2

/** Of a server: ready where it can take marks, into the stream or into PostgreSQL. */
export function healthRoutes({ db, stopping, streamAnswers }: HealthParts): Hono<AppEnv> {
  return routesOf({ db, stopping }, async () => {
    // The quicker one decides: a PostgreSQL that hangs must not make a server whose stream answers look dead.
    const takes = [databaseAnswers(db), ...(streamAnswers ? [streamAnswers()] : [])].map(async (answers) => {
      if (!(await answers)) throw new Error('does not answer')
    })
    return Promise.any(takes).then(() => undefined, () => (streamAnswers ? 'neither the database nor the stream answers' : 'the database does not answer'))
  })
}

/** Of a recorder: it needs both, the stream to take from and PostgreSQL to write to. */
export function recorderHealthRoutes({ db, stopping, streamAnswers }: Required<HealthParts>): Hono<AppEnv> {
  return routesOf({ db, stopping }, async () => {
    if (!(await streamAnswers())) return 'the stream does not answer'
    return (await databaseAnswers(db)) ? undefined : 'the database does not answer'
  })
}

function routesOf({ db, stopping }: { db: AppParts['db']; stopping: AbortSignal | undefined }, whyNotReady: () => Promise<string | undefined>): Hono<AppEnv> {
  const routes = new Hono<AppEnv>()

  routes.get('/livez', () => alive())

  routes.get('/readyz', async (c) => {
    const why = stopping?.aborted ? 'the server is stopping' : await whyNotReady()
    if (why !== undefined) throw busy(why)
    return c.json({ status: 'ready' }, 200, NO_STORE)
  })

  routes.get('/health', async (c) => {
    if (!(await databaseAnswers(db))) throw busy('the database does not answer')
    return c.json({ status: 'healthy' }, 200, NO_STORE)
  })

  return routes
}

/** What is answered until the app is there: the process lives, and nothing else works yet. */
export function whileStarting(request: Request): Response {
  if (new URL(request.url).pathname === '/livez') return alive()
  return answerProblem(busy('the server is starting; ask again in a moment', STARTING_RETRY_SECONDS))
}

function alive(): Response {
  return Response.json({ status: 'alive' }, { headers: NO_STORE })
}
