/**
 * Makes the model files and the app (dist/) when they are missing or out of date, so that `npm start` is
 * all a person needs. Also a command of its own: `tsx server/app-build.ts`.
 * Knows what the app is made from, nothing of what it does.
 *
 * [Note: A build is whole or not there]
 * 1. One builder at a time: node_modules/.cache/fastrackai/lock holds its process id.
 * 2. It builds into a folder of its own and writes version.json there last.
 * 3. That folder then takes dist's place by renaming. What was killed on the way left dist as it was.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { DEFAULT_MODEL } from '#contract/model'
import type { ModelId } from '#contract/model'
import { environmentWith, readConfig } from './config.ts'

export interface AppBuild {
  dir: string
  version: string
}

/** One line for the person who starts the server; what the build said before it failed was handed to `say`. */
export class BuildFailed extends Error {
  override name = 'BuildFailed'
}

export interface BuildOptions {
  /** The checkout. */
  root: string
  /** The embedding model that the app is to hold. */
  model: ModelId
  say: (line: string) => void
  stopping?: AbortSignal
}

const Version = z.object({ version: z.string(), fingerprint: z.string(), model: z.string().default(DEFAULT_MODEL) })

/** Written into dist as the build's last act. */
const VERSION_FILE = 'version.json'

/** An app of each model has a folder of its own: two servers of one checkout may be set to two models. */
const folderOf = (root: string, model: ModelId): string => join(root, model === DEFAULT_MODEL ? 'dist' : `dist-${model}`)

export async function ensureApp(o: BuildOptions): Promise<AppBuild> {
  const dir = folderOf(o.root, o.model)
  const wanted = await wantedVersion(o.root, o.model)
  if (!wanted) return appAsItIs(dir, o.model)
  if (await isMade(dir, wanted)) return { dir, version: wanted.version }
  try {
    const unlock = await lock(o)
    try {
      // Another server may have made it while this one waited.
      if (!(await isMade(dir, wanted))) await build(o, dir, wanted)
    } finally {
      await unlock()
    }
  } catch (error) {
    throw asBuildFailed(error)
  }
  return { dir, version: wanted.version }
}

/** A checkout that belongs to somebody else, or a full disk. */
function asBuildFailed(error: unknown): unknown {
  if (error instanceof BuildFailed || !(error instanceof Error && 'code' in error && 'path' in error)) return error
  const { code, path } = error
  return new BuildFailed(`the app is out of date and cannot be made: ${String(path)} cannot be written (${String(code)}); start once as the owner of the checkout, or set APP_DIR to an app that is made`, { cause: error })
}

/** A folder with a built app, served as somebody else made it. Refused where it holds another model than the server is set to: it would know nobody. */
export async function appAsItIs(dir: string, model: ModelId): Promise<AppBuild> {
  if (!existsSync(join(dir, 'index.html'))) throw new BuildFailed(`there is no app to serve: ${dir} holds no index.html, and there are no sources to make it from`)
  const made = await savedVersion(dir)
  if (!made) throw new BuildFailed(`${dir} holds no ${VERSION_FILE}, so the build is not whole; make it again with "npm run build"`)
  if (made.model !== model) throw new BuildFailed(`${dir} holds an app for model ${made.model}, and this server is set to MODEL=${model}; build it again with that MODEL, or set MODEL=${made.model}`)
  return { dir, version: made.version }
}

type Wanted = z.infer<typeof Version>

/** @returns undefined where the sources are absent, as in an image that holds only dist. */
async function wantedVersion(root: string, model: ModelId): Promise<Wanted | undefined> {
  if (!existsSync(join(root, 'kiosk', 'index.html')) || !existsSync(join(root, 'vite.config.ts'))) return undefined
  const fingerprint = await fingerprintOf(root, model)
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')))
  return { version: `${version}+${fingerprint.slice(0, 8)}`, fingerprint, model }
}

const SOURCES = ['kiosk', 'server/contract', 'vite.config.ts', 'tsconfig.json', 'package-lock.json']

/** sha256 over the names and contents of everything that the app is made from, and the model that it is made for. */
async function fingerprintOf(root: string, model: ModelId): Promise<string> {
  const paths = (await Promise.all(SOURCES.map((source) => filesUnder(root, join(root, source))))).flat().sort()
  const hash = createHash('sha256').update(`${model}\n`)
  for (const path of paths) {
    const content = createHash('sha256').update(await readFile(join(root, path))).digest('hex')
    hash.update(`${path}\n${content}\n`)
  }
  return hash.digest('hex')
}

async function filesUnder(root: string, path: string): Promise<string[]> {
  if (!existsSync(path)) return []
  const entries = await readdir(path, { withFileTypes: true }).catch(() => undefined)
  if (!entries) return [relative(root, path).split(sep).join('/')]
  const found = await Promise.all(entries.filter(({ name }) => isSource(root, join(path, name))).map(({ name }) => filesUnder(root, join(path, name))))
  return found.flat()
}

function isSource(root: string, path: string): boolean {
  const name = relative(root, path).split(sep).join('/')
  return name !== 'kiosk/models/made' && !/\.test\.ts$|\/\.[^/]*$|~$/.test(name)
}

