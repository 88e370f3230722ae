/**
 * What a monitor is told, in Prometheus' text: counted here as it happens (requests, records, beats), or asked for when it is
 * scraped (server/school-metrics.ts). No name, no key, no path with an id: rooms and devices are the only labels that name a thing.
 * The one importer of prom-client.
 */
import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { AttendanceAnswer } from '#contract/attendance'
import type { Heartbeat } from '#contract/device'
import { AlarmKind } from '#contract/kiosks'
import type { Accuracy } from '#contract/mark-check'
import type { SchoolFigures } from '../db/figures.ts'
import type { AppEnv } from './app-parts.ts'

/** Seconds. A page is slow from half a second on; a kiosk gives up at 15. */
const REQUEST_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]
/** Seconds of one frame: a laptop takes .03, a Pi some .2; from 1 on people walk past. */
const FRAME_BUCKETS = [0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2]
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
const OUTCOMES = ['stored', 'duplicate', 'queued', 'refused'] as const

/** What is known at a scrape; an absent member is not told of, so that nothing old stands for now. */
export interface Scraped {
  now: Date
  /** Undefined: PostgreSQL does not answer. */
  figures: SchoolFigures | undefined
  accuracy: Accuracy | undefined
  /** Undefined: this school has no Redis; null: it does not answer. */
  queue: { waiting: number; oldest_ms: number } | null | undefined
  intakeWaiting: number | undefined
  /** Undefined: nobody has said where the last backup is noted; null: there is none. */
  backupAt: Date | null | undefined
}

export interface Metrics {
  /** Times every request. */
  timing: MiddlewareHandler<AppEnv>
  records(answer: Pick<AttendanceAnswer, (typeof OUTCOMES)[number]>): void
  beat(beat: Heartbeat): void
  /** The audit log's end was compared with the one kept before, and kept. */
  headKept(at: Date): void
  text(scraped: Scraped): Promise<string>
  contentType: string
  /** Of everything that may ever be told. */
  names(): string[]
}

