import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type AskFrame, type Asking, NOBODY_ASKED, answered, askOn } from './asking.ts'
import type { Ask } from './in-lesson.ts'
import type { OutlinedFace } from './state.ts'

const box = (width: number) => ({ x: 0, y: 0, width, height: width })
const ask = (track: number, over: Partial<Ask> = {}): Ask => ({ track, box: box(100), candidates: [`S${track}`], needs: 'tap', score: 0.5, ...over })
const face = (track: number, kind: OutlinedFace['kind'] = 'looking'): OutlinedFace => ({ box: box(100), track, name: undefined, kind, hint: undefined })
const frame = (asks: Ask[], over: Partial<AskFrame> = {}): AskFrame => ({ asks, faces: asks.map(({ track }) => face(track)), here: new Set(), ...over })
const trackOf = ({ asked }: Asking): number | undefined => asked?.ask.track

test('of several the nearest is asked, and the question does not move to a nearer one while its face is there', () => {
  const first = askOn(NOBODY_ASKED, frame([ask(1), ask(2, { box: box(140) })]), 0)
  expect(trackOf(first)).toBe(2)
  expect(trackOf(askOn(first, frame([ask(1, { box: box(300) }), ask(2)]), 100))).toBe(2)
})

test('a question stays while its face is in view, also when the face is not asked about, and three seconds longer', () => {
  const asked = askOn(NOBODY_ASKED, frame([ask(1)]), 0)
  const later = askOn(asked, frame([], { faces: [face(1, 'hint')] }), 9_000)
  expect(trackOf(later)).toBe(1)
  expect(trackOf(askOn(later, frame([]), 12_000))).toBe(1)
  expect(trackOf(askOn(later, frame([]), 12_001))).toBeUndefined()
})

test('it goes at once when its face is known, or everybody whom it names is here', () => {
  const asked = askOn(NOBODY_ASKED, frame([ask(1, { candidates: ['A', 'B'] })]), 0)
  expect(trackOf(askOn(asked, frame([], { faces: [face(1, 'here')] }), 100))).toBeUndefined()
  expect(askOn(asked, frame([], { faces: [face(1)], here: new Set(['A']) }), 100).asked?.ask.candidates).toEqual(['B'])
  expect(trackOf(askOn(asked, frame([], { faces: [face(1)], here: new Set(['A', 'B']) }), 100))).toBeUndefined()
})

test('no silences the question of that face for half a minute, and another face is asked meanwhile', () => {
  const asked = askOn(NOBODY_ASKED, frame([ask(1), ask(2)]), 0)
  const no = answered(asked, 1, 'no', 1_000)
  expect(trackOf(askOn(no, frame([ask(1), ask(2)]), 1_100))).toBe(2)
  expect(trackOf(askOn(no, frame([ask(1)]), 30_999))).toBeUndefined()
  expect(trackOf(askOn(no, frame([ask(1)]), 31_000))).toBe(1)
})

test('who has said yes is not asked about the others, who are not here yet', () => {
  const asked = askOn(NOBODY_ASKED, frame([ask(1, { candidates: ['A', 'B'] })]), 0)
  const yes = answered(asked, 1, 'yes', 1_000)
  expect(trackOf(askOn(yes, frame([ask(1, { candidates: ['A', 'B'] })], { here: new Set(['A']) }), 3_600_000))).toBeUndefined()
})

test('a question never asks for less proof than before', () => {
  const tap = askOn(NOBODY_ASKED, frame([ask(1)]), 0)
  const pin = askOn(tap, frame([ask(1, { needs: 'pin' })]), 100)
  expect(pin.asked?.ask.needs).toBe('pin')
  expect(askOn(pin, frame([ask(1)]), 200).asked?.ask.needs).toBe('pin')
})

test('whatever comes and whoever answers, nobody is asked for a student who is here, nor within half a minute of a no', () => {
  const id = fc.constantFrom('A', 'B', 'C', 'D')
  const oneAsk = fc.record({ track: fc.integer({ min: 1, max: 4 }), box: fc.integer({ min: 20, max: 300 }).map(box), candidates: fc.uniqueArray(id, { maxLength: 3 }), needs: fc.constantFrom('tap' as const, 'pin' as const), score: fc.constant(0.5) })
  const step = fc.oneof(
    fc.record({ asks: fc.uniqueArray(oneAsk, { selector: ({ track }) => track, maxLength: 4 }), here: fc.uniqueArray(id), wait: fc.integer({ min: 1, max: 5_000 }) }),
    fc.record({ no: fc.integer({ min: 1, max: 4 }), wait: fc.integer({ min: 1, max: 5_000 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let asking = NOBODY_ASKED
      let now = 0
      const said = new Map<number, number>()
      for (const next of steps) {
        now += next.wait
        if ('no' in next) {
          asking = answered(asking, next.no, 'no', now)
          said.set(next.no, now)
          expect(trackOf(asking)).not.toBe(next.no)
          continue
        }
        const here = new Set(next.here)
        asking = askOn(asking, frame(next.asks, { here }), now)
        const { asked } = asking
        if (!asked) continue
        expect(asked.ask.candidates.length).toBeGreaterThan(0)
        for (const candidate of asked.ask.candidates) expect(next.here.includes(candidate as never)).toBe(false)
        expect(now - (said.get(asked.ask.track) ?? -Infinity)).toBeGreaterThanOrEqual(30_000)
      }
    }),
  )
})
