import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { revokeDevice, saveDevice } from '../db/devices.ts'
import { openKnownDevices } from './known-devices.ts'
import type { KnownDevices } from './known-devices.ts'
import { asked, startThrowawaySchool } from './throwaway-school.ts'
import type { ThrowawaySchool } from './throwaway-school.ts'
import { connect } from '../db/connect.ts'
import type { Database } from '../db/connect.ts'
import { createApp } from './app.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool
/** A second server on the same PostgreSQL: connections, memory and app of its own. */
let other: { db: Database; devices: KnownDevices; app: ThrowawaySchool['app'] }

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
  const db = await connect(school.url)
  const devices = await openKnownDevices(db, () => {})
  other = { db, devices, app: createApp({ ...school.parts, db, devices }) }
})
afterAll(async () => {
  other.devices.close()
  await other.db.close()
  await school.stop()
})

const KEY = 'h'.repeat(43)
beforeEach(async () => {
  await saveDevice(school.db, { device_id: 'pi-hall', room_id: 'HALL-1', key: KEY })
  await school.db.sql`UPDATE devices SET fenced_at = NULL`
  await Promise.all([school.parts.devices.reload(), other.devices.reload()])
})

type App = ThrowawaySchool['app']
async function answerTo(app: App, path = '/api/v1/heartbeat', key = KEY): Promise<{ status: number; code?: string }> {
  const response = await app.request(path, path.endsWith('heartbeat') ? asked(key, { device_id: 'pi-hall' }) : asked(key))
  const { code } = (await response.json()) as { code?: string }
  return code === undefined ? { status: response.status } : { status: response.status, code }
}

/** A promise of the product: within a second. The test waits longer, for a machine that is busy with other things. */
const soon = (look: () => Promise<void>): Promise<void> => vi.waitFor(look, { timeout: 10_000, interval: 20 })

describe('a device', () => {
  it('that was paired a moment ago is known at once on every server', async () => {
    for (const [at, app] of [school.app, other.app].entries()) {
      const key = String(at).repeat(43)
      await saveDevice(school.db, { device_id: `pi-new-${at}`, room_id: 'LAB-301', key })
      expect((await app.request('/api/v1/schedule?room_id=LAB-301', asked(key))).status).toBe(200)
    }
  })

  it('that was revoked opens nothing any more: at once where it was revoked, and soon on every other server', async () => {
    expect(await answerTo(school.app)).toEqual({ status: 200 })
    expect(await answerTo(other.app)).toEqual({ status: 200 })
    await revokeDevice(school.db, 'pi-hall', NOW)
    await school.parts.devices.reload()
    expect(await answerTo(school.app)).toEqual({ status: 401, code: 'unauthorized' })
    await soon(async () => expect(await answerTo(other.app)).toEqual({ status: 401, code: 'unauthorized' }))
  })

  it('under a new key is not known by the old one, and is in its new room', async () => {
    await saveDevice(school.db, { device_id: 'pi-hall', room_id: 'LAB-301', key: 'n'.repeat(43) })
    for (const app of [school.app, other.app]) {
      await soon(async () => expect((await answerTo(app)).status).toBe(401))
      expect((await answerTo(app, '/api/v1/schedule?room_id=LAB-301', 'n'.repeat(43))).status).toBe(200)
      expect((await answerTo(app, '/api/v1/schedule?room_id=HALL-1', 'n'.repeat(43))).status).toBe(403)
    }
  })

  it('of which two copies are in use gets nothing until the office has said which is right, on every server', async () => {
    await school.db.sql`UPDATE devices SET fenced_at = now() WHERE device_id = 'pi-hall'`
    for (const app of [school.app, other.app]) {
      for (const path of ['/api/v1/heartbeat', '/api/v1/schedule?room_id=HALL-1', '/api/v1/attendance/student/S001']) {
        await soon(async () => expect(await answerTo(app, path), path).toEqual({ status: 403, code: 'fenced' }))
      }
      // A script speaks for the office, not for a copy.
      expect((await answerTo(app, '/api/v1/attendance/student/S001', school.apiKey)).status).toBe(200)
    }
    await school.db.sql`UPDATE devices SET fenced_at = NULL WHERE device_id = 'pi-hall'`
    for (const app of [school.app, other.app]) await soon(async () => expect(await answerTo(app)).toEqual({ status: 200 }))
  })

  it('that was changed while the devices are being read is known when whoever changed it goes on', async () => {
    const slow = await connect(school.url)
    let letThrough = (): void => {}
    const held = new Promise<void>((resolve) => (letThrough = resolve))
    let isRead = (): void => {}
    const read = new Promise<void>((resolve) => (isRead = resolve))
    const devices = await openKnownDevices(slow, () => {})
    // The next reading is done, and its rows are still on their way.
    const { sql } = slow
    slow.sql = new Proxy(sql, {
      apply: (ask, that, args) => {
        slow.sql = sql
        return (Reflect.apply(ask, that, args) as Promise<unknown>).then(async (rows) => {
          isRead()
          await held
          return rows
        })
      },
    })
    const before = devices.reload()
    await read
    await revokeDevice(school.db, 'pi-hall', NOW)
    const after = devices.reload()
    letThrough()
    await Promise.all([before, after])
    expect(await devices.byKey(KEY)).toMatchObject({ revoked: true })
    devices.close()
    await slow.close()
  })

  it('nobody knows costs the database one question at a time, however many ask at once', async () => {
    const counted = await connect(school.url)
    const devices = await openKnownDevices(counted, () => {})
    let asks = 0
    const under = new Proxy(counted.sql, {
      apply: (ask, that, args) => {
        asks += 1
        return Reflect.apply(ask, that, args) as unknown
      },
    })
    counted.sql = under
    const found = await Promise.all(Array.from({ length: 200 }, (_, i) => devices.byKey(`stranger ${i}`)))
    expect(found.every((device) => device === undefined)).toBe(true)
    expect(asks).toBeLessThanOrEqual(2)
    devices.close()
    await counted.close()
  })

  it('that only beats wakes no server', async () => {
    let told = 0
    const { unlisten } = await school.db.sql.listen('fastrackai_device', () => (told += 1))
    for (let i = 0; i < 5; i++) expect(await answerTo(school.app)).toEqual({ status: 200 })
    await school.db.sql`UPDATE devices SET revoked_at = revoked_at, classroom_id = classroom_id`
    await school.db.sql`SELECT pg_notify('fastrackai_device', 'the end')`
    await soon(async () => expect(told).toBe(1))
    await unlisten()
  })
})

