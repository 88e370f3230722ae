/** What a school would notice first: the real server, the real kiosk page in a real Chromium, real faces before its camera. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext, Page, Request } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Diagnostics, ScreenState } from '../kiosk/classroom/state.ts'
import { launchChromium, killChromium } from './chromium.ts'
import { ANNA_ENROLLED, ANNA_LATER, BEA, CLEO, clipOf, enrolPhotos } from './faces.ts'
import { type School, clearOfTheBell, startSchool } from './school.ts'

interface Screen extends HTMLElement {
  state: ScreenState
  diagnostics: Diagnostics | undefined
}

let folder: string
let school: School
let anna: string
let cleo: string
let open: BrowserContext[] = []
let lesson: { held_on: string; lesson_id: string }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-e2e-'))
  school = await startSchool()
  ;[anna, cleo] = await Promise.all([clipOf(join(folder, 'anna.y4m'), [ANNA_LATER]), clipOf(join(folder, 'cleo.y4m'), [CLEO])])
  await enrolPhotos(school, { S001: ANNA_ENROLLED, S002: BEA })
  await clearOfTheBell()
  lesson = await school.lessonNow()
})

afterEach(async () => {
  for (const context of open) await context.close().catch(() => undefined)
  open = []
})

afterAll(async () => {
  await school?.stop()
  await rm(folder, { recursive: true, force: true })
})

async function openKiosk(o: { camera: string; userDataDir?: string; link?: string }): Promise<{ context: BrowserContext; page: Page; requests: Request[] }> {
  const context = await launchChromium({ camera: o.camera, userDataDir: o.userDataDir })
  open.push(context)
  const page = context.pages()[0] ?? (await context.newPage())
  const requests: Request[] = []
  context.on('request', (request) => requests.push(request))
  await page.goto(o.link ?? school.kioskLink)
  return { context, page, requests }
}

const state = (page: Page): Promise<ScreenState['screen'] | undefined> => page.evaluate(() => (document.querySelector('classroom-screen') as Screen | null)?.state?.screen)
const diagnostics = (page: Page): Promise<Diagnostics | undefined> => page.evaluate(() => (document.querySelector('classroom-screen') as Screen | null)?.diagnostics)
const badge = (page: Page) =>
  page.evaluate(() => {
    const shown = (document.querySelector('classroom-screen') as Screen).state
    return 'place' in shown ? shown.place?.badge : undefined
  })

async function until<T>(what: string, ask: () => Promise<T | undefined | false>, patienceMs = 60_000): Promise<T> {
  const end = performance.now() + patienceMs
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function watched(page: Page, frames: number): Promise<Diagnostics> {
  const before = (await diagnostics(page))?.frames ?? 0
  return until(`${frames} frames were looked at`, async () => {
    const now = await diagnostics(page)
    return now && now.frames >= before + frames && now
  }, 100_000)
}

async function recordOf(studentId: string): Promise<{ timestamp: string } | null> {
  const register = await school.register(lesson)
  return register.entries.find((entry) => entry.student_id === studentId)?.mark ?? null
}

/** Everything in the record of that student, in whatever month and lesson. */
async function marksOf(studentId: string): Promise<number> {
  const history = await school.ask(z.object({ records: z.array(z.object({ timestamp: z.string().nullable() })) }), 'GET', `/attendance/student/${studentId}`)
  return history.records.filter(({ timestamp }) => timestamp !== null).length
}

