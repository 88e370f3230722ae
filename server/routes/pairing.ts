/**
 * How a device becomes a room's kiosk: `POST /api/v1/rooms/{room_id}/pairing-codes` (the office makes a code),
 * `POST /api/v1/pairing` (a device that nobody knows yet trades it). See contract/pairing.ts.
 *
 * Guessing: a code is one of 2^40, works once and lasts a quarter of an hour. Trades that fail are counted for each address and for all together,
 * in Redis where there is one: a thousand addresses at it through all of that quarter find one of ten open codes once in a hundred million times.
 */
import { randomInt } from 'node:crypto'
import { Hono } from 'hono'
import type { Context } from 'hono'
import { toString } from 'qrcode'
import { z } from 'zod'
import { RoomId } from '#contract/ids'
import { CODE_CHARACTERS, CODE_LENGTH, CODE_MINUTES, PairingCodeRequest, PairingRequest, plainCode, shownCode } from '#contract/pairing'
import type { Paired, PairingCode } from '#contract/pairing'
import { savePairingCode, tradePairingCode } from '../../db/pairing.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { clientAddress, networkOf } from '../client-address.ts'
import { onlyFor } from '../identity.ts'
import { Refusal, refusalOfField } from '../problem.ts'
import { parse, readJson } from '../request-body.ts'
import { createThrottle } from '../sign-in-throttle.ts'

const FAULTS_PER_ADDRESS = 10
const FAULTS_IN_ALL = 100
const WINDOW_MS = 60_000

/** Of a new kiosk's id, behind its room's; nobody types it. */
const ID_CHARACTERS = 'abcdefghjkmnpqrstvwxyz23456789'
const ID_LENGTH = 5
const LONGEST_ID = 64

export function pairingRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, devices, now, makeThrottle = createThrottle } = parts
  const routes = new Hono<AppEnv>()
  const perAddress = makeThrottle({ name: 'pairing-address', limit: FAULTS_PER_ADDRESS, windowMs: WINDOW_MS })
  const inAll = makeThrottle({ name: 'pairing', limit: FAULTS_IN_ALL, windowMs: WINDOW_MS })

  routes.post('/api/v1/rooms/:room_id/pairing-codes', onlyFor(parts, 'script', 'office'), async (c) => {
    const { room_id } = parse(z.object({ room_id: RoomId }), c.req.param())
    const { device_id } = await readJson(c, PairingCodeRequest)
    const code = draw(CODE_CHARACTERS, CODE_LENGTH)
    const madeAt = now()
    const expiresAt = new Date(madeAt.getTime() + CODE_MINUTES * 60_000)
    const saved = await together(db, async (inside) => {
      const done = await savePairingCode(inside, { code, room_id, device_id, now: madeAt, expiresAt })
      if (done === 'saved') await parts.audit({ actor: actorOf(c.var.identity), action: 'device_pairing_code_made', subject: `room:${room_id}`, details: { device_id: device_id ?? null } }, inside)
      return done
    })
    if (saved === 'no_room') throw new Refusal('not_found', `there is no room ${room_id}`)
    if (saved === 'no_device') throw refusalOfField('unknown_device', 'device_id', `${device_id ?? ''} is not a kiosk of this school; leave it out to pair a new one`)
    const link = `${addressOf(c, parts)}/kiosk#code=${shownCode(code)}`
    const answer: PairingCode = { code: shownCode(code), room_id, device_id: device_id ?? null, expires_at: expiresAt.toISOString(), link, qr_svg: await toString(link, { type: 'svg', errorCorrectionLevel: 'M', margin: 4 }) }
    return c.json(answer, 201)
  })

  routes.post('/api/v1/pairing', async (c) => {
    const { code, key_sha256 } = await readJson(c, PairingRequest)
    const address = networkOf(clientAddress(c, parts.trustedProxies))
    const at = now()
    const wait = (await perAddress.attempt(address, at)) ?? (await inAll.attempt('', at))
    if (wait !== undefined) throw new Refusal('too_many_requests', `too many codes that do not work; try again in ${wait} seconds`, { headers: { 'retry-after': String(wait) } })
    const plain = plainCode(code)
    const paired =
      plain === undefined
        ? undefined
        : await together(db, async (inside) => {
            const traded = await tradePairingCode(inside, { code: plain, key_sha256, newId, now: at })
            if (traded && !traded.again) await parts.audit({ actor: `device:${traded.device_id}`, action: 'device_paired', subject: `device:${traded.device_id}`, details: { room: traded.room_id } }, inside)
            return traded
          })
    if (!paired) throw refusalOfField('not_found', 'code', 'is not one that works: it was used, it is over, or it was mistyped; ask the office for a new one')
    await Promise.all([perAddress.forgive(address), inAll.forgive('')])
    await devices.reload()
    const answer: Paired = { device_id: paired.device_id, room_id: paired.room_id }
    return c.json(answer)
  })

  return routes
}

/** As people reach us: PUBLIC_URL, or the way that the office came. */
function addressOf(c: Context, { publicUrl }: AppParts): string {
  return publicUrl ?? new URL(c.req.url).origin
}

function newId(roomId: string): string {
  return `kiosk-${roomId.toLowerCase().slice(0, LONGEST_ID - ID_LENGTH - 'kiosk--'.length)}-${draw(ID_CHARACTERS, ID_LENGTH)}`
}

const draw = (characters: string, length: number): string => Array.from({ length }, () => characters[randomInt(characters.length)]).join('')
