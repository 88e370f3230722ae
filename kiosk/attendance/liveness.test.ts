import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FaceChange, SceneCues } from '../vision/scene-cues.ts'
import { CHALLENGE_MS, FLAG_AFTER_MS, PASSIVE_MS, openLifeSigns } from './liveness.ts'
import type { LifeFace, LifeSigns, LifeVerdict, Turn } from './liveness.ts'
import { beyondPlane, shapeOf } from './mesh-motion.ts'

const POINTS = 468
const FRAME_MS = 100

/** A head's front as points: an ellipsoid with a nose, half a face wide 1. */
const HEAD = Array.from({ length: POINTS }, (_, i) => {
  const [u, v] = [((i * 0.6180339887) % 1) * 2 - 1, (i / POINTS) * 2 - 1]
  const round = Math.sqrt(Math.max(0, 1 - 0.8 * u * u - 0.5 * v * v))
  return { x: 0.95 * u, y: 1.2 * v, z: -0.75 * round - 0.35 * Math.exp(-((u / 0.2) ** 2) - ((v - 0.1) / 0.3) ** 2) }
})

interface Pose {
  yaw: number
  pitch: number
  roll: number
  x: number
  y: number
  z: number
}

/** The points before a pinhole camera, in pixels; `depth` 0 presses the head flat: a picture of it. */
function seenFrom({ yaw, pitch, roll, x, y, z }: Pose, depth: number): Float32Array {
  const [a, b, c] = [yaw, pitch, roll].map((degrees) => (degrees * Math.PI) / 180) as [number, number, number]
  const landmarks = new Float32Array(3 * POINTS)
  for (const [i, point] of HEAD.entries()) {
    const flat = { ...point, z: point.z * depth }
    const [x1, z1] = [Math.cos(a) * flat.x + Math.sin(a) * flat.z, Math.cos(a) * flat.z - Math.sin(a) * flat.x]
    const [y2, z2] = [Math.cos(b) * flat.y - Math.sin(b) * z1, Math.sin(b) * flat.y + Math.cos(b) * z1]
    const [x3, y3] = [Math.cos(c) * x1 - Math.sin(c) * y2, Math.sin(c) * x1 + Math.cos(c) * y2]
    const away = z + z2
    landmarks.set([320 + (640 * (x3 + x)) / away, 240 + (640 * (y3 + y)) / away, (640 * z2) / away], 3 * i)
  }
  return landmarks
}

const still: Pose = { yaw: 0, pitch: 0, roll: 0, x: 0, y: 0, z: 18 }
const pose = fc.record({
  yaw: fc.double({ min: -40, max: 40, noNaN: true }),
  pitch: fc.double({ min: -30, max: 30, noNaN: true }),
  roll: fc.double({ min: -30, max: 30, noNaN: true }),
  x: fc.double({ min: -4, max: 4, noNaN: true }),
  y: fc.double({ min: -3, max: 3, noNaN: true }),
  z: fc.double({ min: 9, max: 30, noNaN: true }),
})

const NO_CHANGE: FaceChange = { ms: 900, moved: 0.1, whole: 0.06, blocks: 0.04, structure: 0.6, eyes: 0.04, mouth: 0.04, sharper: 1 }
const CHANGE: FaceChange = { ms: 900, moved: 0.1, whole: 0.3, blocks: 0.4, structure: 1.5, eyes: 0.2, mouth: 0.4, sharper: 1 }
/** Enough to keep change alone from deciding. */
const DOUBTED = { follow: 4, stay: 0 }
const flatCues: SceneCues = { change: NO_CHANGE, around: undefined }

const face = (landmarks: Float32Array, cues: SceneCues | undefined, yaw = 0): LifeFace => ({ landmarks, cues, quality: { yaw } })

/** Shows the poses one after the other, ten a second, going smoothly from each to the next in `steps` frames. */
function show(life: LifeSigns, poses: readonly Pose[], o: { depth: number; steps: number; cues?: SceneCues; from?: number }): { verdict: LifeVerdict; at: number } {
  let at = o.from ?? 0
  for (const [i, next] of poses.entries()) {
    const before = poses[i - 1] ?? next
    for (let step = 1; step <= o.steps; step++) {
      const share = step / o.steps
      const between = Object.fromEntries(Object.entries(next).map(([key, value]) => [key, before[key as keyof Pose] + share * (value - before[key as keyof Pose])])) as unknown as Pose
      // A mesh that reads every tilt as a turn of the head would be the attacker's best case.
      life.add(at, face(seenFrom(between, o.depth), o.cues, between.yaw))
      at += FRAME_MS
    }
  }
  return { verdict: life.verdict(at), at }
}

test('A plane is a plane however it is moved, and a head that turns is not', () => {
  fc.assert(
    fc.property(pose, pose, (one, other) => {
      expect(beyondPlane(shapeOf(seenFrom(one, 0)), shapeOf(seenFrom(other, 0)))).toBeLessThan(1e-3)
    }),
  )
  for (const yaw of [-30, -20, 20, 30]) expect(beyondPlane(shapeOf(seenFrom(still, 1)), shapeOf(seenFrom({ ...still, yaw }, 1)))).toBeGreaterThan(0.055)
})

test('A flat picture is never alive, however it is moved, even when asked to turn', () => {
  fc.assert(
    fc.property(fc.array(pose, { minLength: 8, maxLength: 14 }), fc.boolean(), (poses, left) => {
      const life = openLifeSigns({ policy: 'require', random: () => (left ? 0 : 0.9) })
      const { verdict, at } = show(life, poses, { depth: 0, steps: 8, cues: flatCues })
      expect(['undecided', 'challenge', 'doubtful']).toContain(verdict.kind)
      const later = show(life, poses, { depth: 0, steps: 8, cues: flatCues, from: at })
      expect(later.verdict.kind).not.toBe('alive')
    }),
    { numRuns: 60 },
  )
})

