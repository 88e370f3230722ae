/**
 * The school's server, for a command: the one that answers, or one started for the time being on the
 * same data folder. And the key to it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { School } from '../sync/office.ts'
import { Refused, request } from '../sync/request.ts'
import { CannotTry } from './encode-arguments.ts'

/** The variables of the environment that matter here, by the server's own names. */
export interface Environment {
  PORT?: string | undefined
  DATA_DIR?: string | undefined
  API_KEY?: string | undefined
  [name: string]: string | undefined
}

export interface OpenSchool {
  school: School
  /** Ends the server, if it was started here. */
  close(): Promise<void>
}

const PROJECT = join(import.meta.dirname, '..', '..')

/** The first start makes the app and a database: minutes on a slow machine. */
const START_TRIES = 1200
const ASK_PAUSE_MS = 250
/** A server that somebody else started is given half a minute to get ready. */
const BUSY_TRIES = 120
const STOP_MS = 20_000
const HEALTH_MS = 3_000

const Health = z.object({ status: z.string() })
const Secrets = z.object({ apiKey: z.string().min(1) })

/**
 * 1. --server given: it must answer.
 * 2. the default address answers: that one.
 * 3. else start `server/main.ts` on a free port with the same environment, and end it in close().
 * Throws CannotTry.
 */
export async function openSchool(o: { server: string | undefined; keyFile: string | undefined; env: Environment; log: (line: string) => void }): Promise<OpenSchool> {
  const dataDir = resolve(o.env.DATA_DIR?.trim() || join(PROJECT, 'data'))
  const origin = o.server ?? `http://localhost:${o.env.PORT?.trim() || '8000'}`
  if (await isThere(origin)) return { school: { origin, key: await readKey(o, dataDir) }, close: async () => undefined }
  if (o.server !== undefined) throw new CannotTry(`No school server answers at ${origin}: check the address, or start it there.`)

  const port = await freePort()
  o.log(`No server answers at ${origin}: starting one for the time being.`)
  const first = !existsSync(join(dataDir, 'secrets.json'))
  const server = await start(port, { ...o.env, DATA_DIR: dataDir }, o.log)
  if (first && existsSync(join(dataDir, 'secrets.json'))) o.log(`That was the school's first start: the office's password is in ${join(dataDir, 'secrets.json')}.`)
  const close = async (): Promise<void> => {
    await stop(server)
    o.log('The server that was started for this has ended.')
  }
  try {
    return { school: { origin: `http://127.0.0.1:${port}`, key: await readKey(o, dataDir) }, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** `busy`: it listens, but is still starting, or its database is away. */
async function askHealth(origin: string): Promise<'healthy' | 'busy' | 'silent'> {
  try {
    await request(`${origin}/health`, { answer: Health, timeoutMs: HEALTH_MS })
    return 'healthy'
  } catch (error) {
    return error instanceof Refused ? 'busy' : 'silent'
  }
}

/** A server that is still starting is waited for. */
async function isThere(origin: string): Promise<boolean> {
  let health = await askHealth(origin)
  for (let i = 0; health === 'busy' && i < BUSY_TRIES; i++) {
    await sleep(ASK_PAUSE_MS)
    health = await askHealth(origin)
  }
  if (health === 'busy') throw new CannotTry(`The server at ${origin} does not get ready: look at what it says.`)
  return health === 'healthy'
}

async function readKey({ keyFile, env }: { keyFile: string | undefined; env: Environment }, dataDir: string): Promise<string> {
  if (keyFile !== undefined) {
    const key = (await readFile(keyFile, 'utf8').catch(() => '')).trim()
    if (key === '') throw new CannotTry(`--key-file ${keyFile}: no key can be read from it.`)
    return key
  }
  if (env.API_KEY) return env.API_KEY
  const path = join(dataDir, 'secrets.json')
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) {
    throw new CannotTry(`No API key: ${path} is not there or may not be read. Set DATA_DIR to the server's data folder, or give --key-file FILE or API_KEY.`)
  }
  const secrets = Secrets.safeParse(parseJson(text))
  if (!secrets.success) throw new CannotTry(`${path} holds no apiKey: give --key-file FILE or API_KEY.`)
  return secrets.data.apiKey
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

/** The server's last words before its list of addresses, which end with this command and would only mislead. */
const READY = /is ready after/

/** What the server says on its way up is passed on: the first start takes long. */
async function start(port: number, env: Environment, log: (line: string) => void): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'server/main.ts'], { cwd: PROJECT, env: { ...env, HOST: '127.0.0.1', PORT: String(port) }, stdio: ['ignore', 'pipe', 'pipe'] })
  // Whatever ends this process, while the server starts or later, the server does not outlive it.
  process.once('exit', () => child.kill('SIGTERM'))
  let last = ''
  let ready = false
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      ready ||= READY.test(line)
      if (line.trim() === '') return
      last = line.trim()
      if (!ready) log(`  server: ${line}`)
    })
  }
  for (let i = 0; i < START_TRIES; i++) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new CannotTry(`The server did not start: ${last || `it ended with ${child.exitCode ?? child.signalCode}`}\nIf it runs elsewhere already, say where: --server http://localhost:PORT`)
    }
    if ((await askHealth(`http://127.0.0.1:${port}`)) === 'healthy') return child
    await sleep(ASK_PAUSE_MS)
  }
  await stop(child)
  throw new CannotTry('The server did not start in time: start it by itself (npm start) and see what it says.')
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await ended
  clearTimeout(late)
}