/** @param ofProcess with what Node tells of itself: of one process once. */
export function openMetrics({ version, ofProcess = false }: { version: string; ofProcess?: boolean }): Metrics {
  const register = new Registry()
  const registers = [register]
  if (ofProcess) collectDefaultMetrics({ register })
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]): Gauge<L> => new Gauge({ name, help, labelNames, registers })

  const requests = new Histogram({ name: 'api_request_duration_seconds', help: 'Time from a request to its answer, by the route\'s pattern', labelNames: ['route', 'method', 'status'], buckets: REQUEST_BUCKETS, registers })
  const records = new Counter({ name: 'attendance_records_total', help: 'Attendance records that this server answered, by what became of them', labelNames: ['outcome'], registers })
  for (const outcome of OUTCOMES) records.inc({ outcome }, 0)
  const frames = new Histogram({ name: 'face_detection_latency_seconds', help: 'Time for one frame at the kiosks, detector to marks: one observation for each heartbeat, the median since the one before', buckets: FRAME_BUCKETS, registers })
  const accuracy = gauge('recognition_accuracy_ratio', 'Share of marks by face that are right, of marks drawn at random that teachers answered in the last 30 days; bound="lower" and "upper" are the 95 % interval', 'bound')
  const checked = gauge('recognition_accuracy_checked_marks', 'Marks that teachers answered with yes or no in the last 30 days')
  gauge('fastrackai_build_info', 'Always 1; the build that is served', 'version').set({ version }, 1)
  const databaseUp = gauge('fastrackai_database_up', '1: PostgreSQL answers; 0: it does not, and what is in it is not told')
  const seen = gauge('fastrackai_kiosk_sync_age_seconds', 'Since the kiosk was last heard of', 'device', 'room')
  const unsent = gauge('fastrackai_kiosk_unsent_marks', 'Marks that the kiosk still holds back, as it last told', 'device', 'room')
  const oldest = gauge('fastrackai_kiosk_oldest_unsent_age_seconds', 'Age of the oldest of them; 0: there is none', 'device', 'room')
  const refused = gauge('fastrackai_kiosk_refused_marks', 'Marks that were refused for good and that the kiosk keeps', 'device', 'room')
  const roster = gauge('fastrackai_kiosk_roster_age_seconds', 'Since the kiosk last heard which students it may know', 'device', 'room')
  const clock = gauge('fastrackai_kiosk_clock_offset_seconds', 'The school\'s clock less the kiosk\'s own', 'device', 'room')
  const camera = gauge('fastrackai_kiosk_camera', '1, with the state that the kiosk\'s camera was last in', 'device', 'room', 'state')
  const frame = gauge('fastrackai_kiosk_frame_seconds', 'Median time of a frame, as the kiosk last told', 'device', 'room')
  const embed = gauge('fastrackai_kiosk_embed_seconds', 'Median time of embedding one face, as the kiosk last told', 'device', 'room')
  const fenced = gauge('fastrackai_kiosk_fenced', '1: two copies of the kiosk\'s storage are in use, and nothing is taken from it', 'device', 'room')
  const alarms = gauge('fastrackai_storage_alarms', 'Open alarms about kiosks\' storage', 'device', 'kind')
  const setAside = gauge('fastrackai_quarantine_records', 'Records that could not be taken and wait for the office')
  const months = gauge('fastrackai_partitions_ahead_months', 'Whole months beyond this one that marks can be stored in')
  const auditRows = gauge('fastrackai_audit_rows', 'Number of the newest row of the audit log')
  const headAge = gauge('fastrackai_audit_head_age_seconds', 'Since this server last compared and kept the audit log\'s head')
  const intakeWaiting = gauge('fastrackai_intake_waiting_marks', 'Marks that wait in this server for the next write')
  const queueUp = gauge('fastrackai_queue_up', '1: Redis answers; absent: this school has none')
  const queueWaiting = gauge('fastrackai_queue_waiting_marks', 'Marks in Redis that are not in PostgreSQL yet')
  const queueOldest = gauge('fastrackai_queue_oldest_age_seconds', 'Age of the oldest of them')
  const backupAge = gauge('fastrackai_backup_age_seconds', 'Since the last backup, by the time of BACKUP_STAMP_FILE; +Inf: there is none; absent: nobody watches backups here')

  const ofSchool = [seen, unsent, oldest, refused, roster, clock, camera, frame, embed, fenced, alarms, setAside, months, auditRows]
  let headKeptAt: Date | undefined

  function tellSchool({ kiosks, alarms: open, ...sums }: SchoolFigures, now: number): void {
    for (const kiosk of kiosks) {
      const labels = { device: kiosk.device_id, room: kiosk.room_id }
      const tell = (to: Gauge<'device' | 'room'>, value: number | null): void => {
        if (value !== null) to.set(labels, value)
      }
      const age = (at: number | null): number | null => (at === null ? null : Math.max(0, now / 1000 - at))
      // One that was never heard of is as old as can be.
      seen.set(labels, age(kiosk.seen_at) ?? Number.POSITIVE_INFINITY)
      tell(unsent, kiosk.unsent_marks)
      tell(oldest, kiosk.unsent_marks === 0 ? 0 : age(kiosk.oldest_unsent_at))
      tell(refused, kiosk.refused_marks)
      tell(roster, age(kiosk.roster_pulled_at))
      tell(clock, kiosk.clock_offset_ms === null ? null : kiosk.clock_offset_ms / 1000)
      tell(frame, kiosk.frame_ms === null ? null : kiosk.frame_ms / 1000)
      tell(embed, kiosk.embed_ms === null ? null : kiosk.embed_ms / 1000)
      fenced.set(labels, kiosk.fenced ? 1 : 0)
      // The state that it is in alone: eight series for each kiosk would be most of what is told.
      if (kiosk.camera !== null) camera.set({ ...labels, state: kiosk.camera }, 1)
    }
    for (const { device_id, kind, alarms: count } of open) alarms.set({ device: device_id, kind }, count)
    // So that "none" is told and not left out.
    if (open.length === 0) for (const kind of AlarmKind.options) alarms.set({ device: '', kind }, 0)
    setAside.set(sums.set_aside)
    months.set(sums.months_ahead)
    auditRows.set(sums.audit_rows)
  }

  return {
    async timing(c, next) {
      const started = performance.now()
      await next()
      requests.observe({ route: patternOf(c), method: METHODS.has(c.req.method) ? c.req.method : 'other', status: `${Math.floor(c.res.status / 100)}xx` }, (performance.now() - started) / 1000)
    },
    records(answer) {
      for (const outcome of OUTCOMES) records.inc({ outcome }, answer[outcome])
    },
    beat({ frame_ms }) {
      if (frame_ms !== null && frame_ms !== undefined) frames.observe(frame_ms / 1000)
    },
    headKept: (at) => void (headKeptAt = at),
    async text({ now, figures, accuracy: share, queue, intakeWaiting: waiting, backupAt }) {
      for (const one of [...ofSchool, accuracy, headAge, intakeWaiting, queueUp, queueWaiting, queueOldest, backupAge]) unset(one)
      databaseUp.set(figures ? 1 : 0)
      if (figures) tellSchool(figures, now.getTime())
      for (const bound of share ? (['lower', 'estimate', 'upper'] as const) : []) accuracy.set({ bound }, share?.[bound] ?? 0)
      checked.set(share?.checked ?? 0)
      if (headKeptAt) headAge.set(Math.max(0, (now.getTime() - headKeptAt.getTime()) / 1000))
      if (waiting !== undefined) intakeWaiting.set(waiting)
      if (queue !== undefined) queueUp.set(queue === null ? 0 : 1)
      if (queue) {
        queueWaiting.set(queue.waiting)
        queueOldest.set(queue.oldest_ms / 1000)
      }
      if (backupAt !== undefined) backupAge.set(backupAt === null ? Number.POSITIVE_INFINITY : Math.max(0, (now.getTime() - backupAt.getTime()) / 1000))
      return register.metrics()
    },
    contentType: register.contentType,
    names: () => register.getMetricsAsArray().map(({ name }) => name),
  }
}

/** reset() would leave a gauge without labels at 0, which says something. */
function unset(gauge: Gauge): void {
  gauge.reset()
  gauge.remove({})
}

/** `/api/v1/students/:student_id`: never what was asked for, which may hold an id or anything else. */
function patternOf(c: Context): string {
  const pattern = matchedRoutes(c).map(({ path }) => path).findLast((path) => !path.includes('*'))
  return pattern ?? (c.res.status === 404 ? 'unknown' : 'app')
}
