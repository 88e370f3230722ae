/** The roster as the device keeps it: sealed, whole, and with an end to its templates. */
import { Schedule } from '#contract/schedule'

export interface SavedRoster {
  schedule: Schedule
  /** Of the answer that brought it; undefined once the templates have lapsed, so that the next pull brings them all. */
  etag: string | undefined
  /** When the server last confirmed it, ms since 1970 by the server's clock. */
  pulledAt: number
  /** Of the state of the school at which the server last confirmed it; undefined: it was not told. */
  version?: string | undefined
  /** Templates that the pull left out: another model's, or broken. */
  refusedTemplates: number
  /** True when the templates were too old and are erased; the lessons and names are still there. */
  lapsed: boolean
}

/**
 * How a roster lies on the disk. The key cannot be exported from the browser; one who holds the disk holds both.
 *
 * [Note: A sealed roster is a file] Chromium keeps what was overwritten in its log, keys in the clear among it, until it compacts,
 * perhaps never. A Blob it keeps as a file of its own, which it removes once neither the storage nor the page's memory refers to it, and at
 * its next start for certain: a key of the past has nothing left to open.
 */
export interface SealedRoster {
  key: CryptoKey
  iv: Uint8Array<ArrayBuffer>
  sealed: Blob
}

/**
 * A kiosk that has not heard from the server for so long cannot know who has withdrawn since: its
 * templates lapse. Long enough for a week's holiday with the router off.
 */
export const TEMPLATES_LAPSE_AFTER_MS = 7 * 24 * 60 * 60 * 1000

/** @param now ms since 1970, corrected clock. */
export function hasLapsed(roster: Pick<SavedRoster, 'pulledAt'>, now: number): boolean {
  return now - roster.pulledAt >= TEMPLATES_LAPSE_AFTER_MS
}

/** The same lessons and names without a single template. */
export function withoutTemplates(roster: SavedRoster): SavedRoster {
  const bare = (students: Schedule['students']) => students.map((student) => ({ ...student, templates: [] }))
  const { schedule } = roster
  return {
    ...roster,
    etag: undefined,
    lapsed: true,
    schedule: { ...schedule, rotations: [], students: bare(schedule.students), ahead: { ...schedule.ahead, students: bare(schedule.ahead.students) } },
  }
}

/** What may stay in memory from power-on to power-off: the lessons, who takes them, and the settings. No template, no rotation, and nothing that a PIN or a card is checked against. */
export function outlineOf(roster: SavedRoster): SavedRoster {
  const bare = (students: Schedule['students']) => students.map((student) => ({ ...student, templates: [], pin: null, card: null }))
  const { schedule } = roster
  return { ...roster, schedule: { ...schedule, rotations: [], students: bare(schedule.students), ahead: { ...schedule.ahead, students: bare(schedule.ahead.students) } } }
}

/** AES-GCM, 256 bits, with a fresh key and IV for every roster: with the record goes all that could open it. */
export async function seal(roster: SavedRoster): Promise<SealedRoster> {
  const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
  const iv = crypto.getRandomValues(new Uint8Array(12))
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, new TextEncoder().encode(JSON.stringify(roster)))
  return { key, iv, sealed: new Blob([sealed]) }
}

/** @returns undefined for what this app cannot read: damaged, gone, or written by a version that sealed or knew it otherwise. The next pull replaces it. */
export async function unseal({ key, iv, sealed }: SealedRoster): Promise<SavedRoster | undefined> {
  let saved: SavedRoster
  try {
    // From an app before this one it is no Blob yet.
    const bytes = await new Blob([sealed]).arrayBuffer()
    saved = JSON.parse(new TextDecoder().decode(await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, bytes))) as SavedRoster
  } catch {
    return undefined
  }
  const schedule = Schedule.safeParse(saved.schedule)
  return schedule.success ? { ...saved, etag: saved.etag, schedule: schedule.data } : undefined
}