describe('the kiosk', () => {
  test('marks a known student once, greets them by name, and sends nothing but small records to its own origin', async () => {
    const { page, requests } = await openKiosk({ camera: anna })
    const greeting = page.locator('greeting-strip .hello')
    await greeting.waitFor({ timeout: 100_000 })
    const { body } = await school.api('GET', '/students/S001')
    const { first_name } = z.object({ first_name: z.string() }).parse(body)
    expect(await greeting.innerText()).toContain(first_name)
    await page.locator('present-list .name').first().waitFor()

    // The clip comes round again: she is seen again and not marked again.
    const seen = await watched(page, 60)
    expect(seen.marked.map(({ studentId }) => studentId)).toEqual(['S001'])
    await page.evaluate(() => window.dispatchEvent(new Event('online')))
    await until('the mark is in the record', () => recordOf('S001'))
    expect(await marksOf('S001')).toBe(1)
    await until('the badge has counted down', async () => (await badge(page))?.unsentMarks === 0)

    for (const request of requests.filter((one) => !/^(blob|data):/.test(one.url()))) {
      expect(new URL(request.url()).origin).toBe(school.url)
      expect(request.postDataBuffer()?.length ?? 0).toBeLessThan(2_000)
    }
    expect(requests.some((one) => one.url().includes('key='))).toBe(false)
    expect(page.url()).not.toContain('key=')
  })

  test('never marks a stranger, and calls them unknown', async () => {
    const { page } = await openKiosk({ camera: cleo })
    await until('the stranger is called unknown', async () => (await diagnostics(page))?.unknownFaces, 100_000)
    const seen = await watched(page, 60)
    expect(seen.marked).toEqual([])
    expect(await page.locator('present-list .name').allInnerTexts()).not.toContain('S002')
  })

  test('keeps marks made offline through a killed browser, and each arrives once in its month', async () => {
    const userDataDir = await mkdtemp(join(folder, 'profile-'))
    const here = await startSchool()
    try {
      await enrolPhotos(here, { S003: ANNA_ENROLLED })
      const first = await openKiosk({ camera: anna, userDataDir, link: here.kioskLink })
      await until('the roster is there', async () => (await state(first.page)) === 'lesson', 100_000)
      await here.kill9()
      // Whatever was marked before the server went is not what this promise is about.
      const marked = await until('a mark is made', async () => (await diagnostics(first.page))?.marked[0], 100_000)
      expect(marked.studentId).toBe('S003')
      expect((await badge(first.page))?.unsentMarks).toBe(1)
      await killChromium(first.context)

      // Power comes back, the network does not: the kiosk boots from what it holds, and shows who is here.
      const second = await openKiosk({ camera: cleo, userDataDir, link: `${here.url}/kiosk` })
      await until('the kiosk works without the server', async () => (await state(second.page)) === 'lesson', 100_000)
      expect((await badge(second.page))?.unsentMarks).toBe(1)
      await second.page.locator('present-list .name').first().waitFor()

      await here.restart()
      await second.page.evaluate(() => window.dispatchEvent(new Event('online')))
      await until('the badge has counted down', async () => (await badge(second.page))?.unsentMarks === 0, 100_000)
      const history = z.object({ records: z.array(z.object({ held_on: z.string(), timestamp: z.string() })) })
      const { records } = await here.ask(history, 'GET', '/attendance/student/S003')
      expect(records).toHaveLength(1)
      const months = await monthsOf(here)
      expect(months).toEqual([`attendance_logs_${records[0]!.held_on.slice(0, 7).replace('-', '_')}`])
    } finally {
      await here.stop()
    }
  })

  test('knows a new student, and forgets a removed one, within a minute by itself', async () => {
    const here = await startSchool()
    try {
      await enrolPhotos(here, { S004: ANNA_ENROLLED })
      await here.withdrawConsent('S004')
      const { page } = await openKiosk({ camera: anna, link: here.kioskLink })
      await until('she is a stranger', async () => (await diagnostics(page))?.unknownFaces, 100_000)
      expect((await watched(page, 40)).marked).toEqual([])

      // Nobody touches the kiosk: its next heartbeat is told that a roster has changed.
      await enrolPhotos(here, { S004: ANNA_ENROLLED })
      await until('she is known after a pull', async () => (await diagnostics(page))?.marked[0], 100_000)

      await here.withdrawConsent('S004')
      const templates = () => page.evaluate(() => {
        const shown = (document.querySelector('classroom-screen') as Screen).state
        return shown.screen === 'lesson' ? shown.enrolled - shown.withoutFace : undefined
      })
      await until('no template is left', async () => (await templates()) === 0, 100_000)
    } finally {
      await here.stop()
    }
  }, 300_000)
})

