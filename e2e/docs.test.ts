/** The interactive documentation in a real Chromium, under the app's own Content-Security-Policy. */
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { startSchool } from './school.ts'
import type { School } from './school.ts'

let school: School
let context: BrowserContext
let page: Page
const asked: string[] = []
const complaints: string[] = []

beforeAll(async () => {
  school = await startSchool()
  context = await launchChromium({ viewport: { width: 1280, height: 900 } })
  page = context.pages()[0] ?? (await context.newPage())
  page.on('request', (request) => asked.push(request.url()))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
})

afterAll(async () => {
  await context?.close()
  await school?.stop()
})

test('The documentation lists the endpoints, tries one, and asks nobody but the school', async () => {
  await page.goto(`${school.url}/docs`)
  await page.getByRole('heading', { name: /FastrackAI/ }).waitFor()
  const endpoints = page.locator('.opblock-summary-path')
  await endpoints.first().waitFor()
  const told = (await (await context.request.get(`${school.url}/openapi.json`)).json()) as { paths: Record<string, object> }
  expect(await endpoints.count()).toBe(Object.values(told.paths).reduce((sum, methods) => sum + Object.keys(methods).length, 0))

  const health = page.locator('.opblock', { has: page.locator('[data-path="/health"]') })
  await health.locator('.opblock-summary-control').click()
  await health.getByRole('button', { name: 'Try it out' }).click()
  await health.getByRole('button', { name: 'Execute' }).click()
  await health.locator('.live-responses-table').getByText('"healthy"').first().waitFor()
  const folder = process.env['SCREENSHOTS']
  if (folder !== undefined) await page.screenshot({ path: `${folder}/docs.png` })

  // A body to send is shown with its example, and a $ref with what it refers to.
  const attendance = page.locator('.opblock', { has: page.locator('[data-path="/api/v1/attendance"]') })
  await attendance.locator('.opblock-summary-control').click()
  await attendance.getByText('"pi-lab301"').first().waitFor()
  await attendance.getByText('"unknown_student"').first().waitFor()

  expect(complaints).toEqual([])
  expect(asked.filter((url) => !url.startsWith(school.url) && !url.startsWith('data:'))).toEqual([])
})
