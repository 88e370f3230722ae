/** The real command against a real server and its database, with faces cut from the group photos of an npm package. */
import { spawn } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp, { type Sharp } from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CURRENT_MODEL } from '#contract/model'
import { student } from '../sync/office.ts'
import { openSchool, type OpenSchool } from './school-server.ts'

const PROJECT = join(import.meta.dirname, '..', '..')
const SAMPLES = join(PROJECT, 'node_modules', '@vladmandic', 'face-api', 'demo')
const CONSENT = ['--consent', 'Signed form of 1 September']

/** Where the faces lie: file, left, top and width, pixels of the sample scaled to 1600 across. */
const FACES = {
  one: { file: 'sample6.jpg', left: 1211, top: 250, width: 203 },
  two: { file: 'sample6.jpg', left: 512, top: 298, width: 226 },
  three: { file: 'sample3.jpg', left: 1246, top: 282, width: 175 },
  four: { file: 'sample5.jpg', left: 901, top: 213, width: 166 },
}

/** Each run of the command loads Node, and mostly the models. */
const PATIENCE = { timeout: 120_000 }

let folder: string
let env: NodeJS.ProcessEnv
let opened: OpenSchool

async function cut({ file, left, top, width }: (typeof FACES)['one']): Promise<Sharp> {
  const whole = await sharp(join(SAMPLES, file)).resize({ width: 1600 }).toBuffer()
  const side = Math.round(width * 1.9)
  return sharp(whole).extract({ left: Math.round(left - width * 0.45), top: Math.max(0, Math.round(top - width * 0.55)), width: side, height: side })
}

async function encode(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'kiosk/enrol/encode.ts', ...args], { cwd: PROJECT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => (out += String(chunk)))
  child.stderr.on('data', (chunk) => (err += String(chunk)))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, out, err }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => probe.once('listening', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrack-encode-'))
  const app = join(folder, 'app')
  await mkdir(app)
  await writeFile(join(app, 'index.html'), '<!doctype html>')
  await writeFile(join(app, 'version.json'), JSON.stringify({ version: 'test', fingerprint: 'test' }))
  // oxlint-disable-next-line node/no-process-env -- what the command under test is started with
  env = { ...process.env, DATA_DIR: join(folder, 'data'), APP_DIR: app, PORT: String(await freePort()) }
  for (const name of ['API_KEY', 'DATABASE_URL', 'NODE_ENV', 'RECOGNITION_THRESHOLD', 'MODEL']) delete env[name]

  const photos = join(folder, 'photos')
  await mkdir(join(photos, 'S003'), { recursive: true })
  await (await cut(FACES.one)).toFile(join(photos, 'S001.jpg'))
  await (await cut(FACES.one)).modulate({ brightness: 0.8 }).toFile(join(photos, 'S001_2.png'))
  await (await cut(FACES.two)).toFile(join(photos, 'S002.jpg'))
  await (await cut(FACES.four)).toFile(join(folder, 'nina.jpg'))
  await copyFile(join(photos, 'S001.jpg'), join(photos, 'S002-b.jpg'))
  // A phone held sideways: the pixels lie on their side and EXIF says so.
  const upright = await (await cut(FACES.three)).toBuffer()
  await sharp(upright).rotate(270).withMetadata({ orientation: 6 }).toFile(join(photos, 'S003', 'phone.jpg'))
  await writeFile(join(photos, 'S004.jpg'), 'this is no photo')
  await writeFile(join(photos, 'S005.jpg'), (await readFile(join(photos, 'S001.jpg'))).subarray(0, 9000))
  await copyFile(join(SAMPLES, 'sample3.jpg'), join(photos, 'S006.jpg'))
  await sharp({ create: { width: 400, height: 400, channels: 3, background: '#99aabb' } }).jpeg().toFile(join(photos, 'S007.jpg'))
  await copyFile(join(photos, 'S002.jpg'), join(photos, 'S999.jpg'))
  await writeFile(join(photos, 'class.csv'), 'student_id,name\n')
}, 60_000)

afterAll(async () => {
  await opened?.close()
  await rm(folder, { recursive: true, force: true })
})

test('With no server running the command starts one on the same data, and ends it', PATIENCE, async () => {
  const { code, out, err } = await encode('--student', 'S998', '--name', 'Nina Ny', '--image', join(folder, 'nina.jpg'), ...CONSENT, '--given-by', 'Eva Ny')
  expect(`${out}${err}`).toContain('starting one for the time being')
  expect(err).toContain('has ended')
  expect(out).toContain('stored   S998: 1 template (nina.jpg)')
  expect(code).toBe(0)

  opened = await openSchool({ server: undefined, keyFile: undefined, env, log: () => undefined })
  env['PORT'] = new URL(opened.school.origin).port
  const kept = await student('S998', opened.school)
  expect(kept.consent).toMatchObject({ statement: 'Signed form of 1 September', given_by: 'Eva Ny' })
  expect(kept.templates).toMatchObject([{ model: CURRENT_MODEL, count: 1 }])
})

test('Without consent nothing is stored, and the command says what to write', PATIENCE, async () => {
  const { code, err } = await encode('--batch', join(folder, 'photos'))
  expect(code).toBe(2)
  expect(err).toContain('--consent')
  expect((await student('S001', opened.school)).templates).toEqual([])
})

