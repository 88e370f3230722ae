/** The browser of the promises and of the rehearsal, started with the house flags. Knows no page of the app. */
import { existsSync } from 'node:fs'
import { mkdtemp, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromium, type BrowserContext } from 'playwright-core'
import { findChromium } from './installed-chromium.ts'
import { lives } from './processes.ts'

/** The house flags: headless, no GPU, and nothing said to any host by the browser itself. */
export const HOUSE_FLAGS = [
  '--headless=new',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--no-default-browser-check',
]

const isRoot = process.getuid?.() === 0

export interface ChromiumOptions {
  /** A .mjpeg or .y4m file as the camera, with permission granted; `none` (default): a machine without a camera; `denied`: a camera, and permission refused. */
  camera?: string | undefined
  /** Kept when given; else a throwaway profile that goes with the context. */
  userDataDir?: string | undefined
  /** Default 800 x 480, the kiosk's touch screen. */
  viewport?: { width: number; height: number } | undefined
  args?: string[] | undefined
  /** Another program than findChromium's, such as a wrapper that prepares its surroundings. */
  executablePath?: string | undefined
}

function cameraFlags(camera: string): string[] {
  if (camera === 'none') return ['--use-fake-device-for-media-stream=device-count=0']
  if (camera === 'denied') return ['--use-fake-device-for-media-stream', '--deny-permission-prompts']
  return ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${camera}`]
}

const profiles = new WeakMap<BrowserContext, string>()

/** Starts a headless Chromium with the house flags and one profile. */
export async function launchChromium(o: ChromiumOptions = {}): Promise<BrowserContext> {
  const executablePath = o.executablePath ?? (await findChromium())
  const userDataDir = o.userDataDir ?? (await mkdtemp(join(tmpdir(), 'fastrackai-chromium-')))
  const launch = (sandbox: boolean) =>
    chromium.launchPersistentContext(userDataDir, {
      executablePath,
      headless: true,
      chromiumSandbox: sandbox,
      viewport: o.viewport ?? { width: 800, height: 480 },
      args: [...HOUSE_FLAGS, ...cameraFlags(o.camera ?? 'none'), ...(o.args ?? [])],
    })
  try {
    // Containers often forbid the sandbox to ordinary users. Here it sees pages of this machine alone, so it may go without.
    const context = isRoot ? await launch(false) : await launch(true).catch(() => launch(false))
    profiles.set(context, userDataDir)
    if (!o.userDataDir) removeOnClose(context, userDataDir)
    return context
  } catch (error) {
    if (!o.userDataDir) await rm(userDataDir, { recursive: true, force: true, maxRetries: 10 })
    throw error
  }
}

/** Also when the browser ends by itself; who closes it waits until its profile is gone. */
function removeOnClose(context: BrowserContext, folder: string): void {
  let removed: Promise<void> | undefined
  const remove = () => (removed ??= removeProfile(folder))
  const close = context.close.bind(context)
  context.close = async (options) => {
    await close(options)
    await remove()
  }
  context.once('close', () => void remove().catch(() => undefined))
}

/** Some of Chromium's helper processes outlive it for a moment and write their indexes anew: gone is what stays gone. */
async function removeProfile(folder: string): Promise<void> {
  for (let tries = 0; tries < 30; tries++) {
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
    await sleep(200)
    if (!existsSync(folder)) return
  }
}

/** The process id of a browser that launchChromium started. */
export async function browserPid(context: BrowserContext): Promise<number> {
  return (await processOf(context)).pid
}

async function processOf(context: BrowserContext): Promise<{ profile: string; pid: number }> {
  const profile = profiles.get(context)
  if (!profile) throw new Error('That context was not started by launchChromium.')
  // Chromium's own lock names its process: <host>-<pid>.
  return { profile, pid: Number((await readlink(join(profile, 'SingletonLock'))).split('-').at(-1)) }
}

/** kill -9 of the browser and all its processes, as a pulled plug would; resolves when they are gone. The profile stays. */
export async function killChromium(context: BrowserContext): Promise<void> {
  const { profile, pid } = await processOf(context)
  const closed = new Promise<void>((resolve) => context.once('close', () => resolve()))
  // Playwright starts it as the leader of a process group of its own, so that nobody is left to flush.
  process.kill(-pid, 'SIGKILL')
  await closed
  while (lives(pid)) await sleep(20)
  // What a clean exit would have taken along: its socket's folder under /tmp, and the locks that name it.
  const socket = await readlink(join(profile, 'SingletonSocket')).catch(() => undefined)
  if (socket) await rm(dirname(socket), { recursive: true, force: true })
  for (const name of ['SingletonLock', 'SingletonSocket', 'SingletonCookie']) await rm(join(profile, name), { force: true })
}
