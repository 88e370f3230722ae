import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ModelId } from '#contract/model'
import { appAsItIs, BuildFailed, ensureApp } from './app-build.ts'

const PROJECT = join(import.meta.dirname, '..')
let root: string
let said: string[]

/** A checkout as small as it gets: a page, a model recipe, the project's own packages and Vite. */
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'fastrackai-build-'))
  said = []
  await mkdir(join(root, 'node_modules'))
  for (const name of await readdir(join(PROJECT, 'node_modules'))) {
    if (!name.startsWith('.')) await symlink(join(PROJECT, 'node_modules', name), join(root, 'node_modules', name))
  }
  await mkdir(join(root, 'kiosk', 'models', 'made'), { recursive: true })
  await mkdir(join(root, 'server', 'contract'), { recursive: true })
  await writeFile(join(root, 'package.json'), '{"name":"small","version":"3.2.1","type":"module"}')
  await writeFile(join(root, 'package-lock.json'), '{}')
  await writeFile(join(root, 'tsconfig.json'), '{}')
  await writeFile(join(root, 'vite.config.ts'), `export default { root: ${JSON.stringify(join(root, 'kiosk'))}, define: { __APP_VERSION__: JSON.stringify(process.env.APP_VERSION), __MODEL__: JSON.stringify(process.env.MODEL) }, build: { outDir: ${JSON.stringify(join(root, 'dist'))} } }`)
  await writeFile(join(root, 'kiosk', 'index.html'), '<!doctype html><script type="module" src="./main.ts"></script>')
  await writeFile(join(root, 'kiosk', 'main.ts'), 'declare const __APP_VERSION__: string, __MODEL__: string\ndocument.title = __APP_VERSION__ + __MODEL__')
  await writeFile(join(root, 'kiosk', 'models', 'make.ts'), `import { appendFileSync } from 'node:fs'\nappendFileSync(${JSON.stringify(join(root, 'builds'))}, 'built\\n')\nconst done: string = 'models done'\nconsole.log(done)`)
})
afterEach(() => rm(root, { recursive: true, force: true }))

const MODEL = 'mobilefacenet-192-r1'
const ensure = (model: ModelId = MODEL): ReturnType<typeof ensureApp> => ensureApp({ root, model, say: (line) => said.push(line) })
const builds = async (): Promise<number> => (await readFile(join(root, 'builds'), 'utf8').catch(() => '')).split('\n').length - 1
const cache = async (): Promise<string[]> => readdir(join(root, 'node_modules', '.cache', 'fastrackai')).catch(() => [])

