/** The promises of the design in simulated worlds: some hundred of them here, as many as you like with `npm run simulate`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BREAKS } from './breaks.ts'
import type { Break } from './breaks.ts'
import { startCluster } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import { openSchool } from './school.ts'
import type { School } from './school.ts'
import { playWorld } from './world.ts'

let cluster: Cluster
let school: School

beforeAll(async () => {
  cluster = await startCluster()
  school = await openSchool(cluster.url, 'simulation_test')
})

afterAll(async () => {
  await school?.close()
  await cluster?.stop()
})

const FIRST_SEED = 1
const WORLDS = 200
/** Each fault shows itself in one of so many worlds. */
const WORLDS_TO_FIND = 150

describe('in worlds with every fault that we thought of', () => {
  it('every promise is kept', async () => {
    const broken: string[] = []
    for (let seed = FIRST_SEED; seed < FIRST_SEED + WORLDS; seed++) {
      const { violations } = await playWorld(school, seed)
      for (const { promise, what } of violations) broken.push(`seed ${seed}: ${promise}: ${what}`)
      if (seed % 50 === 0) await school.tidy()
    }
    expect(broken).toEqual([])
  }, 600_000)

  it('the same seed gives the same world, whatever was played before it', async () => {
    const seeds = [3, 17, 42, 71, 101]
    const first = new Map<number, string>()
    for (const seed of seeds) first.set(seed, (await playWorld(school, seed)).trace.join('\n'))
    for (const seed of seeds.toReversed()) expect((await playWorld(school, seed)).trace.join('\n')).toBe(first.get(seed))
  })

  it('two seeds give two worlds', async () => {
    expect((await playWorld(school, 3)).hash).not.toBe((await playWorld(school, 4)).hash)
  })
})

describe('a promise that is broken on purpose is found', () => {
  it.each(Object.entries(BREAKS))('%s: %s', async (name) => {
    let found: string[] = []
    for (let seed = FIRST_SEED; seed < FIRST_SEED + WORLDS_TO_FIND && found.length === 0; seed++) {
      found = (await playWorld(school, seed, name as Break)).violations.map(({ promise }) => promise)
    }
    expect(found).not.toEqual([])
  }, 300_000)
})
