import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StoreState } from '#contract/device'
import type { Database } from './connect.ts'
import { clearFence } from './alarms.ts'
import { saveHeartbeat } from './heartbeats.ts'
import { insertMarks, saveReceived } from './marks.ts'
import type { NewMark } from './marks.ts'
import { openDemoSchool } from './test-school.ts'

const NOW = new Date('2026-03-02T09:05:00Z')
const MINUTE_MS = 60_000

let db: Database
let close: () => Promise<void>
beforeAll(async () => {
  ({ db, close } = await openDemoSchool(NOW))
})
afterAll(() => close())

async function forgetAll(): Promise<void> {
  await db.sql`TRUNCATE device_alarms, device_stores, attendance_logs, mark_ids`
  await db.sql`UPDATE devices SET fenced_at = NULL`
}

const alarms = () => db.sql<{ kind: string; store_id: string; marks: number }[]>`SELECT kind, store_id::text, marks FROM device_alarms WHERE closed_at IS NULL ORDER BY alarm_id`

/**
 * A kiosk's storage as the app keeps it: what is strict is on its disk before it is used. A stand-in for a browser's
 * database, not for anything of ours: the protocol under test is the server's half.
 */
interface Disk { store_id: string; made: number; unsent: number[]; fence: string; next_fence: string }

const emptyDisk = (): Disk => {
  const fence = randomUUID()
  return { store_id: randomUUID(), made: 0, unsent: [], fence, next_fence: fence }
}
const copyOf = (disk: Disk): Disk => ({ ...disk, unsent: [...disk.unsent] })
/** While an answer is owed the pair is repeated. */
const draw = (disk: Disk): void => {
  if (disk.next_fence === disk.fence) disk.next_fence = randomUUID()
}
const told = ({ store_id, made, unsent, fence, next_fence }: Disk): StoreState => ({ store_id, made, unsent: unsent.length, fence, next_fence })
const answered = (disk: Disk, { next_fence }: StoreState): void => {
  if (disk.next_fence === next_fence) disk.fence = next_fence
}

/** A mark of the storage; the place among all is its lesson's date and student, so that none meets another. */
function markOf(disk: Disk, sequence: number, salt: number): NewMark {
  const at = new Date(Date.UTC(2026, 0, 5 + (sequence % 50), 9, 0, salt % 60))
  const held_on = at.toISOString().slice(0, 10)
  return {
    student_id: `S${String((sequence % 24) + 1).padStart(3, '0')}`, course_id: 'CS101', lesson_id: 'unscheduled.CS101', held_on, timestamp: at.toISOString(),
    confidence: 0.9, device_id: 'pi-lab301', store_id: disk.store_id, sequence,
  }
}

describe('a minute is watched once', () => {
  test('however often a kiosk beats: one that beats every 45 seconds, or every 20, has watched a lesson no longer than one that beats every minute', async () => {
    const [lesson] = await db.sql<{ lesson_id: string; held_on: string; starts_at: string }[]>`
      SELECT lesson_id, held_on::text AS held_on, to_json(starts_at)#>>'{}' AS starts_at FROM lessons_on((${NOW.toISOString()}::timestamptz AT TIME ZONE (SELECT time_zone FROM school))::date) WHERE classroom_id = 'LAB-301' ORDER BY starts_at LIMIT 1`
    for (const everySeconds of [60, 45, 20]) {
      await db.sql`DELETE FROM lesson_watches`
      for (let second = 3; second < 1_800; second += everySeconds) {
        const { lesson_id, held_on, starts_at } = lesson!
        await saveHeartbeat(db, { device_id: 'pi-lab301', camera: 'live', model: 'mobilefacenet-192-r1', lesson: { lesson_id, held_on } }, new Date(Date.parse(starts_at) + second * 1_000))
      }
      expect(await db.sql`SELECT beats FROM lesson_watches`, `every ${everySeconds} s`).toEqual([{ beats: 30 }])
    }
  })
})

