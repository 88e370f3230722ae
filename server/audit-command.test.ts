/** `npm run audit` as a person runs it: a process of its own, on a real PostgreSQL. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { appendAudit } from '../db/audit.ts'
import { connect } from '../db/connect.ts'
import type { Database } from '../db/connect.ts'
import { eraseCluster, startEmbedded } from '../db/embedded.ts'
import { migrate } from '../db/migrate.ts'
import { headRound } from './audit-head.ts'
import type { LogEvent } from './log.ts'
import { openSchoolKey } from './school-key.ts'
import { ensureSecrets } from './secrets.ts'

const ROOT = join(import.meta.dirname, '..')

let dataDir: string
let headFile: string
let db: Database
let embedded: Awaited<ReturnType<typeof startEmbedded>>
let key: Buffer

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'fastrackai-audit-'))
  await chmod(dataDir, 0o711)
  headFile = join(dataDir, 'heads.jsonl')
  key = openSchoolKey((await ensureSecrets(dataDir)).schoolKey).derive('audit')
  embedded = await startEmbedded({ dataDir, log: () => {} })
  db = await connect(embedded.url)
  await migrate(db)
})
afterAll(async () => {
  await db.close()
  await embedded.stop()
  await eraseCluster(dataDir)
  await rm(dataDir, { recursive: true, force: true })
})

async function audit(args: string[], environment: Record<string, string> = { DATA_DIR: dataDir }): Promise<{ code: number | null; out: string; err: string }> {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'server/audit-command.ts'), ...args], { cwd: ROOT, env: { PATH, HOME, ...environment } })
  const said = { out: '', err: '' }
  child.stdout.on('data', (data: Buffer) => (said.out += data.toString()))
  child.stderr.on('data', (data: Buffer) => (said.err += data.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, ...said }
}

const append = async (count: number): Promise<void> => appendAudit(db, key, ...Array.from({ length: count }, (_, n) => ({ at: new Date('2026-11-23T09:00:00Z'), actor: 'script', action: 'pin_set', subject: `student:S${n}` })))
const withoutTriggers = (statement: string): Promise<unknown> => db.sql.unsafe(`ALTER TABLE audit_log DISABLE TRIGGER USER; ${statement}; ALTER TABLE audit_log ENABLE TRIGGER USER`)

test('without a key, a record or a readable head it says what is wrong, in one line', async () => {
  const broken = join(dataDir, 'broken.jsonl')
  await writeFile(broken, '{"event":"audit_head","seq":"many"}\n')
  const nowhere = join(tmpdir(), 'no-record-here')
  const refused: [string[], Record<string, string>, RegExp][] = [
    [['--verify'], { DATABASE_URL: embedded.url, DATA_DIR: nowhere }, /^the log is checked with the school's key: set SCHOOL_KEY/],
    [[], { DATA_DIR: nowhere }, /^there is no record in .*no-record-here/],
    [['--verify'], { DATABASE_URL: 'postgres://nobody:hidden@127.0.0.1:1/x', SCHOOL_KEY: randomBytes(32).toString('base64url') }, /^no database answers at 127\.0\.0\.1:1/],
    [['--verify', '--head', broken], { DATA_DIR: dataDir }, /^line 1 of .*broken\.jsonl is not a head/],
    [['--verify', '--head', dataDir], { DATA_DIR: dataDir }, /cannot be read \(EISDIR\)/],
    [['--head', broken], { DATA_DIR: dataDir }, /^--head goes with --verify/],
    [['--mend'], { DATA_DIR: dataDir }, /--mend/],
  ]
  const answers = await Promise.all(refused.map(async ([args, environment, says]) => ({ ...(await audit(args, environment)), says })))
  for (const { code, err, out, says } of answers) {
    expect(err).toMatch(says)
    expect(err).not.toMatch(/hidden/)
    expect({ code, out }).toEqual({ code: 1, out: '' })
  }
})

test('a whole log is told to be, with its end kept; what is changed or cut off afterwards is named and ends with 2', async () => {
  expect((await audit([])).out).toBe('The audit log is empty.\n')
  await append(9)
  expect(await audit(['--verify'])).toMatchObject({ code: 0, out: expect.stringMatching(/^9 rows\.\nNo kept head was compared.*\nWhole: .* ends at row 9/) as string })
  // The server's daily round keeps the head; the command adds today's.
  const events: LogEvent[] = []
  await headRound(db, { path: headFile, log: (event) => events.push(event) })
  await headRound(db, { path: headFile, log: (event) => events.push(event) })
  expect(events).toMatchObject([{ event: 'audit_head', seq: 9 }, { event: 'audit_head', seq: 9 }])
  await append(3)
  expect(await audit(['--verify', '--head', headFile])).toMatchObject({ code: 0, out: expect.stringMatching(/1 of 1 kept heads compared\.\nWhole/) as string })
  expect((await readFile(headFile, 'utf8')).trim().split('\n').map((line) => (JSON.parse(line) as { seq: number }).seq)).toEqual([9, 12])

  await withoutTriggers("UPDATE audit_log SET subject = 'student:S8' WHERE seq = 4; DELETE FROM audit_log WHERE seq = 6")
  const found = await audit(['--verify', '--head', headFile])
  expect(found.code).toBe(2)
  expect(found.out).toMatch(/NOT WHOLE: row 4 is not the one that was written\nNOT WHOLE: row 6 is missing/)
  const machine = await audit(['--verify', '--json'])
  expect(JSON.parse(machine.out)).toMatchObject({ whole: false, rows: 11, head: { seq: 12 }, faults: [{ kind: 'altered', seq: 4 }, { kind: 'missing', seq: 6 }] })

  await withoutTriggers('DELETE FROM audit_log WHERE seq >= 4')
  await append(20)
  expect(await audit(['--verify'])).toMatchObject({ code: 0 })
  const cut = await audit(['--verify', '--head', headFile, '--json'])
  expect(cut.code).toBe(2)
  expect(JSON.parse(cut.out)).toMatchObject({ faults: [{ kind: 'not_the_head', seq: 9 }, { kind: 'not_the_head', seq: 12 }] })
  await headRound(db, { path: headFile, log: (event) => events.push(event) })
  expect(events.at(-1)).toMatchObject({ event: 'audit_log_was_cut', seq: 12 })
}, 90_000)
