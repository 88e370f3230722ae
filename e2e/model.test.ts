/** Another model is a configuration: a school is set to the second one, enrols and marks with it, and goes back. The real server, app and kiosk. */
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Student, Students } from '#contract/people'
import { launchChromium } from './chromium.ts'
import { ANNA_ENROLLED, ANNA_LATER, BEA, clipOf, enrolPhotos } from './faces.ts'
import { diagnosticsOf, presentOn, until, untilFrames } from './kiosk-page.ts'
import { clearOfTheBell, type School, startSchool } from './school.ts'

const [FIRST, SECOND] = ['mobilefacenet-192-r1', 'faceres-1024-r1'] as const

let folder: string
let dataDir: string
let anna: string
let school: School | undefined
let open: BrowserContext[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-model-'))
  dataDir = join(folder, 'data')
  // PostgreSQL may run as another user, who must get through.
  await chmod(folder, 0o711)
  anna = await clipOf(join(folder, 'anna.y4m'), [ANNA_LATER])
})

afterEach(async () => {
  for (const context of open) await context.close().catch(() => undefined)
  open = []
})

afterAll(async () => {
  await school?.stop()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

/** The same school, with its server set to another model. */
async function schoolWith(model: string): Promise<School> {
  await school?.stop()
  school = await startSchool({ dataDir, env: { MODEL: model } })
  return school
}

/** A kiosk that has never been here before: what it knows it was told by this server. */
async function openPage(address: string): Promise<{ page: Page; models: string[] }> {
  const context = await launchChromium({ camera: anna })
  open.push(context)
  const page = context.pages()[0] ?? (await context.newPage())
  const models: string[] = []
  context.on('request', (request) => {
    const name = /\/(mobilefacenet|faceres)-[^/]*\.bin$/.exec(new URL(request.url()).pathname)?.[1]
    if (name && !models.includes(name)) models.push(name)
  })
  await page.goto(address)
  return { page, models }
}

async function encode(here: School, ...args: string[]): Promise<{ code: number | null; out: string }> {
  const command = ['--import', 'tsx', 'kiosk/enrol/encode.ts', ...args, '--server', here.url]
  // eslint-disable-next-line node/no-process-env -- the key goes by the environment, where no process list shows it
  const child = spawn(process.execPath, command, { cwd: resolve(import.meta.dirname, '..'), env: { ...process.env, API_KEY: here.apiKey } })
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  const code = await new Promise<number | null>((done) => child.once('close', done))
  return { code, out }
}

const modelsOf = async (here: School, id: string): Promise<string[]> => (await here.ask(Student, 'GET', `/students/${id}`)).templates.map(({ model }) => model)

test('a school set to the second model enrols and marks with it, and its app holds no other', { timeout: 600_000 }, async () => {
  const here = await schoolWith(SECOND)
  expect((await here.ask(Students, 'GET', '/students')).model).toBe(SECOND)
  await enrolPhotos(here, { S001: ANNA_ENROLLED, S002: BEA })
  expect(await modelsOf(here, 'S001')).toEqual([SECOND])
  expect(await encode(here, '--list-outdated')).toMatchObject({ code: 0 })

  await clearOfTheBell()
  const { page, models } = await openPage(here.kioskLink)
  const marked = await until('she is marked', async () => (await diagnosticsOf(page))?.marked[0])
  expect(marked.studentId).toBe('S001')
  expect((await diagnosticsOf(page))?.model).toBe(SECOND)
  expect(models).toEqual(['faceres'])
  expect((await untilFrames(page, 30)).marked.map(({ studentId }) => studentId)).toEqual(['S001'])
  await page.evaluate(() => window.dispatchEvent(new Event('online')))
  const lesson = await here.lessonNow()
  const mark = await until('the mark is in the record', async () => (await here.register(lesson)).entries.find(({ student_id }) => student_id === 'S001')?.mark ?? undefined)
  expect(mark?.model).toBe(SECOND)
})

test('after the change back she is listed to be enrolled again, and no kiosk takes her face for anybody\'s', { timeout: 600_000 }, async () => {
  const here = await schoolWith(FIRST)
  const outdated = await encode(here, '--list-outdated')
  expect(outdated.out.match(/^outdated S\d+/gm)).toEqual(['outdated S001', 'outdated S002'])
  expect(outdated.out).toContain(`2 students must be enrolled again: the school uses model ${FIRST}.`)
  expect(outdated.code).toBe(1)

  await clearOfTheBell()
  const { page, models } = await openPage(here.kioskLink)
  await until('she is unknown', async () => (await diagnosticsOf(page))?.unknownFaces)
  const seen = await untilFrames(page, 30)
  expect(seen.model).toBe(FIRST)
  expect(models).toEqual(['mobilefacenet'])
  expect(seen.marked).toEqual([])
  expect(await presentOn(page)).toEqual([])

  const { page: office } = await openPage(`${here.url}/enrol`)
  await office.getByLabel('Name').fill('office')
  await office.getByLabel('Password', { exact: true }).fill(here.officePassword)
  await office.getByRole('button', { name: 'Sign in' }).click()
  await office.getByText('2 students were enrolled with another model and must be enrolled again').waitFor()
  await office.getByLabel('Show only these').check()
  expect(await office.locator('student-picker li').count()).toBe(2)
  expect(await office.locator('student-picker li').allInnerTexts()).toEqual([expect.stringContaining('Enrol again'), expect.stringContaining('Enrol again')])
})

test('enrolled again she is known, by the new model alone, with both on record', { timeout: 600_000 }, async () => {
  const here = school?.pid ? school : await schoolWith(FIRST)
  await enrolPhotos(here, { S001: ANNA_ENROLLED })
  expect(await modelsOf(here, 'S001')).toEqual([SECOND, FIRST])
  expect((await encode(here, '--list-outdated')).out.match(/^outdated S\d+/gm)).toEqual(['outdated S002'])
  await clearOfTheBell()
  const { page } = await openPage(here.kioskLink)
  const marked = await until('she is marked', async () => (await diagnosticsOf(page))?.marked[0])
  expect(marked.studentId).toBe('S001')
})
