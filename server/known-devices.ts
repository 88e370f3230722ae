/**
 * Who the school's devices are, kept in memory on each server: a request costs no query, and a kiosk is known while
 * PostgreSQL is away. Sees a next key's first use, at which the one before it opens nothing. Knows no request and no right.
 *
 * Loaded whole: at the start, after each change that PostgreSQL tells of, at each new connection (what was said while
 * there was none is lost), when somebody comes who is not known, and now and then, for a connection that died silently.
 */
import { allDevices, keepNextKey, keyHash, watchDevices } from '../db/devices.ts'
import type { KeyedDevice } from '../db/devices.ts'
import type { Database } from '../db/connect.ts'
import { describeFault } from './log.ts'
import type { Log } from './log.ts'

export interface KnownDevices {
  /** `key` as the kiosk holds it, its own or the next. Throws where it is not known and the database cannot be asked: it may have been paired a moment ago. */
  byKey(key: string): Promise<KeyedDevice | undefined>
  /** The same by the key's SHA-256 in hexadecimal, for whoever has made it already. */
  byKeyHash(hash: string): Promise<KeyedDevice | undefined>
  byId(device_id: string): Promise<KeyedDevice | undefined>
  /** Resolves when what is known is at least as new as this call: for whoever has just changed a device. */
  reload(): Promise<void>
  close(): void
}

const RELOAD_MS = 30_000

/** Throws where the devices cannot be read a first time. */
export async function openKnownDevices(db: Database, log: Log, now: () => Date = () => new Date()): Promise<KnownDevices> {
  let byHash = new Map<string, KeyedDevice>()
  let byName = new Map<string, KeyedDevice>()
  let underWay: Promise<void> | undefined
  let owed: Promise<void> | undefined
  let closed = false
  /** First uses of a next key that are on their way into the record, by device. */
  const keeping = new Map<string, Promise<void>>()

  async function load(): Promise<void> {
    // What we know of already must not be read as it was before.
    await Promise.all(keeping.values())
    const devices = await allDevices(db)
    byHash = new Map(devices.flatMap((device) => [[device.key_sha256, device], ...(device.next_key_sha256 === null ? [] : [[device.next_key_sha256, device] as const])] as const))
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

  /** The old key opens nothing from this moment on, here; on every other server as soon as it is in the record. It is done again at the next use where the record does not answer. */
  function keep(device: KeyedDevice, hash: string): void {
    byHash.delete(device.key_sha256)
    const used = { ...device, key_sha256: hash, next_key_sha256: null }
    byHash.set(hash, used)
    byName.set(device.device_id, used)
    const kept = keepNextKey(db, device.device_id, hash, now())
      .then(
        () => undefined,
        (error: unknown) => log({ event: 'key_change_not_kept', device_id: device.device_id, ...describeFault(error) }),
      )
      .finally(() => keeping.delete(device.device_id))
    keeping.set(device.device_id, kept)
  }

  const unwatch = await watchDevices(db, reloadBeside)
  await reload()
  const timer = setInterval(reloadBeside, RELOAD_MS)
  timer.unref()

  async function byKeyHash(hash: string): Promise<KeyedDevice | undefined> {
    if (!byHash.has(hash)) await reload()
    const device = byHash.get(hash)
    // Of one that is revoked or fenced nothing is believed.
    if (device?.next_key_sha256 === hash && !device.revoked && !device.fenced) keep(device, hash)
    return device
  }

  return {
    byKey: (key) => byKeyHash(keyHash(key).toString('hex')),
    byKeyHash,
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
