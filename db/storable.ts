/**
 * Text as PostgreSQL can hold it: UTF-8 without the character NUL. Both NUL and half a surrogate pair
 * are valid in JSON and so may arrive in any name or note; they become the replacement character.
 */
const UNSTORABLE = /[\0\p{Surrogate}]/gu

export function storable(text: string): string {
  return text.replace(UNSTORABLE, '\uFFFD')
}

/** JSON text for a jsonb value. */
export function storableJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'string' ? storable(inner) : inner))
}
