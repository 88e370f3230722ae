/** What a school chooses to do with faces: each policy's whole journey, in a real browser with a real camera's film, and what is never asked for under it. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { toBuffer } from 'qrcode'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { NewCard } from '#contract/card'
import { NewPin, Student } from '#contract/people'
import type { SchoolPolicy } from '#contract/policy'
import type { ScreenState } from '../kiosk/classroom/state.ts'
import { launchChromium } from './chromium.ts'
import { VGA, photoOnCanvas, held, drifting, plainFrame, stillsToY4m } from './clip.ts'
import { ANNA_ENROLLED, ANNA_LATER, BEA, clipOf, enrolPhotos, portrait } from './faces.ts'
import { diagnosticsOf, shownOn, until, untilShown } from './kiosk-page.ts'
import { type School, clearOfTheBell, startSchool } from './school.ts'

let folder: string
let anna: string
let open: { context?: BrowserContext; school?: School }[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-policies-'))
  anna = await clipOf(join(folder, 'anna.y4m'), [ANNA_LATER])
  await clearOfTheBell()
})

afterEach(async () => {
  for (const { context } of open) await context?.close().catch(() => undefined)
  for (const { school } of open) await school?.stop()
  open = []
})

afterAll(() => rm(folder, { recursive: true, force: true }))

async function openSchool(policy: SchoolPolicy): Promise<School> {
  const school = await startSchool()
  open.push({ school })
  if (policy !== 'default') await choose(school, policy)
  return school
}

/** As the privacy officer, who is signed in by password. */
async function choose(school: School, policy: SchoolPolicy): Promise<void> {
  const { privacyPassword } = z.object({ privacyPassword: z.string() }).parse(JSON.parse(await readFile(join(school.dataDir, 'secrets.json'), 'utf8')))
  const signedIn = await school.api('POST', '/session', { username: 'privacy', password: privacyPassword }, { key: null })
  expect(signedIn.status).toBeLessThan(300)
  const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? ''
  const { status, body } = await school.api('PUT', '/policy', { policy, confirmed: true }, { key: null, headers: { cookie } })
  expect(status, JSON.stringify(body)).toBe(200)
}

interface Kiosk {
  page: Page
  /** Addresses asked for so far. */
  asked: string[]
  /** How often the page has asked for a camera, and how many workers it has started. */
  tally: () => Promise<{ cameras: number; workers: number; live: number }>
}

async function openKiosk(school: School, camera: string, o: { viewport?: { width: number; height: number } } = {}): Promise<Kiosk> {
  const context = await launchChromium({ camera, ...o })
  open.push({ context })
  const asked: string[] = []
  context.on('request', (request) => asked.push(new URL(request.url()).pathname))
  // Before anything of the page: whoever asks is counted, and what they were given is remembered.
  await context.addInitScript(() => {
    const tally = { cameras: 0, workers: 0, tracks: [] as MediaStreamTrack[] }
    Object.assign(window, { tally })
    const media = navigator.mediaDevices
    const real = media.getUserMedia.bind(media)
    media.getUserMedia = async (wanted) => {
      tally.cameras += 1
      const stream = await real(wanted)
      tally.tracks.push(...stream.getTracks())
      return stream
    }
    const RealWorker = window.Worker
    window.Worker = class extends RealWorker {
      constructor(url: string | URL, options?: WorkerOptions) {
        tally.workers += 1
        super(url, options)
      }
    }
  })
  const page = context.pages()[0] ?? (await context.newPage())
  await page.goto(school.kioskLink)
  const tally = () =>
    page.evaluate(() => {
      const { cameras, workers, tracks } = (window as unknown as { tally: { cameras: number; workers: number; tracks: MediaStreamTrack[] } }).tally
      return { cameras, workers, live: tracks.filter(({ readyState }) => readyState === 'live').length }
    })
  return { page, asked, tally }
}