describe('a kiosk alone raises no alarm', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('mark' as const) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('push' as const), some: fc.nat(5), answer: fc.boolean() }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('beat' as const), draws: fc.boolean(), answer: fc.boolean(), late: fc.nat(4) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('power cut' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), minutes: fc.nat(90) }) },
  )

  test('however answers are lost, requests repeated and overtaken, marks made and power cut, as long as the disk keeps what was written strictly', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        await forgetAll()
        const disk = emptyDisk()
        let now = NOW.getTime()
        /** Requests that are still somewhere in the network, and when they arrive. */
        let underWay: { due: number; store: StoreState }[] = []
        const deliver = async (until: number) => {
          for (const { due, store } of underWay.filter((beat) => beat.due <= until)) expect(await saveHeartbeat(db, { device_id: 'pi-lab301', store }, new Date(due))).toBe('kept')
          underWay = underWay.filter((beat) => beat.due > until)
        }
        for (const step of steps) {
          now += 1_000
          await deliver(now)
          if (step.do === 'wait') now += step.minutes * MINUTE_MS
          if (step.do === 'power cut') draw(disk)
          if (step.do === 'mark') disk.unsent.push(++disk.made)
          if (step.do === 'push' && disk.unsent.length > 0) {
            const some = disk.unsent.slice(0, step.some + 1)
            const outcomes = await insertMarks(db, some.map((sequence) => markOf(disk, sequence, 0)), NOW)
            expect(outcomes.every(({ outcome }) => outcome !== 'refused')).toBe(true)
            if (step.answer) disk.unsent = disk.unsent.filter((sequence) => !some.includes(sequence))
          }
          if (step.do === 'beat') {
            if (step.draws) draw(disk)
            const store = told(disk)
            // A proxy repeats it, or it comes long after the kiosk gave it up.
            if (step.late > 0) underWay.push({ due: now + step.late * 2 * MINUTE_MS, store })
            if (step.late < 3) {
              expect(await saveHeartbeat(db, { device_id: 'pi-lab301', store }, new Date(now))).toBe('kept')
              if (step.answer) answered(disk, store)
            }
          }
        }
        await deliver(Infinity)
        expect(await alarms()).toEqual([])
      }),
      { numRuns: 40 },
    )
  }, 120_000)

  test('also when what the contract or the recorder refused was counted beside the marks', async () => {
    await forgetAll()
    const disk = emptyDisk()
    disk.made = 4
    await insertMarks(db, [markOf(disk, 1, 0), { ...markOf(disk, 2, 0), student_id: 'S999' }, { ...markOf(disk, 3, 0), timestamp: '1970-01-01T00:00:00Z' }], NOW)
    await saveReceived(db, [{ device_id: 'pi-lab301', store_id: disk.store_id, sequence: 4 }], NOW)
    await saveHeartbeat(db, { device_id: 'pi-lab301', store: told(disk) }, NOW)
    expect(await alarms()).toEqual([])
  })
})

