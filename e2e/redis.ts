/** A real Redis of our own, on a free port and an empty folder, as infra/redis.conf runs it: written before it answers, nothing thrown away. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Redis {
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly runs: boolean
  /** One inline command such as `FLUSHALL`; @returns the first line of its answer. Throws when Redis is not there. */
  ask(command: string): Promise<string>
  /** Its disk takes no more, from now until it is started again: with `appendfsync always` it then ends by itself. False where this machine cannot do that (no prlimit). */
  fillDisk(): Promise<boolean>
  /** kill -9; resolves when it is gone. The folder stays. */
  kill9(): Promise<void>
  /** Starts it again on the same port and folder; resolves when it answers. */
  start(): Promise<void>
  stop(): Promise<void>
}

const START_PATIENCE_MS = 20_000

/** Throws where redis-server is not installed. */
export async function startRedis(o: { port?: number; args?: string[] } = {}): Promise<Redis> {
  const dir = await mkdtemp(join(tmpdir(), 'fastrackai-redis-'))
  const port = o.port ?? (await freePort())
  let child: ChildProcess | undefined
  const endWithUs = (): void => void child?.kill('SIGKILL')
  process.once('exit', endWithUs)

  async function start(): Promise<void> {
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--maxmemory', '256mb', '--maxmemory-policy', 'noeviction', '--loglevel', 'warning', ...(o.args ?? [])]
    // Without the signal a write beyond the limit of fillDisk is an error to Redis, as on a full disk, and not its death.
    const started = spawn('sh', ['-c', 'trap "" XFSZ; exec redis-server "$@"', 'redis-server', ...args], { stdio: ['ignore', 'ignore', 'ignore'] })
    child = started
    const failed = new Promise<never>((_resolve, reject) => started.once('error', reject))
    failed.catch(() => {})
    for (const deadline = Date.now() + START_PATIENCE_MS; ; await Promise.race([sleep(20), failed])) {
      // Until it has read its file it answers LOADING.
      if ((await ask('PING').catch(() => '')) === '+PONG') return
      if (started.exitCode !== null || started.signalCode !== null || Date.now() > deadline) throw new Error(`redis-server did not start on port ${port}`)
    }
  }

  function ask(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`))
      socket.setTimeout(5_000, () => socket.destroy(new Error(`Redis did not answer ${command}`)))
      socket.setEncoding('utf8').once('data', (text: string) => {
        resolve(text.split('\r\n')[0] ?? '')
        socket.destroy()
      })
      socket.once('error', reject)
      socket.once('close', () => reject(new Error(`Redis closed the connection at ${command}`)))
    })
  }

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const ending = child
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    const exited = new Promise<void>((resolve) => ending.once('exit', () => resolve()))
    ending.kill(signal)
    await exited
  }

  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return child?.pid ?? 0
    },
    get runs() {
      return child !== undefined && child.exitCode === null && child.signalCode === null
    },
    ask,
    async fillDisk() {
      const folder = join(dir, 'appendonlydir')
      const sizes = await Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size))
      const limited = spawn('prlimit', ['--pid', String(child?.pid), `--fsize=${Math.max(...sizes) + 100}`], { stdio: 'ignore' })
      return new Promise((resolve) => limited.once('error', () => resolve(false)).once('exit', (code) => resolve(code === 0)))
    },
    kill9: () => end('SIGKILL'),
    start,
    async stop() {
      await end('SIGTERM')
      process.off('exit', endWithUs)
      await rm(dir, { recursive: true, force: true })
    },
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