const state = (page: Page) => page.evaluate(() => {
  const { state: shown } = document.querySelector('classroom-screen') as HTMLElement & { state: ScreenState }
  return JSON.parse(JSON.stringify(shown, (key, value: unknown) => (key === 'video' ? undefined : value))) as ScreenState
})
/** Names of files that see faces, in whatever cache of the page's. */
const keptOf = (page: Page) =>
  page.evaluate(async () => {
    const kept: string[] = []
    for (const name of await caches.keys()) for (const { url } of await (await caches.open(name)).keys()) kept.push(`${name} ${new URL(url).pathname}`)
    return kept.filter((one) => /fastrackai-vision|\/vision\/|\.(?:tflite|wasm|bin)$|face-mesh|mobilefacenet/.test(one))
  })
const marked = async (page: Page) => ((await diagnosticsOf(page))?.marked ?? []).map(({ studentId, method }) => [studentId, method])
/** The kiosk asks what has changed, as when somebody looks at it again. */
const hint = (page: Page) => page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))

async function pinOf(school: School, id: string): Promise<{ pin: string; name: string }> {
  const { pin, student } = await school.ask(NewPin, 'PUT', `/students/${id}/pin`, { generate: true })
  return { pin, name: `${student.first_name} ${student.last_name}` }
}
const cardOf = async (school: School, id: string): Promise<string> => (await school.ask(NewCard, 'PUT', `/students/${id}/card`, {})).token

/** At the desk: one's name, then one's PIN. */
async function typePin(page: Page, { pin, name }: { pin: string; name: string }): Promise<void> {
  await page.locator('name-grid .names button').filter({ hasText: name }).click()
  for (const digit of pin) await page.getByRole('group', { name: 'Keypad' }).getByRole('button', { name: digit, exact: true }).click()
  await page.getByRole('group', { name: 'Keypad' }).getByRole('button', { name: 'OK', exact: true }).click()
}

/** As a scanner types: quickly, and Enter after it. In small letters as well, with the caps lock on. */
async function scan(page: Page, text: string): Promise<void> {
  const keyboard = await page.context().newCDPSession(page)
  // Each key has the time at which a scanner would have typed it, as the kernel of a Pi stamps it: on a busy machine they get here much later.
  const from = Date.now() / 1000
  for (const [at, key] of [...text, 'Enter'].entries()) {
    await keyboard.send('Input.dispatchKeyEvent', { type: 'keyDown', key, ...(key === 'Enter' ? {} : { text: key }), timestamp: from + at * 0.004 })
  }
  await keyboard.detach()
}

/** Until the kiosk holds what the office has just set. */
async function untilKnown(page: Page, what: string, ask: (shown: ScreenState) => boolean): Promise<void> {
  await until(what, async () => {
    if (ask(await state(page))) return true
    await hint(page)
    await page.waitForTimeout(1_500)
    return ask(await state(page))
  })
}

async function recordOf(school: School, id: string): Promise<{ method: string | null } | null | undefined> {
  return (await school.register(await school.lessonNow())).entries.find(({ student_id }) => student_id === id)?.mark
}

async function rowsOf(school: School): Promise<Record<string, number>> {
  // eslint-disable-next-line no-restricted-imports -- that not one row is there, PostgreSQL alone can say
  const { default: postgres } = await import('postgres')
  const sql = postgres(school.databaseUrl, { max: 1 })
  try {
    const [counts] = await sql<Record<string, number>[]>`
      SELECT (SELECT count(*)::integer FROM templates) AS templates, (SELECT count(*)::integer FROM compared_faces) AS compared_faces,
        (SELECT count(*)::integer FROM look_alikes) AS look_alikes, (SELECT count(*)::integer FROM keyring.students) AS keys`
    return counts ?? {}
  } finally {
    await sql.end()
  }
}
const NO_ROWS = { templates: 0, compared_faces: 0, look_alikes: 0, keys: 0 }

