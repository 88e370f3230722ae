/** The path without a face: by PIN, at the kiosk, offline, always on the screen; and the question that a doubtful face is asked. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { NewPin, Student } from '#contract/people'
import type { AskCard, PinPanel, ScreenState, WaitingStudent } from '../kiosk/classroom/state.ts'
import { launchChromium } from './chromium.ts'
import { diagnosticsOf, until, untilShown } from './kiosk-page.ts'
import { type School, clearOfTheBell, startSchool } from './school.ts'

let folder: string
let school: School
let open: BrowserContext[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-pin-'))
  school = await startSchool()
  await clearOfTheBell()
})

afterEach(async () => {
  for (const context of open) await context.close().catch(() => undefined)
  open = []
})

afterAll(async () => {
  await school?.stop()
  await rm(folder, { recursive: true, force: true })
})

async function openKiosk(o: { camera?: string; userDataDir?: string; link?: string } = {}): Promise<{ context: BrowserContext; page: Page }> {
  const context = await launchChromium({ camera: o.camera ?? 'denied', userDataDir: o.userDataDir })
  open.push(context)
  const page = context.pages()[0] ?? (await context.newPage())
  await page.goto(o.link ?? school.kioskLink)
  return { context, page }
}

const pinButton = (page: Page) => page.getByRole('button', { name: /Use your PIN/ })
const key = (page: Page, name: string) => page.getByRole('group', { name: 'Keypad' }).getByRole('button', { name, exact: true })
const unsent = (page: Page) =>
  page.evaluate(() => {
    const { state } = document.querySelector('classroom-screen') as HTMLElement & { state: ScreenState }
    return 'place' in state ? state.place?.badge.unsentMarks : undefined
  })

async function nameOf(id: string): Promise<string> {
  const { first_name, last_name } = await school.ask(Student, 'GET', `/students/${id}`)
  return `${first_name} ${last_name}`
}

async function typePin(page: Page, pin: string): Promise<void> {
  for (const digit of pin) await key(page, digit).click()
  await key(page, 'OK').click()
}

/** The kiosk asks what has changed, as when somebody looks at it again. Each hint is one question: not so many that they queue. */
async function hint(page: Page): Promise<void> {
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
  await page.waitForTimeout(1_500)
  if (await pinButton(page).isVisible()) await pinButton(page).click()
  await page.locator('pin-panel').waitFor()
}

/** Until the kiosk holds what the office has just set. */
async function untilKnown(page: Page, name: string): Promise<void> {
  await until(`${name} has a PIN at the kiosk`, async () => {
    await hint(page)
    const names = page.locator('pin-panel .names button')
    const text = await names.filter({ hasText: name }).innerText()
    return !text.includes('ask your teacher')
  })
}

