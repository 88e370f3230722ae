/**
 * The page's JavaScript memory, workers included: weighed once a minute, and by that kept small.
 *
 * [Note: Weighing collects] A kiosk is never idle, so the browser never takes the time for a whole collection, and lets the heaps of page
 * and workers grow instead: in half an hour from 245 to 340 MB, of which 35 are in use (Chromium 156). To measure,
 * it must collect first; asked for a figure every minute it keeps the heaps at what they hold.
 */

/** Only where the page is isolated, as ours is, and the browser is Chromium. */
interface Weighing {
  measureUserAgentSpecificMemory?(): Promise<{ bytes: number }>
}

const EVERY_MS = 60_000

/** @param onWeighed megabytes of JavaScript in page and workers */
export function weighOften(onWeighed: (megabytes: number) => void): void {
  const scales: Weighing = performance as Weighing
  if (!scales.measureUserAgentSpecificMemory) return
  const weigh = async (): Promise<void> => {
    const { bytes } = (await scales.measureUserAgentSpecificMemory?.()) ?? { bytes: 0 }
    onWeighed(Math.round(bytes / 1e5) / 10)
  }
  // Refused where the page is not isolated: then there is no figure, and nothing else is lost.
  setInterval(() => void weigh().catch(() => undefined), EVERY_MS)
}
