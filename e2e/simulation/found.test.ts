/**
 * Worlds in which a promise was once broken: each by its seed, with what was wrong. A seed means its world only as long as
 * plan.ts and network.ts draw as they do; what was mended has a test of its own beside the part that was mended.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startCluster } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import { openSchool } from './school.ts'
import type { School } from './school.ts'
import { playWorld } from './world.ts'

const FOUND: [seed: number, what: string][] = [
  [1278, 'a mark made before the server was heard was sent with the time that the kiosk had guessed, 21 minutes off'],
  [1312, 'the same, where a beat that was cut and one that was torn came before'],
  [1420, 'a heartbeat that one copy of a storage had sent came after the office had said that the other is the right one'],
]

let cluster: Cluster
let school: School

beforeAll(async () => {
  cluster = await startCluster()
  school = await openSchool(cluster.url, 'simulation_found')
})

afterAll(async () => {
  await school?.close()
  await cluster?.stop()
})

describe('a world in which a promise was once broken', () => {
  it.each(FOUND)('%i: %s', async (seed) => {
    expect((await playWorld(school, seed)).violations).toEqual([])
  })
})