describe('by PIN', () => {
  test('a student is marked without a camera and without a network, and the mark reaches the server when it is back', async () => {
    const { page } = await openKiosk()
    await untilShown(page, 'no_camera: denied')
    const { pin, student } = await school.ask(NewPin, 'PUT', '/students/S004/pin', { generate: true })
    expect(pin).toMatch(/^\d{4}$/)
    const name = `${student.first_name} ${student.last_name}`
    await untilKnown(page, name)

    await school.kill9()
    await page.locator('pin-panel .names button').filter({ hasText: name }).click()
    await typePin(page, pin)
    expect(await page.locator('greeting-strip .hello').innerText()).toContain(student.first_name)
    expect(await unsent(page)).toBe(1)
    expect((await diagnosticsOf(page))?.marked).toMatchObject([{ studentId: 'S004', method: 'pin', confidence: 1 }])
    // The way is open for the next one, and nobody is asked for twice.
    await pinButton(page).click()
    await page.locator('pin-panel .names button').first().waitFor()
    expect(await page.locator('pin-panel .names button').filter({ hasText: name }).count()).toBe(0)

    await school.restart()
    await page.evaluate(() => window.dispatchEvent(new Event('online')))
    await until('the badge has counted down', async () => (await unsent(page)) === 0)
    const entry = (await school.register(await school.lessonNow())).entries.find(({ student_id }) => student_id === 'S004')
    expect(entry?.mark).toMatchObject({ method: 'pin', confidence: 1, model: null, doubt: null, device_id: school.device.device_id })
  })

  test('wrong PINs lock it for a minute, a reload gives no new tries, and another student is not held up', async () => {
    const { page } = await openKiosk()
    await untilShown(page, 'no_camera: denied')
    await school.ask(NewPin, 'PUT', '/students/S005/pin', { pin: '2468' })
    await school.ask(NewPin, 'PUT', '/students/S006/pin', { pin: '135791' })
    const [locked, other] = [await nameOf('S005'), await nameOf('S006')]
    await untilKnown(page, locked)
    await untilKnown(page, other)
    await page.locator('pin-panel .names button').filter({ hasText: locked }).click()
    for (let left = 4; left >= 1; left--) {
      await typePin(page, '0000')
      await page.getByText(left === 1 ? 'One more try' : `${left} more tries`).waitFor()
    }
    await page.reload()
    await untilShown(page, 'no_camera: denied')
    await pinButton(page).click()
    await page.locator('pin-panel .names button').filter({ hasText: locked }).click()
    // By keyboard, too.
    await page.keyboard.type('99990')
    await page.keyboard.press('Backspace')
    await page.keyboard.press('Enter')
    await page.getByText(/locked for \d+ seconds/).waitFor()
    expect(await key(page, '2').isDisabled()).toBe(true)
    await page.keyboard.type('2468')
    await page.keyboard.press('Enter')
    await page.reload()
    await untilShown(page, 'no_camera: denied')
    await pinButton(page).click()
    await page.locator('pin-panel .names button').filter({ hasText: locked }).click()
    await page.getByText(/locked for \d+ seconds/).waitFor()

    await page.keyboard.press('Escape')
    await page.locator('pin-panel .names button').filter({ hasText: other }).click()
    await typePin(page, '135791')
    await page.locator('greeting-strip .hello').waitFor()
    expect((await diagnosticsOf(page))?.marked.map(({ studentId }) => studentId)).toEqual(['S006'])
  })

  test('who has no PIN is sent to the teacher; and a panel that everybody walks away from closes', async () => {
    const { page } = await openKiosk()
    await untilShown(page, 'no_camera: denied')
    await pinButton(page).click()
    const name = await nameOf('S010')
    const row = page.locator('pin-panel .names button').filter({ hasText: name })
    expect(await row.innerText()).toContain('ask your teacher')
    await page.getByRole('group', { name: /First letter/ }).getByRole('button', { name: name.slice(0, 1), exact: true }).click()
    for (const shown of await page.locator('pin-panel .names .name').allInnerTexts()) expect(shown.slice(0, 1)).toBe(name.slice(0, 1))
    await row.click()
    await page.getByText('Please see your teacher').waitFor()
    await page.locator('pin-panel').waitFor({ state: 'detached', timeout: 60_000 })
    expect(await pinButton(page).isVisible()).toBe(true)
    expect((await diagnosticsOf(page))?.marked).toEqual([])
  })

  test('a PIN that the office took away opens nothing any more', async () => {
    const { page } = await openKiosk()
    await school.ask(NewPin, 'PUT', '/students/S011/pin', { pin: '8642' })
    await untilShown(page, 'no_camera: denied')
    const name = await nameOf('S011')
    await untilKnown(page, name)
    await school.ask(Student, 'DELETE', '/students/S011/pin')
    await until('the kiosk has heard of it', async () => {
      await hint(page)
      return (await page.locator('pin-panel .names button').filter({ hasText: name }).innerText()).includes('ask your teacher')
    })
  })

  test('the way stays on the screen when no model can be loaded', async () => {
    const context = await launchChromium({ camera: 'denied' })
    open.push(context)
    // Without a service worker, which fetches past the browser's routes.
    await context.addInitScript(() => {
      navigator.serviceWorker.register = () => Promise.reject(new Error('none in this test'))
    })
    await context.route(/\.(tflite|bin|wasm)(\?|$)|model\.json/, (route) => route.abort())
    const page = context.pages()[0] ?? (await context.newPage())
    await page.goto(school.kioskLink)
    await untilShown(page, 'model_failed')
    await pinButton(page).click()
    await page.locator('pin-panel .names button').first().waitFor()
  })
})

// ---------- the screen alone, in states that are hard to bring about ----------

const NOW = Date.parse('2026-11-23T09:05:00Z')
const closed: PinPanel = { step: 'closed' }
const place = {
  roomName: 'Lab 301', timeZone: 'Europe/Stockholm', now: NOW,
  badge: { connection: 'offline' as const, lastContactAt: NOW - 600_000, unsentMarks: 2, refusedMarks: 0, updateReady: false, storageProblem: undefined, fenced: false },
}
const lesson = { courseCode: 'CS101', courseName: 'Programming', startsAt: NOW - 300_000, endsAt: NOW + 3_000_000 }
const student = (studentId: string, name: string, hasPin = true): WaitingStudent => ({ studentId, name, firstName: name.split(' ')[0] ?? name, hasPin })

type Shown = Exclude<ScreenState, { screen: 'lesson' }> | Omit<Extract<ScreenState, { screen: 'lesson' }>, 'video'>

/** In a page of the app whose own kiosk is gone: nobody else sets the state. */
async function openScreen(): Promise<Page> {
  const { page } = await openKiosk({ camera: 'none' })
  await untilShown(page, 'no_camera: none')
  await page.evaluate(() => {
    const screen = document.createElement('classroom-screen')
    document.body.replaceChildren(screen)
    const told: { type: string; detail: unknown }[] = []
    Object.assign(window, { told })
    for (const type of ['pin-opened', 'student-confirmed', 'student-denied']) screen.addEventListener(type, (event) => told.push({ type, detail: (event as CustomEvent).detail as unknown }))
  })
  return page
}

