/** The stream, the recorder and the way around both, with a real Redis and a real PostgreSQL, and with each of them taken away. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { AttendanceAnswer } from '#contract/attendance'
import { insertMarks, setAsideMarks } from '../../db/marks.ts'
import type { NewMark } from '../../db/marks.ts'
import { openSetAside } from '../../db/set-aside.ts'
import { createApp } from '../app.ts'
import type { LogEvent } from '../log.ts'
import { connectRedis } from '../redis.ts'
import type { QueueRedis } from '../redis.ts'
import { noRedis, startThrowawayRedis } from '../throwaway-redis.ts'
import type { ThrowawayRedis } from '../throwaway-redis.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'
import { createGroupCommit } from './group-commit.ts'
import { IntakeFull } from './intake.ts'
import type { Intake, TakenOutcome } from './intake.ts'
import { GROUP, hashOf, queueState, STREAM } from './queue.ts'
import { startRecorder } from './recorder.ts'
import type { Recorder, RecorderOptions } from './recorder.ts'
import type { StoreBatch } from './store-batch.ts'
import { createStreamFirst } from './stream-first.ts'
import { createStreamIntake } from './stream.ts'
import type { StreamIntakeOptions } from './stream.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
/** So that what another recorder left is taken over within a test. */
const IDLE_MS = 300
const SOON = { timeout: 20_000, interval: 50 }

