/** The device's key -> the next one, without a gap. See contract/pairing.ts, [Note: A key changes without a gap]. Knows no timer and no screen. */
import { RotateKeyAnswer } from '#contract/pairing'
import type { Pairing, Store } from '../store/store.ts'
import type { Host } from './host.ts'
import { drawKey, hashOfKey } from './key.ts'
import { Refused, request } from './request.ts'

/**
 * 1. where the disk holds a key that follows ours already, an earlier try ended somewhere: use it; if it opens, go to 4;
 * 2. else draw one, and have it on the disk beside ours, flushed; tell the server its hash, with ours;
 * 3. use it, at which ours opens nothing any more;
 * 4. keep it alone, on the disk.
 * @returns the pairing to go on with. Throws Refused (`unauthorized`: neither key opens anything), Unreachable or StoreFailed; then nothing is lost, and it is to be called again.
 */
export async function rotateKey({ store, pairing, host }: { store: Pick<Store, 'savePairing'>; pairing: Pairing; host: Pick<Host, 'fetch' | 'setTimeout' | 'clearTimeout'> }): Promise<Pairing> {
  const { nextKey: begun, ...ours } = pairing
  if (begun !== undefined) {
    try {
      await tellNext(begun, begun, host)
      return await keep(store, { ...ours, key: begun })
    } catch (error) {
      if (!(error instanceof Refused && error.problem.code === 'unauthorized')) throw error
    }
  }
  const nextKey = begun ?? drawKey()
  if (begun === undefined) await store.savePairing({ ...ours, nextKey })
  await tellNext(ours.key, nextKey, host)
  await tellNext(nextKey, nextKey, host)
  return keep(store, { ...ours, key: nextKey })
}

async function tellNext(key: string, nextKey: string, host: Pick<Host, 'fetch' | 'setTimeout' | 'clearTimeout'>): Promise<void> {
  await request('/api/v1/devices/rotate-key', { method: 'POST', key, body: { key_sha256: await hashOfKey(nextKey) }, answer: RotateKeyAnswer, host })
}

async function keep(store: Pick<Store, 'savePairing'>, pairing: Pairing): Promise<Pairing> {
  await store.savePairing(pairing)
  return pairing
}