test('A head that turns is alive by its depth, without a word from the pixels', () => {
  const life = openLifeSigns({ policy: 'watch', random: Math.random })
  const { verdict } = show(life, [still, { ...still, yaw: 32 }, { ...still, yaw: -32 }], { depth: 1, steps: 8 })
  expect(verdict).toEqual({ kind: 'alive', by: 'depth' })
})

test('A face that changes more than a plane can is alive within a second, one that does not is asked for a turn', () => {
  const living = openLifeSigns({ policy: 'require', random: () => 0.9 })
  const other = openLifeSigns({ policy: 'require', random: () => 0.9 })
  for (let at = 0; at <= PASSIVE_MS; at += FRAME_MS) {
    living.add(at, face(seenFrom(still, 1), { change: CHANGE, around: undefined }))
    other.add(at, face(seenFrom(still, 1), flatCues))
    if (at === 1_000) expect(living.verdict(at)).toEqual({ kind: 'alive', by: 'expression' })
    if (at < PASSIVE_MS) expect(other.verdict(at)).toEqual({ kind: 'undecided' })
  }
  expect(other.verdict(PASSIVE_MS)).toEqual({ kind: 'challenge', turn: 'right' })
})

/** Still until asked, then turned by `degrees` towards the picture's right; the pictures change meanwhile, or do not. */
function answer(turn: Turn, degrees: number, depth: number, change = CHANGE): LifeVerdict {
  const life = openLifeSigns({ policy: 'require', random: () => (turn === 'left' ? 0 : 0.9) })
  let at = 0
  for (; life.verdict(at).kind === 'undecided' && at <= 2 * PASSIVE_MS; at += FRAME_MS) life.add(at, face(seenFrom(still, depth), flatCues))
  expect(life.verdict(at)).toEqual({ kind: 'challenge', turn })
  for (let step = 0; step <= 10; step++, at += FRAME_MS) {
    const yaw = (degrees * step) / 10
    life.add(at, face(seenFrom({ ...still, yaw: -yaw }, depth), { change, around: DOUBTED }, yaw))
  }
  const soon = life.verdict(at)
  if (soon.kind !== 'challenge') return soon
  return life.verdict(at + CHALLENGE_MS)
}

test('The asked turn of a real head passes; the other side, none at all, and a turned picture do not', () => {
  expect(answer('left', 25, 1)).toEqual({ kind: 'alive', by: 'turned' })
  expect(answer('right', -25, 1)).toEqual({ kind: 'alive', by: 'turned' })
  expect(answer('left', -25, 1)).toEqual({ kind: 'doubtful', why: 'looks_like_a_picture' })
  expect(answer('right', 0, 1)).toEqual({ kind: 'doubtful', why: 'looks_like_a_picture' })
  for (const turn of ['left', 'right'] as const) for (const degrees of [-45, -25, 25, 45]) expect(answer(turn, degrees, 0).kind).toBe('doubtful')
})

test('A mesh that turns while the picture stays as flat as it was is not believed', () => {
  expect(answer('left', 25, 1, NO_CHANGE).kind).toBe('doubtful')
  const life = openLifeSigns({ policy: 'watch', random: Math.random })
  const { verdict } = show(life, [still, { ...still, yaw: 32 }, { ...still, yaw: -32 }], { depth: 1, steps: 8, cues: flatCues })
  expect(verdict).toEqual({ kind: 'undecided' })
})

test('What moves along with the face makes a doubt that change alone does not lift: a film on a phone changes, too', () => {
  const cues: SceneCues = { change: CHANGE, around: { follow: 5, stay: 1 } }
  const watched = openLifeSigns({ policy: 'watch', random: Math.random })
  const required = openLifeSigns({ policy: 'require', random: () => 0 })
  for (let at = 0; at <= 2_000; at += FRAME_MS) for (const life of [watched, required]) life.add(at, face(seenFrom(still, 1), cues))
  expect(watched.verdict(2_000)).toEqual({ kind: 'doubtful', why: 'looks_like_a_picture' })
  expect(required.verdict(2_000)).toEqual({ kind: 'challenge', turn: 'left' })
})

test('Under watch a face is flagged only after it was looked at for long, and may still come to life', () => {
  const life = openLifeSigns({ policy: 'watch', random: Math.random })
  let at = 0
  for (; at <= FLAG_AFTER_MS - FRAME_MS; at += FRAME_MS) life.add(at, face(seenFrom(still, 1), flatCues))
  // It left: time alone blames nobody.
  expect(life.verdict(at + 60_000)).toEqual({ kind: 'undecided' })
  for (const until = at + FRAME_MS; at <= until; at += FRAME_MS) life.add(at, face(seenFrom(still, 1), flatCues))
  expect(life.verdict(at)).toEqual({ kind: 'doubtful', why: 'no_life_seen' })
  for (const until = at + 1_500; at <= until; at += FRAME_MS) life.add(at, face(seenFrom(still, 1), { change: CHANGE, around: undefined }))
  expect(life.verdict(at).kind).toBe('alive')
})

test('A hand before the face and motion blur are no signs of life', () => {
  for (const change of [{ ...CHANGE, whole: 0.9, blocks: 1.5 }, { ...CHANGE, sharper: 0.4 }, { ...CHANGE, sharper: 2.5 }]) {
    const life = openLifeSigns({ policy: 'require', random: () => 0 })
    for (let at = 0; at < PASSIVE_MS; at += FRAME_MS) life.add(at, face(seenFrom(still, 1), { change, around: undefined }))
    expect(life.verdict(PASSIVE_MS - FRAME_MS)).toEqual({ kind: 'undecided' })
  }
})
