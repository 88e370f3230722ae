/** Which Chromium this machine has: finds one, and brings one where there is none. Starts none (chromium.ts does). */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, chmod, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import { lives } from './processes.ts'

/* eslint-disable-next-line node/no-process-env -- a command's and a test's own surroundings, read once */
const surroundings: NodeJS.ProcessEnv = process.env

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'microsoft-edge-stable', 'microsoft-edge']
const MAC_APPS = ['Chromium.app/Contents/MacOS/Chromium', 'Google Chrome.app/Contents/MacOS/Google Chrome', 'Microsoft Edge.app/Contents/MacOS/Microsoft Edge']

const isRoot = process.getuid?.() === 0

/** Where a Chromium usually lies, likeliest first. */
export function usualPlaces(): string[] {
  const folders = [...(surroundings['PATH'] ?? '').split(delimiter).filter(Boolean), '/usr/bin', '/usr/local/bin', '/snap/bin']
  const places = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))
  if (process.platform === 'darwin') places.push(...['/Applications', join(homedir(), 'Applications')].flatMap((at) => MAC_APPS.map((app) => join(at, app))))
  return [...new Set([...places, playwrightsOwn()])]
}

/** The path where Playwright would put its own Chromium; it need not be there. */
const playwrightsOwn = () => chromium.executablePath()

/**
 * The path of a Chromium that starts: `CHROMIUM_PATH`, else the first of the usual places, else one that is
 * installed now (once, whoever else asks at the same time). Throws an Error that says what to do.
 * `places` and `cacheDir` are for its own tests.
 */
export async function findChromium(o: { places?: string[]; cacheDir?: string } = {}): Promise<string> {
  const named = surroundings['CHROMIUM_PATH']
  if (named) {
    if (await starts(named)) return named
    throw new Error(`CHROMIUM_PATH names ${named}, which is not a Chromium that starts here; correct it, or unset it to have one found.`)
  }
  const cacheDir = o.cacheDir ?? join(surroundings['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'fastrackai')
  const wrapper = join(cacheDir, 'chromium', 'chromium')
  const find = () => firstThatStarts([...(o.places ?? usualPlaces()), wrapper])
  return (await find()) ?? alone(join(cacheDir, 'chromium.lock'), async () => (await find()) ?? install(dirname(wrapper), find))
}

async function firstThatStarts(places: string[]): Promise<string | undefined> {
  for (const place of places) if (await starts(place)) return place
  return undefined
}

/** Ubuntu's chromium-browser is a stub that only asks for a snap, so being there is not enough. */
async function starts(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return /Chrom|Edge/.test(await run(path, ['--version']))
  } catch {
    return false
  }
}

/** Runs a program without a terminal; rejects with its last words. */
function run(program: string, args: string[], env: NodeJS.ProcessEnv = surroundings): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout)
      const said = `${stderr}\n${stdout}`.split('\n').filter((line) => line.trim() !== '')
      const faults = said.filter((line) => /^(E:|Error)|not found|cannot/i.test(line))
      reject(new Error((faults.at(-1) ?? said.at(-1) ?? error.message).trim()))
    })
    child.stdin?.end()
  })
}

// ---------- one at a time ----------

/** Runs `work` while no other process holds the lock folder; a holder that died is pushed aside. */
async function alone<T>(lock: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(lock), { recursive: true })
  // A lock that appears together with its owner's name: a folder made aside, then moved into place.
  const mine = await mkdtemp(`${lock}.`)
  await writeFile(join(mine, 'pid'), String(process.pid))
  try {
    for (;;) {
      try {
        await rename(mine, lock)
        break
      } catch (error) {
        if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
        if (!(await ownerLives(lock))) await pushAside(lock)
        else await sleep(250)
      }
    }
  } catch (error) {
    await rm(mine, { recursive: true, force: true })
    throw error
  }
  try {
    return await work()
  } finally {
    await rm(lock, { recursive: true, force: true })
  }
}

async function ownerLives(lock: string): Promise<boolean> {
  const pid = Number(await readFile(join(lock, 'pid'), 'utf8').catch(() => '0'))
  return pid > 0 && lives(pid)
}

async function pushAside(lock: string): Promise<void> {
  const aside = `${lock}.dead-${process.pid}`
  // Somebody else may have pushed it aside first: then there is nothing left to move.
  await rename(lock, aside).catch(() => undefined)
  if (await ownerLives(aside)) await rename(aside, lock).catch(() => undefined)
  await rm(aside, { recursive: true, force: true })
}

// ---------- installing ----------

