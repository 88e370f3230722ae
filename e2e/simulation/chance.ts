/** Every random choice of a world, drawn from its seed alone. Knows nothing of what is chosen. */

export interface Chance {
  /** 0 up to, not including, 1. */
  next(): number
  /** Whole, both ends included. */
  int(from: number, to: number): number
  /** True so often: 0 to 1. */
  maybe(share: number): boolean
  pick<T>(from: readonly T[]): T
  /** Each of them so often, in parts of their sum. */
  weigh<T extends string>(shares: Partial<Record<T, number>>): T
  /** A stream of its own: what one part of the world draws moves no other part's. */
  fork(name: string): Chance
}

export function chanceOf(name: string): Chance {
  const next = numbersOf(name)
  const chance: Chance = {
    next,
    int: (from, to) => from + Math.floor(next() * (to - from + 1)),
    maybe: (share) => next() < share,
    pick: (from) => {
      const picked = from[Math.floor(next() * from.length)]
      if (picked === undefined) throw new Error('nothing to pick from')
      return picked
    },
    weigh: <T extends string>(shares: Partial<Record<T, number>>): T => {
      const all = Object.entries(shares) as [T, number][]
      let left = next() * all.reduce((sum, [, share]) => sum + share, 0)
      for (const [what, share] of all) if ((left -= share) < 0) return what
      throw new Error('nothing to weigh')
    },
    fork: (more) => chanceOf(`${name}/${more}`),
  }
  return chance
}

/** sfc32 (Chris Doty-Humphrey, PractRand), begun with cyrb128 of the name. */
function numbersOf(name: string): () => number {
  let [a, b, c, d] = [1779033703, 3144134277, 1013904242, 2773480762]
  for (let i = 0; i < name.length; i++) {
    const k = name.charCodeAt(i)
    a = b ^ Math.imul(a ^ k, 597399067)
    b = c ^ Math.imul(b ^ k, 2869860233)
    c = d ^ Math.imul(c ^ k, 951274213)
    d = a ^ Math.imul(d ^ k, 2716044179)
  }
  const draw = (): number => {
    const sum = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return (sum >>> 0) / 4_294_967_296
  }
  for (let i = 0; i < 12; i++) draw()
  return draw
}
