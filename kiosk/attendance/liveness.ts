/**
 * Is it a head or a picture of one? Gathers one track's evidence, frame by frame, and says what it makes of it.
 * Pure: knows landmarks and the worker's cues, no pixel, no student and no screen.
 *
 * [Note: Life is what a plane cannot do]
 *   1. change: the face's picture is laid over itself of a moment ago by the best plane-to-plane mapping; what is left beyond
 *      noise is depth, blinking or expression. Evidence runs up and down, so that one bad frame decides nothing.
 *   2. doubt: things beside the head move along with it. A room stays; a sheet or screen in a hand takes its edges
 *      and its background with it. Change does not count against it: a film on a phone changes, too.
 *   3. who is in doubt, or has shown nothing, is asked (under `require`) to turn the head to a side drawn by lot.
 *      The mesh must turn, and must move as no plane does, and the picture must have changed as well.
 *   4. the mesh alone is no witness while there are pictures: before a print that is moved quickly it lags, and then
 *      reads turns of 24 degrees and depth out of nothing (measured); the pictures, laid over each other, leave 0.05.
 */
import type { Doubt } from '#contract/attendance'
import type { FaceChange, SceneCues } from '../vision/scene-cues.ts'
import { beyondPlane, shapeOf } from './mesh-motion.ts'

/** What is needed of a face. */
export interface LifeFace {
  /** 468 x 3; undefined where only followed. */
  landmarks: Float32Array | undefined
  cues: SceneCues | undefined
  /** Degrees; yaw is positive towards the right of the picture, which is the person's left. */
  quality: { yaw: number } | undefined
}

/** The person's own left and right. */
export type Turn = 'left' | 'right'

export type LifeVerdict =
  | { kind: 'undecided' }
  /** `require` alone: the screen asks for this turn until another verdict comes. */
  | { kind: 'challenge'; turn: Turn }
  | { kind: 'alive'; by: 'depth' | 'blink' | 'expression' | 'turned' }
  | { kind: 'doubtful'; why: Doubt }

export interface LifeSigns {
  /** One frame of the track, in the order of `at` (ms). */
  add(at: number, face: LifeFace): void
  /** `alive` is final; so is `doubtful` under `require` (a new track begins anew). Under `watch` a still face that stirs after all becomes alive. */
  verdict(now: number): LifeVerdict
}

/**
 * Remainder (Remainder.blocks in plane-fit.ts) that counts neither way: so much for a face that stays where it is, and so much more for
 * each reach that its plane moved, up to the most, because motion blurs. Developed on five clips of two adults and on made attacks with
 * three faces: prints that are still, shaken, moved, rolled, tilted and zoomed have medians of 0.02 to 0.06; waved ones up to 0.09, bent
 * ones up to 0.15; living faces 0.23 to 0.74.
 */
const NEUTRAL_CHANGE = { still: 0.1, aReach: 0.15, most: 0.17 } as const
/** Change above neutral that counts as one step; less than neutral counts as many down. */
const CHANGE_STEP = 0.08
/** A frame counts at most so much, up and down, in steps for each 100 ms since the frame before. */
const MOST_UP = 2
const MOST_DOWN = 1
/** Steps that make a face alive: 0.3 s of strong change, or 0.6 s of a little. */
const ALIVE_STEPS = 6
/** A frame stands for at most so many milliseconds, however long none came. */
const LONGEST_FRAME_MS = 200
/** Pictures whose sharpness differs by more than this are not compared: motion blur is no sign of life. */
const SHARPNESS_RANGE = [0.6, 1.65] as const
/** A remainder from which on something covers the face: a hand says nothing of the face behind it. */
const COVERED = 0.62
/** Noise has 0.5 to 0.7; see Remainder.structure. */
const LEAST_STRUCTURE = 0.85

/** Places beside the head that moved along, at most so many counted in a frame, and how many make a doubt. Nine clips of four adults: 0 to 2 over a whole clip. */
const FOLLOW_A_FRAME = 4
const DOUBT_FOLLOWS = 10
/** The share of places that must have moved along: of a live head's surroundings, which stay, a few may seem to. */
const DOUBT_SHARE = 0.12
/** From so many on nobody is alive by change alone. */
const SUSPECT_FOLLOWS = 4
/** Milliseconds that a face is watched at least, so that what is around it has its say, too. */
const LEAST_WATCH_MS = 700

