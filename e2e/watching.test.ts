/** What tells whether the kiosks are right: teachers are asked about a few marks, the office sees the share, and the privacy officer sees who answered. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MarkChecks } from '#contract/mark-check'
import type { LessonSummary } from '#contract/register'
import { launchChromium } from './chromium.ts'
import { type School, clearOfTheBell, startSchool } from './school.ts'

let school: School
let context: BrowserContext
let page: Page
let lesson: LessonSummary
/** Foreign requests and style or script faults of the pages: the server's policy forbids them. */
const faults: string[] = []

beforeAll(async () => {
  school = await startSchool()
  context = await launchChromium({ viewport: { width: 1280, height: 900 } })
  page = context.pages()[0] ?? (await context.newPage())
  page.on('console', (message) => message.type() === 'error' && /Content Security Policy/.test(message.text()) && faults.push(message.text()))
  page.on('pageerror', (error) => faults.push(String(error)))
  await clearOfTheBell()
  lesson = await school.lessonNow()
  await signIn('office', school.officePassword)
})

afterAll(async () => {
  await context?.close()
  await school?.stop()
})

async function signIn(name: string, password: string): Promise<void> {
  await page.goto(`${school.url}/office`)
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Sign out' }).waitFor()
}

test('A teacher is asked about three marks at most; "No" changes nothing by itself and offers the correction; the share is shown with what is not known', async () => {
  const path = `/lessons/${lesson.held_on}/${lesson.lesson_id}`
  await page.goto(`${school.url}/office#${path.replace('/lessons', '/lesson')}`)
  await page.locator('register-row').first().waitFor()
  expect(await page.getByText('really here?').count()).toBe(0)
  await school.attend(['S001', 'S002', 'S003', 'S004', 'S005', 'S006'].map((student_id) => ({ student_id, course_id: lesson.course_id, timestamp: new Date().toISOString(), confidence: 0.9, method: 'face' })))
  await expect.poll(() => page.getByText('really here?').count(), { timeout: 20_000 }).toBe(3)
  await picture('checks')
  const { checks } = await school.ask(MarkChecks, 'GET', `${path}/checks`)
  const [one = '', two = '', three = ''] = checks.map(({ first_name, last_name }) => `${first_name} ${last_name}`)

  await page.getByRole('button', { name: `Yes, ${one}` }).click()
  await page.getByRole('button', { name: `Don’t know, ${two}` }).click()
  await page.getByRole('button', { name: `No, ${three}` }).click()
  await page.getByText(`${three} is still marked as here.`).waitFor()
  expect((await school.register(lesson)).entries.find(({ student_id }) => student_id === checks[2]?.student_id)).toMatchObject({ corrections: [] })
  await page.getByRole('button', { name: 'Correct to absent' }).click()
  await page.locator('register-row').filter({ hasText: three }).getByText(/set to absent by office/).waitFor()
  // Asked once.
  await page.reload()
  await page.locator('register-row').first().waitFor()
  expect(await page.getByText('really here?').count()).toBe(0)

  await page.goto(`${school.url}/office#/recognition`)
  await page.getByText(/Between 9\.4\s%? ?.*and 90\.6/).waitFor()
  await page.getByText('2 marks were confirmed or denied').waitFor()
  await picture('accuracy')
  const metrics = await (await fetch(`${school.url}/metrics`, { headers: { authorization: `Bearer ${await readFile(join(school.dataDir, 'metrics-key'), 'utf8')}` } })).text()
  expect(metrics).toMatch(/^recognition_accuracy_ratio\{bound="estimate"\} 0\.5$/m)
  expect(metrics).toMatch(/^process_resident_memory_bytes /m)
  expect(metrics).toMatch(/^fastrackai_audit_head_age_seconds /m)
})

test('The privacy officer reads who did what, by kind and by whom it concerns, and nobody else is shown the way there', async () => {
  expect(await page.getByRole('link', { name: 'Audit' }).count()).toBe(0)
  await page.getByRole('button', { name: 'Sign out' }).click()
  const { privacyPassword } = JSON.parse(await readFile(join(school.dataDir, 'secrets.json'), 'utf8')) as { privacyPassword: string }
  await signIn('privacy', privacyPassword)
  await page.getByRole('link', { name: 'Audit' }).click()
  await page.getByRole('cell', { name: 'Correction made' }).waitFor()
  await picture('audit')
  await page.locator('select[name=action]').selectOption('mark_checked')
  await page.getByRole('button', { name: 'Show' }).click()
  await expect.poll(() => page.locator('tbody tr').count()).toBe(3)
  expect(await page.locator('tbody tr').first().innerText()).toMatch(/account:office\s+Mark checked\s+student:S00\d\s+answer no/)
  await page.getByLabel('Whom or what').fill('no one')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByText('Type a student’s id such as S001').waitFor()
  await page.setViewportSize({ width: 390, height: 800 })
  await picture('audit-phone')
  // Nothing hangs over the edge of a phone.
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true)
  expect(faults).toEqual([])
})

/** For a person to look at, where SCREENS names a folder. */
async function picture(name: string): Promise<void> {
  // oxlint-disable-next-line node/no-process-env -- a test's own switch
  const to = process.env['SCREENS']
  if (to) await page.screenshot({ path: join(to, `${name}.png`), fullPage: true })
}
