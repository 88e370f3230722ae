/**
 * What the office would notice when something needs a person: records that could not be taken, a kiosk whose storage was
 * replaced or copied, a kiosk that fell silent; and that it can be set right from the page, with the keyboard and on a phone.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Kiosks, Operations } from '#contract/kiosks'
import type { LessonSummary } from '#contract/register'
import { SetAsideList } from '#contract/set-aside'
import { launchChromium } from './chromium.ts'
import { type School, clearOfTheBell, startSchool } from './school.ts'

let school: School
let context: BrowserContext
let page: Page
let lesson: LessonSummary

beforeAll(async () => {
  school = await startSchool()
  context = await launchChromium({ viewport: { width: 1280, height: 900 } })
  page = context.pages()[0] ?? (await context.newPage())
  await page.goto(`${school.url}/office#/kiosks`)
  await page.getByLabel('Name').fill('office')
  await page.getByLabel('Password', { exact: true }).fill(school.officePassword)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await clearOfTheBell()
  lesson = await school.lessonNow()
})

afterAll(async () => {
  await context?.close()
  await school?.stop()
})

/** Where pictures of the page are wanted: SCREENSHOTS=folder. */
async function shot(name: string): Promise<void> {
  const folder = process.env['SCREENSHOTS']
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}

const beat = (store?: object) => school.api('POST', '/heartbeat', { device_id: school.device.device_id, camera: 'live', ...(store ? { store } : {}) }, { key: school.device.key })
const operations = () => school.ask(Operations, 'GET', '/operations')
const record = (student_id: string, more: object = {}) => ({ student_id, course_id: lesson.course_id, timestamp: new Date().toISOString(), confidence: 0.9, ...more })
const fullName = async (id: string): Promise<string> => {
  const { first_name, last_name } = (await school.register(lesson)).entries.find(({ student_id }) => student_id === id)!
  return `${first_name} ${last_name}`
}

test('A kiosk of which nothing is heard while a lesson is on is named; once it speaks, nothing needs anybody', async () => {
  await page.getByText('LAB-301').first().waitFor()
  await page.getByText(/: silent/).waitFor()
  await shot('silent')
  await beat()
  await page.reload()
  await page.getByText('Nothing.').waitFor()
  const row = page.getByRole('row').filter({ hasText: school.device.device_id })
  expect(await row.getByRole('cell').allInnerTexts()).toEqual(expect.arrayContaining([expect.stringContaining('just now'), expect.stringContaining('sees the room')]))
  expect(await operations()).toMatchObject({ silent: [], set_aside: 0, alarms: 0, months_ahead: expect.any(Number) })
})

