/** Lessons of a day, a lesson's register, its live events and people's corrections. */
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import type { SSEStreamingApi } from 'hono/streaming'
import { z } from 'zod'
import { LessonId } from '#contract/ids'
import { CorrectionRequest } from '#contract/register'
import type { Register } from '#contract/register'
import { lessonsOn, register, saveCorrection } from '../../db/registers.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { identify, onlyFor } from '../identity.ts'
import { createLiveRegisters } from '../live-registers.ts'
import type { LessonKey, LiveRegisters } from '../live-registers.ts'
import { describeFault } from '../log.ts'
import { busy, Refusal } from '../problem.ts'
import { KnownDate, parse, readJson } from '../request-body.ts'

const LessonPath = z.object({ held_on: KnownDate, lesson_id: LessonId })
const LessonsQuery = z.object({ date: KnownDate.optional() })

/** A comment this often keeps proxies from closing a quiet line; the register is looked at as often, because a status also changes with the clock. */
const PING_MS = 20_000
/** Changes closer together are sent as one. */
const GATHER_MS = 200
/** Pages that may follow registers live at once; the others are told to ask again. */
const MAX_WATCHERS = 500

export function lessonRoutes(parts: AppParts, live: LiveRegisters = createLiveRegisters(parts.db)): Hono<AppEnv> {
  const { db, now, log, stopping } = parts
  const routes = new Hono<AppEnv>()
  stopping?.addEventListener('abort', () => {
    live.close().catch((error: unknown) => log({ event: 'listen_not_closed', ...describeFault(error) }))
  })
  const forStaff = onlyFor(parts, 'script', 'office', 'teacher')

  routes.get('/api/v1/lessons', forStaff, async (c) => {
    const { date } = parse(LessonsQuery, c.req.query())
    return c.json(await lessonsOn(db, date, now()))
  })

  async function registerOf({ held_on, lesson_id }: LessonKey): Promise<Register> {
    const known = await register(db, held_on, lesson_id, now())
    if (!known) throw new Refusal('not_found', `there is no lesson ${lesson_id} on ${held_on}`)
    return known
  }

  routes.get('/api/v1/lessons/:held_on/:lesson_id', forStaff, async (c) => c.json(await registerOf(parse(LessonPath, c.req.param()))))

  routes.post('/api/v1/lessons/:held_on/:lesson_id/corrections', forStaff, async (c) => {
    const key = parse(LessonPath, c.req.param())
    const correction = await readJson(c, CorrectionRequest)
    const identity = c.var.identity
    const corrected_by = identity.kind === 'person' ? identity.username : 'script'
    if (!(await saveCorrection(db, key, { ...correction, corrected_by }, now()))) {
      throw new Refusal('not_found', `there is no lesson ${key.lesson_id} on ${key.held_on} with student ${correction.student_id}`)
    }
    return c.json(await registerOf(key), 201)
  })

  /**
   * 1. the register as it is: a refusal is still an ordinary answer here.
   * 2. wait for a change, or for the ping's time; ask whether the session still stands.
   * 3. send the register if it differs from what was sent, else a comment; back to 2.
   * Ends when the client goes, the session ends or the server stops.
   */
  routes.get('/api/v1/lessons/:held_on/:lesson_id/events', forStaff, async (c) => {
    const key = parse(LessonPath, c.req.param())
    if (live.watchers >= MAX_WATCHERS) throw busy('too many pages follow registers live; ask again in a minute', 60)
    let changed = true
    let wake: () => void = () => {}
    const unwatch = await live.watch(key, () => {
      changed = true
      wake()
    })
    let current: Register
    try {
      current = await registerOf(key)
    } catch (error) {
      unwatch()
      throw error
    }
    changed = false
    c.header('x-accel-buffering', 'no')
    return streamSSE(c, async (stream) => {
      const ended = (): boolean => stream.aborted || stream.closed || stopping?.aborted === true
      const end = (): void => wake()
      stream.onAbort(end)
      stopping?.addEventListener('abort', end)
      try {
        let sent = await send(stream, current, '')
        while (!ended()) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, changed ? GATHER_MS : PING_MS)
            wake = () => {
              clearTimeout(timer)
              setTimeout(resolve, ended() ? 0 : GATHER_MS)
            }
          })
          if (ended()) return
          changed = false
          try {
            if (!(await identify(c, parts))) return
            sent = await send(stream, await registerOf(key), sent)
          } catch (error) {
            if (error instanceof Refusal) return
            // The database may be away for a while: the line stays, and the next round tries again.
            log({ event: 'register_not_sent', ...describeFault(error) })
            await stream.write(': the database does not answer\n\n')
          }
        }
      } finally {
        stopping?.removeEventListener('abort', end)
        unwatch()
      }
    })
  })

  return routes
}

/** @returns what the client has now, without the clock. */
async function send(stream: SSEStreamingApi, current: Register, sent: string): Promise<string> {
  const { now: _, ...unchanging } = current
  const next = JSON.stringify(unchanging)
  if (next === sent) await stream.write(': ping\n\n')
  else await stream.writeSSE({ event: 'register', data: JSON.stringify(current) })
  return next
}
