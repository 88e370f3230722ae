/** The kiosk's page in a real Chromium, as the tests of faults see it: its screen's state, its figures, and patience. */
import type { Page } from 'playwright-core'
import type { Diagnostics, ScreenState } from '../kiosk/classroom/state.ts'

interface Screen extends HTMLElement {
  state: ScreenState | undefined
  diagnostics: Diagnostics | undefined
}

/** What the screen shows; of a screen without a camera also why. */
export function shownOn(page: Page): Promise<string | undefined> {
  return page.evaluate(() => {
    const state = (document.querySelector('classroom-screen') as Screen | null)?.state
    return state?.screen === 'no_camera' ? `no_camera: ${state.why}` : state?.screen
  })
}

export function diagnosticsOf(page: Page): Promise<Diagnostics | undefined> {
  return page.evaluate(() => (document.querySelector('classroom-screen') as Screen | null)?.diagnostics)
}

/** Students on the screen's list of who is here. */
export function presentOn(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const state = (document.querySelector('classroom-screen') as Screen | null)?.state
    return state?.screen === 'lesson' ? state.present.map(({ studentId }) => studentId) : []
  })
}

export async function until<T>(what: string, ask: () => Promise<T | undefined | false>, patienceMs = 100_000): Promise<T> {
  const end = performance.now() + patienceMs
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

export function untilShown(page: Page, wanted: string, patienceMs?: number): Promise<boolean> {
  return until(`the screen shows ${wanted}`, async () => (await shownOn(page)) === wanted, patienceMs)
}

/** Waits until so many more frames have been looked at. */
export async function untilFrames(page: Page, more: number): Promise<Diagnostics> {
  const before = (await diagnosticsOf(page))?.frames ?? 0
  return until(`${more} more frames were looked at`, async () => {
    const now = await diagnosticsOf(page)
    return now && now.frames >= before + more && now
  })
}
