/** What stands on a card, as a QR code drawn in SVG: sharp on every printer, and no picture leaves the page. The only importer of qrcode in the app. */
import { create } from 'qrcode'
import { svg, type SVGTemplateResult } from 'lit'

/** A quarter may be dirty or scratched away: cards live in pockets. */
const CORRECTION = 'Q'
/** White modules around the code; scanners need them. */
const QUIET = 4

/** One unit a module, dark on white. */
export function cardCode(token: string): SVGTemplateResult {
  const { size, data } = create(token, { errorCorrectionLevel: CORRECTION }).modules
  let path = ''
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) if (data[y * size + x]) path += `M${x + QUIET} ${y + QUIET}h1v1h-1z`
  const side = size + 2 * QUIET
  return svg`<svg class="code" viewBox="0 0 ${side} ${side}" role="img" aria-label="The card’s code" shape-rendering="crispEdges"><rect width=${side} height=${side} fill="#fff"/><path d=${path} fill="#000"/></svg>`
}
