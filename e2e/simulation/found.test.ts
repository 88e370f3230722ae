/**
 * Worlds in which a promise was once broken, or seemed to be: each by its seed, with what happens in it. A seed means its world only as
 * long as plan.ts and network.ts draw as they do; what was mended has a test of its own beside the part that was mended.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startCluster } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import { openSchool } from './school.ts'
import type { School } from './school.ts'
import { playWorld } from './world.ts'

const FOUND: [seed: number, what: string][] = [
  [58, 'a mark made before the server was heard was sent with the time that the kiosk had guessed'],
  [7397, 'a mark that was re-dated met the mark of another kiosk in the same room'],
  [4288, 'a wiped kiosk marked again who had been marked before the wipe'],
  [9319, 'a slow disk kept a student waiting past the end of the lesson'],
  [11325, 'a kiosk doubted a mark that another one had made, and was wiped before it could say so'],
  [13344, 'a copy of a storage was first to send a mark whose time its maker had only guessed'],
  [11583, 'somebody appeared after a power cut, before the page had read its slow disk'],
  [29478, 'the first beat of a storage that was wiped came after the first one of the storage that took its place'],
  [36903, 'the first beat of a storage waited in the server until the one that took its place had beaten'],
  [13693, 'the last beat of a storage that was wiped came after the first one of the storage that took its place'],
  [14418, 'an alarm that a late beat had put on the wrong storage kept the number of its marks when it was put right'],
  [51405, 'the same the other way about: a mark was lost with the storage, and the alarm said none'],
  [98248, 'the same of two marks that were lost'],
  [98789, 'the same of a kiosk that had marked nobody before it was wiped'],
  [54838, 'a kiosk that came back after a week was first heard when the lesson was over, and put its mark into the next one'],
  [65653, 'a watchdog started a kiosk with a full disk again and again, while its power was cut'],
  [34379, 'a doubted mark was put right and went into the one of the lesson before, and its doubt with it'],
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

describe('every promise is kept in a world in which one was once broken', () => {
  it.each(FOUND)('%i: %s', async (seed) => {
    expect((await playWorld(school, seed)).violations).toEqual([])
  })
})
