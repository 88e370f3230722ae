/** The kiosk's own code and the school's, put together without a browser: a crash between any two steps of a trade or of a change of key loses nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PairingCode } from '#contract/pairing'
import type { Pairing, PairingTry } from '../../kiosk/store/store.ts'
import { rotateKey } from '../../kiosk/sync/rotate-key.ts'
import { tradeCode } from '../../kiosk/sync/trade-code.ts'
import { asked, startThrowawaySchool } from '../../server/throwaway-school.ts'
import type { ThrowawaySchool } from '../../server/throwaway-school.ts'

let school: ThrowawaySchool
beforeAll(async () => {
  school = await startThrowawaySchool(() => new Date('2026-11-23T09:20:00Z'))
})
afterAll(() => school.stop())

class Crash extends Error {}

/** A device with a disk that keeps what was flushed, on a network; every step of either may be its last, before or after it has had its effect. */
class Device {
  pairing: Pairing | undefined
  pairingTry: PairingTry | undefined
  steps = 0
  /** No step is the last: a life without a crash. */
  crashAt = Number.POSITIVE_INFINITY
  after = false

  private async step<T>(work: () => Promise<T>): Promise<T> {
    this.steps += 1
    if (this.steps < this.crashAt) return work()
    if (this.after) await work()
    throw new Crash()
  }

  readonly store = {
    savedPairingTry: () => Promise.resolve(this.pairingTry),
    savePairingTry: (pairingTry: PairingTry | undefined) => this.step(async () => void (this.pairingTry = pairingTry)),
    savePairing: (pairing: Pairing) =>
      this.step(async () => {
        this.pairing = pairing
        this.pairingTry = undefined
      }),
  }

  readonly host = {
    setTimeout: () => 0,
    clearTimeout: () => {},
    fetch: (path: string, init: RequestInit) => this.step(async () => school.app.request(path, init)),
  }

  reboot(): void {
    this.steps = 0
    this.crashAt = Number.POSITIVE_INFINITY
  }
}

const opens = async (key: string): Promise<boolean> => (await school.app.request('/api/v1/schedule?room_id=HALL-1', asked(key))).status === 200
const makeCode = async (): Promise<string> => PairingCode.parse(await (await school.app.request('/api/v1/rooms/HALL-1/pairing-codes', asked(school.apiKey, {}))).json()).code
const devices = async (): Promise<number> => Number((await school.db.sql<{ count: string }[]>`SELECT count(*) FROM devices`)[0]?.count)

/** Every place at which a life of so many steps can end. */
const crashes = (steps: number): { crashAt: number; after: boolean }[] => Array.from({ length: steps }, (_, i) => i + 1).flatMap((crashAt) => [{ crashAt, after: false }, { crashAt, after: true }])

async function paired(): Promise<Device & { pairing: Pairing }> {
  const device = new Device()
  await tradeCode({ store: device.store, code: (await makeCode()).replace('-', ''), appVersion: 'test', host: device.host })
  device.reboot()
  return device as Device & { pairing: Pairing }
}

describe('a crash at any step', () => {
  it('of a trade of a pairing code: the next life makes the same trade, and there is one new kiosk', async () => {
    const probe = new Device()
    await tradeCode({ store: probe.store, code: (await makeCode()).replace('-', ''), appVersion: 'test', host: probe.host })
    expect(probe.steps).toBe(3)
    for (const crash of crashes(probe.steps)) {
      const before = await devices()
      const device = Object.assign(new Device(), crash)
      const code = (await makeCode()).replace('-', '')
      await expect(tradeCode({ store: device.store, code, appVersion: 'test', host: device.host }), JSON.stringify(crash)).rejects.toThrow()
      device.reboot()
      // As the page's start does: what the disk holds of a try; where it holds none the person types the code again.
      if (!device.pairing) await tradeCode({ store: device.store, code: device.pairingTry?.code ?? code, appVersion: 'test', host: device.host })
      expect(device.pairing && (await opens(device.pairing.key)), JSON.stringify(crash)).toBe(true)
      expect(device.pairingTry).toBeUndefined()
      expect(await devices()).toBe(before + 1)
    }
  })

  it('of a change of key: the next life goes on from there, ends with the new key alone, and was never without one that opens', async () => {
    const probe = await paired()
    const { key: first } = probe.pairing
    await rotateKey({ store: probe.store, pairing: probe.pairing, host: probe.host })
    expect(probe.steps).toBe(4)
    expect([await opens(first), await opens(probe.pairing.key)]).toEqual([false, true])

    for (const crash of crashes(probe.steps)) {
      const told = JSON.stringify(crash)
      const device = await paired()
      const { key: old, deviceId } = device.pairing
      Object.assign(device, crash)
      await expect(rotateKey({ store: device.store, pairing: device.pairing, host: device.host }), told).rejects.toThrow()
      device.reboot()
      // Only what is on its disk is left, the new key before the old one.
      const { key, nextKey } = device.pairing
      const usable = nextKey !== undefined && (await isInUseOrNext(deviceId, nextKey)) ? nextKey : key
      expect(await isInUseOrNext(deviceId, usable), told).toBe(true)
      await rotateKey({ store: device.store, pairing: device.pairing, host: device.host })
      expect(device.pairing.nextKey, told).toBeUndefined()
      expect(device.pairing.key, told).not.toBe(old)
      expect([await opens(old), await opens(device.pairing.key)], told).toEqual([false, true])
    }
  })
})

/** Asked of the record, so that asking does not use the key. */
async function isInUseOrNext(deviceId: string, key: string): Promise<boolean> {
  const found = await school.db.sql`SELECT FROM devices WHERE device_id = ${deviceId} AND sha256(${key}::text::bytea) IN (key_sha256, next_key_sha256) AND revoked_at IS NULL`
  return found.length > 0
}
