/**
 * Who the school's devices are, kept in memory on each server: a request costs no query, and a kiosk is known while
 * PostgreSQL is away. Knows no request and no right.
 *
 * Loaded whole: at the start, after each change that PostgreSQL tells of, at each new connection (what was said while
 * there was none is lost), when somebody comes who is not known, and now and then, for a connection that died silently.
 */
import { allDevices, keyHash, watchDevices } from '../db/devices.ts'
import type { KeyedDevice } from '../db/devices.ts'
import type { Database } from '../db/connect.ts'
import { describeFault } from './log.ts'
import type { Log } from './log.ts'

export interface KnownDevices {
  /** `key` as the kiosk holds it. Throws where it is not known and the database cannot be asked: it may have been paired a moment ago. */
  byKey(key: string): Promise<KeyedDevice | undefined>
  byId(device_id: string): Promise<KeyedDevice | undefined>
  /** Resolves when what is known is at least as new as this call: for whoever has just changed a device. */
  reload(): Promise<void>
  close(): void
}

const RELOAD_MS = 30_000

/** Throws where the devices cannot be read a first time. */
export async function openKnownDevices(db: Database, log: Log): Promise<KnownDevices> {
  let byHash = new Map<string, KeyedDevice>()
  let byName = new Map<string, KeyedDevice>()
  let underWay: Promise<void> | undefined
  let owed: Promise<void> | undefined
  let closed = false

  async function load(): Promise<void> {
    const devices = await allDevices(db)
    byHash = new Map(devices.map((device) => [device.key_sha256, device]))
    byName = new Map(devices.map((device) => [device.device_id, device]))
  }

  /** One at a time, and at most one more owed: many strangers at once cost as much as one. */
  function reload(): Promise<void> {
    if (underWay === undefined) {
      const started = load().finally(() => (underWay = undefined))
      underWay = started
      return started
    }
    // The one under way may have read before the change.
    owed ??= underWay.catch(() => {}).then(() => {
      owed = undefined
      return reload()
    })
    return owed
  }

  /** What was last known stands until it succeeds. */
  function reloadBeside(): void {
    reload().catch((error: unknown) => {
      if (!closed) log({ event: 'devices_not_reloaded', ...describeFault(error) })
    })
  }

  const unwatch = await watchDevices(db, reloadBeside)
  await reload()
  const timer = setInterval(reloadBeside, RELOAD_MS)
  timer.unref()

  return {
    async byKey(key) {
      const hash = keyHash(key).toString('hex')
      if (!byHash.has(hash)) await reload()
      return byHash.get(hash)
    },
    async byId(device_id) {
      if (!byName.has(device_id)) await reload()
      return byName.get(device_id)
    },
    reload,
    close() {
      closed = true
      clearInterval(timer)
      // Not waited for: a database that hangs would keep a stopping server.
      unwatch().catch(() => {})
    },
  }
}
