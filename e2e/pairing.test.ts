/** A kiosk is paired by a code, at the real screens of the office and of the kiosk, and forgets everything when it is revoked. */
import jsQR from 'jsqr'
import type { BrowserContext, Page } from 'playwright-core'
import sharp from 'sharp'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Kiosks } from '#contract/kiosks'
import { PairingCode } from '#contract/pairing'
import { launchChromium } from './chromium.ts'
import { shownOn, until, untilShown } from './kiosk-page.ts'
import { startSchool } from './school.ts'
import type { School } from './school.ts'

let school: School
const open: BrowserContext[] = []

beforeAll(async () => {
  // The limits that a school has; what is here must keep within them.
  school = await startSchool({ env: { RATE_LIMIT_PER_MINUTE: '100' } })
})
afterEach(async () => {
  for (const context of open.splice(0)) await context.close().catch(() => undefined)
})
afterAll(() => school?.stop())

async function browser(viewport?: { width: number; height: number }): Promise<Page> {
  const context = await launchChromium({ viewport })
  open.push(context)
  return context.pages()[0] ?? (await context.newPage())
}

async function kioskAt(path: string): Promise<Page> {
  const page = await browser()
  await page.goto(`${school.url}${path}`)
  return page
}

async function office(hash: string): Promise<Page> {
  const page = await browser({ width: 1280, height: 800 })
  await page.goto(`${school.url}/office${hash}`)
  await page.getByLabel('Name', { exact: false }).first().fill('office')
  await page.getByLabel('Password', { exact: false }).first().fill(school.officePassword)
  await page.getByRole('button', { name: 'Sign in' }).first().click()
  return page
}

const codeFor = (room: string, body: object = {}): Promise<PairingCode> => school.ask(PairingCode, 'POST', `/rooms/${room}/pairing-codes`, body)
const kiosks = async (): Promise<Kiosks['kiosks']> => (await school.ask(Kiosks, 'GET', '/kiosks')).kiosks
const kioskIn = async (room: string) => (await kiosks()).find((kiosk) => kiosk.room_id === room && kiosk.revoked_at === null && kiosk.last_seen_at !== null)

interface Kept {
  rosters: number
  pairing: { deviceId: string; roomId: string; key: string } | undefined
}

const NOTHING: Kept = { rosters: 0, pairing: undefined }

/** What the kiosk keeps of its roster and its pairing; nothing while its page starts anew. */
const kept = (page: Page): Promise<Kept> =>
  page.evaluate(
    (nothing) =>
      new Promise<Kept>((resolve) => {
        const opening = indexedDB.open('fastrackai')
        // Where there is none yet it is the app that makes it.
        opening.addEventListener('upgradeneeded', () => opening.transaction?.abort())
        opening.addEventListener('error', () => resolve(nothing))
        opening.addEventListener('success', () => {
          const tx = opening.result.transaction(['roster', 'device'])
          const count = tx.objectStore('roster').count()
          const pairing = tx.objectStore('device').get('pairing')
          tx.addEventListener('complete', () => {
            opening.result.close()
            resolve({ rosters: count.result, pairing: pairing.result as Kept['pairing'] })
          })
        })
      }),
    NOTHING,
  ).catch(() => NOTHING)

