/** `npm run templates`, and a server's start, as a person runs them: processes of their own, on a real PostgreSQL. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIKENESS_LEVELS } from '#contract/look-alike'
import { CURRENT_MODEL, EMBEDDING_LENGTH } from '#contract/model'
import { connect } from '../db/connect.ts'
import type { Database } from '../db/connect.ts'
import { saveConsent } from '../db/consents.ts'
import { eraseCluster, startEmbedded } from '../db/embedded.ts'
import { migrate } from '../db/migrate.ts'
import { openKeyring } from '../db/open-keyring.ts'
import { saveTemplates, templatesOf } from '../db/people.ts'
import { seedDemoSchool } from '../db/seed.ts'
import { openSchoolKey } from './school-key.ts'

const ROOT = join(import.meta.dirname, '..')
const NOW = new Date()
const key = (): string => randomBytes(32).toString('base64url')
const [OLD, NEW] = [key(), key()]

let dataDir: string
let db: Database
let embedded: Awaited<ReturnType<typeof startEmbedded>>

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'fastrackai-templates-'))
  await chmod(dataDir, 0o711)
  embedded = await startEmbedded({ dataDir, log: () => {} })
  db = await connect(embedded.url)
  await migrate(db)
  await seedDemoSchool(db, { now: NOW, timeZone: 'UTC', deviceKey: 'x'.repeat(43), officePassword: 'an office password' })
  const keyring = await openKeyring(db, { now: openSchoolKey(OLD).derive('templates') })
  for (const [i, id] of ['S001', 'S002'].entries()) {
    await saveConsent(db, id, { statement: 'I agree', given_by: 'the guardian' }, NOW)
    const embedding = Array.from({ length: EMBEDDING_LENGTH[CURRENT_MODEL] }, (_, at) => (at === i ? 1 : 0))
    await saveTemplates(db, keyring, id, [{ model: CURRENT_MODEL, embedding }], NOW, { levels: LIKENESS_LEVELS })
  }
})
afterAll(async () => {
  await db.close()
  await embedded.stop()
  await eraseCluster(dataDir)
  await rm(dataDir, { recursive: true, force: true })
})

async function run(script: string, args: string[], environment: Record<string, string>): Promise<{ code: number | null; out: string; err: string }> {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, script), ...args], { cwd: ROOT, env: { PATH, HOME, ...environment } })
  const said = { out: '', err: '' }
  child.stdout.on('data', (data: Buffer) => (said.out += data.toString()))
  child.stderr.on('data', (data: Buffer) => (said.err += data.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, ...said }
}
const templates = (args: string[], environment: Record<string, string>) => run('server/templates-command.ts', args, { DATABASE_URL: embedded.url, DATA_DIR: dataDir, ...environment })

test('without the school\'s key, or asked for two things, it says so in one line and does nothing', async () => {
  const refused: [string[], Record<string, string>, RegExp][] = [
    [['--status'], {}, /^this needs the school's key: set SCHOOL_KEY/],
    [['--rewrap', '--new-rotation'], { SCHOOL_KEY: OLD }, /^--rewrap and --new-rotation are asked for together; say one/],
    [['--rewarp'], { SCHOOL_KEY: OLD }, /^Unknown option '--rewarp'/],
    [['--rewrap'], { SCHOOL_KEY: NEW }, /^the rotation of model \S+ was left as it is: neither SCHOOL_KEY nor SCHOOL_KEY_BEFORE opens it/],
    [['--new-rotation'], { SCHOOL_KEY: NEW }, /^the rotation of model \S+ does not open under SCHOOL_KEY/],
  ]
  for (const [args, environment, says] of refused) {
    const { code, out, err } = await templates(args, environment)
    expect([code, out], args.join(' ')).toEqual([1, ''])
    expect(err).toMatch(says)
    for (const secret of [OLD, NEW]) expect(err).not.toContain(secret)
  }
}, 60_000)

test('tells what is sealed and under which key, for a person and for a script', async () => {
  const person = await templates([], { SCHOOL_KEY: OLD })
  expect(person.out).toMatch(/mobilefacenet-192-r1: 2 templates of 2 students, turned by a rotation of \d{4}-/)
  expect(person.out).toContain('keys under SCHOOL_KEY: 4; under SCHOOL_KEY_BEFORE: 0; under neither: 0\nevery row is sealed')
  const script = JSON.parse((await templates(['--json'], { SCHOOL_KEY: NEW, SCHOOL_KEY_BEFORE: OLD })).out) as unknown
  expect(script).toMatchObject({ wrapped: { now: 0, before: 4, unknown: 0 }, sealed: true, lost: { templates: 0 } })
}, 60_000)

test('puts the new key in the place of the old one, on record, and turns by another rotation; a server with the old key is then refused by a line that names SCHOOL_KEY', async () => {
  const both = { SCHOOL_KEY: NEW, SCHOOL_KEY_BEFORE: OLD }
  expect(await templates(['--rewrap'], both)).toMatchObject({ code: 0, err: '', out: "2 students' keys and 2 rotations were wrapped under SCHOOL_KEY; nothing is under SCHOOL_KEY_BEFORE any more.\n" })
  expect(JSON.parse((await templates(['--rewrap', '--json'], both)).out)).toEqual({ students: 0, rotations: 0 })
  const keyring = await openKeyring(db, { now: openSchoolKey(NEW).derive('templates') })
  const [before] = (await templatesOf(db, keyring, 'S001')) ?? []
  expect(await templates(['--new-rotation'], { SCHOOL_KEY: NEW })).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^2 templates were turned by another rotation/) as string })
  const [after] = (await templatesOf(db, keyring, 'S001')) ?? []
  expect(after?.embedding).not.toEqual(before?.embedding)
  expect(after?.rotation.rotateBack(after.embedding)[0]).toBeCloseTo(1, 5)
  expect(await db.sql`SELECT action, actor, details FROM audit_log WHERE actor = 'command:templates' ORDER BY seq`).toEqual([
    { action: 'school_key_rotated', actor: 'command:templates', details: expect.stringContaining('"students":2') as string },
    { action: 'matrix_rotated', actor: 'command:templates', details: expect.stringContaining('"templates":2') as string },
  ])

  const app = join(dataDir, 'app')
  await mkdir(app)
  await writeFile(join(app, 'index.html'), '<!doctype html>')
  await writeFile(join(app, 'version.json'), '{"version": "0", "fingerprint": "none"}')
  const server = await run('server/main.ts', [], { DATABASE_URL: embedded.url, DATA_DIR: join(dataDir, 'server'), APP_DIR: app, PORT: '0', HOST: '127.0.0.1', SCHOOL_KEY: OLD })
  expect(server.code).toBe(1)
  expect(server.err.trimEnd().split('\n')).toEqual([expect.stringMatching(/^the templates in the database are sealed under another SCHOOL_KEY than this one; set the one/)])
  expect(await templatesOf(db, keyring, 'S002')).toHaveLength(1)
}, 120_000)
