/**
 * What a kiosk tells of itself every 45 seconds: kept as its newest word, counted as watching a lesson, and compared with what
 * the record holds of its storage. Knows no screen that shows an alarm and no person who closes it: alarms.ts.
 *
 * [Note: What a storage's heartbeat proves]
 * 1. Lost marks. The kiosk says how many marks it ever made (`made`) and how many of them it still holds back (`unsent`). It lets go of
 *    a mark only after its final outcome was committed together with its number (marks.ts), and read the two figures before it sent them:
 *    so if `made - unsent` is more than the numbers received, marks are lost. Old news, repeated or out of order, says less and proves no more.
 * 2. An empty storage. A storage_id that never beat before, of a device that had another one: that one is gone. Where the last beat of
 *    the old one was still under way, it is the other way about; the one that goes on beating is not the one that is gone.
 * 3. Two copies. See the contract's note "Two copies of one storage". What the storage must present next is `fence`, as drawn in the newest
 *    pair. A pair that the storage has presented before is a repetition (the answer was lost) or late; one that it has not, and that
 *    does not begin with `fence`, can only be another copy's. A pair that is no longer the newest may be late for as long as a request may be
 *    under way; after that it is another copy's, too.
 */
import type { Heartbeat, StoreState } from '#contract/device'
import type { SchoolPolicy } from '#contract/policy'
import type postgres from 'postgres'
import type { Database } from './connect.ts'
import { confirmForgotten } from './forgettings.ts'
import { iso } from './registers.ts'
import { storableJson } from './storable.ts'

/**
 * [Note: A minute is watched once] A lesson's beats are held against its minutes (register_taken), so at most one is counted in each minute of the
 * clock, however often a kiosk beats. And what comes sooner than this after the last counted one is a repeat.
 */
const SECONDS_BETWEEN_BEATS = 30
/** A kiosk's clock and the server's differ; a beat so shortly before or after the lesson is still of it. */
const BEAT_GRACE_SECONDS = 60
/** No request is under way for so long: kiosks give up after seconds, proxies after a minute or few. */
const LONGEST_LATE_MS = 10 * 60_000

/**
 * Keeps the newest heartbeat of the device, with what it proves, in one transaction. A beat of a kiosk that can mark whoever comes, sent while
 * the lesson that it names is on in the device's own room, also counts as watching that lesson.
 * `fenced`: two copies of its storage are in use, and nobody has said yet which is right; of such a beat nothing but that it came is kept.
 * What waits for no answer is sent at once, in order: a school's kiosks beat all day.
 */
export async function saveHeartbeat(db: Database, beat: Heartbeat, receivedAt: Date): Promise<'kept' | 'fenced'> {
  const { device_id, store, lesson } = beat
  return db.sql.begin(async (sql) => {
    const at = receivedAt.toISOString()
    const [[device], known] = await Promise.all([
      // Locks the device: its heartbeats come one after the other. Sent first, so that what is known of its storage is read under the lock.
      sql<{ fenced: boolean }[]>`
        UPDATE devices SET last_seen_at = greatest(last_seen_at, ${at}::timestamptz), last_heartbeat = ${storableJson(beat)}::text::jsonb
        WHERE device_id = ${device_id}
        RETURNING fenced_at IS NOT NULL AS fenced`.execute(),
      store && knownStore(sql, device_id, store.store_id),
    ])
    if (!device) return 'kept'
    if (device.fenced) return 'fenced'
    const told = store && known && { store, known, verdict: judgeFences(known, store, receivedAt) }
    if (told?.verdict === 'copied') {
      await fence(sql, device_id, told.store.store_id, at)
      return 'fenced'
    }
    const watches = lesson && (await takesRegister(sql, beat))
    await Promise.all([
      ...(told ? saveStore(sql, device_id, told, receivedAt) : []),
      beat.roster_version !== undefined && confirmForgotten(sql, device_id, beat.roster_version, receivedAt),
      watches && countWatching(sql, device_id, lesson, at),
    ])
    return 'kept'
  }) as Promise<'kept' | 'fenced'>
}

/**
 * [Note: Who takes a register] Only a kiosk that can mark every student who comes says something by marking nobody. Under `default` that needs a live
 * camera and a loaded model. Under `verify-only` the camera rests until somebody has typed a PIN or shown a card: at rest it says `off`, and if it
 * did not work when it was wanted it says so; the model must be loaded. Under `no-biometrics` there is nothing to fail but the kiosk itself: it names the
 * lesson on its screen. A kiosk that has not heard of a change of policy works as before, and with a live camera it counts under each.
 */
async function takesRegister(sql: postgres.TransactionSql, { camera, model }: Heartbeat): Promise<boolean> {
  if (camera === 'live' && model) return true
  if (camera !== 'off' && camera !== 'starting') return false
  const [school] = await sql<{ policy: SchoolPolicy }[]>`SELECT policy FROM school`
  return school?.policy === 'no-biometrics' ? camera === 'off' : school?.policy === 'verify-only' && Boolean(model)
}