test('A batch stores every good photo and names each refused one with its remedy', PATIENCE, async () => {
  const { code, out, err } = await encode('--batch', join(folder, 'photos'), ...CONSENT)
  expect(code).toBe(1)
  expect(out).toContain('stored   S001: 2 templates (S001.jpg, S001_2.png)')
  expect(out).toContain('stored   S002: 1 template (S002.jpg)')
  expect(out).toContain('stored   S003: 1 template (S003/phone.jpg)')
  expect(out).toMatch(/refused {2}S002-b\.jpg: It does not show the person of S002\.jpg/)
  expect(out).toMatch(/refused {2}S004\.jpg: .*Save it as JPEG/)
  expect(out).toMatch(/refused {2}S005\.jpg: .*broken or cut short/)
  expect(out).toMatch(/refused {2}S006\.jpg: More than one face\. ./)
  expect(out).toMatch(/refused {2}S007\.jpg: No face found\. ./)
  expect(out).toMatch(/refused {2}S999\.jpg: .*no student S999/)
  expect(err).toContain('class.csv')
  expect(out).toContain('3 students ready with 4 templates; 6 refused.')

  const [one, four] = await Promise.all([student('S001', opened.school), student('S004', opened.school)])
  expect(one.templates).toMatchObject([{ model: CURRENT_MODEL, count: 2 }])
  expect(one.consent?.given_by).toBe('--consent on the command line')
  expect(four).toMatchObject({ consent: null, templates: [] })
})

test('A photo of the student is told from a photo of another', PATIENCE, async () => {
  const same = await encode('--verify', 'S001', '--image', join(folder, 'photos', 'S001_2.png'))
  expect(same.out).toContain('S001_2.png shows this student')
  expect(same.code).toBe(0)
  const other = await encode('--verify', 'S001', '--image', join(folder, 'photos', 'S002.jpg'))
  expect(other.out).toContain('S002.jpg does not show this student')
  expect(other.code).toBe(1)
  const record = await encode('--verify', 'S001')
  expect(record.out).toMatch(/consent: "Signed form of 1 September".*\n.*templates: 2 of model mobilefacenet/)
  expect(record.code).toBe(0)
})

test('A face that another student has is refused with their id, and taken when somebody says that they are two', PATIENCE, async () => {
  const twin = ['--student', 'S005', '--image', join(folder, 'nina.jpg'), ...CONSENT]
  const refused = await encode(...twin)
  expect(refused.out).toMatch(/refused {2}S005: .*S998 \(Nina Ny\).*--different-from ID/)
  expect(refused.code).toBe(1)
  expect((await student('S005', opened.school)).templates).toEqual([])
  const taken = await encode(...twin, '--different-from', 'S998')
  expect(taken.out).toContain('stored   S005: 1 template (nina.jpg)')
  expect(taken.code).toBe(0)
})

test('A change of model lists who must be enrolled again, and nobody before it', { timeout: 300_000 }, async () => {
  const before = await encode('--list-outdated')
  expect(before.out).toContain('Nobody must be enrolled again')
  expect(before.code).toBe(0)
  // The same data, served by a server that is set to the other model, with an app that was made for it.
  await opened.close()
  const app = join(folder, 'app-of-the-other')
  await mkdir(app)
  await writeFile(join(app, 'index.html'), '<!doctype html>')
  await writeFile(join(app, 'version.json'), JSON.stringify({ version: 'test', fingerprint: 'test', model: 'faceres-1024-r1' }))
  const port = String(await freePort())
  opened = await openSchool({ server: undefined, keyFile: undefined, env: { ...env, APP_DIR: app, MODEL: 'faceres-1024-r1', PORT: port }, log: () => undefined })
  env['PORT'] = new URL(opened.school.origin).port

  const after = await encode('--list-outdated')
  expect(after.out.match(/^outdated S\d+/gm)).toEqual(['outdated S001', 'outdated S002', 'outdated S003', 'outdated S005', 'outdated S998'])
  expect(after.out).toMatch(/outdated S001 .*: 2 templates of model mobilefacenet-192-r1/)
  expect(after.code).toBe(1)
  const record = await encode('--verify', 'S001')
  expect(record.out).toContain('the school uses model faceres-1024-r1: enrol again')
  expect(record.code).toBe(1)
  const unknown = await encode('--verify', 'S001', '--image', join(folder, 'photos', 'S001_2.png'))
  expect(unknown.out).toContain('no template of model faceres-1024-r1')

  const again = await encode('--student', 'S001', '--image', join(folder, 'photos', 'S001.jpg'), ...CONSENT)
  expect(again.out).toContain('stored   S001: 1 template (S001.jpg)')
  expect((await student('S001', opened.school)).templates).toMatchObject([{ model: 'faceres-1024-r1', count: 1 }, { model: 'mobilefacenet-192-r1', count: 2 }])
  expect((await encode('--list-outdated')).out.match(/^outdated S\d+/gm)).toEqual(['outdated S002', 'outdated S003', 'outdated S005', 'outdated S998'])
  const same = await encode('--verify', 'S001', '--image', join(folder, 'photos', 'S001_2.png'))
  expect(same.out).toContain('S001_2.png shows this student')
  const other = await encode('--verify', 'S001', '--image', join(folder, 'photos', 'S002.jpg'))
  expect(other.out).toContain('S002.jpg does not show this student')
})

test('A student whom the school does not have is refused by name, with the remedy', PATIENCE, async () => {
  const { code, out } = await encode('--student', 'S997', '--image', join(folder, 'photos', 'S002.jpg'), ...CONSENT)
  expect(out).toMatch(/refused {2}S997: .*--name/)
  expect(code).toBe(1)
})

test('A wrong key and a silent address end the command with what to do', PATIENCE, async () => {
  const keyFile = join(folder, 'key')
  await writeFile(keyFile, 'not-the-key')
  const wrong = await encode('--verify', 'S001', '--key-file', keyFile)
  expect(wrong.err).toContain('does not take this API key')
  expect(wrong.code).toBe(2)
  const silent = await encode('--verify', 'S001', '--server', `http://127.0.0.1:${await freePort()}`)
  expect(silent.err).toContain('No school server answers')
  expect(silent.code).toBe(2)
})
