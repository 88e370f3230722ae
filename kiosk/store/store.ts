/**
 * What the kiosk remembers through a power cut: its pairing, its roster and its marks, in IndexedDB.
 * Knows no server and no screen. Nobody outside this folder imports idb.
 *
 * [Note: The register is the outbox] There is one store of marks, each `unsent`, `stored` or
 * `refused`. The screen shows the marks of a lesson, sync sends those that are unsent, and there is
 * no second queue that could disagree with the first.
 *
 * [Note: A storage counts its marks] Every mark saved here gets the next number of this storage, in the same strict
 * transaction, and the heartbeat tells how many there are and how many of them the server has not named. So the server can
 * tell marks that were lost from marks that are late, a wiped storage (another store_id) from an old one, and two copies
 * of one storage apart (see contract/device.ts). A mark that the server had before storages counted has no number.
 */
import { openDB } from 'idb'
import { v4 as uuidv4 } from 'uuid'
import type { DBSchema, IDBPDatabase, IDBPTransaction, StoreNames } from 'idb'
import { beginFreshLog } from './fresh-log.ts'
import { StoreFailed, storeFailure } from './store-failed.ts'
import { hasLapsed, seal, unseal, withoutTemplates } from './roster.ts'
import type { SavedRoster, SealedRoster } from './roster.ts'
import type { MarkKey, NewMark, SavedMark, SettledMark } from './mark.ts'
import type { Doubt } from '#contract/attendance'
import type { StoreState } from '#contract/device'
import { redate } from '../attendance/redate.ts'
import type { Redated } from '../attendance/redate.ts'
import type { Moment } from '../attendance/register.ts'
import type { PinTries } from '../attendance/second-factor.ts'

export type { MarkKey, Moment, NewMark, SavedMark, SavedRoster, SettledMark }

export interface Pairing {
  deviceId: string
  roomId: string
  /** The device's bearer key. */
  key: string
  /** One that it has drawn to follow the other, and perhaps told the server of already; see sync/rotate-key.ts. */
  nextKey?: string
}

/** A pairing code that is being traded, and the key that it is traded for. */
export interface PairingTry {
  code: string
  key: string
}

/** Every method rejects with StoreFailed, and with nothing else. */
export interface Store {
  savedPairing(): Promise<Pairing | undefined>
  /** Flushed. Another device or room than before forgets the roster; another device's storage counts anew. What was kept of a trade is gone with it. */
  savePairing(pairing: Pairing): Promise<void>
  savedPairingTry(): Promise<PairingTry | undefined>
  /** Flushed; undefined forgets it. */
  savePairingTry(pairingTry: PairingTry | undefined): Promise<void>
  /** Revoked: erases the roster with its key, and the marks that the server has. Unsent and refused marks and the pairing stay. */
  forget(): Promise<void>
  /** @param now ms since 1970, corrected clock. Templates older than TEMPLATES_LAPSE_AFTER_MS are erased from the disk by this very call. */
  savedRoster(now: number): Promise<SavedRoster | undefined>
  /** Replaces the roster whole. */
  saveRoster(roster: SavedRoster): Promise<void>
  /** Resolves when the mark is on the disk, with its number; false if that student is already marked in that lesson. */
  saveMark(mark: NewMark): Promise<boolean>
  /**
   * Puts a doubt beside a saved mark, on the disk, and the mark back to unsent, so that it is sent again with it.
   * False where there is nothing new: no such mark, the same doubt, or a graver one before it.
   */
  saveDoubt(key: MarkKey, doubt: Doubt): Promise<boolean>
  /** Never moves it back. */
  moveLastSeen(key: MarkKey, at: string): Promise<void>
  marksOfLesson(heldOn: string, lessonId: string): Promise<SavedMark[]>
  /** Oldest first. */
  unsentMarks(limit: number): Promise<SavedMark[]>
  countMarks(): Promise<{ unsent: number; refused: number }>
  /** What the server said of marks. A mark that is no longer unsent, or not the same one, or doubted since it was sent, is left as it is. */
  settleMarks(settled: SettledMark[]): Promise<void>
  /** Erases stored marks of lessons before this date (yyyy-mm-dd). Unsent and refused ones never. */
  sweepMarks(storedBefore: string): Promise<void>
  /**
   * Puts the unsure marks of this life of the page right, all of them or none, and unsure no more; see redate.ts.
   * @returns how many there were
   */
  redateMarks(life: string, o: Redated): Promise<number>
  /** What this storage tells of itself, in one look. */
  storeState(): Promise<StoreState>
  /** Puts a successor of the fence on the disk, flushed, before it is presented; one that waits to be confirmed stays, and false says so. */
  drawFence(fresh: string): Promise<boolean>
  /** The server has heard of this successor: it is the fence now. */
  keepFence(next: string): Promise<void>
  /** Milliseconds to add to this device's clock; 0 if never measured. */
  savedClockOffset(): Promise<number>
  saveClockOffset(ms: number): Promise<void>
  /** The roster version that the server has told of and that the saved roster has not reached; undefined: none is known. */
  savedBehind(): Promise<string | undefined>
  /** Flushed; undefined forgets it. */
  saveBehind(version: string | undefined): Promise<void>
  /** Wrong PINs so far, by student: a reload must not give new tries. */
  savedPinTries(): Promise<PinTries>
  savePinTries(tries: PinTries): Promise<void>
  /** Whether the browser promised not to evict us; asks for it if not. */
  persisted(): Promise<boolean>
  close(): void
}

