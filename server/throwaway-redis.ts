/** A real Redis for one test file: on a free port, in a folder of its own, keeping what it acknowledges. For tests alone. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ThrowawayRedis {
  readonly url: string
  /** One command in one line, such as `FLUSHALL`; the first line of its answer. Throws where Redis is away. */
  ask(command: string): Promise<string>
  /** kill -9; the folder stays. */
  kill(): Promise<void>
  /** Again, at the same address and on the same folder. */
  restart(...args: string[]): Promise<void>
  /** It takes connections and answers nothing, until `thaw`. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

/** Why tests of the queue cannot run here; undefined: they can. */
// eslint-disable-next-line node/no-process-env -- a test looks whether a program is installed
export const noRedis: string | undefined = (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, 'redis-server'))) ? undefined : 'redis-server is not installed'

const SAFE = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction']
const PATIENCE_TURNS = 500

export async function startThrowawayRedis(...args: string[]): Promise<ThrowawayRedis> {
  const dir = await mkdtemp(join(tmpdir(), 'fastrackai-redis-'))
  const port = await freePort()
  let child: ChildProcess
  await start(args)
  const endWithUs = (): void => void child.kill('SIGKILL')
  process.once('exit', endWithUs)

  async function start(more: string[]): Promise<void> {
    child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', ...SAFE, ...more], { stdio: 'ignore' })
    for (let turn = 0; turn < PATIENCE_TURNS; turn++) {
      // Until it has read its file it answers LOADING; with a password it wants one.
      if (/^(\+PONG|-NOAUTH)/.test(await ask('PING').catch(() => ''))) return
      await sleep(20)
    }
    throw new Error('redis-server did not start')
  }

  function ask(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`))
      socket.setTimeout(5_000, () => socket.destroy(new Error('no answer')))
      socket.once('data', (data) => {
        resolve(data.toString().split('\r\n')[0] ?? '')
        socket.destroy()
      })
      socket.once('error', reject)
      socket.once('close', () => reject(new Error('the connection was closed')))
    })
  }

  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    ask,
    kill,
    restart: async (...more) => {
      await kill()
      await start(more.length > 0 ? more : args)
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async stop() {
      await kill()
      process.off('exit', endWithUs)
      await rm(dir, { recursive: true, force: true })
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}