describe('of two copies of one storage', () => {
  const life = fc.array(fc.record({ draws: fc.boolean(), answer: fc.boolean() }), { maxLength: 8 })

  test('the second to speak after both have started is found at its first beat, whichever it is, and the kiosk is fenced until the office has said which is right', async () => {
    await fc.assert(
      fc.asyncProperty(life, life, fc.boolean(), async (before, between, cloneFirst) => {
        await forgetAll()
        const original = emptyDisk()
        let now = NOW.getTime()
        const beat = async (disk: Disk, answer = true) => {
          now += MINUTE_MS
          const store = told(disk)
          const result = await saveHeartbeat(db, { device_id: 'pi-lab301', store }, new Date(now))
          if (answer && result === 'kept') answered(disk, store)
          return result
        }
        for (const { draws, answer } of before) {
          if (draws) draw(original)
          expect(await beat(original, answer)).toBe('kept')
        }
        // The storage is copied while the kiosk is off, and no answer is owed to it.
        await beat(original)
        const clone = copyOf(original)
        const [first, second] = cloneFirst ? [clone, original] : [original, clone]
        draw(first)
        expect(await beat(first)).toBe('kept')
        for (const { draws, answer } of between) {
          if (draws) draw(first)
          expect(await beat(first, answer)).toBe('kept')
        }
        draw(second)
        expect(await beat(second)).toBe('fenced')
        expect(await alarms()).toEqual([{ kind: 'storage_copied', store_id: original.store_id, marks: 0 }])
        expect(await beat(first)).toBe('fenced')

        // The office switches the clone off and says that the other is right; then it switches the clone on again.
        expect(await clearFence(db, 'pi-lab301', 'office', new Date(now))).toBe(true)
        expect(await beat(second)).toBe('kept')
        expect(await alarms()).toEqual([])
        draw(second)
        expect(await beat(second)).toBe('kept')
        draw(first)
        expect(await beat(first)).toBe('fenced')
      }),
      { numRuns: 30 },
    )
  }, 120_000)

  test('a copy made while an answer was owed is found at the first fence that it draws', async () => {
    await forgetAll()
    const original = emptyDisk()
    draw(original)
    const owed = copyOf(original)
    const beat = (disk: Disk, minutes: number) => saveHeartbeat(db, { device_id: 'pi-lab301', store: told(disk) }, new Date(NOW.getTime() + minutes * MINUTE_MS))
    expect(await beat(original, 0)).toBe('kept')
    answered(original, told(original))
    expect(await beat(owed, 1)).toBe('kept')
    answered(owed, told(owed))
    draw(original)
    expect(await beat(original, 2)).toBe('kept')
    draw(owed)
    expect(await beat(owed, 3)).toBe('fenced')
  })

  test('one that goes on with a fence that was overtaken is taken for late news for ten minutes and no longer', async () => {
    await forgetAll()
    const [running, booted] = [emptyDisk(), emptyDisk()]
    Object.assign(booted, copyOf(running))
    const beat = (disk: Disk, minutes: number) => saveHeartbeat(db, { device_id: 'pi-lab301', store: told(disk) }, new Date(NOW.getTime() + minutes * MINUTE_MS))
    expect(await beat(running, 0)).toBe('kept')
    draw(booted)
    expect(await beat(booted, 1)).toBe('kept')
    expect(await beat(running, 11)).toBe('kept')
    expect(await beat(running, 12)).toBe('fenced')
  })
})

describe('of a storage that was wiped', () => {
  test('the office is told at the first beat of the new one, with how many marks are known to be lost', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 40 }), fc.array(fc.integer({ min: 1, max: 40 })), fc.boolean(), fc.boolean(), async (made, sent, beaten, marksFirst) => {
        await forgetAll()
        const old = emptyDisk()
        old.made = made
        const received = [...new Set(sent.filter((sequence) => sequence <= made))]
        if (received.length > 0) await insertMarks(db, received.map((sequence) => markOf(old, sequence, 0)), NOW)
        old.unsent = Array.from({ length: made }, (_, i) => i + 1).filter((sequence) => !received.includes(sequence))
        if (beaten) await saveHeartbeat(db, { device_id: 'pi-lab301', store: told(old) }, NOW)
        const fresh = emptyDisk()
        const later = new Date(NOW.getTime() + MINUTE_MS)
        if (marksFirst) {
          fresh.made = 1
          await insertMarks(db, [markOf(fresh, 1, 1)], later)
        }
        expect(await saveHeartbeat(db, { device_id: 'pi-lab301', store: told(fresh) }, later)).toBe('kept')
        const known = beaten ? made : Math.max(0, ...received)
        expect(await alarms()).toEqual(beaten || received.length > 0 ? [{ kind: 'storage_replaced', store_id: old.store_id, marks: known - received.length }] : [])
      }),
      { numRuns: 30 },
    )
  }, 120_000)

  test('marks that were on their way are no longer counted as lost once they are there, and a closed alarm does not come back', async () => {
    await forgetAll()
    const old = { ...emptyDisk(), made: 5, unsent: [1, 2, 3, 4, 5] }
    await saveHeartbeat(db, { device_id: 'pi-lab301', store: told(old) }, NOW)
    const fresh = emptyDisk()
    const beat = () => saveHeartbeat(db, { device_id: 'pi-lab301', store: told(fresh) }, NOW)
    await beat()
    expect(await alarms()).toEqual([{ kind: 'storage_replaced', store_id: old.store_id, marks: 5 }])
    await insertMarks(db, [2, 3].map((sequence) => markOf(old, sequence, 0)), NOW)
    await beat()
    expect(await alarms()).toEqual([{ kind: 'storage_replaced', store_id: old.store_id, marks: 3 }])
    await db.sql`UPDATE device_alarms SET closed_at = now(), closed_by = 'office'`
    await beat()
    expect(await alarms()).toEqual([])
    // And the next empty one is told of again.
    const next = emptyDisk()
    await saveHeartbeat(db, { device_id: 'pi-lab301', store: told(next) }, new Date(NOW.getTime() + MINUTE_MS))
    expect(await alarms()).toEqual([{ kind: 'storage_replaced', store_id: fresh.store_id, marks: 0 }])
  })

  test('the office is told of the one that is gone, however late its beats come', async () => {
    // Each of the old one's beats comes after so many of the new one's, of which each later one draws a fence.
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 3 }), fc.integer({ min: 0, max: 3 }), async (overtakenBy, lost) => {
        await forgetAll()
        const [old, fresh] = [emptyDisk(), emptyDisk()]
        old.made = lost
        old.unsent = Array.from({ length: lost }, (_, i) => i + 1)
        let minutes = 0
        const beat = (disk: Disk) => saveHeartbeat(db, { device_id: 'pi-lab301', store: told(disk) }, new Date(NOW.getTime() + minutes++ * MINUTE_MS))
        const late = overtakenBy.toSorted((a, b) => a - b)
        for (let beats = 0; beats <= 5; beats += 1) {
          for (const _ of late.filter((after) => after === beats)) {
            expect(await beat(old)).toBe('kept')
            answered(old, told(old))
            draw(old)
          }
          // Its own, still unsent, are nobody's loss.
          fresh.unsent.push(++fresh.made)
          expect(await beat(fresh)).toBe('kept')
          answered(fresh, told(fresh))
          draw(fresh)
        }
        expect(await alarms()).toEqual([{ kind: 'storage_replaced', store_id: old.store_id, marks: lost }])
      }),
      { numRuns: 30 },
    )
  }, 120_000)
})