describe('a device that is no kiosk yet', () => {
  test('becomes the room’s by a code that is typed, wrong ones told apart, and keeps a key that nobody else has', async () => {
    const page = await kioskAt('/kiosk')
    await untilShown(page, 'not_paired')
    await page.keyboard.type('aaaa-aaaa')
    await page.getByText('AAAA-AAAA does not work').waitFor()
    const { code } = await codeFor('HALL-1')
    await page.keyboard.type(code.toLowerCase())
    const kiosk = await until('the office sees the kiosk', () => kioskIn('HALL-1'))
    const { pairing } = await kept(page)
    expect(pairing).toMatchObject({ deviceId: kiosk.device_id, roomId: 'HALL-1', key: expect.stringMatching(/^[\w-]{43}$/) })
    await until('the screen goes on', async () => !['not_paired', 'loading'].includes((await shownOn(page)) ?? 'loading'))
  })

  test('becomes it by touch, and by the link of the QR code that the office’s page shows', async () => {
    const staff = await office('#rooms')
    await staff.getByRole('button', { name: 'Pair a kiosk… for Music room 204' }).click()
    const picture = staff.getByAltText('QR code of the pairing link')
    await picture.waitFor()
    const { data, info } = await sharp(await picture.screenshot()).resize(600).ensureAlpha().raw().toBuffer({ resolveWithObject: true })
    const link = jsQR(new Uint8ClampedArray(data), info.width, info.height)?.data ?? ''
    expect(new URL(link).origin).toBe(school.url)
    const scanned = await browser()
    await scanned.goto(link)
    const first = await until('the kiosk of the link is seen', () => kioskIn('ROOM-204'))
    expect(scanned.url()).toBe(`${school.url}/kiosk`)

    const touched = await kioskAt('/kiosk')
    await untilShown(touched, 'not_paired')
    const { code } = await codeFor('ROOM-204')
    for (const one of code.replace('-', '')) await touched.getByRole('button', { name: one, exact: true }).tap().catch(() => touched.getByRole('button', { name: one, exact: true }).click())
    await until('two kiosks are seen', async () => (await kiosks()).filter((kiosk) => kiosk.room_id === 'ROOM-204' && kiosk.last_seen_at !== null).length === 2)
    expect((await kept(touched)).pairing?.deviceId).not.toBe(first.device_id)
  })

  test('fits its screen with all the characters of a code on it', async () => {
    const page = await kioskAt('/kiosk')
    await untilShown(page, 'not_paired')
    const box = await page.evaluate(() => {
      const find = (root: Document | ShadowRoot, name: string): Element | undefined => {
        for (const each of root.querySelectorAll('*')) {
          if (each.localName === name) return each
          const inside: Element | undefined = each.shadowRoot ? find(each.shadowRoot, name) : undefined
          if (inside) return inside
        }
        return undefined
      }
      const pad = find(document, 'pairing-pad')?.shadowRoot
      const notice = find(document, 'notice-screen')
      const heading = notice?.shadowRoot?.querySelector('h2')?.getBoundingClientRect().top ?? 0
      const told = pad?.querySelector('.told')?.getBoundingClientRect().bottom ?? 1_000
      const boxes = [...(pad?.querySelectorAll('button') ?? [])].map((button) => button.getBoundingClientRect())
      return { above: heading - (notice?.getBoundingClientRect().top ?? 1_000), told, keys: boxes.length, right: Math.max(...boxes.map(({ right }) => right)), bottom: Math.max(...boxes.map(({ bottom }) => bottom)), least: Math.min(...boxes.flatMap(({ width, height }) => [width, height])) }
    })
    expect(box.keys).toBe(33)
    expect(box.right).toBeLessThanOrEqual(800)
    expect(box.bottom).toBeLessThanOrEqual(480)
    expect(box.told).toBeLessThanOrEqual(480)
    expect(box.above).toBeGreaterThanOrEqual(0)
    expect(box.least).toBeGreaterThanOrEqual(32)
  })
})

describe('a kiosk', () => {
  test('that the office revokes has forgotten its roster within a minute, says so, and is paired anew by another code', async () => {
    const page = await kioskAt(`/kiosk#code=${(await codeFor('LAB-301')).code}`)
    await until('it has a roster', async () => (await kept(page)).rosters === 1)
    const device_id = (await kept(page)).pairing!.deviceId

    const staff = await office('#kiosks')
    const row = staff.getByRole('row').filter({ hasText: device_id })
    await row.getByRole('button', { name: 'Revoke…' }).click()
    await row.getByRole('button', { name: 'Revoke it' }).click()
    await row.getByText('revoked', { exact: true }).waitFor()
    const revokedAt = performance.now()
    await until('the roster is gone', async () => (await kept(page)).rosters === 0, 70_000)
    expect(performance.now() - revokedAt).toBeLessThan(65_000)
    await untilShown(page, 'revoked', 5_000)

    await page.keyboard.type((await codeFor('LAB-301', { device_id })).code)
    await until('it works again', async () => (await kept(page)).rosters === 1)
    expect((await kept(page)).pairing?.deviceId).toBe(device_id)
    expect((await shownOn(page)) ?? '').not.toBe('revoked')
  })

  test('changes its key when the office asks, at its next beat, and goes on under the new one', async () => {
    const page = await kioskAt(`/kiosk#code=${(await codeFor('HALL-1')).code}`)
    await until('it has a roster', async () => (await kept(page)).rosters === 1)
    const { pairing } = await kept(page)
    await school.api('POST', `/kiosks/${pairing!.deviceId}/want-key`, {})
    await page.reload()
    const changed = await until('it has another key', async () => {
      const now = (await kept(page)).pairing
      return now && now.key !== pairing!.key && !('nextKey' in now) && now
    })
    expect((await school.api('GET', '/schedule?room_id=HALL-1', undefined, { key: pairing!.key })).status).toBe(401)
    expect((await school.api('GET', '/schedule?room_id=HALL-1', undefined, { key: changed.key })).status).toBe(200)
    expect((await kiosks()).find((kiosk) => kiosk.device_id === pairing!.deviceId)).toMatchObject({ key_wanted: false })
    await page.reload()
    await until('it still has its roster', async () => (await kept(page)).rosters === 1)
    expect(await shownOn(page)).not.toBe('revoked')
  })
})