/** Milliseconds without a decision after which the person is asked (`require`) or the mark is flagged (`watch`), counted from the first look. */
export const PASSIVE_MS = 3_000
export const FLAG_AFTER_MS = 5_000
/** Milliseconds that the person has for the turn. */
export const CHALLENGE_MS = 6_000

/** Degrees of the mesh's yaw. A print tilted slowly by 32 degrees either way reads as 5 to 10 in all, a bent one as 11; a person turns 20 and more when asked. */
const TURN_DEGREES = 15
/** Of the mesh (mesh-motion.ts) while turned. Prints tilted by 32 degrees: 0.03 at most; bent ones 0.05. */
const TURN_BEYOND_PLANE = 0.055
/** Steps of change (as ALIVE_STEPS) since the turn was asked for. */
const TURN_STEPS = 4
/** Frames in a row that must show the turn. */
const TURN_FRAMES = 2
/** Milliseconds before the challenge whose mean is "straight ahead". */
const STRAIGHT_MS = 800

/** Mesh motion that is depth, unless the picture says that nothing changed. */
const DEPTH_BEYOND_PLANE = 0.085
const DEPTH_FRAMES = 3
/** Milliseconds between the meshes that are compared. */
const DEPTH_OVER_MS = 500

interface Seen {
  at: number
  shape: Float64Array
  yaw: number
}

interface Challenge {
  turn: Turn
  since: number
  straight: Seen
  straightYaw: number
  /** Steps of change since then. */
  changed: number
  frames: number
  outcome: 'open' | 'turned' | 'wrong' | 'late'
}

