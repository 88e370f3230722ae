/**
 * Time of a world: a list of what happens when, worked off as fast as the machine can. Knows nothing of what happens.
 *
 * [Note: Whose code runs] Every event has an owner, and before the next event everything that one set in motion has come
 * to rest: so at any moment it is known whose code runs. While the school's server works (`outside`) nothing of the
 * world moves: PostgreSQL takes real milliseconds, and no virtual ones. Neither does anything move while WebCrypto works, which it
 * does on other threads of the process: how soon they answer is the machine's to say, and must not be the world's.
 */

/** One life of something that runs: ended, nothing of it happens any more. */
export interface Owner {
  readonly name: string
  ended: boolean
  /** What its code did not catch. */
  onFault?: (fault: unknown) => void
}

export interface Happening {
  at: number
  cancelled: boolean
}

interface Queued extends Happening {
  /** Of two at the same time, the first in. */
  order: number
  owner: Owner
  act: () => unknown
}

export class VirtualTime {
  private readonly queue: Queued[] = []
  private order = 0
  private current: Owner | undefined
  events = 0

  /** @param now ms since 1970, the world's true time */
  constructor(public now: number) {}

  at(time: number, owner: Owner, act: () => unknown): Happening {
    const happening: Queued = { at: Math.max(time, this.now), order: this.order++, owner, act, cancelled: false }
    this.push(happening)
    return happening
  }

  after(ms: number, owner: Owner, act: () => unknown): Happening {
    return this.at(this.now + ms, owner, act)
  }

  /** Resolves so much later; never, if the owner ends before. */
  sleep(ms: number, owner: Owner): Promise<void> {
    return new Promise((resolve) => void this.after(ms, owner, resolve))
  }

  /** Works off what happens up to `until`, or until `done` says so after an event. @returns what `done` said last. */
  async run(until: number, done: () => boolean = () => false, mostEvents = 20_000): Promise<boolean> {
    const returned = lend(this)
    try {
      for (let next = this.queue[0]; next && next.at <= until; next = this.queue[0]) {
        this.pop()
        if (next.cancelled || next.owner.ended) continue
        this.now = next.at
        this.current = next.owner
        this.events += 1
        if (this.events > mostEvents) throw new Error(`more than ${mostEvents} events: this world does not come to rest`)
        await next.act()
        await rest()
        this.current = undefined
        if (done()) return true
      }
      this.now = Math.max(this.now, until)
      return done()
    } finally {
      this.current = undefined
      returned()
    }
  }

  /** Runs what belongs to the real machine: nothing of the world moves meanwhile. */
  async outside<T>(work: () => Promise<T>): Promise<T> {
    const { current } = this
    this.current = undefined
    try {
      return await work()
    } finally {
      this.current = current
    }
  }

  /** For owners that start something while another one's event runs. */
  as<T>(owner: Owner, work: () => T): T {
    const { current } = this
    this.current = owner
    try {
      return work()
    } finally {
      this.current = current
    }
  }

  get running(): Owner | undefined {
    return this.current
  }

  // ---------- a binary heap by time, then by order ----------

  private push(added: Queued): void {
    const { queue } = this
    let place = queue.length
    queue.push(added)
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = queue[above] as Queued
      if (!before(added, parent)) break
      queue[place] = parent
      place = above
    }
    queue[place] = added
  }

  private pop(): void {
    const { queue } = this
    const last = queue.pop() as Queued
    if (queue.length === 0) return
    let place = 0
    for (;;) {
      let below = 2 * place + 1
      if (below >= queue.length) break
      if (below + 1 < queue.length && before(queue[below + 1] as Queued, queue[below] as Queued)) below += 1
      if (!before(queue[below] as Queued, last)) break
      queue[place] = queue[below] as Queued
      place = below
    }
    queue[place] = last
  }
}

function before(a: Queued, b: Queued): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

const realSetImmediate = globalThis.setImmediate

/** What WebCrypto has been asked for and has not answered. */
const ciphering = new Set<Promise<unknown>>()

/** When everything that waits for no timer and no socket has run. */
async function rest(): Promise<void> {
  for (;;) {
    await new Promise((resolve) => void realSetImmediate(resolve))
    if (ciphering.size === 0) return
    await Promise.allSettled(ciphering)
  }
}

/** Nothing that WebCrypto is asked for goes unseen. @returns how to put the machine's own way back. */
function watchCiphers(): () => void {
  const subtle = globalThis.crypto.subtle as unknown as Record<string, (...words: unknown[]) => Promise<unknown>>
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(subtle)).filter((name) => name !== 'constructor')
  for (const name of names) {
    const work = subtle[name]?.bind(subtle)
    const watched = (...words: unknown[]): Promise<unknown> | undefined => {
      const answer = work?.(...words)
      if (answer) {
        ciphering.add(answer)
        const over = (): void => void ciphering.delete(answer)
        answer.then(over, over)
      }
      return answer
    }
    Object.defineProperty(subtle, name, { value: watched, configurable: true })
  }
  return () => {
    for (const name of names) delete subtle[name]
  }
}

/** Faults that nobody caught go to the owner whose code runs. @returns how to put the machine's own way back. */
function lend(time: VirtualTime): () => void {
  const report = Object.getOwnPropertyDescriptor(globalThis, 'reportError')
  const unwatched = watchCiphers()
  Object.defineProperty(globalThis, 'reportError', { value: (fault: unknown) => time.running?.onFault?.(fault), configurable: true, writable: true })
  return () => {
    unwatched()
    if (report) Object.defineProperty(globalThis, 'reportError', report)
    else delete (globalThis as { reportError?: unknown }).reportError
  }
}
