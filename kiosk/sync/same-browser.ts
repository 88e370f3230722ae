/** Word between the tabs of one browser: on a laptop that is office and kiosk in one, nobody waits for the next heartbeat. */

const CHANNEL = 'fastrackai-roster'

/** Called after a change of what a roster holds. */
export function announceRosterChange(): void {
  const channel = new BroadcastChannel(CHANNEL)
  // eslint-disable-next-line unicorn/require-post-message-target-origin -- a channel reaches our own origin alone
  channel.postMessage('changed')
  channel.close()
}

/** @returns an end to the hearing. */
export function hearRosterChange(heard: () => void): () => void {
  const channel = new BroadcastChannel(CHANNEL)
  channel.addEventListener('message', heard)
  return () => channel.close()
}
