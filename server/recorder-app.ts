/** What a recorder answers where it was given a port: whether it lives and works. Takes no marks and knows nobody. */
import { Hono } from 'hono'
import type { AppEnv, AppParts } from './app-parts.ts'
import { answerFault, answerProblem, Refusal } from './problem.ts'
import { recorderHealthRoutes } from './routes/health.ts'

export function createRecorderApp(parts: Required<Pick<AppParts, 'db' | 'stopping' | 'streamAnswers' | 'log'>>): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.onError((error, c) => answerFault(error, c, parts.log))
  app.notFound((c) => answerProblem(new Refusal('not_found', `there is nothing at ${c.req.path}; this is a recorder, and the servers answer everything else`)))
  app.route('/', recorderHealthRoutes(parts))
  return app
}
