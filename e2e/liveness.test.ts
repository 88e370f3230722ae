/** What a school would notice of liveness, through the vision that ships: a photo held up does not pass, a person does. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openLifeSigns } from '../kiosk/attendance/liveness.ts'
import type { LifeSigns, LifeVerdict } from '../kiosk/attendance/liveness.ts'
import { makeModels } from '../kiosk/models/make.ts'
import { openNodeVision } from '../kiosk/vision/node.ts'
import type { NodeVision } from '../kiosk/vision/node.ts'
import { film, madeRoom, motionOf, seeded } from './bench/attacks.ts'
import type { MotionName } from './bench/attacks.ts'
import { type Frame, readClip, readPicture } from './clip.ts'
import { BEA, CLEO, type FaceInPhoto } from './faces.ts'

const FPS = 8
const clips = join(import.meta.dirname, '..', '..', 'shared', 'faces', 'clips')

let vision: NodeVision
beforeAll(async () => {
  await makeModels()
  vision = await openNodeVision()
}, 120_000)
afterAll(() => vision.close())

/** Every verdict of every track, in the order of time. */
async function verdictsOf(frames: AsyncIterable<{ at: number; frame: Frame }>): Promise<LifeVerdict[]> {
  const camera = vision.watch()
  const lives = new Map<number, LifeSigns>()
  const verdicts: LifeVerdict[] = []
  for await (const { at, frame } of frames) {
    const { faces } = await camera.look(frame, at, { watched: [...lives.keys()] })
    for (const face of faces) {
      if (face.refused === 'not_a_face') continue
      const life = lives.get(face.track) ?? openLifeSigns({ policy: 'require', random: () => 0 })
      lives.set(face.track, life)
      life.add(at, face)
      verdicts.push(life.verdict(at))
    }
  }
  return verdicts
}

async function* heldUp(face: FaceInPhoto, motion: MotionName): AsyncGenerator<{ at: number; frame: Frame }> {
  const random = seeded(11)
  const picture = await readPicture(face.file)
  const sheet = { picture: () => picture, face, cut: { left: 1.1, right: 1.1, up: 1.2, down: 1.4 }, border: { width: 0.12, colour: [235, 235, 232] as const } }
  for await (const { at, jpeg } of film({ room: madeRoom(random), sheet, motion: motionOf(motion, 90, random), seconds: 2.5, fps: FPS, noise: 2, jpegQuality: 80, random })) {
    yield { at, frame: await readPicture(jpeg) }
  }
}

describe('a photo in somebody\'s hand', () => {
  test.each([
    [CLEO, 'moved'],
    [BEA, 'tilted_sideways'],
    [BEA, 'hand_jitter'],
  ] as const)('is never alive, and looks like what it is when it is moved (%#)', async (face, motion) => {
    const verdicts = await verdictsOf(heldUp(face, motion))
    expect(verdicts.length).toBeGreaterThan(FPS)
    expect(verdicts.filter(({ kind }) => kind === 'alive')).toEqual([])
    if (motion !== 'hand_jitter') expect(verdicts.at(-1)?.kind).toBe('challenge')
  })
})

describe.skipIf(!existsSync(clips))('a person (clips of ../shared/faces, which are not part of the project)', () => {
  test.each(['learn', 'night', 'please'])('is alive within three seconds without being asked: %s', async (name) => {
    async function* played(): AsyncGenerator<{ at: number; frame: Frame }> {
      let at = 0
      for await (const frame of readClip(join(clips, `${name}.mjpeg`), 4)) yield { at: (at += (4 * 1000) / 30), frame }
    }
    const verdicts = await verdictsOf(played())
    expect(verdicts.at(-1)?.kind).toBe('alive')
    expect(verdicts.filter(({ kind }) => kind === 'challenge' || kind === 'doubtful')).toEqual([])
  })
})