describe('the app', () => {
  it('is made when missing, knows its version, and is not made again', async () => {
    const made = await ensure()
    expect(made.dir).toBe(join(root, 'dist'))
    expect(made.version).toMatch(/^3\.2\.1\+[0-9a-f]{8}$/)
    const scripts = (await readdir(join(made.dir, 'assets'))).filter((name) => name.endsWith('.js'))
    expect(await readFile(join(made.dir, 'assets', scripts[0] ?? ''), 'utf8')).toContain(made.version)
    expect(await ensure()).toEqual(made)
    expect(await builds()).toBe(1)
    expect(await cache()).toEqual([])
    expect(said.join('\n')).toContain('models done')
  })

  it('is made again when a source changes, and not for a test or a made model', async () => {
    const { version } = await ensure()
    await writeFile(join(root, 'kiosk', 'main.test.ts'), 'a test')
    await writeFile(join(root, 'kiosk', 'models', 'made', 'face.bin'), 'made')
    expect((await ensure()).version).toBe(version)
    for (const source of ['kiosk/main.ts', 'server/contract/ids.ts', 'package-lock.json', 'tsconfig.json']) {
      await writeFile(join(root, source), `${await readFile(join(root, source), 'utf8').catch(() => '')}\n`)
    }
    expect((await ensure()).version).not.toBe(version)
    expect(await builds()).toBe(2)
  })

  it('that is whole stays when the next one cannot be made, and what was said is shown', async () => {
    const made = await ensure()
    await writeFile(join(root, 'kiosk', 'main.ts'), 'this is no TypeScript at all (')
    await expect(ensure()).rejects.toThrow(BuildFailed)
    expect(said.join('\n')).toMatch(/main\.ts/)
    expect(JSON.parse(await readFile(join(made.dir, 'version.json'), 'utf8'))).toMatchObject({ version: made.version })
    expect(existsSync(join(made.dir, 'index.html'))).toBe(true)
    expect(await cache()).toEqual([])
  })

  it('left by a killed build does not pass for one', async () => {
    const command = join(root, 'server', 'app-build.ts')
    await cp(join(PROJECT, 'server', 'app-build.ts'), command)
    for (const name of ['config.ts', 'client-address.ts', 'school-key.ts']) await cp(join(PROJECT, 'server', name), join(root, 'server', name))
    await cp(join(PROJECT, 'server', 'contract'), join(root, 'server', 'contract'), { recursive: true })
    await writeFile(join(root, 'package.json'), '{"name":"small","version":"3.2.1","type":"module","imports":{"#contract/*":"./server/contract/*.ts"}}')
    await writeFile(join(root, 'kiosk', 'models', 'make.ts'), 'console.log("models begun")\nsetTimeout(() => {}, 5_000)')
    const child = spawn(process.execPath, ['--import', 'tsx', command], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
    const begun = new Promise<void>((resolve) => child.stdout.on('data', (data: Buffer) => String(data).includes('begun') && resolve()))
    await begun
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('close', resolve))
    expect(existsSync(join(root, 'dist'))).toBe(false)
    await writeFile(join(root, 'kiosk', 'models', 'make.ts'), 'console.log("models done")')
    expect((await ensure()).version).toMatch(/^3\.2\.1/)
  })

  it('without its version is not whole and is made again', async () => {
    await ensure()
    await rm(join(root, 'dist', 'version.json'))
    await ensure()
    expect(await builds()).toBe(2)
  })

  it('is made once by two that start together', async () => {
    const [one, other] = await Promise.all([ensure(), ensure()])
    expect(one).toEqual(other)
    expect(await builds()).toBe(1)
  })

  it('is served as it is where the sources are absent, and refused where nothing is', async () => {
    const { version } = await ensure()
    await rm(join(root, 'kiosk'), { recursive: true })
    expect((await ensure()).version).toBe(version)
    await rm(join(root, 'dist', 'version.json'))
    await expect(ensure()).rejects.toThrow(/version\.json/)
    await rm(join(root, 'dist'), { recursive: true })
    await expect(ensure()).rejects.toThrow(/there is no app to serve/)
  })

  it('holds the model that it was made for, is another version with another model, and leaves the other one as it is', async () => {
    const codeOf = async (dir: string): Promise<string> => readFile(join(dir, 'assets', (await readdir(join(dir, 'assets'))).find((name) => name.endsWith('.js')) ?? ''), 'utf8')
    const [one, other] = [await ensure(), await ensure('faceres-1024-r1')]
    expect(other.version).not.toBe(one.version)
    expect(other.dir).not.toBe(one.dir)
    expect(await codeOf(one.dir)).toContain(MODEL)
    expect(await codeOf(other.dir)).toContain('faceres-1024-r1')
    expect(await codeOf(other.dir)).not.toContain(MODEL)
    expect(await ensure()).toEqual(one)
    expect(await builds()).toBe(2)
  })

  it('made for another model than the server is set to is refused, with both names', async () => {
    const { dir, version } = await ensure()
    expect(await appAsItIs(dir, MODEL)).toEqual({ dir, version })
    const refused = await appAsItIs(dir, 'faceres-1024-r1').catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(BuildFailed)
    expect(String(refused)).toMatch(/holds an app for model mobilefacenet-192-r1.*MODEL=faceres-1024-r1/)
    // A build from before there was a choice holds the only model there was.
    await writeFile(join(dir, 'version.json'), JSON.stringify({ version, fingerprint: 'x' }))
    expect(await appAsItIs(dir, MODEL)).toEqual({ dir, version })
  })

  it('is left alone when the start is broken off', async () => {
    const stopping = new AbortController()
    await writeFile(join(root, 'kiosk', 'models', 'make.ts'), 'console.log("models begun")\nsetTimeout(() => {}, 60_000)')
    const making = ensureApp({ root, model: MODEL, say: (line) => said.push(line), stopping: stopping.signal })
    const over = expect(making).rejects.toThrow(BuildFailed)
    await vi.waitFor(() => expect(said.join('\n')).toContain('begun'), 20_000)
    stopping.abort()
    await over
    expect(existsSync(join(root, 'dist'))).toBe(false)
    expect(await cache()).toEqual([])
  })
})
