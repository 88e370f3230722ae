/**
 * A program of this project as a process of its own that can be killed and started again, and what such an actor is to whoever kills it.
 * Knows no fault and no school.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const ROOT = resolve(import.meta.dirname, '..')

export interface Actor {
  readonly name: string
  readonly runs: boolean
  /** kill -9; resolves when it is gone. */
  kill9(): Promise<void>
  /** Resolves when it is at work again. */
  start(): Promise<void>
  /** In order. */
  stop(): Promise<void>
  /** What it printed last, for whoever asks why. */
  printed(): string
}

const READY_PATIENCE_MS = 60_000
const STOP_PATIENCE_MS = 20_000
const KEPT_OUTPUT = 20_000

/**
 * A program of this project.
 * @param o.ready polled after the start, with what it has printed since, until it says so
 * @param o.kill what kill -9 means where it is not the process itself
 */
export function programActor(o: { name: string; script: string; args?: string[]; env: Record<string, string>; ready: (printed: string) => Promise<boolean>; kill?: () => Promise<void> }): Actor {
  let child: ChildProcess | undefined
  let printed = ''
  const runs = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null
  process.once('exit', () => child?.kill('SIGKILL'))

  async function gone(): Promise<void> {
    const ending = child
    if (!ending || !runs()) return
    await new Promise<void>((done) => ending.once('exit', () => done()))
  }

  return {
    name: o.name,
    get runs() {
      return runs()
    },
    printed: () => printed,
    async kill9() {
      if (!runs()) return
      const ended = gone()
      if (o.kill) await o.kill()
      child?.kill('SIGKILL')
      await ended
    },
    async start() {
      if (runs()) return
      // A page that was built in this process has set NODE_ENV for it; the program is not in production for that.
      // eslint-disable-next-line node/no-process-env -- the child's surroundings are ours
      const started = spawn(process.execPath, ['--import', 'tsx', o.script, ...(o.args ?? [])], { cwd: ROOT, env: { ...process.env, NODE_ENV: undefined, ...o.env }, stdio: ['ignore', 'pipe', 'pipe'] })
      child = started
      let since = ''
      for (const stream of [started.stdout, started.stderr]) stream.setEncoding('utf8').on('data', (text: string) => {
        since += text
        printed = (printed + text).slice(-KEPT_OUTPUT)
      })
      const deadline = Date.now() + READY_PATIENCE_MS
      while (child === started && runs()) {
        if (await o.ready(since)) return
        if (Date.now() > deadline) throw new Error(`${o.name} was not ready within ${READY_PATIENCE_MS / 1000} s. It printed:\n${printed}`)
        await sleep(50)
      }
    },
    async stop() {
      const ended = gone()
      child?.kill('SIGTERM')
      const patience = setTimeout(() => child?.kill('SIGKILL'), STOP_PATIENCE_MS)
      await ended
      clearTimeout(patience)
    },
  }
}

export async function answersReady(url: string): Promise<boolean> {
  try {
    // eslint-disable-next-line no-restricted-globals -- a watcher's request, not the app's
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) })).ok
  } catch {
    return false
  }
}
