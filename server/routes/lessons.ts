/** Lessons of a day, a lesson's register, its live events and people's corrections. */
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import type { SSEStreamingApi } from 'hono/streaming'
import { z } from 'zod'
import { LessonId } from '#contract/ids'
import { CorrectionRequest } from '#contract/register'
import type { Register } from '#contract/register'
import { lessonsOn, register, saveCorrection } from '../../db/registers.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { identifyAnew, onlyFor, whoWrites } from '../identity.ts'
import type { Identity } from '../identity.ts'
import { createLiveRegisters } from '../live-registers.ts'
import type { LessonKey, LiveRegisters } from '../live-registers.ts'
import { describeFault } from '../log.ts'
import { busy, Refusal } from '../problem.ts'
import { KnownDate, parse, readJson } from '../request-body.ts'
import { onlyCourses, refuseForeignCourse, teacherOf } from '../rights.ts'

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
    const [day, mine] = await Promise.all([lessonsOn(db, date, now()), onlyCourses(db, c.var.identity)])
    return c.json(mine ? { ...day, lessons: day.lessons.filter(({ course_id }) => mine.has(course_id)) } : day)
  })

  async function registerOf({ held_on, lesson_id }: LessonKey): Promise<Register> {
    const known = await register(db, held_on, lesson_id, now())
    if (!known) throw new Refusal('not_found', `there is no lesson ${lesson_id} on ${held_on}`)
    return known
  }

  async function ownRegister(key: LessonKey, identity: Identity): Promise<Register> {
    const known = await registerOf(key)
    await refuseForeignCourse(db, identity, known.lesson.course_id)
    return known
  }

  routes.get('/api/v1/lessons/:held_on/:lesson_id', forStaff, async (c) => c.json(await ownRegister(parse(LessonPath, c.req.param()), c.var.identity)))

  routes.post('/api/v1/lessons/:held_on/:lesson_id/corrections', forStaff, async (c) => {
    const key = parse(LessonPath, c.req.param())
    const correction = await readJson(c, CorrectionRequest)
    const identity = c.var.identity
    if (teacherOf(identity) !== undefined) await ownRegister(key, identity)
    const saved = await together(db, async (inside) => {
      if (!(await saveCorrection(inside, key, { ...correction, corrected_by: whoWrites(identity) }, now()))) return false
      await parts.audit({ actor: actorOf(identity), action: 'correction_made', subject: `student:${correction.student_id}`, details: { ...key, status: correction.status } }, inside)
      return true
    })
    if (!saved) {
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
      current = await ownRegister(key, c.var.identity)
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
            const identity = await identifyAnew(c, parts)
            if (!identity) return
            sent = await send(stream, await ownRegister(key, identity), sent)
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
