import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Box } from './face.ts'
import { LOST_AFTER_MS, openTracker, SAME_PERSON_COSINE } from './tracker.ts'

const FRAME_MS = 66

const found = (box: Box): { box: Box; score: number } => ({ box, score: 0.9 })
const square = (x: number, y: number, side = 100): Box => ({ x, y, width: side, height: side })

/** Faces that never come near each other: one in each cell of a grid. */
const apart = fc.uniqueArray(fc.integer({ min: 0, max: 11 }), { minLength: 1, maxLength: 12 }).map((cells) => cells.map((cell) => square((cell % 4) * 300, Math.floor(cell / 4) * 300)))
const anyBox = fc.record({ x: fc.integer({ min: 0, max: 500 }), y: fc.integer({ min: 0, max: 300 }), width: fc.integer({ min: 20, max: 200 }), height: fc.integer({ min: 20, max: 200 }) })
const anyFrames = fc.array(fc.record({ boxes: fc.array(anyBox, { maxLength: 6 }), gap: fc.integer({ min: 1, max: 2 * LOST_AFTER_MS }) }), { maxLength: 12 })

function unit(...numbers: number[]): Float32Array {
  const length = Math.hypot(...numbers)
  return Float32Array.from(numbers, (number) => number / length)
}

describe('a track', () => {
  it('keeps its number while its face moves by less than half its width a frame, however many there are and in whatever order they are found', () => {
    fc.assert(
      fc.property(apart, fc.array(fc.record({ dx: fc.integer({ min: -20, max: 20 }), dy: fc.integer({ min: -20, max: 20 }), order: fc.nat() }), { maxLength: 4 }), (boxes, moves) => {
        const tracker = openTracker()
        const first = tracker.assign(boxes.map(found), 0).map(({ id }) => id)
        let places = boxes
        for (const [i, { dx, dy, order }] of moves.entries()) {
          places = places.map((box) => ({ ...box, x: box.x + dx, y: box.y + dy }))
          const turn = order % places.length
          const shuffled = [...places.slice(turn), ...places.slice(0, turn)]
          const ids = tracker.assign(shuffled.map(found), (i + 1) * FRAME_MS).map(({ id }) => id)
          expect(ids).toEqual([...first.slice(turn), ...first.slice(0, turn)])
        }
      }),
    )
  })

  it('is never given to two faces of one frame, and never given again once it is over', () => {
    fc.assert(
      fc.property(anyFrames, (frames) => {
        const tracker = openTracker()
        const seenLast = new Map<number, number>()
        let at = 0
        for (const { boxes, gap } of frames) {
          at += gap
          const ids = tracker.assign(boxes.map(found), at).map(({ id }) => id)
          expect(new Set(ids).size).toBe(ids.length)
          for (const id of ids) {
            const last = seenLast.get(id)
            if (last !== undefined) expect(at - last).toBeLessThanOrEqual(LOST_AFTER_MS)
            seenLast.set(id, at)
          }
        }
      }),
    )
  })

  it('gets a new number where a box could be the continuation of two', () => {
    const tracker = openTracker()
    const [left, right] = tracker.assign([found(square(0, 0)), found(square(90, 0))], 0)
    const [between] = tracker.assign([found(square(45, 0))], FRAME_MS)
    expect([left?.id, right?.id]).not.toContain(between?.id)
  })

  it('gets new numbers where two boxes could be its continuation', () => {
    const tracker = openTracker()
    const [one] = tracker.assign([found(square(45, 0))], 0)
    for (const { id } of tracker.assign([found(square(0, 0)), found(square(90, 0))], FRAME_MS)) expect(id).not.toBe(one?.id)
  })

  it('is not carried across by two who cross: nobody comes out with the number of the other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 5, max: 40 }), fc.integer({ min: 0, max: 20 }), (step, offset) => {
        const tracker = openTracker()
        let [a, b] = [0, 0]
        let firstA = 0
        let firstB = 0
        for (let i = 0; 400 - 2 * step * i > -400; i++) {
          const tracks = tracker.assign([found(square(step * i, 0)), found(square(400 - step * i, offset))], i * FRAME_MS)
          a = tracks[0]?.id ?? 0
          b = tracks[1]?.id ?? 0
          firstA ||= a
          firstB ||= b
        }
        expect(a).not.toBe(firstB)
        expect(b).not.toBe(firstA)
      }),
    )
  })

  it('ends with a jump', () => {
    const tracker = openTracker()
    const [one] = tracker.assign([found(square(0, 0))], 0)
    expect(tracker.assign([found(square(90, 90))], FRAME_MS)[0]?.id).not.toBe(one?.id)
  })

  it('bridges a moment in which the face is not found, and no longer one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 * LOST_AFTER_MS }), (gap) => {
        const tracker = openTracker()
        const [one] = tracker.assign([found(square(0, 0))], 1000)
        const [again] = tracker.assign([found(square(5, 0))], 1000 + gap)
        expect(again?.id === one?.id).toBe(gap <= LOST_AFTER_MS)
      }),
    )
  })

  it('ends where somebody who knows better doubts it', () => {
    const tracker = openTracker()
    const [one] = tracker.assign([found(square(0, 0))], 0)
    expect(tracker.assign([found(square(0, 0))], FRAME_MS, () => true)[0]?.id).not.toBe(one?.id)
    expect(tracker.live(FRAME_MS)).toHaveLength(1)
  })
})

describe('the embeddings of a track', () => {
  it('change its number where they are of another person, and what was gathered starts anew', () => {
    fc.assert(
      fc.property(fc.double({ min: -1, max: 1, noNaN: true }), (cosine) => {
        fc.pre(Math.abs(cosine - SAME_PERSON_COSINE) > 1e-3)
        const tracker = openTracker()
        const [track] = tracker.assign([found(square(0, 0))], 0)
        if (!track) throw new Error('no track')
        expect(tracker.addEmbedding(track, unit(1, 0))).toBe(true)
        const { id } = track
        expect(tracker.addEmbedding(track, unit(cosine, Math.sqrt(1 - cosine * cosine)))).toBe(cosine >= SAME_PERSON_COSINE)
        expect(track.id === id).toBe(cosine >= SAME_PERSON_COSINE)
        expect(track.embeddings).toBe(cosine >= SAME_PERSON_COSINE ? 2 : 1)
        expect(tracker.assign([found(square(0, 0))], FRAME_MS)[0]?.id).toBe(track.id)
      }),
    )
  })
})
