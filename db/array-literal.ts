/**
 * A column of many rows as one parameter: an array as PostgreSQL reads it, several times faster than JSON; undefined: NULL. For ids, numbers and dates that
 * were checked before: no value may hold a quote or a backslash.
 */
export function arrayLiteral<Of>(all: readonly Of[], value: (one: Of) => string | number | undefined): string {
  let text = ''
  for (const one of all) {
    const of = value(one)
    text += of === undefined ? ',NULL' : typeof of === 'number' ? `,${of}` : `,"${of}"`
  }
  return `{${text.slice(1)}}`
}
