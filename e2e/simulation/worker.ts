/** One process of `simulate`: plays the worlds that it is handed, in a database of its own. */
import type { Errand, Report } from './simulate.ts'
import { openSchool } from './school.ts'
import type { School } from './school.ts'
import { playWorld } from './world.ts'

const send = (message: Report | 'idle'): void => void process.send?.(message)

let school: Promise<School> | undefined

process.on('message', ({ cluster, name, seeds, broken, trace }: Errand) => {
  void (async () => {
    school ??= openSchool(cluster, name)
    const opened = await school
    for (const seed of seeds) {
      const told = await playWorld(opened, seed, broken)
      send({ ...told, trace: trace || told.violations.length > 0 ? told.trace : undefined })
    }
    await opened.tidy()
    send('idle')
  })()
})

process.on('disconnect', () => {
  void (async () => {
    await (await school)?.close()
    process.exit(0)
  })()
})

send('idle')