describe.skipIf(noRedis)(`the queue${noRedis === undefined ? '' : ` (skipped: ${noRedis})`}`, () => {
  let school: ThrowawaySchool
  let server: ThrowawayRedis
  let redis: QueueRedis
  let recorders: Recorder[] = []
  let children: ChildProcess[] = []
  let events: LogEvent[] = []
  const log = (event: LogEvent): void => void events.push(event)

  beforeAll(async () => {
    school = await startThrowawaySchool(() => NOW)
    server = await startThrowawayRedis()
    redis = await connectRedis(server.url, log)
  })
  afterAll(async () => {
    await redis.close()
    await server.stop()
    await school.stop()
  })
  beforeEach(async () => {
    await school.db.sql`TRUNCATE attendance_logs, mark_ids, set_aside CASCADE`
    await vi.waitFor(() => server.ask('FLUSHALL'), SOON)
    events = []
  })
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    await Promise.all(recorders.splice(0).map((recorder) => recorder.drain()))
    await vi.waitFor(() => expect(redis.isReady()).toBe(true), SOON)
  })

  const store = (): StoreBatch => ({
    insert: (marks) => insertMarks(school.db, marks, NOW),
    setAside: (refused) => setAsideMarks(school.db, refused, NOW),
    log,
  })
  const openStream = (more: Partial<StreamIntakeOptions> = {}): Intake => createStreamIntake({ redis, log, ...more })
  function record(more: Partial<RecorderOptions> = {}): Recorder {
    const recorder = startRecorder({ ...store(), redis, idleMs: IDLE_MS, patience: 2_000, ...more })
    recorders.push(recorder)
    return recorder
  }
  const drained = (): Promise<void> => vi.waitFor(async () => expect(await queueState(redis)).toMatchObject({ waiting: 0, delivered: 0, oldest_ms: 0 }), SOON)

  async function inRecord(): Promise<string[]> {
    const rows = await vi.waitFor(() => school.db.sql<{ key: string }[]>`SELECT held_on::text || ' ' || student_id AS key FROM attendance_logs ORDER BY 1`, SOON)
    return rows.map(({ key }) => key)
  }

  it('names a mark queued, and by its receipt once it is in the record, whatever is sent with it again', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(fc.record({ student: fc.integer({ min: 1, max: 27 }), day: fc.integer({ min: 0, max: 20 }) }), { minLength: 1, maxLength: 15 }), { minLength: 1, maxLength: 8 }), fc.boolean(), fc.infiniteStream(fc.nat()), async (requests, recordsMeanwhile, dice) => {
        await school.db.sql`TRUNCATE attendance_logs, mark_ids, set_aside CASCADE`
        await server.ask('FLUSHALL')
        const intake = openStream()
        const recorder = recordsMeanwhile ? record() : undefined
        const sent = requests.map((marks) => marks.map(({ student, day }) => markOf(student, day)))
        const answers = await Promise.all(sent.map((marks) => intake.take(marks)))
        for (const [i, marks] of sent.entries()) expect(answers[i]).toHaveLength(marks.length)
        if (!recordsMeanwhile) expect(answers.flat().every(({ outcome }) => outcome === 'queued')).toBe(true)
        if (!recordsMeanwhile) expect((await queueState(redis)).waiting).toBe(new Set(sent.flat().map(keyOf)).size)
        const another = recorder ?? record()
        await drained()
        const again = sent.flat().toSorted(() => ((dice.next().value ?? 0) % 3) - 1)
        const outcomes = await intake.take(again)
        const kept = new Set(await inRecord())
        for (const [i, mark] of again.entries()) {
          const isKnown = mark.student_id <= 'S024'
          expect(outcomes[i]?.outcome === 'refused').toBe(!isKnown)
          expect(outcomes[i]?.outcome).not.toBe('queued')
          if (!isKnown) expect(outcomes[i]).toMatchObject({ code: 'unknown_student', field: 'student_id', message: expect.stringContaining(mark.student_id) })
          expect(kept.has(keyOf(mark))).toBe(isKnown)
        }
        await another.drain()
      }),
      { numRuns: 15 },
    )
  })

  it('holds a mark that is sent again and again while it waits once', async () => {
    const intake = openStream()
    const marks = [markOf(1, 0), markOf(2, 0)]
    for (let i = 0; i < 5; i++) expect(await intake.take(marks)).toEqual([QUEUED, QUEUED])
    expect(await intake.take([...marks, markOf(3, 0)])).toEqual([QUEUED, QUEUED, QUEUED])
    expect(await queueState(redis)).toMatchObject({ waiting: 3, delivered: 0 })
    expect(await server.ask(`XLEN ${STREAM}`)).toBe(':2')
    // Another doubt, another time: not the very same mark.
    await intake.take([markOf(1, 0, { doubt: 'no_life_seen' })])
    expect((await queueState(redis)).waiting).toBe(4)
  })

  it('is told over HTTP: 202 while a record must be sent again, 200 once each is final', async () => {
    const app = createApp({ ...school.parts, intake: openStream() })
    const recordOf = (student_id: string, more = {}) => ({ student_id, course_id: 'CS101', timestamp: '2026-11-23T09:05:23Z', confidence: 0.9, ...more })
    const body = { device_id: 'pi-lab301', store_id: '01900000-0000-7000-8000-000000000001', records: [recordOf('S001', { sequence: 1 }), recordOf('S999', { sequence: 2 }), { student_id: 'S002' }] }
    const post = async () => app.request('/api/v1/attendance', asked(school.deviceKey, body))
    const first = await post()
    expect(first.status).toBe(202)
    const queued = AttendanceAnswer.parse(await first.json())
    expect(queued).toMatchObject({ queued: 2, refused: 1, results: [{ index: 0, outcome: 'queued' }, { index: 1, outcome: 'queued' }, { index: 2, outcome: 'refused' }] })
    record()
    await drained()
    const second = await post()
    expect(second.status).toBe(200)
    expect(await second.json()).toMatchObject({ stored: 1, queued: 0, refused: 2, results: [{ outcome: 'stored' }, { outcome: 'refused', code: 'unknown_student' }, { outcome: 'refused', code: 'invalid_record' }] })
    // What tells of gaps comes through the queue, too.
    const [store] = await school.db.sql<{ received: string }[]>`SELECT received::text AS received FROM device_stores WHERE store_id = ${body.store_id}`
    expect(store?.received).toBe('{[1,3)}')
  })

  it('tells how much waits and for how long', async () => {
    expect(await queueState(redis)).toEqual({ waiting: 0, oldest_ms: 0, delivered: 0 })
    await openStream().take([markOf(1, 0)])
    await sleep(30)
    const { oldest_ms } = await queueState(redis)
    expect(oldest_ms).toBeGreaterThanOrEqual(25)
    expect(oldest_ms).toBeLessThan(20_000)
  })

  it('empties in any order of faults: each mark that was named queued comes into the record or is set aside, once', async () => {
    // A kiosk that keeps each mark until it is named stored, duplicate or refused, and sends the rest again.
    const direct = createGroupCommit(store())
    const intake = createStreamFirst({ stream: openStream(), direct })
    const kept = new Map(Array.from({ length: 600 }, (_, i) => markOf((i % 24) + 1, Math.floor(i / 24) % 60)).map((mark) => [keyOf(mark), mark]))
    const all = [...kept.keys()].toSorted()
    const named = new Map<string, TakenOutcome>()
    record()
    record()
    const faults = (async () => {
      for (let i = 0; i < 8; i++) {
        await sleep(40 + 60 * (i % 3))
        if (i % 2 === 0) await server.ask('FLUSHALL').catch(() => {})
        else {
          await server.kill()
          await sleep(50)
          await server.restart()
        }
      }
    })()
    for (let turn = 0; kept.size > 0 && turn < 2_000; turn++) {
      const marks = [...kept.values()].filter((_, i) => (i + turn) % 7 === 0 || kept.size < 50).slice(0, 40)
      const outcomes = await intake.take(marks).catch((error: unknown) => {
        expect(error).toBeInstanceOf(IntakeFull)
        return []
      })
      for (const [i, outcome] of outcomes.entries()) {
        const mark = marks[i]
        if (!mark || outcome.outcome === 'queued') continue
        expect(outcome.outcome).not.toBe('refused')
        named.set(keyOf(mark), outcome)
        kept.delete(keyOf(mark))
      }
      await sleep(5)
    }
    await faults
    expect(kept.size).toBe(0)
    expect(await inRecord()).toEqual(all)
    await drained()
  })

  describe('when Redis', () => {
    it('is killed, everything that was named queued is there when it comes back', async () => {
      const intake = openStream()
      const queued = new Set<string>()
      let sent = 0
      const clients = Array.from({ length: 6 }, async () => {
        for (;;) {
          const marks = Array.from({ length: 3 }, () => markOf((sent % 24) + 1, Math.floor(sent++ / 24) % 60, { mark_id: undefined }))
          const outcomes = await intake.take(marks).catch(() => undefined)
          if (!outcomes) return
          for (const mark of marks) queued.add(keyOf(mark))
        }
      })
      await sleep(150)
      await server.kill()
      await Promise.all(clients)
      expect(queued.size).toBeGreaterThan(0)
      await server.restart()
      record()
      await vi.waitFor(() => expect(redis.isReady()).toBe(true), SOON)
      await drained()
      const kept = new Set(await inRecord())
      for (const key of queued) expect(kept.has(key), key).toBe(true)
    })

    it('is emptied, the recorder goes on, and a mark that is sent again is queued anew', async () => {
      const intake = openStream()
      record()
      await intake.take([markOf(1, 0)])
      await drained()
      await server.ask('FLUSHALL')
      expect(await intake.take([markOf(1, 0), markOf(2, 0)])).toEqual([QUEUED, QUEUED])
      await drained()
      expect(await intake.take([markOf(1, 0), markOf(2, 0)])).toEqual([{ outcome: 'duplicate' }, { outcome: 'stored' }])
    })

    it('is full, by our limit or by its memory, marks go straight into PostgreSQL', async () => {
      const limited = createStreamFirst({ stream: openStream({ maxQueued: 2 }), direct: createGroupCommit(store()) })
      expect(await limited.take([markOf(1, 0), markOf(2, 0)])).toEqual([QUEUED, QUEUED])
      expect(await limited.take([markOf(3, 0)])).toEqual([{ outcome: 'stored' }])
      expect(await limited.take([markOf(1, 0)])).toEqual([QUEUED])
      await server.ask('CONFIG SET maxmemory 100kb')
      const intake = createStreamFirst({ stream: openStream(), direct: createGroupCommit(store()) })
      expect(await intake.take([markOf(4, 0)])).toEqual([{ outcome: 'stored' }])
      await server.ask('CONFIG SET maxmemory 0')
      expect(events).toMatchObject([{ event: 'queue_failed', message: expect.stringContaining('OOM') }])
    })

    it('is silent, the first marks wait for one command and the next for none', async () => {
      const intake = createStreamFirst({ stream: openStream(), direct: createGroupCommit(store()) })
      server.freeze()
      expect(await intake.take([markOf(1, 0)])).toEqual([{ outcome: 'stored' }])
      const asked = performance.now()
      expect(await intake.take([markOf(2, 0)])).toEqual([{ outcome: 'stored' }])
      expect(performance.now() - asked).toBeLessThan(1_000)
      server.thaw()
      // What Redis was sent before it fell silent it may take up now: a duplicate, and no second mark.
      record()
      await drained()
      expect(await inRecord()).toHaveLength(2)
    })
  })

  describe('when PostgreSQL goes away', () => {
    it('the stream takes the marks, no delivery is counted, and all of them are in the record when it is back', async () => {
      const intake = createStreamFirst({ stream: openStream(), direct: createGroupCommit({ ...store(), patience: 500 }) })
      const first = record({ maxDeliveries: 2 })
      await intake.take([markOf(1, 0)])
      await drained()
      await school.stopDatabase()
      const marks = Array.from({ length: 60 }, (_, i) => markOf((i % 24) + 1, 1 + Math.floor(i / 24)))
      for (const mark of marks) expect(await intake.take([mark])).toEqual([QUEUED])
      // Several recorders in turn, each longer than entries may idle.
      await sleep(3 * IDLE_MS)
      await first.drain()
      const second = record({ maxDeliveries: 2 })
      await sleep(3 * IDLE_MS)
      const pending = (await redis.client.call('XPENDING', STREAM, GROUP, '-', '+', 10)) as [string, string, number, number][]
      expect(pending.length).toBeGreaterThan(0)
      for (const [, , , deliveries] of pending) expect(deliveries).toBe(0)
      await second.drain()
      record({ maxDeliveries: 2 })
      await sleep(3 * IDLE_MS)
      expect((await queueState(redis)).waiting).toBe(60)
      await server.kill()
      await expect(intake.take([markOf(9, 9)])).rejects.toMatchObject({ name: 'IntakeFull', retryAfterSeconds: 5 })
      await server.restart()
      await school.restartDatabase()
      await vi.waitFor(() => expect(redis.isReady()).toBe(true), SOON)
      await drained()
      expect(await inRecord()).toHaveLength(61)
      expect(await openSetAside(school.db, { limit: 10 })).toEqual([])
      expect((await intake.take(marks)).every(({ outcome }) => outcome === 'stored' || outcome === 'duplicate')).toBe(true)
    })
  })

  describe('a recorder', () => {
    it('that is killed in mid-batch loses nothing and doubles nothing: another takes over what it held', async () => {
      const intake = openStream()
      const marks = Array.from({ length: 400 }, (_, i) => markOf((i % 24) + 1, Math.floor(i / 24)))
      for (let i = 0; i < marks.length; i += 20) await intake.take(marks.slice(i, i + 20))
      // It stores and never comes to acknowledge: the worst moment to die.
      const child = startChild('insert: async (marks) => { await insertMarks(db, marks, now); console.log("stored"); return new Promise(() => {}) }')
      await said(child, 'stored')
      expect((await queueState(redis)).delivered).toBeGreaterThan(0)
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
      expect((await queueState(redis)).waiting).toBe(400)
      record()
      await drained()
      expect(await inRecord()).toEqual(marks.map(keyOf).toSorted())
      expect((await intake.take(marks)).every(({ outcome }) => outcome === 'stored' || outcome === 'duplicate')).toBe(true)
    })

    it('shares the queue with others', async () => {
      const busy = [0, 0, 0]
      const counting = (i: number): Partial<RecorderOptions> => ({
        insert: (marks) => {
          return insertMarks(school.db, marks, NOW).then((outcomes) => {
            busy[i] = (busy[i] ?? 0) + marks.length
            return outcomes
          })
        },
      })
      for (const i of busy.keys()) record({ ...counting(i), idleMs: 30_000 })
      const intake = openStream()
      const marks = Array.from({ length: 1_200 }, (_, i) => markOf((i % 24) + 1, Math.floor(i / 24)))
      for (let i = 0; i < marks.length; i += 5) await intake.take(marks.slice(i, i + 5))
      await drained()
      expect(await inRecord()).toEqual(marks.map(keyOf).toSorted())
      // Each mark went to one of them.
      expect(busy.reduce((a, b) => a + b)).toBe(marks.length)
    })

    it('that stops finishes what it holds, and leaves to others at once what PostgreSQL does not take', async () => {
      const intake = openStream()
      let hangs = true
      const first = record({ idleMs: 30_000, insert: (marks) => (hangs ? Promise.reject(Object.assign(new Error('away'), { code: 'ECONNREFUSED' })) : insertMarks(school.db, marks, NOW)) })
      await intake.take([markOf(1, 0), markOf(2, 0)])
      await vi.waitFor(async () => expect((await queueState(redis)).delivered).toBe(1), SOON)
      await first.drain()
      expect(await inRecord()).toEqual([])
      hangs = false
      // 30 s have not passed.
      const second = record({ idleMs: 30_000 })
      await drained()
      await intake.take([markOf(3, 0)])
      await second.drain()
      expect(await inRecord()).toHaveLength((await queueState(redis)).waiting === 0 ? 3 : 2)
    })

    it('is forgotten by name when it is gone, and never with something pending', async () => {
      const names = async (): Promise<unknown[]> => ((await redis.client.xinfo('CONSUMERS', STREAM, GROUP)) as unknown[][]).map((consumer) => consumer[1]).toSorted()
      await openStream().take([markOf(1, 0)])
      await redis.client.call('XGROUP', 'CREATE', STREAM, GROUP, '0')
      await redis.client.call('XREADGROUP', 'GROUP', GROUP, 'holding', 'STREAMS', STREAM, '>')
      await redis.client.call('XREADGROUP', 'GROUP', GROUP, 'idle', 'STREAMS', STREAM, '>')
      // What `holding` holds is still its own; `idle` has nothing to lose.
      const patient = record({ name: 'patient', idleMs: 5_000, forgottenMs: 50 })
      await sleep(200)
      await patient.drain()
      const another = record({ name: 'another', idleMs: 5_000, forgottenMs: 50 })
      await vi.waitFor(async () => expect(await names()).not.toContain('idle'), SOON)
      expect(await names()).toContain('holding')
      expect((await queueState(redis)).waiting).toBe(1)
      await another.drain()
      record({ forgottenMs: 50 })
      await drained()
      await vi.waitFor(async () => expect(await names()).not.toContain('holding'), SOON)
      expect(await inRecord()).toHaveLength(1)
    })
  })

  describe('a mark that PostgreSQL will not take', () => {
    it('holds nobody up, and is set aside with its reason at its fifth delivery', async () => {
      const intake = openStream()
      const marks = Array.from({ length: 40 }, (_, i) => markOf((i % 24) + 1, Math.floor(i / 24)))
      const poisoned = new Set([3, 17, 39].map((i) => keyOf(marks[i] ?? markOf(1, 0))))
      let attempts = 0
      for (const mark of marks) await intake.take([mark])
      record({
        insert: async (some) => {
          const bad = some.filter((mark) => poisoned.has(keyOf(mark)))
          if (bad.length > 0 && some.length === 1) attempts += 1
          if (bad.length > 0) throw Object.assign(new Error('no partition of relation "attendance_logs" found for row'), { code: '23514' })
          return insertMarks(school.db, some, NOW)
        },
      })
      await drained()
      expect(await inRecord()).toEqual(marks.map(keyOf).filter((key) => !poisoned.has(key)).toSorted())
      const kept = await openSetAside(school.db, { limit: 100 })
      expect(kept.map(({ says }) => `${says.held_on} ${says.student_id}`).toSorted()).toEqual([...poisoned].toSorted())
      expect(kept[0]).toMatchObject({ code: 'set_aside', device_id: 'pi-lab301', reason: expect.stringMatching(/5 attempts.*no partition/), times: 1 })
      expect(attempts).toBe(15)
      const again = await intake.take(marks)
      for (const [i, mark] of marks.entries()) expect(again[i]).toMatchObject(poisoned.has(keyOf(mark)) ? { outcome: 'refused', code: 'set_aside' } : { outcome: 'stored' })
    })

    it('nor anybody read is set aside as it stands', async () => {
      const intake = openStream()
      const hash = hashOf('x')
      await redis.client.xadd(STREAM, '*', 'hashes', hash, 'marks', '[{"student_id": "S0')
      await redis.client.xadd(STREAM, '*', 'something', 'else')
      await redis.client.xadd(STREAM, '*', 'hashes', hash, 'marks', '["S001"]')
      await redis.client.xadd(STREAM, '*', 'hashes', hash, 'marks', '[{"student_id":7}]')
      await intake.take([markOf(1, 0)])
      record()
      await drained()
      expect(await inRecord()).toEqual([keyOf(markOf(1, 0))])
      const kept = await openSetAside(school.db, { limit: 100 })
      expect(kept.map(({ record }) => record)).toEqual(expect.arrayContaining(['[{"student_id": "S0', '["something","else"]', '["S001"]']))
    })

    it('and under which recorders die is tried no more', async () => {
      const intake = openStream()
      await intake.take([markOf(1, 0)])
      await redis.client.call('XGROUP', 'CREATE', STREAM, GROUP, '0')
      const [[, [[id]]]] = (await redis.client.call('XREADGROUP', 'GROUP', GROUP, 'dead', 'STREAMS', STREAM, '>')) as [[string, [[string]]]]
      await redis.client.call('XCLAIM', STREAM, GROUP, 'dead', 0, id, 'IDLE', 60_000, 'RETRYCOUNT', 10, 'JUSTID')
      let tried = 0
      record({
        insert: (marks) => {
          tried += marks.length
          return insertMarks(school.db, marks, NOW)
        },
      })
      await drained()
      expect(tried).toBe(0)
      expect(await openSetAside(school.db, { limit: 10 })).toMatchObject([{ says: { student_id: 'S001' }, code: 'set_aside' }])
    })
  })

  /** A recorder as a process of its own, with this `insert`. */
  function startChild(insert: string): ChildProcess {
    const root = new URL('../..', import.meta.url).pathname
    const code = `
      import { connect } from '${root}db/connect.ts'
      import { insertMarks } from '${root}db/marks.ts'
      import { connectRedis } from '${root}server/redis.ts'
      import { startRecorder } from '${root}server/intake/recorder.ts'
      const now = new Date('${NOW.toISOString()}')
      const db = await connect(process.argv[1])
      startRecorder({ redis: await connectRedis(process.argv[2], console.error), setAside: async () => {}, log: console.error, ${insert} })`
    const { host, port, database, user, pass } = school.db.sql.options
    const url = `postgres://${user}:${encodeURIComponent(String(pass))}@${host[0]}:${port[0]}/${database}`
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type', 'module', '--eval', code, url, server.url], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    return child
  }
})

const QUEUED = { outcome: 'queued' }

/** Student 1 to 24 in the unscheduled lesson of a day. */
function markOf(student: number, day: number, more: { [K in keyof NewMark]?: NewMark[K] | undefined } = {}): NewMark {
  const held_on = new Date(Date.UTC(2026, 8, 1 + day)).toISOString().slice(0, 10)
  return { student_id: `S${String(student).padStart(3, '0')}`, course_id: 'CS101', lesson_id: 'unscheduled.CS101', held_on, timestamp: `${held_on}T09:00:00.000Z`, confidence: 0.9, device_id: 'pi-lab301', ...more } as NewMark
}

function keyOf(mark: NewMark): string {
  return `${mark.held_on} ${mark.student_id}`
}

function said(child: ChildProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (text: Buffer) => text.toString().includes(word) && resolve())
    child.once('exit', () => reject(new Error('the recorder ended')))
  })
}
