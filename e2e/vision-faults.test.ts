/**
 * What becomes of a kiosk whose vision worker dies in a lesson, in each way that a worker can: it is started again by
 * itself, the page is not loaded again, and nothing of the dead one stays behind.
 */
import type { BrowserContext, Page, Worker } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type AnnasSchool, openAnnasSchool } from './annas-school.ts'
import { browserPid, launchChromium } from './chromium.ts'
import { presentOn, shownOn, until, untilFrames, untilShown } from './kiosk-page.ts'
import { memoryBelow } from './processes.ts'
import type { School } from './school.ts'

let annas: AnnasSchool | undefined
let school: School
let clip: string
let browser: BrowserContext | undefined

beforeAll(async () => {
  annas = await openAnnasSchool()
  ;({ school, clip } = annas)
})

afterEach(async () => {
  await browser?.close()
  browser = undefined
})

afterAll(() => annas?.close())

async function inLesson(): Promise<Page> {
  browser = await launchChromium({ camera: clip })
  const page = browser.pages()[0] ?? (await browser.newPage())
  await page.goto(school.kioskLink)
  await untilShown(page, 'lesson')
  await until('she is marked', async () => (await presentOn(page)).includes('S001'))
  return page
}

/** The worker that answers the page; it may have others under it. */
function visionWorker(page: Page): Promise<Worker> {
  return until('there is a vision worker', async () => {
    for (const worker of page.workers()) if ((await worker.evaluate(() => self.name).catch(() => '')) === 'vision') return worker
    return undefined
  })
}

/** The fault is noticed, and seen on the screen, with the way by PIN beside it; then vision is back, on the same page. */
async function expectRecovered(page: Page, fault: () => Promise<unknown>, noticedWithinMs: number): Promise<void> {
  const loadedAt = await page.evaluate(() => performance.timeOrigin)
  await fault()
  await untilShown(page, 'loading', noticedWithinMs)
  await pinWay(page)
  await untilShown(page, 'lesson')
  await untilFrames(page, 5)
  expect(await presentOn(page)).toEqual(['S001'])
  expect(await page.evaluate(() => performance.timeOrigin)).toBe(loadedAt)
}

const pinWay = (page: Page): Promise<void> => page.getByRole('button', { name: /PIN/ }).first().waitFor({ timeout: 10_000 })

/** A worker that does not answer is given up after 20 s; what is noticed sooner was noticed, not waited for. */
const AT_ONCE_MS = 12_000
const IN_VAIN_MS = 60_000

describe('a vision worker', () => {
  test('that throws is started again', { timeout: 200_000 }, async () => {
    const page = await inLesson()
    const worker = await visionWorker(page)
    await expectRecovered(page, () => worker.evaluate(() => void setTimeout(() => { throw new Error('a bug') })), AT_ONCE_MS)
  })

  test('that ends without a word is missed at once, and started again', { timeout: 200_000 }, async () => {
    const page = await inLesson()
    const worker = await visionWorker(page)
    await expectRecovered(page, () => worker.evaluate(() => self.close()).catch(() => undefined), AT_ONCE_MS)
  })

  test('whose WebAssembly aborts is not trusted again, and another is started', { timeout: 200_000 }, async () => {
    const page = await inLesson()
    const worker = await visionWorker(page)
    await expectRecovered(page, () => spoilMemory(worker), AT_ONCE_MS)
  })

  test('that hangs is given up, and another is started', { timeout: 200_000 }, async () => {
    const page = await inLesson()
    const worker = await visionWorker(page)
    await expectRecovered(page, async () => void worker.evaluate(() => {
      for (;;);
    }).catch(() => undefined), IN_VAIN_MS)
  })

  test('that dies again and again is waited for longer each time, and leaves no memory behind', { timeout: 300_000 }, async (context) => {
    if (process.platform !== 'linux') context.skip('reads /proc, which only Linux has')
    const page = await inLesson()
    const pid = await browserPid(browser!)
    const renderer = async (): Promise<number> => Math.max(...(await memoryBelow(pid)).filter(({ kind }) => kind === 'renderer').map(({ own }) => own))
    await untilFrames(page, 30)
    const [workers, memory] = [page.workers().length, await renderer()]
    const shown: (string | undefined)[] = []
    for (let deaths = 0; deaths < 3; deaths++) {
      const worker = await visionWorker(page)
      await worker.evaluate(() => self.close()).catch(() => undefined)
      shown.push(await until('its death is noticed', async () => {
        const screen = await shownOn(page)
        return screen !== 'lesson' && screen
      }))
      await pinWay(page)
      await untilShown(page, 'lesson')
      await untilFrames(page, 3)
    }
    // The first is not waited for; after the others the screen says when the next try is.
    expect(shown).toEqual(['loading', 'model_failed', 'model_failed'])
    await until('the dead are gone', async () => page.workers().length === workers)
    // Three dead ones would be three times what a living one holds.
    await until('their memory is free', async () => (await renderer()) < memory * 1.3)
  })
})

/**
 * A stray write: the next time that something is written into a WebAssembly memory of the worker, all of that memory is
 * overwritten. Whatever runs next in it traps.
 */
async function spoilMemory(worker: Worker): Promise<void> {
  await worker.evaluate(() => {
    const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as { set(this: Uint8Array, ...args: unknown[]): void }
    const { set } = typedArray
    const page = 65_536
    typedArray.set = function (this: Uint8Array, ...args: unknown[]): void {
      set.apply(this, args)
      const { buffer } = this
      // Only a WebAssembly's view of its own memory is as long as many pages of it, to the byte.
      const whole = this.byteOffset === 0 && this.byteLength === buffer.byteLength
      if (whole && buffer.byteLength % page === 0 && buffer.byteLength >= 64 * page) new Uint8Array(buffer).fill(0xff)
    }
  })
}
