/** Chance that a seed repeats. */
export interface Chance {
  /** 0 inclusive to 1 exclusive. */
  next(): number
  below(count: number): number
  pick<T>(from: readonly T[]): T
  /** True in so many of 1. */
  happens(share: number): boolean
}

/** Mulberry32: enough for choosing. */
export function openChance(seed: number): Chance {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (count: number): number => Math.floor(next() * count)
  return {
    next,
    below,
    pick<T>(from: readonly T[]): T {
      const one = from[below(from.length)]
      if (one === undefined && from.length === 0) throw new Error('nothing to choose from')
      return one as T
    },
    happens: (share) => next() < share,
  }
}
