/** What the office would notice: a face cannot be enrolled twice by mistake, and who looks like whom is listed. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Recognition } from '#contract/recognition'
import { launchChromium } from './chromium.ts'
import { BEA, portrait } from './faces.ts'
import { type School, startSchool } from './school.ts'

let folder: string
let school: School
let context: BrowserContext
let page: Page
/** Foreign requests and style or script faults of the pages: the server's policy forbids them. */
const faults: string[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-recognition-'))
  school = await startSchool()
  context = await launchChromium({ viewport: { width: 1280, height: 900 } })
  page = context.pages()[0] ?? (await context.newPage())
  page.on('console', (message) => message.type() === 'error' && /Content Security Policy/.test(message.text()) && faults.push(message.text()))
  page.on('pageerror', (error) => faults.push(String(error)))
  await page.goto(`${school.url}/office`)
  await page.getByLabel('Name').fill('office')
  await page.getByLabel('Password', { exact: true }).fill(school.officePassword)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('link', { name: 'Recognition' }).waitFor()
  for (const id of ['S001', 'S002']) await school.api('PUT', `/students/${id}/consent`, { statement: 'I agree', given_by: 'the guardian' })
})

afterAll(async () => {
  await context?.close()
  await school?.stop()
  await rm(folder, { recursive: true, force: true })
})

async function enrolPhoto(studentId: string): Promise<void> {
  await page.goto(`${school.url}/enrol#/${studentId}`)
  await page.getByRole('button', { name: 'Photo files' }).click()
  await page.locator('input[type=file]').setInputFiles({ name: 'photo.png', mimeType: 'image/png', buffer: await portrait(BEA) })
  await page.getByRole('button', { name: 'Save 1 template' }).click()
}

test('The same face under another id is refused with the name; confirmed as twins it is stored, and both are listed as look-alikes', async () => {
  await enrolPhoto('S001')
  await page.getByText('S001 is ready').waitFor()

  await enrolPhoto('S002')
  await page.getByText('This face is already enrolled as Amina Yusuf (S001)').waitFor()
  expect((await school.ask(Recognition, 'GET', '/recognition')).with_face).toBe(1)
  await picture('taken')
  await page.getByRole('button', { name: 'They are two people (twins)' }).click()
  await page.getByText('S002 is ready').waitFor()
  await page.getByText('Looks like Amina Yusuf (S001)').waitFor()

  await page.goto(`${school.url}/office#/recognition`)
  await page.getByText('Together in').waitFor()
  await page.getByText(/Two people: said by office on/).waitFor()
  const { lessons_left, false_accept_budget, look_alikes } = await school.ask(Recognition, 'GET', '/recognition')
  expect(look_alikes).toHaveLength(1)

  const status = page.getByRole('status').filter({ hasText: 'wrong mark' })
  const shown = async (): Promise<number> => Number(/About ([\d.,]+)/.exec(await status.innerText())?.[1]?.replaceAll(',', ''))
  expect(await shown()).toBeCloseTo(lessons_left.count * false_accept_budget, 0)
  await page.getByLabel('Strangers before the camera').fill('10')
  await expect.poll(shown).toBe(Math.round(10 * lessons_left.count * false_accept_budget))
  await page.getByLabel('Strangers before the camera').fill('1')
  for (const [name, width] of [['desktop', 1280], ['phone', 390]] as const) {
    await page.setViewportSize({ width, height: 900 })
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await picture(`recognition-${name}-${colorScheme}`)
      // Nothing hangs over the edge of a phone.
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true)
    }
  }
  expect(faults).toEqual([])
})

/** For a person to look at, where SCREENS names a folder. */
async function picture(name: string): Promise<void> {
  // oxlint-disable-next-line node/no-process-env -- a test's own switch
  const to = process.env['SCREENS']
  if (to) await page.screenshot({ path: join(to, `${name}.png`), fullPage: true })
}
