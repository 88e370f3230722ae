/** Values that fit a JSON Schema, and values that fit none. Knows no route. */
import fc from 'fast-check'
import type { JsonSchema } from '../openapi/schemas.ts'
import type { Chance } from './chance.ts'

/** What the school knows, by the member or parameter that may hold it. */
export type Known = Readonly<Record<string, readonly unknown[]>>

const DAY_MS = 86_400_000

/** Of every schema that the document may hold. `around`: instants and dates lie near it. */
export function valuesOf(schema: JsonSchema, components: Readonly<Record<string, JsonSchema>>, around: Date): fc.Arbitrary<unknown> {
  const of = (one: unknown): fc.Arbitrary<unknown> => valuesOf(one as JsonSchema, components, around)
  const { $ref, anyOf, oneOf, allOf, type, format, pattern, properties, items, prefixItems, additionalProperties } = schema
  if (typeof $ref === 'string') return of(components[$ref.slice($ref.lastIndexOf('/') + 1)])
  if ('const' in schema) return fc.constant(schema.const)
  if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as unknown[]))
  if (Array.isArray(anyOf ?? oneOf)) return fc.oneof(...((anyOf ?? oneOf) as unknown[]).map(of))
  if (Array.isArray(allOf)) return fc.tuple(...allOf.map(of)).map((parts) => Object.assign({}, ...(parts as object[])) as unknown)
  switch (type) {
    case 'string':
      return stringsOf({ format, pattern, least: schema.minLength, most: schema.maxLength }, around)
    case 'integer':
      return fc.oneof(fc.integer({ min: least(schema, 0), max: Math.min(most(schema, 1_000), least(schema, 0) + 10) }), fc.constantFrom(least(schema, 0), most(schema, 1_000)))
    case 'number':
      return fc.double({ min: least(schema, -1), max: most(schema, 1), noNaN: true })
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array':
      if (Array.isArray(prefixItems)) return fc.tuple(...prefixItems.map(of))
      return fc.array(of(items), { minLength: Number(schema.minItems ?? 0), maxLength: Math.min(Number(schema.maxItems ?? 4), Number(schema.minItems ?? 0) + 4) })
    case 'object': {
      const required = new Set((schema.required as string[] | undefined) ?? [])
      const members = Object.fromEntries(Object.entries((properties as object | undefined) ?? {}).map(([name, one]) => [name, of(one)]))
      if (!properties && typeof additionalProperties === 'object') return fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), of(additionalProperties), { maxKeys: 3 })
      return fc.record(members, { requiredKeys: [...required], noNullPrototype: true })
    }
    default:
      return fc.jsonValue()
  }
}

const least = ({ minimum, exclusiveMinimum }: JsonSchema, otherwise: number): number => Math.max(Number(minimum ?? exclusiveMinimum ?? otherwise), -1e15)
const most = ({ maximum }: JsonSchema, otherwise: number): number => Math.min(Number(maximum ?? otherwise), 1e15)

function stringsOf({ format, pattern, least, most }: { format: unknown; pattern: unknown; least: unknown; most: unknown }, around: Date): fc.Arbitrary<string> {
  switch (format) {
    case 'date-time':
      return fc.integer({ min: -40 * DAY_MS, max: 2 * DAY_MS }).map((off) => new Date(around.getTime() + off).toISOString())
    case 'date':
      return fc.integer({ min: -20, max: 5 }).map((off) => new Date(around.getTime() + off * DAY_MS).toISOString().slice(0, 10))
    case 'uuid':
      return fc.uuid()
    case 'email':
      return fc.stringMatching(/^[a-z]{1,10}$/).map((name) => `${name}@school.example`)
    default:
  }
  const length = { minLength: Number(least ?? 0), maxLength: Math.min(Number(most ?? 40), Number(least ?? 0) + 40) }
  if (typeof pattern === 'string') {
    // Some are beyond what can be turned round; letters fit most of those.
    try {
      return fc.stringMatching(new RegExp(pattern.replace(/\*\$$/, '{0,20}$')))
    } catch {
      return fc.stringMatching(/^[a-z]{3,20}$/)
    }
  }
  return fc.oneof({ weight: 3, arbitrary: fc.string(length) }, { weight: 1, arbitrary: fc.string({ ...length, unit: 'grapheme' }) })
}

