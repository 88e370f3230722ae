import { spawnSync } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { killChromium, launchChromium, type ChromiumOptions } from './chromium.ts'
import { findChromium } from './installed-chromium.ts'

let server: Server
let url: string
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-test-'))
  server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html><title>page</title>'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://localhost:${(server.address() as AddressInfo).port}/`
})
afterAll(async () => {
  server.close()
  await rm(folder, { recursive: true, force: true })
})

async function withPage<T>(o: ChromiumOptions, look: (context: BrowserContext) => Promise<T>): Promise<T> {
  const context = await launchChromium(o)
  try {
    await context.pages()[0]!.goto(url)
    return await look(context)
  } finally {
    await context.close()
  }
}

/** Asks for the camera as the app would; answers with the picture's mean colour or the error's name. */
const askCamera = (context: BrowserContext) =>
  context.pages()[0]!.evaluate(async () => {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: true })
      const video = document.createElement('video')
      video.srcObject = stream
      await video.play()
      const canvas = new OffscreenCanvas(1, 1).getContext('2d')!
      canvas.drawImage(video, 0, 0, 1, 1)
      return Array.from(canvas.getImageData(0, 0, 1, 1).data.slice(0, 3))
    } catch (error) {
      return (error as Error).name
    }
  })

/** A y4m of two frames in one colour (Y, U, V). */
async function plainClip(y: number, u: number, v: number): Promise<string> {
  const [width, height] = [320, 240]
  const planes = [Buffer.alloc(width * height, y), Buffer.alloc((width * height) / 4, u), Buffer.alloc((width * height) / 4, v)]
  const frame = Buffer.concat([Buffer.from('FRAME\n'), ...planes])
  const file = join(folder, `${y}-${u}-${v}.y4m`)
  await writeFile(file, Buffer.concat([Buffer.from(`YUV4MPEG2 W${width} H${height} F30:1 Ip A1:1 C420jpeg\n`), frame, frame]))
  return file
}

describe('a Chromium', () => {
  test('is found in a usual place or brought', async () => {
    expect(await findChromium()).toMatch(/chrom|edge/i)
  })

  test('is refused with one clear line when CHROMIUM_PATH names something else', () => {
    const asked = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', "await (await import('./e2e/installed-chromium.ts')).findChromium()"], {
      cwd: join(import.meta.dirname, '..'),
      encoding: 'utf8',
      // eslint-disable-next-line node/no-process-env -- handed on to the child
      env: { ...process.env, CHROMIUM_PATH: '/bin/true' },
    })
    expect(asked.status).toBe(1)
    expect(asked.stderr).toContain('CHROMIUM_PATH names /bin/true, which is not a Chromium that starts here')
  })

  test('shows the clip it was given as its camera, without asking anybody', async () => {
    const red = (await withPage({ camera: await plainClip(76, 85, 255) }, askCamera)) as number[]
    expect(red[0]).toBeGreaterThan(200)
    expect(red[1]).toBeLessThan(60)
    expect(red[2]).toBeLessThan(60)
  })

  test('has no camera unless it is given one', async () => {
    expect(await withPage({}, askCamera)).toBe('NotFoundError')
  })

  test('refuses the camera where permission is denied', async () => {
    expect(await withPage({ camera: 'denied' }, askCamera)).toBe('NotAllowedError')
  })

  test('keeps what a page stored when it is killed and started again on the same profile', async () => {
    const userDataDir = join(folder, 'profile')
    const context = await launchChromium({ userDataDir })
    await context.pages()[0]!.goto(url)
    await context.pages()[0]!.evaluate(
      () =>
        new Promise<void>((resolve, reject) => {
          const open = indexedDB.open('kept', 1)
          open.onupgradeneeded = () => open.result.createObjectStore('things')
          open.onerror = () => reject(open.error)
          open.onsuccess = () => {
            const writing = open.result.transaction('things', 'readwrite', { durability: 'strict' })
            writing.objectStore('things').put('a mark', 'key')
            writing.oncomplete = () => resolve()
          }
        }),
    )
    await killChromium(context)
    const kept = await withPage({ userDataDir }, (again) =>
      again.pages()[0]!.evaluate(
        () =>
          new Promise((resolve, reject) => {
            const open = indexedDB.open('kept', 1)
            open.onerror = () => reject(open.error)
            open.onsuccess = () => {
              const reading = open.result.transaction('things').objectStore('things').get('key')
              reading.onsuccess = () => resolve(reading.result)
            }
          }),
      ),
    )
    expect(kept).toBe('a mark')
  })
})
