/**
 * A kiosk's store and sync, the real ones, in a real Chromium that is killed and started again on the same profile. What it showed
 * as marked (the store's promise, on the disk) is written down out here: that list is what the record is held against.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BrowserContext, Page } from 'playwright-core'
import type { Store } from '../../kiosk/store/store.ts'
import type { createSchoolClock } from '../../kiosk/sync/clock.ts'
import type { Pace } from '../../kiosk/sync/pace.ts'
import type { Sync, SyncOptions } from '../../kiosk/sync/sync.ts'
import { killChromium, launchChromium } from '../chromium.ts'
import { buildParts, pageOf, servePage } from '../part-page.ts'
import type { PartPage } from '../part-page.ts'
import type { Actor } from '../program.ts'

export type MarkToSave = Parameters<Store['saveMark']>[0]

export interface ChaosKiosk extends Actor {
  /** True once the mark is on the disk and may be shown; false where it could not be; throws where the browser died over it. */
  save(mark: MarkToSave): Promise<boolean>
  counts(): Promise<{ unsent: number; refused: number }>
}

interface Parts {
  openStore(o?: { name?: string }): Promise<Store>
  startSync(o: SyncOptions): Sync
  PACE: Pace
  createSchoolClock: typeof createSchoolClock
  store: Store
  sync: Sync
}

/** As the product's, but for a school day that passes in minutes. */
const QUICK: Partial<Pace> = { pushAfterMs: 1_000, batch: 50, pullEveryMs: 20_000, beatEveryMs: 3_000, spreadMs: 500, onlineSpreadMs: 200, firstRetryMs: 200, longestRetryMs: 2_000, longestHoldMs: 5_000, revokedRetryMs: 5_000 }

/** @param o.ports of the links to the servers; a request goes to one of them, as a proxy in front would send it. */
export async function openChaosKiosk(o: { name: string; device: { deviceId: string; roomId: string; key: string }; ports: number[]; random: () => number }): Promise<ChaosKiosk> {
  const profile = await mkdtemp(join(tmpdir(), 'fastrackai-chaos-'))
  const files = await buildParts({ store: 'kiosk/store/store.ts', sync: 'kiosk/sync/sync.ts', pace: 'kiosk/sync/pace.ts', clock: 'kiosk/sync/clock.ts' })
  files.set('/', pageOf(['store', 'sync', 'pace', 'clock']))
  const front: PartPage = await servePage(files)
  front.answer = (asked, body, response) => {
    const headers = { ...asked.headers, host: 'localhost', 'content-length': String(Buffer.byteLength(body)) }
    const passed = request({ host: '127.0.0.1', port: o.ports[Math.floor(o.random() * o.ports.length)], path: asked.url, method: asked.method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.on('error', () => response.destroy()).on('aborted', () => response.destroy()).pipe(response)
    })
    // Nobody there: a proxy would say so, a pulled cable would not. Now this, now that.
    passed.on('error', () => (o.random() < 0.5 || response.headersSent ? response.destroy() : void response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>')))
    passed.end(body)
  }
  let browser: BrowserContext | undefined
  let page: Page | undefined

  return {
    name: o.name,
    get runs() {
      return page !== undefined
    },
    printed: () => '',
    async kill9() {
      const dying = browser
      browser = page = undefined
      if (dying) await killChromium(dying)
    },
    async start() {
      if (page) return
      const started = await launchChromium({ userDataDir: profile })
      browser = started
      const opened = started.pages()[0] ?? (await started.newPage())
      await opened.goto(front.origin)
      await opened.waitForFunction(() => 'kiosk' in window)
      // What the TypeScript runner wraps named functions in, and a page lacks.
      await opened.evaluate('globalThis.__name = (named) => named')
      await opened.evaluate(async ({ device, quick }) => {
        const kiosk = window.kiosk as unknown as Parts
        kiosk.store = await kiosk.openStore()
        await kiosk.store.savePairing(device)
        kiosk.sync = kiosk.startSync({
          store: kiosk.store,
          pairing: device,
          appVersion: 'chaos',
          clock: kiosk.createSchoolClock({ wall: () => Date.now(), monotonic: () => performance.now(), savedOffsetMs: await kiosk.store.savedClockOffset(), life: crypto.randomUUID() }),
          status: () => ({}),
          onRoster: () => {},
          onContact: () => {},
          onRevoked: () => {},
          onOutOfDate: () => {},
          onMarksSettled: () => {},
          pace: { ...kiosk.PACE, ...quick },
        } as SyncOptions)
      }, { device: o.device, quick: QUICK })
      page = opened
    },
    async save(mark) {
      if (!page) return false
      return page.evaluate(async (saved) => {
        const kiosk = window.kiosk as unknown as Parts
        const kept = await kiosk.store.saveMark(saved)
        kiosk.sync.markAdded()
        return kept
      }, mark)
    },
    async counts() {
      if (!page) throw new Error(`${o.name} does not run`)
      return page.evaluate(() => (window.kiosk as unknown as Parts).store.countMarks())
    },
    async stop() {
      const closing = browser
      browser = page = undefined
      await closing?.close()
      await front.goAway()
      for (let tries = 0; tries < 10; tries++) {
        await rm(profile, { recursive: true, force: true, maxRetries: 5 }).catch(() => {})
        await sleep(100)
      }
    },
  }
}