async function savedVersion(dir: string): Promise<Wanted | undefined> {
  try {
    return Version.parse(JSON.parse(await readFile(join(dir, VERSION_FILE), 'utf8')))
  } catch {
    return undefined
  }
}

async function isMade(dir: string, wanted: Wanted): Promise<boolean> {
  return (await savedVersion(dir))?.fingerprint === wanted.fingerprint && existsSync(join(dir, 'index.html'))
}

function cacheDir(root: string): string {
  return join(root, 'node_modules', '.cache', 'fastrackai')
}

async function build(o: BuildOptions, dir: string, wanted: Wanted): Promise<void> {
  const made = join(cacheDir(o.root), `app-${process.pid}`)
  await rm(made, { recursive: true, force: true })
  try {
    o.say('making the model files')
    await run(o, ['--import', 'tsx', join('kiosk', 'models', 'make.ts')], {})
    o.say('building the app')
    await run(o, [join('node_modules', 'vite', 'bin', 'vite.js'), 'build', '--outDir', made, '--emptyOutDir'], { APP_VERSION: wanted.version, MODEL: wanted.model })
    await writeFile(join(made, VERSION_FILE), `${JSON.stringify(wanted)}\n`)
    await replace(dir, made, join(cacheDir(o.root), `old-${process.pid}`))
  } finally {
    await rm(made, { recursive: true, force: true })
  }
}

async function replace(dir: string, made: string, old: string): Promise<void> {
  await rm(old, { recursive: true, force: true })
  if (existsSync(dir)) await move(dir, old)
  await move(made, dir)
  await rm(old, { recursive: true, force: true })
}

/** Renames; where node_modules lies on another disk, copies with the version last. */
async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EXDEV')) throw error
    await cp(from, to, { recursive: true, filter: (path) => path !== join(from, VERSION_FILE) })
    await cp(join(from, VERSION_FILE), join(to, VERSION_FILE)).catch(() => {})
    await rm(from, { recursive: true })
  }
}

/** What is worth a person's eyes while it goes well; the rest is shown when it does not. */
const PROGRESS = /✓|^\s*models/
const SAID_LINES = 40

/** Runs Node in the checkout. @throws BuildFailed */
function run({ root, say, stopping }: BuildOptions, args: string[], variables: Record<string, string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, env: environmentWith({ ...variables, NO_COLOR: '1', FORCE_COLOR: '0' }), stdio: ['ignore', 'pipe', 'pipe'], ...(stopping ? { signal: stopping } : {}) })
    const name = args.find((arg) => /\.[jt]s$/.test(arg)) ?? 'node'
    const said: string[] = []
    let rest = ''
    const hear = (chunk: Buffer): void => {
      const lines = (rest + chunk.toString()).split(/[\r\n]+/)
      rest = lines.pop() ?? ''
      said.push(...lines)
      for (const line of lines) if (PROGRESS.test(line)) say(`  ${line.trim()}`)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('error', (cause) => reject(new BuildFailed(`the app could not be made: ${name} could not be run or was broken off (${cause.message})`, { cause })))
    child.on('close', (code, signal) => {
      if (code === 0) return resolve()
      for (const line of [...said, rest].filter((text) => text.trim() !== '').slice(-SAID_LINES)) say(`  ${line}`)
      reject(new BuildFailed(`the app could not be made: ${name} ended with ${code ?? signal}; the last that it said stands above`))
    })
  })
}

const LOCK_POLL_MS = 300
/** A build takes half a minute; what holds the lock for ten is another program that was given a dead builder's process id. */
const LOCK_PATIENCE_MS = 600_000
const heldHere = new Set<string>()

/** @returns how to unlock. Waits for a builder that lives; one that was killed holds nothing. */
async function lock({ root, say, stopping }: BuildOptions): Promise<() => Promise<void>> {
  await mkdir(cacheDir(root), { recursive: true })
  const path = join(cacheDir(root), 'lock')
  for (let waited = 0; waited < LOCK_PATIENCE_MS; waited += LOCK_POLL_MS) {
    if (await tryLock(path)) {
      return async () => {
        heldHere.delete(path)
        await rm(path, { force: true })
      }
    }
    const builder = Number(await readFile(path, 'utf8').catch(() => ''))
    if (builder > 0 && !isBuilding(builder, path)) {
      // Renaming is what only one of several waiters can do.
      await rename(path, `${path}-${process.pid}`).then(() => rm(`${path}-${process.pid}`, { force: true }), () => {})
      continue
    }
    if (waited === 0) say(`process ${builder} is making the app; waiting for it`)
    await sleep(LOCK_POLL_MS, undefined, stopping ? { signal: stopping } : {})
  }
  throw new BuildFailed(`another process has been making the app for too long; if none is, remove ${path}`)
}

async function tryLock(path: string): Promise<boolean> {
  try {
    await writeFile(path, String(process.pid), { flag: 'wx' })
    heldHere.add(path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

/** In a container every start has the same process id, also the one that was killed. */
function isBuilding(builder: number, path: string): boolean {
  return builder === process.pid ? heldHere.has(path) : isAlive(builder)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

if (process.argv[1] === import.meta.filename) {
  const { version, dir } = await ensureApp({ root: join(import.meta.dirname, '..'), model: readConfig().model, say: (line) => process.stdout.write(`${line}\n`) })
  process.stdout.write(`${dir} holds ${version}\n`)
}
