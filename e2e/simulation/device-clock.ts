/** The two clocks of a kiosk: the one on the wall, which can be wrong and be set, and the monotonic one, which only counts on. */

export interface DeviceClock {
  /** ms since 1970, as the device believes. */
  wall(): number
  /** ms since the page began. */
  monotonic(): number
  /** The page begins. `cold`: the device was without power. */
  start(cold: boolean): void
  setBy(ms: number): void
}

/**
 * @param o.truth ms since 1970
 * @param o.off what the wall clock is off by as the device first starts, ms
 * @param o.forgets without power it falls back to 1970
 * @param o.drift parts in a million that both run fast
 */
export function createDeviceClock({ truth, off, forgets, drift }: { truth: () => number; off: number; forgets: boolean; drift: number }): DeviceClock {
  const rate = 1 + drift / 1e6
  let began = truth()
  let set = { at: began, to: began + off }
  return {
    wall: () => Math.floor(set.to + (truth() - set.at) * rate),
    monotonic: () => (truth() - began) * rate,
    start(cold) {
      began = truth()
      if (cold && forgets) set = { at: began, to: 0 }
    },
    setBy(ms) {
      set = { at: truth(), to: Math.max(0, set.to + (truth() - set.at) * rate + ms) }
    },
  }
}
