import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { insertMarks, setAsideMarks } from '../../db/marks.ts'
import type { NewMark } from '../../db/marks.ts'
import { openSetAside } from '../../db/set-aside.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'
import { createGroupCommit } from './group-commit.ts'
import type { GroupCommitOptions } from './group-commit.ts'
import { IntakeFull } from './intake.ts'
import type { Intake, TakenOutcome } from './intake.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
})
afterAll(() => school.stop())

const insert = (marks: NewMark[]): Promise<TakenOutcome[]> => insertMarks(school.db, marks, NOW)
const intakeOf = (more: Partial<GroupCommitOptions> = {}): Intake => createGroupCommit({ insert, setAside: (refused) => setAsideMarks(school.db, refused, NOW), log: () => {}, ...more })

/** Student 1 to 24 in the unscheduled lesson of a day. */
const markOf = (student: number, day: number, more: Partial<NewMark> = {}): NewMark => {
  const held_on = new Date(Date.UTC(2026, 9, 1 + day)).toISOString().slice(0, 10)
  return { student_id: `S${String(student).padStart(3, '0')}`, course_id: 'CS101', lesson_id: 'unscheduled.CS101', held_on, timestamp: `${held_on}T09:00:00.000Z`, confidence: 0.9, device_id: 'pi-lab301', ...more }
}
const keyOf = (mark: NewMark): string => `${mark.held_on} ${mark.student_id}`

async function keysInRecord(): Promise<Set<string>> {
  const rows = await school.db.sql<{ key: string }[]>`SELECT held_on::text || ' ' || student_id AS key FROM attendance_logs`
  return new Set(rows.map(({ key }) => key))
}

/** A PostgreSQL error as the driver throws it. */
const sqlFault = (code: string): Error => Object.assign(new Error(`fault ${code}`), { code })

const someMarks = fc.array(fc.record({ student: fc.integer({ min: 1, max: 26 }), day: fc.integer({ min: 0, max: 40 }) }), { minLength: 1, maxLength: 12 })

describe('group commit', () => {
  it('answers every mark in its place with what is in the record, however requests fall together', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(someMarks, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 3 }), async (requests, maxRows, maxInFlight) => {
        await school.db.sql`DELETE FROM attendance_logs`
        const intake = intakeOf({ maxRows, maxInFlight })
        const sent = requests.map((marks) => marks.map(({ student, day }) => markOf(student, day)))
        const answers = await Promise.all(sent.map((marks) => intake.take(marks)))
        const kept = await keysInRecord()
        const stored: string[] = []
        for (const [i, marks] of sent.entries()) {
          expect(answers[i]).toHaveLength(marks.length)
          for (const [j, mark] of marks.entries()) {
            const outcome = answers[i]?.[j]?.outcome
            const isKnown = mark.student_id <= 'S024'
            expect(outcome === 'refused').toBe(!isKnown)
            expect(kept.has(keyOf(mark))).toBe(isKnown)
            if (outcome === 'stored') stored.push(keyOf(mark))
          }
        }
        // Each key is stored once, and everything in the record was named stored once.
        expect(stored.toSorted()).toEqual([...kept].toSorted())
      }),
      { numRuns: 40 },
    )
  })

  it('puts what waits into one insert, and never more than the limit', async () => {
    const sizes: number[] = []
    const intake = intakeOf({
      maxRows: 10,
      maxInFlight: 1,
      insert: async (marks) => {
        sizes.push(marks.length)
        return insert(marks)
      },
    })
    await Promise.all(Array.from({ length: 12 }, (_, i) => intake.take([markOf(i + 1, 1), markOf(i + 1, 2), markOf(i + 1, 3)])))
    expect(sizes).toEqual([3, 9, 9, 9, 6])
  })

  it('begins no insert beside another for a few marks: they gather, and go together when it has ended', async () => {
    await school.db.sql`DELETE FROM attendance_logs`
    const under: number[] = []
    const begun: [size: number, beside: number][] = []
    const intake = intakeOf({
      worthAnother: 6,
      insert: async (marks) => {
        begun.push([marks.length, under.length])
        under.push(marks.length)
        const outcomes = await insert(marks)
        under.pop()
        return outcomes
      },
    })
    await Promise.all(Array.from({ length: 5 }, (_, i) => intake.take([markOf(i + 1, 1)])))
    expect(begun).toEqual([[1, 0], [4, 0]])
    begun.length = 0
    await Promise.all(Array.from({ length: 8 }, (_, i) => intake.take([markOf(i + 1, 2)])))
    expect(begun).toEqual([[1, 0], [6, 1], [1, expect.any(Number)]])
  })

  it('refuses what it has no room for and claims nothing of it, and has room again later', async () => {
    await school.db.sql`DELETE FROM attendance_logs`
    let goOn = (): void => {}
    const held = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const intake = intakeOf({ maxWaiting: 4, maxInFlight: 1, insert: (marks) => held.then(() => insert(marks)) })
    const under = intake.take([markOf(1, 0)])
    const waiting = intake.take([markOf(2, 0), markOf(3, 0), markOf(4, 0)])
    await expect(intake.take([markOf(5, 0), markOf(6, 0)])).rejects.toMatchObject({ reason: 'full', retryAfterSeconds: 5 })
    const fits = intake.take([markOf(7, 0)])
    goOn()
    await Promise.all([under, waiting, fits])
    expect([...(await keysInRecord())]).toHaveLength(5)
    expect(await intake.take([markOf(5, 0), markOf(6, 0)])).toEqual([{ outcome: 'stored' }, { outcome: 'stored' }])
  })

  it('stores what it took before it stops, and takes no more', async () => {
    await school.db.sql`DELETE FROM attendance_logs`
    const intake = intakeOf({ maxRows: 2, maxInFlight: 1 })
    const taken = Array.from({ length: 10 }, (_, i) => intake.take([markOf(i + 1, 0)]))
    const drained = intake.drain()
    await expect(intake.take([markOf(20, 0)])).rejects.toMatchObject({ reason: 'stopping' })
    await drained
    expect((await keysInRecord()).size).toBe(10)
    expect((await Promise.all(taken)).flat()).toHaveLength(10)
  })
})