/** A clip of a card that is held before the camera, and of an empty room before and after. */
async function clipOfCard(name: string, token: string): Promise<string> {
  const code = await toBuffer(token, { errorCorrectionLevel: 'Q', margin: 4, scale: 8 })
  // The code is as wide as a card of 4 cm some 25 cm before the camera.
  const shown = await photoOnCanvas(code, { canvas: VGA, faceWidth: 110, face: { x: 148, y: 148, width: 296 } })
  const empty = plainFrame(VGA, { r: 138, g: 134, b: 128 })
  const file = join(folder, `${name}.y4m`)
  await stillsToY4m(file, [...held(empty, 15), ...drifting(shown, 30), ...held(empty, 15)], 15)
  return file
}

// ---------------------------------------------------------------- no biometrics

describe('under no-biometrics', () => {
  test('students are marked by PIN and card from power-on; the camera is never asked for, nothing that sees faces is loaded or kept, and not one row is there', async () => {
    const school = await openSchool('no-biometrics')
    const [pin, card] = [await pinOf(school, 'S004'), await cardOf(school, 'S005')]
    // There is a camera, and it may be used.
    const { page, asked, tally } = await openKiosk(school, anna)
    await untilShown(page, 'desk')
    await page.getByText('No camera is used here').waitFor()
    await page.locator('name-grid .names button').first().waitFor()

    await typePin(page, pin)
    await until('the first is greeted', async () => (await page.locator('greeting-strip .hello').innerText()).includes(pin.name.split(' ')[0]!))
    await scan(page, card)
    await until('the second is marked', async () => (await marked(page)).length === 2)
    expect(await marked(page)).toEqual([['S004', 'pin'], ['S005', 'qr']])
    await page.evaluate(() => window.dispatchEvent(new Event('online')))
    await until('both are in the record', async () => (await recordOf(school, 'S004'))?.method === 'pin' && (await recordOf(school, 'S005'))?.method === 'qr')
    // The page is on the device; a minute later nothing else has come.
    await page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated')
    await page.waitForTimeout(5_000)
    expect(await tally()).toEqual({ cameras: 0, workers: 0, live: 0 })
    expect(asked.filter((path) => /\/vision\/|\.(?:tflite|wasm|bin)$|worker-/.test(path))).toEqual([])
    expect(asked.some((path) => path.startsWith('/assets/'))).toBe(true)
    expect(await keptOf(page)).toEqual([])
    expect(await rowsOf(school)).toEqual(NO_ROWS)

    // With the cable out, from power-on.
    await school.kill9()
    await page.goto(`${school.url}/kiosk`)
    await untilShown(page, 'desk')
    const shown = await state(page)
    expect(shown.screen === 'desk' && shown.present.map(({ studentId }) => studentId).toSorted()).toEqual(['S004', 'S005'])
    expect(await tally()).toEqual({ cameras: 0, workers: 0, live: 0 })
  })

  test('nobody is enrolled: the page says so, and the command before it looks at a photo', async () => {
    const school = await openSchool('no-biometrics')
    const photos = await mkdtemp(join(folder, 'photos-'))
    await writeFile(join(photos, 'S001.jpg'), await portrait(ANNA_ENROLLED))
    const encode = spawn(process.execPath, ['--import', 'tsx', 'kiosk/enrol/encode.ts', '--batch', photos, '--consent', 'I agree', '--server', school.url], {
      cwd: resolve(import.meta.dirname, '..'),
      // eslint-disable-next-line node/no-process-env -- the key goes by the environment, where no process list shows it
      env: { ...process.env, API_KEY: school.apiKey },
    })
    let said = ''
    for (const stream of [encode.stdout, encode.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text))
    expect(await new Promise((done) => encode.once('close', done))).toBe(2)
    expect(said).toMatch(/policy is no-biometrics.*no photo was looked at/)
    expect((await school.ask(Student, 'GET', '/students/S001')).consent).toBeNull()

    const { page, asked } = await openKiosk(school, 'none')
    await page.goto(`${school.url}/enrol`)
    await page.getByLabel('Name', { exact: true }).fill('office')
    await page.getByLabel('Password').fill(school.officePassword)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'No faces are enrolled here' }).waitFor()
    expect(asked.filter((path) => /\/vision\//.test(path))).toEqual([])
  })

  test('that is chosen in mid-lesson reaches the kiosk without a reload: camera, models and templates are gone, and come back with another policy', async () => {
    const school = await openSchool('default')
    await enrolPhotos(school, { S001: ANNA_ENROLLED })
    const { page, tally } = await openKiosk(school, anna)
    await untilShown(page, 'lesson')
    await until('what sees faces is kept for the next power-on', async () => (await keptOf(page)).length >= 9)
    await until('she is marked', async () => (await marked(page)).length === 1)
    await page.evaluate(() => Object.assign(window, { sameLife: true }))

    await choose(school, 'no-biometrics')
    expect(await rowsOf(school)).toEqual(NO_ROWS)
    await hint(page)
    await untilShown(page, 'desk', 60_000)
    await until('the camera and the worker are let go of', async () => (await tally()).live === 0 && page.workers().length === 0, 10_000)
    await until('nothing that sees faces is kept', async () => (await keptOf(page)).length === 0, 10_000)
    const shown = await state(page)
    expect(shown.screen === 'desk' && shown.present.map(({ studentId }) => studentId)).toEqual(['S001'])
    const { cameras } = await tally()

    await choose(school, 'verify-only')
    await untilKnown(page, 'the kiosk verifies', (now) => now.screen === 'desk' && now.policy === 'verify-only')
    expect((await tally()).cameras).toBe(cameras)
    await choose(school, 'default')
    await untilKnown(page, 'the lesson is watched again', (now) => now.screen === 'lesson')
    await until('what sees faces is kept again', async () => (await keptOf(page)).length >= 9)
    expect(await page.evaluate(() => 'sameLife' in window)).toBe(true)
  }, 240_000)
})