export function openLifeSigns({ policy, random }: { policy: 'watch' | 'require'; random: () => number }): LifeSigns {
  let firstAt: number | undefined
  let lastAt = 0
  /** Steps of change, see [Note: Life is what a plane cannot do]. */
  let changed = 0
  const where = { eyes: 0, mouth: 0, yawMin: Infinity, yawMax: -Infinity }
  let [follows, stays, deepFrames] = [0, 0, 0]
  let seen: Seen[] = []
  let alive: 'depth' | 'blink' | 'expression' | 'turned' | undefined
  let challenge: Challenge | undefined

  const inDoubt = (): boolean => follows >= DOUBT_FOLLOWS && follows >= DOUBT_SHARE * (follows + stays)

  const isSuspect = (): boolean => follows >= SUSPECT_FOLLOWS && follows >= DOUBT_SHARE * (follows + stays)

  function add(at: number, { landmarks, cues, quality }: LifeFace): void {
    if (!landmarks || !quality || alive) return
    const steps = Math.min(LONGEST_FRAME_MS, at - lastAt) / 100
    firstAt ??= at
    const now: Seen = { at, shape: shapeOf(landmarks), yaw: quality.yaw }
    if (cues) weigh(cues, firstAt === at ? 0 : steps)
    watchDepth(now, cues)
    seen = [...seen.filter((one) => at - one.at <= 2 * STRAIGHT_MS), now]
    lastAt = at
    decide(now)
  }

  function weigh({ change, around }: SceneCues, steps: number): void {
    if (around) {
      follows += Math.min(FOLLOW_A_FRAME, around.follow)
      stays += Math.min(FOLLOW_A_FRAME, around.stay)
    }
    if (!change || !isComparable(change)) return
    const strength = strengthOf(change)
    const step = steps * Math.min(MOST_UP, Math.max(-MOST_DOWN, strength))
    changed = Math.max(0, changed + step)
    if (challenge) challenge.changed = Math.max(0, challenge.changed + step)
    if (strength > 0) {
      where.eyes += change.eyes
      where.mouth += change.mouth
    }
  }

  function watchDepth(now: Seen, cues: SceneCues | undefined): void {
    where.yawMin = Math.min(where.yawMin, now.yaw)
    where.yawMax = Math.max(where.yawMax, now.yaw)
    const before = seen.findLast((one) => now.at - one.at >= DEPTH_OVER_MS)
    if (!before) return
    const isFlat = cues !== undefined && !(cues.change && isComparable(cues.change) && strengthOf(cues.change) > 0)
    deepFrames = !isFlat && beyondPlane(before.shape, now.shape) >= DEPTH_BEYOND_PLANE ? deepFrames + 1 : 0
  }

  function decide(now: Seen): void {
    if (challenge?.outcome === 'open') followTurn(challenge, now)
    if (challenge?.outcome === 'turned') alive = 'turned'
    else if (challenge && challenge.outcome !== 'open') return
    else if (isSuspect() || now.at - (firstAt ?? now.at) < LEAST_WATCH_MS) return
    else if (deepFrames >= DEPTH_FRAMES) alive = 'depth'
    else if (changed >= ALIVE_STEPS) alive = kindOf(where)
  }

  function followTurn(open: Challenge, now: Seen): void {
    const turned = (now.yaw - open.straightYaw) * (open.turn === 'left' ? 1 : -1)
    if (turned <= -TURN_DEGREES) {
      open.outcome = 'wrong'
      return
    }
    const real = turned >= TURN_DEGREES && open.changed >= TURN_STEPS && beyondPlane(open.straight.shape, now.shape) >= TURN_BEYOND_PLANE
    open.frames = real ? open.frames + 1 : 0
    if (open.frames >= TURN_FRAMES) open.outcome = 'turned'
  }

  function ask(now: number): Challenge {
    const recent = seen.filter((one) => lastAt - one.at <= STRAIGHT_MS)
    const straightYaw = recent.reduce((sum, { yaw }) => sum + yaw, 0) / recent.length
    const straight = recent.reduce((best, one) => (Math.abs(one.yaw - straightYaw) < Math.abs(best.yaw - straightYaw) ? one : best))
    return { turn: random() < 0.5 ? 'left' : 'right', since: now, straight, straightYaw, changed: 0, frames: 0, outcome: 'open' }
  }

  function verdict(now: number): LifeVerdict {
    if (alive) return { kind: 'alive', by: alive }
    if (firstAt === undefined || seen.length === 0) return { kind: 'undecided' }
    const doubtful: LifeVerdict = { kind: 'doubtful', why: inDoubt() ? 'looks_like_a_picture' : 'no_life_seen' }
    if (policy === 'watch') {
      // A face that left soon showed too little to be blamed for.
      return inDoubt() || lastAt - firstAt >= FLAG_AFTER_MS ? doubtful : { kind: 'undecided' }
    }
    if (!challenge) {
      if (!inDoubt() && lastAt - firstAt < PASSIVE_MS) return { kind: 'undecided' }
      challenge = ask(now)
    }
    if (challenge.outcome === 'open' && now - challenge.since > CHALLENGE_MS) challenge.outcome = 'late'
    return challenge.outcome === 'open' ? { kind: 'challenge', turn: challenge.turn } : doubtful
  }

  return { add, verdict }
}

const isComparable = ({ sharper, whole }: FaceChange): boolean => sharper >= SHARPNESS_RANGE[0] && sharper <= SHARPNESS_RANGE[1] && whole < COVERED

/** Steps, unbounded. */
function strengthOf({ blocks, structure, moved }: FaceChange): number {
  if (structure < LEAST_STRUCTURE) return -MOST_DOWN
  return (blocks - Math.min(NEUTRAL_CHANGE.most, NEUTRAL_CHANGE.still + NEUTRAL_CHANGE.aReach * moved)) / CHANGE_STEP
}

/** Degrees of yaw seen meanwhile from which on the change is called depth. */
const DEPTH_YAW = 6
/** The eyes changed so many times more than the mouth: a blink. */
const BLINK_SHARE = 1.4

function kindOf({ eyes, mouth, yawMin, yawMax }: { eyes: number; mouth: number; yawMin: number; yawMax: number }): 'depth' | 'blink' | 'expression' {
  if (yawMax - yawMin >= DEPTH_YAW) return 'depth'
  return eyes > BLINK_SHARE * mouth ? 'blink' : 'expression'
}
