/** A device's key: 256 random bits, and the hash by which the server knows it. See contract/pairing.ts, [Note: A kiosk's key is its own]. */

/** 43 characters of base64url. */
export function drawKey(): string {
  const bits = crypto.getRandomValues(new Uint8Array(32))
  return btoa(String.fromCharCode(...bits)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

/** SHA-256 of the key's characters, as 64 hexadecimal digits. */
export async function hashOfKey(key: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(key))
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
