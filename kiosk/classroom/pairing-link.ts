/**
 * The link that makes a browser a room's kiosk: with a code of the office, or with a key, as the server prints it for the demo school. What it says
 * stands behind the `#`, so it is never sent to any server or written to a log.
 */
import { z } from 'zod'
import { DeviceId, RoomId } from '#contract/ids'
import { plainCode } from '#contract/pairing'
import type { Pairing } from '../store/store.ts'

const Link = z.object({
  device: DeviceId,
  room: RoomId,
  key: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'is not a whole key'),
})

export type PairingLink = { kind: 'none' } | { kind: 'code'; code: string } | { kind: 'broken'; problem: string } | { kind: 'pairing'; pairing: Pairing }

/** @param hash `#code=7K3M-QX9A`, or `#device=pi-lab301&room=LAB-301&key=…`, the key 256 bits in base64url */
export function readPairingLink(hash: string): PairingLink {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''))
  const typed = parameters.get('code')
  if (typed !== null) {
    const code = plainCode(typed)
    return code === undefined ? { kind: 'broken', problem: 'The pairing link is not complete (code). Open it again from the office, whole, or type the code here.' } : { kind: 'code', code }
  }
  if (!parameters.has('device') && !parameters.has('key')) return { kind: 'none' }
  const link = Link.safeParse(Object.fromEntries(parameters))
  if (!link.success) {
    const fields = [...new Set(link.error.issues.map((issue) => issue.path.join('.')))].join(', ')
    return { kind: 'broken', problem: `The pairing link is not complete (${fields}). Open it again from the office, whole.` }
  }
  return { kind: 'pairing', pairing: { deviceId: link.data.device, roomId: link.data.room, key: link.data.key } }
}
