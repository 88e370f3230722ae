/** The message is one line for the person who starts the server: the path, what is wrong with it, and what to do. */
export class DataFolderRefused extends Error {
  override name = 'DataFolderRefused'
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
