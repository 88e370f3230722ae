/**
 * Which roster each room was last found to have, so that a poll that asks "still the same?" costs one small query and not
 * the roster. Knows no request and keeps no name and no face: a tag for each room, and until when it holds.
 */
import { createHash } from 'node:crypto'
import { roomOutline, rosterKey } from '../db/roster.ts'
import type { RoomOutline } from '../db/roster.ts'
import type { Database } from '../db/connect.ts'

export interface RoomTag {
  tag: string
  /** Of the state of the school that it was found, or found to hold still, in. */
  version: string
}

export interface RoomTags {
  /** The tag of what the room's kiosk may know now, if that is known without asking for it; undefined: take the outline. */
  known(roomId: string, at: Date): Promise<RoomTag | undefined>
  /** Undefined: no such room. */
  take(roomId: string, at: Date): Promise<(RoomTag & { outline: RoomOutline }) | undefined>
}

interface Remembered {
  key: string
  tag: string
  /** ms since 1970: it holds from `from` up to, not including, `to`, as long as `key` does. */
  from: number
  to: number
}

/** @param settings all that an answer says beside the roster: another text makes other tags. */
export function openRoomTags(db: Database, settings: string): RoomTags {
  const rooms = new Map<string, Remembered>()
  return {
    async known(roomId, at) {
      const room = rooms.get(roomId)
      if (!room || at.getTime() < room.from || at.getTime() >= room.to) return undefined
      return (await rosterKey(db)) === room.key ? { tag: room.tag, version: versionOf(room.key) } : undefined
    },
    async take(roomId, at) {
      const outline = await roomOutline(db, roomId, at)
      if (!outline) {
        rooms.delete(roomId)
        return undefined
      }
      const tag = `"${createHash('sha256').update(settings).update('\0').update(outline.text).digest('base64url').slice(0, 32)}"`
      rooms.set(roomId, { key: outline.key, tag, from: at.getTime(), to: outline.changesAt })
      return { tag, version: versionOf(outline.key), outline }
    },
  }
}

/** See rosterKey: the version comes first. */
const versionOf = (key: string): string => key.slice(0, key.indexOf(' '))
