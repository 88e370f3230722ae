/**
 * A kiosk's storage in memory, with what a disk does: it is slow, it is full, and a power cut takes what was not flushed.
 * The same interface, and the same rules, as kiosk/store (whose own tests hold it to them in a real browser's IndexedDB).
 *
 * [Note: What a power cut takes] Changes are written in order. One that was asked to be strict is on the disk, with all
 * before it, when it resolves; the others get there some time later. So a power cut leaves all up to the last strict one, and
 * any number of those after it; of a strict one that had not resolved yet nobody knows.
 */
import type { StoreState } from '#contract/device'
import { redate } from '../../kiosk/attendance/redate.ts'
import { hasLapsed, withoutTemplates } from '../../kiosk/store/roster.ts'
import { storeFailure } from '../../kiosk/store/store-failed.ts'
import type { MarkKey, Pairing, PairingTry, SavedMark, SavedRoster, Store } from '../../kiosk/store/store.ts'
import type { Chance } from './chance.ts'
import type { Owner, VirtualTime } from './virtual-time.ts'

interface Count {
  store_id: string
  made: number
  merged: number
  fence: string
  next_fence: string
}

/** Everything on the disk; a change makes another one. */
interface Contents {
  readonly pairing: Pairing | undefined
  readonly pairingTry?: PairingTry | undefined
  readonly offset: number
  readonly tries: Awaited<ReturnType<Store['savedPinTries']>>
  /** The roster version that the roster has not reached. */
  readonly behind: string | undefined
  readonly roster: SavedRoster | undefined
  readonly marks: ReadonlyMap<string, SavedMark>
  readonly count: Count
}

export interface Disk {
  /** As one life of the kiosk opens it. */
  open(life: Owner): Store
  /** The power goes: what was not flushed may be gone. */
  cutPower(): void
  /** Everything is gone, as when a browser evicts a site or somebody puts in another card. */
  wipe(): void
  /** Another card with the same contents. */
  copy(name: string): Disk
  /** Writes fail for want of room. */
  full: boolean
  slow: boolean
  readonly marks: SavedMark[]
  readonly roster: SavedRoster | undefined
  readonly state: StoreState
}

export interface DiskOptions {
  time: VirtualTime
  chance: Chance
  uuid: () => string
  tell: (line: string) => void
  /** The disk does not flush what it was asked to: a fault to be found. */
  relaxed?: boolean
}

const keyOf = ({ held_on, lesson_id, student_id }: MarkKey): string => `${held_on} ${lesson_id} ${student_id}`

/** As the index of states sorts: by date, then time; then by key. */
function inOrder(a: SavedMark, b: SavedMark): number {
  const [one, other] = [`${a.held_on} ${a.timestamp} ${keyOf(a)}`, `${b.held_on} ${b.timestamp} ${keyOf(b)}`]
  return one < other ? -1 : one > other ? 1 : 0
}

