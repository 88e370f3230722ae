/**
 * `npm run bench:queries -- --rows N [--runs N] [--keep DIR] [--json]`: how long the questions that people ask take in a
 * school with so many marks: a student's history, a course's report of a day, percentages of a course's year and of the
 * school's. Asked as the API's handlers ask them, one after the other, of a real PostgreSQL in a throwaway folder.
 */
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { connect } from '../connect.ts'
import type { Database } from '../connect.ts'
import { eraseCluster, startEmbedded } from '../embedded.ts'
import { courseHistory, studentHistory } from '../marks.ts'
import { register } from '../registers.ts'
import { courseReport, refreshReports, schoolReport, studentReport } from '../reports.ts'
import { ensureSchoolYear } from './school-year.ts'
import type { SchoolYear } from './school-year.ts'

const DAY_MS = 86_400_000
const HISTORY_DAYS = 90
const LIMIT = 200
const WARM_UP = 10

const USAGE = `npm run bench:queries -- [--rows N] [--runs N] [--keep DIR] [--json]

  --rows N     marks of the school year (default 5000000: some 5,300 students, 200 days, 5 lessons a day)
  --runs N     how often each question is asked (default 400)
  --keep DIR   keep the database there, and use it again when it has been made for as many rows
  --json       one JSON object on stdout`

function refuse(why: string): never {
  console.error(`${why}\n\n${USAGE}`)
  process.exit(2)
}

function readArguments() {
  try {
    return parseArgs({ options: { rows: { type: 'string', default: '5000000' }, runs: { type: 'string', default: '400' }, keep: { type: 'string' }, json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } } }).values
  } catch (fault) {
    return refuse((fault as Error).message)
  }
}

const values = readArguments()
if (values.help) {
  console.log(USAGE)
  process.exit(0)
}
const rows = Number(values.rows)
const runs = Number(values.runs)
if (!(Number.isInteger(rows) && rows >= 10_000)) refuse(`--rows ${values.rows}: must be a whole number of at least 10000`)
if (!(Number.isInteger(runs) && runs >= 20)) refuse(`--runs ${values.runs}: must be a whole number of at least 20`)

// oxlint-disable-next-line node/no-process-env -- npm runs scripts in the project's folder, not in the caller's
const dataDir = values.keep === undefined ? await mkdtemp(join(tmpdir(), 'fastrackai-bench-')) : resolve(process.env['INIT_CWD'] ?? process.cwd(), values.keep)
await mkdir(dataDir, { recursive: true })
// PostgreSQL may run as another user, who must get through.
await chmod(dataDir, 0o711)
const say = (line: string): void => console.error(line)
const embedded = await startEmbedded({ dataDir, log: () => {} })
let db: Database | undefined
try {
  db = await connect(embedded.url)
  const school = await ensureSchoolYear(db, rows, say)
  let from = performance.now()
  const made = await refreshReports(db, school.now)
  const refreshMs = performance.now() - from
  from = performance.now()
  await refreshReports(db, school.now)
  const idleMs = performance.now() - from
  const answers = await ask(db, school)
  const [server] = await db.sql<{ version: string; bytes: number }[]>`SELECT current_setting('server_version') AS version, pg_database_size(current_database())::double precision AS bytes`
  const [cpu] = cpus()
  const report = {
    machine: { cpu: cpu?.model ?? 'unknown', cores: cpus().length, node: process.versions.node, postgres: server?.version ?? '' },
    school: { rows: school.marks, students: school.students, courses: school.courses, lessons: school.lessons, database_mb: Math.round((server?.bytes ?? 0) / 1e6) },
    refresh: { course_months: made ?? 0, ms: round(refreshMs), with_nothing_new_ms: round(idleMs) },
    runs,
    ms: answers,
  }
  if (values.json) console.log(JSON.stringify(report))
  else print(report)
} finally {
  await db?.close()
  await embedded.stop()
  if (values.keep === undefined) {
    await eraseCluster(dataDir)
    await rm(dataDir, { recursive: true, force: true })
  }
}

interface Figures { p50: number; p95: number; p99: number; target_p95: number | null }

/** Round by round, each question once: what disturbs the machine disturbs them alike. */
async function ask(asked: Database, school: SchoolYear): Promise<Record<string, Figures>> {
  const { now } = school
  const last90 = { from: new Date(now.getTime() - HISTORY_DAYS * DAY_MS).toISOString(), to: new Date(now.getTime() + DAY_MS).toISOString(), limit: LIMIT }
  const year = { from: school.firstMonth, to: school.lastMonth }
  const questions: { name: string; target: number | null; of: (run: number) => Promise<unknown> }[] = [
    { name: 'student history, 90 days', target: 10, of: (run) => studentHistory(asked, school.student(run), last90, now) },
    {
      name: 'course report of a day',
      target: 10,
      of: (run) => {
        const { course_id, held_on } = school.lesson(run)
        return courseHistory(asked, course_id, { from: `${held_on}T00:00:00Z`, to: new Date(Date.parse(held_on) + DAY_MS).toISOString(), limit: LIMIT }, now)
      },
    },
    { name: 'register of a lesson', target: 10, of: (run) => register(asked, school.lesson(run).held_on, school.lesson(run).lesson_id, now) },
    { name: 'percentages of a student-year', target: null, of: (run) => studentReport(asked, school.student(run), year, now) },
    { name: 'percentages of a course-year', target: 20, of: (run) => courseReport(asked, school.lesson(run).course_id, year, now) },
    { name: 'percentages of a school-year', target: 200, of: () => schoolReport(asked, year) },
  ]
  const times = questions.map((): number[] => [])
  for (let run = -WARM_UP; run < runs; run += 1) {
    for (const [place, { of, name }] of questions.entries()) {
      const from = performance.now()
      const answer = await of(run + WARM_UP)
      const took = performance.now() - from
      if (!answer) throw new Error(`${name}: nothing was found`)
      if (run >= 0) times[place]?.push(took)
    }
  }
  return Object.fromEntries(questions.map(({ name, target }, place) => [name, figures(times[place] ?? [], target)]))
}

function figures(times: number[], target: number | null): Figures {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN)
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), target_p95: target }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}

function print({ machine, school, refresh, runs: times, ms }: { machine: { cpu: string; cores: number; node: string; postgres: string }; school: { rows: number; students: number; courses: number; lessons: number; database_mb: number }; refresh: { course_months: number; ms: number; with_nothing_new_ms: number }; runs: number; ms: Record<string, Figures> }): void {
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, PostgreSQL ${machine.postgres}`)
  console.log(`${school.rows} marks, ${school.students} students, ${school.courses} courses, ${school.lessons} lessons, ${school.database_mb} MB`)
  console.log(`refresh: ${refresh.course_months} courses' months in ${refresh.ms} ms; with nothing new ${refresh.with_nothing_new_ms} ms`)
  console.log(`${times} runs each, ms:`)
  for (const [name, { p50, p95, p99, target_p95 }] of Object.entries(ms)) {
    const held = target_p95 === null ? '' : p95 < target_p95 ? `  (P95 under ${target_p95})` : `  (P95 NOT under ${target_p95})`
    console.log(`  ${name.padEnd(32)} P50 ${String(p50).padStart(7)}  P95 ${String(p95).padStart(7)}  P99 ${String(p99).padStart(7)}${held}`)
  }
}
