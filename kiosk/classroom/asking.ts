/**
 * Which face is asked who they are: one at a time, the nearest first, and no question twice in a row to one
 * who said no. Pure: frames and taps go in, the question on the screen comes out.
 */
import type { Ask } from './in-lesson.ts'
import type { OutlinedFace } from './state.ts'

/** A question stays for so long after its face was last seen: people look down to tap. */
const STAYS_MS = 3_000
/** After "no" the same face is not asked for so long. */
const SILENT_AFTER_NO_MS = 30_000
/** A face that has answered is not asked about its other candidates, in this lesson. */
const SILENT_AFTER_YES_MS = 3 * 3_600_000

/** Times in ms of the caller's clock. */
export interface Asking {
  asked: { ask: Ask; seenAt: number } | undefined
  /** Until when a track is not asked. */
  silent: ReadonlyMap<number, number>
}

export const NOBODY_ASKED: Asking = { asked: undefined, silent: new Map() }

export interface AskFrame {
  asks: readonly Ask[]
  /** Everybody in view. */
  faces: readonly OutlinedFace[]
  /** Students who are here already: nobody is asked for them. */
  here: ReadonlySet<string>
}

/** One frame more, or, where no frames come, the same faces again as time goes by. */
export function askOn(before: Asking, frame: AskFrame, now: number): Asking {
  const silent = new Map([...before.silent].filter(([, until]) => until > now))
  const open = frame.asks.map((ask) => stillOpen(ask, frame)).filter((ask) => ask !== undefined && !silent.has(ask.track)) as Ask[]
  const kept = keep(before.asked, open, frame, silent, now)
  if (kept) return { asked: kept, silent }
  const [nearest] = open.toSorted((a, b) => b.box.width * b.box.height - a.box.width * a.box.height)
  return { asked: nearest && { ask: nearest, seenAt: now }, silent }
}

/** The question stays as it was first put: nothing moves under the finger. It only ever asks for more proof. */
function keep(asked: Asking['asked'], open: readonly Ask[], frame: AskFrame, silent: ReadonlyMap<number, number>, now: number): Asking['asked'] {
  if (!asked || silent.has(asked.ask.track)) return undefined
  const face = frame.faces.find(({ track }) => track === asked.ask.track)
  const ask = stillOpen(asked.ask, frame)
  if (!ask || face?.kind === 'here' || (!face && now - asked.seenAt > STAYS_MS)) return undefined
  const again = open.find(({ track }) => track === ask.track)
  return { ask: again?.needs === 'pin' ? { ...ask, needs: 'pin' } : ask, seenAt: face ? now : asked.seenAt }
}

function stillOpen(ask: Ask, { here }: AskFrame): Ask | undefined {
  if (!ask.candidates.some((id) => here.has(id))) return ask.candidates.length > 0 ? ask : undefined
  const candidates = ask.candidates.filter((id) => !here.has(id))
  return candidates.length > 0 ? { ...ask, candidates } : undefined
}

export function answered(before: Asking, track: number, answer: 'yes' | 'no', now: number): Asking {
  const silent = new Map(before.silent).set(track, now + (answer === 'yes' ? SILENT_AFTER_YES_MS : SILENT_AFTER_NO_MS))
  return { asked: before.asked?.ask.track === track ? undefined : before.asked, silent }
}