test('A record with an absurd time and one of an unknown student appear; the one is recorded into its lesson, the other dismissed', async () => {
  const sent = [record('S001', { timestamp: '1970-01-01T00:07:00Z' }), record('S999')]
  const answer = await school.attend(sent)
  expect(answer).toMatchObject({ stored: 0, refused: 2 })
  await page.reload()
  await page.getByText('2 records could not be taken').waitFor()
  await page.getByRole('link', { name: 'look at what is set aside' }).click()

  const name = await fullName('S001')
  const absurd = page.getByRole('article', { name })
  const stranger = page.getByRole('article', { name: 'Student S999' })
  await absurd.getByText('Its time cannot be right: Thursday 1 January 1970').waitFor()
  await stranger.getByText('The school has no student S999').waitFor()
  await shot('set-aside')
  await page.setViewportSize({ width: 390, height: 844 })
  await shot('set-aside-on-a-phone')
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390)
  await page.setViewportSize({ width: 1280, height: 900 })

  // While the reason holds, recording it is refused in words, and the record waits on.
  await stranger.getByRole('button', { name: /^Record it…/ }).click()
  await stranger.getByRole('button', { name: /^Record it/ }).click()
  await stranger.getByRole('alert').filter({ hasText: 'there is no student S999' }).waitFor()

  // By keyboard alone: open, the course's lessons of today stand there, choose the one that is on.
  await absurd.getByRole('button', { name: /^Record it…/ }).focus()
  await page.keyboard.press('Enter')
  const day = absurd.getByLabel(/On which day/)
  await day.waitFor()
  // The likeliest day is the one that it came on, in the school's zone; the lesson may be of the day before.
  await day.fill(lesson.held_on)
  await day.press('Tab')
  const choice = absurd.getByRole('radio').filter({ visible: true })
  await choice.first().waitFor()
  const labels = await absurd.locator('label.lesson').allInnerTexts()
  const zone = (await operations()).time_zone
  const starts = new Intl.DateTimeFormat('en-GB', { timeZone: zone, hour: '2-digit', minute: '2-digit' }).format(new Date(lesson.starts_at))
  await choice.nth(labels.findIndex((label) => label.trim().startsWith(starts))).focus()
  await page.keyboard.press('Space')
  await shot('lesson-chosen')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByRole('status').filter({ hasText: `${name}: recorded.` }).waitFor()
  const entry = (await school.register(lesson)).entries.find(({ student_id }) => student_id === 'S001')
  expect(entry).toMatchObject({ status: 'present', mark: { timestamp: lesson.starts_at } })

  await stranger.getByRole('button', { name: /^Dismiss…/ }).click()
  await shot('dismiss-asked')
  await page.keyboard.press('Escape')
  await stranger.getByRole('button', { name: /^Dismiss…/ }).click()
  await stranger.getByRole('button', { name: /^Dismiss/ }).click()
  await page.getByText('Nothing is set aside.').waitFor()

  // Sent once more, as a script does every night: it stays dismissed, and the other one is stored for good.
  await school.attend(sent)
  expect(await school.ask(SetAsideList, 'GET', '/set-aside')).toMatchObject({ open: 0, entries: [] })
  expect((await school.register(lesson)).entries.filter(({ mark }) => mark !== null)).toHaveLength(1)
})

test('A kiosk that comes back with empty storage raises an alarm that tells of its marks; looked at, it is closed and stays closed', async () => {
  const [old, fresh] = [{ store_id: randomUUID(), made: 3, unsent: 3, fence: randomUUID() }, { store_id: randomUUID(), made: 0, unsent: 0, fence: randomUUID() }]
  expect((await beat({ ...old, next_fence: old.fence })).status).toBe(200)
  expect((await operations()).alarms).toBe(0)
  expect((await beat({ ...fresh, next_fence: fresh.fence })).status).toBe(200)
  await page.goto(`${school.url}/office#/kiosks`)
  await page.reload()
  await page.getByText('it came back with empty storage').waitFor()
  await page.getByText('at least 3 marks that never reached the school').waitFor()
  await shot('storage-replaced')
  await page.getByRole('button', { name: /^I have seen to it…/ }).click()
  await page.getByRole('button', { name: /^Close the alarm/ }).click()
  await page.getByText('Nothing.').waitFor()
  await beat({ ...fresh, next_fence: fresh.fence })
  expect((await operations()).alarms).toBe(0)
})

test('Of two copies of one storage neither is believed until the office has said which is right', async () => {
  const { kiosks } = await school.ask(Kiosks, 'GET', '/kiosks')
  expect(kiosks).toMatchObject([{ device_id: school.device.device_id, fenced_at: null }])
  const [store_id, first, one, other] = Array.from({ length: 4 }, () => randomUUID())
  const copy = { store_id, made: 0, unsent: 0, fence: first }
  await beat({ ...copy, next_fence: one })
  // The clone holds the fence that the original has left behind.
  await beat({ ...copy, next_fence: other })
  expect((await beat({ ...copy, next_fence: other })).status).toBe(403)
  await page.reload()
  await page.getByText('two copies of its storage are in use').waitFor()
  await page.getByText('fenced', { exact: true }).waitFor()
  await page.setViewportSize({ width: 390, height: 844 })
  await shot('fenced-on-a-phone')
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390)
  await page.getByRole('button', { name: /^This is the right one…/ }).click()
  await page.getByRole('button', { name: /^It is the right one/ }).click()
  await page.getByText('fenced', { exact: true }).waitFor({ state: 'detached' })
  expect((await beat({ store_id, made: 0, unsent: 0, fence: one, next_fence: one })).status).toBe(200)
  await page.setViewportSize({ width: 1280, height: 900 })
})