/** The storage's own count and fence, as they lie on the disk. */
interface Count {
  store_id: string
  made: number
  /** Marks that went into another of the same student and lesson as they were re-dated: the server will never be told of them. */
  merged: number
  fence: string
  next_fence: string
}

interface Schema extends DBSchema {
  device: { key: 'pairing' | 'pairing_try' | 'clock_offset' | 'pin_tries' | 'count' | 'behind'; value: string | Pairing | PairingTry | number | PinTries | Count }
  roster: { key: 'roster'; value: SealedRoster }
  marks: {
    key: [heldOn: string, lessonId: string, studentId: string]
    value: SavedMark
    indexes: { state: [state: string, heldOn: string, timestamp: string] }
  }
}

/** 2: the storage counts. */
const VERSION = 2

/** The doubt that no other takes the place of. */
const GRAVEST: Doubt = 'looks_like_a_picture'

/** How long an older version of the app in another tab may take to let go. */
const BLOCKED_MS = 10_000

type Change<Names extends StoreNames<Schema>> = IDBPTransaction<Schema, Names[], 'readwrite'>

/** `after([a, b])` is past every key that begins with a, b. */
const after = <T extends unknown[]>(...prefix: T): [...T, never[]] => [...prefix, []]

const keyOf = ({ held_on, lesson_id, student_id }: MarkKey): Schema['marks']['key'] => [held_on, lesson_id, student_id]

