/**
 * What time it is at the school, on a device whose own clock may be wrong, and may be set at any moment. Knows no
 * server and no timer: it is told what the server said, and reads two clocks that it is handed.
 *
 * [Note: The school's time] Of the device's two clocks the wall clock can be set (by NTP, by a person, to 1970 by a dead
 * battery), the monotonic one only counts on, and starts anew with the page. Once the server has been heard, the
 * time is the server's then, and what the monotonic clock has counted since: setting the device's clock in mid-lesson
 * changes nothing. Before that it is the wall clock with the offset of the last life, which is a guess, and marks are made
 * `unsure`. They are unsure too from the moment the two clocks part by more than PARTED_MS until the server is heard
 * again: a device that slept has a monotonic clock that stood still, and looks just like one whose wall clock was set.
 */
import type { Moment } from '../store/store.ts'
import { TIMEOUT_MS } from './request.ts'

export interface SchoolClock {
  /** Another one in each life of the page. */
  readonly life: string
  /** Milliseconds since 1970, the school's time as well as it is known. */
  now(): number
  /** Now, with what a mark must say of it. */
  moment(): Moment
  /** Milliseconds since the page began, whatever happens to the device's clock. What waits is counted on this. */
  monotonic(): number
  /** The school's time when `monotonic` stood so, as it is known now. */
  at(monotonic: number): number
  /** Milliseconds between this device's clock and the school's, now. */
  offsetMs(): number
  /** Whether the server has been heard in this life. */
  heard(): boolean
  /** Whether `now` is the server's word and not a guess: heard, and the two clocks have not parted since. */
  sure(): boolean
  /**
   * The server read its clock somewhere between our asking and its answer's arrival (both monotonic); the middle is wrong by half the
   * round trip at most (Cristian's algorithm). Of the last few answers the most exact is kept, aged by what clocks drift.
   * @param serverNow ms since 1970
   */
  told(askedAt: number, answeredAt: number, serverNow: number): void
}

interface Sample {
  /** Monotonic; the middle of the round trip. */
  at: number
  school: number
  /** Half the round trip. */
  within: number
}

/** What an undisciplined quartz drifts at most, and ten times what a Pi's does: parts of one. */
const DRIFT = 2e-4
/** The server tells whole milliseconds, and so do browsers, nearly. */
const GRAIN_MS = 2
const KEPT_SAMPLES = 8
/** NTP slews by less than this between two answers; more was a step, or a sleep. */
const PARTED_MS = 2_000

/** @param o.wall this device's own clock, ms since 1970. @param o.monotonic performance.now, or the like. @param o.savedOffsetMs ms between the two clocks as measured in an earlier life; 0 if never. @param o.life names this life of the page. */
export function createSchoolClock(o: { wall: () => number; monotonic: () => number; savedOffsetMs: number; life: string }): SchoolClock {
  const { wall, monotonic, savedOffsetMs, life } = o
  let samples: Sample[] = []
  let best: Sample | undefined
  /** Wall minus monotonic as the server was last heard. */
  let between = 0

  const doubt = ({ at, within }: Sample, now: number): number => within + GRAIN_MS + Math.abs(now - at) * DRIFT

  const at = (then: number): number => Math.round(best ? best.school + (then - best.at) : wall() + savedOffsetMs + (then - monotonic()))
  const sure = (): boolean => best !== undefined && Math.abs(wall() - monotonic() - between) <= PARTED_MS

  return {
    life,
    now: () => at(monotonic()),
    moment() {
      const then = monotonic()
      const now = at(then)
      return { at: now, clockOffsetMs: now - Math.round(wall()), ...(sure() ? {} : { unsure: { life, monotonic: then } }) }
    },
    monotonic,
    at,
    offsetMs: () => at(monotonic()) - Math.round(wall()),
    heard: () => best !== undefined,
    sure,
    told(askedAt, answeredAt, serverNow) {
      const roundTrip = answeredAt - askedAt
      if (roundTrip < 0 || roundTrip > TIMEOUT_MS || !Number.isFinite(serverNow)) return
      const sample: Sample = { at: askedAt + roundTrip / 2, school: serverNow, within: roundTrip / 2 }
      between = wall() - monotonic()
      // What contradicts the newest was true once: since then the server's clock was set, or this device slept.
      samples = samples.filter((each) => Math.abs(each.school + (sample.at - each.at) - sample.school) <= doubt(each, sample.at) + doubt(sample, sample.at))
      samples = [...samples, sample].slice(-KEPT_SAMPLES)
      best = samples.reduce((one, other) => (doubt(one, answeredAt) < doubt(other, answeredAt) ? one : other))
    },
  }
}
