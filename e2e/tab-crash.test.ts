/**
 * What becomes of a kiosk whose page crashes or hangs: the Pi's own scripts notice and start the browser again, and the
 * lesson goes on with everybody who was marked. start-kiosk runs as on the Pi, but without a screen; this test stands
 * for systemd, which starts it again whenever it ends (Restart=always).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { delimiter, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Browser, type Page, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type AnnasSchool, openAnnasSchool } from './annas-school.ts'
import { HOUSE_FLAGS } from './chromium.ts'
import { findChromium } from './installed-chromium.ts'
import { diagnosticsOf, presentOn, until, untilFrames, untilShown } from './kiosk-page.ts'
import type { School } from './school.ts'

const START_KIOSK = resolve(import.meta.dirname, '../infra/pi/start-kiosk')
/* eslint-disable-next-line node/no-process-env -- handed on to the script */
const surroundings: NodeJS.ProcessEnv = process.env

let annas: AnnasSchool | undefined
let folder: string
let school: School
let clip: string

beforeAll(async () => {
  annas = await openAnnasSchool()
  ;({ school, clip, folder } = annas)
})

afterAll(() => annas?.close())

interface Pi {
  /** The page of the browser that runs now; waits until there is one. */
  page(): Promise<Page>
  /** How often start-kiosk was started. */
  starts(): number
  said(): string
  strokes(): Promise<number>
  powerOff(): Promise<void>
}

async function powerOn(name: string): Promise<Pi> {
  const home = join(folder, name)
  const bin = join(home, 'bin')
  await mkdir(bin, { recursive: true })
  const strokes = join(home, 'strokes')
  await writeFile(join(bin, 'systemd-notify'), `#!/bin/sh\necho "$*" >>'${strokes}'\n`, { mode: 0o755 })
  const port = await freePort()
  const flags = [
    ...HOUSE_FLAGS, '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${clip}`,
    // A way in for this test alone: the Pi's own start has none.
    `--remote-debugging-port=${port}`,
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  ]
  const env = {
    ...surroundings, PATH: `${bin}${delimiter}${surroundings['PATH']}`, KIOSK_LINK: school.kioskLink, KIOSK_PROFILE: join(home, 'profile'),
    CHROMIUM: await findChromium(), CHROMIUM_FLAGS: flags.join(' '),
  }
  let [on, starts, said] = [true, 0, '']
  let running: ChildProcess | undefined
  let attached: Browser | undefined
  const systemd = (async () => {
    while (on) {
      starts += 1
      const started = spawn('sh', [START_KIOSK], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
      running = started
      for (const stream of [started.stdout, started.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text))
      await new Promise((ended) => started.once('exit', ended))
      if (on) await sleep(1_000)
    }
  })()
  return {
    async page() {
      await attached?.close().catch(() => undefined)
      attached = await until('the browser answers', () => chromium.connectOverCDP(`http://127.0.0.1:${port}`).catch(() => undefined))
      return until('it has a page', async () => attached!.contexts()[0]?.pages().find((one) => one.url().includes('/kiosk')))
    },
    starts: () => starts,
    said: () => said,
    strokes: async () => (await readFile(strokes, 'utf8').catch(() => '')).split('\n').filter((line) => line === 'WATCHDOG=1').length,
    async powerOff() {
      on = false
      await attached?.close().catch(() => undefined)
      running?.kill('SIGTERM')
      await systemd
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  await new Promise((closed) => server.close(closed))
  return port
}

async function marksOf(studentId: string): Promise<number> {
  const history = await school.ask(z.object({ records: z.array(z.object({ timestamp: z.string().nullable() })) }), 'GET', `/attendance/student/${studentId}`)
  return history.records.filter(({ timestamp }) => timestamp !== null).length
}

/** In the lesson, with her on the list. */
async function expectInLesson(page: Page): Promise<void> {
  await untilShown(page, 'lesson')
  await until('she is on the list', async () => (await presentOn(page)).includes('S001'))
  await untilFrames(page, 5)
}

describe.skipIf(process.platform !== 'linux')("the Pi's scripts", () => {
  test('start a crashed page again, and the lesson goes on with its marks, each once', { timeout: 400_000 }, async () => {
    const pi = await powerOn('crash')
    try {
      const page = await pi.page()
      await expectInLesson(page)
      await until('the watchdog is stroked', async () => (await pi.strokes()) >= 2)

      // "Aw, Snap!": the browser lives on, its page does not, and nobody is there to press a key.
      const crash = await page.context().newCDPSession(page)
      void crash.send('Page.crash').catch(() => undefined)
      await until('start-kiosk was started again', async () => pi.starts() === 2, 120_000)
      expect(pi.said()).toContain('no sign of life')

      const again = await pi.page()
      await expectInLesson(again)
      // She was marked before the crash: she is on the list, is seen again, and is not marked again.
      expect((await diagnosticsOf(again))?.marked).toEqual([])
      await again.evaluate(() => window.dispatchEvent(new Event('online')))
      await until('her mark is in the record', async () => (await marksOf('S001')) > 0)
      await untilFrames(again, 30)
      expect(await marksOf('S001')).toBe(1)
      const strokes = await pi.strokes()
      await until('the watchdog is stroked again', async () => (await pi.strokes()) > strokes)
      expect(pi.starts()).toBe(2)
      // What only the watcher needs does not fill the journal.
      expect(pi.said()).not.toContain('kiosk lives')
    } finally {
      await pi.powerOff()
    }
  })

  test('start a page again that hangs', { timeout: 400_000 }, async () => {
    const pi = await powerOn('hang')
    try {
      const page = await pi.page()
      await untilShown(page, 'lesson')
      void page.evaluate(() => {
        for (;;);
      }).catch(() => undefined)
      await until('start-kiosk was started again', async () => pi.starts() === 2, 120_000)
      await untilShown(await pi.page(), 'lesson')
    } finally {
      await pi.powerOff()
    }
  })
})
