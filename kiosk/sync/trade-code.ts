/** A one-time code -> this device's own identity. Knows no screen. */
import { Paired } from '#contract/pairing'
import type { Pairing, Store } from '../store/store.ts'
import { BROWSER } from './host.ts'
import type { Host } from './host.ts'
import { drawKey, hashOfKey } from './key.ts'
import { Refused, request } from './request.ts'

/**
 * 1. draw a key, and have it on the disk with the code, flushed: the same code is traded for the same key, also after a power cut;
 * 2. ask the server, as often as it takes: it answers a trade that it has made once more;
 * 3. be paired, on the disk, where what was kept for the trade is gone.
 * Throws Refused, at which the try is forgotten where it can never succeed, Unreachable, or StoreFailed.
 */
export async function tradeCode({ store, code, appVersion, host = BROWSER }: { store: Pick<Store, 'savePairing' | 'savedPairingTry' | 'savePairingTry'>; code: string; appVersion: string; host?: Pick<Host, 'fetch' | 'setTimeout' | 'clearTimeout'> }): Promise<Pairing> {
  const kept = await store.savedPairingTry()
  const key = kept?.code === code ? kept.key : drawKey()
  if (kept?.code !== code) await store.savePairingTry({ code, key })
  try {
    const answer = await request('/api/v1/pairing', { method: 'POST', body: { code, key_sha256: await hashOfKey(key), app_version: appVersion.slice(0, 64) }, answer: Paired, host })
    // Without an ETag there is no 304.
    const { device_id, room_id } = (answer as { value: Paired }).value
    const pairing = { deviceId: device_id, roomId: room_id, key }
    await store.savePairing(pairing)
    return pairing
  } catch (error) {
    if (error instanceof Refused && !PASSES.has(error.problem.code)) await store.savePairingTry(undefined)
    throw error
  }
}

/** Refusals that time mends. */
const PASSES: ReadonlySet<string> = new Set(['too_many_requests', 'busy', 'internal'])
