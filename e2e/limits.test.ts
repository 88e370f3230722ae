/** A kiosk that may ask far too seldom loses nothing: the marks of a whole day without a network all reach the record. */
import type { BrowserContext } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Lessons } from '#contract/register'
import { launchChromium } from './chromium.ts'
import { shownOn, until, untilShown } from './kiosk-page.ts'
import { startSchool } from './school.ts'
import type { School } from './school.ts'

const MARKS = 600
/** A twentieth of what a kiosk is allowed: the backlog's six requests alone are more than that. */
const LIMIT = 5

let school: School
let context: BrowserContext
beforeAll(async () => {
  school = await startSchool({ env: { RATE_LIMIT_PER_MINUTE: String(LIMIT) } })
})
afterAll(async () => {
  await context?.close()
  await school?.stop()
})

test('six hundred marks of a day offline are all stored, though most of the kiosk’s requests are turned away at first', async () => {
  const today = await school.ask(Lessons, 'GET', '/lessons')
  const before = new Date(Date.parse(`${today.date}T12:00:00Z`) - 86_400_000).toISOString().slice(0, 10)
  const held = [...(await school.ask(Lessons, 'GET', `/lessons?date=${before}`)).lessons, ...today.lessons].filter(({ room_id, ends_at }) => room_id === 'LAB-301' && Date.parse(ends_at) <= Date.parse(today.now))
  const lessons = held.length * 24 >= MARKS ? held : [...held, ...today.lessons.filter(({ room_id, starts_at, ends_at }) => room_id === 'LAB-301' && Date.parse(ends_at) > Date.parse(today.now) && Date.parse(starts_at) <= Date.parse(today.now))]
  const marks = lessons
    .flatMap((lesson) => Array.from({ length: 24 }, (_, i) => ({ lesson, student_id: `S${String(i + 1).padStart(3, '0')}` })))
    .slice(0, MARKS)
    .map(({ lesson, student_id }, i) => ({
      student_id, course_id: lesson.course_id, lesson_id: lesson.lesson_id, held_on: lesson.held_on, timestamp: new Date(Date.parse(lesson.starts_at) + 30_000 + i).toISOString(), last_seen: lesson.starts_at,
      confidence: 0.9, mark_id: `0193${String(i).padStart(4, '0')}-0000-7000-8000-${String(i).padStart(12, '0')}`, model: 'mobilefacenet-192-r1', method: 'face', state: 'unsent', sequence: i + 1,
    }))
  // In the first hour after midnight the timetable, which began yesterday, has not had so many lessons.
  expect(marks.length).toBeGreaterThan(550)

  context = await launchChromium()
  const page = context.pages()[0] ?? (await context.newPage())
  await page.goto(`${school.url}/kiosk`)
  await untilShown(page, 'not_paired')
  // What a day offline leaves on the disk.
  await page.evaluate(
    (made) =>
      new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open('fastrackai')
        opening.addEventListener('success', () => {
          const tx = opening.result.transaction(['marks', 'device'], 'readwrite')
          for (const mark of made) tx.objectStore('marks').put(mark)
          const count = tx.objectStore('device').get('count')
          count.addEventListener('success', () => tx.objectStore('device').put({ ...(count.result as object), made: made.length }, 'count'))
          tx.addEventListener('error', () => reject(tx.error ?? new Error('not written')))
          tx.addEventListener('complete', () => {
            opening.result.close()
            resolve()
          })
        })
      }),
    marks,
  )
  const answers: number[] = []
  const waits: string[] = []
  page.on('response', (response) => {
    if (!response.url().includes('/api/')) return
    answers.push(response.status())
    if (response.status() === 429) waits.push(`${response.headers()['retry-after'] ?? 'none'} ${response.headers()['ratelimit'] ?? 'none'}`)
  })
  // Only what stands behind the # changes: the page starts anew by itself.
  await page.goto(school.kioskLink)
  const unsent = (): Promise<number> =>
    page.evaluate(
      () =>
        new Promise<number>((resolve, reject) => {
          const opening = indexedDB.open('fastrackai')
          opening.addEventListener('error', () => reject(opening.error ?? new Error('not opened')))
          opening.addEventListener('success', () => {
            const counted = opening.result.transaction('marks').objectStore('marks').index('state').count(IDBKeyRange.bound(['unsent'], ['unsent', []]))
            counted.addEventListener('success', () => {
              opening.result.close()
              resolve(counted.result)
            })
          })
        }),
    ).catch(() => MARKS)
  await until('none is unsent', async () => (await unsent()) === 0, 300_000)
  expect(answers.filter((status) => status === 429).length).toBeGreaterThan(0)
  for (const wait of waits) expect(wait).toMatch(/^\d{1,2} "device";r=0;t=\d{1,2}$/)
  // Turned away it waits as it was told to, and does not knock: a handful of refusals for each minute.
  expect(waits.length).toBeLessThan(25)
  expect(await shownOn(page)).not.toBe('out_of_date')

  // eslint-disable-next-line no-restricted-imports -- how many there are, PostgreSQL alone can say
  const { default: postgres } = await import('postgres')
  const sql = postgres(school.databaseUrl, { max: 1 })
  try {
    const [stored] = await sql<{ count: string }[]>`SELECT count(*) FROM attendance_logs`
    const [aside] = await sql<{ count: string }[]>`SELECT count(*) FROM set_aside`
    expect([Number(stored?.count), Number(aside?.count)]).toEqual([marks.length, 0])
  } finally {
    await sql.end()
  }
}, 400_000)
