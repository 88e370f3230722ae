import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Hint, NO_HINT, holdHint, nearestHint } from './held-hint.ts'
import type { OutlinedFace } from './state.ts'

const FRAME_MS = 66

/** What is written after each frame. */
function written(given: (Hint | undefined)[], start = 1_000_000): (Hint | undefined)[] {
  let held = NO_HINT
  return given.map((hint, frame) => (held = holdHint(held, hint, start + frame * FRAME_MS)).shown)
}

function repeat(hint: Hint | undefined, frames: number): (Hint | undefined)[] {
  return Array.from({ length: frames }, () => hint)
}

describe('the hint written large', () => {
  test('is the one that is given without a break', () => {
    expect(written(repeat('come_closer', 10)).at(-1)).toBe('come_closer')
  })

  test('is not changed by single frames', () => {
    const given = [...repeat('come_closer', 10), 'hold_still' as const, ...repeat('come_closer', 3), undefined, ...repeat('come_closer', 3)]
    expect(new Set(written(given).slice(9))).toEqual(new Set(['come_closer']))
    expect(new Set(written([...repeat(undefined, 5), 'more_light', ...repeat(undefined, 5)]))).toEqual(new Set([undefined]))
  })

  test('goes when nobody is given a hint any more', () => {
    expect(written([...repeat('look_here', 10), ...repeat(undefined, 40)]).at(-1)).toBeUndefined()
  })

  test('stays at least 15 frames at a time, whatever is given', () => {
    const hint = fc.constantFrom<(Hint | undefined)[]>(undefined, 'come_closer', 'look_here', 'more_light', 'hold_still')
    fc.assert(
      fc.property(fc.array(fc.tuple(hint, fc.integer({ min: 1, max: 30 })), { maxLength: 30 }), (runs) => {
        const shown = written(runs.flatMap(([one, frames]) => repeat(one, frames)))
        let since = 0
        shown.forEach((one, at) => {
          if (at === 0 || one === shown[at - 1]) return
          if (shown[at - 1] !== undefined) expect(at - since).toBeGreaterThanOrEqual(15)
          since = at
        })
      }),
    )
  })

  test('is not stuck when the clock is set back', () => {
    let held = NO_HINT
    for (let frame = 0; frame < 10; frame++) held = holdHint(held, 'look_here', 9_000_000 + frame * FRAME_MS)
    for (let frame = 0; frame < 40; frame++) held = holdHint(held, undefined, 1_000 + frame * FRAME_MS)
    expect(held.shown).toBeUndefined()
  })
})

describe('the nearest hint', () => {
  test('is that of the widest face that has one', () => {
    const face = (width: number, hint: Hint | undefined): OutlinedFace => ({ box: { x: 0, y: 0, width, height: width }, track: width, name: undefined, kind: hint ? 'hint' : 'looking', hint })
    expect(nearestHint([face(40, 'come_closer'), face(90, 'look_here'), face(200, undefined)])).toBe('look_here')
    expect(nearestHint([face(200, undefined)])).toBeUndefined()
    expect(nearestHint([])).toBeUndefined()
  })
})
