/** The device's storage did not do what it was asked to. The message is a sentence for the screen: what was lost and what to do. */
export class StoreFailed extends Error {
  override name = 'StoreFailed'
}

const REMEDY: Record<string, string> = {
  QuotaExceededError: "this device's storage is full. Make room on it, then reload.",
  VersionError: 'a newer version of the app has already used this storage. Reload to get that version.',
  SecurityError: 'this browser does not let the app store anything. Allow site data for it, then reload.',
  InvalidStateError: 'the browser has closed the storage. Reload; if that does not help, look at the disk.',
  UnknownError: 'the browser cannot reach the disk. Reload; if that does not help, look at the disk.',
  ReferenceError: 'this browser has no storage for apps.',
}

/** @param what a clause that says what did not happen. */
export function storeFailure(what: string, cause: unknown): StoreFailed {
  if (cause instanceof StoreFailed) return cause
  const name = cause instanceof Error ? cause.name : typeof cause
  const remedy = REMEDY[name] ?? `${cause instanceof Error ? cause.message : String(cause)} (${name}).`
  return new StoreFailed(`${what}: ${remedy}`, { cause })
}
