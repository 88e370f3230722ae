/** Below this, rem, a line is cut after all: 18 px on an 800 x 480 screen. */
const SMALLEST = 0.9

/** Writes one line of text smaller than its stylesheet asks, rather than cut it. */
export function shrinkToFit(line: HTMLElement): void {
  line.style.fontSize = ''
  const share = line.clientWidth / line.scrollWidth
  // A little less than the share: letters round up to whole pixels.
  if (share < 1) line.style.fontSize = `max(${SMALLEST}rem, ${(Number.parseFloat(getComputedStyle(line).fontSize) * share * 0.98).toFixed(1)}px)`
}
