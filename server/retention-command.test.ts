/** `npm run retention` as a person runs it: a process of its own, on a real PostgreSQL. */
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from '../db/connect.ts'
import type { Database } from '../db/connect.ts'
import { eraseCluster, startEmbedded } from '../db/embedded.ts'
import { migrate } from '../db/migrate.ts'
import { ensureMonths } from '../db/partitions.ts'
import { seedDemoSchool } from '../db/seed.ts'

const ROOT = join(import.meta.dirname, '..')
const NOW = new Date()
const MONTHS_AGO = (n: number): string => new Date(Date.UTC(NOW.getUTCFullYear(), NOW.getUTCMonth() - n, 15)).toISOString().slice(0, 10)

let dataDir: string
let db: Database
let embedded: Awaited<ReturnType<typeof startEmbedded>>

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'fastrackai-retention-'))
  await chmod(dataDir, 0o711)
  embedded = await startEmbedded({ dataDir, log: () => {} })
  db = await connect(embedded.url)
  await migrate(db)
  for (const n of [20, 10, 0]) await ensureMonths(db, new Date(MONTHS_AGO(n)))
  await seedDemoSchool(db, { now: NOW, timeZone: 'UTC', deviceKey: 'x'.repeat(43), officePassword: 'an office password' })
  for (const n of [20, 20, 16, 13, 2].entries()) {
    await db.sql`INSERT INTO attendance_logs (student_id, course_id, "timestamp", confidence, lesson_id, held_on, received_at)
      VALUES ('S001', 'CS101', now(), 0.9, ${`L${n[0]}`}, ${MONTHS_AGO(n[1])}::date, now())`
  }
})
afterAll(async () => {
  await db.close()
  await embedded.stop()
  await eraseCluster(dataDir)
  await rm(dataDir, { recursive: true, force: true })
})

async function retention(args: string[], environment: Record<string, string> = { DATA_DIR: dataDir }): Promise<{ code: number | null; out: string; err: string }> {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'server/retention-command.ts'), ...args], { cwd: ROOT, env: { PATH, HOME, ...environment } })
  const said = { out: '', err: '' }
  child.stdout.on('data', (data: Buffer) => (said.out += data.toString()))
  child.stderr.on('data', (data: Buffer) => (said.err += data.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, ...said }
}

const marks = async (): Promise<number> => (await db.sql`SELECT FROM attendance_logs`).length

test('without a policy, with too short a one, without a record or with a word it does not know it says what is wrong, in one line', async () => {
  const nowhere = join(tmpdir(), 'no-record-here')
  const refused: [string[], Record<string, string>, RegExp][] = [
    [[], { DATA_DIR: dataDir }, /^everything is kept: neither RETENTION_MONTHS nor --months says/],
    [['--months', '12'], { DATA_DIR: dataDir }, /^--months 12 must be a whole number, 13 or more/],
    [['--months', 'all'], { DATA_DIR: dataDir }, /^--months all must be a whole number/],
    [[], { DATA_DIR: dataDir, RETENTION_MONTHS: '3' }, /^RETENTION_MONTHS="3" must be/],
    [['--months', '13'], { DATA_DIR: nowhere }, /^there is no record in .*no-record-here/],
    [['--months', '13'], { DATABASE_URL: 'postgres://nobody:hidden@127.0.0.1:1/x' }, /^no database answers at 127\.0\.0\.1:1/],
    [['--prune'], { DATA_DIR: dataDir }, /--prune/],
    [['--rules', '--drop'], { DATA_DIR: dataDir }, /^--rules tells, and changes nothing/],
  ]
  for (const [args, environment, says] of refused) {
    const { code, err, out } = await retention(args, environment)
    expect(err).toMatch(says)
    expect(err).not.toMatch(/hidden/)
    expect({ code, out }).toEqual({ code: 1, out: '' })
  }
  expect(await marks()).toBe(5)
})

test('first it tells what would go and drops nothing; with --drop it drops just that; and then nothing is older', async () => {
  const dry = await retention([], { DATA_DIR: dataDir, RETENTION_MONTHS: '13' })
  expect(dry).toMatchObject({ code: 0, err: '' })
  expect(dry.out).toMatch(new RegExp(`\\n${MONTHS_AGO(20).slice(0, 7)} +2 `))
  expect(dry.out).toMatch(new RegExp(`\\n${MONTHS_AGO(16).slice(0, 7)} +1 `))
  expect(dry.out).not.toMatch(MONTHS_AGO(13).slice(0, 7) + ' ')
  expect(dry.out).toMatch(/\nall +3 .* MB\nNothing was dropped/)
  expect(await marks()).toBe(5)

  const said = JSON.parse((await retention(['--months', '13', '--json'])).out) as { kept_months: number; kept_from: string; months: { partition?: string; rows: { marks: number } }[] }
  expect(said).toMatchObject({ kept_months: 13, kept_from: `${MONTHS_AGO(13).slice(0, 8)}01` })
  expect(said.months.reduce((sum, { rows }) => sum + rows.marks, 0)).toBe(3)

  const dropped = await retention(['--months', '13', '--drop'], { DATABASE_URL: embedded.url })
  expect(dropped).toMatchObject({ code: 0, err: '' })
  expect(await marks()).toBe(2)
  expect(await db.sql`SELECT DISTINCT run_by FROM retention_runs`).toEqual([{ run_by: 'command' }])
  expect((await db.sql`SELECT FROM retention_runs`).length).toBe(said.months.filter(({ partition }) => partition !== undefined).length)
  expect((await retention(['--months', '13'])).out).toMatch(/Nothing is older/)
})

test('of the rules for everything else it tells what is beyond them, and erases nothing', async () => {
  expect((await retention(['--rules'])).out).toMatch(/^Nothing is beyond the rules/)
  await db.sql`INSERT INTO set_aside (record_sha256, record, code, reason, first_at, last_at, closed_at, closed_by, closed_as) SELECT sha256('x'), '{}', 'x', 'x', t, t, t, 'office', 'dismissed' FROM (SELECT now() - interval '400 days' AS t) a`
  const { code, out, err } = await retention(['--rules'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(/^set aside: 1 older than 396 days\nNothing was erased/)
  expect(JSON.parse((await retention(['--rules', '--json'])).out)).toMatchObject({ rules: { set_aside: 396, templates: 396 }, beyond: [{ kind: 'set_aside', days: 396, rows: 1 }] })
  expect(await db.sql`SELECT FROM set_aside`).toHaveLength(1)
})

test('it works beside no server too: it starts PostgreSQL and stops it again', async () => {
  await db.close()
  await embedded.stop()
  const { code, out, err } = await retention(['--months', '24'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(/Nothing is older/)
  embedded = await startEmbedded({ dataDir, log: () => {} })
  db = await connect(embedded.url)
  expect(await marks()).toBe(2)
})
