/**
 * `npm run screens`: makes the README's screenshots from the real server, kiosk and office, in e2e/screens/.
 * Each is taken when the room before the camera is empty: nobody's picture is in it.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Diagnostics } from '../kiosk/classroom/state.ts'
import { launchChromium } from './chromium.ts'
import { HD, type Frame, drifting, held, plainFrame, stillsToY4m } from './clip.ts'
import { ANNA_ENROLLED, ANNA_LATER, BEA, CLEO, before, enrolPhotos } from './faces.ts'
import { startSchool } from './school.ts'

const FPS = 10
const out = join(import.meta.dirname, 'screens')
const folder = await mkdtemp(join(tmpdir(), 'fastrackai-screens-'))
const school = await startSchool()
try {
  await mkdir(out, { recursive: true })
  await enrolPhotos(school, { S003: CLEO, S007: BEA, S001: ANNA_ENROLLED })
  const clip = join(folder, 'arrivals.y4m')
  const empty = plainFrame(HD, { r: 120, g: 132, b: 138 })
  const frames: Frame[] = held(empty, 2 * FPS)
  for (const face of [CLEO, BEA, ANNA_LATER]) frames.push(...drifting(await before(face, { canvas: HD, faceWidth: 180 }), 2 * FPS), ...held(empty, FPS))
  await stillsToY4m(clip, [...frames, ...held(empty, 20 * FPS)], FPS)

  const kiosk = await launchChromium({ camera: clip, viewport: { width: 1280, height: 720 } })
  const page = kiosk.pages()[0] ?? (await kiosk.newPage())
  await page.goto(school.kioskLink)
  await page.waitForFunction(() => (document.querySelector('classroom-screen') as { diagnostics?: Diagnostics } | null)?.diagnostics?.marked.length === 3, undefined, { timeout: 120_000 })
  await page.waitForFunction(() => (document.querySelector('classroom-screen') as unknown as { state: { faces?: unknown[] } }).state.faces?.length === 0)
  await page.waitForTimeout(500)
  await page.screenshot({ path: join(out, 'kiosk.png') })
  await page.evaluate(() => window.dispatchEvent(new Event('online')))

  const office = await kiosk.newPage()
  await office.setViewportSize({ width: 1280, height: 720 })
  await office.goto(`${school.url}/office`)
  await office.getByLabel('Name').fill('office')
  await office.getByLabel('Password', { exact: true }).fill(school.officePassword)
  await office.getByRole('button', { name: 'Sign in' }).click()
  const lesson = await school.lessonNow()
  await office.getByText('On now').waitFor()
  await office.goto(`${school.url}/office#/lesson/${lesson.held_on}/${lesson.lesson_id}`)
  await office.getByText(/seen \d\d:\d\d/).first().waitFor({ timeout: 30_000 })
  await office.screenshot({ path: join(out, 'register.png') })
  await kiosk.close()
} finally {
  await school.stop()
  await rm(folder, { recursive: true, force: true })
}
