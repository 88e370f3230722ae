/**
 * Whether a worker is still there. One that ends in silence (closed, killed, out of memory) tells nobody, and whoever
 * waits for its answer waits in vain. So each holds a lock of its own for as long as it lives: the browser gives the
 * lock to the next who asked, in the moment the worker is gone.
 */

/** In the worker. @returns the name that `whenDead` takes, once the lock is held; undefined where the browser has no locks. */
export async function holdLife(): Promise<string | undefined> {
  // Missing where the page is neither https nor localhost.
  const locks: LockManager | undefined = navigator.locks
  if (!locks) return undefined
  const life = `life-${crypto.randomUUID()}`
  await new Promise<void>((held) => {
    void locks.request(life, () => {
      held()
      return new Promise<never>(() => undefined)
    })
  })
  return life
}

/** Calls `gone` when the worker that holds this life has ended, whatever the way. @returns ends the waiting. */
export function whenDead(life: string | undefined, gone: () => void): () => void {
  const waiting = new AbortController()
  if (life !== undefined) navigator.locks.request(life, { signal: waiting.signal }, gone).catch(() => undefined) // only ever: no longer waited for
  return () => waiting.abort()
}
