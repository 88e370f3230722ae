import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { overlap, within } from './picture.ts'
import { type TagWish, placeTags } from './tags.ts'

const PICTURE = { width: 421, height: 316 }
const SIZES = { height: 32, gap: 7, narrowest: 120 }
const wish = fc.record({
  face: fc.record({
    x: fc.double({ min: -20, max: 400, noNaN: true }),
    y: fc.double({ min: -20, max: 300, noNaN: true }),
    width: fc.double({ min: 10, max: 420, noNaN: true }),
    height: fc.double({ min: 10, max: 316, noNaN: true }),
  }),
  width: fc.option(fc.double({ min: 50, max: 900, noNaN: true }), { nil: undefined }),
  rank: fc.integer({ min: 0, max: 3 }),
})

function place(...wishes: TagWish[]) {
  return placeTags(wishes, SIZES, PICTURE)
}

describe('name tags', () => {
  test('never cover a face, whether it has a tag or not, nor another tag, and never leave the picture', () => {
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 8 }), (wishes) => {
        const tags = place(...wishes)
        expect(tags).toHaveLength(wishes.length)
        tags.forEach((tag, at) => {
          if (!tag) return
          expect(within(tag, PICTURE)).toBe(true)
          expect(wishes.filter(({ face }) => overlap(tag, face))).toEqual([])
          expect(tags.filter((other, place) => other && place !== at && overlap(tag, other))).toEqual([])
        })
      }),
      { numRuns: 500 },
    )
  })

  test('are given to nobody who wants none, and cut no shorter than the narrowest unless the name is short', () => {
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 8 }), (wishes) => {
        place(...wishes).forEach((tag, at) => {
          const { width } = wishes[at]!
          if (width === undefined) expect(tag).toBeUndefined()
          else if (tag) expect(tag.width).toBeGreaterThanOrEqual(Math.min(width, SIZES.narrowest))
        })
      }),
    )
  })

  test('a face with room below has its whole name right below it', () => {
    const [tag] = place({ face: { x: 180, y: 100, width: 60, height: 80 }, width: 150, rank: 0 })
    expect(tag).toEqual({ x: 135, y: 187, width: 150, height: 32 })
  })

  test('a face at the bottom edge has its name above its forehead', () => {
    const [tag] = place({ face: { x: 180, y: 230, width: 60, height: 80 }, width: 150, rank: 0 })
    expect(tag!.y + tag!.height).toBeLessThan(230 - 0.2 * 80)
  })

  test('a face that fills the picture has none', () => {
    expect(place({ face: { x: 10, y: 10, width: 400, height: 300 }, width: 150, rank: 0 })).toEqual([undefined])
  })

  test('a known student comes before a stranger where there is room for one', () => {
    const face = { x: 140, y: 60, width: 140, height: 205 }
    const [stranger, student] = place({ face, width: 400, rank: 3 }, { face, width: 400, rank: 0 })
    expect(student).toBeDefined()
    expect(stranger).not.toEqual(student)
    const order = place({ face, width: 400, rank: 0 }, { face, width: 400, rank: 3 })
    expect(order[0]).toEqual(student)
  })
})