describe('a poisoned batch', () => {
  it('fails nobody else: the poison alone is set aside, wherever it stands', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 1, max: 24 }), { minLength: 1, maxLength: 24 }), fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), fc.constantFrom('22021', '23514', 'XX000'), async (students, places, code) => {
        await school.db.sql`DELETE FROM attendance_logs`
        const poisoned = new Set(places.map((place) => keyOf(markOf(students[place % students.length] ?? 1, 0))))
        const intake = intakeOf({
          // The statement fails whole, as PostgreSQL fails it, while a poisoned mark is in it.
          insert: async (marks) => {
            if (marks.some((mark) => poisoned.has(keyOf(mark)))) throw sqlFault(code)
            return insert(marks)
          },
        })
        const answers = await Promise.all(students.map((student) => intake.take([markOf(student, 0)])))
        const expected = students.map((student) => (!poisoned.has(keyOf(markOf(student, 0))) ? 'stored' : code === '22021' ? 'refused' : 'queued'))
        expect(answers.flat().map(({ outcome }) => outcome)).toEqual(expected)
        const kept = await openSetAside(school.db, { limit: 100 })
        for (const key of code === '22021' ? poisoned : []) expect(kept.map(({ says }) => `${says.held_on} ${says.student_id}`)).toContain(key)
        expect((await keysInRecord()).size).toBe(students.length - poisoned.size)
      }),
      { numRuns: 30 },
    )
  })

  it('really refused by PostgreSQL is told from a month that has no partition', async () => {
    const intake = intakeOf({
      insert: async (marks) => {
        for (const mark of marks) {
          await school.db.sql`INSERT INTO attendance_logs (student_id, course_id, "timestamp", confidence, lesson_id, held_on, device_id, received_at)
            VALUES (${mark.student_id}, ${mark.course_id}, ${mark.timestamp}::text::timestamptz, ${mark.confidence}, 'x', ${mark.held_on ?? ''}::text::date, NULL, now())`
        }
        return marks.map(() => ({ outcome: 'stored' as const }))
      },
    })
    expect(await intake.take([markOf(1, 0, { held_on: '2026-13-45' })])).toMatchObject([{ outcome: 'refused', code: 'invalid_record' }])
    expect(await intake.take([markOf(1, 0, { held_on: '1999-01-01' })])).toEqual([{ outcome: 'queued' }])
  })

  it('that lost a race is asked again', async () => {
    let faults = 2
    const intake = intakeOf({ insert: async (marks) => (faults-- > 0 ? Promise.reject(sqlFault('40P01')) : insert(marks)) })
    expect(await intake.take([markOf(1, 30)])).toMatchObject([{ outcome: expect.stringMatching(/stored|duplicate/) }])
  })
})

describe('when PostgreSQL goes away', () => {
  it('and never answers again, stopping does not wait for it longer than those who sent the marks', async () => {
    const intake = intakeOf({ insert: () => new Promise(() => {}), maxInFlight: 1, patience: 50 })
    const taken = [markOf(1, 0), markOf(2, 0)].map((mark) => intake.take([mark]))
    const told = Promise.allSettled(taken)
    await intake.drain()
    for (const answer of await told) expect(answer).toMatchObject({ status: 'rejected', reason: { reason: 'database_away' } })
  })

  it('nothing is claimed that is not stored, and everybody is told to come back', async () => {
    const other = await startThrowawaySchool(() => NOW)
    const intake = createGroupCommit({ insert: (marks) => insertMarks(other.db, marks, NOW), setAside: (refused) => setAsideMarks(other.db, refused, NOW), log: () => {}, maxRows: 7, patience: 2_000 })
    const claimed = new Set<string>()
    let refusals = 0
    let stopped: Promise<void> | undefined
    let sent = 0
    while (refusals < 20) {
      const marks = Array.from({ length: 3 }, () => markOf((sent % 24) + 1, Math.floor(sent++ / 24)))
      const answer = intake.take(marks).then(
        (outcomes) => outcomes.forEach(({ outcome }, i) => {
          expect(outcome).toBe('stored')
          const mark = marks[i]
          if (mark) claimed.add(keyOf(mark))
        }),
        (error: unknown) => {
          expect(error).toBeInstanceOf(IntakeFull)
          refusals += 1
        },
      )
      if (sent > 90) stopped ??= other.stopDatabase()
      if (sent % 4 === 0 || sent > 600) await answer
    }
    await stopped
    expect(claimed.size).toBeGreaterThan(0)

    const sending = other.app.request('/api/v1/attendance', asked(other.deviceKey, { device_id: 'pi-lab301', records: [{ student_id: 'S001', course_id: 'CS101', timestamp: NOW.toISOString(), confidence: 0.9 }] }))
    const response = await sending
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('5')
    expect(await response.json()).toMatchObject({ code: 'busy' })

    await other.restartDatabase()
    // A connection of before the stop may still say so.
    const rows = await vi.waitFor(() => other.db.sql<{ key: string }[]>`SELECT held_on::text || ' ' || student_id AS key FROM attendance_logs`, 10_000)
    const kept = new Set(rows.map(({ key }) => key))
    for (const key of claimed) expect(kept.has(key), key).toBe(true)
    await vi.waitFor(async () => expect((await other.app.request('/health')).status).toBe(200), 10_000)
    await other.stop()
  })
})
