import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CURRENT_MODEL, EMBEDDING_LENGTH } from '#contract/model'
import type { Face, SeenFrame } from '../vision/face.ts'
import { normalise } from './gallery.ts'
import { AGREEING_SIGHTINGS, UNDECIDED_FRAMES } from './sightings.ts'
import { type Checked, type VerificationRule, followVerification } from './verification.ts'

const LENGTH = EMBEDDING_LENGTH[CURRENT_MODEL]

/** A unit vector of its own for every seed. */
function person(seed: number): Float32Array {
  let state = (seed + 1) * 2654435761
  const vector = Float32Array.from({ length: LENGTH }, () => {
    state = Math.imul(state ^ (state >>> 15), 2246822507) + 0x9e3779b9
    return ((state >>> 0) / 2 ** 32) * 2 - 1
  })
  normalise(vector)
  return vector
}

/** The same person in another frame: `noise` 0 is the template itself. */
function shot(who: number, frame: number, noise = 0.4): Float32Array {
  const other = person(10_000 + who * 997 + frame)
  const vector = person(who).map((value, i) => value + noise * other[i]!)
  normalise(vector)
  return vector
}

const RULE: VerificationRule = { templates: [person(1), shot(1, 7)], rotation: undefined, threshold: 0.65, liveness: 'off', random: () => 0.5 }

function face(embedding: Float32Array | undefined, o: { track?: number; width?: number; refused?: Face['refused'] } = {}): Face {
  const width = o.width ?? 100
  return {
    box: { x: 0, y: 0, width, height: width }, score: 0.9, track: o.track ?? 1, mirrored: false, landmarks: undefined, cues: undefined,
    quality: { width, brightness: 120, sharpness: 100, yaw: 0, pitch: 0, roll: 0, presence: 1 }, refused: o.refused, embedding,
  }
}

const frame = (at: number, ...faces: Face[]): SeenFrame => ({ takenAt: at * 100, width: 640, height: 480, faces, ms: { detect: 0, align: 0, embed: 0, frame: 0 } })

/** So many frames of these faces, one after the other. @returns what was said of each */
function watch(rule: Partial<VerificationRule>, frames: number, faces: (at: number) => Face[]): Checked[] {
  const verification = followVerification({ ...RULE, ...rule })
  return Array.from({ length: frames }, (_, at) => verification.add(frame(at, ...faces(at))).checked)
}

describe('one face is compared with one student', () => {
  it('and is confirmed when several frames in a row say so, not before', () => {
    const said = watch({}, 6, (at) => [face(shot(1, at))]).map(({ kind }) => kind)
    expect(said.slice(0, AGREEING_SIGHTINGS)).toEqual([...Array.from({ length: AGREEING_SIGHTINGS - 1 }, () => 'looking'), 'confirmed'])
    expect(said.slice(AGREEING_SIGHTINGS)).toEqual(['confirmed', 'confirmed', 'confirmed'])
  })

  it('and nobody else ever is, however long they stand there', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5_000 }), (other) => {
        const said = watch({}, 40, (at) => [face(shot(other, at))])
        expect(said.some(({ kind }) => kind === 'confirmed')).toBe(false)
        expect(said.slice(UNDECIDED_FRAMES).every(({ kind }) => kind === 'another')).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  it('by the threshold that the school has set', () => {
    const weak = (at: number) => [face(shot(1, at, 1.6))]
    expect(watch({ threshold: 0.95, templates: [person(1)] }, 20, weak).at(-1)?.kind).toBe('another')
    expect(watch({ threshold: 0.5, templates: [person(1)] }, 20, weak).at(-1)?.kind).toBe('confirmed')
  })

  it('and it is the nearest one: who stands behind marks nobody', () => {
    const behind = (at: number) => [face(shot(1, at), { track: 1, width: 60 }), face(shot(2, at), { track: 2, width: 140 })]
    expect(watch({}, 30, behind).some(({ kind }) => kind === 'confirmed')).toBe(false)
    // And steps forward.
    const steps = watch({}, 30, (at) => (at < 12 ? behind(at) : [face(shot(1, at), { track: 1, width: 150 })]))
    expect(steps.at(-1)?.kind).toBe('confirmed')
  })

  it('and another person in the same place begins anew', () => {
    const said = watch({}, 12, (at) => [face(shot(at < 2 ? 1 : 2, at))])
    expect(said.some(({ kind }) => kind === 'confirmed')).toBe(false)
    expect(watch({}, 20, (at) => [face(shot(at < 6 ? 2 : 1, at))]).at(-1)?.kind).toBe('confirmed')
  })

  it('and what is not good enough to be looked at is said, and decides nothing', () => {
    expect(watch({}, 3, () => [face(undefined, { refused: 'too_small' })]).map(({ kind }) => kind)).toEqual(['refused', 'refused', 'refused'])
    expect(watch({}, 2, () => []).map(({ kind }) => kind)).toEqual(['looking', 'looking'])
    expect(watch({}, 2, () => [face(undefined, { refused: 'not_a_face' })]).map(({ kind }) => kind)).toEqual(['looking', 'looking'])
  })
})

describe('whether it lives', () => {
  it('is asked where the room requires it: without a sign of life nobody is confirmed', () => {
    const verification = followVerification({ ...RULE, liveness: 'require' })
    const said = Array.from({ length: 200 }, (_, at) => verification.add(frame(at, { ...face(shot(1, at)), landmarks: undefined })).checked.kind)
    expect(said).not.toContain('confirmed')
  })

  it('is watched a little longer where the room only watches, and the student is confirmed at once', () => {
    const said = watch({ liveness: 'watch' }, 5, (at) => [face(shot(1, at))])
    expect(said.at(-1)).toMatchObject({ kind: 'confirmed', doubt: undefined, watched: true })
    expect(watch({}, 5, (at) => [face(shot(1, at))]).at(-1)).toMatchObject({ kind: 'confirmed', watched: false })
  })

  it('needs no more embeddings once it is the student', () => {
    const verification = followVerification({ ...RULE, liveness: 'watch' })
    for (let at = 0; at < AGREEING_SIGHTINGS; at++) {
      expect(verification.wishes()).toEqual({})
      verification.add(frame(at, face(shot(1, at), { track: 4 })))
    }
    expect(verification.wishes()).toEqual({ watched: [4] })
    verification.add(frame(9))
    expect(verification.wishes()).toEqual({})
  })
})