/** Tries each way that this machine and user allow, cheapest for the user first. */
async function install(folder: string, find: () => Promise<string | undefined>): Promise<string> {
  const unattended = { ...surroundings, DEBIAN_FRONTEND: 'noninteractive' }
  // Without a network `apt-get update` only warns and goes on with nothing; here it is to say so.
  const apt = ['-o', 'DPkg::Lock::Timeout=600', '-o', 'APT::Update::Error-Mode=any']
  const ways: { what: string; may: () => Promise<boolean>; go: () => Promise<void> }[] = [
    {
      what: 'apt-get install chromium',
      may: async () => isRoot && (await has('apt-get')),
      go: async () => {
        await run('apt-get', [...apt, 'update'], unattended)
        await run('apt-get', [...apt, 'install', '-y', '--no-install-recommends', 'chromium'], unattended)
      },
    },
    {
      what: 'sudo apt-get install chromium',
      may: async () => !isRoot && (await has('apt-get')) && (await run('sudo', ['-n', 'true']).then(() => true, () => false)),
      go: async () => {
        await run('sudo', ['-n', 'apt-get', ...apt, 'update'])
        await run('sudo', ['-n', 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...apt, 'install', '-y', '--no-install-recommends', 'chromium'])
      },
    },
    { what: `Debian's chromium unpacked into ${folder}`, may: async () => (await has('apt-get')) && (await has('dpkg-deb')), go: () => unpackDebian(folder) },
    {
      what: 'playwright-core install chromium',
      may: async () => true,
      go: async () => {
        await run(process.execPath, [join(dirname(createRequire(import.meta.url).resolve('playwright-core/package.json')), 'cli.js'), 'install', ...(isRoot && process.platform === 'linux' ? ['--with-deps'] : []), 'chromium'], unattended)
        if (!(await starts(playwrightsOwn()))) throw new Error('its Chromium does not start; a library is missing')
      },
    },
  ]
  const failures: string[] = []
  for (const way of ways) {
    if (!(await way.may())) continue
    process.stderr.write(`No Chromium here. Installing one, once: ${way.what} ...\n`)
    try {
      await way.go()
      const found = (await find()) ?? ((await starts(playwrightsOwn())) ? playwrightsOwn() : undefined)
      if (found) return found
      failures.push(`  ${way.what}: it ended well, but no Chromium that starts came of it`)
    } catch (error) {
      failures.push(`  ${way.what}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  throw new Error(
    [
      'No Chromium was found, and none could be installed:',
      ...failures,
      process.platform === 'darwin'
        ? 'Install Chrome from google.com/chrome (or: brew install --cask chromium), then try again.'
        : 'Install it (Debian, Raspberry Pi OS: sudo apt-get install chromium; elsewhere your package manager, or Google Chrome), then try again.',
      'Or set CHROMIUM_PATH to the program, if it lies in an unusual place.',
    ].join('\n'),
  )
}

const has = (program: string) => run('sh', ['-c', `command -v ${program}`]).then(() => true, () => false)

/**
 * For an ordinary user without sudo: apt with folders of the user's own finds chromium and those of its
 * libraries that this system lacks (it reads the system's dpkg status), dpkg-deb unpacks them, and a wrapper
 * starts the result. Nothing outside `folder` is written.
 */
async function unpackDebian(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  const [state, cache, root] = [join(folder, 'apt', 'state'), join(folder, 'apt', 'cache'), join(folder, 'root')]
  await Promise.all([join(state, 'lists', 'partial'), join(cache, 'archives', 'partial'), root].map((path) => mkdir(path, { recursive: true })))
  const options = {
    'Dir::State': state,
    'Dir::State::Lists': join(state, 'lists'),
    'Dir::State::status': '/var/lib/dpkg/status',
    'Dir::Cache': cache,
    'Dir::Cache::archives': join(cache, 'archives'),
    'Dir::Log': join(folder, 'apt'),
    'Debug::NoLocking': '1',
    'APT::Sandbox::User': '',
    'APT::Keep-Downloaded-Packages': '1',
    'APT::Update::Error-Mode': 'any',
  }
  const own = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  const unattended = { ...surroundings, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  await run('apt-get', [...own, 'update'], unattended)
  // --reinstall: a broken or foreign chromium of the system must not make apt say "already the newest".
  await run('apt-get', [...own, '-y', '--no-install-recommends', '--reinstall', '--download-only', 'install', 'chromium', 'fonts-dejavu-core', 'fontconfig-config'], unattended)
  const archives = (await readdir(join(cache, 'archives'))).filter((name) => name.endsWith('.deb'))
  for (const archive of archives) await run('dpkg-deb', ['-x', join(cache, 'archives', archive), root])
  await rm(join(folder, 'apt'), { recursive: true, force: true })

  const libraries = await foldersOfLibraries(root)
  await writeFile(
    join(folder, 'fonts.conf'),
    `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig><dir>${xml(join(root, 'usr/share/fonts'))}</dir><dir>/usr/share/fonts</dir><cachedir>${xml(join(folder, 'fonts'))}</cachedir></fontconfig>\n`,
  )
  const wrapper = join(folder, 'chromium')
  await writeFile(
    `${wrapper}.new`,
    `#!/bin/sh
# Starts the Chromium that was unpacked here for a user who may not install one.
export LD_LIBRARY_PATH=${quoted(libraries.join(':'))}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export FONTCONFIG_FILE=${quoted(join(folder, 'fonts.conf'))}
export CHROME_WRAPPER=${quoted(wrapper)}
exec ${quoted(join(root, 'usr/lib/chromium/chromium'))} "$@"
`,
  )
  await chmod(`${wrapper}.new`, 0o755)
  await rename(`${wrapper}.new`, wrapper)
  await run(wrapper, ['--version'])
}

const quoted = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`
const xml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** Every folder below lib and usr/lib that holds a shared library, but Chromium's own. */
async function foldersOfLibraries(root: string): Promise<string[]> {
  const found = new Set<string>()
  for (const start of [join(root, 'usr/lib'), join(root, 'lib')]) {
    for (const entry of await readdir(start, { recursive: true, withFileTypes: true }).catch(() => [])) {
      if (/\.so(\.|$)/.test(entry.name) && !entry.parentPath.includes('/usr/lib/chromium')) found.add(entry.parentPath)
    }
  }
  return [...found].sort((a, b) => a.length - b.length)
}
