import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Face, Reason } from './face.ts'
import { REASONS } from './face.ts'
import { BYSTANDER_SHARE, ENROLLED_YAW, chooseFace, embeddingOfPhoto, faceOverCentre } from './photo.ts'
import { ADVICE, remedyOf } from './remedies.ts'

function face(width: number, refused?: Reason): Face {
  return {
    box: { x: 0, y: 0, width, height: width },
    score: 0.9,
    track: 1,
    mirrored: false,
    landmarks: undefined,
    cues: undefined,
    quality: { width, brightness: 120, sharpness: 100, yaw: 0, pitch: 0, roll: 0, presence: 1 },
    refused,
    embedding: refused === undefined ? new Float32Array(192).fill(1 / Math.sqrt(192)) : undefined,
  }
}

describe('the face of a photo', () => {
  it('is the only one', () => {
    expect(chooseFace([face(80)]).face?.box.width).toBe(80)
  })

  it('is none where there is none', () => {
    expect(chooseFace([])).toEqual({ reason: 'no_face' })
  })

  it('is the widest, if all others are less than half as wide, in whatever order they come', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 1, max: 99 * BYSTANDER_SHARE, noNaN: true }), { maxLength: 5 }), fc.nat(), (widths, place) => {
        const faces = widths.map((width) => face(width))
        faces.splice(place % (faces.length + 1), 0, face(100))
        expect(chooseFace(faces).face?.box.width).toBe(100)
      }),
    )
  })

  it('is not guessed where two are of comparable size, even if one of them is refused', () => {
    fc.assert(
      fc.property(fc.double({ min: 50, max: 200, noNaN: true }), fc.constantFrom(undefined, 'blurred' as const), (width, refused) => {
        expect(chooseFace([face(100), face(width, refused)])).toEqual({ reason: 'two_faces' })
      }),
    )
  })

  it('is not confused by what is no face', () => {
    expect(chooseFace([face(100), face(300, 'not_a_face')]).face?.box.width).toBe(100)
    expect(chooseFace([face(300, 'not_a_face')])).toEqual({ reason: 'not_a_face' })
  })

  it('is refused with its own reason', () => {
    expect(chooseFace([face(100, 'too_dark'), face(20)])).toEqual({ reason: 'too_dark' })
  })
})

describe('the labelled face', () => {
  it('is the one that holds the photo\'s centre, however large the others are, and the best centred of those', () => {
    const at = (x: number, y: number, width: number) => ({ box: { x, y, width, height: width } })
    expect(faceOverCentre([at(0, 0, 120), at(110, 105, 40), at(90, 95, 60)], { width: 250, height: 250 })).toEqual(at(110, 105, 40))
    expect(faceOverCentre([at(0, 0, 120)], { width: 250, height: 250 })).toBeUndefined()
  })
})

describe('a template', () => {
  it('is not made of a face that is turned further than a template may be', () => {
    const turned = face(100)
    expect(chooseFace([{ ...turned, quality: { ...turned.quality!, yaw: -ENROLLED_YAW - 1 } }])).toEqual({ reason: 'looks_away' })
    expect(chooseFace([{ ...turned, quality: { ...turned.quality!, yaw: ENROLLED_YAW } }]).face).toBeDefined()
  })

  it('lies half way between the embeddings of the crop and of its mirror image', () => {
    const axis = (at: number): Float32Array => Float32Array.from({ length: 192 }, (_, i) => (i === at ? 1 : 0))
    const mean = embeddingOfPhoto({ embedding: axis(0), mirrorEmbedding: axis(1) })
    expect([mean?.[0], mean?.[1]]).toEqual([expect.closeTo(Math.SQRT1_2, 5), expect.closeTo(Math.SQRT1_2, 5)])
    expect(chooseFace([{ ...face(100), embedding: axis(0), mirrorEmbedding: axis(1) }]).face?.embedding[1]).toBeCloseTo(Math.SQRT1_2, 5)
  })
})

describe('remedies', () => {
  it('exist for every reason, as whole sentences', () => {
    expect(Object.keys(ADVICE).sort()).toEqual([...REASONS].sort())
    for (const reason of REASONS) expect(remedyOf(reason)).toMatch(/^[A-Z].*\. [A-Z].*\.$/)
  })
})
