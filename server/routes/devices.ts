/** `POST /api/v1/devices/rotate-key`: a device tells the hash of the key that follows its own. See contract/pairing.ts, [Note: A key changes without a gap]. */
import { Hono } from 'hono'
import { RotateKeyRequest } from '#contract/pairing'
import type { RotateKeyAnswer } from '#contract/pairing'
import { saveNextKey } from '../../db/devices.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor } from '../identity.ts'
import { Refusal, refusalOfField } from '../problem.ts'
import { readJson } from '../request-body.ts'

export function deviceRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, devices } = parts
  const routes = new Hono<AppEnv>()
  routes.post('/api/v1/devices/rotate-key', onlyFor(parts, 'device'), async (c) => {
    const { key_sha256 } = await readJson(c, RotateKeyRequest)
    const identity = c.var.identity
    if (identity.kind !== 'device') throw new Error('onlyFor let through somebody who is no device')
    // Whoever comes with a next key has just used it: the record says so before it is asked.
    await devices.reload()
    const saved = await saveNextKey(db, identity.device_id, key_sha256)
    if (saved === 'absent') throw new Refusal('unauthorized', 'this device\'s key was revoked; pair it again', { headers: { 'www-authenticate': 'Bearer' } })
    if (saved === 'taken') throw refusalOfField('conflict', 'key_sha256', 'is another device\'s; draw another key, of 256 random bits')
    await devices.reload()
    if (saved === 'in_use') await parts.audit({ actor: actorOf(identity), action: 'device_key_rotated', subject: `device:${identity.device_id}` })
    const answer: RotateKeyAnswer = { device_id: identity.device_id, key: saved }
    return c.json(answer)
  })
  return routes
}