test('marks that a kiosk let go of and that are not here are told with their number, once for each number', async () => {
  await forgetAll()
  const disk = emptyDisk()
  const beat = () => saveHeartbeat(db, { device_id: 'pi-lab301', store: told(disk) }, NOW)
  disk.made = 6
  disk.unsent = [6]
  await insertMarks(db, [1, 3].map((sequence) => markOf(disk, sequence, 0)), NOW)
  await beat()
  await beat()
  expect(await alarms()).toEqual([{ kind: 'marks_missing', store_id: disk.store_id, marks: 3 }])
  await db.sql`UPDATE device_alarms SET closed_at = now(), closed_by = 'office'`
  await beat()
  expect(await alarms()).toEqual([])
  disk.unsent = []
  await beat()
  expect(await alarms()).toEqual([{ kind: 'marks_missing', store_id: disk.store_id, marks: 4 }])
})

test('a fenced kiosk is seen, and of what it tells nothing is believed', async () => {
  await forgetAll()
  const disk = emptyDisk()
  await db.sql`UPDATE devices SET fenced_at = now()`
  expect(await saveHeartbeat(db, { device_id: 'pi-lab301', app_version: 'seen', store: told({ ...disk, made: 9 }) }, NOW)).toBe('fenced')
  expect(await db.sql`SELECT last_heartbeat ->> 'app_version' AS version FROM devices WHERE device_id = 'pi-lab301'`).toEqual([{ version: 'seen' }])
  expect(await db.sql`SELECT FROM device_stores`).toHaveLength(0)
})

test('beats and marks of one kiosk that come at once wait for each other, and never in a ring', async () => {
  await forgetAll()
  const disk = emptyDisk()
  await Promise.all(Array.from({ length: 40 }, (_, i) => i % 2 === 0
    ? saveHeartbeat(db, { device_id: 'pi-lab301', store: told(disk) }, NOW)
    : insertMarks(db, Array.from({ length: 20 }, (_, n) => markOf(disk, ((i * 7 + n * 3) % 60) + 1, 0)), NOW)))
  expect(await alarms()).toEqual([])
  const [row] = await db.sql<{ received: number }[]>`SELECT count_of(received) AS received FROM device_stores`
  expect(row?.received).toBe(60)
})