describe('while PostgreSQL is away', () => {
  it('who was known is known, a stranger is asked to come back, and servers are told of changes again when it is back', async () => {
    await school.stopDatabase()
    const { devices } = school.parts
    expect(await devices.byKey(KEY)).toMatchObject({ device_id: 'pi-hall', room_id: 'HALL-1', revoked: false, fenced: false })
    expect(await devices.byId('pi-lab301')).toMatchObject({ room_id: 'LAB-301' })
    expect(await answerTo(school.app, '/api/v1/schedule?room_id=LAB-301', 'x'.repeat(43))).toEqual({ status: 503, code: 'busy' })
    await school.restartDatabase()
    await soon(async () => expect(await answerTo(school.app)).toEqual({ status: 200 }))
    const psql = await connect(school.url)
    await psql.sql`UPDATE devices SET revoked_at = now() WHERE device_id = 'pi-hall'`
    await psql.close()
    for (const app of [school.app, other.app]) await soon(async () => expect(await answerTo(app)).toEqual({ status: 401, code: 'unauthorized' }))
  })

  it('nothing is missed that changed while a server was not listening', async () => {
    const psql = await connect(school.url)
    // The servers cannot read until all of it is done; and with the triggers off nobody tells them.
    await psql.sql.begin(async (sql) => {
      await sql`LOCK TABLE devices IN ACCESS EXCLUSIVE MODE`
      await sql`ALTER TABLE devices DISABLE TRIGGER USER`
      await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'listen %'`
      await sql`UPDATE devices SET revoked_at = now() WHERE device_id = 'pi-hall'`
      await sql`ALTER TABLE devices ENABLE TRIGGER USER`
    })
    await psql.close()
    for (const app of [school.app, other.app]) await soon(async () => expect(await answerTo(app)).toEqual({ status: 401, code: 'unauthorized' }))
  })
})
