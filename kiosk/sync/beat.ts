/** How the kiosk is -> server; the server's clock and version <- back. Knows no timer and no screen. */
import { HeartbeatAnswer } from '#contract/device'
import type { Heartbeat } from '#contract/device'
import type { Pairing, SavedRoster, Store } from '../store/store.ts'
import type { SchoolClock } from './clock.ts'
import type { Host } from './host.ts'
import { request } from './request.ts'

/** @param o.status what only the screen's side knows; what lies on the disk is read there. Throws StoreFailed. */
export async function feelPulse(o: {
  store: Store
  pairing: Pairing
  appVersion: string
  clock: SchoolClock
  /** Null: none is held; undefined: the disk has not said. */
  roster: Pick<SavedRoster, 'pulledAt' | 'version'> | null | undefined
  status: Partial<Heartbeat>
}): Promise<Heartbeat> {
  const marks = await o.store.countMarks()
  const [oldest] = await o.store.unsentMarks(1)
  return {
    ...o.status,
    timestamp: new Date(o.clock.now()).toISOString(),
    clock_offset_ms: o.clock.heard() ? o.clock.offsetMs() : null,
    store: await o.store.storeState(),
    app_version: o.appVersion,
    unsent_marks: marks.unsent,
    oldest_unsent_at: oldest?.timestamp ?? null,
    refused_marks: marks.refused,
    roster_pulled_at: o.roster ? new Date(o.roster.pulledAt).toISOString() : null,
    ...versionOf(o.roster),
    storage_persisted: await o.store.persisted(),
    device_id: o.pairing.deviceId,
  }
}

/** Of a roster from before versions were told nothing can be said, and "none" would say too much. */
function versionOf(roster: Pick<SavedRoster, 'version'> | null | undefined): Pick<Heartbeat, 'roster_version'> {
  if (roster === null) return { roster_version: null }
  return roster?.version === undefined ? {} : { roster_version: roster.version }
}

/** Throws Refused or Unreachable. */
export async function beat({ key }: Pairing, body: Heartbeat, host: Host): Promise<HeartbeatAnswer> {
  const answer = await request('/api/v1/heartbeat', { method: 'POST', key, body, answer: HeartbeatAnswer, host })
  // Without an ETag there is no 304.
  return (answer as { value: HeartbeatAnswer }).value
}
