/** What each kind of person would notice: the office makes an account, a student sees their own, a teacher their courses, a second factor is asked for. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Secret, TOTP } from 'otpauth'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { launchChromium } from './chromium.ts'
import { type School, clearOfTheBell, startSchool } from './school.ts'

let school: School
let context: BrowserContext
let page: Page
let passwords: { teacherPassword: string; privacyPassword: string }

beforeAll(async () => {
  school = await startSchool()
  passwords = z.object({ teacherPassword: z.string(), privacyPassword: z.string() }).parse(JSON.parse(await readFile(join(school.dataDir, 'secrets.json'), 'utf8')))
  context = await launchChromium({ viewport: { width: 1280, height: 800 } })
  page = context.pages()[0] ?? (await context.newPage())
  await clearOfTheBell()
})

afterAll(async () => {
  await context?.close()
  await school?.stop()
})

// What it looked like says more than which button was not there.
beforeEach(({ onTestFailed }) => onTestFailed(async () => console.log(page.url(), await page.locator('body').ariaSnapshot())))

async function type(name: string, password: string): Promise<void> {
  await page.goto(`${school.url}/office`)
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

async function signOut(): Promise<void> {
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await page.getByLabel('Name').waitFor()
}

const pages = (): Promise<string[]> => page.getByRole('navigation', { name: 'Pages' }).getByRole('link').allInnerTexts()

describe('people', () => {
  test('a student gets an account from the office and sees their own attendance, and nobody else’s', async () => {
    const lesson = await school.lessonNow()
    await school.attend([{ student_id: 'S001', course_id: lesson.course_id, timestamp: new Date().toISOString(), confidence: 0.9 }])
    await type('office', school.officePassword)
    await page.getByRole('link', { name: 'Accounts' }).click()
    await page.getByRole('button', { name: 'New account…' }).click()
    await page.getByLabel('Name to sign in with').fill('amina')
    await page.getByLabel('Role').selectOption('student')
    await page.getByRole('combobox', { name: 'Student' }).selectOption('S001')
    await page.getByRole('button', { name: 'Make the account' }).click()
    const password = await page.locator('.told b').innerText()
    await signOut()

    await type('amina', password)
    await page.getByRole('heading', { name: 'My attendance' }).waitFor()
    await page.getByText('Amina Yusuf · S001').waitFor()
    await page.getByText(/seen \d\d:\d\d/).waitFor()
    await page.getByText('No consent is on record').waitFor()
    expect(await pages()).toEqual(['My attendance'])
    // Whatever address they were sent.
    await page.goto(`${school.url}/office#/lesson/${lesson.held_on}/${lesson.lesson_id}`)
    await page.getByRole('heading', { name: 'My attendance' }).waitFor()
    await signOut()
  })

  test('a teacher sees the lessons of their own courses; the privacy officer sees none', async () => {
    await type('teacher', passwords.teacherPassword)
    // At once, and not only when the list is looked at again.
    await page.getByText('On now').waitFor({ timeout: 10_000 })
    expect(await pages()).toEqual(['Lessons', 'Reports', 'Rooms'])
    expect(await page.getByText('Choir and Ensemble').count()).toBe(0)
    await signOut()
    await type('privacy', passwords.privacyPassword)
    await page.getByRole('link', { name: 'Audit' }).waitFor()
    expect(await pages()).not.toContain('Lessons')
    await signOut()
  })

  test('a second factor is set up by QR code, asked for at the next sign-in, and stood in for by a recovery code', async () => {
    await type('teacher', passwords.teacherPassword)
    await page.getByRole('link', { name: 'My account: teacher' }).click()
    const factor = page.getByRole('region', { name: 'Second factor' })
    await factor.getByLabel('Present password').fill(passwords.teacherPassword)
    await factor.getByRole('button', { name: 'Set up…' }).click()
    // The picture was drawn: no content security policy kept it away.
    await expect.poll(() => factor.getByAltText('QR code for the authenticator app').evaluate((image) => (image as HTMLImageElement).naturalWidth)).toBeGreaterThan(0)
    const secret = (await factor.locator('code').innerText()).replaceAll(' ', '')
    await factor.getByLabel('The code that the app shows').fill(new TOTP({ secret: Secret.fromBase32(secret) }).generate())
    await factor.getByRole('button', { name: 'Turn on' }).click()
    await factor.getByText('shown only now').waitFor()
    const codes = await factor.locator('.codes li').allInnerTexts()
    expect(codes).toHaveLength(10)
    await signOut()

    await type('teacher', passwords.teacherPassword)
    const field = page.getByLabel('Code of your second factor')
    await field.fill('000000')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('This code is not right').waitFor()
    await field.fill(codes[0] ?? '')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('On now').waitFor()
    await signOut()
  })
})
