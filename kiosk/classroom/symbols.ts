/** The pictograms: 24 x 24, one line weight, drawn in the colour of the text they stand beside. */
import { type TemplateResult, css, html, svg } from 'lit'

const LINES = {
  check: svg`<path d="m5 12.5 4.5 4.5L19 7.5"/>`,
  online: svg`<path d="M7 18.5a4.5 4.5 0 0 1-.6-9A6 6 0 0 1 18 8.6a5 5 0 0 1-.8 9.9"/><path d="m9 17 2.5 2.5 4-4.5"/>`,
  offline: svg`<path d="M9.3 5.2A6 6 0 0 1 18 8.6a5 5 0 0 1 2.6 8.2M6.4 9.5a4.5 4.5 0 0 0 .6 9h9.5M4 4l16 16"/>`,
  come_closer: svg`<circle cx="12" cy="5" r="2.5"/><path d="M12 10v10m-5-5 5 5 5-5"/>`,
  look_here: svg`<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12Z"/><circle cx="12" cy="12" r="3"/>`,
  more_light: svg`<circle cx="12" cy="12" r="4"/><path d="M12 2.5v2m0 15v2M2.5 12h2m15 0h2M5.3 5.3l1.4 1.4m10.6 10.6 1.4 1.4m0-13.4-1.4 1.4M6.7 17.3l-1.4 1.4"/>`,
  hold_still: svg`<path d="M8 4H5.5A1.5 1.5 0 0 0 4 5.5V8m12-4h2.5A1.5 1.5 0 0 1 20 5.5V8M8 20H5.5A1.5 1.5 0 0 1 4 18.5V16m12 4h2.5a1.5 1.5 0 0 0 1.5-1.5V16M10 9.5v5m4-5v5"/>`,
  show_eyes: svg`<path d="M2.5 13.5a4.5 4.5 0 0 0 9 0v-2h-9zM12.5 13.5a4.5 4.5 0 0 0 9 0v-2h-9zM11.5 11.5h1M3 11.5l2-5m16 5-2-5"/>`,
  show_mouth: svg`<path d="M3 12c3-4 6-4 9-2 3-2 6-2 9 2-3 6-15 6-18 0ZM3 12h18"/>`,
  use_pin: svg`<path d="M6 3.5h.01M12 3.5h.01M18 3.5h.01M6 9h.01M12 9h.01M18 9h.01M6 14.5h.01M12 14.5h.01M18 14.5h.01M12 20.3h.01" stroke-width="3.4"/>`,
  turn_left: svg`<path d="M20 12H4.5m5.5-5.5L4.5 12l5.5 5.5"/>`,
  turn_right: svg`<path d="M4 12h15.5M14 6.5l5.5 5.5-5.5 5.5"/>`,
  face: svg`<path d="M8 4H5.5A1.5 1.5 0 0 0 4 5.5V8m12-4h2.5A1.5 1.5 0 0 1 20 5.5V8M8 20H5.5A1.5 1.5 0 0 1 4 18.5V16m12 4h2.5a1.5 1.5 0 0 0 1.5-1.5V16M9 9.5v.5m6-.5v.5m-6 4.5a4 4 0 0 0 6 0"/>`,
  camera: svg`<path d="M4 7.5h3l1.5-2.5h7L17 7.5h3a1 1 0 0 1 1 1V18a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V8.5a1 1 0 0 1 1-1Z"/><circle cx="12" cy="13" r="3.5"/>`,
  camera_off: svg`<path d="M9.5 5h6L17 7.5h3a1 1 0 0 1 1 1v9M18 19H4a1 1 0 0 1-1-1V8.5a1 1 0 0 1 1-1h2.5m3.1 3a3.5 3.5 0 0 0 4.9 5M3.5 3.5l17 17"/>`,
  link: svg`<path d="M10 14a4 4 0 0 0 5.7 0l3.6-3.6a4 4 0 0 0-5.7-5.7L12.2 6M14 10a4 4 0 0 0-5.7 0l-3.6 3.6a4 4 0 0 0 5.7 5.7l1.4-1.3"/>`,
  off: svg`<path d="M12 3.5v8M7 6.6a7.5 7.5 0 1 0 10 0"/>`,
  calendar: svg`<path d="M5 5.5h14a1 1 0 0 1 1 1V19a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V6.5a1 1 0 0 1 1-1ZM4 10h16M8.5 3.5v4m7-4v4"/>`,
  network: svg`<path d="M9 3.5h6v5H9zM3.5 15.5h6v5h-6zM14.5 15.5h6v5h-6zM12 8.5V12m-5.5 3.5V12h11v3.5"/>`,
  hourglass: svg`<path d="M6.5 3.5h11M6.5 20.5h11M8 3.5c0 5 8 6 8 8.5s-8 3.5-8 8.5m8-17c0 5-8 6-8 8.5s8 3.5 8 8.5"/>`,
  again: svg`<path d="M19.5 12a7.5 7.5 0 1 1-2.2-5.3l2.2 2.2m0-5v5h-5"/>`,
  update: svg`<path d="M12 3.5v11m-4.5-4.5 4.5 4.5 4.5-4.5M4.5 17v2.5a1 1 0 0 0 1 1h13a1 1 0 0 0 1-1V17"/>`,
  keypad: svg`<path d="M6 3.5h.01M12 3.5h.01M18 3.5h.01M6 9h.01M12 9h.01M18 9h.01M6 14.5h.01M12 14.5h.01M18 14.5h.01M12 20.3h.01" stroke-width="3.4"/>`,
  card: svg`<path d="M4 5.5h16a1 1 0 0 1 1 1v11a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1v-11a1 1 0 0 1 1-1ZM6.5 9h4v4h-4zM14 9h3.5m-3.5 3h3.5M6.5 15.8h11"/>`,
  rub_out: svg`<path d="M9 5.5h11a1 1 0 0 1 1 1v11a1 1 0 0 1-1 1H9L3 12Zm3 4 5 5m0-5-5 5"/>`,
  back: svg`<path d="m14.5 5-7 7 7 7"/>`,
  close: svg`<path d="m6 6 12 12M18 6 6 18"/>`,
  attention: svg`<path d="M12 4 2.8 19.5h18.4ZM12 10v4.5m0 2.3v.2"/>`,
} as const

export type SymbolName = keyof typeof LINES

export function symbol(name: SymbolName): TemplateResult {
  return html`<svg class="symbol" viewBox="0 0 24 24" aria-hidden="true">${LINES[name]}</svg>`
}

export const symbolStyle = css`
  .symbol {
    flex: none;
    width: 1.25em;
    height: 1.25em;
    fill: none;
    stroke: currentColor;
    stroke-width: 2;
    stroke-linecap: round;
    stroke-linejoin: round;
  }
`
