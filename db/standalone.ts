/**
 * `npm run database`: the embedded PostgreSQL alone, for several servers on one machine. Its address is for
 * their DATABASE_URL; on loopback, with a password made for this folder.
 */
import { parseArgs } from 'node:util'
import { resolve } from 'node:path'
import { DataFolderRefused, startEmbedded } from './embedded.ts'
import type { Embedded } from './embedded.ts'

const USAGE = `npm run database [-- --data DIR]

  Starts PostgreSQL in DIR (default ./data), prints its address and runs until Ctrl-C.
  Then, each in a terminal of its own: DATABASE_URL=<address> API_KEY=<32 characters or more> SCHOOL_KEY=<43 characters> npm run serve`

const say = (line: string): void => void process.stdout.write(`${line}\n`)

let stopping = false
const starting = start()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop())
starting.catch((error: unknown) => {
  if (!(error instanceof DataFolderRefused) && !(error instanceof TypeError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})

async function start(): Promise<Embedded> {
  const { values } = parseArgs({ options: { data: { type: 'string', default: './data' }, help: { type: 'boolean', short: 'h' } } })
  if (values.help) {
    say(USAGE)
    process.exit(0)
  }
  const dataDir = resolve(values.data)
  const embedded = await startEmbedded({
    dataDir,
    log: say,
    onExit: (line) => {
      process.stderr.write(`${line}\n`)
      process.exit(1)
    },
  })
  if (!stopping) say(`PostgreSQL is ready. Its address, also kept in ${dataDir}/database-url:\n\n  ${embedded.url}\n\nCtrl-C stops it.`)
  return embedded
}

/** One Ctrl-C may reach us twice; what a start is in the middle of making must be there before it can be stopped. */
async function stop(): Promise<void> {
  if (stopping) return
  stopping = true
  await starting.then((embedded) => embedded.stop()).then(() => say('Stopped.'))
  process.exit(0)
}
