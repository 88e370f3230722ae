import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CURRENT_MODEL, EMBEDDING_LENGTH, modelIds } from '#contract/model'
import { acceptanceFor, likenesses, predictedFpir } from './acceptance.ts'
import { calibrationOf, falseMatchRateAt, scoreAt } from './calibration.ts'
import { packGallery, scoreGallery } from './gallery.ts'

const LENGTH = EMBEDDING_LENGTH[CURRENT_MODEL]
const calibration = calibrationOf(CURRENT_MODEL)

/** Unit vectors that share a direction: `common` 0 none of it, 1 nothing else. */
function people(count: number, common: number): number[][] {
  return Array.from({ length: count }, (_, who) => Array.from({ length: LENGTH }, (_, i) => (i === 0 ? Math.sqrt(common) : i === who + 1 ? Math.sqrt(1 - common) : 0)))
}

const gallery = (embeddings: number[][]) =>
  packGallery(
    embeddings.map((embedding, i) => ({ student_id: `S${i}`, templates: [{ model: CURRENT_MODEL, embedding }] })),
    CURRENT_MODEL,
    { ...calibration, mean: Array.from({ length: LENGTH }, () => 0) },
  )

describe('a model\'s calibration', () => {
  it('is there for every model, of as many numbers as the model gives, with tails that fall as scores rise', () => {
    for (const model of modelIds) {
      const { mean, impostors, people } = calibrationOf(model)
      expect(mean).toHaveLength(EMBEDDING_LENGTH[model])
      expect(people).toBeGreaterThan(500)
      for (const { tail } of impostors) {
        expect(tail.length).toBeGreaterThan(4)
        expect(tail.map(({ score }) => score)).toEqual(tail.map(({ score }) => score).toSorted((a, b) => a - b))
        expect(tail.map((point) => point.falseMatchRate)).toEqual(tail.map((point) => point.falseMatchRate).toSorted((a, b) => b - a))
      }
    }
  })

  it('answers a rate with the score that has this rate, between the measured points and beyond', () => {
    fc.assert(
      fc.property(fc.double({ min: -6.5, max: -1, noNaN: true }), fc.integer({ min: 36, max: 300 }), (power, width) => {
        const rate = 10 ** power
        const score = scoreAt(calibration, rate, width)
        if (score < 1) expect(Math.log10(falseMatchRateAt(calibration, score, width))).toBeCloseTo(power, 6)
      }),
    )
  })
})

describe('the acceptance score of a roster', () => {
  it('keeps the predicted share of strangers within the budget, for a roster of any size and faces of any width', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 120 }), fc.constantFrom(0.0003, 0.003, 0.03), fc.integer({ min: 36, max: 200 }), (students, budget, width) => {
        const roster = gallery(people(students, 0))
        const { accept, ask } = acceptanceFor(roster, { budget, floor: 0 }, width)
        expect(predictedFpir(roster, accept, width)).toBeLessThanOrEqual(budget * 1.0001)
        expect(predictedFpir(roster, accept, width)).toBeGreaterThan(budget * 0.99)
        expect(ask).toBeLessThan(accept)
      }),
    )
  })

  it('rises with the roster and falls with the budget', () => {
    const score = (students: number, budget: number): number => acceptanceFor(gallery(people(students, 0)), { budget, floor: 0 }, 100).accept
    expect(score(50, 0.003)).toBeGreaterThan(score(5, 0.003))
    expect(score(50, 0.003)).toBeGreaterThan(score(50, 0.03))
  })
})

describe('scores', () => {
  it('leave out what all faces have in common: the mean face brings nobody nearer', () => {
    const mean = Array.from({ length: LENGTH }, (_, i) => (i === 0 ? 0.5 : 0))
    const [one, other] = people(2, 0.25) as [number[], number[]]
    const roster = packGallery([{ student_id: 'S0', templates: [{ model: CURRENT_MODEL, embedding: one }] }], CURRENT_MODEL, { ...calibration, mean })
    expect(scoreGallery(roster, Float32Array.from(other))[0]).toBeCloseTo(0, 5)
    expect(scoreGallery(roster, Float32Array.from(one))[0]).toBeCloseTo(1, 5)
  })
})

describe('likeness', () => {
  it('takes away what a probe has in common with the whole roster: strangers before one camera come no nearer than strangers do', () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 60 }), fc.double({ min: 0, max: 0.6, noNaN: true }), (students, common) => {
        const everyone = people(students + 1, common)
        const roster = gallery(everyone.slice(0, students))
        const stranger = Float32Array.from(everyone[students]!)
        const scores = scoreGallery(roster, stranger)
        expect(scores[0]).toBeCloseTo(common, 4)
        for (const likeness of likenesses(roster, scores)) expect(likeness).toBeLessThan(0.05)
      }),
    )
  })

  it('leaves a student near, however alike the class looks', () => {
    const everyone = people(40, 0.5)
    const roster = gallery(everyone)
    const likeness = likenesses(roster, scoreGallery(roster, Float32Array.from(everyone[7]!)))
    expect(likeness[7]).toBeCloseTo(1, 4)
  })
})