/** Opens the device's memory, making it where there is none. Rejects with StoreFailed. */
export async function openStore({ name = 'fastrackai' }: { name?: string } = {}): Promise<Store> {
  let opened: Promise<IDBPDatabase<Schema>> | undefined
  let superseded = false

  function connection(): Promise<IDBPDatabase<Schema>> {
    if (superseded) throw new StoreFailed('A newer version of the app is open in another tab and has taken over the storage. Reload this one.')
    opened ??= open().catch((cause: unknown) => {
      opened = undefined
      throw cause
    })
    return opened
  }

  function open(): Promise<IDBPDatabase<Schema>> {
    return new Promise((resolve, reject) => {
      let patience: ReturnType<typeof setTimeout> | undefined
      openDB<Schema>(name, VERSION, {
        async upgrade(db, before, _now, tx) {
          if (before < 1) {
            db.createObjectStore('device')
            db.createObjectStore('roster')
            db.createObjectStore('marks', { keyPath: ['held_on', 'lesson_id', 'student_id'] }).createIndex('state', ['state', 'held_on', 'timestamp'])
          }
          const { marks, count } = countAnew(await tx.objectStore('marks').index('state').getAll())
          for (const mark of marks) await tx.objectStore('marks').put(mark)
          await tx.objectStore('device').put(count, 'count')
        },
        blocked() {
          patience = setTimeout(() => {
            reject(new StoreFailed('An older version of the app is open in another tab and holds the storage. Close that tab and reload this one.'))
          }, BLOCKED_MS)
        },
        blocking(_current, next, event) {
          superseded = next !== null
          opened = undefined
          ;(event.target as IDBDatabase).close()
        },
        terminated() {
          opened = undefined
        },
      })
        .then(resolve, reject)
        .finally(() => clearTimeout(patience))
    })
  }

  async function read<T>(what: string, work: (db: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
    try {
      return await work(await connection())
    } catch (cause) {
      throw storeFailure(what, cause)
    }
  }

  /** All of `work` or nothing, and resolved only when it is. `strict`: flushed to the disk, not only handed to the system. */
  async function change<Names extends StoreNames<Schema>, T>(
    what: string,
    stores: Names[],
    durability: 'strict' | 'relaxed',
    work: (tx: Change<Names>) => Promise<T>,
  ): Promise<T> {
    return read(what, async (db) => {
      const tx = db.transaction(stores, 'readwrite', { durability })
      try {
        const [value] = await Promise.all([work(tx), tx.done])
        return value
      } catch (cause) {
        // A fault of ours between two writes must not leave the first of them.
        abort(tx)
        await tx.done.catch(() => undefined)
        throw tx.error ?? cause
      }
    })
  }

  // Sealed first: a transaction does not wait for anything but its own requests.
  async function keepRoster(roster: SavedRoster): Promise<void> {
    const what = 'The roster was not saved'
    const sealed = await seal(roster).catch((cause: unknown) => {
      throw storeFailure(what, cause)
    })
    await change(what, ['roster'], 'strict', async (tx) => {
      await tx.objectStore('roster').put(sealed, 'roster')
    })
  }

  await beginFreshLog(name)
  await read('The storage did not open', async () => undefined)

  return {
    savedPairing: () =>
      read('The pairing was not read', async (db) => {
        const saved = await db.get('device', 'pairing')
        return typeof saved === 'object' && 'deviceId' in saved ? saved : undefined
      }),

    savePairing: (pairing) =>
      change('The pairing was not saved', ['device', 'roster', 'marks'], 'strict', async (tx) => {
        const saved = await tx.objectStore('device').get('pairing')
        const before = typeof saved === 'object' && 'deviceId' in saved ? saved : undefined
        if (before?.deviceId !== pairing.deviceId || before.roomId !== pairing.roomId) await tx.objectStore('roster').clear()
        // What waits here is sent as the new device's, who has told the server nothing yet.
        if (before && before.deviceId !== pairing.deviceId) {
          const { marks, count } = countAnew(await tx.objectStore('marks').index('state').getAll())
          for (const mark of marks) await tx.objectStore('marks').put(mark)
          await tx.objectStore('device').put(count, 'count')
        }
        await tx.objectStore('device').put(pairing, 'pairing')
        await tx.objectStore('device').delete('pairing_try')
      }),

    savedPairingTry: () =>
      read('The pairing was not read', async (db) => {
        const saved = await db.get('device', 'pairing_try')
        return typeof saved === 'object' && 'code' in saved ? saved : undefined
      }),

    savePairingTry: (pairingTry) =>
      change('The pairing was not saved', ['device'], 'strict', async (tx) => {
        if (pairingTry) await tx.objectStore('device').put(pairingTry, 'pairing_try')
        else await tx.objectStore('device').delete('pairing_try')
      }),

    forget: () =>
      change('The roster was not erased', ['device', 'roster', 'marks'], 'strict', async (tx) => {
        await tx.objectStore('device').delete('pin_tries')
        await tx.objectStore('roster').clear()
        await erase(tx, IDBKeyRange.bound(['stored'], after('stored')))
      }),

    async savedRoster(now) {
      const sealed = await read('The roster was not read', (db) => db.get('roster', 'roster'))
      const roster = sealed && (await unseal(sealed))
      if (!roster || roster.lapsed || !hasLapsed(roster, now)) return roster
      const lapsed = withoutTemplates(roster)
      await keepRoster(lapsed)
      return lapsed
    },

    saveRoster: keepRoster,

    saveMark: (mark) =>
      change('The mark was not saved', ['marks', 'device'], 'strict', async (tx) => {
        const marks = tx.objectStore('marks')
        if ((await marks.getKey(keyOf(mark))) !== undefined) return false
        const count = await countOf(tx)
        await marks.add({ ...mark, sequence: count.made + 1 })
        await tx.objectStore('device').put({ ...count, made: count.made + 1 }, 'count')
        return true
      }),

    async saveDoubt(key, doubt) {
      const what = 'The doubt was not saved'
      const isNew = (saved: SavedMark | undefined): saved is SavedMark => saved !== undefined && saved.doubt !== doubt && saved.doubt !== GRAVEST
      // A doubted face is doubted in every frame: the disk is written once.
      if (!isNew(await read(what, (db) => db.get('marks', keyOf(key))))) return false
      return change(what, ['marks'], 'strict', async (tx) => {
        const marks = tx.objectStore('marks')
        const saved = await marks.get(keyOf(key))
        if (!isNew(saved)) return false
        // What the server refused for good it refuses with a doubt, too.
        await marks.put({ ...saved, doubt, state: saved.state === 'refused' ? 'refused' : 'unsent' })
        return true
      })
    },

    moveLastSeen: (key, at) =>
      change('The sighting was not saved', ['marks'], 'relaxed', async (tx) => {
        const marks = tx.objectStore('marks')
        const saved = await marks.get(keyOf(key))
        if (saved && saved.last_seen < at) await marks.put({ ...saved, last_seen: at })
      }),

    marksOfLesson: (heldOn, lessonId) =>
      read('The marks were not read', (db) => db.getAll('marks', IDBKeyRange.bound([heldOn, lessonId], after(heldOn, lessonId)))),

    unsentMarks: (limit) =>
      read('The marks were not read', (db) => db.getAllFromIndex('marks', 'state', IDBKeyRange.bound(['unsent'], after('unsent')), limit)),

    countMarks: () =>
      read('The marks were not counted', async (db) => {
        const states = db.transaction('marks').store.index('state')
        const [unsent, refused] = await Promise.all(
          ['unsent', 'refused'].map((state) => states.count(IDBKeyRange.bound([state], after(state)))),
        )
        return { unsent: unsent ?? 0, refused: refused ?? 0 }
      }),

    // Relaxed: what a power cut undoes here is unsent again, is sent again, and is a duplicate there.
    settleMarks: (settled) =>
      change('The answer to the marks was not saved', ['marks'], 'relaxed', async (tx) => {
        const marks = tx.objectStore('marks')
        for (const { mark, state, why } of settled) {
          const saved = await marks.get(keyOf(mark))
          // A doubt that came while the mark was under way has not been sent: the mark stays unsent for it.
          if (saved?.state !== 'unsent' || saved.mark_id !== mark.mark_id || saved.doubt !== mark.doubt) continue
          await marks.put({ ...saved, state, ...(why === undefined ? {} : { why }) })
        }
      }),

    sweepMarks: (storedBefore) =>
      change('The old marks were not erased', ['marks'], 'relaxed', (tx) =>
        erase(tx, IDBKeyRange.bound(['stored'], ['stored', storedBefore], false, true)),
      ),

    redateMarks: (life, o) =>
      change('The time of the marks was not put right', ['marks', 'device'], 'strict', async (tx) => {
        const marks = tx.objectStore('marks')
        const { put, remove, merged } = redate(await marks.getAll(), { life, ...o })
        for (const mark of remove) await marks.delete(keyOf(mark))
        for (const mark of put) await marks.put(mark)
        if (merged > 0) {
          const count = await countOf(tx)
          await tx.objectStore('device').put({ ...count, merged: count.merged + merged }, 'count')
        }
        return remove.length
      }),

    storeState: () =>
      read('The count of the marks was not read', async (db) => {
        const tx = db.transaction(['marks', 'device'])
        const [{ merged, ...count }, unsent] = await Promise.all([countOf(tx), tx.objectStore('marks').index('state').count(IDBKeyRange.bound(['unsent'], after('unsent')))])
        return { ...count, unsent: unsent + merged }
      }),

    drawFence: (fresh) =>
      change('The fence was not saved', ['device'], 'strict', async (tx) => {
        const count = await countOf(tx)
        if (count.fence !== count.next_fence) return false
        await tx.objectStore('device').put({ ...count, next_fence: fresh }, 'count')
        return true
      }),

    keepFence: (next) =>
      change('The fence was not saved', ['device'], 'strict', async (tx) => {
        const count = await countOf(tx)
        if (count.next_fence === next && count.fence !== next) await tx.objectStore('device').put({ ...count, fence: next }, 'count')
      }),

    savedClockOffset: () =>
      read('The clock was not read', async (db) => {
        const saved = await db.get('device', 'clock_offset')
        return typeof saved === 'number' ? saved : 0
      }),

    saveClockOffset: (ms) =>
      change('The clock was not saved', ['device'], 'relaxed', async (tx) => {
        await tx.objectStore('device').put(ms, 'clock_offset')
      }),

    savedBehind: () =>
      read('The version of the roster was not read', async (db) => {
        const saved = await db.get('device', 'behind')
        return typeof saved === 'string' ? saved : undefined
      }),

    saveBehind: (version) =>
      change('The version of the roster was not saved', ['device'], 'strict', async (tx) => {
        if (version === undefined) await tx.objectStore('device').delete('behind')
        else await tx.objectStore('device').put(version, 'behind')
      }),

    savedPinTries: () =>
      read('The wrong PINs were not read', async (db) => {
        const saved = await db.get('device', 'pin_tries')
        return saved instanceof Map ? (saved as PinTries) : new Map()
      }),

    savePinTries: (tries) =>
      change('The wrong PINs were not saved', ['device'], 'strict', async (tx) => {
        await tx.objectStore('device').put(tries, 'pin_tries')
      }),

    async persisted() {
      // An insecure context has no StorageManager, whatever its type says.
      const storage = navigator.storage as StorageManager | undefined
      if (!storage) return false
      return (await storage.persisted()) || storage.persist().catch(() => false)
    },

    close() {
      const closing = opened
      opened = undefined
      void closing?.then((db) => db.close())
    },
  }
}

/**
 * A storage's first count, and the marks with their numbers in it: those that wait. The server has the others,
 * under no number or under another device's. @param all in the order of the state index
 */
function countAnew(all: SavedMark[]): { marks: SavedMark[]; count: Count } {
  let made = 0
  const marks = all.map((mark) => {
    const { sequence: _before, ...rest } = mark
    return mark.state === 'unsent' ? { ...rest, sequence: (made += 1) } : rest
  })
  const fence = uuidv4()
  return { marks, count: { store_id: uuidv4(), made, merged: 0, fence, next_fence: fence } }
}

/** It is made with the storage. */
async function countOf(tx: { objectStore(name: 'device'): { get(key: 'count'): Promise<Schema['device']['value'] | undefined> } }): Promise<Count> {
  const count = await tx.objectStore('device').get('count')
  if (typeof count === 'object' && 'store_id' in count) return count
  throw new StoreFailed("this device's storage has lost its count. Clear the site's data and pair the device again.")
}

/** Undoes what a transaction has done, unless it has ended by itself. */
function abort(tx: { abort(): void }): void {
  try {
    tx.abort()
  } catch {
    // It had ended.
  }
}

/** Erases the marks of a range of the state index. */
async function erase<Names extends StoreNames<Schema>>(tx: Change<Names | 'marks'>, range: IDBKeyRange): Promise<void> {
  const marks = tx.objectStore('marks')
  for (const key of await marks.index('state').getAllKeys(range)) await marks.delete(key)
}
