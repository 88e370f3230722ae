/** What a monitor is told, from a real school: what is in it, what never is, and that it is told while the database is away. */
import { chmod, mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp } from './app.ts'
import { openMetrics } from './metrics.ts'
import { ensureMetricsKey, metricsKeyPath } from './metrics-key.ts'
import { openSchoolKey } from './school-key.ts'
import { asked, startThrowawaySchool } from './throwaway-school.ts'
import type { ThrowawaySchool } from './throwaway-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
const METRICS_KEY = 'a key for the monitor, that is long enough'.replaceAll(' ', '-')
let now = NOW
let school: ThrowawaySchool
let folder: string

const scrape = async (app: Pick<ThrowawaySchool['app'], 'request'> = afresh()): Promise<string> => (await app.request('/metrics', asked(METRICS_KEY))).text()
/** The value of one line. */
const valueOf = (text: string, line: string): number | undefined => {
  const found = text.split('\n').find((one) => one.startsWith(`${line} `))
  return found === undefined ? undefined : Number(found.slice(line.length + 1).replace('+Inf', 'Infinity'))
}
/** What was asked of the database is kept for five seconds; another server of the school, that counts in the same place, asks anew. */
const afresh = (): ThrowawaySchool['app'] => createApp(school.parts)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-metrics-'))
  await chmod(folder, 0o755)
  school = await startThrowawaySchool(() => now, { metricsKey: METRICS_KEY, metrics: openMetrics({ version: 'test' }), backupStampFile: join(folder, 'backup'), queueState: () => Promise.resolve({ waiting: 7, oldest_ms: 1500 }) })
})
afterAll(async () => {
  await school.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('/metrics', () => {
  test('opens to its own key and the API key alone', async () => {
    for (const init of [asked(undefined), asked('x'.repeat(43)), asked(school.deviceKey), asked('y'.repeat(300)), { headers: { authorization: 'Basic abc' } }]) {
      const refused = await school.app.request('/metrics', init)
      expect(refused.status).toBe(401)
      expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    }
    const told = await school.app.request('/metrics', asked(school.apiKey))
    expect(told.status).toBe(200)
    expect(told.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    expect((await school.app.request('/metrics', asked(METRICS_KEY))).headers.get('cache-control')).toBe('no-store')
  })

  test('tells of each kiosk what it last told, of the school what waits, and of requests their route\'s pattern', async () => {
    const at = (secondsAgo: number): string => new Date(now.getTime() - secondsAgo * 1000).toISOString()
    const beat = { device_id: 'pi-lab301', camera: 'frozen', frame_ms: 45, embed_ms: 20, unsent_marks: 3, oldest_unsent_at: at(600), refused_marks: 1, roster_pulled_at: at(120), clock_offset_ms: -1500 }
    expect((await school.app.request('/api/v1/heartbeat', asked(school.deviceKey, beat))).status).toBe(200)
    const records = [{ student_id: 'S001', course_id: 'CS101', timestamp: NOW.toISOString(), confidence: 0.9 }, { student_id: 'S999', course_id: 'CS101', timestamp: NOW.toISOString(), confidence: 0.9 }]
    await school.app.request('/api/v1/attendance', asked(school.deviceKey, { device_id: 'pi-lab301', records }))
    await school.app.request('/api/v1/students/S001', asked(school.apiKey))
    await school.app.request('/api/v1/students/Sigrid%20Svensson', asked(school.apiKey))
    await school.app.request('/nowhere/Sigrid', asked(school.apiKey))
    await school.app.request('/api/v1/students/S001', { method: 'BREW' })
    await writeFile(join(folder, 'backup'), '')
    await utimes(join(folder, 'backup'), new Date(now.getTime() - 3_600_000), new Date(now.getTime() - 3_600_000))
    now = new Date(NOW.getTime() + 30_000)
    const text = await scrape()
    const kiosk = '{device="pi-lab301",room="LAB-301"}'
    const expected: Record<string, number> = {
      fastrackai_database_up: 1,
      [`fastrackai_kiosk_unsent_marks${kiosk}`]: 3,
      [`fastrackai_kiosk_oldest_unsent_age_seconds${kiosk}`]: 630,
      [`fastrackai_kiosk_refused_marks${kiosk}`]: 1,
      [`fastrackai_kiosk_sync_age_seconds${kiosk}`]: 30,
      [`fastrackai_kiosk_roster_age_seconds${kiosk}`]: 150,
      [`fastrackai_kiosk_clock_offset_seconds${kiosk}`]: -1.5,
      'fastrackai_kiosk_camera{device="pi-lab301",room="LAB-301",state="frozen"}': 1,
      [`fastrackai_kiosk_frame_seconds${kiosk}`]: 0.045,
      fastrackai_quarantine_records: 1,
      fastrackai_queue_up: 1,
      fastrackai_queue_waiting_marks: 7,
      fastrackai_queue_oldest_age_seconds: 1.5,
      fastrackai_intake_waiting_marks: 0,
      fastrackai_backup_age_seconds: 3_630,
      face_detection_latency_seconds_count: 1,
      'face_detection_latency_seconds_bucket{le="0.06"}': 1,
      'attendance_records_total{outcome="refused"}': 1,
      'attendance_records_total{outcome="queued"}': 0,
      'api_request_duration_seconds_count{route="/api/v1/heartbeat",method="POST",status="2xx"}': 1,
      'api_request_duration_seconds_count{route="/api/v1/students/:student_id",method="GET",status="2xx"}': 1,
      'api_request_duration_seconds_count{route="/api/v1/students/:student_id",method="GET",status="4xx"}': 1,
      'api_request_duration_seconds_count{route="unknown",method="GET",status="4xx"}': 1,
      recognition_accuracy_checked_marks: 0,
    }
    for (const [line, value] of Object.entries(expected)) expect([line, valueOf(text, line)]).toEqual([line, value])
    expect(valueOf(text, 'fastrackai_partitions_ahead_months')).toBeGreaterThan(0)
    // Nobody has answered: no share is told, and no 0 that would say "always wrong".
    expect(text).not.toMatch(/^recognition_accuracy_ratio\{/m)
    expect(text).not.toMatch(/Sigrid|Svensson|S001|Amina|BREW|Yusuf|nowhere/)
    await rm(join(folder, 'backup'))
    expect(valueOf(await scrape(), 'fastrackai_backup_age_seconds')).toBe(Number.POSITIVE_INFINITY)
  })

  test('tells the share of right marks with its bounds once teachers have answered', async () => {
    const held = '2026-11-23'
    await school.db.sql`INSERT INTO mark_checks (held_on, lesson_id, student_id, answer, checked_by, checked_at) SELECT ${held}::date, 'L1', 'S' || n, CASE WHEN n = 1 THEN 'no' ELSE 'yes' END, 'office', now() FROM generate_series(1, 3) n`
    const text = await scrape()
    expect(valueOf(text, 'recognition_accuracy_ratio{bound="estimate"}')).toBeCloseTo(2 / 3, 6)
    expect(valueOf(text, 'recognition_accuracy_ratio{bound="lower"}')).toBeCloseTo(0.2077, 3)
    expect(valueOf(text, 'recognition_accuracy_ratio{bound="upper"}')).toBeCloseTo(0.9385, 3)
    expect(valueOf(text, 'recognition_accuracy_checked_marks')).toBe(3)
  })

  test('costs little at a hundred kiosks, and twenty scrapes at once cost one', async () => {
    await school.db.sql`INSERT INTO devices (device_id, classroom_id, key_sha256, last_seen_at, last_heartbeat) SELECT 'pi-' || n, 'LAB-301', sha256(n::text::bytea), now(), (SELECT last_heartbeat FROM devices WHERE device_id = 'pi-lab301') FROM generate_series(1, 99) n`
    const servers = Array.from({ length: 30 }, afresh)
    for (const server of servers.slice(0, 10)) await scrape(server)
    // Of the processor, not of the clock: the machine of the tests is shared.
    const before = process.cpuUsage()
    for (const server of servers.slice(10)) await scrape(server)
    const { user, system } = process.cpuUsage(before)
    const cost = (user + system) / 1000 / 20
    process.stdout.write(`  /metrics at 100 kiosks: ${cost.toFixed(1)} ms of the server's processor\n`)
    expect(cost).toBeLessThan(30)
    const started = performance.now()
    const app = afresh()
    await Promise.all(Array.from({ length: 20 }, () => scrape(app)))
    expect(performance.now() - started).toBeLessThan(1_000)
  }, 60_000)

  test('is told while PostgreSQL is away, and says that it is', async () => {
    await school.stopDatabase()
    const started = performance.now()
    const text = await scrape()
    expect(performance.now() - started).toBeLessThan(5_000)
    expect(valueOf(text, 'fastrackai_database_up')).toBe(0)
    expect(text).not.toMatch(/^fastrackai_kiosk_unsent_marks\{/m)
    expect(text).not.toMatch(/^fastrackai_quarantine_records /m)
    expect(valueOf(text, 'attendance_records_total{outcome="refused"}')).toBe(1)
    expect(valueOf(text, 'fastrackai_queue_waiting_marks')).toBe(7)
    await school.restartDatabase()
    expect(valueOf(await scrape(), 'fastrackai_database_up')).toBe(1)
  }, 60_000)
})

test('the monitor\'s key is what was set, else the same for every server of a school, in a file that only its owner reads', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'fastrackai-metrics-key-'))
  const schoolKey = openSchoolKey('a'.repeat(43))
  const made = await ensureMetricsKey(dir, undefined, schoolKey)
  expect(made).toMatch(/^[\w-]{43}$/)
  expect(await ensureMetricsKey(dir, undefined, schoolKey)).toBe(made)
  expect(await readFile(metricsKeyPath(dir), 'utf8')).toBe(made)
  expect((await stat(metricsKeyPath(dir))).mode & 0o777).toBe(0o600)
  expect(await ensureMetricsKey(dir, 'another', schoolKey)).toBe('another')
  expect(await readFile(metricsKeyPath(dir), 'utf8')).toBe('another')
  await rm(dir, { recursive: true })
})