async function countWatching(sql: postgres.TransactionSql, device_id: string, { held_on, lesson_id }: { held_on: string; lesson_id: string }, at: string): Promise<void> {
  await sql`
    INSERT INTO lesson_watches AS w (held_on, lesson_id, device_id, first_at, last_at, beats)
    SELECT l.held_on, l.lesson_id, d.device_id, ${at}::timestamptz, ${at}::timestamptz, 1
    FROM devices d
    JOIN lessons_held(${held_on}::date, ${held_on}::date) l
      ON l.lesson_id = ${lesson_id} AND l.classroom_id = d.classroom_id
    WHERE d.device_id = ${device_id}
      AND ${at}::timestamptz >= l.starts_at - ${BEAT_GRACE_SECONDS} * interval '1 second'
      AND ${at}::timestamptz < l.ends_at + ${BEAT_GRACE_SECONDS} * interval '1 second'
    ON CONFLICT (held_on, lesson_id, device_id) DO UPDATE SET last_at = excluded.last_at, beats = w.beats + 1
    WHERE excluded.last_at >= w.last_at + ${SECONDS_BETWEEN_BEATS} * interval '1 second'
      AND date_trunc('minute', excluded.last_at) > date_trunc('minute', w.last_at)`
}

/** A pair of fences that a storage presented; null: it has not told any, or a person has said that whatever comes next is right. */
interface KnownFences {
  /** What it presented when it drew `fence`. */
  fence_from: string | null
  /** What it must present next. */
  fence: string | null
  /** When `fence` was first told, as ISO instant. */
  fence_at: string | null
  /** The pairs before, that may still be under way, and when each stopped being the newest. */
  overtaken: { from: string; fence: string; until: string }[]
}

/** `next`: the storage goes on; `again`: its newest pair once more; `late`: an older one; `copied`: no single storage can have presented it. */
type Verdict = 'next' | 'again' | 'late' | 'copied'

export function judgeFences(known: KnownFences, { fence, next_fence }: Pick<StoreState, 'fence' | 'next_fence'>, receivedAt: Date): Verdict {
  if (known.fence === null || fence === known.fence) return 'next'
  if (fence === known.fence_from && next_fence === known.fence) return 'again'
  const mayBeUnderWay = (since: string | null) => since !== null && receivedAt.getTime() - Date.parse(since) <= LONGEST_LATE_MS
  // Before it drew its next fence the storage presented the one it had alone.
  const wasPresented = (from: string | null, drawn: string | null) => fence === from && (next_fence === from || next_fence === drawn)
  if (wasPresented(known.fence_from, known.fence)) return mayBeUnderWay(known.fence_at) ? 'late' : 'copied'
  return known.overtaken.some(({ from, fence: drawn, until }) => wasPresented(from, drawn) && mayBeUnderWay(until)) ? 'late' : 'copied'
}

/** What is known of the fences after a pair that is `next`. */
export function fencesAfter(known: KnownFences, { fence, next_fence }: Pick<StoreState, 'fence' | 'next_fence'>, receivedAt: Date): KnownFences {
  // The same fence alone, and nothing drawn since: the newest pair stays, for it may be repeated yet.
  if (fence === known.fence && next_fence === fence) return known
  const at = receivedAt.toISOString()
  const mayBeUnderWay = known.overtaken.filter(({ until }) => receivedAt.getTime() - Date.parse(until) <= LONGEST_LATE_MS)
  const overtaken = known.fence === null || known.fence_from === null ? [] : [...mayBeUnderWay, { from: known.fence_from, fence: known.fence, until: at }]
  return { fence_from: fence, fence: next_fence, fence_at: at, overtaken }
}

interface KnownStore extends KnownFences {
  beaten: boolean
  received: number
}

async function knownStore(sql: postgres.TransactionSql, device_id: string, store_id: string): Promise<KnownStore> {
  const [saved] = await sql<(Omit<KnownStore, 'overtaken'> & { overtaken: string })[]>`
    SELECT fence_from, fence, ${iso(sql, sql`fence_at`)} AS fence_at, overtaken::text AS overtaken, beat_at IS NOT NULL AS beaten, count_of(received) AS received
    FROM device_stores WHERE device_id = ${device_id} AND store_id = ${store_id}
    FOR NO KEY UPDATE`
  return saved
    ? { ...saved, overtaken: JSON.parse(saved.overtaken) as KnownFences['overtaken'] }
    : { fence_from: null, fence: null, fence_at: null, overtaken: [], beaten: false, received: 0 }
}

