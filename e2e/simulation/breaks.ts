/**
 * Faults put into a world on purpose, to see that it finds them: around the product's parts, never in them. Each breaks
 * one promise of the design.
 */
import type { NewMark } from '../../db/marks.ts'
import type { Intake, TakenOutcome } from '../../server/intake/intake.ts'
import type { Host } from '../../kiosk/sync/host.ts'
import type { Store } from '../../kiosk/store/store.ts'
import type { Chance } from './chance.ts'
import type { DeviceClock } from './device-clock.ts'
import type { Kiosk } from './kiosk.ts'
import type { Owner, VirtualTime } from './virtual-time.ts'

export const BREAKS = {
  'ack-before-commit': 'the server answers "stored", and inserts a moment later',
  'key-without-date': 'a mark is known by lesson and student alone: next week\'s is taken for a duplicate',
  'let-go-on-2xx': 'the kiosk takes any answer of 2xx for a receipt',
  'no-retry': 'the kiosk sends each mark once, and takes it for stored whatever happens',
  'shown-before-flushed': 'the kiosk\'s disk flushes nothing that it is asked to flush',
  'roster-added-to': 'a new roster is added to the old one, and does not take its place',
  'guessed-time': 'the kiosk does not remember that it did not know the time',
  'time-by-the-wall': 'the kiosk counts the school\'s time on the clock that can be set',
} as const
export type Break = keyof typeof BREAKS

export interface Bent {
  intake?: (commit: Intake) => Intake
  insert?: (insert: (marks: NewMark[]) => Promise<TakenOutcome[]>) => (marks: NewMark[]) => Promise<TakenOutcome[]>
  fetch?: (fetch: Host['fetch'], kiosk: Kiosk) => Host['fetch']
  store?: (store: Store) => Store
  /** The disk flushes nothing. */
  relaxed?: boolean
  /** What takes the place of the clock that only counts on. */
  monotonic?: (clock: DeviceClock) => number
}

export function bend(broken: Break | undefined, o: { time: VirtualTime; chance: Chance; school: Owner; up: () => boolean }): Bent {
  const { time, chance, school } = o
  switch (broken) {
    case undefined:
      return {}
    case 'ack-before-commit':
      return {
        intake: (commit) => ({
          ...commit,
          take(marks) {
            // What is in the server's memory when it goes down is lost.
            time.after(chance.int(5, 2_000), school, async () => {
              if (o.up()) await time.outside(() => commit.take(marks).catch(() => []))
            })
            return Promise.resolve(marks.map(() => ({ outcome: 'stored' as const })))
          },
        }),
      }
    case 'key-without-date': {
      const known = new Map<string, string>()
      return {
        insert: (insert) => async (marks) => {
          const seen = marks.map((mark) => {
            const key = `${mark.lesson_id} ${mark.student_id}`
            const first = known.get(key) ?? mark.held_on ?? ''
            known.set(key, first)
            return first === mark.held_on
          })
          const outcomes = await insert(marks.filter((_, i) => seen[i]))
          let place = 0
          return marks.map((_, i) => (seen[i] ? (outcomes[place++] as TakenOutcome) : { outcome: 'duplicate' }))
        },
      }
    }
    case 'let-go-on-2xx':
      return { fetch: (fetch) => async (path, init) => answeredStored(await fetch(path, init)) }
    case 'no-retry':
      return {
        fetch: (fetch) => async (path, init) => {
          if (path !== '/api/v1/attendance') return fetch(path, init)
          const { records } = JSON.parse(String(init.body)) as { records: unknown[] }
          await fetch(path, init).catch(() => undefined)
          return said(200, { results: records.map((_, index) => ({ index, outcome: 'stored' })) })
        },
      }
    case 'shown-before-flushed':
      return { relaxed: true }
    case 'guessed-time':
      return {
        store: (store) => ({
          ...store,
          saveMark(mark) {
            const certain = { ...mark }
            delete certain.unsure
            return store.saveMark(certain)
          },
        }),
      }
    case 'time-by-the-wall':
      return { monotonic: (clock) => clock.wall() }
    case 'roster-added-to':
      return {
        store: (store) => ({
          ...store,
          async saveRoster(roster) {
            const before = await store.savedRoster(0)
            const added = (before?.schedule.students ?? []).filter(({ student_id }) => !roster.schedule.students.some((each) => each.student_id === student_id))
            await store.saveRoster({ ...roster, schedule: { ...roster.schedule, students: [...roster.schedule.students, ...added] } })
          },
        }),
      }
  }
}

async function answeredStored(response: Response): Promise<Response> {
  if (!response.ok) return response
  const text = await response.text()
  const json = JSON.parse(text) as { results?: { outcome: string }[] }
  if (!json.results) return said(response.status, json, response.headers)
  return said(200, { ...json, results: json.results.map((result) => ({ ...result, outcome: result.outcome === 'queued' ? 'stored' : result.outcome })) })
}

function said(status: number, json: unknown, headers = new Headers()): Response {
  return { status, ok: status < 300, headers, text: () => Promise.resolve(JSON.stringify(json)) } as unknown as Response
}
