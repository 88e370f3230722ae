/** What the school's policy says of a request: knows the policy on record, no route. */
import type { MiddlewareHandler } from 'hono'
import { schoolPolicy } from '../db/policy.ts'
import type { AppEnv, AppParts } from './app-parts.ts'
import { Refusal } from './problem.ts'

/** For every route that takes something made of a face: refused before its body is looked at. The database refuses it too, whoever writes. */
export function onlyWithFaces({ db }: Pick<AppParts, 'db'>): MiddlewareHandler<AppEnv> {
  return async (_c, next) => {
    if ((await schoolPolicy(db)) === 'no-biometrics') {
      throw new Refusal('policy_forbids', 'the school\'s policy is no-biometrics: nothing made of a face is taken, kept or compared; students are marked by PIN, card or teacher, and the privacy officer may set another policy')
    }
    await next()
  }
}