async function show(page: Page, state: Shown): Promise<void> {
  await page.evaluate((shown) => {
    const screen = document.querySelector('classroom-screen') as HTMLElement & { state: unknown; updateComplete: Promise<boolean> }
    screen.state = shown.screen === 'lesson' ? { ...shown, video: document.createElement('video') } : shown
    return screen.updateComplete
  }, state)
}

const told = (page: Page) => page.evaluate(() => (window as unknown as { told: { type: string; detail: unknown }[] }).told)
const lessonWith = (over: Partial<Extract<Shown, { screen: 'lesson' }>>): Shown => ({
  screen: 'lesson', place, lesson, faces: [], frameSize: { width: 640, height: 480 }, present: [], enrolled: 24, withoutFace: 0, greeting: undefined, ask: undefined, pin: closed, ...over,
})

const SIZES = [{ width: 800, height: 480 }, { width: 1280, height: 720 }, { width: 480, height: 800 }]

test('the way by PIN is on every screen that is shown while a lesson is on, large enough to touch', async () => {
  const page = await openScreen()
  const states: Shown[] = [
    { screen: 'loading', place, progress: 0.4, what: 'Mesh', pin: closed },
    { screen: 'model_failed', place, problem: 'The detector did not load', retryIn: 5, pin: closed },
    { screen: 'no_roster', place, why: 'lapsed', pin: closed },
    ...(['none', 'denied', 'lost', 'black', 'frozen'] as const).map((why): Shown => ({ screen: 'no_camera', place, lesson, why, pin: closed })),
    { screen: 'no_camera', place, lesson, why: 'lost', pin: { step: 'greeting', firstName: 'Anna', markedAt: NOW } },
    lessonWith({}),
    lessonWith({ ask: { track: 1, needs: 'tap', candidates: [student('S1', 'Anna Berg')] } }),
    lessonWith({ place: { ...place, badge: { ...place.badge, storageProblem: 'The disk is full.' } } }),
  ]
  for (const size of SIZES) {
    await page.setViewportSize(size)
    for (const state of states) {
      await show(page, state)
      const box = await pinButton(page).boundingBox()
      const where = `${JSON.stringify(state).slice(0, 60)} at ${size.width} x ${size.height}`
      expect(box?.width, where).toBeGreaterThanOrEqual(48)
      expect(box?.height, where).toBeGreaterThanOrEqual(48)
      expect((box?.y ?? 0) + (box?.height ?? 0), where).toBeLessThanOrEqual(size.height)
      expect((box?.x ?? 0) + (box?.width ?? 0), where).toBeLessThanOrEqual(size.width)
      await pinButton(page).click({ trial: true })
    }
  }
})

describe('a face that is not sure', () => {
  const asks: AskCard[] = [
    { track: 1, needs: 'tap', candidates: [student('S1', 'Anna Berg')] },
    { track: 2, needs: 'tap', candidates: [student('S1', 'Anna Berg'), student('S2', 'Maximiliana Featherstonehaugh-Cholmondeley')] },
    { track: 3, needs: 'pin', candidates: [student('S1', 'Anna Berg'), student('S2', 'Berta Berg'), student('S3', 'Clara Berg')] },
  ]

  test('is asked, and what is tapped is what is told', async () => {
    const page = await openScreen()
    for (const ask of asks) {
      await show(page, lessonWith({ ask }))
      // A question that has just come up takes no tap.
      await page.locator('ask-card button').first().click()
      await page.waitForTimeout(500)
      const names = page.locator('ask-card button.yes')
      expect(await names.count()).toBe(ask.candidates.length)
      for (const [at, { studentId }] of ask.candidates.entries()) {
        await names.nth(at).click()
        expect((await told(page)).at(-1)).toEqual({ type: 'student-confirmed', detail: { track: ask.track, studentId } })
      }
      await page.locator('ask-card button.no').click()
      expect((await told(page)).at(-1)).toEqual({ type: 'student-denied', detail: { track: ask.track } })
    }
    expect(await told(page)).toHaveLength(asks.reduce((sum, { candidates }) => sum + candidates.length + 1, 0))
  })

  test.for([{ width: 640, height: 480 }, { width: 1280, height: 720 }])('finds every answer in sight, large enough to touch, and none of them over the picture of $width x $height', async (frameSize) => {
    const page = await openScreen()
    for (const size of SIZES) {
      await page.setViewportSize(size)
      for (const ask of asks) {
        await show(page, lessonWith({ ask, frameSize }))
        const card = await page.locator('ask-card').boundingBox()
        const picture = await page.locator('live-stage').boundingBox()
        for (const button of await page.locator('ask-card button').all()) {
          const box = await button.boundingBox()
          expect(box && picture && card).toBeTruthy()
          if (!box || !picture || !card) continue
          // Nothing is below the card's edge, to be found by who scrolls.
          expect(box.y + box.height).toBeLessThanOrEqual(card.y + card.height)
          expect(Math.min(box.width, box.height)).toBeGreaterThanOrEqual(48)
          expect(box.y + box.height).toBeLessThanOrEqual(size.height)
          expect(box.x >= picture.x + picture.width || box.y >= picture.y + picture.height).toBe(true)
          await button.click({ trial: true })
        }
      }
    }
  })
})
