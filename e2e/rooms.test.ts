/** What the office would notice: each room's policy against pictures, set by one tap, kept, and told to that room's kiosk. */
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Rooms } from '#contract/rooms'
import { Schedule } from '#contract/schedule'
import { launchChromium } from './chromium.ts'
import { type School, startSchool } from './school.ts'

let school: School
let context: BrowserContext
let page: Page

beforeAll(async () => {
  school = await startSchool()
  context = await launchChromium({ viewport: { width: 1280, height: 800 } })
  page = context.pages()[0] ?? (await context.newPage())
  await page.goto(`${school.url}/office#/rooms`)
  await page.getByLabel('Name').fill('office')
  await page.getByLabel('Password', { exact: true }).fill(school.officePassword)
  await page.getByRole('button', { name: 'Sign in' }).click()
})

afterAll(async () => {
  await context?.close()
  await school?.stop()
})

test('The office sets by one tap what a room does about pictures, and the room\'s kiosk is told', async () => {
  const { rooms } = Rooms.parse((await school.api('GET', '/rooms')).body)
  const room = rooms.find(({ room_id }) => room_id === 'LAB-301')!
  const choices = page.getByRole('group', { name: `Check for pictures in ${room.name}` })
  await choices.waitFor()
  expect(await choices.getByRole('button', { name: 'Watch' }).getAttribute('aria-pressed')).toBe('true')

  await choices.getByRole('button', { name: 'Require' }).click()
  await page.getByText('Nobody is marked before the face has shown that it lives').waitFor()
  const { body } = await school.api('GET', '/schedule?room_id=LAB-301')
  expect(Schedule.parse(body).settings.liveness).toBe('require')

  await page.reload()
  await choices.waitFor()
  expect(await choices.getByRole('button', { name: 'Require' }).getAttribute('aria-pressed')).toBe('true')
  expect(await page.getByRole('button', { name: 'Require', pressed: true }).count()).toBe(1)
  // Where a screenshot is wanted: SCREENSHOT=file.png
  const file = process.env['SCREENSHOT']
  if (file !== undefined) await page.screenshot({ path: file })
})