// ---------------------------------------------------------------- verify only

describe('under verify-only', () => {
  test('the right face with the right PIN is marked, by a camera that is opened for it and closed again', async () => {
    const school = await openSchool('verify-only')
    await enrolPhotos(school, { S001: ANNA_ENROLLED })
    const pin = await pinOf(school, 'S001')
    const { page, tally } = await openKiosk(school, anna)
    await untilShown(page, 'desk')
    // Anna stands before the camera all the while, and nobody looks.
    await page.waitForTimeout(6_000)
    expect((await tally()).cameras).toBe(0)
    expect(await marked(page)).toEqual([])

    await typePin(page, pin)
    await until('the camera is opened', async () => (await shownOn(page)) === 'check')
    await until('she is marked', async () => (await marked(page)).length === 1)
    expect(await marked(page)).toEqual([['S001', 'face_and_pin']])
    await until('the camera is closed', async () => (await shownOn(page)) === 'desk' && (await tally()).live === 0, 15_000)
    expect((await tally()).cameras).toBe(1)
    await page.evaluate(() => window.dispatchEvent(new Event('online')))
    await until('the mark is in the record', async () => (await recordOf(school, 'S001'))?.method === 'face_and_pin')
  })

  test('the wrong face with the right PIN is not marked, and whose face it is nobody looks for', async () => {
    const school = await openSchool('verify-only')
    await enrolPhotos(school, { S001: ANNA_ENROLLED, S002: BEA })
    const [pin, card] = [await pinOf(school, 'S002'), await cardOf(school, 'S001')]
    const { page, tally } = await openKiosk(school, anna)
    await untilShown(page, 'desk')
    await typePin(page, pin)
    await page.getByText('The camera could not tell that it is you').waitFor({ timeout: 90_000 })
    expect(await marked(page)).toEqual([])
    expect((await tally()).live).toBe(0)
    await page.getByRole('button', { name: 'Try again' }).click()
    await until('the camera looks again', async () => (await tally()).live === 1)
    await page.getByRole('button', { name: 'Not you?' }).click()
    await untilShown(page, 'desk')
    await until('the camera is closed', async () => (await tally()).live === 0)
    expect(await marked(page)).toEqual([])

    // Anna's own card: one face, one student.
    await scan(page, card)
    await until('she is marked', async () => (await marked(page)).length === 1)
    expect(await marked(page)).toEqual([['S001', 'face_and_qr']])
  }, 240_000)

  test('who has no face on record is marked by PIN or card alone, without the camera', async () => {
    const school = await openSchool('verify-only')
    const [pin, card] = [await pinOf(school, 'S004'), await cardOf(school, 'S005')]
    const { page, tally } = await openKiosk(school, 'denied')
    await untilShown(page, 'desk')
    await typePin(page, pin)
    await until('the first is marked', async () => (await marked(page)).length === 1)
    await scan(page, card.toLowerCase())
    await until('the second is marked', async () => (await marked(page)).length === 2)
    expect(await marked(page)).toEqual([['S004', 'pin'], ['S005', 'qr']])
    expect((await tally()).cameras).toBe(0)
  })

  test('a camera that does not work marks nobody whose face should confirm, says so, and the register is not taken by that kiosk', async () => {
    const school = await openSchool('verify-only')
    await enrolPhotos(school, { S001: ANNA_ENROLLED })
    const pin = await pinOf(school, 'S001')
    const { page } = await openKiosk(school, 'denied')
    await untilShown(page, 'desk')
    await typePin(page, pin)
    await page.getByText('The camera does not work just now').waitFor({ timeout: 90_000 })
    expect(await marked(page)).toEqual([])
    expect((await diagnosticsOf(page))?.camera).toBe('denied')
  })

  test('a card is read by the camera on demand, in which no face is looked for', async () => {
    const school = await openSchool('verify-only')
    const card = await cardOf(school, 'S005')
    const { page, tally } = await openKiosk(school, await clipOfCard('verify-card', card))
    await untilShown(page, 'desk')
    await until('the models are loaded', async () => (await diagnosticsOf(page))?.model)
    await page.getByRole('button', { name: 'Card to the camera' }).click()
    await until('the card is read', async () => (await marked(page)).length === 1)
    expect(await marked(page)).toEqual([['S005', 'qr']])
    await until('the camera is closed', async () => (await shownOn(page)) === 'desk' && (await tally()).live === 0)
    expect((await diagnosticsOf(page))?.frames).toBe(0)
  })
})

