import { createHash, randomBytes } from 'node:crypto'
import jsQR from 'jsqr'
import sharp from 'sharp'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HeartbeatAnswer } from '#contract/device'
import { Kiosk, Kiosks } from '#contract/kiosks'
import { CODE_CHARACTERS, Paired, PairingCode, RotateKeyAnswer } from '#contract/pairing'
import { Problem } from '#contract/problem'
import { createApp } from '../app.ts'
import { asked, startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'

const START = Date.parse('2026-11-23T09:20:00Z')
let at = START
let school: ThrowawaySchool
/** As a proxy's clients at two addresses reach it. */
let app: ThrowawaySchool['app']

beforeAll(async () => {
  school = await startThrowawaySchool(() => new Date(at), { publicUrl: 'https://attendance.school.example' })
  app = school.app
})
afterAll(() => school.stop())
beforeEach(() => {
  // No window of an earlier test's wrong codes is open any more.
  at += 3_600_000
})

const keyOf = (): string => randomBytes(32).toString('base64url')
const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')
const ask = (path: string, body?: unknown, key: string | undefined = school.apiKey): Promise<Response> => Promise.resolve(app.request(`/api/v1/${path}`, asked(key, body)))
const trade = (code: string, key: string, address = '203.0.113.1'): Promise<Response> =>
  Promise.resolve(app.request('/api/v1/pairing', asked(undefined, { code, key_sha256: hashOf(key) }), { incoming: { socket: { remoteAddress: address, remoteFamily: 'IPv4' } } }))
const made = async (body: object = {}, room = 'ROOM-204'): Promise<PairingCode> => PairingCode.parse(await (await ask(`rooms/${room}/pairing-codes`, body)).json())
const pairedBy = async (code: string, key: string): Promise<Paired> => Paired.parse(await (await trade(code, key)).json())
const schedule = async (key: string, room = 'ROOM-204'): Promise<number> => (await ask(`schedule?room_id=${room}`, undefined, key)).status
const codeOf = async (answer: Response): Promise<string> => Problem.parse(await answer.json()).code

describe('a pairing code', () => {
  it('is eight characters that nobody confuses, with a QR picture of the link that a phone can read', async () => {
    const answer = await ask('rooms/ROOM-204/pairing-codes', {})
    expect(answer.status).toBe(201)
    const { code, link, qr_svg, room_id, device_id, expires_at } = PairingCode.parse(await answer.json())
    expect(code).toMatch(new RegExp(`^[${CODE_CHARACTERS}]{4}-[${CODE_CHARACTERS}]{4}$`))
    expect({ link, room_id, device_id }).toEqual({ link: `https://attendance.school.example/kiosk#code=${code}`, room_id: 'ROOM-204', device_id: null })
    expect(Date.parse(expires_at) - at).toBe(15 * 60_000)
    const { data, info } = await sharp(Buffer.from(qr_svg)).resize(400).ensureAlpha().raw().toBuffer({ resolveWithObject: true })
    expect(jsQR(new Uint8ClampedArray(data), info.width, info.height)?.data).toBe(link)
  })

  it('makes a device that nobody knew the room’s kiosk, with a key that no request but its own ever held', async () => {
    const key = keyOf()
    const { code } = await made()
    const { device_id, room_id } = await pairedBy(code.toLowerCase().replace('-', ' '), key)
    expect(room_id).toBe('ROOM-204')
    expect(await schedule(key)).toBe(200)
    expect(await schedule(key, 'LAB-301'), 'it is one room’s').toBe(403)
    const { kiosks } = Kiosks.parse(await (await ask('kiosks')).json())
    expect(kiosks.find((one) => one.device_id === device_id)).toMatchObject({ room_id, key_drawn_at: new Date(at).toISOString(), key_wanted: false, revoked_at: null })
    const dump = JSON.stringify([await school.db.sql`SELECT * FROM devices`, await school.db.sql`SELECT * FROM pairing_codes`])
    expect(dump).not.toContain(key)
    expect(dump).not.toContain(code)
    expect(dump).not.toContain(code.replace('-', ''))
  })

  it('works once; the very same trade again, whose answer was lost, is answered again', async () => {
    const [key, other] = [keyOf(), keyOf()]
    const { code } = await made()
    const first = await pairedBy(code, key)
    expect(await pairedBy(code, key)).toEqual(first)
    const second = await trade(code, other)
    expect([second.status, await codeOf(second)]).toEqual([404, 'not_found'])
    expect(await schedule(other)).toBe(401)
  })

  it('of two devices that use it at the same moment pairs one', async () => {
    const { code } = await made()
    const statuses = (await Promise.all(Array.from({ length: 6 }, () => trade(code, keyOf())))).map(({ status }) => status)
    expect(statuses.sort()).toEqual([200, 404, 404, 404, 404, 404])
  })

  it('is over after a quarter of an hour', async () => {
    const { code } = await made()
    at += 15 * 60_000
    expect((await trade(code, keyOf())).status).toBe(404)
  })

  it('can pair a kiosk anew, in another room, whose old key opens nothing from then on', async () => {
    const [before, after] = [keyOf(), keyOf()]
    const { device_id } = await pairedBy((await made()).code, before)
    expect(await pairedBy((await made({ device_id }, 'HALL-1')).code, after)).toEqual({ device_id, room_id: 'HALL-1' })
    expect(await schedule(before)).toBe(401)
    expect(await schedule(after, 'HALL-1')).toBe(200)
  })

  it('is made by the office alone, for rooms and kiosks that there are', async () => {
    expect((await ask('rooms/ROOM-204/pairing-codes', {}, school.deviceKey)).status).toBe(403)
    expect((await app.request('/api/v1/rooms/ROOM-204/pairing-codes', asked(undefined, {}))).status).toBe(401)
    expect((await ask('rooms/ROOM-999/pairing-codes', {})).status).toBe(404)
    const unknown = await ask('rooms/ROOM-204/pairing-codes', { device_id: 'pi-nowhere' })
    expect([unknown.status, await codeOf(unknown)]).toEqual([422, 'unknown_device'])
  })

  it('cannot be guessed: ten wrong ones a minute from one address, a hundred from all of them, and a right one counts for nothing', async () => {
    for (let i = 0; i < 10; i++) expect((await trade('AAAA-AAAA', keyOf(), '203.0.113.5')).status).toBe(404)
    const refused = await trade((await made()).code, keyOf(), '203.0.113.5')
    expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([429, 60])
    const { code } = await made()
    expect((await trade(code, keyOf(), '203.0.113.6')).status, 'somebody else').toBe(200)
    for (let i = 0; i < 90; i++) expect((await trade('AAAA-AAAA', keyOf(), `198.51.100.${i}`)).status).toBe(404)
    expect((await trade('AAAA-AAAA', keyOf(), '192.0.2.1')).status).toBe(429)
  })

  it('that is no code, and a key that is no hash, are refused by name', async () => {
    const odd = await app.request('/api/v1/pairing', asked(undefined, { code: 'short', key_sha256: 'x' }))
    expect(odd.status).toBe(422)
    expect(Problem.parse(await odd.json()).errors?.map(({ field }) => field)).toEqual(['code', 'key_sha256'])
    expect((await trade('UUUU-UUUU', keyOf())).status).toBe(404)
  })
})

describe('a kiosk’s key', () => {
  const rotate = async (key: string, next: string): Promise<Response> => ask('devices/rotate-key', { key_sha256: hashOf(next) }, key)
  const beat = async (key: string, device_id: string): Promise<HeartbeatAnswer> => HeartbeatAnswer.parse(await (await ask('heartbeat', { device_id }, key)).json())

  it('and the next one open the same until the next one is first used, on every server; then the old one opens nothing', async () => {
    const [old, next] = [keyOf(), keyOf()]
    const { device_id } = await pairedBy((await made()).code, old)
    expect(RotateKeyAnswer.parse(await (await rotate(old, next)).json())).toEqual({ device_id, key: 'next' })
    expect(RotateKeyAnswer.parse(await (await rotate(old, next)).json()), 'again').toEqual({ device_id, key: 'next' })
    expect(await schedule(old)).toBe(200)
    expect(await schedule(next)).toBe(200)
    expect(await schedule(old)).toBe(401)
    expect(RotateKeyAnswer.parse(await (await rotate(next, next)).json())).toEqual({ device_id, key: 'in_use' })
    expect(await schedule(next)).toBe(200)
  })

  it('is to be changed after thirty days, or when the office asks, and one from a link only then', async () => {
    const key = keyOf()
    const { device_id } = await pairedBy((await made()).code, key)
    expect((await beat(key, device_id)).new_key).toBeUndefined()
    at += 30 * 86_400_000
    expect((await beat(key, device_id)).new_key).toBe(true)
    const next = keyOf()
    await rotate(key, next)
    await rotate(next, next)
    expect((await beat(next, device_id)).new_key).toBeUndefined()

    expect((await beat(school.deviceKey, 'pi-lab301')).new_key, 'handed out in a link').toBeUndefined()
    expect(Kiosk.parse(await (await ask('kiosks/pi-lab301/want-key', {})).json())).toMatchObject({ key_wanted: true, key_drawn_at: null })
    expect((await beat(school.deviceKey, 'pi-lab301')).new_key).toBe(true)
    expect((await ask('kiosks/pi-lab301/want-key', {}, school.deviceKey)).status).toBe(403)
  })

  it('of another device cannot be taken, and only a device has one', async () => {
    const [one, other] = [keyOf(), keyOf()]
    await pairedBy((await made()).code, one)
    await pairedBy((await made()).code, other)
    const taken = await rotate(one, other)
    expect([taken.status, await codeOf(taken)]).toEqual([409, 'conflict'])
    expect((await rotate(school.apiKey, keyOf())).status).toBe(403)
  })

  it('that was revoked opens nothing, nor does the one that was to follow it, until the kiosk is paired anew', async () => {
    const [old, next, fresh] = [keyOf(), keyOf(), keyOf()]
    const { code } = await made()
    const { device_id } = await pairedBy(code, old)
    expect(await pairedBy(code, old)).toMatchObject({ device_id })
    await rotate(old, next)
    expect((await ask(`kiosks/${device_id}/revoke`, {}, old)).status).toBe(403)
    expect(Kiosk.parse(await (await ask(`kiosks/${device_id}/revoke`, {})).json()).revoked_at).toBe(new Date(at).toISOString())
    expect([await schedule(old), await schedule(next), (await rotate(old, keyOf())).status]).toEqual([401, 401, 401])
    expect((await trade(code, old)).status, 'the trade that it was paired by').toBe(404)
    expect((await ask('kiosks/pi-nowhere/revoke', {})).status).toBe(404)
    expect((await ask(`kiosks/${device_id}/want-key`, {})).status).toBe(409)
    await pairedBy((await made({ device_id })).code, fresh)
    expect(await schedule(fresh)).toBe(200)
  })

  it('that changes while the record does not answer still opens, and the change is kept when it is back', async () => {
    const [old, next] = [keyOf(), keyOf()]
    const { device_id } = await pairedBy((await made()).code, old)
    await rotate(old, next)
    await school.stopDatabase()
    expect((await school.parts.devices.byKey(next))?.device_id).toBe(device_id)
    // Nobody can be asked about the old one, and it is not believed for that.
    await expect(school.parts.devices.byKey(old)).rejects.toThrow()
    await school.restartDatabase()
    await school.parts.devices.reload()
    expect(await schedule(next)).toBe(200)
    expect(await schedule(old)).toBe(401)
    const other = createApp({ ...school.parts })
    expect((await other.request('/api/v1/schedule?room_id=ROOM-204', asked(next))).status).toBe(200)
  })
})