async function fence(sql: postgres.TransactionSql, device_id: string, store_id: string, at: string): Promise<void> {
  await sql`UPDATE devices SET fenced_at = ${at}::timestamptz WHERE device_id = ${device_id}`
  await sql`
    INSERT INTO device_alarms (device_id, kind, store_id, raised_at) VALUES (${device_id}, 'storage_copied', ${store_id}, ${at}::timestamptz)
    ON CONFLICT (device_id, kind, store_id) WHERE closed_at IS NULL DO NOTHING`
}

/** Sent in the order in which it must be done: each with `execute`, for an `await` alone sends it a turn later, behind those that follow. */
function saveStore(sql: postgres.TransactionSql, device_id: string, { store, known, verdict }: { store: StoreState; known: KnownStore; verdict: Verdict }, receivedAt: Date): (false | Promise<unknown>)[] {
  const at = receivedAt.toISOString()
  const missing = store.made - store.unsent - known.received
  const { fence_from, fence, fence_at, overtaken } = verdict === 'next' ? fencesAfter(known, store, receivedAt) : known
  return [
    verdict !== 'late' && sql`
      INSERT INTO device_stores AS s (device_id, store_id, first_at, last_at, beat_at, made, unsent, fence_from, fence, fence_at, overtaken)
      VALUES (${device_id}, ${store.store_id}, ${at}::timestamptz, ${at}::timestamptz, ${at}::timestamptz, ${store.made}, ${store.unsent},
        ${fence_from}, ${fence}, ${fence_at}::timestamptz, ${JSON.stringify(overtaken)}::text::jsonb)
      ON CONFLICT (device_id, store_id) DO UPDATE SET
        last_at = greatest(s.last_at, excluded.last_at), beat_at = excluded.beat_at, made = greatest(s.made, excluded.made), unsent = excluded.unsent,
        fence_from = excluded.fence_from, fence = excluded.fence, fence_at = excluded.fence_at, overtaken = excluded.overtaken`.execute(),
    // The one that it had last, with what it is known to have made.
    !known.beaten && sql`
      INSERT INTO device_alarms AS a (device_id, kind, store_id, marks, raised_at)
      SELECT s.device_id, 'storage_replaced', s.store_id, marks_lost(s.made, s.received), ${at}::timestamptz
      FROM device_stores s
      WHERE s.device_id = ${device_id} AND s.store_id <> ${store.store_id}
        AND NOT EXISTS (SELECT FROM device_alarms b WHERE b.device_id = s.device_id AND b.kind = 'storage_replaced' AND b.store_id = s.store_id)
      ORDER BY s.last_at DESC LIMIT 1
      ON CONFLICT (device_id, kind, store_id) WHERE closed_at IS NULL DO NOTHING`.execute(),
    known.beaten && verdict !== 'late' && nameTheOneThatIsGone(sql, device_id, store.store_id),
    // One that a person has closed comes back only when more are missing than they were told.
    missing > 0 && sql`
      INSERT INTO device_alarms AS a (device_id, kind, store_id, marks, raised_at)
      SELECT ${device_id}, 'marks_missing', ${store.store_id}, ${missing}, ${at}::timestamptz
      WHERE NOT EXISTS (SELECT FROM device_alarms b WHERE b.device_id = ${device_id} AND b.kind = 'marks_missing' AND b.store_id = ${store.store_id} AND b.marks >= ${missing})
      ON CONFLICT (device_id, kind, store_id) WHERE closed_at IS NULL DO UPDATE SET marks = excluded.marks`.execute(),
    // Marks of the storage that is gone may have been on their way when it was missed.
    sql`
      UPDATE device_alarms a SET marks = marks_lost(s.made, s.received)
      FROM device_stores s
      WHERE a.device_id = ${device_id} AND a.closed_at IS NULL AND a.kind = 'storage_replaced'
        AND s.device_id = a.device_id AND s.store_id = a.store_id AND a.marks <> marks_lost(s.made, s.received)`.execute(),
  ]
}

/**
 * `store_id` goes on beating, so it is not the one that is gone: an alarm that says so was raised at a beat of the other one that came late. A late beat
 * may also say so of the one in use, until that one beats again.
 */
function nameTheOneThatIsGone(sql: postgres.TransactionSql, device_id: string, store_id: string): Promise<unknown> {
  return sql`
    UPDATE device_alarms a SET store_id = gone.store_id
    FROM (
      SELECT s.store_id FROM device_stores s
      WHERE s.device_id = ${device_id} AND s.store_id <> ${store_id}
        AND NOT EXISTS (SELECT FROM device_alarms b WHERE b.device_id = s.device_id AND b.kind = 'storage_replaced' AND b.store_id = s.store_id)
      ORDER BY s.last_at DESC LIMIT 1
    ) gone
    WHERE a.device_id = ${device_id} AND a.kind = 'storage_replaced' AND a.store_id = ${store_id} AND a.closed_at IS NULL`.execute()
}
