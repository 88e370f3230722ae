import { afterAll, beforeAll, expect, it } from 'vitest'
import { listen } from './listener.ts'
import type { Listener } from './listener.ts'
import { byCookie, signedIn } from './throwaway-people.ts'
import { asked, startThrowawaySchool } from './throwaway-school.ts'
import type { ThrowawaySchool } from './throwaway-school.ts'

/** A Monday at 09:20 in Stockholm. */
const NOW = new Date('2026-11-23T08:20:00Z')
/** More than there are connections to the database. */
const OFTEN = 15

let school: ThrowawaySchool
let listener: Listener
beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
  listener = await listen('127.0.0.1', 0, school.app.fetch)
})
afterAll(async () => {
  await listener.close(1_000)
  await school.stop()
})

it('who asks for the head of what is made as it is read leaves nothing open', { timeout: 60_000 }, async () => {
  const { cookie } = await signedIn(school, { username: 'ombudsman', role: 'privacy' })
  const ask = (path: string, method = 'GET') => fetch(`http://127.0.0.1:${listener.port}${path}`, { ...(path.endsWith('/export') ? byCookie(cookie, method) : asked(school.apiKey, undefined, method)), signal: AbortSignal.timeout(20_000) })
  const { lessons } = (await (await ask('/api/v1/lessons')).json()) as { lessons: { held_on: string; lesson_id: string }[] }
  const [lesson] = lessons
  for (const [path, type] of [['/api/v1/students/S001/export', 'application/json'], [`/api/v1/lessons/${lesson?.held_on}/${lesson?.lesson_id}/events`, 'text/event-stream']] as const) {
    for (let i = 0; i < OFTEN; i += 1) {
      const head = await ask(path, 'HEAD')
      expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([200, type, ''])
    }
  }
  const whole = await ask('/api/v1/students/S001/export')
  expect(await whole.json()).toBeTypeOf('object')
  const [open] = await school.db.sql<{ count: number }[]>`SELECT count(*)::integer AS count FROM pg_stat_activity WHERE state = 'idle in transaction'`
  expect(open?.count).toBe(0)
})
