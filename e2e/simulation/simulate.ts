/**
 * `npm run simulate -- --seeds N`: plays that many worlds, each from its seed, and holds the promises of the design against
 * what each leaves behind. Exit code 1 where one is broken; with --break 1 where it was not found.
 */
import { execFile, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { BREAKS } from './breaks.ts'
import type { Break } from './breaks.ts'
import { startCluster } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import type { Told } from './world.ts'

const HELP = `npm run simulate -- --seeds N [--from SEED] [--jobs J] [--json] [--trace] [--break FAULT]

Plays N worlds, from seed SEED (1) on: kiosks with the real sync code and the real API handler on a real PostgreSQL, with a
simulated network, clocks and disks in virtual time. The same seed gives the same world, to the letter of its trace.

  --seeds N      how many worlds (100)
  --from SEED    the first one's seed (1)
  --jobs J       processes (${availableParallelism()} here, one for each core)
  --trace        print what happened in each world
  --json         print {"seeds", "from", "violations", "failed", "seconds", "ms_a_seed", "requests", "marks", "events", "hash", "commit", "break"}
  --break FAULT  put this fault in, and say after how many seeds it was found:
${Object.entries(BREAKS)
  .map(([name, what]) => `                   ${name.padEnd(22)} ${what}`)
  .join('\n')}`

interface Asked {
  seeds: number
  from: number
  jobs: number
  json: boolean
  trace: boolean
  broken: Break | undefined
}

function asked(): Asked | string {
  let values
  try {
    ;({ values } = parseArgs({
      options: {
        seeds: { type: 'string', default: '100' },
        from: { type: 'string', default: '1' },
        jobs: { type: 'string', default: String(availableParallelism()) },
        json: { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
        break: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }))
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n\n${HELP}`
  }
  if (values.help) return HELP
  const [seeds, from, jobs] = [values.seeds, values.from, values.jobs].map((text) => (/^\d{1,9}$/.test(text) ? Number(text) : 0)) as [number, number, number]
  if (seeds < 1) return '--seeds must be a whole number from 1'
  if (from < 1) return '--from must be a whole number from 1'
  if (jobs < 1 || jobs > 64) return '--jobs must be a whole number from 1 to 64'
  const broken = values.break
  if (broken !== undefined && !(broken in BREAKS)) return `--break must be one of ${Object.keys(BREAKS).join(', ')}`
  return { seeds, from, jobs, json: values.json, trace: values.trace, broken: broken as Break | undefined }
}

/** What a worker sends of one world: its trace where something is broken in it, or where it was asked for. */
export type Report = Omit<Told, 'trace'> & { trace: string[] | undefined }

/** What a worker is asked to do. */
export interface Errand {
  cluster: string
  /** Of this worker's own database. */
  name: string
  seeds: number[]
  broken: Break | undefined
  trace: boolean
}

/** Seeds that a worker is handed at once: few enough that none waits long for the last one. */
const ERRAND_SEEDS = 50

interface Sum {
  played: number
  failed: Report[]
  requests: number
  marks: number
  events: number
  /** In the order of the seeds. */
  hashes: Map<number, string>
}

async function playAll({ seeds, from, jobs, trace, broken }: Asked, cluster: Cluster, onReport: (report: Report, sum: Sum) => void): Promise<Sum> {
  const sum: Sum = { played: 0, failed: [], requests: 0, marks: 0, events: 0, hashes: new Map() }
  let next = from
  let enough = false
  const take = (): number[] => {
    const some: number[] = []
    while (!enough && some.length < Math.min(broken ? 5 : ERRAND_SEEDS, Math.ceil(seeds / jobs)) && next < from + seeds) some.push(next++)
    return some
  }
  // All have ended before a fault of one of them is told: the others still need PostgreSQL.
  const ended = await Promise.allSettled(
    Array.from({ length: Math.min(jobs, seeds) }, (_, place) =>
      new Promise<void>((resolve, reject) => {
        // Ended early (Ctrl-C, a time limit), the workers end first and PostgreSQL is stopped in order.
        const worker = fork(join(import.meta.dirname, 'worker.ts'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => worker.kill())
        let done = false
        const hand = (): void => {
          const some = take()
          done = some.length === 0
          if (done) worker.disconnect()
          else worker.send({ cluster: cluster.url, name: `simulation_${place}`, seeds: some, broken, trace } satisfies Errand)
        }
        worker.on('message', (message: Report | 'idle') => {
          if (message === 'idle') return hand()
          sum.played += 1
          sum.requests += message.requests
          sum.marks += message.marks
          sum.events += message.events
          sum.hashes.set(message.seed, message.hash)
          if (message.violations.length > 0) {
            sum.failed.push(message)
            // One world in which the fault is found says that it is found.
            if (broken !== undefined) enough = true
          }
          onReport(message, sum)
        })
        worker.once('error', reject)
        worker.once('exit', (code) => {
          if (done && code === 0) return resolve()
          enough = true
          reject(new Error(`a worker ended before its worlds did (code ${code})`))
        })
      }),
    ),
  )
  for (const each of ended) if (each.status === 'rejected') throw each.reason
  return sum
}

async function commitOf(): Promise<string> {
  const git = (...words: string[]) => promisify(execFile)('git', words, { cwd: import.meta.dirname }).then(({ stdout }) => stdout.trim(), () => '')
  const commit = await git('rev-parse', '--short=12', 'HEAD')
  return commit === '' ? 'unknown' : (await git('status', '--porcelain')) === '' ? commit : `${commit} with changes`
}

function replayOf(seed: number, broken: Break | undefined): string {
  return `npm run simulate -- --seeds 1 --from ${seed} --trace${broken ? ` --break ${broken}` : ''}`
}

async function main(): Promise<number> {
  const wish = asked()
  if (typeof wish === 'string') {
    process.stdout.write(`${wish}\n`)
    return wish === HELP ? 0 : 2
  }
  const { seeds, from, json, trace, broken } = wish
  const say = (line: string): void => void (json ? process.stderr : process.stdout).write(`${line}\n`)
  const commit = await commitOf()
  const cluster = await startCluster()
  const began = performance.now()
  const seconds = (): number => (performance.now() - began) / 1000
  let saidAt = 0
  try {
    const sum = await playAll(wish, cluster, (report, so) => {
      if (trace) for (const line of report.trace ?? []) say(line)
      if (report.violations.length > 0 && so.failed.length <= 5) {
        say(`\nseed ${report.seed} (commit ${commit}):`)
        for (const { promise, what } of report.violations) say(`  BROKEN: ${promise}\n          ${what}`)
        if (!trace && broken === undefined) for (const line of report.trace ?? []) say(`    ${line}`)
        say(`  again: ${replayOf(report.seed, broken)}`)
      }
      if (seconds() - saidAt >= 30) {
        saidAt = seconds()
        say(`${so.played} of ${seeds} worlds in ${Math.round(saidAt)} s, ${so.failed.length} with a broken promise`)
      }
    })
    const hash = createHash('sha256').update([...sum.hashes].sort(([a], [b]) => a - b).map(([, each]) => each).join()).digest('hex').slice(0, 16)
    const took = Number(seconds().toFixed(1))
    const first = sum.failed.reduce<number | undefined>((least, { seed }) => Math.min(least ?? seed, seed), undefined)
    if (json) {
      const { requests, marks, events, played } = sum
      process.stdout.write(`${JSON.stringify({
        seeds: played, from, violations: sum.failed.reduce((n, { violations }) => n + violations.length, 0), failed: sum.failed.map(({ seed }) => seed),
        seconds: took, ms_a_seed: Number(((took * 1000) / Math.max(1, played)).toFixed(2)), requests, marks, events, hash, commit, break: broken ?? null,
        ...(broken ? { found_after: first === undefined ? null : first - from + 1 } : {}),
      })}\n`)
    }
    say(`${sum.played} worlds (seeds ${from} to ${from + sum.played - 1}) in ${took} s: ${sum.marks} marks, ${sum.requests} requests, ${sum.events} events; traces ${hash}; commit ${commit}`)
    if (broken) say(first === undefined ? `"${broken}" was not found in ${sum.played} worlds` : `"${broken}" was found in world ${first - from + 1} (seed ${first}): ${[...new Set(sum.failed.flatMap(({ violations }) => violations.map(({ promise }) => promise)))].join('; ')}`)
    else say(sum.failed.length === 0 ? 'no promise was broken' : `${sum.failed.length} worlds with a broken promise: ${sum.failed.map(({ seed }) => seed).sort((a, b) => a - b).slice(0, 20).join(', ')}`)
    return (broken === undefined) === (sum.failed.length === 0) ? 0 : 1
  } finally {
    await cluster.stop()
  }
}

process.exitCode = await main()
