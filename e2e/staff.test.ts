/** What a teacher and the office would notice: the register that fills by itself, one tap that corrects it, and enrolment in the browser. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Student } from '#contract/people'
import { launchChromium } from './chromium.ts'
import { ANNA_ENROLLED, BEA, CLEO, clipOf, portrait } from './faces.ts'
import { type School, clearOfTheBell, startSchool } from './school.ts'

let folder: string
let school: School
let context: BrowserContext
let page: Page

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-staff-'))
  school = await startSchool()
  context = await launchChromium({ camera: await clipOf(join(folder, 'cleo.y4m'), [CLEO], { faceWidth: 150 }), viewport: { width: 1280, height: 800 } })
  page = context.pages()[0] ?? (await context.newPage())
  await page.goto(`${school.url}/office`)
  await page.getByLabel('Name').fill('office')
  await page.getByLabel('Password', { exact: true }).fill(school.officePassword)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await clearOfTheBell()
  await page.getByText('On now').waitFor()
})

afterAll(async () => {
  await context?.close()
  await school?.stop()
  await rm(folder, { recursive: true, force: true })
})

const record = (student_id: string, course_id: string) => ({ student_id, course_id, timestamp: new Date().toISOString(), confidence: 0.9 })

describe('the register', () => {
  test('fills while the teacher looks at it, takes a correction by one tap, and keeps the mark beside it', async () => {
    const lesson = await school.lessonNow()
    await page.goto(`${school.url}/office#/lesson/${lesson.held_on}/${lesson.lesson_id}`)
    const row = page.locator('register-row').filter({ hasText: 'S005' }).or(page.locator('register-row').nth(4)).first()
    await row.waitFor()
    const { body } = await school.api('GET', '/students/S005')
    const student = Student.parse(body)
    const his = page.locator('register-row').filter({ hasText: `${student.first_name} ${student.last_name}` })
    await his.getByText('Expected').waitFor()

    await school.attend([record('S005', lesson.course_id)])
    await his.getByText(/seen \d\d:\d\d/).waitFor({ timeout: 10_000 })

    await his.getByRole('button', { name: 'Excused' }).click()
    await his.getByText(/set to excused by office/).waitFor()
    await his.getByText(/seen \d\d:\d\d/).waitFor()
    const entry = (await school.register(lesson)).entries.find((one) => one.student_id === 'S005')
    expect(entry).toMatchObject({ status: 'excused', mark: { confidence: expect.closeTo(0.9, 3) }, corrections: [{ status: 'excused', corrected_by: 'office' }] })

    // A mark that arrives after the correction changes nothing.
    await school.attend([record('S005', lesson.course_id)])
    expect((await school.register(lesson)).entries.find((one) => one.student_id === 'S005')?.status).toBe('excused')
  })

  test('tells a PIN from a face, asks to look at what may be a picture, and takes the confirmation', async () => {
    const lesson = await school.lessonNow()
    await page.goto(`${school.url}/office#/lesson/${lesson.held_on}/${lesson.lesson_id}`)
    const rowOf = async (id: string) => {
      const { first_name, last_name } = Student.parse((await school.api('GET', `/students/${id}`)).body)
      return page.locator('register-row').filter({ hasText: `${first_name} ${last_name}` })
    }
    const [typed, doubted] = [await rowOf('S009'), await rowOf('S010')]
    const seen = { ...record('S010', lesson.course_id), lesson_id: lesson.lesson_id, held_on: lesson.held_on, method: 'face' }
    await school.attend([{ ...record('S009', lesson.course_id), method: 'pin', confidence: 1 }, seen])
    await typed.getByText('by PIN', { exact: true }).waitFor({ timeout: 10_000 })
    await doubted.getByText(/seen \d\d:\d\d/).waitFor()
    expect(await doubted.getByText(/please check/i).count()).toBe(0)

    // The doubt comes later, in the same mark sent again.
    await school.attend([{ ...seen, doubt: 'looks_like_a_picture' }])
    await doubted.getByText('A picture? Please check').waitFor({ timeout: 10_000 })
    await doubted.getByRole('button', { name: /^(Present|Late)$/, pressed: true }).click()
    await doubted.getByText(/set to (present|late) by office/).waitFor()
    await doubted.getByText('A picture? Please check').waitFor({ state: 'detached' })
    const entry = (await school.register(lesson)).entries.find((one) => one.student_id === 'S010')
    expect(entry).toMatchObject({ mark: { method: 'face', doubt: 'looks_like_a_picture' }, corrections: [{ corrected_by: 'office' }] })
  })

  test('leads from a name to the student\'s history, and from there to the course\'s', async () => {
    const lesson = await school.lessonNow()
    await school.attend([record('S008', lesson.course_id)])
    const student = Student.parse((await school.api('GET', '/students/S008')).body)
    await page.goto(`${school.url}/office#/lesson/${lesson.held_on}/${lesson.lesson_id}`)
    await page.getByRole('link', { name: `${student.first_name} ${student.last_name}` }).click()
    await page.getByRole('heading', { name: `${student.first_name} ${student.last_name}` }).waitFor()
    await page.getByRole('link', { name: lesson.course_id }).first().click()
    await page.getByRole('heading', { name: lesson.course_name }).waitFor()
    await page.getByRole('link', { name: `${student.first_name} ${student.last_name}` }).first().waitFor()
  })

  test('comes back by itself after the server was away, with what happened meanwhile', async () => {
    const lesson = await school.lessonNow()
    await page.goto(`${school.url}/office#/lesson/${lesson.held_on}/${lesson.lesson_id}`)
    await page.locator('register-row').first().waitFor()
    await school.kill9()
    await school.restart()
    await school.attend([record('S006', lesson.course_id)])
    const student = Student.parse((await school.api('GET', '/students/S006')).body)
    await page.locator('register-row').filter({ hasText: `${student.first_name} ${student.last_name}` }).getByText(/seen \d\d:\d\d/).waitFor({ timeout: 60_000 })
  })
})

describe('PINs', () => {
  test('are made for a course, shown once, chosen and taken away', async () => {
    const lesson = await school.lessonNow()
    await page.goto(`${school.url}/office#/`)
    await page.getByRole('link', { name: 'PINs' }).click()
    await page.getByRole('link', { name: lesson.course_name, exact: true }).click()
    const rows = page.locator('pin-list ul.card > li')
    const row = rows.filter({ hasText: 'S012' })
    await row.getByRole('button', { name: /^Choose/ }).click()
    await row.getByLabel(/^PIN of/).fill('12')
    await row.getByRole('button', { name: 'Save' }).click()
    await row.getByText('4 to 6 digits.').waitFor()
    await row.getByLabel(/^PIN of/).fill('482913')
    await row.getByRole('button', { name: 'Save' }).click()
    await row.getByText('482913').waitFor()
    await page.getByRole('button', { name: /^Make PINs for the \d+ without one/ }).click()
    await page.getByRole('button', { name: 'Make PINs for the 0 without one' }).waitFor({ timeout: 60_000 })
    const made = await page.locator('pin-list .told').allInnerTexts()
    expect(made).toHaveLength(await rows.count())
    for (const pin of made) expect(pin).toMatch(/^\d{4,6}$/)
    await page.emulateMedia({ media: 'print' })
    expect(await page.locator('pin-list .slips li b').allInnerTexts()).toEqual(made)
    expect(await rows.first().isVisible()).toBe(false)
    await page.emulateMedia({ media: 'screen' })

    await row.getByRole('button', { name: /^Remove/ }).click()
    await row.getByText('no PIN').waitFor()
    await page.reload()
    await row.getByText('no PIN').waitFor()
    expect(await page.locator('pin-list .told').count()).toBe(0)
    expect(await rows.filter({ hasText: 'has a PIN' }).count()).toBe(made.length - 1)
  })
})

describe('enrolment', () => {
  test('makes templates in the browser from photo files and from the camera; no picture is sent, and none without consent', async () => {
    const sent: number[] = []
    context.on('request', (request) => sent.push(request.postDataBuffer()?.length ?? 0))
    const files = await Promise.all(
      [ANNA_ENROLLED, BEA].map(async (face, i) => {
        const file = join(folder, `photo${i}.jpg`)
        await writeFile(file, await portrait(face))
        return file
      }),
    )
    await writeFile(join(folder, 'no-photo.jpg'), 'this is no photo')

    await page.goto(`${school.url}/enrol#/S007`)
    await page.getByLabel('Given by').waitFor()
    expect(await page.getByRole('button', { name: /Photo files/ }).count()).toBe(0)
    await page.getByLabel('Given by').fill('The guardian')
    await page.getByRole('checkbox', { name: /they agree/ }).check()
    await page.getByRole('button', { name: 'Record consent' }).click()
    await page.getByRole('button', { name: 'Photo files' }).click()
    await page.locator('input[type=file]').setInputFiles([files[0]!, join(folder, 'no-photo.jpg')])
    await page.getByText('no-photo.jpg').waitFor({ timeout: 90_000 })
    await page.getByRole('button', { name: /^Save 1/ }).click()
    await page.getByText(/is ready/).first().waitFor()
    expect(Student.parse((await school.api('GET', '/students/S007')).body).templates).toMatchObject([{ count: 1 }])
    expect(Math.max(...sent)).toBeLessThan(20_000)
  })
})
