/** What the office and a teacher would notice: how much each course and student was there, and the same as a file. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Lessons } from '#contract/register'
import { CourseReport } from '#contract/report'
import { launchChromium } from './chromium.ts'
import { type School, startSchool } from './school.ts'

let folder: string
let school: School
let context: BrowserContext
let page: Page
/** Style or script faults of the pages: the server's policy forbids them. */
const faults: string[] = []
/** Yesterday's: over, and corrected so that their registers were taken. */
let course: { course_id: string; course_name: string }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-reports-'))
  school = await startSchool()
  const today = await school.ask(Lessons, 'GET', '/lessons')
  const yesterday = new Date(Date.parse(today.date) - 86_400_000).toISOString().slice(0, 10)
  const { lessons } = await school.ask(Lessons, 'GET', `/lessons?date=${yesterday}`)
  const held = lessons.filter(({ room_id, ends_at }) => room_id === school.device.room_id && Date.parse(ends_at) < Date.parse(today.now)).slice(0, 8)
  course = held[0]!
  for (const [n, { held_on, lesson_id }] of held.entries()) {
    for (let s = 1; s <= 24; s += 1) {
      if ((s * 7 + n * 5) % 9 === 0) continue
      const status = (s + n) % 11 === 0 ? 'excused' : (s + n) % 7 === 0 ? 'late' : 'present'
      await school.api('POST', `/lessons/${held_on}/${lesson_id}/corrections`, { student_id: `S${String(s).padStart(3, '0')}`, status })
    }
  }
  context = await launchChromium({ viewport: { width: 1280, height: 900 } })
  page = context.pages()[0] ?? (await context.newPage())
  page.on('console', (message) => message.type() === 'error' && /Content Security Policy/.test(message.text()) && faults.push(message.text()))
  page.on('pageerror', (error) => faults.push(String(error)))
  await page.goto(`${school.url}/office`)
  await page.getByLabel('Name').fill('office')
  await page.getByLabel('Password', { exact: true }).fill(school.officePassword)
  await page.getByRole('button', { name: 'Sign in' }).click()
})

afterAll(async () => {
  await context?.close()
  await school?.stop()
  await rm(folder, { recursive: true, force: true })
})

test('A course\'s report shows each student\'s percentage, the lowest first, and gives the same as a file', async () => {
  await page.goto(`${school.url}/office#/reports/${course.course_id}`)
  await page.getByRole('heading', { name: course.course_name }).waitFor()
  const report = await school.ask(CourseReport, 'GET', `/reports/course/${course.course_id}`)
  expect(report.students.length).toBe(24)
  expect(report.total.percentage).toBeGreaterThan(0)
  expect(report.total.percentage).toBeLessThan(100)
  const shown = await page.getByRole('listitem').filter({ has: page.getByRole('link') }).allInnerTexts()
  const worst = report.students[0]!
  expect(shown.filter((text) => text.includes(report.students[23]!.student_id))).toHaveLength(1)
  expect(shown.find((text) => /S\d\d\d/.test(text))).toContain(worst.student_id)
  expect(shown.find((text) => text.includes(worst.student_id))).toContain(worst.percentage!.toFixed(1))

  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download as CSV' }).click()])
  expect(download.suggestedFilename()).toBe(`attendance-${course.course_id}-${report.from}-to-${report.to}.csv`)
  await download.saveAs(join(folder, 'report.csv'))
  const lines = (await readFile(join(folder, 'report.csv'), 'utf8')).trimEnd().split('\r\n')
  expect(lines).toHaveLength(25)
  expect(lines[0]).toBe('\uFEFFstudent_id,last_name,first_name,present,late,absent,excused,not_taken,percentage')
  expect(lines[1]).toBe([worst.student_id, worst.last_name, worst.first_name, worst.present, worst.late, worst.absent, worst.excused, worst.not_taken, worst.percentage].join(','))

  await page.getByLabel('From').fill('2020-01')
  await page.getByLabel('to', { exact: true }).fill('2020-03')
  await page.getByText('No lesson ended in these months').waitFor()
  await pictures('report-course-empty')
})

test('The school\'s report lists the courses, and leads to each of them', async () => {
  await page.goto(`${school.url}/office#/`)
  await page.getByRole('link', { name: 'Reports' }).click()
  await page.getByRole('heading', { name: 'Reports' }).waitFor()
  // Counted anew when somebody looks.
  await expect.poll(async () => {
    await page.reload()
    await page.getByRole('heading', { name: 'Reports' }).waitFor()
    return page.getByRole('listitem').filter({ has: page.getByRole('link', { name: course.course_name }) }).filter({ hasText: '%' }).count()
  }, { timeout: 100_000, interval: 2_000 }).toBe(1)
  await pictures('report-school')
  await page.getByRole('link', { name: course.course_name }).click()
  await page.getByRole('heading', { name: course.course_name }).waitFor()
  await page.getByRole('link', { name: /Tanaka/ }).waitFor()
  await pictures('report-course')
  expect(faults).toEqual([])
})

async function pictures(name: string): Promise<void> {
  for (const [kind, width] of [['desktop', 1280], ['phone', 390]] as const) {
    await page.setViewportSize({ width, height: 900 })
    // Nothing hangs over the edge of a phone.
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true)
    // For a person to look at, where SCREENS names a folder.
    const to = process.env['SCREENS']
    for (const colorScheme of to ? (['light', 'dark'] as const) : []) {
      await page.emulateMedia({ colorScheme })
      await page.screenshot({ path: join(to!, `${name}-${kind}-${colorScheme}.png`), fullPage: true })
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 })
}
