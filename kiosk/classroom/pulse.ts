/**
 * The page's sign of life for the machine it runs on. A page that crashed cannot say so, and one that hangs neither:
 * so it says that it lives, on the browser's console, and infra/pi/watch-kiosk starts the browser again when it stops
 * saying so. No port is opened for it, nothing is written to the disk, and no name is told.
 */

/** infra/pi/watch-kiosk waits for these words. */
const SIGN = 'FastrackAI kiosk lives'
const EVERY_MS = 5_000

/** @param what tells in a word what the page shows: read by whoever reads the log, and on the main thread, which is what must live */
export function tellAlive(what: () => string | undefined): void {
  const tell = (): void => console.info(`${SIGN}: ${what() ?? 'starting'}`)
  tell()
  setInterval(tell, EVERY_MS)
}
