/** Tables as CSV that a spreadsheet opens as it is. Pure: knows no report and no page. */

/** Excel takes a file without it for the machine's old code page. */
const BYTE_ORDER_MARK = '\uFEFF'

/** @param lines the heading first; null is an empty field. */
export function csvOf(lines: readonly (readonly (string | number | null)[])[]): string {
  return BYTE_ORDER_MARK + lines.map((line) => `${line.map(fieldOf).join(',')}\r\n`).join('')
}

function fieldOf(value: string | number | null): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  // A spreadsheet would run what begins so as a formula, and names are typed by people.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
