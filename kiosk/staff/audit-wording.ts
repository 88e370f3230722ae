/** The audit log's words as a person reads them. Knows nothing of how they are shown. */

/** `device_key_rotated` -> "Device key rotated". */
export function actionWords(action: string): string {
  const words = action.replaceAll('_', ' ').replace(/\bpin\b/g, 'PIN')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** `{students: 24, models: ['a', 'b']}` -> "students 24, models a b". */
export function detailWords(details: Readonly<Record<string, unknown>>): string {
  return Object.entries(details)
    .map(([name, value]) => `${name.replaceAll('_', ' ')} ${Array.isArray(value) ? value.join(' ') : value === null ? 'none' : value === true ? 'yes' : value === false ? 'no' : String(value)}`)
    .join(', ')
}