/** A copy in which much is what the school knows: an id that is there is seldom met by chance. */
export function withKnown(value: unknown, known: Known, chance: Chance, share = 0.75): unknown {
  if (Array.isArray(value)) return value.map((one) => withKnown(one, known, chance, share))
  if (typeof value !== 'object' || value === null) return value
  const made = Object.fromEntries(
    Object.entries(value).map(([name, one]) => {
      const some = known[name] ?? known[name.replace(/s$/, '')]
      if (!some || some.length === 0 || !chance.happens(share)) return [name, withKnown(one, known, chance, share)]
      if (!Array.isArray(one) || Array.isArray(some[0])) return [name, chance.pick(some)]
      return [name, one.map(() => chance.pick(some))]
    }),
  )
  // A lesson is both together.
  if ('held_on' in made && 'lesson_id' in made && known.lesson && known.lesson.length > 0 && chance.happens(share)) Object.assign(made, chance.pick(known.lesson))
  return made
}

const LONE = '\uD800'

/** What no program of ours would send in the place of a value. */
export const NASTY: readonly unknown[] = [
  null, true, false, 0, -0, -1, 1.5, 1e308, -1e308, 5e-324, 9_007_199_254_740_992, 2_147_483_648, -2_147_483_649, 1e21, '', ' ', 'null', 'NaN', '0', '-1', '1e999', 'undefined', [], {}, [[]], [null], { '': '' },
  '\u0000', 'a\u0000b', LONE, `a${LONE}b`, '\uDFFF\uD800', '\uFEFF', '\u202Eabc', 'ﷺ'.repeat(20), '👨‍👩‍👧‍👦', 'e\u0301', 'İ', 'ß', '\u0085', '\u2028', '\r\n', '\t', 'a\nb: c', "'; DROP TABLE students; --", '%', '%00', '%s%s%n', '..', '../../etc/passwd', '${jndi:x}', '<script>1</script>', '{{1}}', '__proto__', 'constructor', 'toString',
  { __proto__: null, constructor: { prototype: 1 } }, { toString: 1 }, { length: 1e9 }, { '\u0000': 1 }, { [LONE]: 1 },
  'x'.repeat(65), 'x'.repeat(3_000), 'x'.repeat(70_000), Array.from({ length: 600 }, (_, i) => i), Array.from({ length: 6_000 }, () => 'S001'), '0000-01-01', '9999-12-31', '10000-01-01', '2026-02-30', '0000-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999-23:59', '1969-12-31T23:59:59Z', '2026-11-23T08:05:23.123456789123Z', '2026-11-23T24:00:00Z', '2026-11-23', 'infinity', '-infinity', 'now', 'epoch', '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '٣', '１２', 'S001 ', 'S001\u0000', 's001',
]

/** The same value with one place of it spoilt: another kind, left out, added, or one too many. */
export function spoilt(value: unknown, chance: Chance): unknown {
  const places = [...placesOf(value)]
  const place = chance.pick(places)
  const kind = chance.below(5)
  return changedAt(value, place, (at) => {
    if (kind === 0 && typeof at === 'object' && at !== null && !Array.isArray(at)) return Object.fromEntries(Object.entries(at).filter((_, i) => i !== chance.below(Object.keys(at).length)))
    if (kind === 1 && typeof at === 'object' && at !== null && !Array.isArray(at)) return { ...at, [chance.pick(['more', '__proto__x', 'student_id', '\u0000', ''])]: chance.pick(NASTY) }
    if (kind === 2) return Array.isArray(at) ? [...at, ...at, chance.pick(NASTY)] : [at]
    return chance.pick(NASTY)
  })
}

type Place = readonly (string | number)[]

function* placesOf(value: unknown, place: Place = []): Generator<Place> {
  yield place
  if (typeof value !== 'object' || value === null) return
  for (const [key, one] of Object.entries(value).slice(0, 40)) yield* placesOf(one, [...place, Array.isArray(value) ? Number(key) : key])
}

function changedAt(value: unknown, [first, ...rest]: Place, change: (at: unknown) => unknown): unknown {
  if (first === undefined) return change(value)
  if (Array.isArray(value)) return value.map((one, i) => (i === first ? changedAt(one, rest, change) : (one as unknown)))
  return Object.fromEntries(Object.entries(value as object).map(([key, one]) => [key, key === first ? changedAt(one, rest, change) : (one as unknown)]))
}