export function createDisk(o: DiskOptions, begun?: Contents): Disk {
  const { time, chance, uuid, tell } = o

  function empty(): Contents {
    const fence = uuid()
    return { pairing: undefined, offset: 0, tries: new Map(), behind: undefined, roster: undefined, marks: new Map(), count: { store_id: uuid(), made: 0, merged: 0, fence, next_fence: fence } }
  }

  /** What is on the disk for sure, and after it what was written since, in order. The last one is what is read. */
  let written: Contents[] = [begun ?? empty()]
  /** Strict changes under way: nobody knows yet whether they are on the disk. */
  let latest = (): Contents => written.at(-1) as Contents
  let busyUntil = 0
  let slow = false

  function latency(): number {
    if (slow) return chance.maybe(0.3) ? chance.int(100, 4_000) : chance.int(5, 100)
    return chance.maybe(0.6) ? 0 : chance.int(1, 12)
  }

  const disk: Disk = {
    full: false,
    get slow() {
      return slow
    },
    set slow(now: boolean) {
      slow = now
    },
    get marks() {
      return [...latest().marks.values()]
    },
    get roster() {
      return latest().roster
    },
    get state() {
      return stateOf(latest())
    },
    cutPower() {
      const kept = chance.int(0, written.length - 1)
      tell(`of ${written.length - 1} changes that were not flushed ${kept} are kept`)
      written = [written[kept] as Contents]
      busyUntil = 0
    },
    wipe() {
      written = [empty()]
      busyUntil = 0
    },
    copy: () => createDisk(o, latest()),
    open: (life) => storeOf(life),
  }

  function storeOf(life: Owner): Store {
    /** One after the other, as transactions on the same stores are. A life that has ended hears nothing any more. */
    async function turn(): Promise<void> {
      const wait = Math.max(time.now + latency(), busyUntil) - time.now
      busyUntil = time.now + wait
      if (wait > 0) await time.sleep(wait, life)
    }

    async function read<T>(work: (contents: Contents) => T): Promise<T> {
      await turn()
      return work(latest())
    }

    /** `work` says what is put in the place of what; undefined: nothing. */
    async function change<T>(what: string, durability: 'strict' | 'relaxed', work: (contents: Contents) => { put?: Partial<Contents>; said: T }): Promise<T> {
      await turn()
      const { put, said } = work(latest())
      if (!put) return said
      if (disk.full) {
        tell(`${what}: the disk is full`)
        throw storeFailure(what, Object.assign(new Error('full'), { name: 'QuotaExceededError' }))
      }
      const changed = { ...latest(), ...put }
      if (durability === 'relaxed' || o.relaxed) {
        written.push(changed)
        return said
      }
      // The flush takes its time, and the power may go in the middle of it: then it is among what was not flushed.
      written.push(changed)
      const flush = latency()
      if (flush > 0) {
        busyUntil = Math.max(busyUntil, time.now + flush)
        await time.sleep(flush, life)
      }
      const place = written.indexOf(changed)
      if (place > 0) written = written.slice(place)
      return said
    }

    const withMarks = (contents: Contents, edit: (marks: Map<string, SavedMark>) => void): { marks: ReadonlyMap<string, SavedMark> } => {
      const marks = new Map(contents.marks)
      edit(marks)
      return { marks }
    }

    const keepRoster = (roster: SavedRoster): Promise<void> => change('The roster was not saved', 'strict', () => ({ put: { roster }, said: undefined }))

    return {
      savedPairing: () => read(({ pairing }) => pairing),
      savePairing: (pairing) => change('The pairing was not saved', 'strict', () => ({ put: { pairing, pairingTry: undefined }, said: undefined })),
      savedPairingTry: () => read(({ pairingTry }) => pairingTry),
      savePairingTry: (pairingTry) => change('The pairing was not saved', 'strict', () => ({ put: { pairingTry }, said: undefined })),
      forget: () =>
        change('The roster was not erased', 'strict', (contents) => ({
          put: { roster: undefined, tries: new Map(), marks: new Map([...contents.marks].filter(([, mark]) => mark.state !== 'stored')) },
          said: undefined,
        })),
      async savedRoster(now) {
        const roster = await read((contents) => contents.roster)
        if (!roster || roster.lapsed || !hasLapsed(roster, now)) return roster
        const lapsed = withoutTemplates(roster)
        await keepRoster(lapsed)
        return lapsed
      },
      saveRoster: keepRoster,
      saveMark: (mark) =>
        change('The mark was not saved', 'strict', (contents) => {
          if (contents.marks.has(keyOf(mark))) return { said: false }
          const made = contents.count.made + 1
          return { put: { ...withMarks(contents, (marks) => marks.set(keyOf(mark), { ...mark, sequence: made })), count: { ...contents.count, made } }, said: true }
        }),
      saveDoubt: (key, doubt) =>
        change('The doubt was not saved', 'strict', (contents) => {
          const saved = contents.marks.get(keyOf(key))
          if (!saved || saved.doubt === doubt || saved.doubt === 'looks_like_a_picture') return { said: false }
          const doubted: SavedMark = { ...saved, doubt, state: saved.state === 'refused' ? 'refused' : 'unsent' }
          return { put: withMarks(contents, (marks) => marks.set(keyOf(key), doubted)), said: true }
        }),
      moveLastSeen: (key, at) =>
        change('The sighting was not saved', 'relaxed', (contents) => {
          const saved = contents.marks.get(keyOf(key))
          if (!saved || saved.last_seen >= at) return { said: undefined }
          return { put: withMarks(contents, (marks) => marks.set(keyOf(key), { ...saved, last_seen: at })), said: undefined }
        }),
      marksOfLesson: (heldOn, lessonId) => read(({ marks }) => [...marks.values()].filter((mark) => mark.held_on === heldOn && mark.lesson_id === lessonId)),
      unsentMarks: (limit) => read(({ marks }) => [...marks.values()].filter(({ state }) => state === 'unsent').sort(inOrder).slice(0, limit)),
      countMarks: () => read(({ marks }) => ({ unsent: [...marks.values()].filter(({ state }) => state === 'unsent').length, refused: [...marks.values()].filter(({ state }) => state === 'refused').length })),
      settleMarks: (settled) =>
        change('The answer to the marks was not saved', 'relaxed', (contents) => ({
          put: withMarks(contents, (marks) => {
            for (const { mark, state, why } of settled) {
              const saved = marks.get(keyOf(mark))
              if (saved?.state !== 'unsent' || saved.mark_id !== mark.mark_id || saved.doubt !== mark.doubt) continue
              marks.set(keyOf(mark), { ...saved, state, ...(why === undefined ? {} : { why }) })
            }
          }),
          said: undefined,
        })),
      sweepMarks: (storedBefore) =>
        change('The old marks were not erased', 'relaxed', (contents) => {
          const old = [...contents.marks].filter(([, mark]) => mark.state === 'stored' && mark.held_on < storedBefore)
          return old.length === 0 ? { said: undefined } : { put: withMarks(contents, (marks) => old.forEach(([key]) => marks.delete(key))), said: undefined }
        }),
      redateMarks: (id, by) =>
        change('The time of the marks was not put right', 'strict', (contents) => {
          const all = [...contents.marks.values()]
          const unsure = all.filter((mark) => mark.state === 'unsent' && mark.unsure?.life === id)
          if (unsure.length === 0) return { said: 0 }
          if (!by) return { put: withMarks(contents, (marks) => unsure.map(withoutDoubtOfTime).forEach((mark) => marks.set(keyOf(mark), mark))), said: unsure.length }
          const { put, remove, merged } = redate(all, { life: id, ...by })
          const moved = withMarks(contents, (marks) => {
            for (const mark of remove) marks.delete(keyOf(mark))
            for (const mark of put) marks.set(keyOf(mark), mark)
          })
          return { put: { ...moved, count: { ...contents.count, merged: contents.count.merged + merged } }, said: unsure.length }
        }),
      storeState: () => read(stateOf),
      drawFence: (fresh) =>
        change('The fence was not saved', 'strict', ({ count }) => (count.fence === count.next_fence ? { put: { count: { ...count, next_fence: fresh } }, said: true } : { said: false })),
      keepFence: (next) =>
        change('The fence was not saved', 'strict', ({ count }) =>
          count.next_fence === next && count.fence !== next ? { put: { count: { ...count, fence: next } }, said: undefined } : { said: undefined },
        ),
      savedClockOffset: () => read(({ offset }) => offset),
      saveClockOffset: (offset) => change('The clock was not saved', 'relaxed', () => ({ put: { offset }, said: undefined })),
      savedPinTries: () => read(({ tries }) => tries),
      savePinTries: (tries) => change('The wrong PINs were not saved', 'strict', () => ({ put: { tries }, said: undefined })),
      savedBehind: () => read(({ behind }) => behind),
      saveBehind: (behind) => change('The version of the roster was not saved', 'strict', () => ({ put: { behind }, said: undefined })),
      persisted: () => read(() => true),
      close() {},
    }
  }

  return disk
}

function withoutDoubtOfTime(mark: SavedMark): SavedMark {
  const known = { ...mark }
  delete known.unsure
  return known
}

function stateOf({ marks, count: { merged, ...count } }: Contents): StoreState {
  return { ...count, unsent: [...marks.values()].filter(({ state }) => state === 'unsent').length + merged }
}
