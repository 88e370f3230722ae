import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const css = readFileSync(new URL('theme.css', import.meta.url), 'utf8')
const [lightPart, darkPart] = css.split('@media (prefers-color-scheme: dark)') as [string, string]
const light = tokens(lightPart)
const dark = { ...light, ...tokens(darkPart.split('@media')[0]!) }

/** Text on ground, as theme.css promises them. */
const PAIRS: [string, string][] = [
  ...['ink', 'ink-quiet', 'accent'].flatMap((ink): [string, string][] => ['ground', 'surface', 'surface-quiet'].map((ground) => [ink, ground])),
  ['on-accent', 'accent'],
  ['accent-ink', 'accent-soft'],
  ['caution-ink', 'caution-soft'],
  ['fault-ink', 'fault-soft'],
  ['tag-ink', 'tag'],
  ['on-picture-quiet', 'tag'],
  ['tag-here-ink', 'tag-here'],
]

describe.each([
  ['light', light],
  ['dark', dark],
])('the %s colours', (_, colours) => {
  test.each(PAIRS)('write %s on %s with a contrast of at least 4.5', (ink, ground) => {
    expect(contrast(colours[ink]!, colours[ground]!)).toBeGreaterThanOrEqual(4.5)
  })

  test.each(['ground', 'surface'])('bound what can be touched on %s with a contrast of at least 3', (ground) => {
    expect(contrast(colours['line-strong']!, colours[ground]!)).toBeGreaterThanOrEqual(3)
  })
})

test('the dark scheme changes every colour of the light one but those on the picture', () => {
  const same = Object.keys(tokens(lightPart)).filter((name) => light[name] === dark[name])
  expect(same.filter((name) => !/^(on-picture|tag)/.test(name))).toEqual([])
})

/** The six-digit colours by name. */
function tokens(part: string): Record<string, string> {
  return Object.fromEntries([...part.matchAll(/--([a-z-]+):\s*(#[0-9a-f]{6});/g)].map(([, name, colour]) => [name!, colour!]))
}

/** WCAG 2.2: (lighter + 0.05) / (darker + 0.05) of the relative luminances. */
function contrast(one: string, other: string): number {
  const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number]
  return (lighter + 0.05) / (darker + 0.05)
}

function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
