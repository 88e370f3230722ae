/**
 * A real Redis for tests and measurements: on a free port, in an empty folder of its own, as infra/redis.conf runs it: written before
 * it answers, nothing thrown away. It can be killed, frozen, started again, and find its disk full. Knows nothing of what is kept in it.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ThrowawayRedis {
  readonly url: string
  readonly port: number
  readonly runs: boolean
  /** One command in one line, such as `FLUSHALL`; the first line of its answer. Throws where Redis is away. */
  ask(command: string): Promise<string>
  /** kill -9; resolves when it is gone. The folder stays. */
  kill(): Promise<void>
  /** Again, at the same address and on the same folder; resolves when it answers. */
  restart(...args: string[]): Promise<void>
  /** It takes connections and answers nothing, until `thaw`. */
  freeze(): void
  thaw(): void
  /** Its disk takes no more, from now until it is started again: with `appendfsync always` it then ends by itself. False where this machine cannot do that (no prlimit). */
  fillDisk(): Promise<boolean>
  stop(): Promise<void>
}

/** Why tests of the queue cannot run here; undefined: they can. */
// eslint-disable-next-line node/no-process-env -- a test looks whether a program is installed
export const noRedis: string | undefined = (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, 'redis-server'))) ? undefined : 'redis-server is not installed'

const AS_IN_A_SCHOOL = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory', '256mb', '--maxmemory-policy', 'noeviction', '--loglevel', 'warning']
const PATIENCE_TURNS = 1_000
const TURN_MS = 20
const LAST_WORDS = 2_000

/** @param args more for its command line, where they beat what is said by default. Throws, with its last words, where it does not start. */
export async function startThrowawayRedis(...args: string[]): Promise<ThrowawayRedis> {
  const dir = await mkdtemp(join(tmpdir(), 'fastrackai-redis-'))
  const port = await freePort()
  let child: ChildProcess
  const endWithUs = (): void => void child.kill('SIGKILL')
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null
  await start(args)
  process.once('exit', endWithUs)

  async function start(more: string[]): Promise<void> {
    const words = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, ...AS_IN_A_SCHOOL, ...more]
    // Without the signal a write beyond the limit of fillDisk is an error to Redis, as on a full disk, and not its death.
    const started = spawn('sh', ['-c', 'trap "" XFSZ; exec redis-server "$@"', 'redis-server', ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
    child = started
    let said = ''
    for (const stream of [started.stdout, started.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-LAST_WORDS)))
    for (let turn = 0; turn < PATIENCE_TURNS && !isOver(); turn++) {
      // Until it has read its file it answers LOADING; with a password it wants one.
      if (/^(\+PONG|-NOAUTH)/.test(await ask('PING').catch(() => ''))) return
      await sleep(TURN_MS)
    }
    started.kill('SIGKILL')
    throw new Error(`redis-server did not start on port ${port}. It said:\n${said.trim() || '(nothing)'}`)
  }

  function ask(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`))
      socket.setTimeout(5_000, () => socket.destroy(new Error(`Redis did not answer ${command}`)))
      socket.once('data', (data) => {
        resolve(data.toString().split('\r\n')[0] ?? '')
        socket.destroy()
      })
      socket.once('error', reject)
      socket.once('close', () => reject(new Error(`Redis closed the connection at ${command}`)))
    })
  }

  async function kill(): Promise<void> {
    if (isOver()) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get runs() {
      return !isOver()
    },
    ask,
    kill,
    restart: async (...more) => {
      await kill()
      await start(more.length > 0 ? more : args)
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async fillDisk() {
      const folder = join(dir, 'appendonlydir')
      const sizes = await Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size))
      const limited = spawn('prlimit', ['--pid', String(child.pid), `--fsize=${Math.max(...sizes) + 100}`], { stdio: 'ignore' })
      return new Promise((resolve) => limited.once('error', () => resolve(false)).once('exit', (code) => resolve(code === 0)))
    },
    async stop() {
      await kill()
      process.off('exit', endWithUs)
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** Below the ports that a system gives to outgoing connections: what is started again must find its port free, and no other process's connection on it. */
const PORTS = { from: 15_000, to: 30_000 }
const PORT_ATTEMPTS = 100

export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
    const port = randomInt(PORTS.from, PORTS.to)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port among ${PORT_ATTEMPTS} between ${PORTS.from} and ${PORTS.to}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