// ---------------------------------------------------------------- default

describe('under default', () => {
  test('a card does what a PIN does, without a camera; a lost one opens nothing any more, and a foreign one says so', async () => {
    const school = await openSchool('default')
    const [lost, card, pin] = [await cardOf(school, 'S005'), await cardOf(school, 'S005'), await pinOf(school, 'S006')]
    const { page } = await openKiosk(school, 'none')
    await untilShown(page, 'no_camera: none')
    for (const wrong of [lost, 'HTTPS://SCHOOL.EXAMPLE/LIBRARY/4711']) {
      await scan(page, wrong)
      await page.getByText('This card is not known here').waitFor()
      await page.getByRole('button', { name: 'OK' }).click()
    }
    // Somebody had begun to type a PIN.
    await page.getByRole('button', { name: /Use your PIN/ }).click()
    await page.locator('pin-panel .names button').filter({ hasText: pin.name }).click()
    await page.keyboard.type('12')
    await scan(page, card)
    await until('she is marked', async () => (await marked(page)).length === 1)
    expect(await marked(page)).toEqual([['S005', 'qr']])
    expect(await page.locator('greeting-strip .hello').innerText()).toContain('Hello')
    await scan(page, card)
    await page.getByText('You are here already').waitFor()
    expect(await marked(page)).toHaveLength(1)
  })

  test('a card that is held before the camera is read while nobody is being recognised', async () => {
    const school = await openSchool('default')
    const card = await cardOf(school, 'S005')
    const { page } = await openKiosk(school, await clipOfCard('default-card', card))
    await untilShown(page, 'lesson')
    await until('the card is read', async () => (await marked(page)).length === 1)
    expect(await marked(page)).toEqual([['S005', 'qr']])
  })
})