describe('a kiosk that runs for months', () => {
  test('starts vision again when its worker dies, and still marks', async () => {
    const here = await startSchool()
    try {
      const { page } = await openKiosk({ camera: anna, link: here.kioskLink })
      await watched(page, 5)
      await page.workers()[0]!.evaluate(() => self.close())
      const { frames } = (await diagnostics(page))!
      await enrolPhotos(here, { S001: ANNA_ENROLLED })
      await until('frames are looked at again', async () => ((await diagnostics(page))?.frames ?? 0) > frames + 5, 100_000)
      await page.evaluate(() => window.dispatchEvent(new Event('online')))
      await until('she is marked', async () => (await diagnostics(page))?.marked[0]?.studentId === 'S001')
    } finally {
      await here.stop()
    }
  })

  test('says that the camera is gone, and comes back by itself', async () => {
    const { page } = await openKiosk({ camera: anna })
    await until('the lesson is shown', async () => (await state(page)) === 'lesson', 100_000)
    // What Chromium does when the cable is pulled: the track ends.
    await page.evaluate(() => {
      const shown = (document.querySelector('classroom-screen') as Screen).state
      if (shown.screen !== 'lesson') throw new Error('no lesson on the screen')
      const [track] = (shown.video.srcObject as MediaStream).getTracks()
      track!.stop()
      track!.dispatchEvent(new Event('ended'))
    })
    await until('the screen says lost', () => page.evaluate(() => {
      const shown = (document.querySelector('classroom-screen') as Screen).state
      return shown.screen === 'no_camera' && shown.why === 'lost'
    }))
    const { frames } = (await diagnostics(page))!
    await until('the picture is back', async () => (await state(page)) === 'lesson' && ((await diagnostics(page))?.frames ?? 0) > frames)
  })
})

describe('every other state a school meets', () => {
  test('says so when it is not paired, and when the link is broken', async () => {
    const { page } = await openKiosk({ camera: 'none', link: `${school.url}/kiosk` })
    await until('the screen says not paired', async () => (await state(page)) === 'not_paired')
    await page.goto(`${school.url}/kiosk#device=pi-lab301&room=LAB-301&key=short`)
    // A link opened on the kiosk's page is read at once: only what stands behind the # has changed.
    await page.getByText('key', { exact: false }).first().waitFor()
  })

  test('says so when there is no camera, or when the camera is denied', async () => {
    for (const [camera, why] of [['none', 'none'], ['denied', 'denied']] as const) {
      const { page } = await openKiosk({ camera })
      await until(`the screen says ${why}`, () => page.evaluate((expected) => {
        const shown = (document.querySelector('classroom-screen') as Screen | null)?.state
        return shown?.screen === 'no_camera' && shown.why === expected
      }, why), 100_000)
    }
  })

  test('says so when the device is revoked: the roster is gone', async () => {
    const { page } = await openKiosk({ camera: 'none', link: school.kioskLink.replace(/key=.*/, `key=${'x'.repeat(43)}`) })
    await until('the screen says revoked', async () => (await state(page)) === 'revoked')
  })
})

/** Month partitions that hold a row, asked of PostgreSQL itself. */
async function monthsOf(here: School): Promise<string[]> {
  // eslint-disable-next-line no-restricted-imports -- which partition a row lies in, PostgreSQL alone can say
  const { default: postgres } = await import('postgres')
  const sql = postgres(here.databaseUrl, { max: 1 })
  try {
    const rows = await sql<{ month: string }[]>`SELECT DISTINCT tableoid::regclass::text AS month FROM attendance_logs`
    return rows.map(({ month }) => month)
  } finally {
    await sql.end()
  }
}
